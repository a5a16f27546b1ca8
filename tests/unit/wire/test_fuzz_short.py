"""The fuzz target of the codecs, `tests/fuzz/fuzz_wire.py`, for a moment and with a seed. The long run is its own."""

from fuzz import fuzz_wire
from fuzz.mutate import mutations

SEED = 20_251_120


def test_seeded() -> None:
    for data in mutations(fuzz_wire.SEEDS, SEED, 20_000):
        fuzz_wire.one_input(data)


def test_good_inputs() -> None:
    assert len(fuzz_wire.SEEDS) > 50
    for data in fuzz_wire.SEEDS:
        fuzz_wire.one_input(data)


def test_decoding_allocates_within_bounds() -> None:
    for data in mutations(fuzz_wire.SEEDS, SEED, 2_000):
        fuzz_wire.within_bounds(data)
    names = [bytes([number >> 7, number & 127]) for number in range(1 << 14)]
    entries = b"".join(b"\2" + name + bytes(4) for name in names)
    advert = b"\x82\4" + len(names).to_bytes(4, "big") + entries  # the dearest there is: a hash of nothing but names
    fuzz_wire.within_bounds(advert)

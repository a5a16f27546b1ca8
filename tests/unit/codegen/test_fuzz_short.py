"""The fuzz target of the loader, `tests/fuzz/fuzz_loader.py`, for a moment and with a seed. The long run is its own."""

from fuzz import fuzz_loader
from fuzz.mutate import mutations

SEED = 20_251_120


def test_seeded() -> None:
    for data in mutations(fuzz_loader.SEEDS, SEED, 400):
        fuzz_loader.one_input(data)


def test_good_inputs() -> None:
    assert len(fuzz_loader.SEEDS) > 100
    for data in fuzz_loader.SEEDS:
        fuzz_loader.one_input(data)

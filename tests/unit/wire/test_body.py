"""The body of a BATCH: what is put together, and what is accepted of what comes (protocol/README.md, section 7)."""

import random
import re
import tracemalloc
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from fuzz import fuzz_body
from zlog.limits import MAX_BATCH_RECORDS, MAX_BODY_BYTES
from zlog.record import Record, encode
from zlog.wire import body, zre_log_msg
from zlog.wire.runtime import DecodeError

zstd = body.zstd  # the standard library's, or its backport

SEED = 20_260_102
HEAD = b"\x91\x98\x01\x02\x09\xa1l\xa1t\0\xc0"  # a body up to its one record's attributes


def records(count, **attributes):
    return [Record(n + 1, 10**18, 9, "app.part", f"record {n}", 0, None, dict(attributes)) for n in range(count)]


def packed(count, **attributes):
    return body.pack([encode(record) for record in records(count, **attributes)])


def reason(codec, octets, count=1):
    with pytest.raises(DecodeError) as caught:
        body.unpack(codec, octets, count)
    assert caught.value.message == "BATCH"
    return caught.value.reason


# --- putting together ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 15, 16, 255, 256, 1024])
def test_there_and_back(count):
    codec, octets = packed(count, number=3, nested={"list": [1, None, "x"]})
    assert codec == (count > 1)
    assert body.unpack(codec, octets, count) == records(count, number=3, nested={"list": [1, None, "x"]})


def test_a_packer_can_be_used_again():
    packer = body.Packer()
    for count in (2, 1, 300, 2):
        codec, octets = packer.pack([encode(record) for record in records(count)])
        assert body.unpack(codec, octets, count) == records(count)
        if codec:
            assert zstd.get_frame_info(octets).decompressed_size == len(zstd.decompress(octets))


def test_what_zstd_makes_no_smaller_is_not_compressed():
    noise = random.Random(1).randbytes(40)
    codec, octets = body.pack(
        [
            encode(Record(1, 2, 9, "", "", attributes={"n": noise[:20]})),
            encode(Record(2**40, 3, 9, "", "", attributes={"m": noise[20:]})),
        ]
    )
    assert codec == 0
    assert len(body.unpack(codec, octets, 2)) == 2


@pytest.mark.parametrize("encoded", [[], [b"\xc0"] * (MAX_BATCH_RECORDS + 1), [b"\0" * 65_536] * 17])
def test_what_is_no_batch(encoded):
    with pytest.raises(ValueError, match=r"not 1 to 1024|more than 1048576"):
        body.pack(encoded)


# --- the text's own bodies -------------------------------------------------------------------------------------------


def octets_of_the_text(after):
    """The first hex dump after these words."""
    text = (Path(__file__).parents[3] / "protocol" / "README.md").read_text(encoding="utf-8")
    dump = text.partition(after)[2].partition("```hexdump")[2].partition("```")[0]
    return bytes.fromhex("".join(re.findall(r"^[0-9A-F]{4}  ([0-9A-F ]+?) *\|", dump, re.MULTILINE)))


def test_the_body_about_an_event():
    octets = octets_of_the_text("A body of one record that is about an event:")
    (record,) = body.unpack(0, octets, 1)
    peer = UUID("9f1d4a2c-6b7e-48d0-a1b2-c3d4e5f60718").bytes
    assert record == Record(
        1, 1763625600000250000, 9, "zyre", "peer enters", zre_log_msg.EVENT_ENTER, peer, {"up": True, "load": 0.5}
    )
    assert body.pack([encode(record)]) == (0, octets)


def test_the_batch_of_the_text():
    batch = zre_log_msg.decode(octets_of_the_text("matches the errors of all\nnodes."))
    (record,) = body.records_of(batch)
    assert record == Record(299, 1763625607123456789, 9, "arm.joint", "ready", 0, None, {"joint": 3})
    assert body.pack([encode(record)]) == (0, batch.body)


# --- what comes from anybody -----------------------------------------------------------------------------------------


def test_more_elements_are_of_later_versions():
    later = msgspec.msgpack.encode([[1, 2, 9, "l", "t", 0, None, {}, "later", [1], {"x": b"y"}]])
    assert body.unpack(0, later, 1) == [Record(1, 2, 9, "l", "t")]


ELEMENTS = [1, 2, 9, "l", "t", 0, None, {"k": 1}]


@pytest.mark.parametrize("length", range(8))
def test_fewer_elements(length):
    assert reason(0, msgspec.msgpack.encode([ELEMENTS[:length]])) == "value"


@pytest.mark.parametrize(
    ("position", "value"),
    [
        *((position, value) for position in (0, 1, 2, 5) for value in (-1, 1.0, None, "1", b"1", True, [], 2**63)),
        (0, 0),
        (2, 0),
        (2, 25),
        (5, 256),
        *((position, value) for position in (3, 4) for value in (None, 1, b"x", ["x"])),
        *((6, value) for value in ("p" * 16, b"", b"p" * 15, b"p" * 17, 0, [])),
        *((7, value) for value in (None, [], "", {1: 2}, {None: 1}, {b"k": 1}, {"k": {1: 2}}, {"k": [{1.5: 2}]})),
        (7, {"k": msgspec.msgpack.Ext(5, b"x")}),
        (7, {"k": [msgspec.msgpack.Ext(-1, b"\0\0\0\1")]}),
        (7, {"k": msgspec.msgpack.Ext(-1, b"\0\0\0\1"), "octets": b"x"}),
        (7, {"k": [[[[[[[[]]]]]]]]}),
        (7, {"k": [[[[[[[[]]]]]]]], "octets": b"x"}),
        (7, {"k": [[[[[[[{"k": b"x"}]]]]]]]}),
    ],
)
def test_elements_of_other_types(position, value):
    elements = ELEMENTS.copy()
    elements[position] = value
    assert reason(0, msgspec.msgpack.encode([elements])) == "value"
    assert reason(0, msgspec.msgpack.encode([ELEMENTS, elements]), 2) == "value"


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"k": [None, True, -(2**63), 2**64 - 1, 0.5, "x", b"o", {"a": {"b": b""}}]},
        {"k": [[[[[[[]]]]]]]},
        {"k": [[[[[[[b"x"]]]]]]]},
        {"": float("inf")},
    ],
)
def test_attributes_that_are_fine(attributes):
    (record,) = body.unpack(0, msgspec.msgpack.encode([[*ELEMENTS[:7], attributes]]), 1)
    assert record.attributes == attributes


def test_the_same_key_twice():
    (record,) = body.unpack(0, HEAD + b"\x82\xa1k\x01\xa1k\x02", 1)
    assert record.attributes == {"k": 2}


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", "truncated"),
        (b"\x91", "truncated"),
        (HEAD, "truncated"),
        (HEAD + b"\x81\xa1k\xa5abc", "truncated"),
        (b"\xdd\xff\xff\xff\xff", "truncated"),
        (HEAD + b"\xdf\xff\xff\xff\xff", "truncated"),
        (HEAD + b"\x81\xa1k\xdd\xff\xff\xff\xff", "truncated"),
        (HEAD + b"\x80\x80", "value"),
        (HEAD + b"\x81\xa1k\xc1", "value"),
        (HEAD + b"\x81\xa1k\x81\x80\x00", "value"),
        (HEAD + b"\x81\xa1k\xa2\xff\xff", "utf8"),
        (HEAD + b"\x81\xa1\xff\x01", "utf8"),
        (b"\x91\x98\x01\x02\x09\xa1\xff\xa1t\0\xc0\x80", "utf8"),
        (HEAD + b"\x82\xa1o\xc4\0\xa1k\xa2\xff\xff", "utf8"),
        (HEAD + b"\x81\xa1k" + b"\x91" * 100_000, "value"),
        (HEAD + b"\x82\xa1o\xc4\0\xa1k" + b"\x91" * 100_000, "value"),
        (HEAD.replace(b"\x98", b"\x99") + b"\x80" + b"\x91" * 100_000, "value"),
        (b"\x81\x01\x02", "value"),
        (b"\xc0", "value"),
        (b"\x90", "count"),
        (b"\x92" + (HEAD + b"\x80")[1:] * 2, "count"),
        (HEAD + b"\x80" + bytes(MAX_BODY_BYTES), "size"),
    ],
)
def test_documents_that_are_none(octets, expected):
    assert reason(0, octets) == expected
    if expected != "size":
        assert reason(1, zstd.compress(octets, 1)) == expected


GOOD = HEAD + b"\x80"
FRAME = zstd.compress(GOOD, 1)


def unsized():
    compressor = zstd.ZstdCompressor(level=1)
    return compressor.compress(GOOD) + compressor.flush()


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", "zstd"),
        (GOOD, "zstd"),
        (FRAME[:-1], "zstd"),
        (FRAME + b"\0", "zstd"),
        (FRAME + FRAME, "zstd"),
        (b"\x50\x2a\x4d\x18\0\0\0\0" + FRAME, "zstd"),
        (b"\x50\x2a\x4d\x18\0\0\0\0", "truncated"),  # a frame to be skipped: empty
        (unsized(), "size"),
        (zstd.compress(bytes(MAX_BODY_BYTES + 1)), "size"),
        (b"\x28\xb5\x2f\xfd\xe0" + (2**63).to_bytes(8, "little") + b"\x01\0\0", "size"),
        (b"\x28\xb5\x2f\xfd\xe0" + (100).to_bytes(8, "little") + b"\x01\0\0", "zstd"),
        (zstd.compress(GOOD, zstd_dict=zstd.ZstdDict(b"x" * 100 + GOOD, is_raw=True)), None),
        (b"\x28\xb5\x2f\xfd\x21\x05\x0d\x69\0\0" + GOOD, "zstd"),
    ],
)
def test_frames_that_are_none(octets, expected):
    if expected is None:  # a dictionary without an id: unknown to whom it isn't given
        with pytest.raises(DecodeError):
            body.unpack(1, octets, 1)
    else:
        assert reason(1, octets) == expected


def test_the_good_frame():
    assert body.unpack(1, FRAME, 1) == [Record(1, 2, 9, "l", "t")]
    assert reason(2, GOOD) == "codec"


def batch(**more):
    fields = {"severity": 9, "sequence": 1, "count": 1, "body": GOOD} | more
    return zre_log_msg.Batch(**fields)


@pytest.mark.parametrize(
    "more",
    [
        {"severity": 0},
        {"severity": 10},
        {"severity": 25},
        {"severity": 13},
        {"severity": 5},
        {"sequence": 0},
        {"sequence": 2**63},
        {"count": 0},
        {"count": 2},
        {"count": 1025},
        {"codec": 1},
        {"codec": 7},
    ],
)
def test_batches_that_are_discarded(more):
    assert body.records_of(batch()) == [Record(1, 2, 9, "l", "t")]
    assert body.records_of(batch(sequence=2**63 - 1))
    with pytest.raises(DecodeError):
        body.records_of(batch(**more))


@pytest.mark.parametrize("filler", [b"\x80", b"\x90", b"\xc0", b"\xa1x", b"\xc4\x00", b"\xcb12345678"])
@pytest.mark.parametrize("end", [b"", b"\xc1"])
def test_a_frame_of_a_hundred_octets_allocates_no_more_than_it_may(filler, end):
    count = (MAX_BODY_BYTES - 100) // len(filler)
    octets = zstd.compress(HEAD + b"\x81\xa1k\xdd" + count.to_bytes(4, "big") + filler * count + end, 1)
    assert len(octets) < 150
    tracemalloc.start()
    try:
        try:
            body.unpack(1, octets, 1)
        except DecodeError:
            assert end
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 90 * MAX_BODY_BYTES


# --- the fuzz target, for a moment -----------------------------------------------------------------------------------


def test_seeded():
    source = random.Random(SEED)
    for _ in range(10_000):
        data = fuzz_body.random_input(source)
        try:
            fuzz_body.one_input(data)
        except BaseException as error:
            error.add_note(f"the input: bytes.fromhex({data.hex()!r})")
            raise


def test_the_corpus():
    assert all(fuzz_body.one_input(data) for data in fuzz_body.SEEDS)

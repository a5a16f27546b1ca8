"""Fuzzing the body of a BATCH: any octets, with or without zstd around them.

    python tests/fuzz/fuzz_body.py                          until it finds something
    python tests/fuzz/fuzz_body.py -max_total_time=20       for 20 seconds
    python tests/fuzz/fuzz_body.py CRASH-FILE               one input again

The first octet of an input says what the rest is: a document that is compressed first, a document, or a zstd frame;
and whether the octets after the second record are to be taken as the values of another one.

The properties:

- Unpacking ends in records or in DecodeError.
- Records are of the types of section 7.2, JSON can carry them, and a sender encodes them: to records that are equal,
  but for what had to be cut.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import runner

with runner.instrumented(__name__):
    from zlog.limits import MAX_DEPTH, MAX_RECORD_BYTES
    from zlog.record import Record, Stored, encode
    from zlog.wire import body
    from zlog.wire.runtime import DecodeError

_SCALARS: Final = (type(None), bool, int, float, str, bytes)


def one_input(data: bytes) -> bool:
    """Check the properties; whether the octets were records."""
    choice, octets = data[:1], data[1:]
    kind = (choice or b"\0")[0]
    codec = 0
    if kind & 3 == 1:
        codec = 1
    elif kind & 3 == 2 and len(octets) <= 100_000:
        codec, octets = 1, body.zstd.compress(octets, 1)
    count = (kind >> 2) or 1
    try:
        records = body.unpack(codec, octets, count)
    except DecodeError as error:
        _check(bool(error.reason) and error.message == "BATCH" and error.__cause__ is None, "the error is a good one")
        return False
    _check(len(records) == count, "the number is what the header said")
    for record in records:
        _check_record(record)
    return True


def _check_record(record: Record) -> None:
    _check(type(record) is Record, "a record")
    _check(1 <= record.ordinal < 2**63 and 0 <= record.time_ns < 2**63, "numbers that every store can keep")
    _check(1 <= record.severity <= 24 and 0 <= record.event < 256, "numbers in their bounds")
    _check(record.peer is None or len(record.peer) == 16, "a peer is a UUID")
    _check(type(record.attributes) is dict, "attributes are there")
    _check_value(record.attributes, 1)
    stored = Stored("", 0, 9, 1, record.ordinal, record.time_ns, record.severity, record.logger, record.text)
    stored.attributes = record.attributes
    _check(Stored.from_json(stored.to_json()).text == record.text, "JSON carries it")
    encoded = encode(record)
    _check(len(encoded) <= MAX_RECORD_BYTES, "a sender's record is short enough")
    (again,) = body.unpack(*body.pack([encoded]), 1)
    if "zlog.truncated" not in again.attributes:
        _check(repr(again) == repr(record), "it arrives as it was sent")  # repr: NaN is not equal to itself


def _check_value(value: Any, depth: int) -> None:
    if isinstance(value, dict):
        _check(depth <= MAX_DEPTH and all(type(key) is str for key in value), "a map of text, not too deep")
        value = list(value.values())
    elif isinstance(value, list):
        _check(depth <= MAX_DEPTH, "an array, not too deep")
    else:
        _check(type(value) in _SCALARS, f"no value: {type(value)}")
        return
    for item in value:
        _check_value(item, depth + 1)


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def random_input(source: random.Random) -> bytes:
    """Pieces of good inputs, changed, cut and joined: for runs without atheris."""
    data = bytearray(source.choice(SEEDS))
    for _ in range(source.randrange(5)):
        start = source.randrange(len(data) + 1)
        end = min(len(data), start + source.randrange(8))
        match source.randrange(4):
            case 0:
                data[start:end] = source.randbytes(end - start)
            case 1:
                del data[start:end]
            case 2:
                other = source.choice(SEEDS)
                data[start:start] = other[source.randrange(len(other)) :][: source.randrange(40)]
            case _:
                data[start:end] = bytes(source.choices(range(0x80, 0x100), k=source.randrange(4)))
    return bytes(data)


def seeds() -> list[bytes]:
    """Good inputs: every kind of value, one record and several, plain and compressed."""
    values: dict[str, Any] = {"n": None, "t": True, "i": -5, "u": 2**64 - 1, "f": 0.5, "s": "né"}
    nested: dict[str, Any] = {"l": [1, [2, {"a": []}]], "m": {"k": {"k": [None, "x"]}}}
    some = [
        Record(1, 2, 9, "l", "t"),
        Record(2**40, 1763625600000250000, 24, "arm.joint", "text " * 20, 3, b"p" * 16, values),
        Record(7, 8, 1, "", "", 255, None, nested),
        Record(8, 9, 13, "l", "t", 0, None, nested | {"o": b"octets"}),
    ]
    encoded = [encode(record) for record in some]
    made = []
    for group in [[one] for one in encoded] + [encoded, encoded * 3]:
        codec, octets = body.pack(group)
        made.append(bytes([len(group) << 2 | codec]) + octets)
        document = bytes([0x90 | len(group)]) + b"".join(group)
        made += [bytes([len(group) << 2 | kind]) + document for kind in (0, 2)]
    return made


SEEDS: Final = seeds()


if __name__ == "__main__":
    runner.main("body", one_input, SEEDS)

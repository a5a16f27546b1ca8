"""Records of a BATCH as rows: the same records, the same errors."""

import random

import msgspec
import pytest

from fuzz import fuzz_body
from zlog.record import Record, encode
from zlog.severity import RANGES
from zlog.wire import body, rows
from zlog.wire.rows import Rows
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import Batch

ATTRIBUTES = [{}, {"a": 1}, {"a": 1}, {"n": None, "deep": [1, {"x": [2.5, "°"]}], "big": 2**64 - 1}]


def batch(records, severity=9):
    codec, octets = body.pack([encode(record) for record in records])
    return Batch(severity=severity, sequence=1, count=len(records), codec=codec, body=octets)


def test_rows_are_the_records():
    records = [
        Record(number, number * 7, 9 + number % 4, "arm", f"text {number}", 3, b"p" * 16 if number % 2 else None, one)
        for number, one in enumerate(ATTRIBUTES, 1)
    ]
    found = Rows(batch(records))
    assert len(found) == 4
    assert list(found) == records
    assert found[1] == records[1]
    assert found[1:3] == records[1:3]
    assert [row[:7] for row in found.rows] == [msgspec.structs.astuple(record)[:7] for record in records]
    assert found.attributes == [msgspec.json.encode(one).decode() if one else None for one in ATTRIBUTES]


def test_octets_among_the_attributes():
    records = [Record(1, 2, 9, "l", "t", 0, None, {"o": b"octets"})]
    found = Rows(batch(records))
    assert found.rows is None
    assert list(found) == records


def test_records_of_a_later_version():
    document = b"\x91" + msgspec.msgpack.encode([1, 2, 9, "l", "t", 0, None, {}, "new"])
    found = Rows(Batch(severity=9, sequence=1, count=1, body=document))
    assert found[0].text == "t"


@pytest.mark.parametrize("severity", [1, 13])
def test_records_of_another_range(severity):
    with pytest.raises(DecodeError):
        Rows(batch([Record(1, 2, 9, "l", "t")], severity))


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(rows, "_MAX_REMEMBERED", 10)
    for number in range(100):
        Rows(batch([Record(1, 2, 9, "l", "t", 0, None, {"n": number, "long": "x" * (2000 * (number % 2))})]))
    assert len(rows._remembered) <= 10


def outcome(function, message):
    """What it returns, or what its error says."""
    try:
        return function(message), None
    except DecodeError as error:
        return None, error.args


def test_the_same_errors_and_records_for_any_octets():
    source = random.Random(5)
    good = 0
    for _ in range(20_000):
        data = fuzz_body.random_input(source)
        kind = data[0] if data else 0
        codec, octets = kind & 1, data[1:]
        message = Batch(severity=source.choice(RANGES), sequence=1, count=max(1, kind >> 2), codec=codec, body=octets)
        expected, problem = outcome(body.records_of, message)
        found, same = outcome(Rows, message)
        assert same == problem
        if problem is not None:
            continue
        good += 1
        assert repr(list(found)) == repr(expected)
        if found.rows is not None:
            shown = [msgspec.json.encode(one.attributes).decode() if one.attributes else None for one in expected]
            assert found.attributes == shown
    assert good > 500

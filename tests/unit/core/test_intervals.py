"""Intervals against a plain set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zlog.core.intervals import Intervals
from zlog.wire.runtime import DecodeError

TOP = 60
pairs = st.tuples(st.integers(0, TOP), st.integers(0, TOP))
sets = st.lists(pairs, max_size=12)


def numbers(intervals):
    return {number for start, stop in intervals for number in range(start, stop)}


def check(intervals):
    """They are sorted, not empty, and don't touch."""
    flat = [number for pair in intervals for number in pair]
    assert flat == sorted(set(flat))
    assert len(intervals) == len(flat) // 2


@given(st.lists(st.tuples(st.booleans(), pairs)))
def test_add_and_remove(steps):
    intervals, plain = Intervals(), set()
    for adds, (start, stop) in steps:
        room = [limit for limit in range(14) if intervals.fits(start, stop, limit)]
        if adds:
            intervals.add(start, stop)
            plain |= set(range(start, stop))
            if start < stop:
                assert all(len(intervals) <= limit for limit in room)
                assert len(intervals) in room or len(intervals) > 13 or len(room) == 14
        else:
            intervals.remove(start, stop)
            plain -= set(range(start, stop))
        check(intervals)
        assert numbers(intervals) == plain
        assert intervals.count() == len(plain)


@given(sets, pairs)
def test_questions(pieces, asked):
    intervals, (start, stop) = Intervals(pieces), asked
    plain = numbers(pieces)
    wanted = set(range(start, stop))
    assert intervals.covers(start, stop) == (wanted <= plain)
    missing = intervals.missing(start, stop)
    assert numbers(missing) == wanted - plain
    check(Intervals(missing))
    assert len(Intervals(missing)) == len(missing)
    assert (start in intervals) == (start in plain)
    free = start
    while free in plain:
        free += 1
    assert intervals.first_missing(start) == free
    assert intervals.through(start) == (free - 1 if free > start else 0)
    assert intervals.stop == max(plain, default=-1) + 1
    if plain:
        assert intervals.start == min(plain)


@given(sets, sets)
def test_two_sets(one, other):
    a, b = Intervals(one), Intervals(other)
    for made, plain in [
        (a.union(b), numbers(one) | numbers(other)),
        (a.intersection(b), numbers(one) & numbers(other)),
        (a.subtract(b), numbers(one) - numbers(other)),
    ]:
        check(made)
        assert numbers(made) == plain
    assert (a == b) == (numbers(one) == numbers(other))
    assert a == Intervals(one)
    assert b == Intervals(other)


@given(sets)
def test_octets(pieces):
    intervals = Intervals(pieces)
    octets = intervals.encode()
    assert len(octets) == 16 * len(intervals)
    assert Intervals.decode(octets) == intervals
    assert Intervals(intervals) == intervals


def test_octets_are_those_of_the_text():
    octets = bytes.fromhex("0000000000000120 0000000000000140")
    assert Intervals([(288, 320)]).encode() == octets
    assert Intervals.decode(octets) == Intervals([(288, 320)])


@pytest.mark.parametrize("octets", [b"\0", b"\0" * 15, b"\0" * 17, b"\0" * 16 * 1025])
def test_octets_that_are_none(octets):
    with pytest.raises(DecodeError) as caught:
        Intervals.decode(octets)
    assert caught.value.message == "COMMIT"


@given(st.binary(max_size=20 * 16))
def test_any_octets(octets):
    try:
        intervals = Intervals.decode(octets, 16)
    except DecodeError:
        assert len(octets) % 16 or len(octets) > 256
    else:
        check(intervals)


def test_numbers_up_to_the_top():
    intervals = Intervals([(1, 2**64 - 1)])
    assert Intervals.decode(intervals.encode()) == intervals
    for start, stop in [(-1, 5), (5, 2**64)]:
        with pytest.raises(ValueError, match="is not within"):
            intervals.add(start, stop)


def test_a_thousand_holes():
    intervals = Intervals((number * 2, number * 2 + 1) for number in range(1, 1025))
    assert len(intervals) == 1024
    assert not intervals.fits(4000, 4001)
    assert intervals.fits(3, 4)
    assert intervals.fits(2050, 2049)
    assert intervals.copy() == intervals
    assert intervals != 5
    assert repr(Intervals([(1, 3)])) == "Intervals([(1, 3)])"


def test_empty():
    empty = Intervals()
    assert not empty
    assert empty.stop == 0
    assert empty.first_missing() == 1
    assert empty.through() == 0
    assert empty.encode() == b""
    with pytest.raises(IndexError):
        _ = empty.start

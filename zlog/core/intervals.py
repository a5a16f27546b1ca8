"""Which sequences somebody has: a set of numbers, kept as few half-open intervals.

One set stands for one run and range. Normally it is one interval, ``[1, n)``; losses and reordering make it a few
more. protocol/README.md, sections 3.11 (the octets), 6.2 and 6.3 (what it is for).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final

from zlog.limits import MAX_INTERVALS
from zlog.wire.runtime import DecodeError

__all__ = ["MAX_INTERVALS", "Intervals"]

_PAIR: Final = Struct(">QQ")
_TOP: Final = (1 << 64) - 1


class Intervals:
    """A set of ints from 0 to 2^64 - 1, as sorted intervals [start, stop) that neither overlap nor touch.

    Each question and each change takes O(log n) steps over n intervals. The set itself has no bound: who fills it from
    a peer asks `fits` first, and keeps to `MAX_INTERVALS`.

    Args:
        pairs: (start, stop) to begin with, in any order.
    """

    __slots__ = ("_starts", "_stops")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in pairs:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Put [start, stop) in; nothing when it is empty. Raises ValueError below 0 and above 2^64 - 1."""
        if start >= stop:
            return
        _check(start, stop)
        starts, stops = self._starts, self._stops
        if starts and starts[-1] <= start <= stops[-1]:  # the usual case: the next batch
            stops[-1] = max(stop, stops[-1])
            return
        low = bisect_left(stops, start)  # the first that touches
        high = bisect_right(starts, stop)  # after the last that touches
        if low < high:
            start, stop = min(start, starts[low]), max(stop, stops[high - 1])
        starts[low:high] = [start]
        stops[low:high] = [stop]

    def remove(self, start: int, stop: int) -> None:
        """Take [start, stop) out; nothing when it is empty."""
        if start >= stop:
            return
        starts, stops = self._starts, self._stops
        low = bisect_right(stops, start)  # the first that overlaps
        high = bisect_left(starts, stop)
        if low >= high:
            return
        left = [(starts[low], start)] if starts[low] < start else []
        right = [(stop, stops[high - 1])] if stop < stops[high - 1] else []
        rest = left + right
        starts[low:high] = [pair[0] for pair in rest]
        stops[low:high] = [pair[1] for pair in rest]

    def fits(self, start: int, stop: int, limit: int = MAX_INTERVALS) -> bool:
        """Whether there are at most ``limit`` intervals when [start, stop) is added."""
        if start >= stop or len(self._starts) < limit:
            return True
        merged = bisect_right(self._starts, stop) - bisect_left(self._stops, start)
        return len(self._starts) + 1 - merged <= limit

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of [start, stop) is in; an empty interval always is."""
        if start >= stop:
            return True
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and stop <= self._stops[index]

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number + 1)

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The parts of [start, stop) that are not in, in ascending order: the holes, or what a frame brings anew."""
        holes: list[tuple[int, int]] = []
        index = bisect_right(self._stops, start)
        while start < stop:
            if index == len(self._starts) or stop <= self._starts[index]:
                holes.append((start, stop))
                break
            if start < self._starts[index]:
                holes.append((start, self._starts[index]))
            start = self._stops[index]
            index += 1
        return holes

    def first_missing(self, start: int = 1) -> int:
        """The first number from ``start`` on that is not in."""
        index = bisect_right(self._starts, start) - 1
        return max(start, self._stops[index]) if index >= 0 else start

    def through(self, start: int = 1) -> int:
        """The last number of those from ``start`` on that are in without a hole, 0 if ``start`` is not: COMMIT's."""
        end = self.first_missing(start)
        return end - 1 if end > start else 0

    @property
    def start(self) -> int:
        """The lowest number. Raises IndexError when the set is empty."""
        return self._starts[0]

    @property
    def stop(self) -> int:
        """The number after the highest, 0 when the set is empty: where a collector resumes."""
        return self._stops[-1] if self._stops else 0

    def count(self) -> int:
        """How many numbers are in."""
        return sum(self._stops) - sum(self._starts)

    def __len__(self) -> int:
        """How many intervals it takes."""
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._stops, strict=True)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Intervals):
            return NotImplemented
        return self._starts == other._starts and self._stops == other._stops

    __hash__ = None  # type: ignore[assignment] # it changes

    def __repr__(self) -> str:
        return f"Intervals({list(self)})"

    def copy(self) -> Intervals:
        """Another one with the same numbers."""
        new = Intervals()
        new._starts, new._stops = self._starts.copy(), self._stops.copy()
        return new

    def union(self, other: Intervals) -> Intervals:
        """What is in one of both."""
        new = self.copy()
        for start, stop in other:
            new.add(start, stop)
        return new

    def intersection(self, other: Intervals) -> Intervals:
        """What is in both."""
        new = Intervals()
        mine = theirs = 0
        while mine < len(self._starts) and theirs < len(other._starts):
            start = max(self._starts[mine], other._starts[theirs])
            stop = min(self._stops[mine], other._stops[theirs])
            if start < stop:
                new._starts.append(start)
                new._stops.append(stop)
            if self._stops[mine] < other._stops[theirs]:
                mine += 1
            else:
                theirs += 1
        return new

    def subtract(self, other: Intervals) -> Intervals:
        """What is in this one and not in the other."""
        new = self.copy()
        for start, stop in other:
            new.remove(start, stop)
        return new

    def encode(self) -> bytes:
        """16 octets for each interval, start and stop, as in COMMIT."""
        return b"".join(map(_PAIR.pack, self._starts, self._stops))

    @classmethod
    def decode(cls, octets: bytes, limit: int = MAX_INTERVALS) -> Intervals:
        """What `encode` made. Order, overlaps and empty intervals of a careless peer do no harm.

        Raises:
            DecodeError: it is no multiple of 16 octets, or more than ``limit`` intervals.
        """
        if len(octets) % _PAIR.size:
            raise DecodeError("truncated", len(octets), "COMMIT")
        if len(octets) > limit * _PAIR.size:
            raise DecodeError("value", limit * _PAIR.size, "COMMIT")
        return cls(_PAIR.iter_unpack(octets))


def _check(start: int, stop: int) -> None:
    if start < 0 or stop > _TOP:
        raise ValueError(f"[{start}, {stop}) is not within 0 to 2^64 - 1")

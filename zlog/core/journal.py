"""A run's bounded log of batches in memory, and the cursors that links have into it. Pure.

protocol/README.md, sections 6.2 (resume), 6.3 and 6.4 (what is asked for and gone).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from zlog.core.batches import Batch
from zlog.severity import RANGES, range_index
from zlog.wire.zre_log_msg import CAUSE_DROPPED, CAUSE_EVICTED, CAUSE_EXPIRED

__all__ = ["OVERHEAD", "Cursor", "Earlier", "Gone", "Journal"]

#: What a batch costs besides its frame, in octets: the objects around it.
OVERHEAD: Final = 400
#: One part in so many of the journal is kept for WARN and worse: a flood of DEBUG can't push errors out.
_FOR_WORSE: Final = 4
#: One part in so many is kept for each range: when INFO fills the rest, what a collector asks for of DEBUG must still
#: live long enough to be sent.
_FOR_EACH: Final = 16
_WARN: Final = RANGES.index(13)


class Gone(msgspec.Struct, frozen=True, gc=False):
    """Records that the journal doesn't have: [start, stop) of a range, and the ``CAUSE_`` constant that says why."""

    range: int
    start: int
    stop: int
    cause: int


class Earlier(Protocol):
    """What is kept of a run somewhere else: all of one that ended, or what a journal has let go of."""

    def first(self, first_severity: int) -> int:
        """The lowest sequence of a range that is held; `next` when none is."""

    def next(self, first_severity: int) -> int:
        """The sequence after the last."""

    def at(self, first_severity: int, sequence: int) -> Batch | Gone | None:
        """What answers for a sequence; None from `next` on."""


class _Lane:
    """The batches of one range, by sequence. What is before `head` of the lists was evicted."""

    __slots__ = ("backing", "batches", "bytes", "cause", "head", "next", "range", "since", "starts")

    def __init__(self, severity: int) -> None:
        self.range = severity
        self.batches: list[Batch | None] = []
        self.starts: list[int] = []  # their sequences
        self.since: deque[int] = deque()  # when those came that are left
        self.head = 0
        self.next = 1
        self.bytes = 0
        self.cause = CAUSE_DROPPED  # of what is missing before the first
        self.backing: Earlier | None = None

    def append(self, batch: Batch, now: int) -> None:
        self.batches.append(batch)
        self.starts.append(batch.sequence)
        self.since.append(now)
        self.next = batch.stop
        self.bytes += len(batch.frame) + OVERHEAD

    def evict(self, cause: int) -> Batch:
        """Take the oldest out."""
        batch = self.batches[self.head]
        assert batch is not None
        self.batches[self.head] = None
        self.head += 1
        self.since.popleft()
        self.bytes -= len(batch.frame) + OVERHEAD
        self.cause = cause
        if self.head >= 64 and self.head * 2 >= len(self.batches):
            del self.batches[: self.head], self.starts[: self.head]
            self.head = 0
        return batch

    def at(self, sequence: int) -> Batch | Gone | None:
        """See `Journal.at`."""
        if sequence >= self.next:
            return None
        index = bisect_right(self.starts, sequence, self.head) - 1
        if index >= self.head:
            batch = self.batches[index]
            if batch is not None and sequence < batch.stop:
                return batch
            cause = CAUSE_DROPPED  # between two batches: no other cause leaves a hole there
        else:
            cause = self.cause
        stop = self.starts[index + 1] if index + 1 < len(self.starts) else self.next
        if index < self.head and self.backing is not None:
            kept = self.backing.at(self.range, sequence)
            if isinstance(kept, Batch):
                return kept
            if kept is not None:
                return Gone(self.range, sequence, min(kept.stop, stop), kept.cause)
        return Gone(self.range, sequence, stop, cause)


class Journal:
    """The newest batches of a run, within a bound of octets and one of age.

    When it is full, the oldest batch of the lowest range goes first. A quarter is kept for WARN and worse, and a
    sixteenth for each range. The batch that was appended last always stays.

    Args:
        max_bytes: octets that it may take, frames and the objects around them.
        max_age_ns: how long a batch stays, in nanoseconds; None for as long as there is room.

    Attributes:
        bytes: octets that it takes.
        evicted: how many records went, for either bound.
    """

    def __init__(self, max_bytes: int, max_age_ns: int | None = None) -> None:
        self.bytes = 0
        self.evicted = 0
        self._max_bytes = max_bytes
        self._max_age_ns = max_age_ns
        self._lanes = [_Lane(first) for first in RANGES]

    def back(self, backing: Earlier | None) -> None:
        """What it lets go of may be kept there, on disk: then that answers for it."""
        for lane in self._lanes:
            lane.backing = backing

    def append(self, batch: Batch, now: int) -> list[Gone]:
        """Keep a batch; the batches of a range come in ascending order.

        Args:
            now: nanoseconds of a clock that never jumps.

        Returns:
            What had to go for it, and what became too old.

        Raises:
            ValueError: the range has had that sequence.
        """
        lane = self._lanes[range_index(batch.range)]
        if batch.sequence < lane.next:
            raise ValueError(f"sequence {batch.sequence} comes after {lane.next - 1}")
        gone = self.expire(now) if self._max_age_ns is not None else []
        lane.append(batch, now)
        self.bytes += len(batch.frame) + OVERHEAD
        while self.bytes > self._max_bytes or self._low_bytes() > self._max_bytes - self._max_bytes // _FOR_WORSE:
            victim = self._victim(lane)
            if victim is None:
                break
            self._evict(victim, CAUSE_EVICTED, gone)
        return gone

    def expire(self, now: int) -> list[Gone]:
        """Let go of what is too old."""
        gone: list[Gone] = []
        if self._max_age_ns is not None:
            for lane in self._lanes:
                while lane.since and lane.since[0] + self._max_age_ns <= now:
                    self._evict(lane, CAUSE_EXPIRED, gone)
        return gone

    def advance(self, first_severity: int, next_sequence: int) -> None:
        """The records of a range before ``next_sequence`` that have not come were dropped, and will not come."""
        lane = self._lanes[range_index(first_severity)]
        lane.next = max(lane.next, next_sequence)

    def first(self, first_severity: int) -> int:
        """The lowest sequence of a range that is held; `next` when none is."""
        lane = self._lanes[range_index(first_severity)]
        first = lane.starts[lane.head] if lane.since else lane.next
        return first if lane.backing is None else min(first, lane.backing.first(first_severity))

    def next(self, first_severity: int) -> int:
        """The sequence after the last that came. Records in batches that are still open come later."""
        return self._lanes[range_index(first_severity)].next

    def at(self, first_severity: int, sequence: int) -> Batch | Gone | None:
        """What answers for a sequence: the batch that holds it, what is gone from there on, or None from `next` on."""
        return self._lanes[range_index(first_severity)].at(sequence)

    def read(self, first_severity: int, sequence: int) -> Iterator[Batch]:
        """The batches of a range from the one that holds ``sequence`` on; holes are passed over.

        While it is read the journal may change: what goes in the meantime isn't read, and what comes is.
        """
        return (item for item in self.answer(first_severity, sequence) if isinstance(item, Batch))

    def answer(self, first_severity: int, start: int, stop: int | None = None) -> Iterator[Batch | Gone]:
        """What answers a FETCH for [start, stop): each sequence that came, once. Changes meanwhile are seen."""
        lane = self._lanes[range_index(first_severity)]
        while stop is None or start < stop:
            item = lane.at(start)
            if item is None:
                return
            start = item.stop
            if isinstance(item, Gone) and stop is not None and item.stop > stop:
                item = Gone(item.range, item.start, stop, item.cause)
            yield item

    def __len__(self) -> int:
        """How many batches are held."""
        return sum(len(lane.since) for lane in self._lanes)

    def _low_bytes(self) -> int:
        return sum(lane.bytes for lane in self._lanes[:_WARN])

    def _victim(self, newest: _Lane) -> _Lane | None:
        """The range whose oldest batch goes next."""
        lanes = [lane for lane in self._lanes if len(lane.since) > (lane is newest)]
        if self._low_bytes() > self._max_bytes - self._max_bytes // _FOR_WORSE:
            lanes = [lane for lane in lanes if lane.range < RANGES[_WARN]]
        share = self._max_bytes // _FOR_EACH
        above = [lane for lane in lanes if lane.bytes > share]
        return next(iter(above or lanes), None)

    def _evict(self, lane: _Lane, cause: int, gone: list[Gone]) -> None:
        batch = lane.evict(cause)
        self.bytes -= len(batch.frame) + OVERHEAD
        self.evicted += batch.count
        if gone and (last := gone[-1]).range == lane.range and last.stop == batch.sequence and last.cause == cause:
            gone[-1] = Gone(lane.range, last.start, batch.stop, cause)
        else:
            gone.append(Gone(lane.range, batch.sequence, batch.stop, cause))


class Cursor:
    """Where one link is in the journal: it goes through the batches of the ranges it is to have, by first ordinal.

    When the journal lets go of what it had still to read, it says so once and goes on behind that.

    Args:
        journal: to read.
        least: ranges below the range of this severity are not read.
        points: the sequences to begin with, by range; a range without one begins with the next record.
        nexts: the sequences that the next records will have, from TRACE to FATAL (`Run.next`), where batches may be
            open; else those of the journal. No point is beyond.
    """

    __slots__ = ("_heads", "_journal", "_lanes", "_positions", "_reads")

    def __init__(
        self,
        journal: Journal,
        least: int = 1,
        points: Mapping[int, int] | None = None,
        nexts: Sequence[int] | None = None,
    ) -> None:
        self._journal = journal
        self._lanes = journal._lanes
        self._positions = self._nexts(nexts)
        self._heads: list[Batch | Gone | None] = [None] * len(RANGES)  # what comes next of each range, once known
        self._reads = [first >= RANGES[range_index(least)] for first in RANGES]
        for first_severity, point in (points or {}).items():
            index = range_index(first_severity)
            self._positions[index] = max(1, min(point, self._positions[index]))

    def select(self, least: int, nexts: Sequence[int] | None = None) -> None:
        """Read ranges from that of this severity on; one that wasn't read before begins with its next record."""
        beginning = self._nexts(nexts)
        for index, first in enumerate(RANGES):
            wanted = first >= RANGES[range_index(least)]
            if wanted and not self._reads[index]:
                self._positions[index] = beginning[index]
                self._heads[index] = None
            self._reads[index] = wanted

    def hold(self, first_severity: int) -> int:
        """Stop to read a range: somebody else sends it. Returns the sequence that would have been read next."""
        index = range_index(first_severity)
        self._reads[index] = False
        return self._positions[index]

    def seek(self, first_severity: int, sequence: int) -> None:
        """Read a range, from this sequence on."""
        index = range_index(first_severity)
        self._reads[index] = True
        self._positions[index] = sequence
        self._heads[index] = None

    def peek(self) -> Batch | Gone | None:
        """What comes next, without moving; None when all was read. What is gone comes before batches."""
        best: Batch | None = None
        for index, lane in enumerate(self._lanes):
            if not self._reads[index]:
                continue
            head = self._heads[index]
            if head is None:
                if self._positions[index] >= lane.next:
                    continue
                head = self._heads[index] = lane.at(self._positions[index])
            if isinstance(head, Gone):
                return head
            if head is not None and (best is None or head.first_ordinal < best.first_ordinal):
                best = head
        return best

    def take(self) -> Batch | Gone | None:
        """What comes next, and move behind it."""
        item = self.peek()
        if item is not None:
            index = range_index(item.range)
            self._positions[index] = item.stop
            self._heads[index] = None
        return item

    def position(self, first_severity: int) -> int:
        """The sequence of a range that is read next."""
        return self._positions[range_index(first_severity)]

    def lag(self, first_severity: int) -> int:
        """Records of a range that came and have still to be read; 0 for a range that isn't read."""
        index = range_index(first_severity)
        return max(0, self._lanes[index].next - self._positions[index]) if self._reads[index] else 0

    def _nexts(self, nexts: Sequence[int] | None) -> list[int]:
        return [lane.next for lane in self._lanes] if nexts is None else list(nexts)

"""The journals on the disks of hosts, as `zlog.agent.disk` keeps them: what is there outlives who wrote it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from zlog.core.batches import Batch, Run
from zlog.core.journal import Cursor, Gone, Journal
from zlog.severity import RANGES, range_index
from zlog.wire.zre_log_msg import CAUSE_DROPPED, CAUSE_EVICTED

from .world import SECOND

#: A node that has a collector looks so often for runs that nobody holds.
LOOK_NS: Final = 5 * SECOND
#: So many runs does a node take over; then the oldest go.
MOST_RUNS: Final = 4


class Disk:
    """The folder of a run: `zlog.core.journal.Earlier`.

    Args:
        run, journal: of the node, while it lives.
        most_bytes: that its batches may take.

    Attributes:
        fails: it is full.
    """

    def __init__(self, run: Run, journal: Journal, most_bytes: int) -> None:
        self.fails = False
        self._run = run
        self._most_bytes = most_bytes
        self._bytes = 0
        self._nexts = [1] * len(RANGES)
        self._ends = [1] * len(RANGES)
        self._lanes: list[list[Batch]] = [[] for _ in RANGES]
        self._cursor: Cursor | None = Cursor(journal, 1, dict.fromkeys(RANGES, 1))
        self._last: list[Batch] = []
        journal.back(self)

    def pump(self) -> list[Batch]:
        """Write what came into the journal; returns what had to go for it."""
        cursor, gone = self._cursor, []
        if self.fails or cursor is None:
            return []
        while (item := cursor.take()) is not None:
            if isinstance(item, Batch):
                index = range_index(item.range)
                self._lanes[index].append(item)
                self._ends[index] = item.stop
                self._bytes += len(item.frame)
                self._last = [*self._last[-2:], item]
        self._nexts[:] = self._run.next
        while self._bytes > self._most_bytes:
            lane = next((lane for lane in self._lanes if len(lane) > 1), None)
            if lane is None:
                break
            gone.append(lane.pop(0))
            self._bytes -= len(gone[-1].frame)
        return gone

    def died(self, lost: int) -> None:
        """The node is no more. By the numbers that it gave out, it is known what of it was not written.

        Args:
            lost: so many of the last writes are lost with the machine, and those numbers too.
        """
        self._cursor = None
        self._nexts[:] = self._run.next
        for batch in self._last[len(self._last) - lost :]:
            index = range_index(batch.range)
            lane = self._lanes[index]
            if batch in lane:
                del lane[lane.index(batch) :]
        if lost:
            for index, lane in enumerate(self._lanes):
                self._ends[index] = lane[-1].stop if lane else 1
            self._nexts[:] = self._ends

    def first(self, first_severity: int) -> int:
        index = range_index(first_severity)
        lane = self._lanes[index]
        return lane[0].sequence if lane else self._nexts[index]

    def next(self, first_severity: int) -> int:
        return self._nexts[range_index(first_severity)]

    def at(self, first_severity: int, sequence: int) -> Batch | Gone | None:
        index = range_index(first_severity)
        lane, following = self._lanes[index], self._nexts[index]
        if sequence >= following:
            return None
        place = bisect_right(lane, sequence, key=_sequence) - 1
        if place >= 0 and sequence < lane[place].stop:
            return lane[place]
        stop = lane[place + 1].sequence if place + 1 < len(lane) else following
        if place < 0 and sequence < self._ends[index]:
            return Gone(first_severity, sequence, min(stop, self._ends[index]), CAUSE_EVICTED)
        return Gone(first_severity, sequence, stop, CAUSE_DROPPED)

    def lacks(self, first_severity: int, stop: int) -> Iterator[tuple[int, int]]:
        """What of [1, stop) isn't there."""
        at = 1
        while at < stop:
            item = self.at(first_severity, at)
            after = stop if item is None else min(item.stop, stop)
            if not isinstance(item, Batch):
                yield at, after
            at = after


def _sequence(batch: Batch) -> int:
    return batch.sequence

"""What a node holds: its current run, and runs that ended before it. Pure.

protocol/README.md, sections 3.7 (OFFER) and 6.4 (what answers FETCH).
"""

from __future__ import annotations

from typing import Final

from zlog.core.batches import Batch, Run
from zlog.core.journal import Earlier, Gone, Journal
from zlog.core.sync import Held, RunKey
from zlog.severity import RANGES, range_index
from zlog.wire.zre_log_msg import CAUSE_DROPPED, CAUSE_EVICTED

__all__ = ["Earlier", "Holdings"]

_NO_END: Final = 2**64 - 1


class Holdings:
    """The current run with its journal, and earlier runs.

    Args:
        run: the current one.
        journal: its batches. What is not there yet, because its batch is open, comes later.

    Attributes:
        dropped: records that never reached the journal, by index of the range.
        earlier: the other runs.
        began: when those of them began of which that is known, nanoseconds of a clock that never jumps; before 0 too.
    """

    def __init__(self, run: Run, journal: Journal) -> None:
        self.run = run
        self.key = RunKey(run.node, run.epoch)
        self.journal = journal
        self.dropped = [0] * len(RANGES)
        self.earlier: dict[RunKey, Earlier] = {}
        self.began: dict[RunKey, int] = {}

    def drop(self, severity: int, count: int) -> None:
        """Records that were given numbers can't be kept: from here on they are gone."""
        index = range_index(severity)
        self.dropped[index] += count
        self.journal.advance(RANGES[index], self.run.next[index])

    def held(self) -> list[Held]:
        """For OFFER; the current run first."""
        current = tuple(
            (min(self.journal.first(first), following), following)
            for first, following in zip(RANGES, self.run.next, strict=True)
        )
        return [
            Held(self.key, current),
            *(
                Held(key, tuple((run.first(first), run.next(first)) for first in RANGES))
                for key, run in self.earlier.items()
            ),
        ]

    def next(self, run: RunKey, first_severity: int) -> int | None:
        """The sequence that the next record of a range has or would have; None for a run that isn't held."""
        if run == self.key:
            return self.run.next[range_index(first_severity)]
        found = self.earlier.get(run)
        return None if found is None else found.next(first_severity)

    def at(self, run: RunKey, first_severity: int, sequence: int) -> Batch | Gone | None:
        """What answers for a sequence of a run that is held; None if that isn't there yet.

        In a run that ended nothing comes any more: what is beyond its end was lost with its process.
        """
        if run == self.key:
            return self.journal.at(first_severity, sequence)
        found = self.earlier.get(run)
        if found is None:  # it went while it was being read
            return Gone(first_severity, sequence, _NO_END, CAUSE_EVICTED)
        return found.at(first_severity, sequence) or Gone(first_severity, sequence, _NO_END, CAUSE_DROPPED)

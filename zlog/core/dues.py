"""What of a node's current run is due to one collector, and what of it that collector has committed. Pure.

protocol/README.md, sections 6.5 and 6.6.
"""

from __future__ import annotations

from collections.abc import Sequence

from zlog.core.intervals import Intervals
from zlog.core.link_effects import Demand
from zlog.severity import RANGES

__all__ = ["Dues"]


class Dues:
    """One collector's.

    Attributes:
        demand: what it wants; None before it is known.
        bases: the first sequence due to it, by index of the range; 0 for none.
    """

    def __init__(self) -> None:
        self.demand: Demand | None = None
        self.bases = [0] * len(RANGES)
        self._through = [0] * len(RANGES)
        self._further: dict[int, Intervals] = {}

    def begin(self, demand: Demand) -> None:
        """A new connection: nothing is committed before the collector says so again. `bases` are set by the caller."""
        self.demand = demand
        self._through = [0] * len(RANGES)
        self._further.clear()

    def want(self, demand: Demand, nexts: Sequence[int]) -> None:
        """Another demand: what wasn't due begins with the next record."""
        self.demand = demand
        for index in range(len(RANGES)):
            if not self.is_due(index):
                self.bases[index] = 0
            elif not self.bases[index]:
                self.bases[index] = nexts[index]  # what was committed stays so: a FETCH may lower the base

    def commit(self, index: int, through: int, further: Intervals) -> None:
        """The collector has these. Where it resumed behind a hole, what it lacks before that is due as well."""
        self._through[index] = through
        self._further[index] = further
        if further and self.has_base(index):
            self.bases[index] = min(self.bases[index], through + 1)

    def is_due(self, index: int) -> bool:
        """Whether the collector wants the range."""
        return self.demand is not None and self.demand.severity <= RANGES[index] + 3

    def has_base(self, index: int) -> bool:
        """Whether the collector wants the range, and from where on is known."""
        return bool(self.bases[index]) and self.is_due(index)

    def waiting(self, nexts: Sequence[int]) -> int:
        """How many of the records before these, from TRACE to FATAL, are due and not committed."""
        return sum(
            following - self.bases[index] - self._committed(index, following)
            for index, following in enumerate(nexts)
            if self.has_base(index) and following > self.bases[index]
        )

    def _committed(self, index: int, following: int) -> int:
        """How many of those before this one, from the first that was due on, are committed."""
        base = self.bases[index]
        through = min(self._through[index] + 1, following)
        count = max(0, through - base)
        for start, stop in self._further.get(index, ()):
            count += max(0, min(stop, following) - max(start, base, through))
        return count

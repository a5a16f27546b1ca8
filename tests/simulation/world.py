"""The clock, the queue of events, and what ends a run: a `Violation`."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final
from uuid import UUID

US: Final = 1_000
MS: Final = 1_000 * US
SECOND: Final = 1_000 * MS
#: What a right clock shows when the simulation's shows 0.
WALL_NS: Final = 1_800_000_000 * SECOND


class Violation(AssertionError):  # noqa: N818 - it is what a run ends with
    """Something happened that never may."""


class World:
    """Virtual time, and all that will happen in it.

    Args:
        seed: decides everything.
        tell: called with each line of the trace; None for none.

    Attributes:
        now: nanoseconds.
        random: the only source of chance.
        events: how many have happened.
        horizon: after that nobody goes on by chance: no faults, no records.
    """

    def __init__(self, seed: int, tell: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.now = 1_000 * SECOND
        self.random = random.Random(seed)
        self.events = 0
        self.horizon = self.now
        self.tell = tell
        self._queue: list[tuple[int, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._count = 0

    def after(self, delay: int, action: Callable[..., Any], *args: Any) -> None:
        """Have something happen later; what is due at the same time happens in the order of these calls."""
        self._count += 1
        heappush(self._queue, (self.now + max(0, delay), self._count, action, args))

    def step(self, until: int) -> bool:
        """Let the next thing happen, if it is due by then; whether one was. Else it is that late."""
        if not self._queue or self._queue[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, action, args = heappop(self._queue)
        self.events += 1
        action(*args)
        return True

    def run(self, until: int) -> None:
        """Let everything happen up to a time."""
        while self.step(until):
            pass

    def uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def between(self, low: int, high: int) -> int:
        """A duration between two, short ones more often than long ones."""
        return (
            int(low * (max(high, low) / low) ** self.random.random()) if low else int(high * self.random.random() ** 2)
        )

    def trace(self, who: str, what: str) -> None:
        """Tell what happens. Ask `tell` first where the text costs something."""
        if self.tell is not None:
            self.tell(f"{(self.now - 1_000 * SECOND) / SECOND:12.6f}  {who:<12} {what}")

"""Records that come from several nodes and ranges, put in order by being held for a moment. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from zlog.collector.stores.order import ordered
from zlog.record import Stored

__all__ = ["HOLD_NS", "Holdback"]

HOLD_NS: Final = 50_000_000
"""How long a record is held at most: a batch is closed after 5 ms, and networks take a few."""

_SHORTER: Final = HOLD_NS // 2  # so that records go in groups, not one by one
_MOST: Final = 20_000
"""Records held at the same time; beyond, the oldest go."""


class Holdback:
    """Holds records for up to 50 ms and gives them back in the order of `zlog.collector.stores.order`.

    What comes later than that is out of order.
    """

    def __init__(self) -> None:
        self._held: deque[tuple[int, Stored]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, record: Stored, now: int) -> None:
        """Take a record that came now, in nanoseconds of a clock that never jumps."""
        self._held.append((now, record))

    def due(self) -> int | None:
        """When the next record has to go; None while none is held."""
        return self._held[0][0] + HOLD_NS if self._held else None

    def take(self, now: int) -> list[Stored]:
        """Those that have to go now, in order, with all that belong before them."""
        held = self._held
        if not held or (now < held[0][0] + HOLD_NS and len(held) <= _MOST):
            return []
        chosen = {id(record) for came, record in held if came + _SHORTER <= now}
        if len(held) > _MOST:
            chosen |= {id(record) for _, record in list(held)[: _MOST // 2]}
        sequence = ordered(record for _, record in held)
        last = max(place for place, record in enumerate(sequence) if id(record) in chosen)
        going = sequence[: last + 1]
        gone = {id(record) for record in going}
        self._held = deque(entry for entry in held if id(entry[1]) not in gone)
        return going

    def rest(self) -> list[Stored]:
        """All that is held, in order."""
        going = ordered(record for _, record in self._held)
        self._held.clear()
        return going

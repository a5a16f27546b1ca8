"""The stream of a node's current run to one collector: a cursor into the journal, and what its batches go out as. Pure.

protocol/README.md, sections 5.2 to 5.4: the collector's subscriptions say whether it gets BATCH, RECORD or LOG.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

from zlog import limits
from zlog.core.answers import Answers
from zlog.core.batches import Batch
from zlog.core.expand import logs_of, wire_records_of
from zlog.core.holdings import Holdings
from zlog.core.journal import Cursor, Gone
from zlog.core.link_effects import Demand
from zlog.severity import RANGES

__all__ = ["Live"]

_BATCH: Final = b"\xaa\xa2\x03"
_READY: Final = b"\xaa\xa2\xff"
_UUID_SIZE: Final = 16


class Live:
    """The stream of one link.

    Args:
        holdings: what the node holds.
        answers: says GONE, where somebody can hear it.
        logs_for: for a collector that understands LOG only: the 16-bit id of a peer, or with None of the node itself.

    Attributes:
        begun: whether it is known from where on records go.
        frames: those of the next batch that have still to go, where it isn't sent as it is.
    """

    def __init__(
        self, holdings: Holdings, answers: Answers | None, logs_for: Callable[[bytes | None], int] | None
    ) -> None:
        self.begun = False
        self.frames: deque[bytes] = deque()
        self._holdings = holdings
        self._answers = answers
        self._logs_for = logs_for
        self._subscriptions: set[bytes] = set()
        self._cursor = Cursor(holdings.journal)
        self._frames_of: Batch | None = None

    # --- subscriptions ------------------------------------------------------------------------------------------------

    def subscribe(self, prefix: bytes) -> bool:
        """Returns False when there are too many."""
        if len(self._subscriptions) >= limits.MAX_SUBSCRIPTIONS:
            return False
        self._subscriptions.add(prefix)
        return True

    def unsubscribe(self, prefix: bytes) -> bool:
        """Returns whether the stream is one no more: the marker went, or all."""
        self._subscriptions.discard(prefix)
        return prefix[:3] == _READY or not self._subscriptions

    def unsubscribe_all(self) -> None:
        self._subscriptions.clear()

    def markers(self) -> list[UUID]:
        """The collectors that the ready markers name."""
        return [found for prefix in self._subscriptions if (found := self.marker(prefix)) is not None]

    @staticmethod
    def marker(prefix: bytes) -> UUID | None:
        """The collector that a ready marker names; None for another subscription."""
        is_one = prefix[:3] == _READY and len(prefix) == 3 + _UUID_SIZE
        return UUID(bytes=prefix[3:]) if is_one else None

    # --- frames -------------------------------------------------------------------------------------------------------

    def peek(self) -> bytes | None:
        """The next frame."""
        cursor = self._cursor
        while True:
            if self.frames:
                return self.frames[0]
            item = cursor.peek()
            if item is None:
                return None
            if isinstance(item, Gone):
                cursor.take()
                if self._answers is not None:
                    self._answers.gone(self._holdings.key, item)
                continue
            kind = self._kind()
            if kind is None:
                return item.frame
            self.frames.extend(kind(item))
            self._frames_of = item
            if not self.frames:
                self._taken(item)

    def sent(self) -> int:
        """The frame that `peek` gave was sent. Returns how many records are through with it."""
        if self.frames:
            self.frames.popleft()
            if self.frames:
                return 0
        item = self._frames_of if self._frames_of is not None else self._cursor.peek()
        return self._taken(item) if isinstance(item, Batch) else 0

    def _taken(self, item: Batch) -> int:
        self._frames_of = None
        self._cursor.seek(item.range, item.stop)
        return item.count

    def _kind(self) -> Callable[[Batch], list[bytes]] | None:
        """What makes frames of a batch; None for the batch's own (section 5.4)."""
        if self._logs_for is not None:
            return partial(logs_of, id_of=self._logs_for)
        if any(_BATCH.startswith(prefix) or prefix.startswith(_BATCH) for prefix in self._subscriptions):
            return None
        return wire_records_of

    # --- where it is --------------------------------------------------------------------------------------------------

    def begin(self, demand: Demand, points: dict[int, int]) -> None:
        """Stream the current run from these points on."""
        self.begun = True
        self.restart()
        self._cursor = Cursor(self._holdings.journal, min(demand.severity, 24), points, self._holdings.run.next)

    def restart(self) -> None:
        """Send the batch at hand from its first record on, or what comes in its place."""
        self.frames.clear()
        self._frames_of = None

    def select(self, demand: Demand) -> None:
        """Another demand: ranges that weren't sent begin with their next record."""
        self._cursor.select(min(demand.severity, 24), self._holdings.run.next)
        if demand.severity > 24:
            for first in RANGES:
                self._cursor.hold(first)

    def hold(self, first_severity: int) -> None:
        """Somebody else sends this range."""
        self._cursor.hold(first_severity)

    def seek(self, first_severity: int, sequence: int) -> None:
        """Send this range, from this sequence on."""
        self._cursor.seek(first_severity, sequence)

    def position(self, first_severity: int) -> int:
        """The sequence that is sent next."""
        return self._cursor.position(first_severity) if self.begun else 1

"""The thread that writes one store: it puts together what waits, so that a write is worth its fsync."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from zlog import limits
from zlog.collector.stores import Loss, Part, Store
from zlog.core.parcels import OVERHEAD, Key, Parcel
from zlog.core.session_effects import GAP, NOT_ASKED
from zlog.errors import StoreError
from zlog.wire.runtime import DecodeError

__all__ = ["Damaged", "Roomy", "Writer", "Written", "part_of"]

#: Records in one write: 50 ms of SQLite's time.
_GROUP_RECORDS: Final = 8_192
#: Of those, as many may be live ones when history waits as well: neither starves the other.
_LIVE_RECORDS: Final = _GROUP_RECORDS * 3 // 4
#: After a small write it waits so long for more: a hundred nodes with a record each now and then need one fsync.
_GATHER_S: Final = 0.005
_SMALL_RECORDS: Final = 256
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 5.0


class Written(NamedTuple):
    """A store holds these: run and range, start, stop; and as not asked for, those that were too old."""

    sink: int
    spans: list[tuple[Key, int, int]]
    old: list[tuple[Key, int, int]]


class Damaged(NamedTuple):
    """The body of a parcel is bad."""

    parcel: Parcel


class Roomy(NamedTuple):
    """A store that was full has room again."""

    sink: int


Told = Written | Damaged | Roomy


class Writer:
    """Writes to a store what it is offered.

    Args:
        sink: number of the store in the session.
        store: it, open.
        tell: called, in the writer's thread, with what has become of it.

    Attributes:
        records: written so far by this collector.
        failing: what the last write said, when it failed; None when all is well.
    """

    def __init__(self, sink: int, store: Store, tell: Callable[[Told], None]) -> None:
        self.sink = sink
        self.store = store
        self.records = 0
        self.failing: str | None = None
        self.behind = 0
        self._tell = tell
        self._changed = threading.Condition()
        self._queue: deque[Parcel | Loss] = deque()
        self._history: deque[Parcel | Loss] = deque()  # what was asked for: live records don't wait behind it
        self._bytes = [0, 0]  # of both queues
        self._writing = 0
        self._refused = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    # --- for the core's thread ----------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether it would refuse a live parcel."""
        return self._bytes[0] >= limits.COLLECTOR_QUEUE_BYTES

    def offer(self, parcel: Parcel) -> bool:
        """Take a parcel, unless there is no room; then `Roomy` follows."""
        with self._changed:
            if self._bytes[parcel.asked] >= limits.COLLECTOR_QUEUE_BYTES:
                self._refused = True
                return False
            self._bytes[parcel.asked] += parcel.size
            self.behind += parcel.count
            (self._history if parcel.asked else self._queue).append(parcel)
            if self._waiting() == 1:
                self._changed.notify()
        return True

    def name(self, loss: Loss) -> None:
        """Note a loss; there is room for it always."""
        with self._changed:
            before = self._queue[-1] if self._queue else None
            if isinstance(before, Loss) and (before.key, before.cause, before.stop) == (
                loss.key,
                loss.cause,
                loss.start,
            ):
                self._queue[-1] = replace(before, stop=loss.stop)
                return
            self._bytes[0] += OVERHEAD
            self._queue.append(loss)
            if self._waiting() == 1:
                self._changed.notify()

    def want_room(self) -> None:
        """Have `Roomy` told when there is room."""
        with self._changed:
            self._refused = True

    def start(self, name: str) -> None:
        self._thread = threading.Thread(target=self._run, name=f"{name}-{self.store.scheme}-{self.sink}", daemon=True)
        self._thread.start()

    def wait_idle(self, deadline_s: float, clock: Callable[[], float]) -> bool:
        """Wait until all is written, but not for a store that fails; whether it is."""
        with self._changed:
            while (self._waiting() or self._writing) and self.failing is None:
                if not self._changed.wait(max(0.0, deadline_s - clock())):
                    break
            return not self._waiting() and not self._writing

    def stop(self, timeout_s: float) -> None:
        """End the thread, after the write it is at. What waits is not written."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        small = False
        while True:
            with self._changed:
                while not self._waiting() and not self._stopping:
                    self._changed.wait()
                if small and not self._stopping and self._waiting() < _SMALL_RECORDS:
                    self._changed.wait(_GATHER_S)
                if self._stopping:
                    return
                group = self._next_group()
            written = self._write(group)
            small = written < _SMALL_RECORDS
            with self._changed:
                for item in group:
                    self._bytes[isinstance(item, Parcel) and item.asked] -= _size(item)
                self.behind -= sum(item.count for item in group if isinstance(item, Parcel))
                self._writing = 0
                roomy = self._refused and max(self._bytes) < limits.COLLECTOR_QUEUE_BYTES // 2
                self._refused = self._refused and not roomy
                self._changed.notify_all()
            if roomy:
                self._tell(Roomy(self.sink))

    def _next_group(self) -> list[Parcel | Loss]:
        group: list[Parcel | Loss] = []
        records = 0
        live = _LIVE_RECORDS if self._history else _GROUP_RECORDS
        for queue, most in (self._queue, live), (self._history, _GROUP_RECORDS):
            while queue and records < most:
                item = queue.popleft()
                group.append(item)
                records += item.count if isinstance(item, Parcel) else 1
        self._writing = len(group)
        return group

    def _waiting(self) -> int:
        return len(self._queue) + len(self._history)

    def _write(self, group: Sequence[Parcel | Loss]) -> int:
        """Write a group, however often it takes; return how many records it had."""
        parts: list[Part] = []
        losses: list[Loss] = []
        spans: list[tuple[Key, int, int]] = []
        old: list[Loss] = []
        for item in group:
            if isinstance(item, Loss):
                losses.append(item)
                if item.cause != GAP:  # which isn't held then
                    spans.append((item.key, item.start, item.stop))
                continue
            try:
                part = part_of(item)
            except DecodeError:
                self._tell(Damaged(item))
                continue
            spans.append((item.key, item.sequence, item.stop))
            if item.before > item.sequence:
                _filter(item, part, parts, old)
            else:
                parts.append(part)
        if not self._store(parts, [*losses, *old]):
            return 0
        count = sum(len(part.records) for part in parts)
        self.records += count
        self._tell(Written(self.sink, spans, [(loss.key, loss.start, loss.stop) for loss in old]))
        return count

    def _store(self, parts: Sequence[Part], losses: Sequence[Loss]) -> bool:
        pause = _FIRST_RETRY_S
        while True:
            try:
                self.store.write(parts, losses)
            except StoreError as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - a store of the application's may raise anything
                self._fail(f"{type(error).__name__}: {error}")
            else:
                if self.failing is not None:
                    self._fail(None)
                return True
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, pause)
                if self._stopping:
                    return False
            pause = min(_LAST_RETRY_S, pause * 2)

    def _fail(self, problem: str | None) -> None:
        with self._changed:
            self.failing = problem
            self._changed.notify_all()
        self._tell(Written(self.sink, [], []))  # something to look at


def part_of(parcel: Parcel) -> Part:
    """The parcel as stores take it. Raises DecodeError."""
    node, epoch, first = parcel.key
    return Part(
        node, epoch, first, parcel.sequence, parcel.records(), parcel.host, parcel.name, parcel.pid, parcel.received_ns
    )


def _filter(parcel: Parcel, part: Part, parts: list[Part], losses: list[Loss]) -> None:
    """Part the records that are too old from the others; they are noted as not asked for."""
    node, epoch, first = parcel.key
    start, old = part.sequence, False
    for sequence in range(part.sequence, part.stop + 1):
        is_old = (
            sequence < part.stop
            and sequence < parcel.before
            and part.records[sequence - part.sequence].time_ns < parcel.since_ns
        )
        if sequence == part.stop or is_old != old:
            if sequence > start and old:
                losses.append(Loss(node.hex(), epoch, first, start, sequence, NOT_ASKED, part.received_ns))
            elif sequence > start:
                parts.append(part.cut(start, sequence))
            start, old = sequence, is_old


def _size(item: Parcel | Loss) -> int:
    return item.size if isinstance(item, Parcel) else OVERHEAD

"""The records that a program iterates over: a bounded queue from the core's thread to any thread or event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from zlog import limits
from zlog.collector.writer import part_of
from zlog.core.parcels import Parcel
from zlog.record import Stored
from zlog.wire.runtime import DecodeError

__all__ = ["View"]

_Fresh = list[tuple[int, int]]
#: How long a reader waits in one go, so that Ctrl-C is noticed everywhere.
_WAIT_S: Final = 1.0


class View:
    """Records in the order of their arrival. Each is given to one reader, however many there are.

    Beyond its bounds the oldest are dropped.

    Args:
        damaged: called with a parcel whose body is bad, in the reader's thread.

    Attributes:
        dropped: records that were.
    """

    def __init__(self, damaged: Callable[[Parcel], None]) -> None:
        self.dropped = 0
        self._damaged = damaged
        self._changed = threading.Condition()
        self._queue: deque[tuple[Parcel, _Fresh]] = deque()
        self._ready: deque[Stored] = deque()
        self._records = self._bytes = 0
        self._ended = False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def put(self, parcel: Parcel, fresh: _Fresh) -> None:
        """Append those of the parcel's records that are new."""
        with self._changed:
            self._queue.append((parcel, fresh))
            self._records += parcel.count
            self._bytes += parcel.size
            while len(self._queue) > 1 and (
                self._records > limits.COLLECTOR_VIEW_RECORDS or self._bytes > limits.COLLECTOR_VIEW_BYTES
            ):
                old, unread = self._queue.popleft()
                self._forget(old)
                self.dropped += sum(stop - start for start, stop in unread)
            self._wake()

    def end(self) -> None:
        """Nothing more comes: readers end when they have what is left."""
        with self._changed:
            self._ended = True
            self._wake()

    def records(self, timeout_s: float | None = None) -> Iterator[Stored]:
        """Yield what is there and what comes, until the end, or until nothing came for so long."""
        while True:
            record = self._take(timeout_s)
            if record is None:
                return
            yield record

    async def arecords(self) -> AsyncIterator[Stored]:
        """The same in an event loop."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._changed:
            self._waiters.append(waiter)
        try:
            while True:
                waiter[1].clear()
                record = self._next()
                if record is not None:
                    yield record
                elif self._ended and not self._queue:
                    return
                else:
                    await waiter[1].wait()
        finally:
            with self._changed:
                self._waiters.remove(waiter)

    def _take(self, timeout_s: float | None) -> Stored | None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            record = self._next()
            if record is not None:
                return record
            with self._changed:
                if self._queue or self._ready:
                    continue
                left = _WAIT_S if deadline is None else deadline - time.monotonic()
                if self._ended or left <= 0:
                    return None
                self._changed.wait(min(left, _WAIT_S))

    def _next(self) -> Stored | None:
        """The next record that is there."""
        while True:
            with self._changed:
                if self._ready:
                    return self._ready.popleft()
                if not self._queue:
                    return None
                parcel, fresh = self._queue.popleft()
                self._forget(parcel)
            try:
                part = part_of(parcel)
            except DecodeError:
                self._damaged(parcel)
                continue
            records = [
                record
                for start, stop in fresh
                for record in part.cut(max(start, part.sequence), min(stop, part.stop)).stored()
                if record.sequence >= parcel.before or record.time_ns >= parcel.since_ns
            ]
            with self._changed:
                self._ready.extend(records)

    def _forget(self, parcel: Parcel) -> None:
        self._records -= parcel.count
        self._bytes -= parcel.size

    def _wake(self) -> None:
        self._changed.notify_all()
        for loop, event in self._waiters:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(event.set)

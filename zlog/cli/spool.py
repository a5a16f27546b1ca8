"""Where `zlog tail` takes what comes: a store that keeps nothing, but holds records until they are printed.

A few are in memory. When printing takes longer than coming, as while a long history is printed or somebody pages
through it, the rest goes to a file in the temporary directory (``TMPDIR``), without a name, that goes with the process.
Beyond a gigabyte nothing is taken: nodes then keep what they have, and say what they can't.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Generator, Iterator
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import IO, Any, ClassVar, Final

from zlog import limits
from zlog.collector.stores.base import EVERYTHING, Filter, Held, Loss, Part, Store, Streams
from zlog.collector.stores.entries import part_in, payloads
from zlog.collector.stores.order import StreamKey, merged, newest, ordered, placed
from zlog.collector.stores.places import Place, Places
from zlog.core.segments import Damage, head_of, scan
from zlog.errors import StoreError
from zlog.record import Stored
from zlog.wire.rows import Rows

__all__ = ["Round", "Spool"]

_MEMORY_RECORDS: Final = 10_000
_MEMORY_BYTES: Final = 4 << 20
"""Octets of frames that are in memory at the same time; else they go to the file."""


class Round:
    """What came between two looks: records in the order of their arrival, and losses.

    Attributes:
        count: of the records.
        losses: as they were told.
        is_large: it is more than memory was to hold.
    """

    def __init__(self) -> None:
        self.count = 0
        self.losses: list[Loss] = []
        self.is_large = False
        self._parts: list[Part] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._length = 0
        self._places: dict[StreamKey, Places] = {}

    @property
    def octets(self) -> int:
        """What is in the file."""
        return self._length

    def add(self, parts: list[Part]) -> None:
        """Take records: all or none. Raises OSError."""
        count, size = sum(len(part.records) for part in parts), sum(map(_size, parts))
        if not self.is_large and self.count + count <= _MEMORY_RECORDS and self._bytes + size <= _MEMORY_BYTES:
            self._parts += parts
            self._bytes += size
        else:
            self._write(parts)
        self.count += count

    def records(self) -> Iterator[Stored]:
        """All of it, as it came; for one that isn't large."""
        return chain.from_iterable(part.stored() for part in self._parts)

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        """As `Store.query`."""
        with self.streams(wanted) as streams:
            if wanted.limit is None:
                yield from merged((key, placed(stream)) for key, stream in streams)
            else:
                yield from ordered(newest((record for _, stream in streams for record in stream), wanted.limit))

    @contextlib.contextmanager
    def streams(self, wanted: Filter = EVERYTHING) -> Generator[Streams, None, None]:
        """As `Store.streams`."""
        in_memory: dict[StreamKey, list[Part]] = {}
        for part in self._parts:
            in_memory.setdefault((part.node.hex(), part.epoch, part.range), []).append(part)
        yield [
            (key, filter(wanted.matches, _merged(self._kept(in_memory.get(key, [])), self._filed(key))))
            for key in {**in_memory, **self._places}
        ]

    def close(self) -> None:
        """Let go of all of it."""
        self._parts.clear()
        self._places.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, parts: list[Part]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="zlog-tail-", buffering=0)  # noqa: SIM115 - `close` does
        chunks: list[bytes] = []
        places: list[tuple[StreamKey, int, int, int]] = []
        at = self._length
        for part in parts:
            for kind, piece, payload in payloads(part):
                records = len(piece.records)
                head = head_of(payload, kind, part.range, records, piece.sequence, 0, max(0, part.received_ns))
                chunks += [head, payload]
                length = len(head) + len(payload)
                places.append(((part.node.hex(), part.epoch, part.range), piece.sequence, at, length))
                at += length
        rest = memoryview(b"".join(chunks))
        offset = self._length
        while rest:
            written = os.pwrite(self._file.fileno(), rest, offset)
            rest, offset = rest[written:], offset + written
        self._length = at
        self.is_large = True
        for key, sequence, offset, length in places:
            self._places.setdefault(key, Places()).add(sequence, Place(0, offset, length))

    def _kept(self, parts: list[Part]) -> Iterator[Stored]:
        return chain.from_iterable(part.stored() for part in sorted(parts, key=attrgetter("sequence")))

    def _filed(self, key: StreamKey) -> Iterator[Stored]:
        places, file = self._places.get(key), self._file
        if places is None or file is None:
            return
        for place in places:
            data = os.pread(file.fileno(), place.length, place.offset)
            for entry in scan(data):
                if isinstance(entry, Damage):
                    raise StoreError(f"a temporary file in {tempfile.gettempdir()} can't be read again")
                yield from part_in(entry, data[entry.start : entry.stop]).stored()


class Spool(Store):
    """Takes each record once, as stores do, and hands them out in rounds. Its lock is held for a moment only.

    Args:
        most_bytes: what the file may have before it takes no more.

    Attributes:
        ended: it was closed.
    """

    scheme = "tail"
    durable: ClassVar[bool] = False

    def __init__(self, most_bytes: int = limits.TAIL_BYTES) -> None:
        super().__init__("")
        self.ended = False
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._given_up = False
        self._round = Round()
        self._losses: list[Loss] | None = []

    def turn(self, timeout_s: float) -> Round | None:
        """What came since the last time; waits for something, and gives None when nothing comes for so long, or at the
        end. Close it when it is read."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended or not self._is_empty(), timeout_s)
            if self._is_empty():
                return None
            round_, self._round = self._round, Round()
            self._changed.notify_all()
        return round_

    def give_up(self) -> None:
        """Nobody reads any more: what comes needs no room."""
        with self._changed:
            self._given_up = True
            self._round.close()
            self._round = Round()
            self._changed.notify_all()

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        raise StoreError("what comes is handed out once")

    def losses(self) -> list[Loss]:
        """Those from before `forget_losses`."""
        with self._lock:
            return self._standing(self._losses or ())

    def forget_losses(self) -> None:
        """From now on they are in rounds only: what nodes name has no bound."""
        with self._lock:
            self._losses = None

    def _start(self) -> None:
        self.ended = False

    def _stop(self) -> None:
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def _check(self, *, writes: bool) -> None:
        """It may be read when it was closed: printing goes on then."""

    def _put(self, parts: list[Part], losses: list[Loss], changed: Held) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._round.octets < self._most_bytes)
            if self._given_up:
                return
            try:
                self._round.add(parts)
            except OSError as problem:
                raise StoreError(
                    f"{tempfile.gettempdir()} takes no more of what is still to be printed: {problem.strerror}"
                ) from problem
            while len(self._held) > limits.COLLECTOR_STREAMS:  # the session has forgotten the oldest, too
                del self._held[next(iter(self._held))]
            self._round.losses += [loss for loss in losses if loss.cause]
            if self._losses is not None:
                self._losses += losses
            self._changed.notify_all()

    def _is_empty(self) -> bool:
        return not self._round.count and not self._round.losses


def _merged(some: Iterator[Stored], others: Iterator[Stored]) -> Iterator[Stored]:
    return merge(some, others, key=attrgetter("sequence"))


def _size(part: Part) -> int:
    records: Any = part.records
    return len(records.batch.body) if isinstance(records, Rows) else sum(len(record.text) for record in records)

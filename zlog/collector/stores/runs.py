"""The journals of programs (``ZLOG_JOURNAL``), read as a store: all runs in a directory, of living and dead processes.

It only reads: it makes, removes and repairs nothing, and holds up nobody who writes there meanwhile. An entry counts as
soon as it is whole. What the directory doesn't have of a run is a loss, with the cause that whoever takes the run over
would name: what is before the first segment was evicted, what a checksum finds is damaged, and what has a number but
was never written was dropped, if the process that gave out the number is dead. What was written last and isn't there is
damaged, too.

A file that goes while it is read was evicted just then. All ranges of a run are read as far as they went at one moment,
so that none of them seems to have gone on alone.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from heapq import heappush, heappushpop
from typing import Any, Final, NamedTuple

from zlog.agent.kept import STATE, Kept, Segments, lives, run_of, segment_of
from zlog.core.intervals import Intervals
from zlog.core.journal import Gone
from zlog.core.segments import BATCH, Damage, Entry, Segment, batch_of
from zlog.core.sync import RunKey
from zlog.errors import StoreError
from zlog.record import Stored
from zlog.severity import RANGES, range_index
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import CAUSE_DAMAGED, CAUSE_DROPPED, CAUSE_EVICTED

from .entries import described, part_in, read_entries
from .model import Filter, Key, Loss
from .order import recency

__all__ = ["Runs"]

log: Final = logging.getLogger("zlog.stores")

_WINDOW: Final = 64 << 10
"""Octets of a segment that are read at once: of each run and range that many are held."""
_LOOKS: Final = 10
"""So often a run is looked at until two looks are the same; the last one counts."""
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO with the name of a segment holds nobody up
_FRESH: Final = ".new-"
"""What the folder of a run is called while it is made."""
_BESIDE: Final = {"clock"}
"""What agents have there besides runs."""
_SUM_SIZE: Final = 4
"""Octets of the checksum at the end of a state."""


class Found(NamedTuple):
    """An entry with its payload."""

    path: str
    entry: Entry
    payload: bytes
    name: str


class Runs:
    """A directory of runs.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._warned: set[str] = set()
        self._seen: list[tuple[str, int, int]] | None = None  # how all files were when `_state` was read
        self._state: tuple[dict[Key, Intervals], list[Loss]] = {}, []

    def are_there(self) -> bool:
        """Whether it is such a directory: with runs, or with nothing yet. Raises StoreError."""
        try:
            with os.scandir(self._folder) as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:
            return False
        except OSError as problem:
            raise self._unreadable(problem) from problem
        return set(names) <= _BESIDE or any(run_of(name.removeprefix(_FRESH)) is not None for name in names)

    def names(self) -> list[str]:
        """The folders of runs; none where there is no directory."""
        with contextlib.suppress(OSError):
            return sorted(name for name in os.listdir(self._folder) if run_of(name) is not None)
        return []

    def check(self) -> None:
        """Raises StoreError if something in it can't be read."""
        for name in self.names():
            path = os.path.join(self._folder, name)
            try:
                for file in os.listdir(path):
                    if (segment_of(file) is not None or file == STATE) and os.path.isfile(os.path.join(path, file)):
                        os.close(os.open(os.path.join(path, file), _FLAGS))
            except FileNotFoundError:
                continue  # it has gone meanwhile
            except OSError as problem:
                raise self._unreadable(problem) from problem

    def state(self) -> tuple[dict[Key, Intervals], list[Loss]]:
        """What is there or lost, and the losses, of all runs as they are now: not to be changed. Raises StoreError."""
        signature = self._signature()
        if signature != self._seen:
            self._state, self._seen = self._read_state(), signature
        return self._state

    def _read_state(self) -> tuple[dict[Key, Intervals], list[Loss]]:
        held: dict[Key, Intervals] = {}
        losses: list[Loss] = []
        for run in self._runs():
            for first in RANGES:
                key = run.key.node.bytes, run.key.epoch, first
                for item, time_ns in self._timed(run, first):
                    intervals = held.setdefault(key, Intervals())
                    if isinstance(item, Gone):
                        losses.append(
                            Loss(run.key.node.hex, run.key.epoch, first, item.start, item.stop, item.cause, time_ns)
                        )
                        intervals.add(item.start, item.stop)
                    else:
                        intervals.add(item.entry.sequence, item.entry.sequence + item.entry.records)
        return held, losses

    def streams(self, wanted: Filter) -> list[tuple[tuple[str, int, int], Iterator[Stored]]]:
        """Records by run and range. Raises StoreError."""
        return [
            ((run.key.node.hex, run.key.epoch, first), self._records(run, first, wanted))
            for run in self._runs()
            for first in RANGES
            if run.starts[range_index(first)] and (wanted.level is None or first + 3 >= wanted.level)
        ]

    def newest(self, wanted: Filter, limit: int) -> list[Stored]:
        """The newest so many, in any order. Entries are taken apart from the newest back, as long as it takes."""
        spots: list[tuple[int, str, Entry]] = []
        for run in self._runs() if limit else ():
            for first in RANGES:
                if wanted.level is None or first + 3 >= wanted.level:
                    spots += [(latest, found.path, found.entry) for found, latest in self._meant(run, first, wanted)]
        spots.sort(key=lambda spot: spot[0])
        heap: list[tuple[Any, Stored]] = []
        while spots and not (len(heap) == limit and heap[0][1].time_ns > spots[-1][0]):
            _, path, entry = spots.pop()
            for record in self._stored(path, entry, self._payload(path, entry)):
                if wanted.matches(record):
                    if len(heap) < limit:
                        heappush(heap, (recency(record), record))
                    else:
                        heappushpop(heap, (recency(record), record))
        return [record for _, record in heap]

    # --- parts of the above -------------------------------------------------------------------------------------------

    def _runs(self) -> Iterable[_Run]:
        """All that are there, the directory once and then each when it is asked for."""
        try:
            names = sorted(os.listdir(self._folder))
        except OSError as problem:
            raise self._unreadable(problem) from problem
        for name in names:
            key = run_of(name)
            if key is None:
                continue
            try:
                yield _Run(os.path.join(self._folder, name), key, self._warn)
            except FileNotFoundError:
                continue  # somebody has removed it
            except OSError as problem:
                raise self._unreadable(problem) from problem

    def _warn(self, problem: str) -> None:
        if problem not in self._warned:
            self._warned.add(problem)
            log.warning("%s", problem)

    def _signature(self) -> list[tuple[str, int, int]]:
        """Changes when a file does, or a process ends."""
        found: list[tuple[str, int, int]] = []
        for name in self.names():
            path = os.path.join(self._folder, name)
            with contextlib.suppress(OSError), os.scandir(path) as entries:
                found.append((name, lives(path), 0))
                for entry in entries:
                    with contextlib.suppress(OSError):
                        status = entry.stat()
                        found.append((entry.path, status.st_size, status.st_mtime_ns))
        return found

    def _items(self, run: _Run, first: int) -> Iterator[Found | Gone]:
        try:
            yield from run.items(first)
        except OSError as problem:
            raise self._unreadable(problem) from problem

    def _timed(self, run: _Run, first: int) -> Iterator[tuple[Found | Gone, int]]:
        """With the time of what is lost: that of the entry behind it, else of the one before."""
        gone: Gone | None = None
        last_ns = run.changed_ns
        for item in self._items(run, first):
            if isinstance(item, Found):
                last_ns = item.entry.time_ns
            if gone is not None:
                yield gone, last_ns
            gone = item if isinstance(item, Gone) else None
            if isinstance(item, Found):
                yield item, last_ns
        if gone is not None:
            yield gone, last_ns

    def _meant(self, run: _Run, first: int, wanted: Filter) -> Iterator[tuple[Found, int]]:
        """Entries that may have what is wanted, and about which time their last record has at most.

        The first record of an entry and that of the next one tell which times it has, also where the clock jumped
        within it.
        """
        since = wanted.since_ns if wanted.since_ns is not None else -1
        until = wanted.until_ns if wanted.until_ns is not None else 1 << 64
        held: Found | None = None
        for item in _with_end(self._found(run, first)):
            if held is not None:
                before = held.entry.time_ns
                after = item.entry.time_ns if item is not None else 1 << 63
                if max(before, after) >= since and (item is None or min(before, after) < until):
                    yield held, max(before, after)
            held = item if item is not None and wanted.matches_node(run.key.node.hex, item.name) else None

    def _found(self, run: _Run, first: int) -> Iterator[Found]:
        return (item for item in self._items(run, first) if isinstance(item, Found))

    def _records(self, run: _Run, first: int, wanted: Filter) -> Iterator[Stored]:
        for found, _ in self._meant(run, first, wanted):
            yield from filter(wanted.matches, self._stored(found.path, found.entry, found.payload))

    def _stored(self, path: str, entry: Entry, payload: bytes) -> Iterator[Stored]:
        try:
            part = part_in(entry._replace(time_ns=0), payload)  # no collector has received it
        except (DecodeError, ValueError) as problem:
            log.warning("%s has an entry that is none: %s: %s", path, described(entry), problem)
            return
        yield from part.stored()

    def _payload(self, path: str, entry: Entry) -> bytes:
        """Once more, of an entry that was whole."""
        try:
            return _piece(path, entry.stop - entry.start, entry.start)
        except OSError:
            return b""

    def _unreadable(self, problem: OSError) -> StoreError:
        return StoreError(f"{problem.filename or self._folder} can't be read: {problem.strerror}")


class _Run:
    """One run, as it was when this was made. Raises OSError.

    Args:
        path: of its folder.
        key: whose it is.
        warn: told what is wrong with its files besides the entries.

    Attributes:
        key: whose it is.
        starts: the first sequences of its segments, by index of the range.
        changed_ns: when its folder was last changed.
    """

    def __init__(self, path: str, key: RunKey, warn: Callable[[str], object] = log.warning) -> None:
        self.key = key
        self._warn = warn
        self._path = path
        state = os.path.join(path, STATE)
        if os.path.exists(state) and not os.path.isfile(state):
            raise OSError(errno.EINVAL, "it is no regular file", state)
        self._lives = lives(path)
        self._kept = Kept(path, key, _RegularSegments())
        self._kept.read()
        self.starts, self._sizes = self._look()  # after the numbers: it is never behind them
        for _ in range(_LOOKS):
            before = self.starts, self._sizes
            self.starts, self._sizes = self._look()
            if (self.starts, self._sizes) == before:
                break
        self.changed_ns = os.stat(path).st_mtime_ns
        if not self._lives and not _is_whole(state, any(self.starts)):
            warn(f"{state} is missing or damaged: what this run had besides its segments, and lost, isn't known")

    def _look(self) -> tuple[list[list[int]], list[int | None]]:
        """The segments by range, and how long the newest of each is; None where it has gone."""
        found: list[list[int]] = [[] for _ in RANGES]
        for name in os.listdir(self._path):
            if (segment := segment_of(name)) is not None:
                found[range_index(segment[0])].append(segment[1])
        sizes: list[int | None] = []
        for first, starts in zip(RANGES, found, strict=True):
            starts.sort()
            size = None
            with contextlib.suppress(FileNotFoundError):
                size = os.stat(self._segment(first, starts[-1])).st_size if starts else 0
            sizes.append(size)
        return found, sizes

    def _segment(self, first: int, start: int) -> str:
        return os.path.join(self._path, f"{first:02}-{start:020}.seg")

    def items(self, first: int) -> Iterator[Found | Gone]:
        """All sequences of a range, in order: what is there, and what is not. Raises OSError."""
        index = range_index(first)
        position, cause = 1, CAUSE_EVICTED
        for start in self.starts[index]:
            if start > position:
                yield Gone(first, position, start, cause)
                position = start
            is_last = start == self.starts[index][-1]
            file = _File(self._segment(first, start), self._sizes[index] if is_last else None)
            if not file.is_regular:
                self._warn(f"{file.path} is damaged: it is no regular file")
            cause = CAUSE_DROPPED if file.size or is_last else CAUSE_DAMAGED  # they are begun to be written
            for entry, payload, name in self._entries(file, first):
                if entry is None or entry.sequence < position:
                    cause = CAUSE_DAMAGED
                    continue
                if entry.sequence > position:
                    yield Gone(first, position, entry.sequence, cause)
                cause = CAUSE_DROPPED
                position = entry.sequence + entry.records
                yield Found(file.path, entry, payload, name)
            if file.is_gone:
                cause = CAUSE_EVICTED
        ends, nexts = self._kept.ends[index], self._kept.nexts[index]
        if position < ends:  # they were written
            yield Gone(first, position, ends, CAUSE_EVICTED if cause == CAUSE_EVICTED else CAUSE_DAMAGED)
            position, cause = ends, CAUSE_DROPPED
        if position < nexts and not self._lives:
            yield Gone(first, position, nexts, cause if self.starts[index] else CAUSE_DROPPED)

    def _entries(self, file: _File, first: int) -> Iterator[tuple[Entry | None, bytes, str]]:
        """Entries of this run and range; None for what is none."""
        for item in read_entries(file.read, file.size, _WINDOW):
            if isinstance(item, Damage):
                yield None, b"", ""
                continue
            entry, payload = item
            batch = batch_of(payload, entry) if entry.kind == BATCH and entry.range == first else None
            if batch is None or RunKey(batch.node, batch.epoch) != self.key:
                yield None, b"", ""
            else:
                yield entry, payload, batch.name


def _with_end(items: Iterator[Found]) -> Iterator[Found | None]:
    yield from items
    yield None


class _File:
    """A segment. It is open only while a piece of it is read: there may be thousands.

    Args:
        path: where it is.
        most: read no more of it.

    Attributes:
        path: where it is.
        size: how much there is.
        is_gone: somebody has removed it.
        is_regular: it is a file, and no FIFO or device.
    """

    def __init__(self, path: str, most: int | None = None) -> None:
        self.path = path
        self.size = 0
        self.is_gone = False
        self.is_regular = True
        try:
            status = os.stat(path)
        except FileNotFoundError:
            self.is_gone = True
        else:
            self.is_regular = stat.S_ISREG(status.st_mode)
            if self.is_regular:
                self.size = status.st_size if most is None else min(status.st_size, most)

    def read(self, length: int, offset: int) -> bytes:
        """A piece of it; nothing when it is gone. Raises OSError."""
        try:
            return _piece(self.path, length, offset)
        except FileNotFoundError:
            self.is_gone = True
            return b""


class _RegularSegments(Segments):
    """Segments in files only: nobody is waited for."""

    def load(self, path: str, first_severity: int, start: int, wanted: int | None = None) -> Segment:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        return super().load(path, first_severity, start, wanted)


def _piece(path: str, length: int, offset: int) -> bytes:
    """So much of a file. Raises OSError."""
    descriptor = os.open(path, _FLAGS)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def _is_whole(state: str, is_used: bool) -> bool:
    """Whether the state of a dead run is as its process wrote it; or not there, where no segment is, either."""
    try:
        with open(state, "rb") as file:
            data = file.read(4096)
    except OSError:
        data = b""
    if not data:
        return not is_used
    return len(data) > _SUM_SIZE and zlib.crc32(data[:-_SUM_SIZE]) == int.from_bytes(data[-_SUM_SIZE:], "big")

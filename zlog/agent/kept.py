"""A run's folder in the journal's directory: segments of batches, and the numbers that the run has given out.

A folder is called after its run, `NODE-EPOCH`, and has

- `RR-SSSSSSSSSSSSSSSSSSSS.seg`: batches of the range RR from sequence S… on, as `zlog.core.segments` has it;
- `state`: for each range the sequence that the next record would have had, and the one after the last that was written;
- `tally`: until somebody takes the run over, where the application's calls were counted (`zlog.agent.tally`).

Who has the folder open holds it by flock; the kernel lets go when that process dies, however it does. The run's own
process holds `state` as well, so that who only reads can tell whether there is more to come.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from zlog.agent import tally
from zlog.core.batches import Batch
from zlog.core.journal import Gone
from zlog.core.parcels import MAX_NUMBER
from zlog.core.segments import BATCH, HEAD_SIZE, Segment, head_of
from zlog.core.sync import RunKey
from zlog.severity import RANGES, range_index
from zlog.wire.zre_log_msg import CAUSE_DAMAGED, CAUSE_DROPPED, CAUSE_EVICTED

__all__ = ["STATE", "Kept", "Segments", "Writer", "folder_name", "hold_state", "lives", "run_of", "segment_of"]

STATE: Final = "state"
_STATE: Final = struct.Struct(">8s12Q")
_STATE_MARK: Final = b"ZLOGRUN\x01"
_SUM: Final = struct.Struct(">I")
_FOLDER: Final = re.compile(r"([0-9a-f]{32})-([0-9]{1,20})")
_SEGMENT: Final = re.compile(r"([0-9]{2})-([0-9]{20})\.seg")
#: Segments that are kept in memory while they are read: a megabyte each.
_MOST_LOADED: Final = 16


def folder_name(run: RunKey) -> str:
    return f"{run.node.hex}-{run.epoch}"


def run_of(name: str) -> RunKey | None:
    """Whose folder that is; None if it is none of ours."""
    match = _FOLDER.fullmatch(name)
    return RunKey(UUID(hex=match[1]), int(match[2])) if match and int(match[2]) < 1 << 64 else None


def segment_of(name: str) -> tuple[int, int] | None:
    """Range and first sequence of a segment; None for another file."""
    match = _SEGMENT.fullmatch(name)
    if match is None or int(match[1]) not in RANGES or not 1 <= int(match[2]) < MAX_NUMBER:
        return None
    return int(match[1]), int(match[2])


def hold_state(path: str) -> int:
    """Make or open the state of a folder, as the run's own process. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(os.path.join(path, STATE), flags, 0o640)
    with contextlib.suppress(BlockingIOError):  # somebody asks `lives` just now, and will take it for dead once
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def lives(path: str) -> bool:
    """Whether the process whose run is in this folder goes on. Raises OSError."""
    try:
        descriptor = os.open(os.path.join(path, STATE), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class Segments:
    """The segments that were read last."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, tuple[int, Segment]] = OrderedDict()

    def load(self, path: str, first_severity: int, start: int, wanted: int | None = None) -> Segment:
        """A segment as it is now, or as it was when it had this sequence already. Raises OSError."""
        size, found = self._loaded.get(path, (-1, None))
        if found is None or wanted is None or wanted >= found.next:
            now = os.stat(path).st_size
            if found is None or now != size:  # it has grown
                found = Segment(Path(path).read_bytes(), first_severity, start)
                self._loaded[path] = now, found
                if len(self._loaded) > _MOST_LOADED:
                    self._loaded.popitem(last=False)
        self._loaded.move_to_end(path)
        return found


class Kept:
    """What is on disk of a run: `zlog.core.journal.Earlier`.

    Args:
        path: of the folder.
        run: whose it is.
        segments: what reads the files.

    Attributes:
        nexts: the sequences that the run's next records would have had, by index of the range.
        ends: those after the last that were written.
    """

    def __init__(self, path: str, run: RunKey, segments: Segments) -> None:
        self.path = path
        self.run = run
        self.nexts = [1] * len(RANGES)
        self.ends = [1] * len(RANGES)
        self._segments = segments
        self._starts: list[list[int]] = [[] for _ in RANGES]

    def read(self) -> None:
        """Find out what is there. Raises OSError."""
        for name in os.listdir(self.path):
            if (found := segment_of(name)) is not None:
                self._starts[range_index(found[0])].append(found[1])
        for starts in self._starts:
            starts.sort()
        nexts, ends = _read_state(os.path.join(self.path, STATE))
        for index, first in enumerate(RANGES):
            last = 1
            if self._starts[index]:  # after a power failure the state may be older than the segments
                start = self._starts[index][-1]
                with contextlib.suppress(OSError):
                    last = self._segments.load(self._segment(first, start), first, start).next
                last = max(last, start) if last <= MAX_NUMBER else start
            self.ends[index] = max(ends[index], last)
            self.nexts[index] = max(nexts[index], self.ends[index])
        counts = tally.read(self.path, self.run, [following - 1 for following in self.nexts])
        self.nexts = [counted + 1 for counted in counts]

    def settle(self) -> str | None:
        """Keep here what was counted elsewhere: the process is dead, and its host may be next. Raises OSError.

        Returns:
            The file to sync before the count is removed; None where there is no count.
        """
        if not os.path.lexists(os.path.join(self.path, tally.LINK)):
            return None
        path = os.path.join(self.path, STATE)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            found = os.fstat(descriptor)
            _write_state(descriptor, self.nexts, self.ends)
            os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))  # the run is as old as it was
        finally:
            os.close(descriptor)
        return path

    @property
    def is_empty(self) -> bool:
        """Whether no segment is left."""
        return not any(self._starts)

    def first(self, first_severity: int) -> int:
        """See `Earlier`."""
        index = range_index(first_severity)
        return min(self._starts[index][0], self.nexts[index]) if self._starts[index] else self.nexts[index]

    def next(self, first_severity: int) -> int:
        """See `Earlier`."""
        return self.nexts[range_index(first_severity)]

    def at(self, first_severity: int, sequence: int) -> Batch | Gone | None:
        """See `Earlier`. What can't be read is gone as damaged; what another process removed is as evicted."""
        index = range_index(first_severity)
        starts, following = self._starts[index], self.nexts[index]
        while sequence < following:
            place = bisect_right(starts, sequence) - 1
            stop = starts[place + 1] if place + 1 < len(starts) else following
            if place < 0:
                if sequence < self.ends[index]:
                    return Gone(first_severity, sequence, min(stop, self.ends[index]), CAUSE_EVICTED)
                return Gone(first_severity, sequence, stop, CAUSE_DROPPED)
            try:
                segment = self._segments.load(
                    self._segment(first_severity, starts[place]), first_severity, starts[place], sequence
                )
            except FileNotFoundError:
                del starts[place]
                continue
            except OSError:
                return Gone(first_severity, sequence, stop, CAUSE_DAMAGED)
            item = segment.at(sequence, stop)
            if isinstance(item, Batch) and (item.node, item.epoch) != self.run:
                return Gone(first_severity, sequence, item.stop, CAUSE_DAMAGED)
            return item
        return None

    def begun(self, first_severity: int, start: int) -> str:
        """A new segment begins; return its path."""
        self._starts[range_index(first_severity)].append(start)
        return self._segment(first_severity, start)

    def forget(self) -> None:
        """See which segments are still there."""
        for index, first in enumerate(RANGES):
            self._starts[index] = [
                start for start in self._starts[index] if os.path.exists(self._segment(first, start))
            ]

    def _segment(self, first_severity: int, start: int) -> str:
        return os.path.join(self.path, f"{first_severity:02}-{start:020}.seg")


class _File:
    """A segment that is written."""

    __slots__ = ("descriptor", "path", "size")

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self.descriptor = os.open(path, flags, 0o640)
        self.path = path
        self.size = 0

    def write(self, head: bytes, payload: bytes) -> None:
        """Append both, or nothing; raises OSError."""
        total = len(head) + len(payload)
        try:
            written = os.writev(self.descriptor, [head, payload])
            if written < total:
                rest = memoryview(head + payload)[written:]
                while rest:
                    rest = rest[os.write(self.descriptor, rest) :]
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise
        self.size += total

    def close(self) -> None:
        os.close(self.descriptor)


class Writer:
    """Writes a run's folder.

    Args:
        kept: the same, for who reads.
        segment_bytes: a new segment begins before one is larger.
        state: the descriptor of its state, from `hold_state`; closed with the writer.

    Attributes:
        changed: paths that were written to since somebody last emptied it.
    """

    def __init__(self, kept: Kept, segment_bytes: int, state: int) -> None:
        self.changed: set[str] = set()
        self._kept = kept
        self._segment_bytes = segment_bytes
        self._files: list[_File | None] = [None] * len(RANGES)
        self._state_path = os.path.join(kept.path, STATE)
        self._state = state
        self._noted: tuple[int, ...] = ()

    def note(self, nexts: list[int]) -> None:
        """The run has given out the numbers before these. Raises OSError."""
        kept = self._kept
        numbers = (*nexts, *kept.ends)
        if numbers != self._noted:
            _write_state(self._state, nexts, kept.ends)
            self.changed.add(self._state_path)
            self._noted = numbers

    def write(self, batch: Batch) -> bool:
        """Append a batch; return whether a new segment was begun. Raises OSError, and nothing was written."""
        index = range_index(batch.range)
        file = self._files[index]
        begins = file is None or (file.size and file.size + HEAD_SIZE + batch.size > self._segment_bytes)
        if begins or file is None:
            if file is not None:
                file.close()
                self._files[index] = None
            file = self._begin(batch)
        head = head_of(
            batch.frame, BATCH, batch.range, batch.count, batch.sequence, batch.first_ordinal, batch.first_time_ns
        )
        try:
            file.write(head, batch.frame)
        except OSError:
            if os.fstat(file.descriptor).st_size != file.size:  # it can't be taken back: the next goes elsewhere
                file.close()
                self._files[index] = None
            raise
        self._kept.ends[index] = batch.stop
        self._kept.nexts[index] = batch.stop
        self.changed.add(file.path)
        return bool(begins)

    def active(self) -> set[str]:
        """Paths of the segments that are written."""
        return {file.path for file in self._files if file is not None}

    def close(self) -> None:
        for file in self._files:
            if file is not None:
                file.close()
        self._files = [None] * len(RANGES)
        if self._state >= 0:
            os.close(self._state)
            self._state = -1

    def _begin(self, batch: Batch) -> _File:
        index = range_index(batch.range)
        path = self._kept._segment(batch.range, batch.sequence)
        file = self._files[index] = _File(path)
        if batch.sequence not in self._kept._starts[index][-1:]:
            self._kept.begun(batch.range, batch.sequence)
        self.changed.add(self._kept.path)
        return file


def _write_state(descriptor: int, nexts: Sequence[int], ends: Sequence[int]) -> None:
    data = _STATE.pack(_STATE_MARK, *nexts, *ends)
    os.pwrite(descriptor, data + _SUM.pack(zlib.crc32(data)), 0)


def _read_state(path: str) -> tuple[list[int], list[int]]:
    """Numbers that were given out, and that were written; all 1 where that can't be told."""
    nothing = [1] * len(RANGES)
    try:
        data = Path(path).read_bytes()
    except OSError:
        return nothing, nothing
    head, total = data[: _STATE.size], data[_STATE.size : _STATE.size + _SUM.size]
    if len(total) < _SUM.size or _SUM.unpack(total)[0] != zlib.crc32(head) or not head.startswith(_STATE_MARK):
        return nothing, nothing
    numbers = [max(1, number) for number in _STATE.unpack(head)[1:]]
    if max(numbers) > MAX_NUMBER:  # no collector would take what this is offered with
        return nothing, nothing
    return numbers[: len(RANGES)], numbers[len(RANGES) :]

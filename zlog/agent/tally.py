"""How many records the application's calls have given, counted where kill -9 can't take it.

The agent's thread numbers records some moments after the calls that gave them. What waits for it when the process is
killed would leave no trace. So each call counts itself, before anything else, in 80 octets of shared memory: a file in
/dev/shm, which outlives the process but not the host, and to which a link in the run's folder leads. Who takes the run
over names what was counted and never written.

Not a file in the folder itself: to write to a page of a file system on a disk may wait for that disk, or end the
process by SIGBUS when it is full or fails. Where there is no /dev/shm nothing is counted.

A count is one call into C: ``map`` takes the next number and hands it to ``setitem``. No other thread can have its turn
between the two, so no lower number is ever written over a higher one.
"""

from __future__ import annotations

import contextlib
import mmap
import operator
import os
import stat
import struct
import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count, repeat
from typing import Any, Final, NamedTuple

from zlog.core.parcels import MAX_NUMBER
from zlog.core.sync import RunKey
from zlog.severity import MOST, RANGES

__all__ = ["LINK", "NOTHING", "Slots", "Tally", "link", "read", "remove", "slots"]

#: What is called for each record, by severity.
Slots = list[Callable[[], object]]

LINK: Final = "tally"
_SHARED: Final = "/dev/shm"
_PREFIX: Final = "zlog-tally-"
_HEAD: Final = struct.Struct("=8s16sQ")
_COUNTS: Final = struct.Struct("=6Q")
_MARK: Final = b"ZLOGTAL\x01"
#: More than that can't have been waiting: whatever says so isn't a count.
_MOST_WAITING: Final = 1 << 40

NOTHING: Final[Callable[[], object]] = repeat(None).__next__
_put: Final[Callable[[Any, int, int], None]] = operator.setitem


def slots() -> Slots:
    """Those of an agent, which count nothing yet."""
    return [NOTHING] * (MOST + 1)


class _Counting(NamedTuple):
    """Where a run is counted, and what does it; all of it is set at once.

    Attributes:
        path: of the file; None where there is none.
        view: of its memory; None where nothing is counted any more.
        counters: what is called for each record, by severity.
    """

    path: str | None
    view: memoryview | None
    counters: Slots


class Tally:
    """The count of one run.

    Args:
        run: whose it is.
        slots: what calls use; from the first call on they count.
        begun: called when the first record is counted, and the file is there; says whether a folder leads to it. Where
            none does nothing is counted: nobody could find the file, nor remove it.
    """

    def __init__(self, run: RunKey, slots: Slots, begun: Callable[[], bool]) -> None:
        self._run = run
        self._slots = slots
        self._begun = begun
        self._counting: _Counting | None = None
        self._lock = threading.RLock()  # a signal's handler may log while its thread makes the file
        slots[:] = [partial(self._first, severity) for severity in range(MOST + 1)]

    @property
    def path(self) -> str | None:
        """Of the file; None where there is none."""
        counting = self._counting
        return None if counting is None else counting.path

    def counts(self) -> list[int]:
        """How many records of each range were given, by index; none where nothing is counted."""
        counting = self._counting
        return [] if counting is None or counting.view is None else counting.view[_HEAD.size // 8 :].tolist()

    def end(self) -> list[int]:
        """Count no more; return the last counts. The file stays: `remove` it when they are kept elsewhere."""
        with self._lock:
            counts = self.counts()
            self._counting = _Counting(self.path, None, slots())
            self._slots[:] = self._counting.counters
        return counts

    def abandon(self) -> None:
        """In a forked child: what calls there give is not its parent's."""
        self._slots[:] = slots()

    def _first(self, severity: int) -> None:
        """Stands in for counting until there is a file, and what leads to it: the calls of other threads wait so long.
        Those in the same thread, from a signal's handler or by `begun`, do not."""
        with self._lock:
            if self._counting is None:
                mine = self._make()
                # No call in here, and one line: a signal's handler can't come between the question and the answer.
                self._counting = self._counting or mine
                if self._counting is not mine:  # by a signal's handler, just now
                    _unlink(mine.path)
                else:
                    self._lead(mine)
            self._counting.counters[severity]()

    def _lead(self, mine: _Counting) -> None:
        is_led_to = True
        try:
            is_led_to = self._begun()
        finally:
            if not is_led_to:
                self._counting = _Counting(None, None, slots())
                _unlink(mine.path)
            if self._counting is not None:
                self._slots[:] = self._counting.counters

    def _make(self) -> _Counting:
        path = os.path.join(_SHARED, f"{_PREFIX}{os.urandom(12).hex()}")
        head = _HEAD.pack(_MARK, self._run.node.bytes, self._run.epoch) + bytes(_COUNTS.size)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        except OSError:
            return _Counting(None, None, slots())
        try:
            if os.write(descriptor, head) < len(head):  # written, not only made so large: its memory is there for good
                raise OSError
            view = memoryview(mmap.mmap(descriptor, len(head))).cast("Q")
            return _Counting(path, view, _counters_in(view))
        except (OSError, ValueError):
            _unlink(path)
            return _Counting(None, None, slots())
        finally:
            os.close(descriptor)


def _counters_in(view: memoryview) -> Slots:
    first = _HEAD.size // 8
    ranges = [map(_put, repeat(view), repeat(first + index), count(1)) for index in range(len(RANGES))]
    return [NOTHING, *(ranges[(severity - 1) >> 2].__next__ for severity in range(1, MOST + 1))]


def _unlink(path: str | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            os.unlink(path)


def link(folder: str, path: str) -> None:
    """Have a run's folder lead to its count. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, LINK))
    os.symlink(path, os.path.join(folder, LINK))


def read(folder: str, run: RunKey, numbered: Sequence[int]) -> list[int]:
    """The counts that a run's folder leads to, by index of the range.

    Args:
        numbered: how many records have a number for sure. A count that can't be one is replaced by that.
    """
    nothing = list(numbered)
    try:
        path = os.readlink(os.path.join(folder, LINK))
        if not _is_ours(path):
            return nothing
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return nothing
    try:
        found = os.fstat(descriptor)
        data = os.read(descriptor, _HEAD.size + _COUNTS.size)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.stat(folder).st_uid:
            return nothing
    except OSError:
        return nothing
    finally:
        os.close(descriptor)
    if len(data) < _HEAD.size + _COUNTS.size or data[: _HEAD.size] != _HEAD.pack(_MARK, run.node.bytes, run.epoch):
        return nothing
    counts = _COUNTS.unpack_from(data, _HEAD.size)
    return [
        counted if least <= counted <= least + _MOST_WAITING and counted < MAX_NUMBER else least
        for counted, least in zip(counts, nothing, strict=True)
    ]


def remove(folder: str, known: str | None = None) -> None:
    """Remove a run's count: it is kept elsewhere, or the run goes.

    Args:
        known: the file, for whoever made it: it goes even if the folder is gone.
    """
    _unlink(known)
    link_path = os.path.join(folder, LINK)
    with contextlib.suppress(OSError):
        path = os.readlink(link_path)
        if _is_ours(path) and os.lstat(path).st_uid == os.stat(folder).st_uid:
            os.unlink(path)
    with contextlib.suppress(OSError):
        os.unlink(link_path)


def _is_ours(path: str) -> bool:
    return os.path.dirname(path) == _SHARED and os.path.basename(path).startswith(_PREFIX)

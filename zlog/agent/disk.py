"""The journal on disk: a directory that all processes of a host may share, with a folder for each run.

The agent's thread appends each batch before any link gets it. A write is there for whoever reads the file as soon as it
returns: so it survives the end of the process, by kill -9 too. It survives a power failure when it was synced, which a
thread of its own does every second. What a process had taken but not yet cut into a batch when it was killed, at most
what it logged in its last few milliseconds, is lost; if it had numbers, they are named as gone.

A run's folder is held by flock. An agent takes over folders that nobody holds and offers their runs to its collectors.
Nothing is removed because a collector has it: only size and age bound the directory (`zlog.agent.trim`).

When the disk is full or fails, the journal in memory goes on alone; as soon as there is space, what is still in memory
is written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from typing import Final

from zlog.agent import trim
from zlog.agent.kept import STATE, Kept, Segments, Writer, folder_name, run_of
from zlog.core.holdings import Holdings
from zlog.core.journal import Cursor, Gone
from zlog.core.sync import RunKey
from zlog.limits import JOURNAL_RUNS
from zlog.report import Once
from zlog.severity import RANGES

__all__ = ["DiskJournal"]

_SECOND: Final = 1_000_000_000
#: How often it looks for runs of processes that died, while a collector is there to have them, ...
LOOK_NS: Final = 5 * _SECOND
#: ... and how often it syncs.
SYNC_S: Final = 1.0
_FIRST_RETRY_NS: Final = _SECOND
_LAST_RETRY_NS: Final = 30 * _SECOND
_LEAST_SEGMENT: Final = 16 * 1024
_MOST_SEGMENT: Final = 1024 * 1024
_NEW: Final = ".new-"  # a folder that isn't held yet
_NEW_NS: Final = 60 * _SECOND


class DiskJournal:
    """The directory as one agent uses it. All of it belongs to the agent's thread, but for `abandon`.

    Args:
        directory: made if it isn't there.
        holdings: of the agent; runs that are taken over are added to it.
        max_bytes: what all segments in the directory may take.
        max_age_s: how long a segment stays after the last write to it.
        once: to say what is wrong.

    Attributes:
        unwritten: records that went from memory before there was space for them on disk.
        failing: what the last write said; None when all is well.
        adopted: the runs that were taken over.
    """

    def __init__(self, directory: str, holdings: Holdings, max_bytes: int, max_age_s: float, once: Once) -> None:
        self.unwritten = 0
        self.failing: str | None = None
        self.adopted: dict[RunKey, Kept] = {}
        self._directory = directory
        self._holdings = holdings
        self._max_bytes = max_bytes
        self._max_age_ns = round(max_age_s * _SECOND)
        self._segment_bytes = min(_MOST_SEGMENT, max(_LEAST_SEGMENT, max_bytes // 256))
        self._once = once
        self._segments = Segments()
        self._cursor = Cursor(holdings.journal, 1, dict.fromkeys(RANGES, 1))
        self._kept: Kept | None = None
        self._writer: Writer | None = None
        self._locks: dict[str, int] = {}  # by name of the folder
        self._retry_at: int | None = None
        self._retry_ns = _FIRST_RETRY_NS
        self._look_at = 0
        self._syncer = _Syncer()
        self._closed = False

    # --- this run -----------------------------------------------------------------------------------------------------

    def pump(self, now: int) -> None:
        """Write what came into the journal in memory, in the order of ordinals. Never raises.

        Args:
            now: nanoseconds of a clock that never jumps.
        """
        if self._closed or (self._retry_at is not None and now < self._retry_at):
            return
        run, cursor = self._holdings.run, self._cursor
        try:
            item = cursor.peek()
            if self._writer is None:
                if item is None and run.ordinal == 1:
                    return  # a program that never logs leaves no folder
                self._writer = self._begin()
            writer = self._writer
            writer.note(run.next)
            grown = False
            while item is not None:
                if isinstance(item, Gone):
                    if self.failing is not None:
                        self.unwritten += item.stop - item.start
                else:
                    grown = writer.write(item) or grown
                cursor.take()
                item = cursor.peek()
            if writer.changed:
                self._syncer.sync(writer.changed)
                writer.changed = set()
        except OSError as error:
            self._fail(error, now)
            return
        if self.failing is not None:
            self._recovered()
        if grown:
            self._trim()

    def due(self) -> int | None:
        """When `pump` has something to do by itself."""
        return self._retry_at

    def _begin(self) -> Writer:
        """Make the run's folder, and hold it before anybody else sees it."""
        name = folder_name(self._holdings.key)
        path, temporary = os.path.join(self._directory, name), os.path.join(self._directory, _NEW + name)
        if name in self._locks and not _is_at(self._locks[name], path):  # it was removed under our hands
            os.close(self._locks.pop(name))
        if name not in self._locks:
            os.makedirs(temporary, 0o750, exist_ok=True)
            descriptor = _hold(temporary)
            if descriptor is None:
                raise BlockingIOError(errno.EAGAIN, "its folder is held by another process")
            try:
                os.rename(temporary, path)
            except BaseException:
                os.close(descriptor)
                raise
            self._locks[name] = descriptor
        self._kept = Kept(path, self._holdings.key, self._segments)
        writer = Writer(self._kept, self._segment_bytes)
        self._holdings.journal.back(self._kept)
        return writer

    def _fail(self, error: OSError, now: int) -> None:
        if self.failing is None:
            self._once.warn(
                "disk", "can't write its journal in %s: %s; it goes on in memory", self._directory, error.strerror
            )
        self.failing = error.strerror or str(error)
        self._retry_at = now + self._retry_ns
        self._retry_ns = min(_LAST_RETRY_NS, self._retry_ns * 2)
        if isinstance(error, FileNotFoundError | BlockingIOError) and self._writer is not None:
            self._writer.close()
            self._writer = None
            self._holdings.journal.back(None)

    def _recovered(self) -> None:
        self.failing = self._retry_at = None
        self._retry_ns = _FIRST_RETRY_NS
        if self.unwritten:
            self._once.warn("disk again", "writes its journal again; %d records are not in it", self.unwritten)

    # --- other runs ---------------------------------------------------------------------------------------------------

    def look(self, now: int, *, often: bool) -> bool:
        """Take over what processes left that ended, if it is time to look.

        Args:
            often: a collector is there.

        Returns:
            Whether other runs are held than before.
        """
        if self._closed or now < self._look_at or (not often and self._look_at):
            return False
        self._look_at = now + LOOK_NS
        before = set(self.adopted)
        try:
            os.makedirs(self._directory, 0o750, exist_ok=True)
            for name in sorted(os.listdir(self._directory), key=_age):
                self._adopt(name)
            self._trim()
        except OSError as error:
            self._once.warn("look", "can't read the journals in %s: %s", self._directory, error.strerror)
        return set(self.adopted) != before

    def look_at(self) -> int:
        """When `look` has something to do, while a collector is there."""
        return self._look_at

    def _adopt(self, name: str) -> None:
        path = os.path.join(self._directory, name)
        run = run_of(name)
        if run is None:
            if name.startswith(_NEW) and time.time_ns() - os.stat(path).st_mtime_ns > _NEW_NS:
                self._discard(name)
            return
        if name in self._locks:
            return
        with contextlib.suppress(OSError):
            descriptor = _hold(path)
            if descriptor is None:
                return
            kept = Kept(path, run, self._segments)
            try:
                kept.read()
            except OSError:
                os.close(descriptor)
                raise
            while len(self.adopted) >= JOURNAL_RUNS:
                self._drop(next(iter(self.adopted)))
            self._locks[name] = descriptor
            self.adopted[run] = self._holdings.earlier[run] = kept

    def _drop(self, run: RunKey) -> None:
        """Remove a run that was taken over."""
        name = folder_name(run)
        del self.adopted[run]
        self._holdings.earlier.pop(run, None)
        _remove_folder(os.path.join(self._directory, name))
        os.close(self._locks.pop(name))

    def _discard(self, name: str) -> None:
        """Remove a folder that nobody holds."""
        path = os.path.join(self._directory, name)
        descriptor = _hold(path)
        if descriptor is not None:
            _remove_folder(path)
            os.close(descriptor)

    # --- bounds -------------------------------------------------------------------------------------------------------

    def _trim(self) -> None:
        """Keep the directory within its size, and its runs within their age."""
        oldest_ns = time.time_ns() - self._max_age_ns
        active = self._writer.active() if self._writer is not None else set()
        own = folder_name(self._holdings.key)
        free: dict[str, int | None] = {}

        def may_go(each: trim.Found) -> bool:
            if each.folder == own:
                return os.path.join(self._directory, own, each.name) not in active
            if not each.last or each.folder in self._locks:
                return True
            if each.folder not in free:
                try:
                    free[each.folder] = _hold(os.path.join(self._directory, each.folder))
                except OSError:
                    free[each.folder] = None
            return free[each.folder] is not None

        found = [
            each
            for name in os.listdir(self._directory)
            if run_of(name) is not None
            for each in trim.segments_in(self._directory, name)
        ]
        trim.remove(self._directory, trim.victims(found, self._max_bytes, oldest_ns, may_go))
        if self._kept is not None:
            self._kept.forget()
        for run, kept in list(self.adopted.items()):
            kept.forget()
            if kept.is_empty and (
                any(end > 1 for end in kept.ends) or max(kept.nexts) == 1 or _written(kept.path) < oldest_ns
            ):
                self._drop(run)
        for name, descriptor in free.items():
            if descriptor is not None:
                if not trim.segments_in(self._directory, name):
                    _remove_folder(os.path.join(self._directory, name))
                os.close(descriptor)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self, now: int) -> None:
        """Write the rest, sync it, and let others have the runs."""
        self._retry_at = None
        self.pump(now)
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        self._syncer.close()
        self._holdings.journal.back(None)
        for descriptor in self._locks.values():
            os.close(descriptor)
        self._locks.clear()

    def abandon(self) -> None:
        """In a forked child: the folders are its parent's, who goes on to hold them."""
        self._closed = True
        with contextlib.suppress(OSError):
            if self._writer is not None:
                self._writer.close()
        for descriptor in self._locks.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._locks.clear()


class _Syncer:
    """The thread that syncs: it may take long, and nothing waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: set[str] = set()
        self._wake = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def sync(self, paths: set[str]) -> None:
        """Sync these files and folders soon."""
        with self._lock:
            self._paths |= paths
        self._wake.set()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="zlog-journal", daemon=True)
            with contextlib.suppress(RuntimeError):  # no more threads, or the interpreter ends
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """Sync what is left."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(SYNC_S)
        self._now()

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait()
            self._end.wait(SYNC_S)
            self._now()

    def _now(self) -> None:
        with self._lock:
            paths, self._paths = self._paths, set()
            self._wake.clear()
        for path in paths:
            with contextlib.suppress(OSError):  # removed; or a disk that fails, which writes will tell
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


def _hold(path: str) -> int | None:
    """Hold a folder until the descriptor is closed; None if another process holds it. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(descriptor, path):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_at(descriptor: int, path: str) -> bool:
    """Whether the path still is this open folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove_folder(path: str) -> None:
    """Remove a run's folder. What isn't ours in it stays, and it then, too."""
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            if name == STATE or name.endswith(".seg"):
                os.unlink(os.path.join(path, name))
        os.rmdir(path)


def _age(name: str) -> int:
    """To take the oldest run first."""
    run = run_of(name)
    return run.epoch if run is not None else 0


def _written(path: str) -> int:
    try:
        return os.stat(os.path.join(path, STATE)).st_mtime_ns
    except OSError:
        return 0

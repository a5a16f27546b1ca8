"""The journal on disk: a directory that all processes of a host may share, with a folder for each run.

The agent's thread appends each batch before any link gets it. A write is there for whoever reads the file as soon as it
returns: so it survives the end of the process, by kill -9 too. It survives a power failure when it was synced, which a
thread of its own does every second. What a process had taken but not yet cut into a batch when it was killed, at most
what it logged in its last few milliseconds, is lost, and named as gone by who takes the run over: it was counted
(`zlog.agent.tally`).

A run's folder is held by flock. An agent takes over folders that nobody holds and offers their runs to its collectors.
Nothing is removed because a collector has it: only size and age bound the directory (`zlog.agent.trim`).

When the disk is full or fails, the journal in memory goes on alone; as soon as there is space, what is still in memory
is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from functools import partial
from typing import Final

from zlog.agent import trim
from zlog.agent.ages import Ages, Clocks
from zlog.agent.folders import hold, is_at, remove_folder, stamp
from zlog.agent.kept import Kept, Segments, Writer, folder_name, hold_state, run_of
from zlog.agent.syncer import Syncer
from zlog.agent.tally import Slots, Tally, link
from zlog.agent.tally import remove as remove_tally
from zlog.core.holdings import Holdings
from zlog.core.journal import Cursor, Gone
from zlog.core.sync import RunKey
from zlog.limits import JOURNAL_RUNS
from zlog.report import Once
from zlog.severity import RANGES, range_index

__all__ = ["DiskJournal"]

_SECOND: Final = 1_000_000_000
#: How often it looks for runs of processes that died, while a collector is there to have them.
LOOK_NS: Final = 5 * _SECOND
_FIRST_RETRY_NS: Final = _SECOND
_LAST_RETRY_NS: Final = 30 * _SECOND
_LEAST_SEGMENT: Final = 16 * 1024
_MOST_SEGMENT: Final = 1024 * 1024
#: A disk that fails is told of so often at most.
_SAY_NS: Final = 3600 * _SECOND
#: How often it sees whether its folder is still there: who writes to files that were removed doesn't notice.
_CHECK_NS: Final = _SECOND
_NEW: Final = ".new-"  # a folder that isn't held yet
_NEW_NS: Final = 60 * _SECOND


class DiskJournal:
    """The directory as one agent uses it. All of it belongs to the agent's thread, but for `abandon`, and for the first
    record, whose call makes the run's folder.

    Args:
        directory: made if it isn't there.
        holdings: of the agent; runs that are taken over are added to it.
        max_bytes: what all segments in the directory may take.
        max_age_s: how long a segment stays after the last write to it.
        once: to say what is wrong.
        slots: where calls count their records.
        clocks: what tells the time.

    Attributes:
        unwritten: records that went from memory before there was space for them on disk.
        failing: what the last write said; None when all is well.
        adopted: the runs that were taken over.
    """

    def __init__(
        self,
        directory: str,
        holdings: Holdings,
        max_bytes: int,
        max_age_s: float,
        once: Once,
        slots: Slots | None = None,
        clocks: Clocks | None = None,
    ) -> None:
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
        self._say_at = 0
        self._check_at = 0
        self._done = [1] * len(RANGES)  # what follows what was written, or given up
        self._look_at = 0
        self._ages = Ages(directory, clocks)
        self._unheld: dict[str, int] = {}  # folders that nobody has finished, and since when we know them
        self._syncer = Syncer()
        self._closed = False
        self._making = threading.RLock()
        self._state: int | None = None  # of a folder that was made, and has no writer yet
        self._tally = Tally(holdings.key, slots, self._prepare) if slots is not None else None

    # --- this run -----------------------------------------------------------------------------------------------------

    def pump(self, now: int) -> None:
        """Write what came into the journal in memory, in the order of ordinals. Never raises.

        Args:
            now: nanoseconds of a clock that never jumps.
        """
        if self._closed or (self._retry_at is not None and now < self._retry_at):
            return
        run = self._holdings.run
        try:
            self._check(now)
            cursor = self._cursor
            item = cursor.peek()
            if self._writer is None:
                if item is None and run.ordinal == 1:
                    return  # a program that never logs leaves no folder
                self._begin()
            writer = self._writer
            assert writer is not None
            self._ages.check()
            writer.note(run.next)
            grown = False
            while item is not None:
                if isinstance(item, Gone):
                    index, stop = range_index(item.range), item.stop
                    if self.failing is not None:
                        self.unwritten += max(0, stop - max(item.start, self._done[index]))
                else:
                    grown = writer.write(item) or grown
                    index, stop = range_index(item.range), item.stop
                self._done[index] = max(self._done[index], stop)
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

    def _check(self, now: int) -> None:
        """Begin anew, with all that memory still has, when somebody has removed the folder."""
        if self._writer is None or now < self._check_at:
            return
        self._check_at = now + _CHECK_NS
        if not self._is_held():
            self._close_writer()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = self._kept = None
            self._holdings.journal.back(None)
            self._cursor = Cursor(self._holdings.journal, 1, dict.fromkeys(RANGES, 1))

    def _prepare(self) -> bool:
        """From the application's first call that logs: whatever happens from now on, there is a folder that tells.
        Returns whether there is."""
        with self._making:
            if not self._closed and self._writer is None and self._state is None:
                with contextlib.suppress(OSError):  # the agent's thread tries again, and says what is wrong
                    self._state = self._make_folder()
            return self._writer is not None or self._state is not None

    def _begin(self) -> Writer:
        with self._making:
            if self._state is not None and not self._is_held():  # it was removed under our hands
                os.close(self._state)
                self._state = None
            state, self._state = self._state, None
            if state is None:
                state = self._make_folder()
            kept = Kept(self._path, self._holdings.key, self._segments)
            self._writer = Writer(kept, self._segment_bytes, state)
        self._kept = kept
        self._holdings.journal.back(kept)
        return self._writer

    def _make_folder(self) -> int:
        """Make the run's folder, and hold it and its state before anybody else sees them; return that of the state."""
        name = os.path.basename(self._path)
        if name in self._locks and not self._is_held():
            os.close(self._locks.pop(name))
        state: int | None = None
        if name not in self._locks:
            temporary = os.path.join(self._directory, _NEW + name)
            os.makedirs(temporary, 0o750, exist_ok=True)
            descriptor = hold(temporary)
            if descriptor is None:
                raise BlockingIOError(errno.EAGAIN, "its folder is held by another process")
            try:
                state = hold_state(temporary)
                if self._tally is not None and self._tally.path is not None:
                    link(temporary, self._tally.path)
                os.rename(temporary, self._path)
            except BaseException:
                if state is not None:
                    os.close(state)
                os.close(descriptor)
                raise
            self._locks[name] = descriptor
        return hold_state(self._path) if state is None else state

    @property
    def _path(self) -> str:
        """The run's folder."""
        return os.path.join(self._directory, folder_name(self._holdings.key))

    def _is_held(self) -> bool:
        """Whether the run's folder is where it was made."""
        descriptor = self._locks.get(os.path.basename(self._path))
        return descriptor is not None and is_at(descriptor, self._path)

    def _fail(self, error: OSError, now: int) -> None:
        if self.failing is None:
            if now >= self._say_at:
                self._once.again("disk", "disk again")
                self._say_at = now + _SAY_NS
            self._once.warn(
                "disk", "can't write its journal in %s: %s; it goes on in memory", self._directory, error.strerror
            )
        self.failing = error.strerror or str(error)
        self._retry_at = now + self._retry_ns
        self._retry_ns = min(_LAST_RETRY_NS, self._retry_ns * 2)
        if isinstance(error, FileNotFoundError | BlockingIOError):
            self._close_writer()

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
            names = os.listdir(self._directory)
            if any(run_of(name) is not None for name in names):
                self._ages.look()
            for name in names:
                if name.startswith(_NEW) and now - self._unheld.setdefault(name, now) > _NEW_NS:
                    self._discard(name)
            self._adopt_newest([name for name in names if run_of(name) is not None and name not in self._locks], now)
            self._trim()
        except OSError as error:
            self._once.warn("look", "can't read the journals in %s: %s", self._directory, error.strerror)
        return set(self.adopted) != before

    def look_at(self) -> int:
        """When `look` has something to do, while a collector is there."""
        return self._look_at

    def _adopt_newest(self, names: list[str], now: int) -> None:
        """Take over as many of these as fit, in the order in which they were written. The others stay as they are, for
        other agents, and until there is room."""
        held: list[tuple[str, int]] = []
        for name in sorted(names, key=self._written, reverse=True):
            descriptor = self._hold(name)
            if descriptor is None:
                continue
            if len(self.adopted) + len(held) >= JOURNAL_RUNS:
                os.close(descriptor)
                self._once.warn(
                    "runs",
                    "takes over no more than %d runs that ended; older ones wait in %s",
                    JOURNAL_RUNS,
                    self._directory,
                )
                break
            held.append((name, descriptor))
        for name, descriptor in reversed(held):
            self._adopt(name, descriptor, now)

    def _hold(self, name: str) -> int | None:
        """Hold a folder of ours that nobody holds. Another user's is left to that: who can read it may not be able to
        write or remove it. Root takes all."""
        path = os.path.join(self._directory, name)
        with contextlib.suppress(OSError):
            user = os.geteuid()
            if user == 0 or os.lstat(path).st_uid == user:
                return hold(path)
        return None

    def _adopt(self, name: str, descriptor: int, now: int) -> None:
        path = os.path.join(self._directory, name)
        run = run_of(name)
        assert run is not None
        kept = Kept(path, run, self._segments)
        try:
            kept.read()
        except OSError:
            os.close(descriptor)
            return
        with contextlib.suppress(OSError):  # no space: whoever takes it over next tries again
            if (settled := kept.settle()) is not None:
                self._syncer.sync([settled], partial(remove_tally, path))
        self._locks[name] = descriptor
        self.adopted[run] = self._holdings.earlier[run] = kept
        age = self._ages.age(run.epoch)
        if age is not None:
            self._holdings.began[run] = now - age

    def _drop(self, run: RunKey) -> None:
        """Remove a run that was taken over."""
        name = folder_name(run)
        del self.adopted[run]
        self._holdings.earlier.pop(run, None)
        self._holdings.began.pop(run, None)
        remove_folder(os.path.join(self._directory, name))
        os.close(self._locks.pop(name))

    def _discard(self, name: str) -> None:
        """Remove a folder that nobody holds."""
        path = os.path.join(self._directory, name)
        descriptor = self._hold(name)
        if descriptor is not None:
            remove_folder(path)
            os.close(descriptor)

    # --- bounds -------------------------------------------------------------------------------------------------------

    def _trim(self) -> None:
        """Keep the directory within its size, and its runs within their age."""
        names = [name for name in os.listdir(self._directory) if run_of(name) is not None]
        if not names:
            return
        self._ages.look()
        oldest_ns = self._ages.now() - self._max_age_ns
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
                    free[each.folder] = hold(os.path.join(self._directory, each.folder))
                except OSError:
                    free[each.folder] = None
            return free[each.folder] is not None

        found = [each for name in names for each in trim.segments_in(self._directory, name, self._ages)]
        trim.remove(self._directory, trim.victims(found, self._max_bytes, oldest_ns, may_go))
        if self._kept is not None:
            self._kept.forget()
        for run, kept in list(self.adopted.items()):
            kept.forget()
            if kept.is_empty and (
                any(end > 1 for end in kept.ends) or max(kept.nexts) == 1 or self._known(kept.path) < oldest_ns
            ):
                self._drop(run)
        for name in names:  # what nobody has taken over may have no segment that could be too old
            if name not in self._locks and name not in free and self._is_past(name, oldest_ns):
                self._discard(name)
        for name, descriptor in free.items():
            if descriptor is not None:
                if not trim.segments_in(self._directory, name, self._ages):
                    remove_folder(os.path.join(self._directory, name))
                os.close(descriptor)

    def _written(self, name: str) -> int:
        """To take the oldest run first."""
        return self._ages.order(stamp(os.path.join(self._directory, name)))

    def _is_past(self, name: str, oldest_ns: int) -> bool:
        """Whether a run has no segment, and is too old."""
        path = os.path.join(self._directory, name)
        return self._known(path) < oldest_ns and not trim.segments_in(self._directory, name, self._ages)

    def _known(self, path: str) -> int:
        """When a run last gave out numbers, at the latest."""
        return self._ages.known(stamp(path), path)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self, now: int) -> None:
        """Write the rest, sync it, and let others have the runs."""
        if not self._closed:
            self._retry_at = None
            self._check_at = now
            self.pump(now)
            self._closed = True
            self._end_tally()
        with self._making:
            if self._writer is not None:
                self._writer.close()
            if self._state is not None:
                os.close(self._state)
                self._state = None
        self._syncer.close()
        self._holdings.journal.back(None)
        for descriptor in self._locks.values():
            os.close(descriptor)
        self._locks.clear()

    def _end_tally(self) -> None:
        """Keep in the folder what calls have counted. Where that can't be written, it stays for who takes it over."""
        if self._tally is None:
            return
        counts = self._tally.end()
        if self._writer is not None and counts:
            with contextlib.suppress(OSError):
                nexts = zip(self._holdings.run.next, counts, strict=True)
                self._writer.note([max(following, counted + 1) for following, counted in nexts])
                remove_tally(self._path, self._tally.path)
        elif self._tally.path is not None:
            with contextlib.suppress(OSError):
                if self._state is None or not self._is_held():  # no folder leads to it
                    os.unlink(self._tally.path)

    def abandon(self) -> None:
        """In a forked child: the folders are its parent's, who goes on to hold them."""
        self._closed = True
        if self._tally is not None:
            self._tally.abandon()
            self._tally = None
        with contextlib.suppress(OSError):
            if self._writer is not None:
                self._writer.close()
            if self._state is not None:
                os.close(self._state)
                self._state = None
        for descriptor in self._locks.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._locks.clear()

"""What the stores in plain files share: append, sidecar, rotation, repair.

A write is encoded whole, appended, synced, and then becomes true by one synced line in the sidecar (`sidecar.py`). At
whatever system call a process or a machine dies, the next `open` finds all of a write or nothing of it.

PATH is the file that is written. Rotation renames it to PATH.1, PATH.2, … (the highest is the newest) and begins anew.
"""

import contextlib
import logging
import os
import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from zlog.core.intervals import Intervals
from zlog.errors import StoreError

from .base import Held, Key, Loss, Part, Store
from .disk import Disk
from .options import Option, choice, count, size
from .sidecar import Sidecar

log = logging.getLogger("zlog.stores")

NS_PER_S = 1_000_000_000
PERIODS_S = {"minute": 60, "hour": 3_600, "day": 86_400}


_LOOKS: Final = 1_000
"""So often in a row a file may be rotated while somebody looks for all of them."""


class FileStore(Store):
    """A store in plain files. Subclasses say how records look in them."""

    options: ClassVar[Mapping[str, Option]] = {
        "max_bytes": Option(size, 0, "rotate before the file is larger: 10M"),
        "every": Option(choice(*PERIODS_S), None, "rotate when a new one begins (UTC): minute, hour or day"),
        "keep": Option(count, 0, "how many rotated files stay, 0 for all"),
    }

    def __init__(self, path: str, options: Mapping[str, Any] | None = None, disk: Disk | None = None) -> None:
        super().__init__(path, options)
        self._disk = disk or Disk()
        self._sidecar = Sidecar(self._disk, path, self.scheme)
        self._descriptor = -1
        self._settled = False
        self._named = False  # durably, as far as is known

    @abstractmethod
    def _encode(self, parts: list[Part], losses: list[Loss]) -> bytes:
        """The octets to append: whole lines."""

    def _read_state(self, path: str, held: dict[Key, Intervals], losses: list[Loss]) -> int:
        """Adds what a file without a sidecar says of its records and losses, and returns the length of what is whole.

        Raises:
            StoreError: that is not possible.
        """
        raise StoreError(
            f"{self.path} exists, but its sidecar doesn't: what it holds is unknown",
            "move it away or name another file",
        )

    def _rebuild(self) -> None:
        """Sets the sidecar's state from data that has none. Raises StoreError."""
        held: dict[Key, Intervals] = {}
        losses: list[Loss] = []
        length = 0
        rotated = self._rotated()
        for path in [*(path for _, path in rotated), self.path]:
            length = self._read_state(path, held, losses) if os.path.exists(path) else 0
        self._sidecar.note(rotated[-1][0] + 1 if rotated else 1, length, held, losses)

    def _start(self) -> None:
        try:
            if self.read_only:
                self._look()
            else:
                self._start_writing()
        except OSError as problem:
            self._stop()
            raise StoreError(f"{self.url} can't be opened: {problem.strerror}", self._folder_hint(problem)) from problem
        except BaseException:
            self._stop()
            raise
        self._held, self._gaps = self._sidecar.held, self._sidecar.gaps

    def _start_writing(self) -> None:
        if not self._sidecar.open():
            try:
                if (Path(self.path).exists() and Path(self.path).stat().st_size) or self._rotated():
                    self._rebuild()
                self._sidecar.begin()
            except BaseException:
                self._sidecar.discard()
                raise
        self._settle()

    def _look(self) -> None:
        """Reads the state of a store that another process may be writing."""
        try:
            if not self._sidecar.open(read_only=True):
                self._rebuild_for_reading()
        except FileNotFoundError:
            self._rebuild_for_reading()
        finally:
            self._sidecar.close()

    def _rebuild_for_reading(self) -> None:
        if not Path(self.path).exists():
            raise StoreError(f"{self.path} doesn't exist")
        self._rebuild()

    def _folder_hint(self, problem: OSError) -> str:
        folder = os.path.dirname(self.path) or "."
        return f"is there a folder {folder}?" if isinstance(problem, FileNotFoundError) else ""

    def _stop(self) -> None:
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1
        self._sidecar.close()
        self._settled = False

    def _refresh(self) -> None:
        if self.read_only:
            try:
                self._look()
            except OSError as problem:
                raise StoreError(f"{self.url} can't be read: {problem.strerror}") from problem
            self._held, self._gaps = self._sidecar.held, self._sidecar.gaps

    def _put(self, parts: list[Part], losses: list[Loss], changed: Held) -> None:
        data = self._encode(parts, losses)
        now = max((part.received_ns for part in parts), default=0) or max((loss.at_ns for loss in losses), default=0)
        spans = [(part.key, part.sequence, part.stop) for part in parts]
        try:
            if not self._settled:
                self._settle()
            if self._is_full(len(data), now):
                self._rotate()
            self._settled = False  # until all is well
            sidecar = self._sidecar
            self._disk.write(self._descriptor, data, sidecar.length)
            self._disk.sync(self._descriptor)
            sidecar.append(spans, losses, sidecar.length + len(data), now)
            self._settled = True
        except OSError as problem:
            with contextlib.suppress(OSError, StoreError):
                self._settle()  # takes back what is half written; if it can't, the next write begins with that
            raise StoreError(f"{self.url} can't be written: {problem.strerror}") from problem

    def losses(self) -> list[Loss]:
        with self._lock:
            self._check(writes=False)
            self._refresh()
            return self._standing(self._sidecar.losses)

    def _settle(self) -> None:
        """Makes the data file what the sidecar says, after a crash or an error."""
        self._settled = False
        self._sidecar.repair()
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1
        rotated = f"{self.path}.{self._sidecar.serial}"
        if self._disk.exists(rotated):  # it was renamed, but the sidecar hadn't been told
            self._disk.sync_folder(rotated)
            self._cut(rotated, self._sidecar.length)
            self._sidecar.turn()
        missing = not self._disk.exists(self.path)
        if missing:
            self._disk.close(self._disk.open(self.path, create=True))
            self._named = False
        if not self._named:
            self._disk.sync_folder(self.path)
            self._named = True
        if missing and self._sidecar.length:
            log.warning("%s was gone; it begins anew, and what it held is not taken again", self.path)
            self._sidecar.forget_data()
        self._descriptor = self._cut(self.path, self._sidecar.length, keep_open=True)
        self._prune()
        self._settled = True

    def _cut(self, path: str, length: int, *, keep_open: bool = False) -> int:
        descriptor = self._disk.open(path)
        try:
            found = self._disk.size(descriptor)
            if found < length:
                raise StoreError(
                    f"{path} has {found} octets, but {length} were stored",
                    "bring it back, or move it and its sidecar away to begin anew",
                )
            if found > length:
                self._disk.cut(descriptor, length)
                self._disk.sync(descriptor)
        except BaseException:
            self._disk.close(descriptor)
            raise
        if not keep_open:
            self._disk.close(descriptor)
            return -1
        return descriptor

    def _is_full(self, more: int, now: int) -> bool:
        length, since_ns = self._sidecar.length, self._sidecar.since_ns
        if not length:
            return False
        if self.settings["max_bytes"] and length + more > self.settings["max_bytes"]:
            return True
        if not self.settings["every"]:
            return False
        period = PERIODS_S[self.settings["every"]] * NS_PER_S
        return since_ns // period < now // period  # never for a clock that went back

    def _rotate(self) -> None:
        """At whatever step it ends, `_settle` goes on from there."""
        self._settled = False
        self._disk.rename(self.path, f"{self.path}.{self._sidecar.serial}")
        self._settle()

    def _files(self, stack: contextlib.ExitStack) -> list[tuple[int, int]]:
        """Descriptor and length of all files, the oldest first, as they were at one moment.

        Raises:
            StoreError: there is a sidecar, and not its file.
        """
        for _ in range(_LOOKS):
            with self._lock:
                self._refresh()
                files = self._now(stack)
            if files is not None:
                return files
        raise StoreError(f"{self.path} is gone, only its sidecar is there", "put it back, or remove the sidecar too")

    def _now(self, stack: contextlib.ExitStack) -> list[tuple[int, int]] | None:
        serial, length = self._sidecar.serial, self._sidecar.length
        files: list[tuple[int, int]] = []
        with contextlib.suppress(FileNotFoundError):  # it was rotated or removed just now
            for name, octets in [(path, None) for _, path in self._rotated()] + [(self.path, length)]:
                descriptor = self._disk.open(name, write=False)
                stack.callback(self._disk.close, descriptor)
                files.append((descriptor, self._disk.size(descriptor) if octets is None else octets))
            self._refresh()
            if self._sidecar.serial == serial:
                return files
        stack.close()
        return None

    def _rotated(self) -> list[tuple[int, str]]:
        """Serial and path of the rotated files, the oldest first."""
        folder, name = os.path.split(self.path)
        pattern = re.compile(re.escape(name) + r"\.([1-9][0-9]*)", re.ASCII)
        found = [match for entry in os.listdir(folder or ".") if (match := pattern.fullmatch(entry))]
        return sorted((int(match[1]), os.path.join(folder, match[0])) for match in found)

    def _prune(self) -> None:
        if self.settings["keep"]:
            for serial, path in self._rotated():
                if serial < self._sidecar.serial - self.settings["keep"]:
                    with contextlib.suppress(OSError):  # the next rotation tries again
                        self._disk.remove(path)

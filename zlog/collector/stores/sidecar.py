"""The file beside a file store that says how much of it counts: `PATH.sidecar`.

One line for each write: eight hexadecimal digits of CRC-32, a blank, and a JSON object. The first line is the header.
A line is appended and synced after the data it speaks of was synced, so:

- what the data file holds beyond the last line's length never happened, and is cut off;
- the last line may be torn by a crash: then it never happened either;
- a bad line that has good ones behind it is no crash. That is an error, and a human decides.

The state is the sum of the lines. When they have become many, they are written anew as one, in a file that takes the
old one's place at once.
"""

import contextlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

from zlog.core.intervals import Intervals
from zlog.errors import StoreError

from .base import GAP, Key, Loss
from .disk import Disk

SUFFIX = ".sidecar"
VERSION = 1
SPARE_BYTES = 1 << 20
"""What the lines may grow by before they are written anew: below a megabyte it isn't worth a file."""

Span = tuple[Key, int, int]


class Sidecar:
    """State of a file store: which file is written, how long it is, since when; what it holds, what is lost; and
    which of that are gaps, which it doesn't hold.

    Args:
        disk: makes the system calls.
        path: of the data file.
        kind: what the data file is, so that no store takes another's.
    """

    def __init__(self, disk: Disk, path: str, kind: str) -> None:
        self.path = path + SUFFIX
        self.serial = 1
        self.length = 0
        self.since_ns = 0
        self.held: dict[Key, Intervals] = {}
        self.gaps: dict[Key, Intervals] = {}
        self.losses: list[Loss] = []
        self._disk = disk
        self._kind = kind
        self._descriptor = -1
        self._size = 0
        self._compact_size = 0
        self._torn = False
        self._renamed = True  # and a crash could still take that back

    def open(self, *, read_only: bool = False) -> bool:
        """Reads the state; takes the lock, and makes the file if there is none, unless only for reading.

        Returns:
            Whether there is a state. If not, it is for the caller to find one and to call `begin`.

        Raises:
            FileNotFoundError: there is none, and it is only for reading.
            StoreError: another process has it, or it is damaged, or of another kind or version.
        """
        while True:
            self._descriptor = self._open(read_only)
            try:
                if not read_only:
                    self._disk.lock(self._descriptor)
                known = self._read()
            except BlockingIOError:
                self.close()
                raise StoreError(f"{self.path} is in use by another process", "one process writes a store") from None
            except BaseException:
                self.close()
                raise
            if read_only or self._disk.same(self._descriptor, self.path):
                return known
            self.close()  # it was replaced before we had the lock

    def begin(self) -> None:
        """Writes the state as it is set now, the first one of this store."""
        self._replace()

    def note(self, serial: int, length: int, held: dict[Key, Intervals], losses: Sequence[Loss]) -> None:
        """Sets the state, which isn't written before `begin`: what records cover, and all losses."""
        self.serial, self.length, self.held, self.gaps, self.losses = serial, length, held, {}, []
        self._add((), losses)

    def discard(self) -> None:
        """Removes the file again that `open` made, if there was no state."""
        if not self._size:
            self._disk.remove(self.path)
        self.close()

    def repair(self) -> None:
        """Makes the file durably what the state is, where a crash or an error left more. Before any data is written:
        data must not change under a line, or a file, that a crash could bring back."""
        if self._renamed:
            self._disk.sync_folder(self.path)
            self._renamed = False
        if self._torn:
            self._disk.cut(self._descriptor, self._size)
            self._disk.sync(self._descriptor)
            self._torn = False

    def close(self) -> None:
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1

    def append(self, spans: Sequence[Span], losses: Sequence[Loss], length: int, since_ns: int) -> None:
        """Notes what the data file has up to `length`, begun at `since_ns` if it was empty.

        Durable when it returns; if it raises OSError, the state is as before.
        """
        entry: dict[str, Any] = {"length": length}
        if not self.length:
            entry["since_ns"] = since_ns
        if spans:
            entry["held"] = [[key[0].hex(), key[1], key[2], start, stop] for key, start, stop in spans]
        if losses:
            entry["lost"] = [_loss_list(loss) for loss in losses]
        line = _line(entry)
        self._append(line)
        if not self.length:
            self.since_ns = since_ns
        self.length = length
        self._add(spans, losses)
        if self._size > 2 * self._compact_size + SPARE_BYTES:
            with contextlib.suppress(OSError):  # it goes on as it is, and is tried again
                self._replace()

    def turn(self) -> None:
        """Notes that the next data file is written from its beginning. As `append`."""
        self._append(_line({"serial": self.serial + 1, "length": 0}))
        self.serial, self.length = self.serial + 1, 0

    def forget_data(self) -> None:
        """Notes that the data file is gone and a new one begins. As `append`."""
        self._append(_line({"length": 0}))
        self.length = 0

    def _append(self, line: bytes) -> None:
        self.repair()
        self._torn = True  # what a crash would find is uncertain from here on
        try:
            self._disk.write(self._descriptor, line, self._size)
            self._disk.sync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self.repair()
            raise
        self._torn = False
        self._size += len(line)

    def _open(self, read_only: bool) -> int:
        while True:
            with contextlib.suppress(FileNotFoundError):
                return self._disk.open(self.path, write=not read_only)
            if read_only:
                raise FileNotFoundError(self.path)
            with contextlib.suppress(FileExistsError):
                return self._disk.open(self.path, create=True)

    def _add(self, spans: Sequence[Span], losses: Sequence[Loss]) -> None:
        for key, start, stop in spans:
            self.held.setdefault(key, Intervals()).add(start, stop)
        for loss in losses:
            kind = self.gaps if loss.cause == GAP else self.held
            kind.setdefault(loss.key, Intervals()).add(loss.start, loss.stop)
        self.losses.extend(losses)

    def _replace(self) -> None:
        """Writes the state as a new file in the place of the old one."""
        temporary = self.path + ".new"
        state = {
            "serial": self.serial,
            "length": self.length,
            "since_ns": self.since_ns,
            "held": [[key[0].hex(), key[1], key[2], *pair] for key, pairs in self.held.items() for pair in pairs],
            "lost": [_loss_list(loss) for loss in self.losses],
        }
        data = _line({"zlog": "sidecar", "kind": self._kind, "version": VERSION}) + _line(state)
        with contextlib.suppress(FileNotFoundError):
            self._disk.remove(temporary)
        descriptor = self._disk.open(temporary, create=True)
        try:
            self._disk.lock(descriptor)
            self._disk.write(descriptor, data, 0)
            self._disk.sync(descriptor)
            self._disk.rename(temporary, self.path)
            self._renamed = True
        except BaseException:
            self._disk.close(descriptor)
            with contextlib.suppress(OSError):
                self._disk.remove(temporary)
            raise
        self.close()
        self._descriptor, self._size, self._compact_size = descriptor, len(data), len(data)
        self.repair()

    def _read(self) -> bool:
        data = self._disk.read(self._descriptor, self._disk.size(self._descriptor), 0)
        self.serial, self.length, self.since_ns, self._size = 1, 0, 0, 0
        self.held, self.gaps, self.losses = {}, {}, []
        if not data:
            return False
        lines = data.splitlines(keepends=True)
        good = [_parse(line) for line in lines]
        if not good or good[0] is None or good[0].get("zlog") != "sidecar":
            raise StoreError(f"{self.path} is no sidecar of zlog or its first line is damaged", self._advice())
        if good[0].get("kind") != self._kind:
            raise StoreError(f"{self.path} belongs to a {good[0].get('kind')}: store", "name the store by that scheme")
        if good[0].get("version") != VERSION:
            raise StoreError(f"{self.path} has version {good[0].get('version')}", f"this release reads {VERSION}")
        if good[-1] is None:
            good.pop()
        for number, (line, entry) in enumerate(zip(lines, good, strict=False), 1):
            if entry is None:
                raise StoreError(f"{self.path} is damaged in line {number}", self._advice())
            self._size += len(line)
            self._apply(entry)
        self._compact_size = self._size
        self._torn = self._size < len(data)
        return True

    def _apply(self, entry: dict[str, Any]) -> None:
        self.serial = entry.get("serial", self.serial)
        self.length = entry.get("length", self.length)
        self.since_ns = entry.get("since_ns", self.since_ns)
        self._add(
            [
                ((bytes.fromhex(node), epoch, range_), start, stop)
                for node, epoch, range_, start, stop in entry.get("held", ())
            ],
            [Loss(*values) for values in entry.get("lost", ())],
        )

    def _advice(self) -> str:
        if self._kind == "jsonl":
            return "move it away and it is made anew from the data"
        return "move it and the data away to begin anew"


def _loss_list(loss: Loss) -> list[str | int]:
    return [loss.node, loss.epoch, loss.range, loss.start, loss.stop, loss.cause, loss.at_ns]


def _line(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> dict[str, Any] | None:
    """The object in a line, None if it is not as `_line` wrote it."""
    text = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(text) or line[-1:] != b"\n":
        return None
    entry = json.loads(text)  # the sum is right, so we wrote it
    return entry if isinstance(entry, dict) else None

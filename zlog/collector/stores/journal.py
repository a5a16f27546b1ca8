"""Batches as they came, in files with checksums: `journal:DIR`. The fastest store: nothing is made of a record.

DIR/frames has the entries of `zlog.core.segments`: a BATCH message as its node made it, or the records of a part of
one, or losses. What is damaged is found by its checksum when it is read: it is left out, with a warning that names it.

If the sidecar was lost, all it says is read from the entries again.

A directory with the journals of programs (``ZLOG_JOURNAL``) can be read by the same name: `runs.py`.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from zlog.core.intervals import Intervals
from zlog.core.segments import HEAD_SIZE, LOSSES, RECORDS, Damage, Entry, head_of, scan
from zlog.errors import StoreError
from zlog.record import Stored
from zlog.wire.runtime import DecodeError

from .base import EVERYTHING, Filter, Key, Loss, Part, Streams
from .disk import Disk
from .entries import described, head_in, part_in, payloads, read_entries
from .files import FileStore, log
from .options import Option, size
from .order import StreamKey, merged, newest, ordered, placed
from .places import Place, Places

if TYPE_CHECKING:
    from .runs import Runs

NAME: Final = "frames"
_WINDOW: Final = 8 << 20
"""Octets of a file that are read at once."""

_encode = msgspec.msgpack.Encoder().encode
_decode_losses = msgspec.msgpack.Decoder(list[tuple[str, int, int, int, int, int, int]]).decode


class JournalStore(FileStore):
    """Frames in the directory `folder`."""

    scheme = "journal"
    options: ClassVar[Mapping[str, Option]] = {
        **FileStore.options,
        "max_bytes": Option(size, 64 << 20, "begin a new file before one is larger, 0 for never: 64M"),
    }

    def __init__(self, path: str, options: Mapping[str, Any] | None = None, disk: Disk | None = None) -> None:
        super().__init__(os.path.join(path, NAME), options, disk)
        self.folder = path
        self._runs: Runs | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}:{self.folder}"

    def _start(self) -> None:
        self._runs = None
        if self.read_only and not os.path.lexists(self.path) and not os.path.lexists(f"{self.path}.sidecar"):
            runs = _runs_in(self.folder)
            if runs.are_there():
                runs.check()
                self._runs = runs
                return
            known = "has no journal in it" if os.path.isdir(self.folder) else "doesn't exist"
            raise StoreError(f"{self.folder} {known}")
        super()._start()

    def _start_writing(self) -> None:
        if not os.path.lexists(self.path) and _runs_in(self.folder).names():
            raise StoreError(
                f"{self.folder} has the journals of programs, and can't be a store too", "name another directory"
            )
        os.makedirs(self.folder, 0o750, exist_ok=True)
        super()._start_writing()

    def _encode(self, parts: list[Part], losses: list[Loss]) -> bytes:
        chunks: list[bytes] = []
        for part in parts:
            for kind, piece, payload in payloads(part):
                ordinal = piece.records[0].ordinal if kind == RECORDS else 0
                chunks.append(
                    head_of(
                        payload, kind, part.range, len(piece.records), piece.sequence, ordinal, max(0, part.received_ns)
                    )
                )
                chunks.append(payload)
        if losses:
            payload = _encode([(x.node, x.epoch, x.range, x.start, x.stop, x.cause, x.at_ns) for x in losses])
            chunks += [head_of(payload, LOSSES), payload]
        return b"".join(chunks)

    # --- reading ------------------------------------------------------------------------------------------------------

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        self._check(writes=False)
        return self._query(wanted)

    def _query(self, wanted: Filter) -> Generator[Stored, None, None]:
        if wanted.limit is not None and self._runs is not None:
            yield from ordered(self._runs.newest(wanted, wanted.limit))
            return
        with self.streams(wanted) as streams:
            if wanted.limit is not None:
                yield from ordered(newest((record for _, stream in streams for record in stream), wanted.limit))
            else:
                yield from merged((key, placed(stream)) for key, stream in streams)

    @contextlib.contextmanager
    def streams(self, wanted: Filter = EVERYTHING) -> Generator[Streams, None, None]:
        self._check(writes=False)
        if self._runs is not None:
            yield self._runs.streams(wanted)
            return
        with contextlib.ExitStack() as stack:
            try:
                files = self._files(stack)
                found = self._found(wanted, files) if wanted.limit != 0 else {}
            except OSError as problem:
                raise StoreError(f"{self.url} can't be read: {problem.strerror}") from problem
            yield [(key, self._records(files, places, wanted)) for key, places in found.items()]

    def losses(self) -> list[Loss]:
        if self._runs is None:
            return super().losses()
        with self._lock:
            self._check(writes=False)
            return list(self._runs.state()[1])

    def _refresh(self) -> None:
        if self._runs is None:
            super()._refresh()
        else:
            self._held = self._runs.state()[0]

    def _records(self, files: list[tuple[int, int]], places: Places, wanted: Filter) -> Iterator[Stored]:
        for file, offset, length in places:
            data = self._disk.read(files[file][0], length, offset)
            for entry in scan(data):
                if isinstance(entry, Damage):
                    log.warning("%s is damaged: octets %d to %d can't be read", self.path, offset, offset + length)
                    break
                try:
                    part = part_in(entry, data[entry.start : entry.stop])
                except (DecodeError, ValueError) as problem:
                    log.warning("%s has an entry that is none: %s: %s", self.path, described(entry), problem)
                else:
                    yield from filter(wanted.matches, part.stored())

    def _found(self, wanted: Filter, files: list[tuple[int, int]]) -> dict[StreamKey, Places]:
        """Where the entries are that may have what is wanted."""
        streams: dict[StreamKey, Places] = {}
        for number, (descriptor, length) in enumerate(files):
            for entry, payload in self._scan(descriptor, length):
                if entry.kind == LOSSES or (wanted.level is not None and entry.range + 3 < wanted.level):
                    continue
                try:
                    node, epoch, name = head_in(entry, payload)
                except (DecodeError, ValueError) as problem:
                    log.warning("%s has an entry that is none: %s: %s", self.path, described(entry), problem)
                    continue
                if wanted.matches_node(node, name):
                    begins = entry.start - HEAD_SIZE
                    place = Place(number, begins, entry.stop - begins)
                    streams.setdefault((node, epoch, entry.range), Places()).add(entry.sequence, place)
        return streams

    def _scan(self, descriptor: int, length: int) -> Iterator[tuple[Entry, bytes]]:
        """The entries of a file, their places in it, and their payloads."""
        for item in read_entries(functools.partial(_read, self._disk, descriptor), length, _WINDOW):
            if isinstance(item, Damage):
                what = described(item.entry) if item.entry is not None else "it isn't known what they were"
                log.warning("%s is damaged: octets %d to %d can't be read: %s", self.path, item.start, item.stop, what)
            else:
                yield item

    def _read_state(self, path: str, held: dict[Key, Intervals], losses: list[Loss]) -> int:
        """Adds what the entries say, and returns the length of those that are whole."""
        whole = 0
        descriptor = self._disk.open(path, write=False)
        try:
            if self._disk.size(descriptor) and next(self._scan(descriptor, self._disk.size(descriptor)), None) is None:
                raise ValueError("nothing of ours in it")
            for entry, payload in self._scan(descriptor, self._disk.size(descriptor)):
                if entry.kind == LOSSES:
                    losses += [Loss(*values) for values in _decode_losses(payload)]
                else:
                    node, epoch, _ = head_in(entry, payload)
                    key = bytes.fromhex(node), epoch, entry.range
                    held.setdefault(key, Intervals()).add(entry.sequence, entry.sequence + entry.records)
                whole = entry.stop
        except (DecodeError, ValueError):
            raise StoreError(f"{path} has no sidecar, and an entry in it is none of ours", "name another") from None
        finally:
            self._disk.close(descriptor)
        return whole


def _runs_in(folder: str) -> Runs:
    from .runs import Runs  # only here: it is half of an agent

    return Runs(folder)


def _read(disk: Disk, descriptor: int, length: int, offset: int) -> bytes:
    return disk.read(descriptor, length, offset)

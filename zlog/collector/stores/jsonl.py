"""Records as JSON, one object a line: `jsonl:PATH`. For `jq`, for pipelines, for archives.

A line is what `Stored.to_json` makes: its fields by name, UUIDs as 32 hexadecimal digits, times in nanoseconds, octets
among the attributes as base64. A loss is a line too: `{"lost":{"node":…,"epoch":…,"range":…,"start":…,"stop":…,…}}`,
the sequences from `start` up to and without `stop`.

If the sidecar was lost, all it says is read from the lines again.

A line that is damaged is left out where the store is only read, with a warning that names it. Who writes the store is
told by an error.
"""

import contextlib
from collections.abc import Generator, Iterator, Mapping, Set
from functools import partial
from heapq import nlargest
from typing import Any

import msgspec

from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.record import Stored

from .base import EVERYTHING, Filter, Key, Loss, Part, Streams
from .disk import Disk
from .files import FileStore, log
from .order import StreamKey, merged, ordered, placed, recency
from .places import Place, Places

LOST = b'{"lost":'

Files = list[tuple[int, int]]
"""Descriptor and length of each, the oldest first."""


class _Lost(msgspec.Struct):
    lost: Loss


_decode_lost = msgspec.json.Decoder(_Lost).decode


class JsonlStore(FileStore):
    """One JSON object a line."""

    scheme = "jsonl"

    def __init__(self, path: str, options: Mapping[str, Any] | None = None, disk: Disk | None = None) -> None:
        super().__init__(path, options, disk)
        self._warned: set[tuple[str, int]] = set()

    def _encode(self, parts: list[Part], losses: list[Loss]) -> bytes:
        lines = [record.to_json() for part in parts for record in part.stored()]
        lines += [msgspec.json.encode(_Lost(loss)) for loss in losses]
        lines.append(b"")
        return b"\n".join(lines)

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        self._check(writes=False)
        return self._query(wanted)

    def _query(self, wanted: Filter) -> Generator[Stored, None, None]:
        if wanted.limit is None:
            with self.streams(wanted) as streams:
                yield from merged((key, placed(stream)) for key, stream in streams)
            return
        with self._opened() as files:
            chosen = nlargest(wanted.limit, ((recency(record), place) for record, place in self._found(wanted, files)))
            yield from ordered(self._record(files, place) for _, place in chosen)

    @contextlib.contextmanager
    def streams(self, wanted: Filter = EVERYTHING) -> Generator[Streams, None, None]:
        self._check(writes=False)
        with self._opened() as files:
            found: dict[StreamKey, Places] = {}
            for record, place in self._found(wanted, files):
                found.setdefault((record.node, record.epoch, record.range), Places()).add(record.sequence, place)
            yield [(key, map(partial(self._record, files), places)) for key, places in found.items()]

    def at(self, sequences: Mapping[Key, Set[int]]) -> Iterator[Stored]:
        self._check(writes=False)
        nodes = {key[0].hex() for key in sequences}
        with self._opened() as files:
            for record, _ in self._found(EVERYTHING, files) if nodes else ():
                if record.node in nodes and record.sequence in sequences.get(_key_of(record), ()):
                    yield record

    @contextlib.contextmanager
    def _opened(self) -> Generator[Files, None, None]:
        with contextlib.ExitStack() as stack:
            try:
                files = self._files(stack)
            except OSError as problem:
                raise StoreError(f"{self.url} can't be read: {problem.strerror}") from problem
            yield files

    def _record(self, files: Files, place: Place) -> Stored:
        return Stored.from_json(self._disk.read(files[place.file][0], place.length, place.offset))

    def _found(self, wanted: Filter, files: Files) -> Iterator[tuple[Stored, Place]]:
        """The records that are meant, with their places, which are what a query holds."""
        for number, (descriptor, length) in enumerate(files):
            for place, (offset, line) in enumerate(_lines(descriptor, length), 1):
                if line.startswith(LOST):
                    continue
                try:
                    record = Stored.from_json(line)
                except ValueError as problem:
                    self._damaged(self._path_of(descriptor), place, f"{line[:80]!r}: {problem}")
                    continue
                if wanted.matches(record):
                    yield record, Place(number, offset, len(line))

    def _path_of(self, descriptor: int) -> str:
        """What an open file is called now."""
        paths = [*(path for _, path in self._rotated()), self.path]
        return next((path for path in paths if self._disk.same(descriptor, path)), self.path)

    def _damaged(self, path: str, place: int, problem: str) -> None:
        """A line is no record. Raises StoreError if the store isn't only read."""
        if not self.read_only:
            raise StoreError(f"{path}:{place} is no record: {problem}")
        if (path, place) not in self._warned:
            self._warned.add((path, place))
            log.warning("%s:%d is no record, and is left out: %s", path, place, problem)

    def _read_state(self, path: str, held: dict[Key, Intervals], losses: list[Loss]) -> int:
        """Adds what the lines say, and returns the length of those that are whole."""
        length, bad = 0, list[tuple[int, str]]()
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and length:
                    break  # torn by a crash
                length += len(line)
                try:
                    if line.startswith(LOST):
                        losses.append(_decode_lost(line).lost)
                    else:
                        key, sequence = _key(line)
                        held.setdefault(key, Intervals()).add(sequence, sequence + 1)
                except ValueError as problem:
                    bad.append((number, f"{line[:80]!r}: {problem}"))
                    if not self.read_only or len(bad) == number:  # nothing of ours is before it
                        raise StoreError(
                            f"{path} has no sidecar, and its line {number} is none of ours", "name another file"
                        ) from None
        for number, text in bad:
            self._damaged(path, number, text)
        return length


def _lines(descriptor: int, length: int) -> Iterator[tuple[int, bytes]]:
    """Offset and octets, without its end, of each line that ends within the length."""
    offset = 0
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        for line in file:
            if offset + len(line) > length or not line.endswith(b"\n"):
                return
            yield offset, line[:-1]
            offset += len(line)


def _key(line: bytes) -> tuple[Key, int]:
    """Whose a record is, and its sequence. Raises ValueError."""
    record = Stored.from_json(line)
    return _key_of(record), record.sequence


def _key_of(record: Stored) -> Key:
    return bytes.fromhex(record.node), record.epoch, record.range

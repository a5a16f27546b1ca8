"""Records as JSON, one object a line: `jsonl:PATH`. For `jq`, for pipelines, for archives.

A line is what `Stored.to_json` makes: its fields by name, UUIDs as 32 hexadecimal digits, times in nanoseconds, octets
among the attributes as base64. A loss is a line too: `{"lost":{"node":…,"epoch":…,"range":…,"start":…,"stop":…,…}}`,
the sequences from `start` up to and without `stop`.

If the sidecar was lost, all it says is read from the lines again.
"""

import contextlib
import os
from collections.abc import Generator, Iterator
from heapq import nlargest
from operator import itemgetter

import msgspec

from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.record import Stored

from .base import EVERYTHING, Filter, Key, Loss, Part
from .files import FileStore
from .order import Item, Place, StreamKey, merged

LOST = b'{"lost":'


class _Lost(msgspec.Struct):
    lost: Loss


_decode_lost = msgspec.json.Decoder(_Lost).decode

Position = tuple[int, str, int, int, int, int, int, int, int]
"""Of a line, the fields in the order of `order.recency`: time, node, epoch, ordinal, range, sequence; then the number
of the file, the offset and the length. A query holds this of each match, not the record."""


class JsonlStore(FileStore):
    """One JSON object a line."""

    scheme = "jsonl"

    def _encode(self, parts: list[Part], losses: list[Loss]) -> bytes:
        lines = [record.to_json() for part in parts for record in part.stored()]
        lines += [msgspec.json.encode(_Lost(loss)) for loss in losses]
        lines.append(b"")
        return b"\n".join(lines)

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        self._check(writes=False)
        return self._query(wanted)

    def _query(self, wanted: Filter) -> Generator[Stored, None, None]:
        with contextlib.ExitStack() as stack:
            try:
                files = self._files(stack)
            except OSError as problem:
                raise StoreError(f"{self.url} can't be read: {problem.strerror}") from problem
            positions = self._positions(wanted, files)
            chosen = positions if wanted.limit is None else nlargest(wanted.limit, positions)
            streams: dict[StreamKey, list[Position]] = {}
            for position in chosen:
                streams.setdefault((position[1], position[2], position[4]), []).append(position)
            for stream in streams.values():
                stream.sort(key=itemgetter(5))
            for position in merged((key, _placed(stream)) for key, stream in streams.items()):
                number, offset, length = position[6:]
                yield Stored.from_json(self._disk.read(files[number][0], length, offset))

    def _positions(self, wanted: Filter, files: list[tuple[int, int]]) -> Iterator[Position]:
        for number, (descriptor, length) in enumerate(files):
            for offset, line in _lines(descriptor, length):
                if line.startswith(LOST):
                    continue
                try:
                    record = Stored.from_json(line)
                except ValueError as problem:
                    raise StoreError(f"{self.url} has a line that is no record: {line[:80]!r}: {problem}") from None
                if wanted.matches(record):
                    yield (
                        record.time_ns,
                        record.node,
                        record.epoch,
                        record.ordinal,
                        record.range,
                        record.sequence,
                        number,
                        offset,
                        len(line),
                    )

    def _rebuild(self) -> None:
        held: dict[Key, Intervals] = {}
        losses: list[Loss] = []
        length = 0
        rotated = self._rotated()
        for path in [*(path for _, path in rotated), self.path]:
            length = _read_state(path, held, losses) if os.path.exists(path) else 0
        self._note(rotated[-1][0] + 1 if rotated else 1, length, held, losses)


def _placed(stream: list[Position]) -> Iterator[Item[Position]]:
    return ((Place(position[3], position[0], position[5]), position) for position in stream)


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


def _read_state(path: str, held: dict[Key, Intervals], losses: list[Loss]) -> int:
    """Adds what the lines say, and returns the length of those that are whole."""
    length = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n") and length:
                break  # torn by a crash
            try:
                key, start, stop = _span(line, losses)
                held.setdefault(key, Intervals()).add(start, stop)
            except ValueError:
                raise StoreError(
                    f"{path} has no sidecar, and its line {number} is none of ours", "name another file"
                ) from None
            length += len(line)
    return length


def _span(line: bytes, losses: list[Loss]) -> tuple[Key, int, int]:
    if line.startswith(LOST):
        loss = _decode_lost(line).lost
        losses.append(loss)
        return loss.key, loss.start, loss.stop
    record = Stored.from_json(line)
    return (bytes.fromhex(record.node), record.epoch, record.range), record.sequence, record.sequence + 1

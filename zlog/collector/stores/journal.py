"""Batches as they came, in files with checksums: `journal:DIR`. The fastest store: nothing is made of a record.

DIR/frames has the entries of `zlog.core.segments`: a BATCH message as its node made it, or the records of a part of
one, or losses. What is damaged is found by its checksum when it is read: it is left out, with a warning that names it.

If the sidecar was lost, all it says is read from the entries again.
"""

import contextlib
import os
import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from zlog.core.intervals import Intervals
from zlog.core.segments import BATCH, LOSSES, RECORDS, Damage, Entry, head_of, scan
from zlog.errors import StoreError
from zlog.limits import MAX_BATCH_RECORDS
from zlog.record import Record, Stored
from zlog.wire import body, zre_log_msg
from zlog.wire.rows import Rows
from zlog.wire.runtime import DecodeError

from .base import EVERYTHING, Filter, Key, Loss, Part
from .disk import Disk
from .files import FileStore, log
from .options import Option, size
from .order import Item, Place, StreamKey, merged, newest, ordered

NAME: Final = "frames"
_WINDOW: Final = 8 << 20
"""Octets of a file that are read at once."""
_RECORDS_BYTES: Final = 512 << 10
"""Octets of records that aren't a whole BATCH, in one entry; a longer record has one of its own."""

_encode = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(tuple[bytes, int, str, str, int, bytes]).decode
_decode_losses = msgspec.msgpack.Decoder(list[tuple[str, int, int, int, int, int, int]]).decode


_RUN: Final = re.compile(r"[0-9a-f]{32}-[0-9]+")
"""What folders of runs are called in a node's journal (`zlog.agent.kept`)."""


class Found(NamedTuple):
    """Where an entry of a stream is: first sequence, number of the file, the entry."""

    sequence: int
    number: int
    entry: Entry


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

    @property
    def url(self) -> str:
        return f"{self.scheme}:{self.folder}"

    def _start_writing(self) -> None:
        os.makedirs(self.folder, 0o750, exist_ok=True)
        super()._start_writing()

    def _rebuild_for_reading(self) -> None:
        if (
            not os.path.exists(self.path)
            and os.path.isdir(self.folder)
            and any(map(_RUN.fullmatch, os.listdir(self.folder)))
        ):
            raise StoreError(
                f"{self.folder} has the journals of nodes, not the store of a collector",
                "have a program use it (ZLOG_JOURNAL), and collect from it",
            )
        super()._rebuild_for_reading()

    def _encode(self, parts: list[Part], losses: list[Loss]) -> bytes:
        chunks: list[bytes] = []
        for part in parts:
            for kind, piece, payload in _payloads(part):
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
        with contextlib.ExitStack() as stack:
            try:
                files = self._files(stack)
                streams = self._streams(wanted, files)
            except OSError as problem:
                raise StoreError(f"{self.url} can't be read: {problem.strerror}") from problem
            for stream in streams.values():
                stream.sort()
            read = {key: self._records(files, stream, wanted) for key, stream in streams.items()}
            if wanted.limit is not None:
                yield from ordered(newest((record for stream in read.values() for record in stream), wanted.limit))
            else:
                yield from merged((key, _placed(stream)) for key, stream in read.items())

    def _records(self, files: list[tuple[int, int]], stream: list[Found], wanted: Filter) -> Iterator[Stored]:
        for _, number, entry in stream:
            part = self._part(files[number][0], entry)
            if part is not None:
                yield from filter(wanted.matches, part.stored())

    def _part(self, descriptor: int, entry: Entry) -> Part | None:
        payload = self._disk.read(descriptor, entry.stop - entry.start, entry.start)
        try:
            return _part_of(entry, payload)
        except (DecodeError, ValueError) as problem:
            log.warning("%s has an entry that is none: %s: %s", self.path, _name(entry), problem)
            return None

    def _streams(self, wanted: Filter, files: list[tuple[int, int]]) -> dict[StreamKey, list[Found]]:
        """Where the entries are that may have what is wanted."""
        streams: dict[StreamKey, list[Found]] = {}
        for number, (descriptor, length) in enumerate(files):
            for entry, payload in self._scan(descriptor, length):
                if entry.kind == LOSSES or (wanted.level is not None and entry.range + 3 < wanted.level):
                    continue
                try:
                    node, epoch, name = _head(entry, payload)
                except (DecodeError, ValueError) as problem:
                    log.warning("%s has an entry that is none: %s: %s", self.path, _name(entry), problem)
                    continue
                if wanted.matches_node(node, name):
                    found = Found(entry.sequence, number, entry)
                    streams.setdefault((node, epoch, entry.range), []).append(found)
        return streams

    def _scan(self, descriptor: int, length: int) -> Iterator[tuple[Entry, bytes]]:
        """The entries of a file, their places in it, and their payloads."""
        offset, window = 0, _WINDOW
        while offset < length:
            data = self._disk.read(descriptor, min(window, length - offset), offset)
            if not data:
                break
            used = 0
            for item in scan(data):
                if isinstance(item, Damage):
                    if item.entry is None and item.stop == len(data) and offset + len(data) < length:
                        break  # it may go on in the next window
                    self._tell(item, offset)
                else:
                    yield (
                        item._replace(start=offset + item.start, stop=offset + item.stop),
                        data[item.start : item.stop],
                    )
                used = item.stop
            offset += used
            window = _WINDOW if used else window * 2

    def _tell(self, damage: Damage, offset: int) -> None:
        what = _name(damage.entry) if damage.entry is not None else "it isn't known what they were"
        log.warning(
            "%s is damaged: octets %d to %d can't be read: %s",
            self.path,
            offset + damage.start,
            offset + damage.stop,
            what,
        )

    def _rebuild(self) -> None:
        held: dict[Key, Intervals] = {}
        losses: list[Loss] = []
        length = 0
        rotated = self._rotated()
        for path in [*(path for _, path in rotated), self.path]:
            length = self._read_state(path, held, losses) if os.path.exists(path) else 0
        self._note(rotated[-1][0] + 1 if rotated else 1, length, held, losses)

    def _read_state(self, path: str, held: dict[Key, Intervals], losses: list[Loss]) -> int:
        """Adds what the entries say, and returns the length of those that are whole."""
        whole = 0
        descriptor = self._disk.open(path, write=False)
        try:
            if self._disk.size(descriptor) and next(self._scan(descriptor, self._disk.size(descriptor)), None) is None:
                raise ValueError("nothing of ours in it")
            for entry, payload in self._scan(descriptor, self._disk.size(descriptor)):
                if entry.kind == LOSSES:
                    for values in _decode_losses(payload):
                        loss = Loss(*values)
                        losses.append(loss)
                        held.setdefault(loss.key, Intervals()).add(loss.start, loss.stop)
                else:
                    node, epoch, _ = _head(entry, payload)
                    key = bytes.fromhex(node), epoch, entry.range
                    held.setdefault(key, Intervals()).add(entry.sequence, entry.sequence + entry.records)
                whole = entry.stop
        except (DecodeError, ValueError):
            raise StoreError(f"{path} has no sidecar, and an entry in it is none of ours", "name another") from None
        finally:
            self._disk.close(descriptor)
        return whole


def _payloads(part: Part) -> Iterator[tuple[int, Part, bytes]]:
    """Kind and payload of the entries of a part: its frame where it is a whole one, else its records in pieces."""
    records = part.records
    if isinstance(records, Rows) and (records.batch.sequence, records.batch.count) == (part.sequence, len(records)):
        yield BATCH, part, records.batch.encode()
        return
    sequence, start, encoded, octets = part.sequence, 0, list[bytes](), 0
    for place, record in enumerate([*records, None]):
        one = _encode(record) if record is not None else b""
        if encoded and (record is None or octets + len(one) > _RECORDS_BYTES or len(encoded) == MAX_BATCH_RECORDS):
            document = b"\xdc" + len(encoded).to_bytes(2, "big") + b"".join(encoded)
            payload = _encode((part.node, part.epoch, part.host, part.name, part.pid, document))
            yield RECORDS, part.cut(sequence + start, sequence + place), payload
            start, encoded, octets = place, [], 0
        encoded.append(one)
        octets += len(one)


def _head(entry: Entry, payload: bytes) -> tuple[str, int, str]:
    """Node, epoch and the node's name. Raises DecodeError or ValueError."""
    if entry.kind == BATCH:
        batch = _batch(entry, payload)
        return batch.node.hex, batch.epoch, batch.name
    node, epoch, _, name, _, _ = _decode_records(payload)
    return node.hex(), epoch, name


def _batch(entry: Entry, payload: bytes) -> zre_log_msg.Batch:
    message = zre_log_msg.decode(payload)
    if not isinstance(message, zre_log_msg.Batch) or message.sequence != entry.sequence:
        raise ValueError("another message than its head says")
    return message


def _part_of(entry: Entry, payload: bytes) -> Part:
    """The records of an entry. Raises DecodeError or ValueError."""
    records: list[Record]
    if entry.kind == BATCH:
        batch = _batch(entry, payload)
        records = body.unpack(batch.codec, batch.body, batch.count)
        node, epoch, host, name, pid = batch.node.bytes, batch.epoch, batch.host, batch.name, batch.pid
    else:
        node, epoch, host, name, pid, document = _decode_records(payload)
        records = [Record(*values) for values in msgspec.msgpack.decode(document)]  # as it was written here
    return Part(node, epoch, entry.range, entry.sequence, records, host, name, pid, entry.time_ns)


def _name(entry: Entry) -> str:
    return f"{entry.records} records of range {entry.range} from sequence {entry.sequence} on"


def _placed(stream: Iterator[Stored]) -> Iterator[Item[Stored]]:
    return ((Place(record.ordinal, record.time_ns, record.sequence), record) for record in stream)

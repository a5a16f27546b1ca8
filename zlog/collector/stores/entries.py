"""Entries of `zlog.core.segments` in files: read in small pieces, taken apart. For `journal:DIR`, whoever wrote it."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from zlog.core.segments import BATCH, RECORDS, Damage, Entry, scan
from zlog.limits import MAX_BATCH_RECORDS
from zlog.record import Record
from zlog.wire import body, zre_log_msg
from zlog.wire.rows import Rows

from .model import Part

__all__ = ["Read", "described", "head_in", "part_in", "payloads", "read_entries"]

_RECORDS_BYTES: Final = 512 << 10
"""Octets of records that aren't a whole BATCH, in one entry; a longer record has one of its own."""

Read = Callable[[int, int], bytes]
"""So many octets of a file, from this offset on."""

_encode = msgspec.msgpack.Encoder().encode
_decode_records = msgspec.msgpack.Decoder(tuple[bytes, int, str, str, int, bytes]).decode


def read_entries(read: Read, length: int, window: int) -> Iterator[tuple[Entry, bytes] | Damage]:
    """What `scan` says of a file, with the payloads of what is whole; places are those in the file.

    Args:
        read: of the file.
        length: how much of it.
        window: octets that are read at once; more where an entry is longer.
    """
    offset, size = 0, window
    while offset < length:
        data = read(min(size, length - offset), offset)
        if not data:
            break
        used = 0
        for item in scan(data):
            if isinstance(item, Damage):
                if item.entry is None and item.stop == len(data) and offset + len(data) < length:
                    break  # it may go on in the next window
                yield item._replace(start=offset + item.start, stop=offset + item.stop)
            else:
                entry = item._replace(start=offset + item.start, stop=offset + item.stop)
                yield entry, data[item.start : item.stop]
            used = item.stop
        offset += used
        size = window if used else size * 2


def payloads(part: Part) -> Iterator[tuple[int, Part, bytes]]:
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


def head_in(entry: Entry, payload: bytes) -> tuple[str, int, str]:
    """Node, epoch and the node's name. Raises DecodeError or ValueError."""
    if entry.kind == BATCH:
        batch = _batch(entry, payload)
        return batch.node.hex, batch.epoch, batch.name
    node, epoch, _, name, _, _ = _decode_records(payload)
    return node.hex(), epoch, name


def part_in(entry: Entry, payload: bytes) -> Part:
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


def described(entry: Entry) -> str:
    """What an entry has, for a warning."""
    return f"{entry.records} records of range {entry.range} from sequence {entry.sequence} on"


def _batch(entry: Entry, payload: bytes) -> zre_log_msg.Batch:
    message = zre_log_msg.decode(payload)
    if not isinstance(message, zre_log_msg.Batch) or message.sequence != entry.sequence:
        raise ValueError("another message than its head says")
    return message

"""What stands in a journal's files: entries with checksums, one after the other. Pure.

An entry is a head of 48 octets and a payload; numbers are big-endian:

| octets | meaning |
|---|---|
| 4 | mark: `FA 5A 4A 01`. FA is in no UTF-8, so no text has it |
| 1 | kind: 1 the BATCH message as it was made or received, 2 records, 3 losses |
| 1 | range, its first severity |
| 2 | 0 |
| 4 | length of the payload |
| 4 | count of records |
| 8 | sequence of the first |
| 8 | ordinal of the first |
| 8 | in a node's journal when the first was logged, in a store when it arrived: nanoseconds since 1970 |
| 4 | CRC-32 of the payload |
| 4 | CRC-32 of the 44 octets before |

A file is read as far as it goes. Where a head is bad, reading goes on at the next good one; where only the payload is,
it is known which records are lost. What a crash tore is at the end, and nothing follows it.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple
from uuid import UUID

from zlog.core.batches import Batch
from zlog.core.journal import Gone
from zlog.limits import MAX_FRAME_BYTES
from zlog.severity import RANGES
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import CAUSE_DAMAGED, CAUSE_DROPPED

__all__ = [
    "BATCH", "HEAD_SIZE", "LOSSES", "RECORDS", "Damage", "Entry", "Segment", "batch_of", "head_of", "scan",
]  # fmt: skip

BATCH: Final = 1
RECORDS: Final = 2
LOSSES: Final = 3

_MARK: Final = b"\xfaZJ\x01"
_HEAD: Final = struct.Struct(">4sBB2xIIQQQI")
_SUM: Final = struct.Struct(">I")
HEAD_SIZE: Final = _HEAD.size + _SUM.size


class Entry(NamedTuple):
    """A whole entry: what its head says, and where its payload is."""

    kind: int
    range: int
    records: int
    sequence: int
    ordinal: int
    time_ns: int
    start: int
    stop: int


class Damage(NamedTuple):
    """Octets [start, stop) are none of an entry. ``entry`` is whose payload they are, if that is known."""

    start: int
    stop: int
    entry: Entry | None


def head_of(
    payload: bytes, kind: int, range_: int = 1, count: int = 0, sequence: int = 0, ordinal: int = 0, time_ns: int = 0
) -> bytes:
    """The head that stands before a payload."""
    head = _HEAD.pack(_MARK, kind, range_, len(payload), count, sequence, ordinal, time_ns, zlib.crc32(payload))
    return head + _SUM.pack(zlib.crc32(head))


def scan(data: bytes | memoryview, at: int = 0) -> Iterator[Entry | Damage]:
    """All there is, in order: entries and damage, that cover the octets from ``at`` on."""
    view = memoryview(data)
    while at < len(view):
        found = _entry(view, at)
        if found is None:
            stop = _next(view, at + 1)
            yield Damage(at, stop, None)
        else:
            entry, total = found
            stop = entry.stop
            if zlib.crc32(view[entry.start : stop]) == total:
                yield entry
            else:
                stop = min(stop, _next(view, entry.start))  # it may be torn, and others stand behind it
                yield Damage(at, stop, entry)
        at = stop


def _entry(view: memoryview, at: int) -> tuple[Entry, int] | None:
    """The entry that begins there and fits, and the sum of its payload."""
    head = view[at : at + _HEAD.size]
    total = view[at + _HEAD.size : at + HEAD_SIZE]
    if len(total) < _SUM.size or bytes(head[:4]) != _MARK or _SUM.unpack(total)[0] != zlib.crc32(head):
        return None
    _, kind, range_, length, records, sequence, ordinal, time_ns, payload_sum = _HEAD.unpack(head)
    start = at + HEAD_SIZE
    if start + length > len(view):
        return None
    return Entry(kind, range_, records, sequence, ordinal, time_ns, start, start + length), payload_sum


def _next(view: memoryview, at: int) -> int:
    """Where the next good head is, or the end."""
    data = bytes(view[at:])
    place = data.find(_MARK)
    while place >= 0:
        if _entry(view, at + place) is not None:
            return at + place
        place = data.find(_MARK, place + 1)
    return len(view)


# --- a node's journal -------------------------------------------------------------------------------------------------


def batch_of(frame: bytes, entry: Entry) -> Batch | None:
    """The batch of an entry of kind `BATCH`; None where the frame isn't what the head says."""
    if len(frame) > MAX_FRAME_BYTES:
        return None
    try:
        message = zre_log_msg.decode(frame)
    except DecodeError:
        return None
    if (
        not isinstance(message, zre_log_msg.Batch)
        or message.severity not in RANGES
        or (message.severity, message.sequence, message.count) != (entry.range, entry.sequence, entry.records)
    ):
        return None
    return Batch(
        UUID(bytes=message.node.bytes),
        message.epoch,
        message.severity,
        message.sequence,
        message.count,
        message.host,
        message.name,
        message.pid,
        entry.ordinal,
        entry.time_ns,
        frame,
    )


class Segment:
    """One file of a run's journal: batches of one range, in ascending order.

    Args:
        data: the file.
        first_severity: of the range.
        start: the sequence that the file begins with.

    Attributes:
        next: the sequence after the last that is there, whole or damaged; ``start`` when nothing is.
        whole: the octets up to the end of the last entry: what follows is torn.
        damaged: whether anything in it is, before its torn end.
    """

    def __init__(self, data: bytes, first_severity: int, start: int) -> None:
        self.next = start
        self.whole = 0
        self.damaged = False
        self._data = data
        self._range = first_severity
        self._starts: list[int] = []
        self._entries: list[Entry] = []
        self._bad: set[int] = set()  # places of entries that stand behind damage
        bad = False
        for item in scan(data):
            entry = item if isinstance(item, Entry) else item.entry
            if entry is not None and (
                entry.kind != BATCH or entry.range != first_severity or not entry.records or entry.sequence < self.next
            ):
                entry, bad = None, True
            if isinstance(item, Damage):
                bad = True
            if entry is None:
                continue
            self.next = entry.sequence + entry.records
            self.whole = entry.stop
            if isinstance(item, Entry):
                if bad:
                    self._bad.add(len(self._entries))
                    self.damaged = True
                bad = False
                self._starts.append(entry.sequence)
                self._entries.append(entry)
        self._torn = bad
        self.damaged = self.damaged or (bool(self._entries) and self._entries[-1].stop < self.whole)

    def at(self, sequence: int, following: int) -> Batch | Gone:
        """What answers for a sequence, from the file's first on.

        Args:
            following: where what isn't in this file begins.
        """
        place = bisect_right(self._starts, sequence) - 1
        if place >= 0:
            entry = self._entries[place]
            if sequence < entry.sequence + entry.records:
                batch = batch_of(self._data[entry.start : entry.stop], entry)
                if batch is not None:
                    return batch
                return Gone(self._range, sequence, entry.sequence + entry.records, CAUSE_DAMAGED)
        place += 1
        damaged = place in self._bad if place < len(self._entries) else self._torn
        stop = self._starts[place] if place < len(self._starts) else following
        return Gone(self._range, sequence, stop, CAUSE_DAMAGED if damaged else CAUSE_DROPPED)

    def __len__(self) -> int:
        return len(self._entries)

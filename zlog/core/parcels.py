"""Records on their way from a frame to the stores. Pure.

A BATCH is not taken apart when it arrives but when the first store needs its records: who only receives spends a few
microseconds on a frame of a thousand records, and what waits takes the room of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zlog.limits import MAX_BODY_BYTES
from zlog.record import Record
from zlog.severity import range_of
from zlog.wire import body, zre_log_msg
from zlog.wire.rows import Rows
from zlog.wire.runtime import DecodeError

__all__ = ["MAX_NUMBER", "OVERHEAD", "Key", "Parcel", "from_batch", "from_record"]

Key = tuple[bytes, int, int]
"""UUID of the node (16 octets), epoch of the run, range (its first severity)."""

#: What a parcel takes besides its frame, in octets.
OVERHEAD: Final = 400
#: Sequences and times above don't fit into every store.
MAX_NUMBER: Final = 2**63 - 1


class Parcel:
    """Contiguous records of one run and range, as they came in one frame.

    Args:
        key: whose they are.
        sequence: of the first record.
        count: how many there are.
        size: octets of the frame.
        host, name, pid: of the node.
        received_ns: when it came, nanoseconds since 1970-01-01 00:00 UTC.
        batch: the message with the records, if they are still to be taken out of it.
        records: the records, if they are there.

    Attributes:
        asked: it answers a FETCH for what is missing, or history.
        since_ns, before: the records with a sequence below ``before`` and a time below ``since_ns`` are not wanted.
        reported: it was reported as damaged.
    """

    __slots__ = (
        "_batch",
        "_records",
        "asked",
        "before",
        "count",
        "host",
        "key",
        "name",
        "pid",
        "received_ns",
        "reported",
        "sequence",
        "since_ns",
        "size",
    )

    def __init__(
        self,
        key: Key,
        sequence: int,
        count: int,
        size: int,
        host: str,
        name: str,
        pid: int,
        received_ns: int,
        batch: zre_log_msg.Batch | None = None,
        records: Sequence[Record] | None = None,
    ) -> None:
        self.key = key
        self.sequence = sequence
        self.count = count
        self.size = size + OVERHEAD
        self.host = host
        self.name = name
        self.pid = pid
        self.received_ns = received_ns
        self.asked = False
        self.since_ns = 0
        self.before = 0
        self.reported = False
        self._batch = batch
        self._records = records

    @property
    def stop(self) -> int:
        """The sequence after the last record's."""
        return self.sequence + self.count

    def records(self) -> Sequence[Record]:
        """The records, in the order of their sequences. For any thread.

        Raises:
            DecodeError: the body is bad; each time.
        """
        records = self._records
        if records is None:
            batch = self._batch
            if batch is None:  # another thread has just taken them out
                return self.records()
            records = self._records = Rows(batch)
            self._batch = None
        return records

    def __repr__(self) -> str:
        node, epoch, first = self.key
        return f"<Parcel {node.hex()[:8]} {epoch} {first} [{self.sequence}, {self.stop})>"


def from_batch(batch: zre_log_msg.Batch, size: int, received_ns: int) -> Parcel:
    """The parcel of a BATCH whose header is one (section 3.5). Raises DecodeError."""
    body.check(batch)
    key = (batch.node.bytes, batch.epoch, batch.severity)
    return Parcel(key, batch.sequence, batch.count, size, batch.host, batch.name, batch.pid, received_ns, batch=batch)


def from_record(message: zre_log_msg.Record, size: int, received_ns: int) -> Parcel:
    """The parcel of a RECORD: one record, without ordinal (section 3.4). Raises DecodeError."""
    if (
        not 1 <= message.severity <= 24
        or not 1 <= message.sequence < MAX_NUMBER
        or message.time > MAX_NUMBER
        or len(message.text) > MAX_BODY_BYTES
    ):
        raise DecodeError("value", 3, "RECORD")
    record = Record(
        0,
        message.time or received_ns,
        message.severity,
        message.logger,
        message.text,
        message.event,
        None,
        dict(message.fields),
    )
    key = (message.node.bytes, message.epoch, range_of(message.severity))
    return Parcel(key, message.sequence, 1, size, message.host, message.name, 0, received_ns, records=(record,))

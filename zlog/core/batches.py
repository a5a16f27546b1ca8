"""A run's numbers, and the batches that its records are cut into. Pure.

protocol/README.md, sections 1.2 (ordinal, sequence), 3.5 and 7.4. The caller of `logging` numbers and encodes; the
agent's thread feeds the `Cutter` and calls `tick`:

    for record in what_waits:                     # in the order of their numbers
        batches += cutter.add(*record, now)
    batches += cutter.tick(now)
    # and again at the latest at cutter.due()
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from zlog.limits import MAX_BATCH_RECORDS
from zlog.plain import cut_text
from zlog.severity import RANGES
from zlog.wire import zre_log_msg
from zlog.wire.body import Packer

__all__ = ["Batch", "Cutter", "Run"]

#: A batch closes when it has so many records (at most `MAX_BATCH_RECORDS`, for who sets it), ...
CLOSE_RECORDS: Final = 256
#: ... so many octets, not compressed, ...
CLOSE_BYTES: Final = 64 * 1024
#: ... or is so old: nanoseconds.
CLOSE_NS: Final = 5_000_000
#: Index of the first range whose records close all open batches: WARN.
_URGENT: Final = RANGES.index(13)
_MAX_STRING: Final = 255  # octets


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Contiguous records of one range of one run, as they are journaled, sent, sent again and forwarded.

    Attributes:
        node, epoch: the run.
        range: first severity of the range.
        sequence: of the first record.
        count: of records.
        host, name, pid: of the node.
        first_ordinal: of the first record; batches go out in this order.
        first_time_ns: when the first record was logged, nanoseconds since 1970-01-01 00:00 UTC.
        frame: the BATCH message.
    """

    node: UUID
    epoch: int
    range: int
    sequence: int
    count: int
    host: str
    name: str
    pid: int
    first_ordinal: int
    first_time_ns: int
    frame: bytes

    @property
    def stop(self) -> int:
        """The sequence after the last record's."""
        return self.sequence + self.count

    @property
    def size(self) -> int:
        """Octets of the frame."""
        return len(self.frame)


class Run:
    """The numbers of one life of a node. `number` is called under the caller's lock, in the application's call.

    Args:
        node: UUID of the node.
        epoch: tells its runs apart; by custom its start in nanoseconds.

    Attributes:
        ordinal: of the next record.
        next: the sequence of the next record in each range, by index from TRACE to FATAL.
    """

    __slots__ = ("epoch", "next", "node", "ordinal")

    def __init__(self, node: UUID, epoch: int) -> None:
        self.node = node
        self.epoch = epoch
        self.ordinal = 1
        self.next = [1] * len(RANGES)

    def number(self, severity: int) -> tuple[int, int]:
        """Ordinal and sequence of a new record."""
        ordinal = self.ordinal
        self.ordinal = ordinal + 1
        index = (severity - 1) >> 2
        sequence = self.next[index]
        self.next[index] = sequence + 1
        return ordinal, sequence

    def skip(self, severity: int, count: int) -> None:
        """Give numbers to records that can't be kept: they become a gap."""
        self.ordinal += count
        self.next[(severity - 1) >> 2] += count


class _Open:
    """A batch that still grows."""

    __slots__ = ("count", "encoded", "ordinal", "sequence", "since", "size", "time_ns")

    def __init__(self, sequence: int, ordinal: int, time_ns: int, now: int) -> None:
        self.encoded: list[bytes] = []
        self.count = 0
        self.sequence = sequence
        self.ordinal = ordinal
        self.time_ns = time_ns
        self.since = now
        self.size = 0


class Cutter:
    """Cuts a run's records into batches, each range its own, and hands them out in the order of their first ordinals.

    A batch closes at 256 records, at 64 KiB, or 5 ms after its first record. A record of WARN or worse, and the first
    one after 5 ms of quiet, close all at the next `tick`: at once for who ticks after each record; in one go for who
    ticks after each handful, so that a storm of warnings doesn't make a batch of each. A batch never closes before an
    older one: that one closes with it. So first ordinals rise over all batches of a run.

    A hole in the sequence, where the caller had to drop records, also ends a batch.

    Args:
        run: whose records they are.
        host, name, pid: of the node, as receivers show it; cut to 255 octets.
        close_records, close_bytes, close_ns: other bounds than the usual ones.
    """

    def __init__(
        self,
        run: Run,
        host: str = "",
        name: str = "",
        pid: int = 0,
        *,
        close_records: int = CLOSE_RECORDS,
        close_bytes: int = CLOSE_BYTES,
        close_ns: int = CLOSE_NS,
    ) -> None:
        self._run = run
        self._host = cut_text(host, _MAX_STRING)
        self._name = cut_text(name, _MAX_STRING)
        self._pid = pid
        self._close_records = min(close_records, MAX_BATCH_RECORDS)
        self._close_bytes = close_bytes
        self._close_ns = close_ns
        self._packer = Packer()
        self._open: list[_Open | None] = [None] * len(RANGES)
        self._urgent = False
        self._last: int | None = None  # when a record came

    def add(self, severity: int, sequence: int, ordinal: int, time_ns: int, encoded: bytes, now: int) -> list[Batch]:
        """Take a record. Those of a range come in ascending order of sequence.

        Args:
            severity: of the record, 1 to 24.
            sequence, ordinal: its numbers.
            time_ns: when it was logged.
            encoded: the record, by `zlog.record`.
            now: nanoseconds of a clock that never jumps.

        Returns:
            The batches that had to be closed: mostly none.
        """
        return self.add_many((severity - 1) >> 2, sequence, ordinal, time_ns, 1, encoded, now)

    def add_many(
        self, index: int, sequence: int, ordinal: int, time_ns: int, count: int, encoded: bytes, now: int
    ) -> list[Batch]:
        """Take contiguous records of a range whose ordinals rise, at most `room`; else as `add`.

        Args:
            index: of the range, 0 for TRACE to 5 for FATAL.
            sequence, ordinal, time_ns: of the first.
            count: how many they are.
            encoded: one after the other.
        """
        batch = self._open[index]
        closed: list[Batch] = []
        if batch is not None and (
            batch.sequence + batch.count != sequence or batch.size + len(encoded) > self._close_bytes
        ):
            closed = self._close(batch.ordinal)
            batch = None
        if batch is None:
            batch = self._open[index] = _Open(sequence, ordinal, time_ns, now)
        batch.encoded.append(encoded)
        batch.count += count
        batch.size += len(encoded)
        if index >= _URGENT or self._last is None or now - self._last >= self._close_ns:
            self._urgent = True
        self._last = now
        if batch.count >= self._close_records or batch.size >= self._close_bytes:
            closed += self._close(batch.ordinal)
        return closed

    def room(self, index: int) -> int:
        """How many records the open batch of a range still takes; a new one takes as many when there is none."""
        batch = self._open[index]
        return self._close_records - (batch.count if batch is not None else 0)

    def due(self) -> int | None:
        """When `tick` has something to do; 0 for at once, None for never as long as nothing is added."""
        if self._urgent:
            return 0
        since = [batch.since for batch in self._open if batch is not None]
        return min(since) + self._close_ns if since else None

    def tick(self, now: int) -> list[Batch]:
        """Close what is due, in the order of first ordinals."""
        due = self.due()
        if due is None or now < due:
            return []
        if self._urgent:
            return self.flush()
        old = [batch.ordinal for batch in self._open if batch is not None and now >= batch.since + self._close_ns]
        return self._close(max(old))

    def flush(self) -> list[Batch]:
        """Close everything, in the order of first ordinals."""
        self._urgent = False
        return self._close(None)

    def waiting(self) -> int:
        """How many records are in open batches."""
        return sum(batch.count for batch in self._open if batch is not None)

    def _close(self, through: int | None) -> list[Batch]:
        """Close the batches whose first ordinal is at most this, or all."""
        closing = [
            (batch.ordinal, index, batch)
            for index, batch in enumerate(self._open)
            if batch is not None and (through is None or batch.ordinal <= through)
        ]
        for _, index, _ in closing:
            self._open[index] = None
        if len(closing) > 1:
            closing.sort(key=lambda each: each[0])
        if not any(self._open):
            self._urgent = False
        return [self._batch(RANGES[index], batch) for _, index, batch in closing]

    def _batch(self, first_severity: int, batch: _Open) -> Batch:
        codec, body = self._packer.pack(batch.encoded, batch.count)
        run = self._run
        message = zre_log_msg.Batch(
            severity=first_severity,
            node=run.node,
            epoch=run.epoch,
            sequence=batch.sequence,
            count=batch.count,
            codec=codec,
            host=self._host,
            name=self._name,
            pid=self._pid,
            body=body,
        )
        return Batch(
            run.node,
            run.epoch,
            first_severity,
            batch.sequence,
            batch.count,
            self._host,
            self._name,
            self._pid,
            batch.ordinal,
            batch.time_ns,
            message.encode(),
        )

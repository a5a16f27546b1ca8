"""What goes into a store, what is asked of it: parts of batches, losses, filters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from re import Pattern, compile, error

from zlog.core.session_effects import GAP as _GAP
from zlog.record import Record, Stored

Key = tuple[bytes, int, int]
"""UUID of the node (16 octets), epoch of the run, range (its first severity)."""

GAP = _GAP
"""In place of a `CAUSE_` constant: records that are missing, and nobody is there who could answer for them. A store
notes that, but doesn't count them as held: if somebody comes who has them, or knows the cause, the gap is void."""


@dataclass(frozen=True, slots=True)
class Part:
    """Contiguous records of one run and range, as they came in one BATCH or what was left of it.

    Args:
        node: UUID of the node, 16 octets.
        epoch: of the run.
        range: first severity of the range: 1, 5, 9, 13, 17 or 21.
        sequence: of the first record; the others follow without a hole.
        records: in the order of their sequences.
        host, name, pid: where the node runs, its ZRE name, its process.
        received_ns: when it arrived, nanoseconds since 1970 by the collector's clock.
    """

    node: bytes
    epoch: int
    range: int
    sequence: int
    records: Sequence[Record]
    host: str = ""
    name: str = ""
    pid: int = 0
    received_ns: int = 0

    @property
    def key(self) -> Key:
        return self.node, self.epoch, self.range

    @property
    def stop(self) -> int:
        """The sequence after the last."""
        return self.sequence + len(self.records)

    def cut(self, start: int, stop: int) -> "Part":
        """The records of the sequences [start, stop), which must be within."""
        if (start, stop) == (self.sequence, self.stop):
            return self
        return replace(self, sequence=start, records=self.records[start - self.sequence : stop - self.sequence])

    def stored(self) -> Iterator[Stored]:
        """The records as a store returns them."""
        node = self.node.hex()
        for sequence, record in enumerate(self.records, self.sequence):
            yield Stored(
                node=node,
                epoch=self.epoch,
                range=self.range,
                sequence=sequence,
                ordinal=record.ordinal,
                time_ns=record.time_ns,
                severity=record.severity,
                logger=record.logger,
                text=record.text,
                event=record.event,
                peer=record.peer.hex() if record.peer is not None else None,
                attributes=record.attributes,
                host=self.host,
                name=self.name,
                pid=self.pid,
                received_ns=self.received_ns,
            )


@dataclass(frozen=True, slots=True)
class Loss:
    """Records that will never come: the sequences [start, stop) of a run and range, and why.

    Args:
        node: UUID of the node, 32 hexadecimal digits.
        cause: a `CAUSE_` constant of the protocol, or 0 for records that were never asked for, such as those before the
            first contact: they aren't lost, but no record will have these sequences. Or `GAP`.
        at_ns: when the collector was told, nanoseconds since 1970.
    """

    node: str
    epoch: int
    range: int
    start: int
    stop: int
    cause: int
    at_ns: int

    @property
    def key(self) -> Key:
        return bytes.fromhex(self.node), self.epoch, self.range


@dataclass(frozen=True)
class Filter:
    """Which records a query is about. All conditions hold together; None means any.

    Args:
        level: lowest severity, 1 to 24.
        node: glob on the node's name, or on its UUID with or without dashes.
        logger: glob on the logger's name.
        grep: regular expression that is found somewhere in the text.
        since_ns: earliest time of a record, nanoseconds since 1970.
        until_ns: time before which a record must be.
        limit: only the newest so many of what the rest selects; the order stays.

    Raises:
        ValueError: if `grep` is no regular expression, or `limit` is negative.
    """

    level: int | None = None
    node: str | None = None
    logger: str | None = None
    grep: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    limit: int | None = None
    _pattern: Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 0:
            raise ValueError(f"limit must not be negative: {self.limit}")
        if self.grep is not None:
            try:
                object.__setattr__(self, "_pattern", compile(self.grep))
            except error as problem:
                raise ValueError(f"{self.grep!r} is no regular expression: {problem}") from None

    def matches(self, record: Stored) -> bool:
        """Whether the record is meant. `limit` plays no part."""
        return (
            (self.level is None or record.severity >= self.level)
            and (self.since_ns is None or record.time_ns >= self.since_ns)
            and (self.until_ns is None or record.time_ns < self.until_ns)
            and (self.logger is None or fnmatchcase(record.logger, self.logger))
            and (self._pattern is None or self._pattern.search(record.text) is not None)
            and self.matches_node(record.node, record.name)
        )

    def matches_node(self, node: str, name: str) -> bool:
        """Whether the node with this UUID (32 hexadecimal digits) and this name is meant."""
        if self.node is None or fnmatchcase(name, self.node):
            return True
        return fnmatchcase(node, self.node.replace("-", "").lower())


EVERYTHING = Filter()

# Generated from zre_log_msg.xml by zlog codegen, do not edit.
#
# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.
# ruff: noqa: RUF023 - slots are in the order of the wire
"""ZRE logging protocol.

The ZRE logging protocol. Nodes stream log records to collectors, that is to the peers in the group ZYRE-LOGGER, and a
second connection beside the stream carries state and repair.

Message LOG is the one of the historic zyre_log codec and is frozen. In every other message new fields are only ever
appended; a decoder ignores trailing octets.

The rules around these messages are in README.md beside this file.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import ClassVar, Final
from uuid import UUID

from .runtime import (
    ENCODE_FAILURES,
    NIL,
    OCTET,
    U32,
    DecodeError,
    EncodeError,
    Fields,
    as_octets,
    bad_start,
    check_arguments,
    check_runtime,
    encode_error,
    new,
    pack_hash,
    read_hash,
    utf8,
    uuid_from,
    uuid_octets,
)

__all__ = [
    "CAUSE_DAMAGED",
    "CAUSE_DROPPED",
    "CAUSE_EVICTED",
    "CAUSE_EXPIRED",
    "CAUSE_UNKNOWN",
    "CODEC_NONE",
    "CODEC_ZSTD",
    "EVENT_ENTER",
    "EVENT_EXIT",
    "EVENT_JOIN",
    "EVENT_LEAVE",
    "EVENT_RECV",
    "EVENT_SEND",
    "LOG_LEVEL_ERROR",
    "LOG_LEVEL_INFO",
    "LOG_LEVEL_WARNING",
    "MESSAGES",
    "REFUSED_BUSY",
    "REFUSED_IDENTITY",
    "REFUSED_LOOP",
    "REFUSED_POOL",
    "REFUSED_VERSION",
    "SEVERITY_DEBUG",
    "SEVERITY_ERROR",
    "SEVERITY_FATAL",
    "SEVERITY_INFO",
    "SEVERITY_TRACE",
    "SEVERITY_WARN",
    "SIGNATURE",
    "VERSION",
    "Advert",
    "Batch",
    "Commit",
    "DecodeError",
    "Demand",
    "EncodeError",
    "Fetch",
    "Gone",
    "Log",
    "Message",
    "Offer",
    "Ping",
    "Pong",
    "Record",
    "Refused",
    "Status",
    "Welcome",
    "decode",
]

check_runtime(2)

#: The first two octets of every message.
SIGNATURE: Final = b"\xaa\xa2"

#: Version of the protocol, the value of header X-ZRELOG-PROTO.
VERSION: Final = 2

#: LOG level: an error.
LOG_LEVEL_ERROR: Final = 1

#: LOG level: a warning.
LOG_LEVEL_WARNING: Final = 2

#: LOG level: information.
LOG_LEVEL_INFO: Final = 3

#: Event: a peer joined a group.
EVENT_JOIN: Final = 1

#: Event: a peer left a group.
EVENT_LEAVE: Final = 2

#: Event: a peer entered the network.
EVENT_ENTER: Final = 3

#: Event: a peer left the network.
EVENT_EXIT: Final = 4

#: Event: a message was sent to a peer.
EVENT_SEND: Final = 5

#: Event: a message was received from a peer.
EVENT_RECV: Final = 6

#: First severity of the range TRACE (OpenTelemetry SeverityNumber).
SEVERITY_TRACE: Final = 1

#: First severity of the range DEBUG.
SEVERITY_DEBUG: Final = 5

#: First severity of the range INFO.
SEVERITY_INFO: Final = 9

#: First severity of the range WARN.
SEVERITY_WARN: Final = 13

#: First severity of the range ERROR.
SEVERITY_ERROR: Final = 17

#: First severity of the range FATAL.
SEVERITY_FATAL: Final = 21

#: BATCH codec: the body is not compressed.
CODEC_NONE: Final = 0

#: BATCH codec: one zstd frame that states its content size.
CODEC_ZSTD: Final = 1

#: GONE cause: evicted from the journal to keep within its size.
CAUSE_EVICTED: Final = 1

#: GONE cause: removed from the journal because of its age.
CAUSE_EXPIRED: Final = 2

#: GONE cause: dropped by the node before it reached the journal.
CAUSE_DROPPED: Final = 3

#: GONE cause: the journal on disk can't be read there.
CAUSE_DAMAGED: Final = 4

#: GONE cause: the node does not hold that run.
CAUSE_UNKNOWN: Final = 5

#: REFUSED code: no version in common.
REFUSED_VERSION: Final = 1

#: REFUSED code: the key or address is not allowed.
REFUSED_IDENTITY: Final = 2

#: REFUSED code: a limit is reached, try again later.
REFUSED_BUSY: Final = 3

#: REFUSED code: another collector of the pool serves this node.
REFUSED_POOL: Final = 4

#: REFUSED code: the path already holds this collector.
REFUSED_LOOP: Final = 5

# The runs of fields of fixed size; the first of a message has signature and id in front.
_LOG_1 = Struct(">3sBBHHQB")
_RECORD_1 = Struct(">3sBB16sQQQB")
_BATCH_1 = Struct(">3sB16sQQIBB")
_BATCH_3 = Struct(">II")
_ADVERT_1 = Struct(">3sI")
_OFFER_1 = Struct(">3sB16sQQQB")
_OFFER_3 = Struct(">II")
_WELCOME_1 = Struct(">3sB16sB")
_WELCOME_2 = Struct(">BHI")
_WELCOME_3 = Struct(">BB")
_WELCOME_4 = Struct(">I")
_FETCH_1 = Struct(">3s16sQBQQI")
_GONE_1 = Struct(">3s16sQBQQB")
_COMMIT_1 = Struct(">3s16sQBQI")
_DEMAND_1 = Struct(">3sBB")
_DEMAND_2 = Struct(">I")
_STATUS_1 = Struct(">3s16sQQBI")
_PING_1 = Struct(">3sQ")
_PONG_1 = Struct(">3sQQQ")
_REFUSED_1 = Struct(">3sBB")


class Log(Fields):
    """One log record of the historic protocol, sent to collectors that understand nothing else, and taken from
    nodes that send nothing else.

    Attributes:
        level: Log level: 1 error, 2 warning, 3 info.
        event: Type of event, 0 for none.
        node_id: 16-bit id of the sending node.
        peer_id: 16-bit id of the peer the event is about, 0 for none.
        time: Seconds since 1970-01-01 UTC.
        data: Text of the record, at most 255 octets.
    """

    __slots__ = ("level", "event", "node_id", "peer_id", "time", "data")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 1
    NAME: ClassVar[str] = "LOG"
    KINDS: ClassVar[dict[str, str]] = {
        "level": "number-1",
        "event": "number-1",
        "node_id": "number-2",
        "peer_id": "number-2",
        "time": "number-8",
        "data": "string",
    }

    def __init__(
        self,
        *,
        level: int = 0,
        event: int = 0,
        node_id: int = 0,
        peer_id: int = 0,
        time: int = 0,
        data: str = "",
    ) -> None:
        self.level = level
        self.event = event
        self.node_id = node_id
        self.peer_id = peer_id
        self.time = time
        self.data = data

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            data_utf8 = utf8(self.data)
            head = _LOG_1.pack(
                b"\xaa\xa2\x01",
                self.level,
                self.event,
                self.node_id,
                self.peer_id,
                self.time,
                len(data_utf8),
            )
            return head + data_utf8
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Record(Fields):
    """One log record, for senders that keep no journal, such as a small device.

    Attributes:
        severity: OpenTelemetry SeverityNumber, 1 to 24.
        event: Type of event, 0 for none.
        node: UUID of the node.
        epoch: The node's run: compared for equality only.
        sequence: Counts the run's records of this severity range, from 1.
        time: Nanoseconds since 1970-01-01 UTC.
        host: Host the node runs on.
        name: ZRE name of the node.
        logger: Name of the logger.
        text: Text of the record.
        fields: Further attributes, by name.
    """

    __slots__ = ("severity", "event", "node", "epoch", "sequence", "time", "host", "name", "logger", "text", "fields")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 2
    NAME: ClassVar[str] = "RECORD"
    KINDS: ClassVar[dict[str, str]] = {
        "severity": "number-1",
        "event": "number-1",
        "node": "uuid",
        "epoch": "number-8",
        "sequence": "number-8",
        "time": "number-8",
        "host": "string",
        "name": "string",
        "logger": "string",
        "text": "longstr",
        "fields": "hash",
    }

    def __init__(
        self,
        *,
        severity: int = 0,
        event: int = 0,
        node: UUID = NIL,
        epoch: int = 0,
        sequence: int = 0,
        time: int = 0,
        host: str = "",
        name: str = "",
        logger: str = "",
        text: str = "",
        fields: dict[str, str] | None = None,
    ) -> None:
        self.severity = severity
        self.event = event
        self.node = node
        self.epoch = epoch
        self.sequence = sequence
        self.time = time
        self.host = host
        self.name = name
        self.logger = logger
        self.text = text
        self.fields = {} if fields is None else fields

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            host_utf8 = utf8(self.host)
            name_utf8 = utf8(self.name)
            logger_utf8 = utf8(self.logger)
            text_utf8 = utf8(self.text)
            head = _RECORD_1.pack(
                b"\xaa\xa2\x02",
                self.severity,
                self.event,
                uuid_octets(self.node),
                self.epoch,
                self.sequence,
                self.time,
                len(host_utf8),
            )
            parts = (
                head,
                host_utf8,
                OCTET[len(name_utf8)],
                name_utf8,
                OCTET[len(logger_utf8)],
                logger_utf8,
                U32.pack(len(text_utf8)),
                text_utf8,
                U32.pack(len(self.fields)),
                pack_hash(self.fields),
            )
            return b"".join(parts)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Batch(Fields):
    """Contiguous records of one severity range of one run.

    Attributes:
        severity: First severity of the range: 1, 5, 9, 13, 17 or 21.
        node: UUID of the node.
        epoch: The node's run: compared for equality only.
        sequence: Sequence of the first record, in this severity range.
        count: Number of records, 1 to 1024.
        codec: Compression of the body: 0 none, 1 zstd.
        host: Host the node runs on.
        name: ZRE name of the node.
        pid: Process id of the node.
        body: MessagePack array of record arrays, at most 1 MiB when decompressed.
    """

    __slots__ = ("severity", "node", "epoch", "sequence", "count", "codec", "host", "name", "pid", "body")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 3
    NAME: ClassVar[str] = "BATCH"
    KINDS: ClassVar[dict[str, str]] = {
        "severity": "number-1",
        "node": "uuid",
        "epoch": "number-8",
        "sequence": "number-8",
        "count": "number-4",
        "codec": "number-1",
        "host": "string",
        "name": "string",
        "pid": "number-4",
        "body": "chunk",
    }

    def __init__(
        self,
        *,
        severity: int = 0,
        node: UUID = NIL,
        epoch: int = 0,
        sequence: int = 0,
        count: int = 0,
        codec: int = 0,
        host: str = "",
        name: str = "",
        pid: int = 0,
        body: bytes = b"",
    ) -> None:
        self.severity = severity
        self.node = node
        self.epoch = epoch
        self.sequence = sequence
        self.count = count
        self.codec = codec
        self.host = host
        self.name = name
        self.pid = pid
        self.body = body

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            host_utf8 = utf8(self.host)
            name_utf8 = utf8(self.name)
            body_octets = self.body
            if type(body_octets) is not bytes:
                body_octets = as_octets(body_octets)
            head = _BATCH_1.pack(
                b"\xaa\xa2\x03",
                self.severity,
                uuid_octets(self.node),
                self.epoch,
                self.sequence,
                self.count,
                self.codec,
                len(host_utf8),
            )
            run_3 = _BATCH_3.pack(self.pid, len(body_octets))
            return b"".join((head, host_utf8, OCTET[len(name_utf8)], name_utf8, run_3, body_octets))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Advert(Fields):
    """Whispered over ZRE by a collector whose node was running before it became one.

    Attributes:
        headers: The collector's headers, names and values as in ZRE HELLO.
    """

    __slots__ = ("headers",)
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 4
    NAME: ClassVar[str] = "ADVERT"
    KINDS: ClassVar[dict[str, str]] = {
        "headers": "hash",
    }

    def __init__(
        self,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.headers = {} if headers is None else headers

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            head = _ADVERT_1.pack(b"\xaa\xa2\x04", len(self.headers))
            return head + pack_hash(self.headers)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Offer(Fields):
    """Sent by a node on each sync connection, first: what it holds.

    Attributes:
        version: Highest protocol version the node speaks.
        node: UUID of the node.
        epoch: The node's current run.
        age: Age of the current run in nanoseconds, by a monotonic clock.
        clock: The node's clock: nanoseconds since 1970-01-01 UTC.
        host: Host the node runs on.
        name: ZRE name of the node.
        pid: Process id of the node.
        path: UUIDs of the collectors the records have passed, 16 octets each.
        runs: The runs held, 120 octets each: uuid, epoch, six times first and next.
        ages: Ages of those runs in nanoseconds by a monotonic clock, 8 octets each, in their order. Since version
            2, zero in messages of earlier ones.
    """

    __slots__ = ("version", "node", "epoch", "age", "clock", "host", "name", "pid", "path", "runs", "ages")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 5
    NAME: ClassVar[str] = "OFFER"
    KINDS: ClassVar[dict[str, str]] = {
        "version": "number-1",
        "node": "uuid",
        "epoch": "number-8",
        "age": "number-8",
        "clock": "number-8",
        "host": "string",
        "name": "string",
        "pid": "number-4",
        "path": "chunk",
        "runs": "chunk",
        "ages": "chunk",
    }

    def __init__(
        self,
        *,
        version: int = 0,
        node: UUID = NIL,
        epoch: int = 0,
        age: int = 0,
        clock: int = 0,
        host: str = "",
        name: str = "",
        pid: int = 0,
        path: bytes = b"",
        runs: bytes = b"",
        ages: bytes = b"",
    ) -> None:
        self.version = version
        self.node = node
        self.epoch = epoch
        self.age = age
        self.clock = clock
        self.host = host
        self.name = name
        self.pid = pid
        self.path = path
        self.runs = runs
        self.ages = ages

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            host_utf8 = utf8(self.host)
            name_utf8 = utf8(self.name)
            path_octets = self.path
            if type(path_octets) is not bytes:
                path_octets = as_octets(path_octets)
            runs_octets = self.runs
            if type(runs_octets) is not bytes:
                runs_octets = as_octets(runs_octets)
            ages_octets = self.ages
            if type(ages_octets) is not bytes:
                ages_octets = as_octets(ages_octets)
            head = _OFFER_1.pack(
                b"\xaa\xa2\x05",
                self.version,
                uuid_octets(self.node),
                self.epoch,
                self.age,
                self.clock,
                len(host_utf8),
            )
            run_3 = _OFFER_3.pack(self.pid, len(path_octets))
            parts = (
                head,
                host_utf8,
                OCTET[len(name_utf8)],
                name_utf8,
                run_3,
                path_octets,
                U32.pack(len(runs_octets)),
                runs_octets,
                U32.pack(len(ages_octets)),
                ages_octets,
            )
            return b"".join(parts)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Welcome(Fields):
    """Answers OFFER: how to stream, where to resume and what is wanted.

    Attributes:
        version: Protocol version both sides use from here on.
        collector: UUID of the collector.
        name: ZRE name of the collector.
        durable: 1 when it stores what it takes, 0 for a viewer.
        port: TCP port of the live endpoint on the host reached, 0 for none.
        resume: Resume points, 33 octets each: uuid, epoch, severity, next.
        severity: Demand: lowest severity wanted.
        logger: Demand: logger prefix, empty for all.
        seconds: Demand: seconds it lasts, 0 while the link lasts.
    """

    __slots__ = ("version", "collector", "name", "durable", "port", "resume", "severity", "logger", "seconds")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 6
    NAME: ClassVar[str] = "WELCOME"
    KINDS: ClassVar[dict[str, str]] = {
        "version": "number-1",
        "collector": "uuid",
        "name": "string",
        "durable": "number-1",
        "port": "number-2",
        "resume": "chunk",
        "severity": "number-1",
        "logger": "string",
        "seconds": "number-4",
    }

    def __init__(
        self,
        *,
        version: int = 0,
        collector: UUID = NIL,
        name: str = "",
        durable: int = 0,
        port: int = 0,
        resume: bytes = b"",
        severity: int = 0,
        logger: str = "",
        seconds: int = 0,
    ) -> None:
        self.version = version
        self.collector = collector
        self.name = name
        self.durable = durable
        self.port = port
        self.resume = resume
        self.severity = severity
        self.logger = logger
        self.seconds = seconds

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            name_utf8 = utf8(self.name)
            logger_utf8 = utf8(self.logger)
            resume_octets = self.resume
            if type(resume_octets) is not bytes:
                resume_octets = as_octets(resume_octets)
            head = _WELCOME_1.pack(b"\xaa\xa2\x06", self.version, uuid_octets(self.collector), len(name_utf8))
            run_2 = _WELCOME_2.pack(self.durable, self.port, len(resume_octets))
            run_3 = _WELCOME_3.pack(self.severity, len(logger_utf8))
            run_4 = _WELCOME_4.pack(self.seconds)
            return b"".join((head, name_utf8, run_2, resume_octets, run_3, logger_utf8, run_4))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Fetch(Fields):
    """Asks for records of a run; answered by BATCH frames as they were cut, and by GONE.

    Attributes:
        node: UUID of the run's node.
        epoch: The run.
        severity: First severity of the range.
        start: First sequence wanted.
        stop: First sequence not wanted, 0 for open-ended.
        credit: Octets of BATCH frames the node may send before the next FETCH.
    """

    __slots__ = ("node", "epoch", "severity", "start", "stop", "credit")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 7
    NAME: ClassVar[str] = "FETCH"
    KINDS: ClassVar[dict[str, str]] = {
        "node": "uuid",
        "epoch": "number-8",
        "severity": "number-1",
        "start": "number-8",
        "stop": "number-8",
        "credit": "number-4",
    }

    def __init__(
        self,
        *,
        node: UUID = NIL,
        epoch: int = 0,
        severity: int = 0,
        start: int = 0,
        stop: int = 0,
        credit: int = 0,
    ) -> None:
        self.node = node
        self.epoch = epoch
        self.severity = severity
        self.start = start
        self.stop = stop
        self.credit = credit

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _FETCH_1.pack(
                b"\xaa\xa2\x07",
                uuid_octets(self.node),
                self.epoch,
                self.severity,
                self.start,
                self.stop,
                self.credit,
            )
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Gone(Fields):
    """Names records that the node no longer has; the collector stores that and never asks for them again.

    Attributes:
        node: UUID of the run's node.
        epoch: The run.
        severity: First severity of the range.
        start: First sequence that is gone.
        stop: First sequence after them.
        cause: Why: one of the CAUSE constants.
    """

    __slots__ = ("node", "epoch", "severity", "start", "stop", "cause")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 8
    NAME: ClassVar[str] = "GONE"
    KINDS: ClassVar[dict[str, str]] = {
        "node": "uuid",
        "epoch": "number-8",
        "severity": "number-1",
        "start": "number-8",
        "stop": "number-8",
        "cause": "number-1",
    }

    def __init__(
        self,
        *,
        node: UUID = NIL,
        epoch: int = 0,
        severity: int = 0,
        start: int = 0,
        stop: int = 0,
        cause: int = 0,
    ) -> None:
        self.node = node
        self.epoch = epoch
        self.severity = severity
        self.start = start
        self.stop = stop
        self.cause = cause

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _GONE_1.pack(
                b"\xaa\xa2\x08",
                uuid_octets(self.node),
                self.epoch,
                self.severity,
                self.start,
                self.stop,
                self.cause,
            )
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Commit(Fields):
    """What every store of the collector holds durably.

    Attributes:
        node: UUID of the run's node.
        epoch: The run.
        severity: First severity of the range.
        through: All from the first one taken through this sequence is stored or gone, 0 for none.
        intervals: Further intervals stored, 16 octets each: start, stop.
    """

    __slots__ = ("node", "epoch", "severity", "through", "intervals")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 9
    NAME: ClassVar[str] = "COMMIT"
    KINDS: ClassVar[dict[str, str]] = {
        "node": "uuid",
        "epoch": "number-8",
        "severity": "number-1",
        "through": "number-8",
        "intervals": "chunk",
    }

    def __init__(
        self,
        *,
        node: UUID = NIL,
        epoch: int = 0,
        severity: int = 0,
        through: int = 0,
        intervals: bytes = b"",
    ) -> None:
        self.node = node
        self.epoch = epoch
        self.severity = severity
        self.through = through
        self.intervals = intervals

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            intervals_octets = self.intervals
            if type(intervals_octets) is not bytes:
                intervals_octets = as_octets(intervals_octets)
            head = _COMMIT_1.pack(
                b"\xaa\xa2\t",
                uuid_octets(self.node),
                self.epoch,
                self.severity,
                self.through,
                len(intervals_octets),
            )
            return head + intervals_octets
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Demand(Fields):
    """What the collector wants from this node from now on.

    Attributes:
        severity: Lowest severity wanted.
        logger: Logger prefix, empty for all.
        seconds: Seconds it lasts, 0 while the link lasts.
    """

    __slots__ = ("severity", "logger", "seconds")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 10
    NAME: ClassVar[str] = "DEMAND"
    KINDS: ClassVar[dict[str, str]] = {
        "severity": "number-1",
        "logger": "string",
        "seconds": "number-4",
    }

    def __init__(
        self,
        *,
        severity: int = 0,
        logger: str = "",
        seconds: int = 0,
    ) -> None:
        self.severity = severity
        self.logger = logger
        self.seconds = seconds

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            logger_utf8 = utf8(self.logger)
            head = _DEMAND_1.pack(b"\xaa\xa2\n", self.severity, len(logger_utf8))
            run_2 = _DEMAND_2.pack(self.seconds)
            return b"".join((head, logger_utf8, run_2))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Status(Fields):
    """Once a second while linked, and when a link closes, so that a lost last BATCH is found too.

    Attributes:
        node: UUID of the node.
        epoch: The node's current run.
        clock: The node's clock: nanoseconds since 1970-01-01 UTC.
        closing: 1 in the last STATUS of a link, else 0.
        ranges: Ranges in use, 25 octets each: severity, next, dropped, lag.
        links: The node's links, 42 octets each: collector, severity, flags, sent, lag, waiting.
    """

    __slots__ = ("node", "epoch", "clock", "closing", "ranges", "links")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 11
    NAME: ClassVar[str] = "STATUS"
    KINDS: ClassVar[dict[str, str]] = {
        "node": "uuid",
        "epoch": "number-8",
        "clock": "number-8",
        "closing": "number-1",
        "ranges": "chunk",
        "links": "chunk",
    }

    def __init__(
        self,
        *,
        node: UUID = NIL,
        epoch: int = 0,
        clock: int = 0,
        closing: int = 0,
        ranges: bytes = b"",
        links: bytes = b"",
    ) -> None:
        self.node = node
        self.epoch = epoch
        self.clock = clock
        self.closing = closing
        self.ranges = ranges
        self.links = links

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            ranges_octets = self.ranges
            if type(ranges_octets) is not bytes:
                ranges_octets = as_octets(ranges_octets)
            links_octets = self.links
            if type(links_octets) is not bytes:
                links_octets = as_octets(links_octets)
            head = _STATUS_1.pack(
                b"\xaa\xa2\x0b",
                uuid_octets(self.node),
                self.epoch,
                self.clock,
                self.closing,
                len(ranges_octets),
            )
            return b"".join((head, ranges_octets, U32.pack(len(links_octets)), links_octets))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Ping(Fields):
    """Asks for the other side's clock.

    Attributes:
        clock: The sender's clock: nanoseconds since 1970-01-01 UTC.
    """

    __slots__ = ("clock",)
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 12
    NAME: ClassVar[str] = "PING"
    KINDS: ClassVar[dict[str, str]] = {
        "clock": "number-8",
    }

    def __init__(
        self,
        *,
        clock: int = 0,
    ) -> None:
        self.clock = clock

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _PING_1.pack(b"\xaa\xa2\x0c", self.clock)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Pong(Fields):
    """Answers PING.

    Attributes:
        clock: The clock of the PING, as it came.
        received: The answerer's clock when the PING came.
        sent: The answerer's clock when this was sent.
    """

    __slots__ = ("clock", "received", "sent")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 13
    NAME: ClassVar[str] = "PONG"
    KINDS: ClassVar[dict[str, str]] = {
        "clock": "number-8",
        "received": "number-8",
        "sent": "number-8",
    }

    def __init__(
        self,
        *,
        clock: int = 0,
        received: int = 0,
        sent: int = 0,
    ) -> None:
        self.clock = clock
        self.received = received
        self.sent = sent

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _PONG_1.pack(b"\xaa\xa2\r", self.clock, self.received, self.sent)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Refused(Fields):
    """The collector won't serve this node.

    Attributes:
        code: Why: one of the REFUSED constants.
        reason: The same for a human reader.
    """

    __slots__ = ("code", "reason")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 14
    NAME: ClassVar[str] = "REFUSED"
    KINDS: ClassVar[dict[str, str]] = {
        "code": "number-1",
        "reason": "string",
    }

    def __init__(
        self,
        *,
        code: int = 0,
        reason: str = "",
    ) -> None:
        self.code = code
        self.reason = reason

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            reason_utf8 = utf8(self.reason)
            head = _REFUSED_1.pack(b"\xaa\xa2\x0e", self.code, len(reason_utf8))
            return head + reason_utf8
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


#: Any message of this protocol.
Message = (
    Log | Record | Batch | Advert | Offer | Welcome | Fetch | Gone | Commit | Demand | Status | Ping | Pong | Refused
)

#: The class of each message by its id.
MESSAGES: Final[dict[int, type[Message]]] = {
    1: Log,
    2: Record,
    3: Batch,
    4: Advert,
    5: Offer,
    6: Welcome,
    7: Fetch,
    8: Gone,
    9: Commit,
    10: Demand,
    11: Status,
    12: Ping,
    13: Pong,
    14: Refused,
}


def _decode_log(frame: bytes, rest: Sequence[bytes], errors: str) -> Log:
    message = new(Log)
    total = len(frame)
    start = 3
    try:
        if total < 18:
            raise DecodeError("truncated", 3, "LOG")
        (
            _,
            message.level,
            message.event,
            message.node_id,
            message.peer_id,
            message.time,
            size,
        ) = _LOG_1.unpack_from(frame)
        start = 18
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "LOG")
        message.data = frame[start:end].decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "LOG") from None
    return message


def _decode_record(frame: bytes, rest: Sequence[bytes], errors: str) -> Record:
    message = new(Record)
    total = len(frame)
    start = 3
    try:
        if total < 46:
            raise DecodeError("truncated", 3, "RECORD")
        (
            _,
            message.severity,
            message.event,
            node_octets,
            message.epoch,
            message.sequence,
            message.time,
            size,
        ) = _RECORD_1.unpack_from(frame)
        message.node = uuid_from(node_octets)
        start = 46
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "RECORD")
        message.host = frame[start:end].decode("utf-8", errors)
        size = frame[end]
        start = end + 1
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "RECORD")
        message.name = frame[start:end].decode("utf-8", errors)
        size = frame[end]
        start = end + 1
        end = start + size
        if total < end + 4:
            raise DecodeError("truncated", start, "RECORD")
        message.logger = frame[start:end].decode("utf-8", errors)
        (size,) = U32.unpack_from(frame, end)
        start = end + 4
        end = start + size
        if total < end + 4:
            raise DecodeError("truncated", start, "RECORD")
        message.text = frame[start:end].decode("utf-8", errors)
        (count,) = U32.unpack_from(frame, end)
        message.fields, _ = read_hash(frame, end + 4, count, errors, "RECORD")
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "RECORD") from None
    return message


def _decode_batch(frame: bytes, rest: Sequence[bytes], errors: str) -> Batch:
    message = new(Batch)
    total = len(frame)
    start = 3
    try:
        if total < 42:
            raise DecodeError("truncated", 3, "BATCH")
        (
            _,
            message.severity,
            node_octets,
            message.epoch,
            message.sequence,
            message.count,
            message.codec,
            size,
        ) = _BATCH_1.unpack_from(frame)
        message.node = uuid_from(node_octets)
        start = 42
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "BATCH")
        message.host = frame[start:end].decode("utf-8", errors)
        size = frame[end]
        start = end + 1
        end = start + size
        if total < end + 8:
            raise DecodeError("truncated", start, "BATCH")
        message.name = frame[start:end].decode("utf-8", errors)
        message.pid, size = _BATCH_3.unpack_from(frame, end)
        start = end + 8
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "BATCH")
        message.body = frame[start:end]
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "BATCH") from None
    return message


def _decode_advert(frame: bytes, rest: Sequence[bytes], errors: str) -> Advert:
    message = new(Advert)
    total = len(frame)
    if total < 7:
        raise DecodeError("truncated", 3, "ADVERT")
    _, count = _ADVERT_1.unpack_from(frame)
    message.headers, _ = read_hash(frame, 7, count, errors, "ADVERT")
    return message


def _decode_offer(frame: bytes, rest: Sequence[bytes], errors: str) -> Offer:
    message = new(Offer)
    total = len(frame)
    start = 3
    try:
        if total < 45:
            raise DecodeError("truncated", 3, "OFFER")
        _, message.version, node_octets, message.epoch, message.age, message.clock, size = _OFFER_1.unpack_from(frame)
        message.node = uuid_from(node_octets)
        start = 45
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "OFFER")
        message.host = frame[start:end].decode("utf-8", errors)
        size = frame[end]
        start = end + 1
        end = start + size
        if total < end + 8:
            raise DecodeError("truncated", start, "OFFER")
        message.name = frame[start:end].decode("utf-8", errors)
        message.pid, size = _OFFER_3.unpack_from(frame, end)
        start = end + 8
        end = start + size
        if total < end + 4:
            raise DecodeError("truncated", start, "OFFER")
        message.path = frame[start:end]
        (size,) = U32.unpack_from(frame, end)
        start = end + 4
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "OFFER")
        message.runs = frame[start:end]
        if total == end:  # an earlier version than 2
            message.ages = b""
            return message
        if total < end + 4:
            raise DecodeError("truncated", end, "OFFER")
        (size,) = U32.unpack_from(frame, end)
        start = end + 4
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "OFFER")
        message.ages = frame[start:end]
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "OFFER") from None
    return message


def _decode_welcome(frame: bytes, rest: Sequence[bytes], errors: str) -> Welcome:
    message = new(Welcome)
    total = len(frame)
    start = 3
    try:
        if total < 21:
            raise DecodeError("truncated", 3, "WELCOME")
        _, message.version, collector_octets, size = _WELCOME_1.unpack_from(frame)
        message.collector = uuid_from(collector_octets)
        start = 21
        end = start + size
        if total < end + 7:
            raise DecodeError("truncated", start, "WELCOME")
        message.name = frame[start:end].decode("utf-8", errors)
        message.durable, message.port, size = _WELCOME_2.unpack_from(frame, end)
        start = end + 7
        end = start + size
        if total < end + 2:
            raise DecodeError("truncated", start, "WELCOME")
        message.resume = frame[start:end]
        message.severity, size = _WELCOME_3.unpack_from(frame, end)
        start = end + 2
        end = start + size
        if total < end + 4:
            raise DecodeError("truncated", start, "WELCOME")
        message.logger = frame[start:end].decode("utf-8", errors)
        (message.seconds,) = _WELCOME_4.unpack_from(frame, end)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "WELCOME") from None
    return message


def _decode_fetch(frame: bytes, rest: Sequence[bytes], errors: str) -> Fetch:
    message = new(Fetch)
    total = len(frame)
    if total < 48:
        raise DecodeError("truncated", 3, "FETCH")
    (
        _,
        node_octets,
        message.epoch,
        message.severity,
        message.start,
        message.stop,
        message.credit,
    ) = _FETCH_1.unpack_from(frame)
    message.node = uuid_from(node_octets)
    return message


def _decode_gone(frame: bytes, rest: Sequence[bytes], errors: str) -> Gone:
    message = new(Gone)
    total = len(frame)
    if total < 45:
        raise DecodeError("truncated", 3, "GONE")
    (
        _,
        node_octets,
        message.epoch,
        message.severity,
        message.start,
        message.stop,
        message.cause,
    ) = _GONE_1.unpack_from(frame)
    message.node = uuid_from(node_octets)
    return message


def _decode_commit(frame: bytes, rest: Sequence[bytes], errors: str) -> Commit:
    message = new(Commit)
    total = len(frame)
    if total < 40:
        raise DecodeError("truncated", 3, "COMMIT")
    _, node_octets, message.epoch, message.severity, message.through, size = _COMMIT_1.unpack_from(frame)
    message.node = uuid_from(node_octets)
    start = 40
    end = start + size
    if total < end:
        raise DecodeError("truncated", start, "COMMIT")
    message.intervals = frame[start:end]
    return message


def _decode_demand(frame: bytes, rest: Sequence[bytes], errors: str) -> Demand:
    message = new(Demand)
    total = len(frame)
    start = 3
    try:
        if total < 5:
            raise DecodeError("truncated", 3, "DEMAND")
        _, message.severity, size = _DEMAND_1.unpack_from(frame)
        start = 5
        end = start + size
        if total < end + 4:
            raise DecodeError("truncated", start, "DEMAND")
        message.logger = frame[start:end].decode("utf-8", errors)
        (message.seconds,) = _DEMAND_2.unpack_from(frame, end)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "DEMAND") from None
    return message


def _decode_status(frame: bytes, rest: Sequence[bytes], errors: str) -> Status:
    message = new(Status)
    total = len(frame)
    if total < 40:
        raise DecodeError("truncated", 3, "STATUS")
    _, node_octets, message.epoch, message.clock, message.closing, size = _STATUS_1.unpack_from(frame)
    message.node = uuid_from(node_octets)
    start = 40
    end = start + size
    if total < end + 4:
        raise DecodeError("truncated", start, "STATUS")
    message.ranges = frame[start:end]
    (size,) = U32.unpack_from(frame, end)
    start = end + 4
    end = start + size
    if total < end:
        raise DecodeError("truncated", start, "STATUS")
    message.links = frame[start:end]
    return message


def _decode_ping(frame: bytes, rest: Sequence[bytes], errors: str) -> Ping:
    message = new(Ping)
    total = len(frame)
    if total < 11:
        raise DecodeError("truncated", 3, "PING")
    _, message.clock = _PING_1.unpack_from(frame)
    return message


def _decode_pong(frame: bytes, rest: Sequence[bytes], errors: str) -> Pong:
    message = new(Pong)
    total = len(frame)
    if total < 27:
        raise DecodeError("truncated", 3, "PONG")
    _, message.clock, message.received, message.sent = _PONG_1.unpack_from(frame)
    return message


def _decode_refused(frame: bytes, rest: Sequence[bytes], errors: str) -> Refused:
    message = new(Refused)
    total = len(frame)
    start = 3
    try:
        if total < 5:
            raise DecodeError("truncated", 3, "REFUSED")
        _, message.code, size = _REFUSED_1.unpack_from(frame)
        start = 5
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "REFUSED")
        message.reason = frame[start:end].decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "REFUSED") from None
    return message


_DECODERS: Final[dict[bytes, Callable[[bytes, Sequence[bytes], str], Message]]] = {
    b"\xaa\xa2\x01": _decode_log,
    b"\xaa\xa2\x02": _decode_record,
    b"\xaa\xa2\x03": _decode_batch,
    b"\xaa\xa2\x04": _decode_advert,
    b"\xaa\xa2\x05": _decode_offer,
    b"\xaa\xa2\x06": _decode_welcome,
    b"\xaa\xa2\x07": _decode_fetch,
    b"\xaa\xa2\x08": _decode_gone,
    b"\xaa\xa2\t": _decode_commit,
    b"\xaa\xa2\n": _decode_demand,
    b"\xaa\xa2\x0b": _decode_status,
    b"\xaa\xa2\x0c": _decode_ping,
    b"\xaa\xa2\r": _decode_pong,
    b"\xaa\xa2\x0e": _decode_refused,
}


def decode(frame: bytes, rest: Sequence[bytes] = (), *, errors: str = "strict") -> Message:
    """The message in ``frame``, and in the frames that follow it, where it has fields that are frames.

    Octets and frames behind a message are ignored, so that later versions can append.

    Args:
        frame: the first frame.
        rest: the further frames.
        errors: what to do with text that isn't UTF-8, as in ``bytes.decode``.

    Raises:
        DecodeError: it is not a message of this protocol. Nothing else is raised, whatever the octets.
        TypeError: ``frame`` is not bytes.
        LookupError: there is no such way to treat ``errors``.
    """
    if type(frame) is not bytes or errors != "strict":
        check_arguments(frame, errors)
    try:
        decoder = _DECODERS[frame[:3]]
    except KeyError:
        raise bad_start(frame, SIGNATURE) from None
    return decoder(frame, rest, errors)

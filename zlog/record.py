"""The record: what travels in a BATCH, how `logging` becomes one, and what a store gives back. Pure.

protocol/README.md, sections 7.2 to 7.4. `encode_values` is on the path of every call that logs: it hands everything
to msgspec as it is, and only what that refuses, or what turns out too long, goes the careful way (`zlog.plain`).
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, field

from zlog import plain
from zlog.limits import MAX_DEPTH, MAX_RECORD_BYTES

__all__ = ["Attributes", "Record", "Stored", "attributes_of", "encode", "encode_values", "text_of"]


def _attributes_type() -> Any:
    """Section 7.3 as a type that msgspec checks in C, but for octets: it takes no union of text and octets."""
    scalar: Any = None | bool | int | float | str
    value: Any = scalar
    for _ in range(MAX_DEPTH - 1):
        value = scalar | list.__class_getitem__(value) | dict.__class_getitem__((str, value))
    return dict[str, value]


if TYPE_CHECKING:
    Attributes = dict[str, Any]
else:
    Attributes = _attributes_type()

_Ordinal = Annotated[int, Meta(ge=1, le=2**63 - 1)]
_Time = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Severity = Annotated[int, Meta(ge=1, le=24)]
_Event = Annotated[int, Meta(ge=0, le=255)]
_Peer = Annotated[bytes, Meta(min_length=16, max_length=16)]


class Absent(dict[str, Any]):
    """The attributes of a `Record` made without; `zlog.wire.body` knows by it that a peer left them out."""


class Record(msgspec.Struct, array_like=True, gc=False):
    """One record, as it stands in the body of a BATCH (section 7.2).

    Attributes:
        ordinal: counts all records of its run, from 1.
        time_ns: nanoseconds since 1970-01-01 00:00 UTC.
        severity: 1 to 24.
        logger: name of the logger.
        text: the message.
        event: one of the ``EVENT_`` constants, 0 for none.
        peer: UUID of the peer that the event is about, 16 octets.
        attributes: what else there is to know (section 7.3).
    """

    ordinal: _Ordinal
    time_ns: _Time
    severity: _Severity
    logger: str
    text: str
    event: _Event = 0
    peer: _Peer | None = None
    attributes: Attributes = field(default_factory=Absent)


class Stored(msgspec.Struct):
    """One record as a store gives it back: a record, whose it is, and where it stands.

    Attributes:
        node: UUID of the node, 32 lower-case hexadecimal digits.
        epoch: the node's run.
        range: first severity of the range that the sequence counts.
        sequence: of the record in run and range; 0 where there is none (LOG).
        peer: as `node`, or None.
        host, name, pid: of the node, when it logged.
        received_ns: when the collector got it, nanoseconds since 1970-01-01 00:00 UTC.

    The others are those of `Record`.
    """

    node: str
    epoch: int
    range: int
    sequence: int
    ordinal: int
    time_ns: int
    severity: int
    logger: str
    text: str
    event: int = 0
    peer: str | None = None
    attributes: dict[str, Any] = {}
    host: str = ""
    name: str = ""
    pid: int = 0
    received_ns: int = 0

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What no two records share."""
        return self.node, self.epoch, self.range, self.sequence

    def to_json(self) -> bytes:
        """One line of JSON in UTF-8, without its end. Octets among the attributes become base64 text."""
        return _to_json(self)

    @staticmethod
    def from_json(line: bytes | str) -> Stored:
        """What `to_json` made. Raises ValueError (`msgspec.DecodeError`) when it is something else."""
        return _from_json(line)


_to_json: Final = msgspec.json.Encoder().encode
_from_json: Final = msgspec.json.Decoder(Stored).decode
_encode: Final = msgspec.msgpack.Encoder().encode


# --- encoding --------------------------------------------------------------------------------------------------------


def encode(record: Record) -> bytes:
    """The record as an element of a BATCH body; see `encode_values`."""
    return encode_values(
        record.ordinal,
        record.time_ns,
        record.severity,
        record.logger,
        record.text,
        record.event,
        record.peer,
        record.attributes,
    )


def encode_values(
    ordinal: int,
    time_ns: int,
    severity: int,
    logger: str,
    text: str,
    event: int,
    peer: bytes | None,
    attributes: Mapping[str, Any],
) -> bytes:
    """The same without a `Record`: the way of every call that logs.

    At most 65,536 octets. What MessagePack or UTF-8 can't carry is converted, what is too long is cut (7.3, 7.4):
    whatever objects are in ``attributes`` and whatever their methods do, no Exception of theirs comes out.
    """
    kind = type(attributes)
    try:
        if kind is Site:
            packed = attributes.packed  # type: ignore[attr-defined] # it is a Site
            octets = _encode((ordinal, time_ns, severity, logger, text, event, peer, packed))
        elif not attributes or (kind is dict and plain.is_flat(attributes)):
            octets = _encode((ordinal, time_ns, severity, logger, text, event, peer, attributes))
        else:
            octets = b""
        if 0 < len(octets) <= MAX_RECORD_BYTES and time_ns >= 0 and type(text) is str:
            return octets
    except (TypeError, ValueError, OverflowError):  # an object, a lone surrogate, an int of more than 64 bits
        pass
    values = [ordinal, max(time_ns, 0), severity, logger, text, event, peer]
    return plain.encode_within(values, attributes, MAX_RECORD_BYTES)


# --- from logging ----------------------------------------------------------------------------------------------------


class Site(dict[str, Any]):
    """The attributes of a line of code in a thread, made once, shared by all its records: not to be changed.

    Args:
        attributes: those.

    Attributes:
        packed: the same, encoded.
    """

    __slots__ = ("packed",)

    def __init__(self, attributes: dict[str, Any]) -> None:
        super().__init__(plain.convert(attributes))
        self.packed = msgspec.Raw(_encode(dict(self)))


#: What a LogRecord has by itself, and what Formatters leave on it.
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"taskName"}
_LEFT: Final = frozenset({"message", "asctime"})
_OWN_COUNT: Final = len(logging.makeLogRecord({}).__dict__)
_PRIVATE: Final = "_zlog"

#: What makes up a `Site`, and behind it what no record has that is content with one.
_PLACE: Final = ("pathname", "lineno", "funcName", "threadName")
_place_of: Final = itemgetter(*_PLACE, "exc_info", "exc_text", "stack_info")
_sites: Final[dict[tuple[Any, ...], Site]] = {}
_MAX_SITES: Final = 4_096  # lines of code times threads; then they are made anew


def attributes_of(log_record: logging.LogRecord) -> dict[str, Any]:
    """Where it was logged, by OpenTelemetry's names, the exception, and the fields that ``extra`` gave it.

    The dict may be shared with other records: copy it to change it. Values are as the application gave them;
    `encode_values` converts. Never raises.
    """
    fields = log_record.__dict__
    try:
        site = _sites[_place_of(fields)]
    except Exception:  # noqa: BLE001 - a new place, an exception, or what a LogRecord of others' making lacks
        return _with_exception(fields)
    return site if len(fields) == _OWN_COUNT else _with_extra(dict(site), fields)


def _with_exception(fields: dict[str, Any]) -> dict[str, Any]:
    """The same, for records that may have more than a place."""
    site = _site(*(fields.get(name) for name in _PLACE))
    own: dict[str, Any] = {}
    if fields.get("exc_info"):
        own = _exception(fields["exc_info"])
    elif fields.get("exc_text"):  # it came through a queue or a socket
        own["exception.stacktrace"] = fields["exc_text"]
    if fields.get("stack_info"):
        own["code.stacktrace"] = fields["stack_info"]
    if len(fields) != _OWN_COUNT:
        _with_extra(own, fields)
    return site | own if own else site


def _site(path: Any, line: Any, function: Any, thread: Any) -> Site:
    """The shared attributes of a place, remembered."""
    key = (path, line, function, thread, None, None, None)
    with contextlib.suppress(Exception):  # somebody made a LogRecord of things that can't be keys
        if key in _sites:
            return _sites[key]
    attributes = {
        "code.file.path": path,
        "code.line.number": line,
        "code.function.name": function,
        "thread.name": thread,
    }
    site = Site({name: value for name, value in attributes.items() if value is not None})
    if len(_sites) >= _MAX_SITES:
        _sites.clear()
    with contextlib.suppress(Exception):
        _sites[key] = site
    return site


def _with_extra(attributes: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Put in what is none of a LogRecord's own: what is behind that, or if it doesn't add up, whatever is not own."""
    found = []
    for key in reversed(fields):
        if key in _OWN:
            break
        found.append(key)
    if len(found) != len(fields) - _OWN_COUNT:
        found = [key for key in reversed(list(fields)) if key not in _OWN]
    for key in reversed(found):
        if key not in _LEFT and not (type(key) is str and key.startswith(_PRIVATE)):
            attributes[key] = fields[key]
    return attributes


def _exception(exc_info: Any) -> dict[str, Any]:
    """The attributes of an exception."""
    try:
        if isinstance(exc_info, BaseException):
            exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
        kind, error, trace = exc_info
        if kind is None:  # logger.exception outside of an except clause
            return {}
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return {
            "exception.type": name,
            "exception.message": plain.text_of(error),
            "exception.stacktrace": "".join(traceback.format_exception(kind, error, trace)),
        }
    except Exception as problem:  # noqa: BLE001 - an exception's own methods may raise anything
        return {"exception.stacktrace": f"(can't be shown: {plain.text_of(problem)})"}


def text_of(log_record: logging.LogRecord) -> str:
    """Its message. A call whose arguments don't fit its format gives both, and says what is wrong. Never raises."""
    try:
        text = log_record.getMessage()
    except Exception as error:  # noqa: BLE001 - arguments' own methods may raise anything
        shown = f"{plain.text_of(log_record.msg)} {plain.text_of(log_record.args)}"
        return f"{shown} [bad log call: {type(error).__name__}: {plain.text_of(error)}]"
    return text if type(text) is str else plain.text_of(text)

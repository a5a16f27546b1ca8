"""Records as lines on a terminal: time, level, node, logger, text, attributes. Pure.

Nothing a record holds is obeyed by a terminal: control characters, and those that turn text around, are escaped.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final

from zlog import severity
from zlog.collector.stores.model import GAP, Loss
from zlog.collector.stores.text import CAUSES, escape
from zlog.record import Stored

__all__ = ["Lines", "Paint", "attributes_of"]

_NS: Final = 1_000_000_000
_RESET: Final = "\x1b[0m"
_BY_RANGE: Final = {1: "2", 5: "36", 9: "32", 13: "33;1", 17: "31;1", 21: "97;41;1"}
_NODES: Final = ("34", "35", "36", "33", "32", "94", "95", "96", "93", "92")
#: Attributes that say where a record was made; a stack trace has lines of its own.
_QUIET: Final = ("code.", "thread.", "process.", "exception.", "log.iostream")
_TRACE: Final = "exception.stacktrace"
_INDENT: Final = " " * 13 + "│ "
_WIDEST_NODE: Final = 24
_WIDEST_LOGGER: Final = 28
_CAUSES: Final = CAUSES | {GAP: "missing, and nobody is left to ask"}


class Paint:
    """Colours, or none. ``paint("31", "text")``; the first argument is what an SGR escape sequence takes."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{_RESET}" if self.on and text else text

    def dim(self, text: str) -> str:
        return self("2", text)

    def bold(self, text: str) -> str:
        return self("1", text)

    def level(self, number: int, text: str) -> str:
        """In the colour of the severity."""
        return self(_BY_RANGE[severity.range_of(number)], text)

    def node(self, name: str, text: str) -> str:
        """In the colour that is always the node's."""
        return self(_NODES[zlib.crc32(name.encode("utf-8", "replace")) % len(_NODES)], text)


class Lines:
    """Makes lines; remembers how wide columns were, and which day it was.

    Args:
        paint: colours.
        dates: each line begins with its date; without, a line of its own says when a day begins.
        host: records of other hosts than this have theirs behind the node's name.
        verbose: all attributes, process and node.
        zone: of the times that are shown; None for the local one.
    """

    def __init__(
        self, paint: Paint, *, dates: bool = True, host: str = "", verbose: bool = False, zone: tzinfo | None = None
    ) -> None:
        self._paint = paint
        self._dates = dates
        self._host = host
        self._verbose = verbose
        self._zone = zone
        self._node_width = 10
        self._logger_width = 12
        self._day = ""

    def record(self, record: Stored) -> str:
        """The line, or lines, of a record."""
        paint = self._paint
        node = self._node_of(record)
        logger = escape(record.logger)
        self._node_width = min(_WIDEST_NODE, max(self._node_width, len(node)))
        self._logger_width = min(_WIDEST_LOGGER, max(self._logger_width, len(logger)))
        level = severity.name(record.severity)
        parts = [
            self._time(record.time_ns),
            paint.level(record.severity, f"{level:<5}"),
            paint.node(record.name, f"{node:<{self._node_width}}"),
            paint.dim(f"{logger:<{self._logger_width}}"),
            escape(record.text, f"\n{_INDENT}"),
        ]
        shown = escape(" ".join(attributes_of(record.attributes, self._verbose)))
        if self._verbose:
            shown = f"{shown} host={escape(record.host)} pid={record.pid} node={record.node}".lstrip()
        parts.append(paint.dim(shown))
        line = f"{parts[0]} {'  '.join(part for part in parts[1:] if part)}".rstrip()
        trace = record.attributes.get(_TRACE)
        if isinstance(trace, str) and trace.strip():
            text = escape(trace.rstrip(), "\n").split("\n")
            line += "".join(f"\n{paint.dim(_INDENT + each)}" for each in text)
        return line

    def loss(self, loss: Loss, name: str = "") -> str:
        """The line that says that records will never come."""
        count = loss.stop - loss.start
        what = f"{count:,} {severity.name(loss.range)} record{'s' * (count != 1)} of {escape(name) or loss.node}"
        cause = _CAUSES.get(loss.cause, f"cause {loss.cause}")
        where = self._paint.dim(f"sequence {loss.start}" + (f" to {loss.stop - 1}" if count > 1 else ""))
        return " ".join((self._time(loss.at_ns), self._paint("31;7", "LOST "), f"{what}: {cause}", where))

    def note(self, text: str) -> str:
        """A line of our own between those of records."""
        return self._paint.dim(f"── {text} ──")

    def _node_of(self, record: Stored) -> str:
        name = record.name or record.node[:8]
        return escape(f"{name}@{record.host}" if record.host and record.host != self._host else name)

    def _time(self, time_ns: int) -> str:
        seconds, rest = divmod(time_ns, _NS)
        day, clock = _clock(seconds, self._zone)
        text = f"{clock}.{rest // 1_000_000:03d}"
        if self._dates:
            return self._paint.dim(f"{day} {text}")
        before, self._day = self._day, day
        separator = f"{self.note(day)}\n" if before and before != day else ""
        return separator + self._paint.dim(text)


@lru_cache(maxsize=256)
def _clock(seconds: int, zone: tzinfo | None) -> tuple[str, str]:
    """Day and time; what no calendar can show as a number of seconds."""
    try:
        at = datetime.fromtimestamp(seconds, UTC).astimezone(zone)
        return at.strftime("%Y-%m-%d"), at.strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "", str(seconds)


def attributes_of(attributes: Mapping[str, Any], everything: bool = False) -> Iterator[str]:
    """As ``key=value``: those that say what happened, or all but the stack trace."""
    for key, value in attributes.items():
        if key == _TRACE or (not everything and key.startswith(_QUIET)):
            continue
        yield f"{key}={_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if not value or set(value) & set(" \t\n\"'=") else value
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return json.dumps(value, ensure_ascii=False, default=repr)

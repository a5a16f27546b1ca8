"""Records as lines for people: `file:PATH`. For `less`, `tail -F` and `grep`.

How a line looks is an option, also for a single range: `?format={time}+{text}` and `?format.error=…`. One record can't
pretend to be two, nor speak to a terminal: control characters are escaped, and further lines of a text are indented.
"""

import re
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from string import Formatter
from typing import Any, ClassVar, NoReturn

from zlog import severity
from zlog.errors import StoreError
from zlog.record import Stored

from .base import EVERYTHING, GAP, Filter, Loss, Part
from .files import FileStore
from .options import Option

FORMAT = "{time} {level:<5} {name}@{host}[{pid}] {logger}: {text}"
INDENT = "\n    | "
CAUSES = {1: "evicted", 2: "expired", 3: "dropped", 4: "damaged", 5: "unknown to the node", GAP: "gap"}

NS_PER_S = 1_000_000_000

# Control characters, line separators, and what turns the direction of text around.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def escape(text: str, newline: str = "\\n") -> str:
    """The text without characters that a terminal or a reader of lines would obey. Tabs stay."""
    if not _UNSAFE.search(text):
        return text
    return _UNSAFE.sub(lambda found: newline if found[0] == "\n" else ascii(found[0])[1:-1], text)


@lru_cache(maxsize=1024)
def _escape_name(name: str) -> str:
    return escape(name)


def utc(time_ns: int) -> str:
    """As 2025-11-20T08:00:07.123456Z; what no calendar can show as a number of seconds."""
    seconds, rest = divmod(time_ns, NS_PER_S)
    try:
        return f"{_second(seconds)}.{rest // 1000:06d}Z"
    except (OverflowError, ValueError, OSError):
        return f"{seconds}.{rest // 1000:06d}"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


FIELDS: dict[str, Callable[[Stored], object]] = {
    "time": lambda record: utc(record.time_ns),
    "received": lambda record: utc(record.received_ns),
    "time_ns": lambda record: record.time_ns,
    "level": lambda record: severity.name(record.severity),
    "severity": lambda record: record.severity,
    "node": lambda record: record.node,
    "name": lambda record: _escape_name(record.name),
    "host": lambda record: _escape_name(record.host),
    "pid": lambda record: record.pid,
    "logger": lambda record: _escape_name(record.logger),
    "text": lambda record: escape(record.text, INDENT),
    "event": lambda record: record.event,
    "peer": lambda record: record.peer or "-",
    "epoch": lambda record: record.epoch,
    "sequence": lambda record: record.sequence,
    "ordinal": lambda record: record.ordinal,
    "attributes": lambda record: escape(" ".join(f"{key}={value}" for key, value in record.attributes.items())),
}


def line_format(text: str) -> Callable[[Stored], str]:
    """Reads a format: the fields in braces, with widths as in `str.format`.

    Raises:
        ValueError: it names another field, or isn't a format.
    """
    parts: list[tuple[str, Callable[[Stored], object] | None, str]] = []
    for literal, name, spec, conversion in Formatter().parse(text):
        if name is not None and name not in FIELDS:
            raise ValueError(f"there is no field {{{name}}}; possible are {', '.join(FIELDS)}")
        if conversion or (spec and "{" in spec):
            raise ValueError("a field takes no more than a width, as in {level:<5}")
        if name is not None:
            for sample in ("", 0):
                try:
                    format(sample, spec or "")
                    break
                except ValueError:
                    continue
            else:
                raise ValueError(f"{spec!r} is no width")
        parts.append((literal, FIELDS[name] if name is not None else None, spec or ""))

    def line(record: Stored) -> str:
        return "".join(literal + (format(get(record), spec) if get is not None else "") for literal, get, spec in parts)

    return line


def _loss_line(loss: Loss) -> str:
    return (
        f"{utc(loss.at_ns)} LOST  {loss.stop - loss.start} {severity.name(loss.range)} records of node {loss.node}"
        f" (run {loss.epoch}, sequences {loss.start} to {loss.stop - 1}): {CAUSES.get(loss.cause, loss.cause)}"
    )


def _checked(text: str) -> str:
    line_format(text)
    return text


class TextStore(FileStore):
    """Lines for people. It can't be queried: what a line looked like isn't kept."""

    scheme = "file"
    options: ClassVar[Mapping[str, Option]] = {
        **FileStore.options,
        "format": Option(_checked, FORMAT, f"of a line: {', '.join(FIELDS)} in braces"),
        **{
            f"format.{severity.name(first).lower()}": Option(_checked, None, "the same for a single range")
            for first in severity.RANGES
        },
    }

    def __init__(self, path: str, options: Mapping[str, Any] | None = None, **more: Any) -> None:
        super().__init__(path, options, **more)
        self._formats = {
            first: line_format(self.settings[f"format.{severity.name(first).lower()}"] or self.settings["format"])
            for first in severity.RANGES
        }

    def _encode(self, parts: list[Part], losses: list[Loss]) -> bytes:
        lines = [self._line(record) for part in parts for record in part.stored()]
        lines += map(_loss_line, losses)
        lines.append("")
        return "\n".join(lines).encode()

    def _line(self, record: Stored) -> str:
        line = self._formats[record.range](record)
        trace = record.attributes.get("exception.stacktrace")
        return f"{line}{INDENT}{escape(trace.rstrip(), INDENT)}" if isinstance(trace, str) and trace else line

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        self._no_query()

    def _no_query(self) -> NoReturn:
        raise StoreError(f"{self.url} is for people and can't be queried", "collect into sqlite: or jsonl: too")

"""Points in time as people write them. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

__all__ = ["FORMS", "parse_seconds", "parse_time"]

#: For help and errors.
FORMS: Final = "10m, 2h, yesterday, 08:30, 2026-11-21T08:30, or seconds since 1970"

_NS: Final = 1_000_000_000
_UNITS: Final = {"ms": _NS // 1000, "s": _NS, "m": 60 * _NS, "h": 3_600 * _NS, "d": 86_400 * _NS, "w": 604_800 * _NS}
_SPAN: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw])\s*)+", re.ASCII)
_PIECE: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
_EPOCH: Final = re.compile(r"(\d{9,19})(?:\.(\d{1,9}))?", re.ASCII)
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?", re.ASCII)
_ISO: Final = re.compile(r"\d{4}-?(?:\d{2}-?\d{2}|W\d{2}(?:-?\d)?)(?:[T ].*)?", re.ASCII | re.IGNORECASE)
_MOST: Final = 2**63 - 1


def parse_time(text: str, now_ns: int, zone: tzinfo | None = None) -> int:
    """The point in time that is meant, in nanoseconds since 1970-01-01 00:00 UTC.

    Args:
        text: ISO 8601, with or without an offset; a span such as ``10m`` or ``1h30m`` before now; a time of day, the
            last one that was; ``now``, ``today``, ``yesterday``; seconds since 1970, or with 13, 16 or 19 digits
            milli-, micro- or nanoseconds.
        now_ns: what time it is.
        zone: of times without an offset; None for the local one.

    Raises:
        ValueError: it is none of these; the text says what is possible.
    """
    word = text.strip().lower()
    now = datetime.fromtimestamp(now_ns // _NS, zone)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if word == "now":
        return now_ns
    if word in ("today", "yesterday"):
        return _ns(midnight - timedelta(days=word == "yesterday"))
    span = word.removesuffix("ago").strip().removeprefix("-")
    if _SPAN.fullmatch(span):
        return max(0, now_ns - sum(int(float(number) * _UNITS[unit]) for number, unit in _PIECE.findall(span)))
    if match := _EPOCH.fullmatch(word):
        return _epoch(match[1], match[2] or "", text)
    try:
        if _CLOCK.fullmatch(word):
            at = datetime.fromisoformat(f"{midnight.date()}T{word.rjust(len(word) + (word[1] == ':'), '0')}")
            at = at.replace(tzinfo=zone)
            return _ns(at if _ns(at) <= now_ns else at - timedelta(days=1))
        if not _ISO.fullmatch(word):
            raise ValueError
        at = datetime.fromisoformat(text.strip())
        return _ns(at if at.tzinfo is not None else at.replace(tzinfo=zone))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no time; write {FORMS}") from None


def parse_seconds(text: str) -> float:
    """A length of time in seconds: ``90``, ``1.5``, ``10m``, ``1h30m``. Raises ValueError."""
    word = text.strip().lower()
    if _SPAN.fullmatch(word):
        return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(word)) / _NS
    try:
        seconds = float(word)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise ValueError(f"{text!r} is no length of time; write seconds, or 10m, 2h")
    return seconds


def _epoch(digits: str, fraction: str, text: str) -> int:
    for length, unit in ((11, _NS), (14, _NS // 1000), (17, 1000), (20, 1)):
        if len(digits) <= length:
            found = int(digits) * unit + (int(fraction.ljust(9, "0")) if unit == _NS and fraction else 0)
            if found <= _MOST:
                return found
            break
    raise ValueError(f"{text!r} is no time; write {FORMS}")


def _ns(at: datetime) -> int:
    """Exact to the microsecond, which a float isn't. What was before 1970 is 1970."""
    return max(0, int(at.replace(microsecond=0).timestamp()) * _NS + at.microsecond * 1000)

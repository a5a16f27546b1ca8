"""Severities: OpenTelemetry's numbers 1 to 24, and what they are in `logging` and in LOG.

protocol/README.md, sections 1.2 (ranges) and 7.5 (the table and the rule between levels). Pure.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "LEAST",
    "LEVELS",
    "MOST",
    "NAMES",
    "RANGES",
    "from_level",
    "from_log_level",
    "name",
    "parse",
    "range_index",
    "range_of",
    "to_level",
    "to_log_level",
]

#: The first severity of each range: TRACE, DEBUG, INFO, WARN, ERROR, FATAL. A range is written as this number.
RANGES: Final = (1, 5, 9, 13, 17, 21)
#: The names of the ranges.
NAMES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
#: The lowest and the highest severity.
LEAST: Final = 1
MOST: Final = 24

_INDEX: Final = (0, *(index for index in range(6) for _ in range(4)))  # by severity; 0 is none
_RANGE: Final = (0, *(first for first in RANGES for _ in range(4)))
_NAME: Final = ("", *(f"{word}{number or ''}" for word in NAMES for number in ("", 2, 3, 4)))
#: Python's levels start a range; within one, offsets 0, 1-3, 4-6 and 7-9 are its four severities.
_OFFSETS: Final = (0, 1, 1, 1, 2, 2, 2, 3, 3, 3)
_LOG_LEVELS: Final = (0, 0, 3, 2, 1, 1)  # by range; 0 is not sent


def _of_level(level: float) -> int:
    """Section 7.5, for any level."""
    if level < 10:
        return 1
    base = min(int(level) // 10, 5)
    return RANGES[base] + _OFFSETS[min(int(level) - base * 10, 9)]


class _Levels(dict[int, int]):
    """A table for the usual levels; the others are reckoned, not kept."""

    def __missing__(self, level: int) -> int:
        return _of_level(level)


#: The severity of each Python level, as a table for hot paths: ``LEVELS[levelno]`` works for every number.
LEVELS: Final[Mapping[int, int]] = _Levels({level: _of_level(level) for level in range(61)})


def from_level(levelno: int) -> int:
    """The severity of a level of `logging`: any int; below 10 it is 1, and from 57 on 24."""
    return LEVELS[levelno]


def to_level(severity: int) -> int:
    """The lowest level of `logging` that has this severity; for 1 to 4, which share levels below 10, 5 to 8.

    Raises ValueError unless it is 1 to 24.
    """
    index, number = range_index(severity), (severity - 1) % 4
    return index * 10 + (0, 1, 4, 7)[number] if index else 5 + number


def range_of(severity: int) -> int:
    """The first severity of the range that it is in. Raises ValueError unless it is 1 to 24."""
    if not LEAST <= severity <= MOST:
        raise _no_severity(severity)
    return _RANGE[severity]


def range_index(severity: int) -> int:
    """0 for TRACE to 5 for FATAL. Raises ValueError unless it is 1 to 24."""
    if not LEAST <= severity <= MOST:
        raise _no_severity(severity)
    return _INDEX[severity]


def name(severity: int) -> str:
    """``INFO``, ``WARN2``, ... Raises ValueError unless it is 1 to 24."""
    if not LEAST <= severity <= MOST:
        raise _no_severity(severity)
    return _NAME[severity]


def to_log_level(severity: int) -> int:
    """The level in LOG: 1 error, 2 warning, 3 information, 0 when it is not sent there."""
    return _LOG_LEVELS[range_index(severity)]


def from_log_level(level: int) -> int:
    """The severity of a level in LOG; any number but 1 and 2 is information."""
    return {1: 17, 2: 13}.get(level, 9)


_WORDS: Final[Mapping[str, int]] = MappingProxyType(
    {_NAME[severity]: severity for severity in range(LEAST, MOST + 1)}
    | {"NOTSET": 1, "WARNING": 13, "ERR": 17, "CRITICAL": 21, "CRIT": 21}
)


def parse(text: str) -> int:
    """The severity that a person wrote, for a command or a variable of the environment.

    Args:
        text: a name of OpenTelemetry (``info``, ``WARN2``), one of `logging` (``warning``, ``critical``, and those
            that `logging.addLevelName` added) in any case, or a severity, 1 to 24.

    Raises:
        ValueError: it is none of these; the text says what is possible.
    """
    word = text.strip().upper()
    severity = _WORDS.get(word)
    if severity is None and word.isascii() and word.isdigit() and LEAST <= int(word[:4]) <= MOST:
        severity = int(word)
    if severity is None:
        severity = _added(word)
    if severity is None:
        raise ValueError(
            f"{text!r} is no level; possible are {', '.join(word.lower() for word in NAMES)} (each also with 2, 3 or 4 "
            f"behind it), the names of Python's logging, and the severities {LEAST} to {MOST}"
        )
    return severity


def _added(word: str) -> int | None:
    """A level that the application added."""
    import logging

    levels = {level_name.upper(): level for level_name, level in logging.getLevelNamesMapping().items()}
    return from_level(levels[word]) if word in levels else None


def _no_severity(severity: int) -> ValueError:
    return ValueError(f"{severity} is no severity: they are {LEAST} to {MOST}")

"""Options in the URL of a store: `?max_bytes=10M&keep=5`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from zlog.errors import StoreError

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: how its value is read, what it is without one, and a line of help that says what is possible."""

    parse: Callable[[str], Any]
    default: Any
    help: str


def flag(help_: str) -> Option:
    return Option(lambda value: choice("", "1", "0")(value) != "0", False, f"{help_} (0 or 1)")


def choice(*values: str) -> Callable[[str], str]:
    """Takes one of these words."""

    def parse(value: str) -> str:
        if value not in values:
            raise ValueError(f"possible are {', '.join(values)}")
        return value

    return parse


def count(value: str) -> int:
    """Takes a whole number from 0."""
    if not (value.isascii() and value.isdigit()):
        raise ValueError("it must be a whole number")
    return int(value)


def size(value: str) -> int:
    """Takes a number of bytes, as 500, 64k, 10M or 2G (powers of 1024)."""
    unit = value[-1:].lower() if value[-1:].isalpha() else ""
    number = value[: len(value) - len(unit)]
    if unit not in UNITS or not (number.isascii() and number.isdigit()):
        raise ValueError("it must be a number of bytes, such as 500, 64k, 10M or 2G")
    return int(number) * UNITS[unit]


def parse_options(url: str, query: str, options: Mapping[str, Option]) -> dict[str, Any]:
    """Reads the part of the URL behind `?`.

    Raises:
        StoreError: for an unknown option or a value that isn't possible, saying what is.
    """
    given: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in options:
            raise StoreError(f"{url!r}: there is no option {name!r}", f"possible are {', '.join(sorted(options))}")
        if name in given:
            raise StoreError(f"{url!r}: {name} is given twice")
        try:
            given[name] = options[name].parse(value)
        except ValueError as problem:
            raise StoreError(f"{url!r}: {name} can't be {value!r}", str(problem)) from None
    return given

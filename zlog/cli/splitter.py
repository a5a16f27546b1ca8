"""Octets of a stream into lines. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["LineSplitter", "text_of"]

MOST: Final = 128 * 1024
"""Octets that are kept of a line: a record takes 64 KiB, and says that it was cut if there was more."""


class LineSplitter:
    """Cuts octets at line feeds, however they come; of a line that never ends it keeps the first 128 KiB."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._is_begun = False

    def feed(self, octets: bytes) -> list[bytes]:
        """The lines that end in these octets, without their ends."""
        *ended, rest = octets.split(b"\n")
        if ended and self._is_begun:
            ended[0] = self._end(ended[0])
        if rest:
            self._is_begun = True
            self._begun += rest[: max(0, MOST - len(self._begun))]
        return [line[:MOST] for line in ended]

    def rest(self) -> list[bytes]:
        """The last line, if it has no end."""
        return [self._end(b"")] if self._is_begun else []

    def _end(self, octets: bytes) -> bytes:
        line = bytes(self._begun + octets[: max(0, MOST - len(self._begun))])
        self._begun.clear()
        self._is_begun = False
        return line


def text_of(line: bytes) -> str:
    """As text: octets that are no UTF-8 as backslash escapes, without a carriage return at its end."""
    return line.removesuffix(b"\r").decode("utf-8", "backslashreplace")

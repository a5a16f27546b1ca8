"""Finds that the last BATCH of a range is missing: nothing comes behind it that would show the hole. Pure.

protocol/README.md, sections 3.13 and 6.3: STATUS says how far a range is.
"""

from __future__ import annotations

from typing import Final

from zlog.core.nodes import Link
from zlog.core.repair import Repair
from zlog.core.streams import Stream

__all__ = ["Tails"]

#: STATUS says that there is more, and nothing came for so long: it is missing.
TAIL_NS: Final = 1_000_000_000


class Tails:
    """Streams of which STATUS has told more than has come.

    Args:
        repair: is told of those whose end is missing.
    """

    def __init__(self, repair: Repair) -> None:
        self._repair = repair
        self._streams: dict[Stream, None] = {}

    def __bool__(self) -> bool:
        return bool(self._streams)

    def follow(self, link: Link, stream: Stream, now: int) -> None:
        """A node has said how far a range is."""
        if stream.next <= stream.seen or (stream.lag and not link.closing):
            self.drop(stream)
        else:
            if stream.tail_at is None:
                stream.tail_at = now if link.closing else now + TAIL_NS
            self._streams[stream] = None

    def drop(self, stream: Stream) -> None:
        """What is still to come will come."""
        stream.tail_at = None
        self._streams.pop(stream, None)

    def check(self, now: int) -> None:
        """Whose time is over counts as missing from here on."""
        for stream in list(self._streams):
            if stream.tail_at is None:
                del self._streams[stream]
            elif now >= stream.tail_at and now >= stream.moved + TAIL_NS:
                del self._streams[stream]
                stream.tail_at = None
                stream.seen = max(stream.seen, stream.next)
                self._repair.check(stream)

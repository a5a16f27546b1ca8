"""What a collector wants of each node now, and the ranges that begin and end with that. Pure.

protocol/README.md, section 6.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID

from zlog.core.book import Book
from zlog.core.contact import Contact, Demand
from zlog.core.nodes import Link
from zlog.core.repair import Repair
from zlog.core.session_effects import NOT_ASKED
from zlog.core.streams import Stream
from zlog.core.tails import Tails
from zlog.severity import RANGES, range_index
from zlog.wire import zre_log_msg

__all__ = ["Demands"]

_SECOND: Final = 1_000_000_000
_NOTHING: Final = 25  # a severity that no record has


class _Passing(NamedTuple):
    """A demand on all nodes that ends."""

    demand: Demand
    until: int


class Demands:
    """The demands of a collector on its links.

    Args:
        book, contact, repair, tails: what else is known, and done.
        send: called with the identity and the frame of each message.
    """

    def __init__(
        self, book: Book, contact: Contact, repair: Repair, tails: Tails, send: Callable[[bytes, bytes], None]
    ) -> None:
        self._book = book
        self._contact = contact
        self._repair = repair
        self._tails = tails
        self._send = send
        self._passing: _Passing | None = None

    def make(self, demand: Demand, node: UUID | None, now: int) -> None:
        """Want something else from now on, of one node or of all, also of those that come later."""
        contact = self._contact
        if node is None:
            if demand.seconds:
                self._passing = _Passing(demand, now + demand.seconds * _SECOND)
            else:
                contact.demand, self._passing = demand, None
        for link in list(contact.links.values()) if node is None else [contact.by_node.get(node.bytes)]:
            if link is not None:
                self._ask(link, demand, now)

    def welcomed(self, link: Link, now: int) -> None:
        """A node has come: what is wanted of all for a time is wanted of it too."""
        passing = self._passing
        if passing is not None and passing.until > now:
            left = max(1, round((passing.until - now) / _SECOND))
            self._ask(link, passing.demand._replace(seconds=left), now)
        for index, stream in enumerate(link.run.streams):
            if stream is not None and not link.wants(index):
                stream.demanded = False

    def let_end(self, link: Link, now: int) -> None:
        """If a demand's time is over, the one before holds again; the node does the same by itself, a little later, and
        sends STATUS. That has to find us knowing it: a later one would name records that had been asked for again."""
        if link.until is not None and now >= link.until:
            again = link.welcome_until is None or now < link.welcome_until
            self._want(link, link.welcome_severity if again else _NOTHING, link.welcome_until if again else None, now)

    def started(self, link: Link, stream: Stream, start: int) -> None:
        """If a DEMAND added this range, it begins here; what is before was not asked for."""
        index = range_index(stream.key[2])
        if index not in link.starting:
            return
        link.starting.discard(index)
        if not stream.begun:
            self._book.begin(stream, start)
        elif start > stream.seen:
            self._book.name(stream, stream.seen, start, NOT_ASKED)
        stream.demanded = True
        if link.tunnel:
            self._repair.check(stream)

    def _ask(self, link: Link, demand: Demand, now: int) -> None:
        """Send DEMAND."""
        severity, logger, seconds = demand
        self._send(link.identity, zre_log_msg.Demand(severity=severity, logger=logger, seconds=seconds).encode())
        self._want(link, severity, now + seconds * _SECOND if seconds else None, now)

    def _want(self, link: Link, severity: int | None, until: int | None, now: int) -> None:
        """From now on something else is demanded."""
        link.status = b""  # the answer counts, whatever it says
        before = [link.wants(index) for index in range(len(RANGES))]
        link.severity, link.until = severity, until
        for index, wanted in enumerate(before):
            stream = link.run.streams[index]
            if link.wants(index) and not wanted:
                if stream is None or not stream.demanded:  # else it was wanted until this connection came
                    link.starting.add(index)
            elif wanted and not link.wants(index):
                link.starting.discard(index)
                if stream is not None:
                    stream.demanded = False
                    self._tails.drop(stream)
                    self._repair.close(stream, now)
        self._book.version += 1

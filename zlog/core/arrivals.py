"""What becomes of records when they come: whose they are, who is to have them. Pure.

protocol/README.md, sections 5.4, 6.4 and 8.5.
"""

from __future__ import annotations

from collections.abc import Callable

from zlog.core.book import Book
from zlog.core.contact import Contact
from zlog.core.demands import Demands
from zlog.core.legacy_runs import LegacyRuns
from zlog.core.nodes import Link
from zlog.core.parcels import Parcel
from zlog.core.repair import Repair
from zlog.core.session_effects import Take
from zlog.core.streams import Stream
from zlog.severity import range_index
from zlog.wire import zre_log_msg

__all__ = ["Arrivals"]


class Arrivals:
    """Takes records, and finds the holes between them.

    Args:
        book, contact, demands, repair: what else is known, and done.
        legacy: runs that are made up.
        on_viewed: called with a stream and the number of the view, which has been given something.

    Attributes:
        received: records that came, each copy counted.
        below: records that came by themselves and are below the demand.
    """

    def __init__(
        self,
        book: Book,
        contact: Contact,
        demands: Demands,
        repair: Repair,
        legacy: LegacyRuns,
        on_viewed: Callable[[Stream, int], None],
    ) -> None:
        self.received = 0
        self.below = 0
        self._book = book
        self._contact = contact
        self._demands = demands
        self._repair = repair
        self._legacy = legacy
        self._on_viewed = on_viewed

    def stream_of(self, parcel: Parcel) -> Stream | None:
        """The stream that a live parcel belongs to; None when it is not taken."""
        stream = self._book.streams.get(parcel.key)
        if stream is not None and stream.begun:
            return stream
        node, epoch, first = parcel.key
        run = self._book.run((node, epoch))
        if run is None:
            return None
        if run.link is None and first + 3 < self._contact.demand.severity:
            self.below += parcel.count
            return None
        run.name, run.host, run.pid = parcel.name, parcel.host, parcel.pid
        stream = self._book.stream(run, range_index(first))
        if not stream.begun:
            self._book.begin(stream, parcel.sequence)
        return stream

    def log(self, message: zre_log_msg.Log, size: int, now: int, wall_ns: int) -> None:
        """A LOG."""
        if message.level not in (1, 2) and self._contact.demand.severity > 12:
            self.below += 1
            return
        parcel = self._legacy.parcel(message, size, wall_ns)
        stream = self._book.streams.get(parcel.key)
        if stream is None:
            run = self._book.run(parcel.key[:2])
            if run is None:
                return
            run.legacy = True
            run.name, run.host = parcel.name, parcel.host
            stream = self._book.stream(run, range_index(parcel.key[2]))
            self._book.begin(stream, parcel.sequence)
        self.take(stream, parcel, now)

    def answer(self, link: Link, parcel: Parcel, now: int) -> None:
        """A BATCH on sync: it answers a FETCH."""
        stream = self._book.streams.get(parcel.key)
        if parcel.key[:2] not in link.offer or stream is None or not stream.begun:
            self._book.discard("run", "a BATCH on sync of a run that the node doesn't offer, or nobody asked for")
            return
        parcel.asked = stream.fetch is not None and stream.fetch.stop > 0
        self.take(stream, parcel, now)
        self._repair.arrived(stream, link.identity, parcel.sequence, parcel.stop, parcel.size, now)

    def take(self, stream: Stream, parcel: Parcel, now: int) -> None:
        """Have the sinks take what they lack of it."""
        self.received += parcel.count
        self._book.version += 1
        stream.moved = now
        start, stop = parcel.sequence, parcel.stop
        link = self._book.run_of(stream).link
        if link is not None and link.starting:
            self._demands.started(link, stream, start)
        if stream.since_before > start:
            parcel.since_ns, parcel.before = stream.since_ns, stream.since_before
        start = max(start, stream.base)
        view = self._book.view
        fresh = stream.shares[view].has.missing(start, stop) if view is not None else []
        takers = stream.take(start, stop)
        if takers:
            self._book.effects.append(Take(parcel, takers, fresh))
            if view is not None and view in takers:
                self._on_viewed(stream, view)
        if not stream.is_whole(stream.seen):
            self._repair.check(stream)

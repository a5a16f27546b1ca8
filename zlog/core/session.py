"""A collector's side of live and sync: what nodes say, and what is done about it. Pure.

protocol/README.md, chapters 5, 6 and 8. The edge feeds frames, what became of the records it was told to hand over,
and the time; each of these calls returns what has to be done (`zlog.core.session_effects`). Whatever octets come,
nothing is raised; what means nothing is counted by cause, and reported the first time.

    for effect in session.live(frame, now, received_ns): ...
    for effect in session.tick(now): ...            # at the latest at session.due

`zlog.core.contact` has the first contact and earlier runs, `zlog.core.book` runs and streams, `zlog.core.arrivals` what
becomes of records, `zlog.core.demands` what is wanted of whom, `zlog.core.watch` the care of connections,
`zlog.core.tails` the last batch, `zlog.core.repair` FETCH, `zlog.core.gaps` what nobody can answer for,
`zlog.core.commits` COMMIT.

Overrides of the first contact (section 6.2, rule 4): ``since="start"`` resumes at the first record there was, so that
the node names what it doesn't hold any more. A time resumes at the first that the node holds; the records before it are
then taken out where the bodies are decoded anyway, and noted as not asked for: only there the times are known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from zlog import limits
from zlog.core.arrivals import Arrivals
from zlog.core.book import Book, Sink
from zlog.core.commits import Commits
from zlog.core.contact import Contact, Demand, Since
from zlog.core.demands import Demands
from zlog.core.gaps import Gaps
from zlog.core.intervals import Intervals
from zlog.core.legacy_runs import LegacyRuns
from zlog.core.nodes import Link, Run, RunId
from zlog.core.parcels import MAX_NUMBER, Key, Parcel, from_batch, from_record
from zlog.core.repair import Repair
from zlog.core.session_effects import Effect, Send
from zlog.core.streams import Stream
from zlog.core.sync import unpack_links, unpack_ranges
from zlog.core.tails import Tails
from zlog.core.watch import SILENT_NS, Watch
from zlog.severity import RANGES, range_index
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import CAUSE_DAMAGED, CAUSE_DROPPED, CAUSE_UNKNOWN

__all__ = ["Demand", "Session", "Since", "Sink"]

_SECOND: Final = 1_000_000_000
#: `tick` wants to be called so often; what it does needs no more.
TICK_NS: Final = _SECOND // 4
_LOG: Final = b"\xaa\xa2\x01"
_RECORD: Final = b"\xaa\xa2\x02"
_BATCH: Final = b"\xaa\xa2\x03"
_OFFER: Final = b"\xaa\xa2\x05"
_STATUS: Final = b"\xaa\xa2\x0b"


class Session:
    """Everything a collector knows and decides.

    Args:
        uuid, name: of the collector.
        now: when it became ready, nanoseconds of a clock that never jumps.
        wall_ns: the same, since 1970-01-01 00:00 UTC.
        sinks: where records go.
        port: of the live endpoint, 0 if there is none.
        demand: on every node, until another one is made.
        since: what to take of a run that was there first: from its start, from a time on (nanoseconds since 1970), or
            what comes from now on.
        skipped, lost: what stores have noted as not asked for, and as gone, by cause.
        holes: of which runs and ranges some store lacks something that it, or another, must have known of.

    Attributes:
        book: what it keeps track of.
        legacy: runs that are made up.
        due: when `tick` wants to be called.
    """

    def __init__(
        self,
        uuid: UUID,
        name: str,
        now: int,
        wall_ns: int,
        sinks: Sequence[Sink],
        *,
        port: int = 0,
        demand: Demand | None = None,
        since: Since = None,
        skipped: Mapping[Key, Intervals] | None = None,
        lost: Mapping[Key, Mapping[int, Intervals]] | None = None,
        holes: Collection[Key] = (),
    ) -> None:
        self.book = book = Book(sinks, skipped, lost)
        self.legacy = LegacyRuns(wall_ns)
        self.due = now
        self._ticked = now
        self._repair = Repair(len(sinks), book.run_of, self._send)
        self._commits = Commits(book.required or range(len(sinks)), book.run_of, self._send)
        self._contact = Contact(uuid, name, now, book, self._repair, demand or Demand(), since, port)
        self._gaps = Gaps(now, book, sinks, holes)
        self._tails = Tails(self._repair)
        self._demands = Demands(book, self._contact, self._repair, self._tails, self._send)
        self._watch = Watch(uuid, now, book, self._contact, self._demands, self._repair, self._send)
        self._arrivals = Arrivals(book, self._contact, self._demands, self._repair, self.legacy, self._held_more)
        self._repair.on_alone = self._gaps.look_at
        book.on_new = self._repair.check
        book.on_alone = self._gaps.alone
        book.on_forgotten = self._forget

    @property
    def runs(self) -> dict[RunId, Run]:
        """All that are known, in the order in which they were met."""
        return self.book.runs

    @property
    def links(self) -> dict[bytes, Link]:
        """Sync connections that were welcomed, by routing id."""
        return self._contact.links

    @property
    def received(self) -> int:
        """Records that came, each copy counted."""
        return self._arrivals.received

    @property
    def below(self) -> int:
        """Records that came by themselves and are below the demand."""
        return self._arrivals.below

    @property
    def discarded(self) -> dict[str, int]:
        """How often something was discarded, by cause."""
        return self.book.discarded

    @property
    def version(self) -> int:
        """Changes whenever something did that a status shows."""
        return self.book.version

    @property
    def port(self) -> int:
        """Of the live endpoint, 0 if there is none."""
        return self._contact.port

    @port.setter
    def port(self, port: int) -> None:
        self._contact.port = port

    # --- what comes from nodes ----------------------------------------------------------------------------------------

    def live(self, frame: bytes, now: int, wall_ns: int) -> list[Effect]:
        """A frame of the live link."""
        kind = frame[:3]
        try:
            if kind == _LOG:
                message = zre_log_msg.decode(frame, errors="replace")
                assert isinstance(message, zre_log_msg.Log)
                self._arrivals.log(message, len(frame), now, wall_ns)
            elif kind in (_BATCH, _RECORD):
                parcel = _parcel(frame, wall_ns)
                stream = self._arrivals.stream_of(parcel)
                if stream is not None:
                    link = self.runs[parcel.key[:2]].link
                    if link is not None:
                        link.live_frames += 1
                    self._arrivals.take(stream, parcel, now)
            else:
                zre_log_msg.decode(frame)
                self.book.discard("direction", "a sync message on the live link")
        except DecodeError as error:
            self.book.discard(error.reason, f"a live frame: {error}")
        return self._drain(now)

    def sync(self, identity: bytes, frame: bytes, now: int, wall_ns: int) -> list[Effect]:
        """A message of the sync connection with this routing id."""
        link = self.links.get(identity)
        if link is not None:
            self._watch.heard(link, now)
            if frame[:3] == _STATUS and link.status == _but_clock(frame):
                link.run.status_ns = wall_ns
                return self._drain(now) if self.book.effects or self._repair.is_hungry else []
        try:
            if frame[:3] == _BATCH:
                if link is None:
                    raise _stranger()
                self._arrivals.answer(link, _parcel(frame, wall_ns), now)
            elif len(frame) > limits.COLLECTOR_SYNC_BYTES and frame[:3] != _OFFER:
                raise DecodeError("size", len(frame))
            else:
                self._message(identity, link, zre_log_msg.decode(frame), now, wall_ns)
                if link is not None and frame[:3] == _STATUS:
                    link.status = _but_clock(frame)
        except DecodeError as error:
            self.book.discard(error.reason, f"a sync message: {error}")
        return self._drain(now)

    def unreachable(self, identity: bytes, now: int) -> list[Effect]:
        """A sync connection is gone."""
        link = self.links.get(identity)
        if link is not None:
            self._contact.drop(link)
        return self._drain(now)

    def peer(self, uuid: UUID, name: str, endpoint: str) -> None:
        """A peer is in the ZRE network: it may send LOG with its 16-bit id."""
        self.legacy.peers.enter(uuid, name, endpoint)

    def peer_left(self, uuid: UUID) -> None:
        """A peer has left the ZRE network. Its sync connection ends by itself, or is noticed as silent."""
        self.legacy.peers.leave(uuid)
        link = self._contact.by_node.get(uuid.bytes)
        if link is not None:
            self._watch.fell_silent(link)

    # --- what comes from sinks ----------------------------------------------------------------------------------------

    def written(self, sink: int, key: Key, start: int, stop: int) -> None:
        """A sink holds these now, if need be after a crash. Call `tick` after some of them."""
        stream = self.book.streams.get(key)
        if stream is not None:
            stream.shares[sink].done.add(start, stop)
            self.book.version += 1
            self._held_more(stream, sink)

    def too_old(self, key: Key, start: int, stop: int) -> None:
        """Of what a sink was handed, these were before the time from which on history is wanted."""
        stream = self.book.streams.get(key)
        if stream is not None and stream.skipped.fits(start, stop):
            stream.skipped.add(start, stop)

    def refused(self, sink: int, parcel: Parcel, now: int) -> list[Effect]:
        """A sink has no room for a parcel, until `ready` says so."""
        stream = self.book.streams.get(parcel.key)
        if stream is not None:
            self.book.version += 1
            stream.refuse(sink, parcel.sequence, parcel.stop)
            self._repair.busy(sink, stream)
            if not self.runs[parcel.key[:2]].offered:  # nobody has it but us
                self.book.name(stream, parcel.sequence, parcel.stop, CAUSE_DROPPED)
        return self._drain(now)

    def ready(self, sink: int, now: int) -> list[Effect]:
        """A sink has room again."""
        self._repair.ready(sink)
        return self._drain(now)

    def damaged(self, parcel: Parcel, now: int) -> list[Effect]:
        """A parcel's body can't be decoded. It is asked for once more; then it is gone."""
        stream = self.book.streams.get(parcel.key)
        if stream is None or parcel.reported:
            return self._drain(now)
        parcel.reported = True
        start, stop = parcel.sequence, parcel.stop
        self.book.discard("body", f"a BATCH with a bad body: {parcel}")
        for sink, share in enumerate(stream.shares):
            if share.has.missing(start, stop) != [(start, stop)]:
                stream.refuse(sink, start, stop)
        bad = stream.bad = stream.bad or Intervals()
        if not self.runs[parcel.key[:2]].offered or bad.covers(start, stop):
            bad.remove(start, stop)
            self.book.name(stream, start, stop, CAUSE_DAMAGED)
        elif bad.fits(start, stop):
            bad.add(start, stop)
        self._repair.check(stream)
        return self._drain(now)

    # --- what the user wants, and time --------------------------------------------------------------------------------

    def demand(self, demand: Demand, node: UUID | None, now: int) -> list[Effect]:
        """Want something else from now on, of one node or of all, also of those that come later."""
        self._demands.make(demand, node, now)
        return self._drain(now)

    def tick(self, now: int, *, behind: bool = False) -> list[Effect]:
        """Do what time brings.

        Args:
            now: the time.
            behind: live frames wait to be looked at: what seems to be missing may be among them.
        """
        self._commits.send(now)
        if now >= self._ticked + TICK_NS:
            paused = now - self._ticked > SILENT_NS / 2  # this process was stopped: nobody was silent
            self._ticked = now
            self.book.look_again()
            if not behind:
                self._tails.check(now)
            self._repair.tick(now)
            self._watch.look(now, behind=behind, paused=paused)
            if not behind:
                self._gaps.tick(now, paused=paused)
        self.due = self._ticked + TICK_NS if self.links or self._tails else now + 4 * TICK_NS
        due = self._commits.due
        if due is not None:
            self.due = min(self.due, due)
        return self._drain(now)

    def ping(self, now: int, wall_ns: int, *, everybody: bool = False) -> list[Effect]:
        """Ask the clocks of those whose turn it is, or of everybody: who answers has read what was sent before."""
        self._watch.ping_all(now, wall_ns, everybody=everybody)
        return self._drain(now)

    def end(self, now: int) -> list[Effect]:
        """The collector ends, sinks have written what they can: have named what is still missing."""
        self._gaps.end()
        return self._drain(now)

    # --- for a status -------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Something that a status shows has changed elsewhere."""
        self.book.version += 1

    def is_connected(self, run: Run) -> bool:
        """Whether the run is going on and streams here."""
        return run.link is not None and run.link.is_open

    def is_held(self, run: Run) -> bool:
        """Whether somebody who is connected holds the run, so that what is missing may still come."""
        return self._gaps.is_held(run)

    def open_links(self) -> Iterator[Link]:
        """Connections of nodes that are neither silent nor have said their last word."""
        return (link for link in self.links.values() if link.is_open)

    # --- sync messages ------------------------------------------------------------------------------------------------

    def _message(
        self, identity: bytes, link: Link | None, message: zre_log_msg.Message, now: int, wall_ns: int
    ) -> None:
        if isinstance(message, zre_log_msg.Offer):
            new = self._contact.offer(identity, message, now)
            if new is not None:
                self._welcomed(new, now, wall_ns)
        elif link is None:
            again = self._contact.again(identity, now)
            if again is None:
                raise _stranger()
            self._welcomed(again, now, wall_ns)
        elif isinstance(message, zre_log_msg.Status):
            self._status(link, message, now, wall_ns)
        elif isinstance(message, zre_log_msg.Gone):
            self._gone(link, message, now)
        elif isinstance(message, zre_log_msg.Ping):
            self._send(identity, zre_log_msg.Pong(clock=message.clock, received=wall_ns, sent=wall_ns).encode())
        elif isinstance(message, zre_log_msg.Pong):
            if message.clock == link.pong:
                link.pong = 0
            link.run.clock.pong(message.clock, message.received, message.sent, wall_ns)
            self.book.version += 1
        else:
            self.book.discard("direction", f"{message.NAME} from a node on sync")

    def _welcomed(self, link: Link, now: int, wall_ns: int) -> None:
        self._watch.ping(link, now, wall_ns)
        self._demands.welcomed(link, now)
        for stream in link.run.streams:
            if stream is not None and stream.begun:
                self._commits.changed(stream)
        self.due = now

    def _status(self, link: Link, message: zre_log_msg.Status, now: int, wall_ns: int) -> None:
        run = link.run
        if (message.node.bytes, message.epoch) != run.id:
            self.book.discard("identity", "STATUS of another run")
            return
        ranges = unpack_ranges(message.ranges)
        if any(not 1 <= status.next <= MAX_NUMBER for status in ranges):
            raise DecodeError("value", 3, "STATUS")
        run.links = unpack_links(message.links)
        run.status_ns = wall_ns
        if message.closing:
            link.closing = run.closed = True
            self._gaps.left(link)
        told = set()
        for severity, following, dropped, lag in ranges:
            index = range_index(severity)
            told.add(index)
            stream = self.book.stream(run, index)
            stream.dropped, stream.lag = dropped, lag
            self._demands.started(link, stream, following)
            stream.next = max(stream.next, following)
            if stream.begun and link.wants(index):
                self._tails.follow(link, stream, now)
        for index in link.starting - told:
            self._demands.started(link, self.book.stream(run, index), 1)
        self.book.version += 1

    def _gone(self, link: Link, message: zre_log_msg.Gone, now: int) -> None:
        run_id = (message.node.bytes, message.epoch)
        run = self.runs.get(run_id)
        if run is None or run_id not in link.offer or message.severity not in RANGES:
            self.book.discard("run", "GONE of a run or range that the node doesn't offer")
            return
        stream = self.book.stream(run, range_index(message.severity))
        start, stop = message.start, message.stop or max(stream.next, message.start)
        if not 1 <= start <= stop <= MAX_NUMBER:
            raise DecodeError("value", 3, "GONE")
        own = run.link
        if link is not own:
            if own is not None and own.is_open and message.cause != CAUSE_UNKNOWN:
                self.book.discard("run", "GONE of a run whose own node is connected")
                self._repair.released(link, run)  # what it was asked is asked of that one
                return
            stop = max(start, min(stop, stream.next))  # what is still to come is not its to take away
        stream.came = True
        if message.cause == CAUSE_UNKNOWN and run is not link.run:
            self._contact.release(link, run_id)  # it let go of it since; somebody else may hold it
            return
        if not stream.begun:
            return
        if run is link.run:
            self._demands.started(link, stream, start)
        cause = message.cause if 1 <= message.cause <= CAUSE_UNKNOWN else CAUSE_UNKNOWN
        self.book.name(stream, max(start, stream.base), stop, cause)
        stream.moved = now
        self._repair.arrived(stream, link.identity, start, stop, 0, now)

    # --- effects ------------------------------------------------------------------------------------------------------

    def _held_more(self, stream: Stream, sink: int) -> None:
        self._commits.changed(stream, sink)
        due = self._commits.due
        if due is not None:
            self.due = min(self.due, due)

    def _forget(self, stream: Stream) -> None:
        self._repair.forget(stream)
        self._commits.forget(stream)
        self._tails.drop(stream)
        self._gaps.forget(stream)

    def _send(self, identity: bytes, frame: bytes) -> None:
        self.book.effects.append(Send(identity, frame))

    def _drain(self, now: int) -> list[Effect]:
        self._repair.plan(now)
        effects, self.book.effects = self.book.effects, []
        return effects


def _parcel(frame: bytes, wall_ns: int) -> Parcel:
    message = zre_log_msg.decode(frame)
    if isinstance(message, zre_log_msg.Batch):
        return from_batch(message, len(frame), wall_ns)
    assert isinstance(message, zre_log_msg.Record)
    return from_record(message, len(frame), wall_ns)


def _but_clock(status: bytes) -> bytes:
    """The octets of a STATUS without the node's clock, to know one that says nothing new."""
    return status[:27] + status[35:]


def _stranger() -> DecodeError:
    return DecodeError("stranger", 0)

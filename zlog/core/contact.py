"""How a collector meets a node: OFFER, WELCOME, where each range begins or goes on, and earlier runs. Pure.

protocol/README.md, sections 6.1, 6.2, 6.8 and 6.9.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple
from uuid import UUID

from zlog import limits
from zlog.core.book import Book
from zlog.core.nodes import Link, Run, RunId
from zlog.core.parcels import MAX_NUMBER
from zlog.core.repair import Repair
from zlog.core.session_effects import Send
from zlog.core.streams import Stream
from zlog.core.sync import Held, Resume, RunKey, pack_held, pack_resume, unpack_ages, unpack_held, unpack_path
from zlog.severity import RANGES
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import REFUSED_BUSY, REFUSED_LOOP, REFUSED_VERSION, VERSION

__all__ = ["Contact", "Demand", "Since"]

Since = Literal["start"] | int | None

_SECOND: Final = 1_000_000_000
_MAX_REFUSED: Final = 1_000
#: Of an epoch that is the start of the run in nanoseconds, as is the custom: from 2001 on.
_TIMES: Final = range(10**18, 2**63)


class Demand(NamedTuple):
    """What is wanted of a node: the lowest severity, the logger (empty for all), seconds (0 while linked)."""

    severity: int = 9
    logger: str = ""
    seconds: int = 0


class Contact:
    """Sync connections, from OFFER to their end.

    Args:
        uuid, name: of the collector.
        began: when it became ready.
        book, repair: what is known, and what is asked for.
        demand: of each WELCOME.
        since: what to take of a run that was there first: from its start, from a time on, or what comes from now on.

    Attributes:
        port: of the live endpoint, 0 for none.
        demand: as above; may be changed.
        links: connections that were welcomed, by routing id.
        by_node: the same, by the node's UUID.
    """

    def __init__(
        self, uuid: UUID, name: str, began: int, book: Book, repair: Repair, demand: Demand, since: Since, port: int
    ) -> None:
        self.port = port
        self.demand = demand
        self.links: dict[bytes, Link] = {}
        self.by_node: dict[bytes, Link] = {}
        self._uuid = uuid
        self._name = name
        self._began = began
        self._book = book
        self._repair = repair
        self._since = since
        self._offered = 0  # runs, by all links
        self._refused: dict[bytes, None] = {}
        self._replaced: dict[bytes, zre_log_msg.Offer] = {}  # with what they had said
        self._replaced_bytes = 0

    def offer(self, identity: bytes, message: zre_log_msg.Offer, now: int) -> Link | None:
        """An OFFER came; the link, if it was welcomed just now. Raises DecodeError."""
        held = {(item.run.node.bytes, item.run.epoch): item for item in unpack_held(message.runs)}
        ages = _ages(message)
        path = unpack_path(message.path)
        run_id = (message.node.bytes, message.epoch)
        if run_id not in held or any(after > MAX_NUMBER for item in held.values() for _, after in item.ranges):
            raise DecodeError("value", 3, "OFFER")
        link = self.links.get(identity)
        if len(held) > 1 and self._offered - (len(link.offer) if link else 0) + len(held) > limits.COLLECTOR_OFFERED:
            self._book.discard("offers", "earlier runs that a node offers: there are too many already")
            held = {run_id: held[run_id]}
            message.runs, message.ages = pack_held(held.values()), b""
        if link is not None:
            if link.run.id != run_id:
                self._book.discard("identity", "an OFFER that makes its sender another node")
            else:
                self._hold(link, held, ages, now)
        elif identity in self._refused:
            self._book.discard("refused", "a message of a node that was refused")
        elif message.version < VERSION:
            self._refuse(identity, REFUSED_VERSION, f"this collector speaks version {VERSION} only")
        elif self._uuid in path:
            self._refuse(identity, REFUSED_LOOP, "these records came from here")
        elif len(self.links) >= limits.COLLECTOR_LINKS and run_id[0] not in self.by_node:
            self._refuse(identity, REFUSED_BUSY, f"{limits.COLLECTOR_LINKS} nodes are connected")
        else:
            return self._welcome(identity, message, held, ages, now)
        return None

    def again(self, identity: bytes, now: int) -> Link | None:
        """A connection without a link says something. If it was replaced by another of its node's that has ended since,
        it is welcomed again: the node, which had both for a while, has no reason to send OFFER."""
        message = self._replaced.get(identity)
        if message is None or message.node.bytes in self.by_node:
            return None
        del self._replaced[identity]
        self._replaced_bytes -= len(message.runs)
        return self.offer(identity, message, now)

    def drop(self, link: Link) -> None:
        """A connection is gone, or replaced."""
        del self.links[link.identity]
        if self.by_node.get(link.run.id[0]) is link:
            del self.by_node[link.run.id[0]]
        if link.run.link is link:
            link.run.link = None
            self._inherit(link)
        for run_id in list(link.offer):
            self.release(link, run_id)
        self._offered -= len(link.offer)
        self._book.version += 1

    def fell_silent(self, link: Link) -> None:
        """A node says nothing any more: what it holds is asked of others who do, if there are any."""
        self._inherit(link)
        for run_id in link.offer:
            run = self._book.runs.get(run_id)
            if run is not None and link in run.holders:
                if any(holder.is_open for holder in run.holders):
                    self._repair.released(link, run)
                self._book.on_alone(run)

    def _inherit(self, link: Link) -> None:
        """If others hold a node's run, what is missing of it doesn't come by itself any more. Now they say how far it
        goes."""
        run = link.run
        heirs = [holder for holder in run.holders if holder is not link]
        for heir in heirs:
            self._earlier(heir, run, heir.offer[run.id], young=False)
        for stream in run.streams:
            if heirs and stream is not None and stream.begun:
                stream.seen = stream.next
                self._repair.check(stream)

    def release(self, link: Link, run_id: RunId) -> None:
        """The node doesn't hold this run any more."""
        run = self._book.runs.get(run_id)
        if run is not None and link in run.holders:
            run.holders.remove(link)
            self._repair.released(link, run)
            self._book.on_alone(run)

    def _remember(self, link: Link) -> None:
        """A connection was replaced, and may outlive the one that took its place."""
        if link.said is not None:
            self._replaced[link.identity] = link.said
            self._replaced_bytes += len(link.said.runs)
            while (
                len(self._replaced) > limits.COLLECTOR_REPLACED
                or self._replaced_bytes > limits.COLLECTOR_REPLACED_BYTES
            ):
                self._replaced_bytes -= len(self._replaced.pop(next(iter(self._replaced))).runs)

    # --- the current run ----------------------------------------------------------------------------------------------

    def _welcome(
        self, identity: bytes, message: zre_log_msg.Offer, held: dict[RunId, Held], ages: dict[RunId, int], now: int
    ) -> Link | None:
        run_id = (message.node.bytes, message.epoch)
        before = self.by_node.get(run_id[0])
        if before is not None:
            if before.run.id == run_id:
                before.run.link = None  # it goes on: there is nothing to inherit
            self.drop(before)
            self._remember(before)
        run = self._book.run(run_id)
        if run is None:
            self._refuse(identity, REFUSED_BUSY, "too many runs are kept track of")
            return None
        run.name, run.host, run.pid = message.name, message.host, message.pid
        run.closed = False
        link = self.links[identity] = self.by_node[run_id[0]] = run.link = Link(identity, run, now)
        link.said = message
        demand = self.demand
        link.welcome_severity = link.severity = demand.severity
        link.welcome_until = link.until = now + demand.seconds * _SECOND if demand.seconds else None
        link.tunnel = self.port == 0
        known = run.known or any(stream is not None and stream.begun for stream in run.streams)
        points = [
            self._resume(link, index, first, following, known or message.age < now - self._began)
            for index, (first, following) in enumerate(held[run_id].ranges)
        ]
        run.known = True
        welcome = zre_log_msg.Welcome(
            version=VERSION,
            collector=self._uuid,
            name=self._name,
            durable=int(bool(self._book.required)),
            port=self.port,
            resume=pack_resume(points),
            severity=demand.severity,
            logger=demand.logger,
            seconds=demand.seconds,
        )
        self._book.effects.append(Send(identity, welcome.encode()))
        self._hold(link, held, ages, now)
        self._book.version += 1
        for stream in run.streams:
            if stream is not None and stream.begun:
                self._repair.check(stream)
        return link

    def _resume(self, link: Link, index: int, first: int, following: int, from_first: bool) -> Resume:
        """Where a range of the current run goes on (section 6.2)."""
        run = link.run
        point = following
        if link.wants(index):
            stream = self._book.stream(run, index)
            if not stream.begun:
                begun = 1 if self._since == "start" else following if self._since is None else first
                self._book.begin(stream, 1 if from_first else begun)
                if not from_first:
                    self._filter(stream, following)
            stream.demanded = True
            stream.next = max(stream.next, following)
            stream.tail_at = None
            point = stream.seen
        return Resume(RunKey(run.uuid, run.id[1]), RANGES[index], max(1, point))

    def _filter(self, stream: Stream, before: int) -> None:
        """History is wanted from a time on."""
        if isinstance(self._since, int):
            stream.since_ns, stream.since_before = self._since, before

    def _refuse(self, identity: bytes, code: int, reason: str) -> None:
        self._book.discard("refused", f"a node was refused: {reason}")
        self._refused[identity] = None
        if len(self._refused) > _MAX_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._book.effects.append(Send(identity, zre_log_msg.Refused(code=code, reason=reason).encode()))

    # --- earlier runs, and those of others ----------------------------------------------------------------------------

    def _hold(self, link: Link, held: dict[RunId, Held], ages: dict[RunId, int], now: int) -> None:
        """The node tells which runs it holds; those that ended are asked for, if they are wanted."""
        for run_id in link.offer:
            if run_id not in held:
                self.release(link, run_id)
        self._offered += len(held) - len(link.offer)
        link.offer = held
        for run_id, item in held.items():
            young = run_id in ages and ages[run_id] < now - self._began
            wanted = young or self._since is not None or self._book.is_known(run_id)
            run = self._book.run(run_id) if wanted else None
            if run is None:
                continue
            run.offered = True
            if link not in run.holders:
                run.holders.append(link)
                for holder in run.holders:
                    if holder.silent:
                        self._repair.released(holder, run)
                self._repair.again(run)
            if run is not link.run:
                self._earlier(link, run, item, young)

    def _earlier(self, link: Link, run: Run, held: Held, young: bool) -> None:
        """A run that isn't the node's current one. While its own node is connected, no other says how far it goes."""
        if run.link is not None and run.link.is_open:
            return
        for index, (first, following) in enumerate(held.ranges):
            stream = run.streams[index]
            if following <= 1 or not (link.wants(index) or (stream is not None and stream.begun)):
                continue
            if stream is None or not stream.begun:
                if not (run.known or young or self._since is not None):
                    continue
                stream = self._book.stream(run, index)
                self._book.begin(stream, 1 if run.known or young or self._since == "start" else first)
                self._filter(stream, following)
            stream.next = max(stream.next, following)
            if run.link is None or run.link.silent:
                stream.seen = stream.next
            self._repair.check(stream)


def _ages(message: zre_log_msg.Offer) -> dict[RunId, int]:
    """How old runs are, where that is known, in nanoseconds. Raises DecodeError.

    Where the node doesn't say, an epoch that by custom is the time when the run began says it, by the node's own clock;
    if that was set since it may be wrong.
    """
    runs = unpack_held(message.runs)
    found: dict[RunId, int] = {}
    for item, age in zip(runs, unpack_ages(message.ages, len(runs)), strict=True):
        run_id = item.run.node.bytes, item.run.epoch
        if age is None and item.run.epoch in _TIMES and message.clock >= item.run.epoch:
            age = message.clock - item.run.epoch
        if age is not None:
            found[run_id] = age
    return found

"""A collector at work: its parts, begun and ended in order."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from zlog.collector.announce import Announcer, address_of
from zlog.collector.core import Core
from zlog.collector.place import Place
from zlog.collector.sockets import Receiver
from zlog.collector.status import CollectorStatus, StoreStatus, nodes_of
from zlog.collector.stores import Store
from zlog.collector.view import View
from zlog.collector.writer import Writer
from zlog.core.intervals import Intervals
from zlog.core.parcels import Key
from zlog.core.session import Demand, Session, Since, Sink
from zlog.core.session_effects import GAP, NOT_ASKED

if TYPE_CHECKING:
    import pyre

__all__ = ["Parts", "Plan", "found_in"]

#: How long a stop waits for nodes to say their last word, once they were told.
FAREWELL_S: Final = 1.0
#: How long it takes what is on its way, if there is no end to it, as nodes that beacons don't reach don't hear of the
#: stop; and then what it has received by then.
DRAIN_S: Final = 1.0
#: How long it waits for nodes to have read what was said last.
LAST_WORDS_S: Final = 0.3
#: How long nothing must come before all has come.
QUIET_S: Final = 0.05


@dataclass(frozen=True)
class Plan:
    """What a collector is to be.

    Attributes:
        stores: where records go.
        node: the application's ZRE node; None for one of its own.
        interface: of its own node.
        bind: host and port of sync; None for the address of the ZRE node.
        discover: whether ZRE is used.
        demand: what it wants of nodes.
        since: of runs that were there first.
        pool: collectors that share the nodes.
    """

    stores: Sequence[Store]
    node: pyre.Pyre | None
    interface: str | None
    bind: tuple[str, int] | None
    discover: bool
    demand: Demand
    since: Since
    pool: str | None


class Parts:
    """What a collector consists of while it runs.

    Args:
        plan: what it is to be.
        uuid, name: of the collector.
        announcer: its ZRE node, if it has one.
        view: where records are handed out, if they are.

    Attributes:
        core, session, place: of it.
    """

    def __init__(self, plan: Plan, uuid: UUID, name: str, announcer: Announcer | None, view: View | None) -> None:
        self._plan = plan
        self._announcer = announcer
        self._view = view
        self._receiver = Receiver(uuid, self._wake, self._unreachable)
        before = found_in(plan.stores)
        sinks = [Sink(store.durable and not store.optional, True, store.holds, store.gaps) for store in plan.stores]
        if view is not None:
            sinks.append(Sink(False, False, lambda key: None))
        self.session = Session(
            uuid,
            name,
            time.monotonic_ns(),
            time.time_ns(),
            sinks,
            demand=plan.demand,
            since=plan.since,
            skipped=before.skipped,
            lost=before.lost,
            holes=before.holes,
        )
        self._writers = [Writer(sink, store, self._told) for sink, store in enumerate(plan.stores)]
        self.core = Core(self.session, self._receiver, self._writers, view, self._chores)
        self.place = Place(plan.bind, plan.pool, announcer, self._receiver, self.session, self.core.call)

    def start(self) -> None:
        """Bind, start the threads, and tell the network."""
        plan = self._plan
        if self._announcer is not None:
            self._announcer.watch()
        address = address_of(plan.interface) if plan.node is None and plan.discover else ""
        if plan.node is not None:
            assert self._announcer is not None
            address = self._announcer.address()
        self.place.bind(address)
        for writer in self._writers:
            writer.start("zlog")
        self.core.start("zlog")
        self._receiver.start("zlog")
        if self._announcer is not None:
            self.place.tell()
            self._announcer.start()
            self._announcer.ready()

    def stop(self, deadline: float) -> bool:
        """End in order; whether all that was received is stored."""
        clock = time.monotonic
        if self._announcer is not None:
            self._announcer.leave()
            told = min(deadline, clock() + FAREWELL_S)
            self.core.wait_until(lambda: self.core.ask(lambda: not self._talking()), max(0.0, told - clock()))
        self._drain(min(deadline, clock() + DRAIN_S))
        self._receiver.stop_live()
        self._drain(min(deadline, clock() + 2 * DRAIN_S))
        self.core.ask(self.core.finish)
        whole = self._wait_idle(deadline)
        self.core.ask(self._end)
        whole = self._wait_idle(deadline) and whole
        self.core.ask(self._commit)
        answered = min(max(deadline, clock() + 0.05), clock() + LAST_WORDS_S)
        self.core.wait_until(lambda: self.core.ask(self._is_heard), answered - clock())
        if self._announcer is not None:
            self._announcer.stop()
        for writer in self._writers:
            writer.stop(max(1.0, deadline - clock()))
        self.core.stop()
        self._receiver.stop()
        return whole

    def abandon(self) -> None:
        """The start has failed."""
        if self._announcer is not None:
            with contextlib.suppress(Exception):
                self._announcer.stop()
        for writer in self._writers:
            writer.stop(1.0)
        self.core.stop()
        self._receiver.stop()

    def status(self) -> CollectorStatus:
        """In the core's thread."""
        session = self.session
        sinks = range(len(self._writers)) if self._writers else [0]
        return CollectorStatus(
            nodes=nodes_of(session, sinks),
            stores=[
                StoreStatus(writer.store.url, writer.records, writer.behind, writer.failing) for writer in self._writers
            ],
            received=session.received,
            below=session.below,
            discarded=dict(session.discarded),
            legacy_received=session.legacy.received,
            legacy_collisions=session.legacy.collisions,
            view_dropped=self._view.dropped if self._view is not None else 0,
            live=self.place.live,
            sync=self.place.sync,
        )

    # --- parts of the above -------------------------------------------------------------------------------------------

    def _talking(self) -> bool:
        """Whether a node that has heard of the end has still to say its last word."""
        announcer = self._announcer
        return announcer is not None and any(link.run.uuid in announcer.peers for link in self.session.open_links())

    def _drain(self, deadline: float) -> None:
        """Take what is still on its way."""
        received, quiet = -1, time.monotonic() + QUIET_S
        while time.monotonic() < min(quiet, deadline):
            self.core.wait_until(lambda: False, QUIET_S / 4)
            now = self._receiver.live_bytes
            if now != received or not self.core.ask(self.core.is_idle):
                received, quiet = now, time.monotonic() + QUIET_S

    def _wait_idle(self, deadline: float) -> bool:
        """Wait until all is written; whether it is."""
        return not [writer for writer in self._writers if not writer.wait_idle(deadline, time.monotonic)]

    def _end(self) -> None:
        """Have named what is still missing."""
        self.core._hear()
        self.core._carry_out(self.session.end(time.monotonic_ns()))

    def _commit(self) -> None:
        """Say what is stored, without waiting for the usual time."""
        self.core._hear()
        now = time.monotonic_ns() + 1_000_000_000
        self.core._carry_out(self.session.tick(now, behind=True))
        self.core._carry_out(self.session.ping(now, time.time_ns(), everybody=True))
        self._receiver.flush()

    def _is_heard(self) -> bool:
        """Whether the nodes have read the last COMMIT: libzmq drops what isn't read when the connection ends."""
        return not any(link.pong for link in self.session.open_links())

    def _chores(self) -> None:
        self.place.look()

    def _wake(self) -> None:
        self.core.wake()

    def _told(self, news: object) -> None:
        self.core.tell(news)  # type: ignore[arg-type] # it is one of Told

    def _unreachable(self, identity: bytes) -> None:
        self.core.apply(functools.partial(self.session.unreachable, identity))


class Found(NamedTuple):
    """What stores have from before.

    Attributes:
        skipped: what was noted as not asked for.
        lost: what was named as gone, by cause.
        holes: runs and ranges that some store has not all of that is known to have been.
    """

    skipped: dict[Key, Intervals]
    lost: dict[Key, dict[int, Intervals]]
    holes: list[Key]


def found_in(stores: Sequence[Store]) -> Found:
    """What stores tell a collector that begins."""
    found = Found({}, {}, [])
    ends: dict[Key, int] = {}
    holds = [store.held() for store in stores]
    for held in holds:
        for key, intervals in held.items():
            ends[key] = max(ends.get(key, 1), intervals.stop)
    found.holes.extend(
        key for key, end in ends.items() if any(key not in held or not held[key].covers(1, end) for held in holds)
    )
    for store in stores:
        for loss in store.losses():
            if loss.cause == NOT_ASKED:
                found.skipped.setdefault(loss.key, Intervals()).add(loss.start, loss.stop)
            elif loss.cause != GAP:
                causes = found.lost.setdefault(loss.key, {})
                causes.setdefault(loss.cause, Intervals()).add(loss.start, loss.stop)
    return found

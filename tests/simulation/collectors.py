"""A collector: the real `Session`, `Core` and `Writer`, without threads and sockets.

It outlives its crashes: what its stores hold durably is there when it starts again, with another UUID.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from zlog import limits
from zlog.collector.core import Core
from zlog.collector.parts import found_in
from zlog.collector.writer import Damaged, Told
from zlog.core.discovery import HEADER, POOL, PROTO, SYNC
from zlog.core.intervals import Intervals
from zlog.core.parcels import Key
from zlog.core.session import Demand, Session, Since, Sink
from zlog.core.session_effects import Effect
from zlog.severity import RANGES
from zlog.wire import zre_log_msg as wire

from .edges import Reader, Receiver
from .network import Connection, Listener
from .stores import SimStore, SimWriter
from .wires import shown
from .world import MS, SECOND, Violation

if TYPE_CHECKING:
    from .scene import Scene

_PREFIXES: Final = (b"\xaa\xa2\x01", b"\xaa\xa2\x02", b"\xaa\xa2\x03")
_READY: Final = b"\xaa\xa2\xff"
#: Who ends in order waits so often, a tenth of a second each time, for stores to have written.
_PATIENCE: Final = 50


class Collector:
    """A collector, through its starts and crashes.

    Args:
        name, host: of it.
        stores: where it stores.
        view: it is iterated over.
        demand, since, pool: as of `zlog.Collector`.
        ports: live and sync, the same at each start; None for other ones each time.
        named: nodes find it by its address only, not by ZRE.
        live_port: 0 for one that has no live endpoint.
    """

    def __init__(
        self,
        scene: Scene,
        name: str,
        host: str,
        stores: list[SimStore],
        *,
        view: bool = False,
        demand: Demand | None = None,
        since: Since = None,
        pool: str = "",
        ports: tuple[int, int] | None = None,
        named: bool = False,
        live: bool = True,
        adverts: bool = False,
    ) -> None:
        self.scene = scene
        self.world = scene.world
        self.name = name
        self.host = host
        self.stores = stores
        self.demand = demand or Demand()
        self.since: Since = since
        self.pool = pool
        self.named = named
        self.adverts = adverts
        self.uuid: UUID | None = None
        self.session: Session | None = None
        self.began = 0
        self.paused = False
        self.leaving = False
        self.finished = False
        self.held_back = False
        self.reader: Reader | None = None
        self._with_live = live
        self._ports = ports
        self._next_port = 20_000 if ports is None else 0
        self._with_view = view or not stores
        self._core: Core | None = None
        self._receiver: Receiver | None = None
        self._writers: list[SimWriter] = []
        self._live: Listener | None = None
        self._sync: Listener | None = None
        self._turn_at: int | None = None
        self._checked_at = 0
        for store in stores:
            store.owner = self
            store.open()

    @property
    def is_up(self) -> bool:
        return self.session is not None

    @property
    def sync_endpoint(self) -> str:
        return self._sync.endpoint if self._sync is not None else ""

    def headers(self) -> dict[str, str]:
        assert self._sync is not None
        headers = {PROTO: "2", SYNC: self._sync.endpoint}
        headers[HEADER] = self._live.endpoint if self._live is not None else self._sync.endpoint
        return headers | ({POOL: self.pool} if self.pool else {})

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        world = self.world
        self.uuid = world.uuid()
        self.scene.truth.started(self)
        self.began = world.now
        self.world.trace(self.name, f"starts as {self.uuid.hex[:8]}")
        if self._ports is None:
            self._next_port += 2
        sync_port, live_port = self._ports or (self._next_port, self._next_port + 1)
        before = found_in(self.stores)
        sinks = [Sink(store.durable and not store.optional, True, store.holds, store.gaps) for store in self.stores]
        self.reader = Reader(self, lambda parcel: self._tell(Damaged(parcel))) if self._with_view else None
        if self.reader is not None:
            sinks.append(Sink(False, False, lambda key: None))
        self.session = Session(
            self.uuid,
            self.name,
            world.now,
            self.scene.wall(self.host),
            sinks,
            port=live_port if self._with_live else 0,
            demand=self.demand,
            since=self.since,
            skipped=before.skipped,
            lost=before.lost,
            holes=before.holes,
        )
        self._receiver = Receiver(self)
        self._writers = [SimWriter(self, sink, store, self._tell) for sink, store in enumerate(self.stores)]
        view = self.reader.view if self.reader is not None else None
        self._core = Core(self.session, self._receiver, self._writers, view, lambda: None)  # type: ignore[arg-type]
        self.paused = self.leaving = self.finished = False
        owner = self.uuid.bytes
        address = f"tcp://{self.host}"
        network = self.scene.network
        self._sync = Listener(
            network, self.host, f"{address}:{sync_port}", "sync", owner, lambda connection: None, self._on_sync,
            self._is_stopped,
        )  # fmt: skip
        if self._with_live:
            self._live = Listener(
                network, self.host, f"{address}:{live_port}", "live", owner, self._on_live_accept, self._on_live,
                self._is_full,
            )  # fmt: skip
        self.scene.zre.announce(self)
        self.wake()

    def move(self, host: str) -> None:
        """It starts elsewhere the next time, with its stores."""
        self.world.trace(self.name, f"moves from {self.host} to {host}")
        self.host = host

    def crash(self) -> None:
        """kill -9: what is not durable is gone."""
        self.world.trace(self.name, "is killed")
        self.scene.zre.vanish(self)
        self._end()
        for store in self.stores:
            if not store.durable:
                store.forget()

    def leave(self) -> None:
        """It ends in order. Nodes hear of it; a second later it writes what it has, names what is missing, and is gone:
        `zlog.collector.parts.Parts.stop`."""
        self.world.trace(self.name, "leaves")
        self.leaving = True
        self.scene.zre.leave(self)
        self.world.after(SECOND, self._left, self.session)

    def pause(self, duration: int) -> None:
        """SIGSTOP."""
        self.paused = True
        self.world.trace(self.name, f"is stopped for {duration / SECOND:.3f} s")
        self.world.after(duration, self._resume, self.session)
        if duration > 3 * SECOND:  # the other side may take it for gone
            for listener in (self._live, self._sync):
                for connection in listener.connections.values() if listener is not None else ():
                    if self.world.random.random() < 0.5:
                        self.world.after(3 * SECOND, connection.breaks, 10 * MS, duration - 3 * SECOND)

    def want(self, demand: Demand, node: UUID | None) -> None:
        """The user wants something else."""
        if self._core is None or self.session is None:
            return
        session, truth = self.session, self.scene.truth
        self.world.trace(self.name, f"wants {demand} of {node.hex[:4] if node else 'all'}")
        truth.varies(self)
        if node is None and not demand.seconds:
            self.demand = demand

        def ask(now: int) -> list[Effect]:
            effects = session.demand(demand, node, now)
            truth.look_collector(self)
            return effects

        self._core.apply(ask)
        self.wake()

    def send(self, identity: bytes, frame: bytes) -> None:
        assert self._sync is not None
        if frame[:3] == b"\xaa\xa2\x09":
            self._check_commit(frame)
        if self.world.tell:
            self.world.trace(self.name, f"says {shown(frame)} to {identity.hex()}")
        if not self._sync.send(identity, frame):
            self._unreachable(identity)

    def link_of(self, node: bytes) -> Any:
        """The session's link to a node, if there is one."""
        if self.session is None:
            return None
        return self.session._contact.by_node.get(node)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        for writer in self._writers:
            writer.die()
        for listener in (self._live, self._sync):
            if listener is not None:
                listener.close()
        self._live = self._sync = self._core = self.session = self._receiver = None
        self._writers = []
        self._turn_at = None

    def _left(self, session: Session, ends: dict[Key, int] | None = None, tries: int = 0) -> None:
        if self.session is not session or self._core is None:
            return
        if not self.finished:
            self.finished = True  # nothing more is read of the live link, nor taken
            self._core.call(self._core.finish)
            self.wake()
        idle = all(writer.is_idle or store.fails for writer, store in zip(self._writers, self.stores, strict=True))
        if self.paused or (not idle and tries < _PATIENCE):
            self.world.after(100 * MS, self._left, session, ends, tries + 1)
        elif ends is None:
            ends = {key: stream.end for key, stream in session.book.streams.items() if stream.begun}
            self._core.apply(session.end)
            self.wake()
            self.world.after(100 * MS, self._left, session, ends)
        else:
            if tries < _PATIENCE:
                self._check_whole(ends)
            self.crash()

    def _check_whole(self, ends: dict[Key, int]) -> None:
        """Who ends in order has stored or named all that it knows of."""
        for store in self.stores:
            for key, end in ends.items():
                if not store.fails and (lacks := store.lacks(key, end)):
                    raise Violation(f"{self.name} ends, {store.path} has neither stored nor named {lacks} of {key[2]}")

    def _resume(self, session: Session) -> None:
        if self.session is session:
            self.paused = False
            self._resume_reading()
            self.wake()

    def _resume_reading(self) -> None:
        self.held_back = False
        for listener in (self._live, self._sync):
            if listener is not None:
                listener.resume()

    def _is_stopped(self) -> bool:
        return self.paused

    def _is_full(self) -> bool:
        if self._receiver is not None and self._receiver.is_full:
            self.held_back = True
            return True
        return self.paused or self.finished

    def _on_live_accept(self, connection: Connection) -> None:
        assert self.uuid is not None
        for prefix in (*_PREFIXES, _READY + self.uuid.bytes):
            connection.send_down(b"\x01" + prefix)

    def resubscribe(self) -> None:
        """Subscriptions end and come back, as when somebody changes them."""
        if self._live is None or self.uuid is None:
            return
        prefixes = (*_PREFIXES, _READY + self.uuid.bytes)
        self.world.trace(self.name, "subscribes anew")
        for connection in self._live.connections.values():
            for prefix in reversed(prefixes):  # the marker ends first, as it comes last
                connection.send_down(b"\x00" + prefix)
            for prefix in prefixes:
                connection.send_down(b"\x01" + prefix)

    def _on_live(self, connection: Connection, frame: bytes) -> None:
        assert self._receiver is not None
        if self.world.tell:
            self.world.trace(self.name, f"gets {shown(frame)} live")
        self._receiver.live.append(frame)
        self._receiver.live_bytes += len(frame)
        self.wake(self.world.between(10_000, MS))

    def _on_sync(self, connection: Connection, frame: bytes) -> None:
        assert self._receiver is not None
        if self.world.tell:
            self.world.trace(self.name, f"gets {shown(frame)} from {connection.identity.hex()}")
        self._receiver.sync.append((connection.identity, frame))
        self._receiver.sync_bytes += len(frame)
        self.wake(self.world.between(10_000, MS))

    def _unreachable(self, identity: bytes) -> None:
        if self._core is not None and self.session is not None:
            self._core.apply(functools.partial(self.session.unreachable, identity))
            self.wake()

    def _tell(self, news: Told) -> None:
        if self._core is not None:
            self._core.tell(news)
            self.wake(10_000)

    def wake(self, delay: int = 0) -> None:
        at = self.world.now + delay
        if self._turn_at is None or at < self._turn_at:
            self._turn_at = at
            self.world.after(delay, self._turn, at)

    def _turn(self, at: int) -> None:
        """`Core._run`, once."""
        if at != self._turn_at:
            return
        self._turn_at = None
        core, session, receiver = self._core, self.session, self._receiver
        if core is None or session is None or receiver is None or self.paused:
            return
        self.scene.clock.skew = self.scene.skews.get(self.host, 0)
        for _, frame in receiver.sync:
            if frame[:3] == b"\xaa\xa2\x05":
                self.scene.truth.offered(self, frame)
        core._turn()
        if self.reader is not None:
            self.reader.read()
        for writer in self._writers:
            writer.look()
        self.scene.truth.look_collector(self)
        self._check()
        if self.held_back and not receiver.is_full:
            self._resume_reading()
        if core._can_go_on():
            self.wake(10_000)
        else:
            self.wake(max(10_000, min(session.due - self.world.now, SECOND)))

    # --- what always holds --------------------------------------------------------------------------------------------

    def _check(self) -> None:
        for writer in self._writers:
            writer.check()
        session = self.session
        assert session is not None
        if self.world.now < self._checked_at + 200 * MS:
            return
        self._checked_at = self.world.now
        nodes = [link.run.id[0] for link in session.links.values()]
        if len(set(nodes)) < len(nodes):
            raise Violation(f"{self.name} keeps two links to one node")
        if session._repair.lent > limits.COLLECTOR_CREDIT_BYTES:
            raise Violation(f"{self.name} has lent {session._repair.lent} octets")
        for run in session.runs.values():
            for stream in run.streams:
                if stream is not None and any(len(share.has) > limits.MAX_INTERVALS for share in stream.shares):
                    raise Violation(f"{self.name} keeps too many intervals")

    def _check_commit(self, frame: bytes) -> None:
        """Section 6.6, rule 2: required stores still have it after a crash."""
        message = wire.decode(frame)
        assert isinstance(message, wire.Commit)
        assert self.session is not None
        key = (message.node.bytes, message.epoch, message.severity)
        run = self.session.runs[key[:2]]
        stream = run.streams[RANGES.index(message.severity)]
        assert stream is not None
        claimed = Intervals.decode(message.intervals)
        claimed.add(stream.base, message.through + 1)
        for store in self.stores:
            if store.durable and not store.optional:
                held = store._held.get(key) or Intervals()
                for start, stop in claimed:
                    if not held.covers(start, stop):
                        raise Violation(
                            f"{self.name} commits [{start}, {stop}) of {message.severity}, {store.path} has {held}"
                        )

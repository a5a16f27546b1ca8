"""`Collector`: what a program touches. It puts the parts together, and takes them apart again in order."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import re
import socket
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Final, Literal, Self
from uuid import UUID, uuid4

from zlog import report, severity
from zlog.collector.announce import Announcer, address_of, headers_of
from zlog.collector.core import Core
from zlog.collector.sockets import Receiver
from zlog.collector.status import CollectorStatus, StoreStatus, nodes_of
from zlog.collector.stores import Loss, Store, open_store
from zlog.collector.view import View
from zlog.collector.writer import Damaged, Writer
from zlog.core.intervals import Intervals
from zlog.core.parcels import Key
from zlog.core.session import Demand, Session, Sink
from zlog.core.session_effects import NOT_ASKED
from zlog.errors import CollectorError
from zlog.record import Stored

if TYPE_CHECKING:
    import pyre

if sys.platform != "win32":
    import resource

__all__ = ["Collector"]

log: Final = logging.getLogger("zlog.collector")

ZRE_PORT: Final = 5670
#: How long a stop waits for nodes to say their last word, once they were told.
FAREWELL_S: Final = 1.0
#: How long it waits for nodes to have read what was said last.
LAST_WORDS_S: Final = 0.3
#: How long nothing must come before all has come.
QUIET_S: Final = 0.05
_BIND: Final = re.compile(
    r"tcp://(?P<host>\*|\[[0-9A-Fa-f:.]+\]|[0-9.]+|[A-Za-z][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}|\*))?"
)

_running: weakref.WeakSet[Collector] = weakref.WeakSet()


class Collector:
    """Takes the records of all nodes that it reaches, into stores, and hands them out if asked to.

    Used as ``with Collector("sqlite:log.db") as collector``, or by `start` and `stop`. Nodes find it by ZRE within
    about a second; `bind` makes it reachable for those that beacons don't reach. It goes on whatever nodes and stores
    do.

    Args:
        stores: where records go: URLs, or stores, which are opened if they aren't open.
        node: the application's ZRE node; by default one of its own.
        name: of its own node; by default made of the host's name.
        interface, port: of its own node: network interface, UDP port of the beacons (``ZLOG_INTERFACE`` and
            ``ZLOG_PORT`` if not given).
        bind: ``tcp://HOST:PORT`` for sync, and the next port for live; without a port any two. By default the address
            of the ZRE node.
        discover: whether ZRE is used at all; without, `bind` is needed.
        level: what it wants, and what is worse: a name or a severity. Nodes don't send the rest.
        logger: the logger whose level nodes may lower for that, and those below it; by default all.
        seconds: how long it wants that; 0 for as long as it runs.
        since: of runs that were there first: "start" for all that nodes still hold, or what was logged from a time on,
            nanoseconds since 1970. By default what is logged from now on.
        pool: collectors of one pool share the nodes.
        view: records are handed out too, by iterating. Without stores they always are.

    Attributes:
        uuid, name: of the collector, which are those of its ZRE node.

    Raises:
        CollectorError, StoreError, ValueError: an argument isn't possible.
    """

    def __init__(
        self,
        *stores: str | Store,
        node: pyre.Pyre | None = None,
        name: str | None = None,
        interface: str | None = None,
        port: int | None = None,
        bind: str | None = None,
        discover: bool = True,
        level: int | str = "info",
        logger: str = "",
        seconds: int = 0,
        since: Literal["start"] | int | None = None,
        pool: str | None = None,
        view: bool = False,
    ) -> None:
        if not discover and bind is None:
            raise CollectorError("a collector without discovery can't be found", "say where it is to bind")
        if node is not None and not discover:
            raise CollectorError("a node is of no use without discovery", "leave one of them out")
        self._stores = [open_store(store) if isinstance(store, str) else store for store in stores]
        self._opened: list[Store] = []
        self._node = node
        self._interface = interface or os.environ.get("ZLOG_INTERFACE") or None
        self._zre_port = port or int(os.environ.get("ZLOG_PORT") or ZRE_PORT)
        self._bind = _parse_bind(bind)
        self._discover = discover
        self._demand = Demand(_severity(level), logger, seconds)
        self._since = since
        self._pool = pool
        self._with_view = view or not stores
        self._lock = threading.RLock()
        self._parts: _Parts | None = None
        self._ended = False
        self._last = CollectorStatus()
        self._last_losses: list[Loss] = []
        self._announcer: Announcer | None = None
        self.name = name or f"{socket.gethostname()}-collector"
        self.uuid = uuid4()
        if discover:
            self._announcer = Announcer(
                node, self.name, self._interface, self._zre_port, self._call, self._met, self._left
            )
            self.uuid, self.name = self._announcer.uuid, self._announcer.name
        self._view = View(self._damaged) if self._with_view else None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Collector {self.name} {self.uuid}>"

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Begin. When it returns, stores are open, sockets are bound and nodes can come.

        Raises:
            CollectorError: it can't bind, or was started before.
            StoreError: a store can't be opened.
            OSError: the UDP port of the beacons is taken.
        """
        with self._lock, contextlib.ExitStack() as undo:
            if self._parts is not None or self._ended:
                raise CollectorError("this collector was started already", "make a new one")
            _raise_limit()
            undo.callback(self._close_stores)
            for store in self._stores:
                if not store._open:
                    store.open()
                    self._opened.append(store)
            parts = _Parts(self)
            undo.callback(parts.abandon)
            self._parts = parts
            undo.callback(setattr, self, "_parts", None)
            parts.start()
            undo.pop_all()
            _running.add(self)
        return self

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Tell the nodes, take what they still send, write it, say so to them, and end. Harmless twice.

        Returns:
            whether everything that was received is in the stores.
        """
        with self._lock:
            parts = self._parts
            if parts is None:
                return True
            whole = parts.stop(time.monotonic() + timeout_s)
            self._last, self._last_losses = parts.status(), list(parts.core.losses)
            self._parts = None
            self._ended = True
            _running.discard(self)
            self._close_stores()
        if self._view is not None:
            self._view.end()
        return whole

    def _close_stores(self) -> None:
        for store in self._opened:
            store.close()
        self._opened.clear()

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def live(self) -> str:
        """The endpoint of the live link, ``tcp://address:port``; empty while there is no network."""
        return self._parts.live if self._parts is not None else self._last.live

    @property
    def sync(self) -> str:
        """The endpoint of sync: what a node takes as the address of a collector."""
        return self._parts.sync if self._parts is not None else self._last.sync

    def status(self) -> CollectorStatus:
        """How things are now, or were when it stopped."""
        parts = self._parts
        return self._last if parts is None else parts.core.ask(parts.status)

    def losses(self) -> list[Loss]:
        """What was named as gone since the start: the last of it, the stores have all."""
        parts = self._parts
        return list(self._last_losses) if parts is None else parts.core.ask(lambda: list(parts.core.losses))

    def wait_until(self, predicate: Callable[[CollectorStatus], bool], timeout_s: float = 10.0) -> bool:
        """Wait until a status fits, looked at whenever something has changed; whether one did."""
        parts = self._parts
        if parts is None:
            return predicate(self._last)
        return parts.core.wait_until(lambda: predicate(self.status()), timeout_s)

    # --- what it wants ------------------------------------------------------------------------------------------------

    def demand(self, level: int | str, logger: str = "", seconds: int = 0, node: UUID | None = None) -> None:
        """Want something else from now on, of one node that is connected, or of all and those that will come.

        After `seconds` what was wanted of all before holds again.
        """
        demand = Demand(_severity(level), logger, seconds)
        parts = self._parts
        if parts is not None:
            parts.core.apply(lambda now: parts.session.demand(demand, node, now))

    # --- records ------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Stored]:
        return self.records()

    def __aiter__(self) -> AsyncIterator[Stored]:
        return self._viewed().arecords()

    def records(self, timeout_s: float | None = None) -> Iterator[Stored]:
        """Records in the order of their arrival: what is there, and what comes, until the collector has stopped.

        Args:
            timeout_s: end also when for so long none came; 0 for what is there.
        """
        return self._viewed().records(timeout_s)

    def _viewed(self) -> View:
        if self._view is None:
            raise CollectorError("this collector only stores", "make it with view=True")
        return self._view

    # --- from the ZRE node --------------------------------------------------------------------------------------------

    def _call(self, action: Callable[[], object]) -> None:
        if self._parts is not None:
            self._parts.core.call(action)

    def _met(self, peer: UUID, name: str, endpoint: str) -> None:
        if self._parts is not None:
            self._parts.session.peer(peer, name, endpoint)

    def _left(self, peer: UUID) -> None:
        if self._parts is not None:
            self._parts.session.peer_left(peer)

    def _damaged(self, parcel: object) -> None:
        if self._parts is not None:
            self._parts.core.tell(Damaged(parcel))  # type: ignore[arg-type] # it is a Parcel

    def _abandon(self) -> None:
        """In a child process after fork: threads, sockets and stores are the parent's."""
        self._lock = threading.RLock()
        self._parts = None
        self._ended = True
        self._opened.clear()
        if self._view is not None:
            self._view = View(self._damaged)
            self._view.end()


class _Parts:
    """A collector at work."""

    def __init__(self, owner: Collector) -> None:
        self._owner = owner
        self._announcer = owner._announcer
        self.live = self.sync = ""
        self._view = owner._view
        self._ports = (0, 0)
        self.receiver = Receiver(owner.uuid, self._wake, self._unreachable)
        skipped, lost = _named(owner._stores)
        sinks = [Sink(store.durable and not store.optional, True, store.holds) for store in owner._stores]
        if self._view is not None:
            sinks.append(Sink(False, False, lambda key: None))
        self.session = Session(
            owner.uuid,
            owner.name,
            time.monotonic_ns(),
            time.time_ns(),
            sinks,
            demand=owner._demand,
            since=owner._since,
            skipped=skipped,
            lost=lost,
        )
        self.writers = [Writer(sink, store, self._told) for sink, store in enumerate(owner._stores)]
        self.core = Core(self.session, self.receiver, self.writers, self._view, self._look)

    def start(self) -> None:
        """Bind, start the threads, and tell the network."""
        owner = self._owner
        if self._announcer is not None:
            self._announcer.watch()
        address = address_of(owner._interface) if owner._node is None and owner._discover else ""
        if owner._node is not None:
            assert self._announcer is not None
            address = self._announcer.address()
        self._bind(address)
        for writer in self.writers:
            writer.start("zlog")
        self.core.start("zlog")
        self.receiver.start("zlog")
        if self._announcer is not None:
            if self.live:
                self._announcer.announce(self._headers())
            self._announcer.start()
            self._announcer.ready()

    def stop(self, deadline: float) -> bool:
        """End in order; whether all that was received is stored."""
        clock = time.monotonic
        if self._announcer is not None:
            self._announcer.leave()
            told = min(deadline, clock() + FAREWELL_S)
            self.core.wait_until(lambda: self.core.ask(lambda: not self._talking()), max(0.0, told - clock()))
        self._drain(deadline)
        whole = not [writer for writer in self.writers if not writer.wait_idle(deadline, clock)]
        self.core.ask(self._commit)
        answered = min(max(deadline, clock() + 0.05), clock() + LAST_WORDS_S)
        self.core.wait_until(lambda: self.core.ask(self._is_heard), answered - clock())
        if self._announcer is not None:
            self._announcer.stop()
        for writer in self.writers:
            writer.stop(max(1.0, deadline - clock()))
        self.core.stop()
        self.receiver.stop()
        return whole

    def abandon(self) -> None:
        """The start has failed."""
        if self._announcer is not None:
            with contextlib.suppress(Exception):
                self._announcer.stop()
        for writer in self.writers:
            writer.stop(1.0)
        self.core.stop()
        self.receiver.stop()

    def status(self) -> CollectorStatus:
        """In the core's thread."""
        session = self.session
        sinks = range(len(self.writers)) if self.writers else [0]
        return CollectorStatus(
            nodes=nodes_of(session, sinks),
            stores=[
                StoreStatus(writer.store.url, writer.records, writer.behind, writer.failing) for writer in self.writers
            ],
            received=session.received,
            below=session.below,
            discarded=dict(session.discarded),
            legacy_received=session.legacy.received,
            legacy_collisions=session.legacy.collisions,
            view_dropped=self._view.dropped if self._view is not None else 0,
            live=self.live,
            sync=self.sync,
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
            now = self.receiver.live_bytes
            if now != received or not self.core.ask(self.core.is_idle):
                received, quiet = now, time.monotonic() + QUIET_S

    def _commit(self) -> None:
        """Say what is stored, without waiting for the usual time."""
        self.core._hear()
        now = time.monotonic_ns() + 1_000_000_000
        self.core._carry_out(self.session.tick(now, behind=True))
        self.core._carry_out(self.session.ping(now, time.time_ns(), everybody=True))
        self.receiver.flush()

    def _is_heard(self) -> bool:
        """Whether the nodes have read the last COMMIT: libzmq drops what isn't read when the connection ends."""
        return not any(link.pong for link in self.session.open_links())

    def _bind(self, address: str, again: bool = False) -> None:
        """Bind where the collector is to be reached; nothing is bound while there is no address."""
        wish = self._owner._bind
        host, port = wish or (address, 0)
        if not host:
            report.log(logging.WARNING, "waits: there is no network to be found in", to=log)
            return
        sync_port, live_port = (port, port + 1 if port else 0) if wish else self._ports
        open_ = self.receiver.reopen if again else self.receiver.open
        try:
            sync_port, live_port = open_(host, sync_port, live_port)
        except CollectorError:
            if wish or not any(self._ports):
                raise
            sync_port, live_port = open_(host, 0, 0)  # somebody has these ports there
        self._ports = sync_port, live_port
        self.session.port = live_port
        shown = address or address_of(None) or "127.0.0.1" if host in ("*", "0.0.0.0", "[::]") else _numeric(host)
        self.sync, self.live = f"tcp://{shown}:{sync_port}", f"tcp://{shown}:{live_port}"

    def _headers(self) -> dict[str, str]:
        return headers_of(self.live, self.sync, self._owner._pool)

    def _look(self) -> None:
        """Follow the node to another address."""
        announcer = self._announcer
        if announcer is None or not announcer.follows:
            return
        address = announcer.address()
        shown = self.sync.removeprefix("tcp://").rpartition(":")[0]
        wish = self._owner._bind
        moved = address and address != shown and (wish is None or wish[0] in ("*", "0.0.0.0", "[::]"))
        if not moved:
            return
        if wish is None:
            threading.Thread(target=self._move, args=(address,), name="zlog-move", daemon=True).start()
        else:
            self._show(address)

    def _move(self, address: str) -> None:
        """Bind at another address; not in the core's thread, as it waits for the receiver's."""
        try:
            self._bind(address, again=True)
        except CollectorError as error:
            report.log(logging.WARNING, "%s; it goes on trying", error, to=log)
            return
        self.core.call(self._announce)

    def _show(self, address: str) -> None:
        sync_port, live_port = self._ports
        self.sync, self.live = f"tcp://{address}:{sync_port}", f"tcp://{address}:{live_port}"
        self._announce()

    def _announce(self) -> None:
        assert self._announcer is not None
        report.log(logging.INFO, "is at %s now", self.sync, to=log)
        self._announcer.announce(self._headers())

    def _wake(self) -> None:
        self.core.wake()

    def _told(self, news: object) -> None:
        self.core.tell(news)  # type: ignore[arg-type] # it is one of Told

    def _unreachable(self, identity: bytes) -> None:
        self.core.apply(functools.partial(self.session.unreachable, identity))


def _named(stores: list[Store]) -> tuple[dict[Key, Intervals], dict[Key, Intervals]]:
    """What stores have noted: as not asked for, and as gone."""
    skipped: dict[Key, Intervals] = {}
    lost: dict[Key, Intervals] = {}
    for store in stores:
        for loss in store.losses():
            kind = skipped if loss.cause == NOT_ASKED else lost
            kind.setdefault(loss.key, Intervals()).add(loss.start, loss.stop)
    return skipped, lost


def _parse_bind(bind: str | None) -> tuple[str, int] | None:
    if bind is None:
        return None
    match = _BIND.fullmatch(bind)
    port = match["port"] if match else None
    number = int(port) if port and port != "*" else 0
    if match is None or number > 65_534:
        raise CollectorError(f"{bind!r} is no address to bind", "write tcp://HOST:PORT, and * for all addresses")
    return match["host"], number


def _numeric(host: str) -> str:
    """The address of a host, as headers have to have it."""
    if host.startswith("["):
        return host
    with contextlib.suppress(OSError):
        return socket.gethostbyname(host)
    return host


def _severity(level: int | str) -> int:
    if isinstance(level, str):
        return severity.parse(level)
    severity.range_of(level)
    return level


def _raise_limit() -> None:
    """A thousand nodes need four thousand descriptors."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _stop_all() -> None:
    for collector in list(_running):
        with contextlib.suppress(Exception):
            collector.stop(3.0)


def _abandon_all() -> None:
    for collector in list(_running):
        collector._abandon()
    _running.clear()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)

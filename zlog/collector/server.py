"""`Collector`: what a program touches. `zlog.collector.parts` does the work."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Literal, Self
from uuid import UUID, uuid4

from zlog import severity
from zlog.collector.announce import Announcer
from zlog.collector.parts import Parts, Plan
from zlog.collector.place import parse_bind
from zlog.collector.status import CollectorStatus
from zlog.collector.stores import Loss, Store, open_store
from zlog.collector.view import View
from zlog.collector.writer import Damaged
from zlog.config import beacon_port
from zlog.core.session import Demand
from zlog.errors import CollectorError
from zlog.record import Stored

if TYPE_CHECKING:
    import pyre

if sys.platform != "win32":
    import resource

__all__ = ["Collector"]


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
        since: of runs that were there first: "start" for all that nodes still hold, with a name for what they don't; or
            what was logged from a time on, nanoseconds since 1970. By default what is logged from now on.
        pool: collectors of one pool share the nodes.
        view: records are handed out too, by iterating. Without stores they always are.

    Attributes:
        uuid, name: of the collector, which are those of its ZRE node.

    Raises:
        CollectorError, SettingsError, StoreError, ValueError: an argument, or the environment, isn't possible.
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
        interface = interface or os.environ.get("ZLOG_INTERFACE") or None
        zre_port = beacon_port(port)
        demand = Demand(_severity(level), logger, seconds)
        self._plan = Plan(self._stores, node, interface, parse_bind(bind), discover, demand, since, pool)
        self._lock = threading.RLock()
        self._parts: Parts | None = None
        self._ended = False
        self._last = CollectorStatus()
        self._last_losses: list[Loss] = []
        self._announcer: Announcer | None = None
        self.name = name or f"{socket.gethostname()}-collector"
        self.uuid = uuid4()
        if discover:
            self._announcer = Announcer(node, self.name, interface, zre_port, self._call, self._met, self._left)
            self.uuid, self.name = self._announcer.uuid, self._announcer.name
        self._view = View(self._damaged) if view or not stores else None

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
            parts = Parts(self._plan, self.uuid, self.name, self._announcer, self._view)
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
            self._last, self._last_losses = parts.status(), parts.core.standing()
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
        return self._parts.place.live if self._parts is not None else self._last.live

    @property
    def sync(self) -> str:
        """The endpoint of sync: what a node takes as the address of a collector."""
        return self._parts.place.sync if self._parts is not None else self._last.sync

    def status(self) -> CollectorStatus:
        """How things are now, or were when it stopped."""
        parts = self._parts
        return self._last if parts is None else parts.core.ask(parts.status)

    def losses(self) -> list[Loss]:
        """What was named as gone since the start, or is missing and nobody is there who could have it: the last of it,
        the stores have all."""
        parts = self._parts
        return list(self._last_losses) if parts is None else parts.core.ask(parts.core.standing)

    @property
    def view_dropped(self) -> int:
        """Records that nobody read in time, and that readers don't get any more."""
        return self._view.dropped if self._view is not None else 0

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

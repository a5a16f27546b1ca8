"""`Agent`: a node that logs. It finds collectors and ships its records to them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, Self
from uuid import UUID, uuid4

import pyre

from zlog.agent.engine import Engine
from zlog.agent.intake import Intake
from zlog.agent.network import Network
from zlog.agent.views import AgentStatus, LinkView, view_of
from zlog.agent.waiters import Flush, Waiter
from zlog.collector import local
from zlog.config import Settings
from zlog.core.batches import Cutter, Run
from zlog.core.discovery import Discovery, Effect
from zlog.core.holdings import Holdings
from zlog.core.journal import Journal
from zlog.core.link import Own
from zlog.report import Once
from zlog.severity import RANGES

if TYPE_CHECKING:
    from zlog.agent.disk import DiskJournal

__all__ = ["Agent", "AgentStatus", "LinkView"]

#: A node's first beacon is answered within milliseconds; the second one follows after a second. So long a program that
#: ends waits for collectors that it has not found yet.
DISCOVERY_S: Final = 1.2


class Agent:
    """A node that logs: the sink of `zlog.Handler`. Made by `zlog.start` and `zlog.attach`; a context manager, too.

    Records are taken from its making on. Its thread, and its ZRE node if the application gave none, start with `start`
    or with the first record. A forked child has an agent of its own in this object's place: another UUID, another run,
    nothing of the parent's records; it starts with the child's first record.

    Args:
        settings: see `zlog.config.Settings`.
        node: the application's Pyre node, ours or a published one. Its events are logged, too.
    """

    def __init__(self, settings: Settings | None = None, node: pyre.Pyre | None = None) -> None:
        self.settings = settings if settings is not None else Settings.read()
        slots = None
        if self.settings.journal is not None:
            from zlog.agent import tally

            slots = tally.slots()
        self._intake = Intake(self._wake, slots)
        self.queue = self._intake
        self.record = self._intake.record
        self._make(node)
        _agents.append(self)

    def _make(self, node: pyre.Pyre | None) -> None:
        """A new run."""
        settings = self.settings
        self._lock = threading.Lock()
        self._state: Literal["new", "running", "ended"] = "new"
        self._born = time.monotonic()
        self._starter: threading.Thread | None = None
        uuid = node.uuid() if node is not None else uuid4()
        run = Run(uuid, time.time_ns())
        name = node.name() if node is not None else settings.name
        self._own = Own(settings.host, name, os.getpid(), time.monotonic_ns())
        self._holdings = Holdings(run, Journal(settings.journal_bytes))
        self._cutter = Cutter(run, settings.host, name, os.getpid())
        self._disk = self._make_disk()
        self._engine: Engine | None = None
        self._network: Network | None = None
        self._undo: Callable[[], None] = lambda: None
        self._node = node
        self._intake.sleep(-1)  # the first record wakes it

    def _forget(self) -> None:
        """In a forked child of a process that was ending it: it stays ended, and nothing of the parent's is used."""
        self._lock = threading.Lock()
        self._engine = self._network = self._disk = self._node = self._starter = None
        self._undo = lambda: None
        self._intake.awake()

    # --- life ---------------------------------------------------------------------------------------------------------

    @property
    def uuid(self) -> UUID:
        """The node's UUID, as collectors show it."""
        return self._holdings.run.node

    @property
    def epoch(self) -> int:
        """What tells this run from others of the node."""
        return self._holdings.run.epoch

    @property
    def name(self) -> str:
        return self._own.name

    def start(self) -> Self:
        """Start to look for collectors. Does nothing if it runs, or has ended."""
        with self._lock:
            if self._state != "new":
                return self
            once = Once(f"agent {self._own.name}")
            discovery = Discovery(
                self._holdings.run.node,
                self._own.began,
                self.settings.collectors,
                self.settings.allow_hosts,
                lambda cause, what: once.warn(f"{cause} {what}", "%s", what),
            )
            network = self._make_network(discovery)
            engine = Engine(
                self._intake,
                self._holdings,
                self._cutter,
                self._own,
                discovery,
                self,
                self.settings.floor,
                network.legacy_id,
                self._disk,
            )
            self._engine, self._network = engine, network
            engine.start()
            self._state = "running"
            _stop_with_worker(self)
            look = functools.partial(self._look_here, engine, discovery)
            local.subscribe(look)
            look(self.uuid)
            self._undo = functools.partial(local.unsubscribe, look)
            if self._node is not None or self.settings.discover:
                self._look_around(engine, network)
        return self

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Deliver what there is, as far as the time allows, and end. Records that come later are dropped.

        Returns:
            Whether every durable collector committed all records. True where there are none to deliver.
        """
        deadline = time.monotonic() + timeout_s
        self._start_for_the_rest()
        with self._lock:
            if self._state != "running" or self._engine is None or self._network is None:
                self._state = "ended"
                self._intake.awake()
                if self._engine is None:
                    if self._disk is not None:
                        self._disk.close(time.monotonic_ns())
                    if self in _agents:
                        _agents.remove(self)
                return True
            self._state = "ended"
            engine, network = self._engine, self._network
        self._await_discovery(engine, deadline)
        delivered = self._flush(engine, Flush(receipt=True), deadline)
        if self._starter is not None:
            self._starter.join(max(0.1, deadline - time.monotonic()))
        self._undo()
        engine.stop(max(0.1, deadline - time.monotonic()))
        network.stop()
        self._engine = self._network = self._node = None
        self._intake.awake()
        if self in _agents:
            _agents.remove(self)
        return delivered

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<zlog.Agent {self.name} {self.uuid} {self._state}>"

    # --- waiting ------------------------------------------------------------------------------------------------------

    def flush(self, timeout_s: float = 5.0, *, receipt: bool = False) -> bool:
        """Wait until the records so far are safe.

        Args:
            timeout_s: how long.
            receipt: where no collector stores records, that one has received them is enough.

        Returns:
            Whether every durable collector that is linked has committed them. False at the end of the time, and at
            once when no collector is linked, or none that stores records. In any case they are in the journal then,
            on disk if there is one.
        """
        deadline = time.monotonic() + timeout_s
        self._start_for_the_rest()
        engine = self._engine
        if engine is None or self._state == "ended":
            return False
        self._await_discovery(engine, deadline)
        return self._flush(engine, Flush(receipt), deadline)

    def deliver(self, timeout_s: float = 5.0) -> Literal["committed", "received", "nobody", "late"]:
        """As `flush`, waiting for a collector to come all the time, and saying how it went: by a durable collector,
        by one that only shows records, there was none, or it didn't confirm in time."""
        engine = self.start()._engine
        if engine is None or self._state == "ended":
            return "nobody"
        waiter = Flush(receipt=True)
        engine.wait(waiter, timeout_s)
        if waiter.committed:
            return "committed"
        if waiter.received and not waiter.undecided:
            return "received"
        return "nobody" if waiter.nobody else "late"

    def wait_link(self, timeout_s: float) -> bool:
        """Wait until records flow to a collector; return whether they do."""
        engine = self.start()._engine
        return engine is not None and engine.wait(Waiter(_serves), timeout_s) and not engine.ended

    def status(self) -> AgentStatus:
        """What it does now."""
        engine = self._engine if self._state == "running" else None
        nothing: list[LinkView] = []
        links = engine.ask(_views, nothing) if engine is not None else nothing
        holdings = self._holdings
        return AgentStatus(
            holdings.run.node,
            holdings.run.epoch,
            self.name,
            dict(zip(RANGES, holdings.run.next, strict=True)),
            dict(zip(RANGES, holdings.dropped, strict=True)),
            holdings.journal.bytes,
            holdings.journal.evicted,
            tuple(links),
            len(holdings.earlier),
            engine.disk.unwritten if engine is not None and engine.disk is not None else 0,
            engine.disk.failing if engine is not None and engine.disk is not None else None,
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """A record came that the thread has to look at. From any thread; it must neither wait nor raise."""
        engine = self._engine
        if engine is not None:
            engine.wake()
        elif self._state == "new":
            with contextlib.suppress(Exception):  # no more threads, or the interpreter ends: `stop` tries again
                self.start()

    def _start_for_the_rest(self) -> None:
        """If there are records and the thread isn't there yet, start it."""
        if self._state == "new" and len(self._intake):
            with contextlib.suppress(RuntimeError):
                self.start()

    def _await_discovery(self, engine: Engine, deadline: float) -> None:
        """Give collectors that are there the time to be found."""
        left = min(deadline, self._born + DISCOVERY_S) - time.monotonic()
        if left > 0 and (self.settings.discover or self.settings.collectors or self._node is not None):
            engine.wait(Waiter(_has_links), left)

    def _flush(self, engine: Engine, waiter: Flush, deadline: float) -> bool:
        """Whether the records so far are safe in time. Where there is no link, only the journal is waited for."""
        if not engine.ask(_settled_links, False):
            return False
        engine.wait(waiter, deadline - time.monotonic())
        return waiter.committed or waiter.received

    def _look_here(self, engine: Engine, discovery: Discovery, node: UUID) -> None:
        """Collectors on the agent's own node: ZRE doesn't tell of them."""
        if node == self.uuid:
            engine.call(lambda now: engine.apply(discovery.local(local.on_node(node)), now))

    def _look_around(self, engine: Engine, network: Network) -> None:
        """Start the ZRE node, where it holds up neither the application nor the thread that ships."""
        if self._node is not None:
            network.start()
            return
        self._starter = threading.Thread(target=network.start, name="zlog-start", daemon=True)
        self._starter.start()

    def _make_disk(self) -> DiskJournal | None:
        """The journal on disk, from which the agent's thread is away yet: calls count their records there."""
        settings = self.settings
        if settings.journal is None or self._intake.tally is None:
            return None
        from zlog.agent.disk import DiskJournal

        return DiskJournal(
            settings.journal,
            self._holdings,
            settings.journal_dir_bytes,
            settings.journal_age_s,
            Once(f"agent {self._own.name}", logging.getLogger("zlog.agent")),
            self._intake.tally,
        )

    def _make_network(self, discovery: Discovery) -> Network:
        def call(step: functools.partial[list[Effect]]) -> None:
            if (engine := self._engine) is not None:
                engine.call(lambda now: engine.apply(step(), now))

        def enter(peer: UUID, name: str, headers: dict[str, str], endpoint: str) -> None:
            if (engine := self._engine) is not None:
                engine.call(lambda now: engine.apply(discovery.enter(peer, name, headers, endpoint, now), now))

        return Network(
            self.settings,
            self.uuid,
            self._node,
            self if self._node is not None else None,
            on_enter=enter,
            on_join=lambda peer, group: call(functools.partial(discovery.join, peer, group)),
            on_leave=lambda peer, group: call(functools.partial(discovery.leave, peer, group)),
            on_exit=lambda peer: call(functools.partial(discovery.exit, peer)),
            on_advert=lambda peer, headers: call(functools.partial(discovery.advert, peer, headers)),
        )


def _has_links(engine: Engine) -> bool:
    return bool(engine.links())


def _settled_links(engine: Engine) -> bool:
    engine.settle()
    return _has_links(engine)


def _serves(engine: Engine) -> bool:
    return any(wires.link.serves for wires in engine.links())


def _views(engine: Engine) -> list[LinkView]:
    return [view_of(wires.link) for wires in engine.links()]


# --- the process ------------------------------------------------------------------------------------------------------

_agents: Final[list[Agent]] = []
_inherited: Final[list[object]] = []


def _stop_with_worker(agent: Agent) -> None:
    """In a worker of multiprocessing, which ends without `atexit`."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, agent.stop, args=(agent.settings.exit_timeout_s,), exitpriority=0)


def _stop_all() -> None:
    """The program ends: all agents deliver at the same time, so that it takes no longer than the slowest."""
    stopping = [
        threading.Thread(target=agent.stop, args=(agent.settings.exit_timeout_s,), daemon=True) for agent in _agents[1:]
    ]
    with contextlib.suppress(RuntimeError):  # there can be no new threads: those that couldn't start end as they are
        for each in stopping:
            each.start()
    for agent in _agents[:1]:
        agent.stop(agent.settings.exit_timeout_s)
    for each in stopping:
        if each.ident is not None:
            each.join()


def _in_child() -> None:
    """A child has none of the parent's threads. The sockets stay its parent's: they are neither used nor closed."""
    for agent in list(_agents):
        _inherited.extend(each for each in (agent._engine, agent._network) if each is not None)
        if agent._disk is not None:
            agent._disk.abandon()
        agent._intake.clear()
        if agent._state == "ended":  # and was about to go
            _agents.remove(agent)
            agent._forget()
        else:
            agent._make(None)


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

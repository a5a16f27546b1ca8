"""The edge of ZRE: one thread that owns a node's sockets and drives its pure core.

Other threads hand it calls (`Engine.tell`, `Engine.ask`) and get events through `zlog.zre.outlet`. It never waits for
the application, logs through `zlog.zre.report`, and nothing that a peer or the network does ends it. It holds no
reference to the facade (`zlog.zre.node.Pyre`), so that a node which is dropped without `stop()` can be collected.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar
from uuid import UUID

import zmq

from zlog import limits
from zlog.report import Once, log
from zlog.zre import descriptors
from zlog.zre.calls import Calls
from zlog.zre.core import Core
from zlog.zre.effects import Beacon, Connect, Disconnect, Effect, Event, Report, Send
from zlog.zre.link import Link
from zlog.zre.outlet import Outlet
from zlog.zre.presence import LOOK_INTERVAL, Presence

T = TypeVar("T")

FLUSH_TIMEOUT: Final = 0.5
"""Seconds that `stop` waits for peers to confirm the last messages, anew after each sign of progress. A round trip is
what it takes when all are well."""

FLUSH_LONGEST: Final = 4.0
"""Seconds that `stop` waits for them at most."""

PATIENCE: Final = 2.0
"""Seconds after which an application that has read nothing doesn't read: its messages are dropped then. While it does
read, but slower than its peers talk, the mailbox waits for it, and with it, by TCP, the peers."""

GATHER: Final = 0.2
"""Seconds at most that beacons gather in the socket before they are read, while they come in a crowd."""

GATHER_PER_PEER: Final = 0.02
"""Seconds for each peer, and none below five: where there are few, a new one is to be met at once."""

GATHER_MOST: Final = 100
"""Beacons that may gather; a socket of ordinary size holds two or three hundred."""

QUIET: Final = frozenset({"beacon-foreign", "not-ready", "hello-late", "replaced"})
"""Causes that are everyday life: reported for debugging only."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE: Final = frozenset({zmq.ETERM, zmq.ENOTSOCK})
_NEVER: Final = float("inf")


class Engine:
    """One node's thread, sockets and core.

    Args:
        core: the node.
        context: where the sockets of the network are made; None for one of its own.

    Attributes:
        port: UDP port of the beacons; obeyed by `start`.
        wanted: name or address of the interface, None to choose; obeyed by `start`.
        verbose: log all traffic.
        outlet: the way of events to the application.
        running: the thread takes calls.
        ended: it ran, and doesn't any more.
    """

    def __init__(self, core: Core, context: zmq.Context[Any] | None) -> None:
        self.core = core
        self.port = 5670
        self.wanted: str | None = None
        self.verbose = False
        self.running = False
        self.ended = False
        self._once = Once(f"node {core.name}")
        self.outlet = Outlet(self._once)
        self._given = context
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._links: dict[UUID, Link] = {}
        self._slow: set[Link] = set()
        self._watched: set[object] = set()
        self._look_due = 0.0
        self._deadline = _NEVER
        self._heard = self._gather_until = 0.0
        self._paused_since = self._deaf = 0.0

    # --- for any thread -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the sockets and start the thread. When it returns the endpoint is known and the first beacon is out.

        Raises:
            OSError: the UDP port can't be shared.
            RuntimeError: it was started already.
        """
        with self._lock, contextlib.ExitStack() as undo:
            if self._thread is not None:
                raise RuntimeError("this node was started already; make a new one")
            if self._given is None:
                self._context: zmq.Context[zmq.Socket[bytes]] = _make_context()
                undo.push(self._drop_context)
            else:
                self._context = zmq.Context.shadow(self._given.underlying)  # without what an asyncio one adds
            name = self.core.name
            self._presence = Presence(name, self._context, self.port, self.wanted, self._once)
            undo.callback(self._presence.close)
            self._calls = Calls()
            undo.callback(self._calls.close)
            self._poller = zmq.Poller()
            self._watched.clear()  # what a start that failed had left belongs to another poller
            self._watch(self._calls, zmq.POLLIN)
            self._watch(self._presence.udp, zmq.POLLIN)
            self._look(self._now())
            self._thread = threading.Thread(target=self._run, name=f"zre-{name}", daemon=True)
            self.running = True
            self.outlet.hold()
            try:
                self._thread.start()
            except RuntimeError:  # no more threads
                self._thread, self.running = None, False
                self.outlet.release()
                raise
            except BaseException:  # interrupted while waiting for it: the thread lives, and cleans up itself
                undo.pop_all()
                self.signal()
                raise
            undo.pop_all()

    def _drop_context(self, kind: type[BaseException] | None, *_: object) -> None:
        """Undo the making of the context."""
        if kind is not None and issubclass(kind, Exception):
            self._context.destroy(linger=0)
        else:  # interrupted anywhere: a socket may still be held by the traceback, and this would wait for it
            threading.Thread(target=self._context.destroy, args=(0,), daemon=True).start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Say goodbye and end the thread. Harmless when it isn't running."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self.signal()
        if not self.is_current_thread:
            thread.join(timeout_s)

    def signal(self) -> None:
        """Have it stop, without waiting for that."""
        if self._thread is not None:
            self._stopping = True
            self._calls.ring()

    def abandon(self) -> None:
        """In a child process after fork: the thread and the sockets are the parent's."""
        self.running = False
        self._thread = None
        self._lock = threading.RLock()
        self.outlet.abandon()

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is the engine's thread."""
        return threading.current_thread() is self._thread

    @property
    def interface(self) -> str:
        """Name of the network interface in use; empty without one."""
        chosen = self._presence.interface if self.running else None
        return chosen.name if chosen is not None else ""

    def tell(self, call: Callable[[Core], list[Effect] | None]) -> None:
        """Have the core called soon, in the order of the calls of one thread. Waits only while too many wait."""
        if not self.running:
            with self._lock:
                if not self.running:
                    call(self.core)
                    return

        def run() -> None:
            self._carry_out(call(self.core) or [])

        if self.is_current_thread:
            self._calls.put(run, timeout_s=None)
        else:
            while not self._calls.put(run, timeout_s=0.5) and self.running:
                pass

    def ask(self, question: Callable[[Core], T]) -> T:
        """Return the core's answer, or raise what the question raises."""
        if self.is_current_thread:
            return question(self.core)
        if not self.running:
            with self._lock:
                if not self.running:
                    return question(self.core)
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(question(self.core))
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller, who is in another thread
                answer.set_exception(error)

        self._calls.put(run, timeout_s=None)
        while True:
            try:
                return answer.result(timeout=0.5)
            except TimeoutError:
                if not self.running and not answer.done():
                    return question(self.core)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failed = 0
        try:
            while not self._stopping:
                failed = 0 if self._guard(self._turn) else failed + 1
                if failed > 3:
                    time.sleep(0.1)  # whatever it is, it is no reason to burn a core
            self._guard(self._flush)
        except zmq.ZMQError as error:
            log(logging.DEBUG, "node %s ends: %s", self.core.name, error)  # its context was terminated
        finally:
            self._end()

    def _guard(self, action: Callable[[], object]) -> bool:
        """Run one step; a defect in it is logged once and doesn't end the node. Return whether all went well."""
        try:
            action()
        except zmq.ZMQError as error:
            if error.errno in _GONE:
                raise
            self._once.warn(f"zmq-{error.errno}", "goes on after: %s", error)
        except BaseException as error:  # noqa: BLE001 - a node must outlive a defect in any one step
            self._once.warn(f"defect-{type(error).__name__}", "goes on after a step that failed", exc_info=error)
        else:
            return True
        return False

    def _now(self) -> float:
        return time.monotonic()

    def _watch(self, sock: Any, events: int) -> None:
        """Poll a socket for these events; 0 for none. Harmless when nothing changes."""
        if events and sock not in self._watched:
            self._poller.register(sock, events)
            self._watched.add(sock)
        elif not events and sock in self._watched:
            self._poller.unregister(sock)
            self._watched.discard(sock)

    def _turn(self) -> None:
        due = min(self.core.due, self._look_due, self._deadline)
        if self._paused_since:
            due = min(due, self.outlet.read_at + PATIENCE)
        if self._gather_until:
            due = min(due, self._gather_until)
        ready = dict(self._poller.poll(max(0, math.ceil((due - self._now()) * 1000))))
        now = self._now()
        if self._calls.fileno() in ready or self._calls:
            self._take_calls()
        if self._presence.udp.fileno() in ready or 0 < self._gather_until <= now:
            self._hear(now)
        mailbox = self._presence.mailbox
        if mailbox is not None:
            if mailbox in ready:
                self._read(mailbox)
            self._pace(mailbox, now)
        for slow in [slow for slow in self._slow if slow.socket in ready]:
            if slow.flush():
                self._slow.discard(slow)
                self._watch(slow.socket, 0)
        if self.outlet.source in ready and self.outlet.flush(now):
            self._watch(self.outlet.source, 0)
        now = self._now()
        if now >= self.core.due:
            self._carry_out(self.core.tick(now))
        if now >= self._look_due:
            self._look(now)

    def _take_calls(self) -> None:
        for call in self._calls.take():
            self._guard(call)

    def _hear(self, now: float) -> None:
        """Read the beacons. Those of a crowd gather for a moment first: what costs is to wake up, not to read one."""
        heard = 0
        for data, source in self._presence.udp.receive():
            heard += 1
            effects = self.core.beacon(data, source, now)
            if effects:
                self._carry_out(effects)
        crowd = len(self._links)
        gather = min(GATHER, GATHER_PER_PEER * crowd, GATHER_MOST / crowd) if crowd >= 5 else 0.0
        dense = gather > 0 and heard < GATHER_MOST and (heard > 1 or now - self._heard < gather)
        self._heard = now
        self._gather_until = now + gather if dense else 0.0
        self._watch(self._presence.udp, 0 if dense else zmq.POLLIN)

    def _read(self, mailbox: zmq.Socket[bytes]) -> None:
        for _ in range(limits.ZRE_READS_PER_TURN):
            now = self._now()
            if self.outlet.inbox.crowded and self._application_reads(now):
                return
            try:
                frames = mailbox.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            if self.verbose:
                log(logging.INFO, "node %s: received %s", self.core.name, [frame[:64] for frame in frames])
            self._carry_out(self.core.frames(frames, now))

    def _application_reads(self, now: float) -> bool:
        return now - self.outlet.read_at < PATIENCE

    def _pace(self, mailbox: zmq.Socket[bytes], now: float) -> None:
        """Let the mailbox wait for an application that reads, but slower than its peers talk."""
        if self._paused_since:
            self._deaf += now - self._paused_since
            self._paused_since = now
            if self._deaf > self.core.timing.reap / 2:
                self.core.excuse(self._deaf, now)  # who waits to be read is not silent
                self._deaf = 0.0
            if self.outlet.inbox.roomy or not self._application_reads(now):
                self._paused_since = 0.0
                self._watch(mailbox, zmq.POLLIN)
        elif self.outlet.inbox.crowded and self._application_reads(now):
            self._paused_since = now
            self._watch(mailbox, 0)

    def _flush(self) -> None:
        """Have the peers confirm that they have the last messages, as long as that goes forward."""
        self._take_calls()
        self._carry_out(self.core.flush())
        now = self._now()
        longest, left = now + FLUSH_LONGEST, -1
        while now < longest and (self._slow or not self.core.flushed):
            before, left = left, sum(link.bytes for link in self._slow) + self.core.unflushed
            if left != before:
                self._deadline = now + FLUSH_TIMEOUT
            if now >= self._deadline:
                break
            self._turn()
            now = self._now()

    def _end(self) -> None:
        """Say goodbye, by a beacon to the peers and by STOP to the application, and give the sockets back.

        Each step is taken, whatever becomes of the others: readers wait for STOP.
        """
        self.running = False
        for step in (self._say_goodbye, self._close_links, self._presence.close, self._calls.close, self._deliver_stop):
            with contextlib.suppress(BaseException):
                step()
        self.ended = True
        with contextlib.suppress(zmq.ZMQError):
            self.outlet.flush(self._now())
        self.outlet.release()
        if self._given is None:
            self._context.term()

    def _say_goodbye(self) -> None:
        for effect in self.core.depart():  # no EXIT: the application is told that all is over
            if isinstance(effect, Beacon):
                self._broadcast(effect.data)

    def _close_links(self) -> None:
        left = sum(link.close(lingers=True) for link in self._links.values())
        if left:
            self.core.counters["peer-queue"] += left
        self._links.clear()

    def _deliver_stop(self) -> None:
        self.outlet.deliver([b"STOP", self.core.uuid.bytes, self.core.name.encode()], False, self._now())

    # --- effects ------------------------------------------------------------------------------------------------------

    def _carry_out(self, effects: list[Effect]) -> None:
        todo = deque(effects)
        while todo:
            effect = todo.popleft()
            match effect:
                # What follows from a failure comes last: the core had answered for all of these effects before it knew.
                case Send():
                    todo.extend(self._send(effect))
                case Event():
                    self._tell_application(effect)
                case Beacon():
                    self._broadcast(effect.data)
                case Connect():
                    todo.extend(self._connect(effect))
                case Disconnect():
                    self._disconnect(effect)
                case Report():
                    level = logging.DEBUG if effect.cause in QUIET else logging.WARNING
                    log(level, "node %s discards %s (told once, then counted)", self.core.name, effect.text)

    def _send(self, effect: Send) -> list[Effect]:
        link = self._links.get(effect.peer)
        if link is None:
            return []
        if not link.send(effect.frames):
            return self.core.send_failed(effect, self._now())
        if link.bytes:
            self._slow.add(link)
            self._watch(link.socket, zmq.POLLOUT)
        if self.verbose:
            log(logging.INFO, "node %s: sent %s", self.core.name, [frame[:64] for frame in effect.frames])
        return []

    def _connect(self, effect: Connect) -> list[Effect]:
        try:
            descriptors.check_room(self._calls.fileno())
            self._links[effect.peer] = Link(self._context, self.core.uuid, effect.endpoint)
        except (OSError, zmq.ZMQError) as error:
            if isinstance(error, zmq.ZMQError) and error.errno in _GONE:
                raise
            exhausted = error.errno in _EXHAUSTED
            return self.core.connect_failed(effect.peer, self._now(), str(error), exhausted=exhausted)
        return []

    def _disconnect(self, effect: Disconnect) -> None:
        link = self._links.pop(effect.peer, None)
        if link is not None:
            self._slow.discard(link)
            self._watch(link.socket, 0)
            link.close()

    def _tell_application(self, effect: Event) -> None:
        if self.verbose:
            log(logging.INFO, "node %s: %s", self.core.name, [frame[:64] for frame in effect.frames])
        self.outlet.deliver(effect.frames, effect.droppable, self._now())
        if self.outlet.inbox:
            self._watch(self.outlet.source, zmq.POLLOUT)

    def _broadcast(self, data: bytes) -> None:
        try:
            self._presence.udp.send(data)
        except BlockingIOError:
            pass
        except OSError as error:
            self._once.warn(f"send-{error.errno}", "sends no beacon: %s; it goes on trying", error)
            self._look_due = min(self._look_due, self._now() + self.core.timing.beacon)
        else:
            self._once.again("send-")

    # --- the network --------------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Find the interface, or follow it when its address has changed."""
        self._look_due = now + LOOK_INTERVAL
        try:
            chosen = self._presence.look()
        except OSError as error:
            self._once.warn("descriptors", "can't look at the interfaces: %s; it goes on trying", error.strerror)
            self._drop_dead_connections(now)
            return
        mailbox = self._presence.open_mailbox(chosen) if chosen is not None else None
        if chosen is None or mailbox is None:
            return
        self._carry_out(self.core.depart())  # while the old network is still there to hear it
        self._stop_reading()
        endpoint = self._presence.settle(chosen, mailbox)
        self._watch(mailbox, zmq.POLLIN)
        self._carry_out(self.core.start(endpoint, now))

    def _stop_reading(self) -> None:
        if self._presence.mailbox is not None:
            self._watch(self._presence.mailbox, 0)
        self._paused_since = 0.0

    def _drop_dead_connections(self, now: float) -> None:
        """Close the mailbox if it holds many connections that no peer accounts for; `_look` makes a new one."""
        dead = self._presence.dead_connections(self.core.endpoint, len(self._links), now)
        if dead:
            self._once.warn("renew", "drops %d dead connections and meets its peers anew", dead)
            self._stop_reading()
            self._presence.close_mailbox()
            self._look_due = now + 0.1


def _make_context() -> zmq.Context[zmq.Socket[bytes]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, min(2 * limits.ZRE_MAX_PEERS, context.get(zmq.SOCKET_LIMIT)))
    return context

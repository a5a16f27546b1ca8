"""The edge of ZRE: one thread that owns a node's sockets and drives its pure core.

Other threads hand it calls (`Engine.tell`, `Engine.ask`); it hands them events through a PAIR socket. It never waits
for the application, and nothing that a peer or the network does ends it. It holds no reference to the facade
(`zlog.zre.node.Pyre`), so that a node which is dropped without `stop()` can be collected.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar
from uuid import UUID

import zmq

from zlog import limits
from zlog.zre import interfaces
from zlog.zre.core import Beacon, Connect, Core, Disconnect, Effect, Event, Report, Send
from zlog.zre.inbox import Inbox
from zlog.zre.interfaces import Interface
from zlog.zre.link import Link
from zlog.zre.udp import BeaconSocket

logger = logging.getLogger("zlog.zre")

Observer = Callable[[list[bytes]], bool]
"""Called in the engine's thread with the frames of each event; when it returns True the application isn't told."""

T = TypeVar("T")

FLUSH_TIMEOUT: Final = 0.5
"""Seconds that `stop` waits for peers to confirm the last messages. A round trip is what it takes when all are well."""

PATIENCE: Final = 1.0
"""Seconds after which an application that has read nothing doesn't read: its messages are dropped then. While it does
read, but slower than its peers talk, the mailbox waits for it, and with it, by TCP, the peers."""

FOLLOW_INTERVAL: Final = 2.0
"""Seconds between two looks at the host's interfaces (0.1 ms each)."""

GATHER: Final = 0.2
"""Seconds at most that beacons gather in the socket before they are read, while they come in a crowd."""

GATHER_PER_PEER: Final = 0.02
"""Seconds for each peer, and none below five: where there are few, a new one is to be met at once."""

GATHER_MOST: Final = 100
"""Beacons that may gather; a socket of ordinary size holds two or three hundred."""

QUIET: Final = frozenset({"beacon-foreign", "not-ready", "hello-late"})
"""Causes that are everyday life: reported for debugging only."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_GONE: Final = frozenset({zmq.ETERM, zmq.ENOTSOCK})


class Engine:
    """One node's thread, sockets and core.

    Args:
        core: the node.
        context: where its sockets are made.
        outbox: the socket whose other end the application reads.

    Attributes:
        port: UDP port of the beacons; obeyed by `start`.
        wanted: name or address of the interface, None to choose; obeyed by `start`.
        interface: the one in use, None while there is none.
        verbose: log all traffic.
        observers: see `Observer`.
    """

    def __init__(self, core: Core, context: zmq.Context[zmq.Socket[bytes]], outbox: zmq.Socket[bytes]) -> None:
        self.core = core
        self.port = 5670
        self.wanted: str | None = None
        self.interface: Interface | None = None
        self.verbose = False
        self.inbox = Inbox()
        self.observers: list[Observer] = []
        self._context = context
        self._outbox = outbox
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._room = threading.Semaphore(limits.ZRE_COMMANDS)
        self._woken = False
        self._thread: threading.Thread | None = None
        self._running = False
        self._stopping = False
        self._links: dict[UUID, Link] = {}
        self._slow: set[Link] = set()
        self._reported: set[str] = set()
        self._follow_due = 0.0
        self._deadline = float("inf")
        self._inbox_waits = False
        self._mailbox_waits = False
        self._inbox_read = 0.0
        self._heard = 0.0
        self._gather_until = 0.0

    # --- for any thread -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the sockets and start the thread.

        Raises:
            OSError: the UDP port can't be shared.
            RuntimeError: it ran already.
        """
        with self._lock:
            if self._thread is not None:
                raise RuntimeError("this node was started already; make a new one")
            self._udp = BeaconSocket(self.port)
            self._ears, self._bell = socket.socketpair()
            self._ears.setblocking(False)
            self._bell.setblocking(False)
            self._poller = zmq.Poller()
            self._poller.register(self._ears, zmq.POLLIN)
            self._poller.register(self._udp, zmq.POLLIN)
            self._mailbox: zmq.Socket[bytes] | None = None
            self._running = True
            # Here and not in the thread: when start() returns, the endpoint is known and the first beacon is out.
            self._guard(self._follow, self._now())
            self._thread = threading.Thread(target=self._run, name=f"zre-{self.core.name}", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Say goodbye and end the thread. Harmless when it isn't running."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self._stopping = True
        self._wake()
        if not self.is_current_thread:
            thread.join(timeout_s)

    def abandon(self) -> None:
        """In a child process after fork: the thread and the sockets are the parent's."""
        self._running = False
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether the thread is there to take calls."""
        return self._running

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is the engine's thread."""
        return threading.current_thread() is self._thread

    def tell(self, call: Callable[[Core], list[Effect] | None]) -> None:
        """Have the core called soon, in the order of the calls of one thread. Waits only while too many wait."""
        with self._lock:
            if not self._running:
                call(self.core)
                return
        if not self.is_current_thread:
            while not self._room.acquire(timeout=0.5):
                if not self._running:
                    return

        def run() -> None:
            self._room.release()
            self._carry_out(call(self.core) or [])

        self._calls.append(run)
        self._wake()

    def ask(self, question: Callable[[Core], T]) -> T:
        """Return the core's answer."""
        if self.is_current_thread:
            return question(self.core)
        with self._lock:
            if not self._running:
                return question(self.core)
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(question(self.core))
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller, who is in another thread
                answer.set_exception(error)

        self._calls.append(run)
        self._wake()
        while True:
            try:
                return answer.result(timeout=0.5)
            except TimeoutError:
                if not self._running and not answer.done():
                    return question(self.core)

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):
                self._bell.send(b"\0")

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
            logger.debug("node %s ends: %s", self.core.name, error)  # its context was terminated
        finally:
            self._close()

    def _guard(self, action: Callable[..., None], *args: Any) -> bool:
        """Run one step; a defect in it is logged once and doesn't end the node. Return whether all went well."""
        try:
            action(*args)
            return True
        except zmq.ZMQError as error:
            if error.errno in _GONE or self._context.closed:
                raise
            self._log_once(f"zmq-{error.errno}", "node %s: %s", self.core.name, error)
        except Exception as error:
            if self._first(f"defect-{type(error).__name__}"):
                logger.exception("node %s: a step failed; it goes on", self.core.name)
        return False

    def _now(self) -> float:
        return time.monotonic()

    def _turn(self) -> None:
        due = min(self.core.due, self._follow_due, self._deadline)
        if self._mailbox_waits:
            due = min(due, self._inbox_read + PATIENCE)
        if self._gather_until:
            due = min(due, self._gather_until)
        wait_ms = max(0, math.ceil((due - self._now()) * 1000))
        ready = dict(self._poller.poll(wait_ms))
        now = self._now()
        if self._ears.fileno() in ready:
            self._take_calls()
        if self._udp.fileno() in ready or 0 < self._gather_until <= now:
            self._hear(now)
        if self._mailbox is not None:
            if self._mailbox in ready:
                self._read_mailbox(self._mailbox)
            self._pace(self._mailbox, now)
        for slow in [slow for slow in self._slow if slow.socket in ready]:
            if slow.flush(self._poller):
                self._slow.discard(slow)
        if self._inbox_waits:
            self._flush_inbox()
        now = self._now()
        if now >= self.core.due:
            self._carry_out(self.core.tick(now))
        if now >= self._follow_due:
            self._follow(now)

    def _hear(self, now: float) -> None:
        """Read the beacons. Those of a crowd gather for a moment first: what costs is to wake up, not to read one."""
        heard = 0
        for data, source in self._udp.receive():
            heard += 1
            effects = self.core.beacon(data, source, now)
            if effects:
                self._carry_out(effects)
        crowd = len(self._links)
        gather = min(GATHER, GATHER_PER_PEER * crowd, GATHER_MOST / crowd) if crowd >= 5 else 0.0
        dense = gather > 0 and heard < GATHER_MOST and (heard > 1 or now - self._heard < gather)
        self._heard = now
        if dense and not self._gather_until:
            self._poller.unregister(self._udp)
        elif not dense and self._gather_until:
            self._poller.register(self._udp, zmq.POLLIN)
        self._gather_until = now + gather if dense else 0.0

    def _flush(self) -> None:
        self._take_calls()
        self._carry_out(self.core.flush())
        self._deadline = self._now() + FLUSH_TIMEOUT
        while not self.core.flushed and self._now() < self._deadline:
            self._turn()

    def _take_calls(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._ears.recv(4096)
        self._woken = False
        for _ in range(len(self._calls)):
            self._calls.popleft()()
        if self._calls:
            self._wake()

    def _read_mailbox(self, mailbox: zmq.Socket[bytes]) -> None:
        for _ in range(limits.ZRE_READS_PER_TURN):
            if self.inbox.crowded and self._application_reads(self._now()):
                return
            try:
                frames = mailbox.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            if self.verbose:
                logger.info("node %s: received %s", self.core.name, [bytes(frame[:64]) for frame in frames])
            self._carry_out(self.core.frames(frames, self._now()))

    def _application_reads(self, now: float) -> bool:
        return now - self._inbox_read < PATIENCE

    def _pace(self, mailbox: zmq.Socket[bytes], now: float) -> None:
        """Let the mailbox wait for an application that reads, but slower than its peers talk."""
        if self._mailbox_waits:
            if self.inbox.roomy or not self._application_reads(now):
                self._mailbox_waits = False
                self._poller.register(mailbox, zmq.POLLIN)
        elif self.inbox.crowded and self._application_reads(now):
            self._mailbox_waits = True
            self._poller.unregister(mailbox)

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
                    link = self._links.pop(effect.peer, None)
                    if link is not None:
                        self._slow.discard(link)
                        link.close(self._poller)
                case Report():
                    level = logging.DEBUG if effect.cause in QUIET else logging.WARNING
                    logger.log(level, "node %s discards %s (told once, then counted)", self.core.name, effect.text)

    def _send(self, effect: Send) -> list[Effect]:
        link = self._links.get(effect.peer)
        if link is None:
            return []
        if not link.send(effect.frames, self._poller):
            return self.core.send_failed(effect, self._now())
        if link.waits:
            self._slow.add(link)
        if self.verbose:
            logger.info("node %s: sent %s", self.core.name, [frame[:64] for frame in effect.frames])
        return []

    def _connect(self, effect: Connect) -> list[Effect]:
        try:
            self._check_room()
            self._links[effect.peer] = Link(self._context, self.core.uuid, effect.endpoint)
        except OSError as error:  # zmq.ZMQError is not one: see below
            return self._connect_failed(effect, error.errno or 0, str(error))
        except zmq.ZMQError as error:
            if error.errno in _GONE:
                raise
            return self._connect_failed(effect, error.errno or 0, str(error))
        return []

    def _connect_failed(self, effect: Connect, number: int, reason: str) -> list[Effect]:
        return self.core.connect_failed(effect.peer, self._now(), reason, exhausted=number in _EXHAUSTED)

    def _check_room(self) -> None:
        """Leave the application a few descriptors: this raises OSError (EMFILE) while there are still 16."""
        spare: list[int] = []
        try:
            spare.extend(os.dup(self._ears.fileno()) for _ in range(16))
        finally:
            for descriptor in spare:
                os.close(descriptor)

    def _tell_application(self, effect: Event) -> None:
        if self.verbose:
            logger.info("node %s: %s", self.core.name, [frame[:64] for frame in effect.frames])
        hidden = False
        for observer in list(self.observers):
            try:
                hidden = observer(list(effect.frames)) or hidden
            except Exception as error:
                if self._first(f"observer-{type(error).__name__}"):
                    logger.exception("node %s: an observer failed", self.core.name)
        if hidden:
            return
        if not self.inbox.push(effect.frames, effect.droppable):
            self._log_once("inbox", "node %s drops messages: the application reads too slowly", self.core.name)
        self._flush_inbox()

    def _flush_inbox(self) -> None:
        try:
            while self.inbox:
                self._outbox.send_multipart(self.inbox.peek(), zmq.DONTWAIT)
                self.inbox.pop()
                self._inbox_read = self._now()
        except zmq.Again:
            if not self._inbox_waits:
                self._inbox_waits = True
                self._poller.register(self._outbox, zmq.POLLOUT)
        else:
            if self._inbox_waits:
                self._inbox_waits = False
                self._poller.unregister(self._outbox)

    # --- the network --------------------------------------------------------------------------------------------------

    def _broadcast(self, data: bytes) -> None:
        try:
            self._udp.send(data)
        except BlockingIOError:
            pass
        except OSError as error:
            self._log_once(
                f"send-{error.errno}", "node %s: no beacon sent: %s; it goes on trying", self.core.name, error
            )
            self._follow_due = min(self._follow_due, self._now() + self.core.timing.beacon)
        else:
            self._reported.difference_update([cause for cause in self._reported if cause.startswith("send-")])

    def _follow(self, now: float) -> None:
        """Find the interface, or follow it when its address has changed."""
        self._follow_due = now + FOLLOW_INTERVAL
        found = interfaces.find_all()
        default = interfaces.default_address() if self.wanted is None else None
        if self.interface is None:
            chosen = interfaces.choose(found, self.wanted, default)
        else:
            chosen = interfaces.follow(self.interface, found, self.wanted, default)
        if chosen is None:
            there = ", ".join(interfaces.names()) or "none"
            self._log_once("interface", "%s", self._missing(there))
        elif chosen != self.interface:
            self._use(chosen, now)

    def _missing(self, there: str) -> str:
        wish = f"interface {self.wanted} is not up" if self.wanted else "no interface is up"
        return f"node {self.core.name} waits: {wish} (there are: {there})"

    def _use(self, chosen: Interface, now: float) -> None:
        mailbox = self._context.socket(zmq.ROUTER)
        try:
            mailbox.setsockopt(zmq.LINGER, 0)
            mailbox.setsockopt(zmq.ROUTER_HANDOVER, 1)
            mailbox.setsockopt(zmq.MAXMSGSIZE, limits.ZRE_MAX_FRAME_BYTES)
            mailbox.bind(f"tcp://{chosen.address}:*")
        except zmq.ZMQError as error:
            mailbox.close()
            if error.errno in _GONE:
                raise
            self._log_once(f"bind-{error.errno}", "node %s can't bind %s: %s", self.core.name, chosen.address, error)
            return
        before, self._mailbox = self._mailbox, mailbox
        moved, self.interface = self.interface is not None, chosen
        endpoint = mailbox.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()  # type: ignore[union-attr]
        self._udp.use(chosen)
        self._poller.register(mailbox, zmq.POLLIN)
        self._announce(chosen, moved)
        self._carry_out(self.core.move(endpoint, now) if moved else self.core.start(endpoint, now))
        if before is not None:
            if not self._mailbox_waits:
                self._poller.unregister(before)
            before.close()
        self._mailbox_waits = False

    def _announce(self, chosen: Interface, moved: bool) -> None:
        verb = "moves to" if moved else "uses"
        how = "as asked" if self.wanted else "choose another with set_interface() or -i"
        level = logging.WARNING if chosen.is_loopback and self.wanted is None else logging.INFO
        only = ": only nodes of this host will find it" if chosen.is_loopback else ""
        logger.log(
            level, "node %s %s interface %s (%s), %s%s", self.core.name, verb, chosen.name, chosen.address, how, only
        )

    # --- reports and the end ------------------------------------------------------------------------------------------

    def _first(self, cause: str) -> bool:
        if cause in self._reported:
            return False
        self._reported.add(cause)
        return True

    def _log_once(self, cause: str, text: str, *args: object) -> None:
        if self._first(cause):
            logger.warning(text, *args)

    def _close(self) -> None:
        with contextlib.suppress(zmq.ZMQError):
            self._farewell()
        with self._lock:
            self._running = False
        for link in self._links.values():
            link.close(None)
        self._links.clear()
        self._udp.close()
        self._ears.close()
        self._bell.close()
        if self._mailbox is not None:
            self._mailbox.close()
        self._outbox.close()

    def _farewell(self) -> None:
        for link in self._links.values():
            link.linger()
        for effect in self.core.stop():
            if not isinstance(effect, Disconnect):
                self._carry_out([effect])

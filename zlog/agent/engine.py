"""The agent's thread: it takes records in, cuts and journals them, and serves the links.

It sleeps until a record comes that somebody waits for, a socket has something, or time has. While records keep coming
it looks every 5 ms; after one that came alone it sleeps again. Nothing in it waits for anything else, and nothing that
a peer sends ends it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import zmq

from zlog import handler, report
from zlog.agent.intake import Intake
from zlog.agent.waiters import Flush, Waiter
from zlog.agent.wires import Socket, Wires
from zlog.core.batches import CLOSE_NS, Batch, Cutter
from zlog.core.discovery import Close, Discovery, Effect, Greet, Open
from zlog.core.holdings import Holdings
from zlog.core.link import Link, Own, Refused, Welcomed, Wrong
from zlog.core.sync import LinkStatus
from zlog.report import Once
from zlog.severity import to_level

if TYPE_CHECKING:
    from zlog.agent.disk import DiskJournal

__all__ = ["Engine"]

log: Final = logging.getLogger("zlog.agent")

_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS
T = TypeVar("T")

#: Records that may wait while nobody listens: their batches can be cut later.
_PATIENT: Final = 1_000
#: How long a link that ends in order may take.
_ENDING_NS: Final = _SECOND
#: How long the last frames of a link may stay in libzmq's queues.
LINGER_MS: Final = 500
#: After the last collector has left, `handler.ask` is called for so long: the gate takes its factory out late.
_ASK_NS: Final = 3 * _SECOND


class Engine:
    """One agent's thread and what belongs to it.

    Args:
        intake: where records come in.
        holdings: what is kept of them.
        cutter: makes batches of them.
        own: who the node is.
        discovery: finds collectors.
        sink: what the handlers know the agent by.
        floor: lowest severity that a collector may have records made of; None for none below the application's level.
        legacy_id: 16-bit id of a peer, or with None of the node.
        disk: the journal on disk, if there is to be one.
    """

    def __init__(
        self,
        intake: Intake,
        holdings: Holdings,
        cutter: Cutter,
        own: Own,
        discovery: Discovery,
        sink: handler.Sink,
        floor: int | None,
        legacy_id: Callable[[bytes | None], int],
        disk: DiskJournal | None = None,
    ) -> None:
        self.disk = disk
        self.ended = False
        self._intake = intake
        self._holdings = holdings
        self._cutter = cutter
        self._own = own
        self._discovery = discovery
        self._sink = sink
        self._floor = floor
        self._legacy_id = legacy_id
        self._calls: deque[Callable[[int], object]] = deque()
        self._once = Once(f"agent {own.name}", log)
        self._wires: dict[str, Wires] = {}
        self._ending: dict[Wires, tuple[int, list[int]]] = {}
        self._waiters: list[Waiter] = []
        self._asked: tuple[tuple[int, str], ...] = ()
        self._ask_at: int | None = None
        self._ask_until = 0
        self._came = 0  # when the last record did
        self._stopping = False
        self._waking = threading.RLock()  # a signal's handler may log while its thread wakes us
        self._reader, self._writer = _wakers()
        self._context: zmq.Context[Any] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, min(65_535, self._context.get(zmq.SOCKET_LIMIT)))
        self._poller = zmq.Poller()
        self._watched: dict[Socket, Wires] = {}
        self._thread = threading.Thread(target=self._run, name="zlog-agent", daemon=True)

    # --- from any thread ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread. Raises RuntimeError when there can be no more threads."""
        self._thread.start()

    def wake(self) -> None:
        """Have the thread look soon."""
        with self._waking, contextlib.suppress(OSError):  # full: it is awake already
            if not self.ended:  # else the number may be another's descriptor by now
                os.write(self._writer, b"\1\0\0\0\0\0\0\0")

    def call(self, function: Callable[[int], object]) -> None:
        """Have the thread call a function with the time, soon and in order."""
        self._calls.append(function)
        self.wake()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self, timeout_s: float) -> bool:
        """End the thread, which ends all links in order. Returns whether it has ended."""
        self.call(self._stop)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def wait(self, waiter: Waiter, timeout_s: float) -> bool:
        """Wait until it is true, or for so long; return whether it is."""
        self.call(lambda now: self._await(waiter, now))
        if self.ended:
            waiter.done.set()
        waiter.done.wait(max(0.0, timeout_s))
        found, waiter.is_true = waiter.done.is_set(), lambda engine: True  # it needn't be looked at any more
        return found

    def ask(self, question: Callable[[Engine], T], otherwise: T) -> T:
        """Ask something in the agent's thread; the other answer is for when that has ended."""
        answers: list[T] = []

        def look(engine: Engine) -> bool:
            answers.append(question(engine))
            return True

        self.wait(Waiter(look), 1.0)
        return answers[0] if answers else otherwise

    def settle(self) -> None:
        """Cut and journal what was logged so far. From the agent's thread."""
        now = time.monotonic_ns()
        self._take_records(now)
        self._journal(self._cutter.flush(), now)

    def links(self) -> list[Wires]:
        """The links that are open. From the agent's thread."""
        return list(self._wires.values())

    def apply(self, effects: list[Effect], now: int) -> None:
        """Open and close links. From the agent's thread."""
        for effect in effects:
            if isinstance(effect, Open):
                self._open(effect, now)
            elif isinstance(effect, Close):
                self._close(effect, now)
            elif isinstance(effect, Greet) and effect.key in self._wires:
                self._wires[effect.key].link.greet(now)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._poller.register(self._reader, zmq.POLLIN)
        try:
            while not (self._stopping and not self._ending):
                try:
                    self._turn()
                except Exception:  # noqa: BLE001 - a fault here must not end the log for good
                    self._once.warn("fault", "met a fault of its own (told once)", exc_info=sys.exception())
                    self._pause()
        finally:
            self._end()

    def _turn(self) -> None:
        now = time.monotonic_ns()
        while self._calls:
            self._guard(self._calls.popleft(), now)
        busy = self._take_records(now)
        if self.disk is not None and self.disk.look(now, often=self._serves()):
            for wires in self._wires.values():
                wires.link.greet(now)
        self.apply(self._discovery.tick(now), now)
        for wires in [*self._wires.values(), *self._ending]:
            self._serve(wires, now)
        self._finish(now)
        self._answer()
        self._ask(now)
        self._wait(busy)

    def _take_records(self, now: int) -> bool:
        """Number, cut and journal what came. Returns whether more is likely to come soon."""
        count = len(self._intake)
        busy = count > 1 or (count == 1 and now - self._came < CLOSE_NS)
        if count:
            self._came = now
        batches, dropped = self._intake.drain(self._holdings.run, self._cutter, now)
        self._journal(batches, now)
        self._journal(self._cutter.tick(now), now)
        if dropped:  # what is open has lower numbers: it goes into the journal before they are given up
            self._journal(self._cutter.flush(), now)
        for severity, count in dropped.items():
            self._holdings.drop(severity, count)
            self._once.warn("dropped", "drops records: they come faster than a thread can take them (told once)")
        if self.disk is not None:
            self.disk.pump(now)
        return busy

    def _journal(self, batches: list[Batch], now: int) -> None:
        for batch in batches:
            self._holdings.journal.append(batch, now)
            if self.disk is not None:  # before any link has it, and before memory lets go of it
                self.disk.pump(now)

    def _serve(self, wires: Wires, now: int) -> None:
        for event in wires.pump(now):
            key = wires.target.key
            if self._wires.get(key) is not wires:
                continue
            if isinstance(event, Welcomed):
                self.apply(self._discovery.welcome(key, event.collector), now)
            elif isinstance(event, Refused):
                self._once.warn(f"refused {key}", "was refused by the collector %s: %s", wires.link.name, event.reason)
                self.apply(self._discovery.refused(key, event.code, now), now)
            elif isinstance(event, Wrong):
                # Mostly a collector that was started again, before the network has told of it.
                report.log(
                    logging.DEBUG, "finds another process at the address of the collector %s", wires.link.name, to=log
                )
                self.apply(self._discovery.refused(key, 0, now), now)
            self._watch(wires)

    def _wait(self, busy: bool) -> None:
        """Sleep until something is due or comes."""
        if self._stopping and not self._ending:
            return
        now = time.monotonic_ns()
        due = [at for at in (self._cutter.due(), self._discovery.due(), self._ask_at) if at is not None]
        due += [at for wires in (*self._wires.values(), *self._ending) if (at := wires.due()) is not None]
        due += [deadline for deadline, _ in self._ending.values()]
        if busy:
            due.append(now + CLOSE_NS)
        if self.disk is not None:
            due += [at for at in (self.disk.due(), self.disk.look_at() if self._serves() else None) if at is not None]
        until = min(due, default=None)
        timeout_ms = -1 if until is None else max(0, -(-(until - now) // _MS))
        if not busy and not self._intake.sleep(0 if self._wires or self._waiters or self.disk else _PATIENT):
            timeout_ms = 0
        ready = self._poller.poll(timeout_ms)
        self._intake.awake()
        now = time.monotonic_ns()
        for socket, _ in ready:
            if socket == self._reader:
                with contextlib.suppress(OSError):
                    os.read(self._reader, 4096)
            elif socket in self._watched:
                # What a peer asks for is answered by what the application has logged so far: so that comes first.
                self._take_records(now)
                self._watched[socket].receive(socket, now)

    def _guard(self, function: Callable[[int], object], now: int) -> None:
        try:
            function(now)
        except Exception:  # noqa: BLE001 - one bad call must not keep the others from their turn
            self._once.warn("call", "met a fault of its own (told once)", exc_info=sys.exception())

    def _pause(self) -> None:
        select.select([self._reader], [], [], 0.1)

    # --- links --------------------------------------------------------------------------------------------------------

    def _open(self, effect: Open, now: int) -> None:
        target = effect.target
        link = Link(target, self._holdings, self._own, now, time.time_ns, self._summaries, self._legacy_id)
        try:
            wires = Wires(self._context, link)
        except zmq.ZMQError as error:
            self._once.warn(
                f"open {target.key}", "can't link to the collector %s: %s", target.name or target.key, error
            )
            self.apply(self._discovery.refused(target.key, 3, now), now)
            return
        report.log(
            logging.DEBUG,
            "links to the collector %s at %s",
            target.name or target.key,
            target.live or target.sync,
            to=log,
        )
        self._wires[target.key] = wires
        self._watch(wires)

    def _close(self, effect: Close, now: int) -> None:
        wires = self._wires.pop(effect.key, None)
        if wires is None:
            return
        report.log(logging.DEBUG, "ends the link to the collector %s", wires.link.name or effect.key, to=log)
        self._once.again(f"refused {effect.key}", f"open {effect.key}")
        if effect.orderly and wires.link.serves:
            self._journal(self._cutter.flush(), now)
            self._ending[wires] = now + _ENDING_NS, list(self._holdings.run.next)
        else:
            self._drop(wires, 0)

    def _finish(self, now: int) -> None:
        """Close links that end in order, when they have what is due to them."""
        for wires, (deadline, nexts) in list(self._ending.items()):
            link = wires.link
            if link.has_sent(nexts) or now >= deadline or not link.serves:
                link.closing(now, nexts)
                wires.pump(now)
                del self._ending[wires]
                self._drop(wires, LINGER_MS)

    def _drop(self, wires: Wires, linger_ms: int) -> None:
        for socket in [socket for socket, owner in self._watched.items() if owner is wires]:
            self._poller.unregister(socket)
            del self._watched[socket]
        wires.close(linger_ms)

    def _watch(self, wires: Wires) -> None:
        """Poll the sockets that the link has now."""
        now_there = wires.sockets()
        for socket in [each for each, owner in self._watched.items() if owner is wires and each not in now_there]:
            self._poller.unregister(socket)
            del self._watched[socket]
        for socket in now_there:
            if socket not in self._watched:
                self._poller.register(socket, zmq.POLLIN)
                self._watched[socket] = wires

    def _serves(self) -> bool:
        return any(wires.link.serves for wires in self._wires.values())

    def _summaries(self) -> list[LinkStatus]:
        return [wires.link.summary() for wires in self._wires.values() if wires.link.collector is not None]

    # --- what collectors ask of handlers ------------------------------------------------------------------------------

    def _ask(self, now: int) -> None:
        """Open or close the gates; again each second while they are open, and a little longer."""
        asked: tuple[tuple[int, str], ...] = ()
        if self._floor is not None:
            demands = [wires.link.demand for wires in self._wires.values() if wires.link.serves]
            asked = tuple(
                sorted({(to_level(max(d.severity, self._floor)), d.logger) for d in demands if d and d.severity <= 24})
            )
        changed = asked != self._asked
        if not changed and (self._ask_at is None or now < self._ask_at):
            return
        self._asked = asked
        if asked:
            self._ask_until = now + _ASK_NS
        self._ask_at = now + _SECOND if now < self._ask_until else None
        handler.ask(self._sink, asked[0][0] if asked else None, asked)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _await(self, waiter: Waiter, now: int) -> None:
        if isinstance(waiter, Flush):
            self._take_records(now)
            self._journal(self._cutter.flush(), now)
            waiter.nexts = list(self._holdings.run.next)
        self._waiters.append(waiter)

    def _answer(self) -> None:
        for waiter in list(self._waiters):
            if waiter.is_true(self):
                self._waiters.remove(waiter)
                waiter.done.set()

    def _stop(self, now: int) -> None:
        if self._stopping:
            return
        self._take_records(now)
        self._journal(self._cutter.flush(), now)
        self._stopping = True
        for key in list(self._wires):
            self._close(Close(key, orderly=True), now)

    def _end(self) -> None:
        self._stopping = True
        with self._waking:
            self.ended = True
        for wires in [*self._wires.values(), *self._ending]:
            self._drop(wires, 0)
        self._wires.clear()
        self._ending.clear()
        for waiter in self._waiters:
            waiter.done.set()
        if self.disk is not None:
            with contextlib.suppress(Exception):
                self.settle()  # what other threads have logged since
            self.disk.close(time.monotonic_ns())
        with contextlib.suppress(Exception):
            handler.ask(self._sink, None)
        self._context.term()
        for descriptor in {self._reader, self._writer}:
            os.close(descriptor)


def _wakers() -> tuple[int, int]:
    """Two descriptors: the second wakes who polls the first."""
    if hasattr(os, "eventfd"):
        descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return descriptor, descriptor
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    return reader, writer

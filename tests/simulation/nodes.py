"""A node: the cores of the agent, driven as `zlog.agent.engine` and `zlog.agent.wires` do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from uuid import UUID

from zlog import limits
from zlog.core.batches import Batch, Cutter, Run
from zlog.core.discovery import Close, Discovery, Effect, Greet, Open
from zlog.core.holdings import Holdings
from zlog.core.journal import OVERHEAD, Gone, Journal
from zlog.core.link import CloseLive, Event, Link, OpenLive, Own, Refused, Welcomed, Wrong
from zlog.core.sync import LinkStatus, RunKey
from zlog.record import encode_values
from zlog.severity import RANGES, range_index, range_of
from zlog.wire import zre_log_msg as wire

from .network import Socket
from .world import MS, SECOND, WALL_NS, Violation, World

if TYPE_CHECKING:
    from .scene import Scene

#: How long a link that ends in order may take.
_ENDING_NS: Final = SECOND
#: Frames of one link in a row.
_TURN: Final = 64


class Wires:
    """The sockets of one link: `zlog.agent.wires.Wires`."""

    def __init__(self, node: Node, link: Link) -> None:
        self.node = node
        self.link = link
        self.target = link.target
        self.live: Socket | None = None
        self.sync: Socket | None = None
        self._wait_ns = 0
        self._blocked_until: int | None = None
        self._allowed: dict[tuple[bytes, int, int], int] = {}  # credit by run and range, as FETCH gave it
        if self.target.sync is not None:
            self.sync = self._socket(self.target.sync, "sync")
        if self.target.live is not None:
            self._open_live(self.target.live)

    def due(self) -> int | None:
        return min((at for at in (self._blocked_until, self.link.due()) if at is not None), default=None)

    def pump(self, now: int) -> list[Event]:
        link = self.link
        link.tick(now)
        if self._blocked_until is None or now >= self._blocked_until:
            self._blocked_until = None
            full = not self._send_control(now)
            full = not self._send_live(now) or full
            full = not self._send_answers(now) or full
            full = not self._send_control(now) or full
            if not full:
                self._wait_ns = 0
        events: list[Event] = []
        while link.events:
            event = link.events.popleft()
            if isinstance(event, OpenLive):
                self._open_live(event.endpoint)
            elif isinstance(event, CloseLive):
                if self.live is not None:
                    self.live.close(False)
                self.live = None
            else:
                events.append(event)
        return events

    def close(self, linger: bool) -> None:
        for socket in (self.live, self.sync):
            if socket is not None:
                socket.close(linger)
        self.live = self.sync = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def _socket(self, endpoint: str, kind: str) -> Socket:
        node = self.node
        on_frame = self._on_sync if kind == "sync" else self._on_live
        up, down = (self._up, self._down) if kind == "sync" else (node.wake, node.wake)
        return Socket(node.scene.network, node.name, node.host, endpoint, kind, up, down, on_frame, node.is_paused)

    def _open_live(self, endpoint: str) -> None:
        if self.live is not None:
            self.live.close(False)
        self.live = self._socket(endpoint, "live")

    def _up(self) -> None:
        self._allowed.clear()
        self._blocked_until = None
        self.link.connected(self.node.world.now)
        self.node.wake()

    def _down(self) -> None:
        self.link.disconnected()
        self.node.wake()

    def _on_live(self, frame: bytes) -> None:
        self.link.subscription(frame)
        self.node.wake()

    def _on_sync(self, frame: bytes) -> None:
        node = self.node
        if node.world.tell:
            node.world.trace(node.name, f"gets {shown(frame)}")
        self._blocked_until = None
        message = wire.decode(frame)
        if isinstance(message, wire.Fetch):
            self._allowed[message.node.bytes, message.epoch, message.severity] = message.credit
        node.take_records()
        self.link.sync(frame, node.world.now)
        if isinstance(message, wire.Demand | wire.Welcome):
            node.scene.truth.look_node(node)
        node.wake()

    def _send_control(self, now: int) -> bool:
        control = self.link.control
        while control and self.sync is not None:
            if self.sync.connection is None or not self.sync.send(control[0]):
                return self._block(now)
            control.popleft()
        return True

    def _send_live(self, now: int) -> bool:
        for _ in range(_TURN):
            frame = self.link.peek() if self.live is not None else None
            if frame is None or self.live is None:
                return True
            self._check_live(frame)
            if not self.live.send(frame):
                return self._block(now)
            self.link.sent()
        self._blocked_until = now
        return True

    def _send_answers(self, now: int) -> bool:
        for _ in range(_TURN):
            frame = self.link.peek_answer() if self.sync is not None else None
            if frame is None or self.sync is None:
                return True
            if not self._send_control(now):  # GONE, for what is before
                return False
            if self.sync.connection is None or not self.sync.send(frame):
                return self._block(now)
            self._check_credit(frame)
            self.link.sent_answer()
        self._blocked_until = now
        return True

    def _block(self, now: int) -> bool:
        self._wait_ns = min(max(self._wait_ns * 2, MS), 20 * MS)
        self._blocked_until = now + self._wait_ns
        return False

    def _check_live(self, frame: bytes) -> None:
        """Sections 5.3 and 6.5: to whom it was promised, and what was demanded."""
        connection = self.live.connection if self.live is not None else None
        link = self.link
        if connection is not None and connection.alive:
            owner = connection.listener.owner
            meant = link.target.collector or link.collector
            if meant is None or owner != meant.bytes:
                raise Violation(f"{self.node.name} streams to {owner.hex()[:8]} what was meant for {meant}")
        if link.demand is not None and frame[3] < range_of(min(link.demand.severity, 24)):
            raise Violation(f"{self.node.name} sends {shown(frame)} to who wants {link.demand}")

    def _check_credit(self, frame: bytes) -> None:
        """Section 6.4, rule 4."""
        message = wire.decode(frame)
        assert isinstance(message, wire.Batch)
        key = message.node.bytes, message.epoch, message.severity
        left = self._allowed.get(key, 0)
        if left <= 0:
            raise Violation(f"{self.node.name} answers with {shown(frame)} beyond its credit")
        self._allowed[key] = left - len(frame)


class Ended:
    """A run whose process died, as its journal on disk has it: the last batches may not have got there."""

    def __init__(self, journal: Journal, torn: Mapping[int, int]) -> None:
        self._journal = journal
        self._stops = {first: min(torn.get(first, journal.next(first)), journal.next(first)) for first in RANGES}

    def first(self, first_severity: int) -> int:
        return min(self._journal.first(first_severity), self._stops[first_severity])

    def next(self, first_severity: int) -> int:
        return self._stops[first_severity]

    def at(self, first_severity: int, sequence: int) -> Batch | Gone | None:
        if sequence >= self._stops[first_severity]:
            return None
        return self._journal.at(first_severity, sequence)


class Node:
    """One run of a node.

    Args:
        name, host: of it.
        addresses: static collectors.
        journal_bytes, journal_age: bounds of its journal.
        earlier: runs it has found on its disk.
        close_records: when a batch is full.
    """

    def __init__(
        self,
        scene: Scene,
        name: str,
        host: str,
        *,
        addresses: tuple[str, ...] = (),
        journal_bytes: int = 1 << 20,
        journal_age: int | None = None,
        earlier: Mapping[RunKey, Ended] | None = None,
        close_records: int = 256,
    ) -> None:
        world = scene.world
        self.scene = scene
        self.world: World = world
        self.name = name
        self.host = host
        self.uuid: UUID = world.uuid()
        self.alive = True
        self.paused = False
        self.skew = scene.skews.get(host, 0)
        self.began = world.now
        self.run = Run(self.uuid, WALL_NS + world.now + self.skew)
        self.journal = Journal(journal_bytes, journal_age)
        self.holdings = Holdings(self.run, self.journal)
        self.holdings.earlier.update(earlier or {})
        self.cutter = Cutter(self.run, host, name, 1, close_records=close_records)
        self.discovery = Discovery(self.uuid, world.now, addresses)
        self.wires: dict[str, Wires] = {}
        self.ending: dict[Wires, tuple[int, list[int]]] = {}
        self.last: list[tuple[int, int]] = []  # range and sequence of the newest batches
        self._own = Own(host, name, 1, world.now)
        self._most_bytes = journal_bytes
        self._turn_at: int | None = None
        self._apply(self.discovery.tick(world.now))
        self._apply(self.discovery.local({}))
        self.wake()

    @property
    def key(self) -> tuple[bytes, int]:
        return self.uuid.bytes, self.run.epoch

    def is_paused(self) -> bool:
        return self.paused

    def wall(self) -> int:
        return WALL_NS + self.world.now + self.skew

    # --- what happens to it -------------------------------------------------------------------------------------------

    def log(self, severity: int, count: int = 1) -> None:
        """The application logs."""
        world, run = self.world, self.run
        first = range_of(severity)
        batches = []
        for _ in range(count):
            ordinal, sequence = run.number(severity)
            text = f"{self.name} {first} {sequence}"
            wall = self.wall()
            octets = encode_values(ordinal, wall, severity, "app", text, 0, None, {})
            self.scene.truth.logged(self, first, sequence, wall)
            batches += self.cutter.add(severity, sequence, ordinal, wall, octets, world.now)
        if world.tell:
            world.trace(self.name, f"logs {count} of {severity}, up to {run.next[range_index(severity)] - 1}")
        self._journal(batches)
        self.wake(world.between(100_000, 5 * MS))

    def drop(self, severity: int, count: int) -> None:
        """The application logs faster than the agent's thread can take."""
        first = range_of(severity)
        index = range_index(severity)
        start = self.run.next[index]
        self._journal(self.cutter.flush())
        self.run.skip(severity, count)
        for sequence in range(start, start + count):
            self.scene.truth.logged(self, first, sequence, self.wall())
        self.holdings.drop(severity, count)
        self.scene.truth.gone(self.key, first, start, start + count)
        self.world.trace(self.name, f"drops [{start}, {start + count}) of {first}")
        self.wake()

    def find(self, effects: list[Effect]) -> None:
        """ZRE said something."""
        if self.alive:
            self._apply(effects)
            self.wake()

    def pause(self, duration: int) -> None:
        """SIGSTOP."""
        self.paused = True
        self.world.trace(self.name, f"is stopped for {duration / SECOND:.3f} s")
        self.world.after(duration, self._resume)

    def crash(self) -> Ended:
        """kill -9. Returns what is on its disk, if it has one."""
        self.world.trace(self.name, "is killed")
        self._die(linger=False)
        torn: dict[int, int] = {}
        for first, sequence in self.last[len(self.last) - self.world.random.randrange(len(self.last) + 1) :]:
            torn[first] = min(torn.get(first, sequence), sequence)
        return Ended(self.journal, torn)

    def stop(self) -> None:
        """It ends in order: every link gets its last STATUS."""
        self.world.trace(self.name, "ends")
        self._journal(self.cutter.flush())
        for key in list(self.wires):
            self._close(Close(key, orderly=True))
        self.wake()
        self.world.after(_ENDING_NS + 600 * MS, self._die)

    def _die(self, linger: bool = True) -> None:
        if self.alive:
            self.alive = False
            for wires in (*self.wires.values(), *self.ending):
                wires.close(linger)
            self.wires.clear()
            self.ending.clear()
            self.scene.node_ended(self)

    def _resume(self) -> None:
        self.paused = False
        for wires in (*self.wires.values(), *self.ending):
            for socket in (wires.live, wires.sync):
                if socket is not None and socket.connection is not None:
                    socket.connection.resume()
        self.wake()

    # --- a turn: `zlog.agent.engine` ----------------------------------------------------------------------------------

    def wake(self, delay: int = 0) -> None:
        at = self.world.now + delay
        if self._turn_at is None or at < self._turn_at:
            self._turn_at = at
            self.world.after(delay, self._turn, at)

    def take_records(self) -> None:
        self._journal(self.cutter.tick(self.world.now))

    def _turn(self, at: int) -> None:
        if at != self._turn_at or not self.alive:
            return
        self._turn_at = None
        if self.paused:
            return
        now = self.world.now
        self.take_records()
        self._apply(self.discovery.tick(now))
        for wires in [*self.wires.values(), *self.ending]:
            self._serve(wires)
        self._finish()
        self.scene.truth.look_node(self)
        self._check()
        due = [each for each in (self.cutter.due(), self.discovery.due()) if each is not None]
        due += [each for wires in (*self.wires.values(), *self.ending) if (each := wires.due()) is not None]
        due += [deadline for deadline, _ in self.ending.values()]
        if due:
            self.wake(max(min(due) - now, 10_000))

    def _journal(self, batches: list[Batch]) -> None:
        for batch in batches:
            for gone in self.journal.append(batch, self.world.now):
                self.scene.truth.gone(self.key, gone.range, gone.start, gone.stop)
                if self.world.tell:
                    self.world.trace(self.name, f"lets [{gone.start}, {gone.stop}) of {gone.range} go")
            self.last = [*self.last[-3:], (batch.range, batch.sequence)]
            if self.journal.bytes > max(self._most_bytes, len(batch.frame) + OVERHEAD):
                raise Violation(f"the journal of {self.name} takes {self.journal.bytes} of {self._most_bytes} octets")

    def _serve(self, wires: Wires) -> None:
        now = self.world.now
        for event in wires.pump(now):
            key = wires.target.key
            if self.wires.get(key) is not wires:
                continue
            if isinstance(event, Welcomed):
                self._apply(self.discovery.welcome(key, event.collector))
            elif isinstance(event, Refused):
                self._apply(self.discovery.refused(key, event.code, now))
            elif isinstance(event, Wrong):
                self._apply(self.discovery.refused(key, 0, now))

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if self.world.tell:
                self.world.trace(self.name, f"{type(effect).__name__} {effect[0]}")
            if isinstance(effect, Open):
                link = Link(effect.target, self.holdings, self._own, self.world.now, self.wall, self._summaries)
                self.wires[effect.target.key] = Wires(self, link)
            elif isinstance(effect, Close):
                self._close(effect)
            elif isinstance(effect, Greet) and effect.key in self.wires:
                self.wires[effect.key].link.greet(self.world.now)

    def _close(self, effect: Close) -> None:
        wires = self.wires.pop(effect.key, None)
        if wires is None:
            return
        if effect.orderly and wires.link.serves:
            self._journal(self.cutter.flush())
            self.ending[wires] = self.world.now + _ENDING_NS, list(self.run.next)
        else:
            wires.close(False)

    def _finish(self) -> None:
        now = self.world.now
        for wires, (deadline, nexts) in list(self.ending.items()):
            link = wires.link
            if link.has_sent(nexts) or now >= deadline or not link.serves:
                link.closing(now)
                wires.pump(now)
                del self.ending[wires]
                wires.close(True)

    def _summaries(self) -> list[LinkStatus]:
        return [wires.link.summary() for wires in self.wires.values() if wires.link.collector is not None]

    def _check(self) -> None:
        for wires in (*self.wires.values(), *self.ending):
            if len(wires.link.control) > limits.MAX_CONTROL + 1_000:
                raise Violation(f"{len(wires.link.control)} messages wait on a link of {self.name}")


def shown(frame: bytes) -> str:
    """A frame in the trace."""
    message = wire.decode(frame)
    if isinstance(message, wire.Batch):
        return f"BATCH {message.severity} [{message.sequence}, {message.sequence + message.count})"
    if isinstance(message, wire.Fetch | wire.Gone):
        kind = "FETCH" if isinstance(message, wire.Fetch) else "GONE"
        return f"{kind} {message.node.hex[:4]} {message.severity} [{message.start}, {message.stop or ''})"
    if isinstance(message, wire.Commit):
        return f"COMMIT {message.node.hex[:4]} {message.severity} through {message.through}"
    if isinstance(message, wire.Welcome | wire.Demand):
        return f"{message.NAME} severity {message.severity} for {message.seconds} s"
    return str(message.NAME)

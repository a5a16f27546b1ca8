"""A node: the cores of the agent, driven as `zlog.agent.engine` does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from zlog import limits
from zlog.core.batches import Batch, Cutter, Run
from zlog.core.discovery import Close, Discovery, Effect, Greet, Open
from zlog.core.holdings import Holdings
from zlog.core.journal import OVERHEAD, Journal
from zlog.core.link import Link, Own, Refused, Welcomed, Wrong
from zlog.core.sync import LinkStatus
from zlog.record import encode_values
from zlog.severity import range_index, range_of

from .disks import LOOK_NS, Disk
from .wires import Wires
from .world import MS, SECOND, WALL_NS, Violation, World

if TYPE_CHECKING:
    from .scene import Scene

#: How long a link that ends in order may take.
_ENDING_NS: Final = SECOND


class Node:
    """One run of a node.

    Args:
        name, host: of it.
        addresses: static collectors.
        journal_bytes, journal_age: bounds of its journal.
        disk_bytes: bound of its journal on disk; None for none.
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
        disk_bytes: int | None = None,
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
        self.lost_power = False
        self.skew = scene.skews.get(host, 0)
        self.began = world.now
        self.run = Run(self.uuid, WALL_NS + world.now + self.skew)
        self.journal = Journal(journal_bytes, journal_age)
        self.holdings = Holdings(self.run, self.journal)
        self.disk = None if disk_bytes is None else Disk(self.run, self.journal, disk_bytes)
        self._look_at = 0
        self._checked_at = 0
        self.cutter = Cutter(self.run, host, name, 1, close_records=close_records)
        self.discovery = Discovery(self.uuid, world.now, addresses)
        self.wires: dict[str, Wires] = {}
        self.ending: dict[Wires, tuple[int, list[int]]] = {}
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
        if duration > 3 * SECOND:  # the other side may take it for gone
            for wires in self.wires.values():
                for socket in (wires.live, wires.sync):
                    if socket is not None and socket.connection is not None and self.world.random.random() < 0.5:
                        self.world.after(3 * SECOND, socket.connection.breaks, duration - 3 * SECOND, 10 * MS)

    def crash(self, *, power: bool = False) -> None:
        """kill -9; or the machine loses power, and its disk what was written last."""
        self.world.trace(self.name, "loses power" if power else "is killed")
        self.lost_power = power
        self._die(linger=False, lost=self.world.random.randrange(4) if power else 0)

    def stop(self) -> None:
        """It ends in order: every link gets its last STATUS."""
        self.world.trace(self.name, "ends")
        self._journal(self.cutter.flush())
        for key in list(self.wires):
            self._close(Close(key, orderly=True))
        self.wake()
        self.world.after(_ENDING_NS + 600 * MS, self._die)

    def _die(self, linger: bool = True, lost: int = 0) -> None:
        if self.alive:
            self.alive = False
            if self.disk is not None:
                self.disk.died(min(lost, len(self.disk._last)))
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
        self._write()

    def _turn(self, at: int) -> None:
        if at != self._turn_at or not self.alive:
            return
        self._turn_at = None
        if self.paused:
            return
        now = self.world.now
        self.take_records()
        self._look(now)
        self._apply(self.discovery.tick(now))
        for wires in [*self.wires.values(), *self.ending]:
            self._serve(wires)
        self._finish()
        self.scene.truth.look_node(self)
        self._check()
        due = [each for each in (self.cutter.due(), self.discovery.due()) if each is not None]
        due += [each for wires in (*self.wires.values(), *self.ending) if (each := wires.due()) is not None]
        due += [deadline for deadline, _ in self.ending.values()]
        if self.disk is not None and self._serves():
            due.append(self._look_at)
        if due:
            self.wake(max(min(due) - now, 10_000))

    def _journal(self, batches: list[Batch]) -> None:
        for batch in batches:
            gone = self.journal.append(batch, self.world.now)
            self._write()
            for each in gone:
                self._let_go(each.range, each.start, each.stop)
            if self.journal.bytes > max(self._most_bytes, len(batch.frame) + OVERHEAD):
                raise Violation(f"the journal of {self.name} takes {self.journal.bytes} of {self._most_bytes} octets")

    def _write(self) -> None:
        if self.disk is not None:
            for batch in self.disk.pump():
                self._let_go(batch.range, batch.sequence, batch.stop)

    def _let_go(self, first: int, start: int, stop: int) -> None:
        """These went from memory, or from disk: where the other has them neither, they are gone."""
        if self.world.tell:
            self.world.trace(self.name, f"lets [{start}, {stop}) of {first} go")
        while start < stop:
            item = self.journal.at(first, start)
            after = stop if item is None else min(stop, item.stop)
            if not isinstance(item, Batch):
                self.scene.truth.gone(self.key, first, start, after)
            start = after

    def _look(self, now: int) -> None:
        """Take over the runs on its host's disk that nobody holds."""
        if self.disk is not None and now >= self._look_at and (self._serves() or not self._look_at):
            self._look_at = now + LOOK_NS
            if self.scene.adopt(self):
                for wires in self.wires.values():
                    wires.link.greet(now)

    def _serves(self) -> bool:
        return any(wires.link.serves for wires in self.wires.values())

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
                link.closing(now, nexts)
                wires.pump(now)
                del self.ending[wires]
                wires.close(True)

    def _summaries(self) -> list[LinkStatus]:
        return [wires.link.summary() for wires in self.wires.values() if wires.link.collector is not None]

    def _check(self) -> None:
        if self.world.now >= self._checked_at + 100 * MS:
            self._checked_at = self.world.now
            for wires in self.wires.values():
                self.scene.truth.check_flushed(self, wires.link)
        for wires in (*self.wires.values(), *self.ending):
            if len(wires.link.control) > limits.MAX_CONTROL + 1_000:
                raise Violation(f"{len(wires.link.control)} messages wait on a link of {self.name}")

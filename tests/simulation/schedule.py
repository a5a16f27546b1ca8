"""A schedule: nodes and collectors, and what goes wrong, all of it drawn from one number."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from zlog import limits
from zlog.core import streams
from zlog.core.session import Demand, Since
from zlog.severity import RANGES

from .collectors import Collector
from .nodes import Node
from .scene import Scene
from .stores import SimStore
from .world import MS, SECOND, Violation, World

#: Nobody is stopped, or waits to be started again, for longer.
_CALM_NS: Final = 4 * SECOND
#: Collectors end within so long.
_END_NS: Final = 15 * SECOND


class Result(NamedTuple):
    """What a run came to.

    Attributes:
        seed: of it.
        violation: what went wrong; empty if nothing did.
        events, records: how many there were.
        simulated_s: virtual seconds it took, `settled_s` of them without faults.
    """

    seed: int
    violation: str
    events: int
    records: int
    simulated_s: float
    settled_s: float


class Play:
    """Draws a scene and what happens in it, small enough for thousands of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.scene = Scene(world)
        self.random = world.random
        self._sizes: dict[str, Any] = {}
        self._hosts: list[str] = []
        self._running: dict[str, Node] = {}
        self._over = False

    def run(self) -> tuple[int, int]:
        """Let it happen; returns when faults began and how long it took to settle."""
        with small_limits(self.random.random(), self.random.choice((0, 1, 1))):
            return self._run()

    def _run(self) -> tuple[int, int]:
        world, random, scene = self.world, self.random, self.scene
        began = world.now
        world.horizon = world.now + world.between(SECOND, 8 * SECOND)
        scene.network.slowest = random.choice((MS, 5 * MS, 50 * MS, 300 * MS))
        scene.network.loss = random.choice((0.0, 0.0, 0.0, 0.3))
        scene.network.twice = random.choice((0.0, 0.0, 0.05))
        scene.network.spoiled = random.choice((0.0, 0.0, 0.0, 0.02)) if not scene.network.twice else 0.0
        pool = "pool" if random.random() < 0.15 else ""
        for number in range(1, random.choice((1, 1, 2, 2 if not pool else 3)) + 1):
            self._add_collector(number, pool)
        scene.addresses = tuple(f"tcp://{each.host}:700{1}" for each in scene.collectors if each._ports is not None)
        if not pool and random.random() < 0.7:
            scene.addresses = tuple(f"tcp://{each.host}:7001" for each in scene.collectors if each.named)
        if pool:
            scene.addresses = ()
        for collector in scene.collectors:
            world.after(world.between(MS, world.horizon - began), self._start, collector)
        self._hosts = [f"10.0.1.{number}" for number in range(1, random.choice((1, 1, 2, 3)) + 1)]
        for host in self._hosts:
            if random.random() < 0.2:
                scene.network.behind_nat.add(host)
            world.after(world.between(MS, 2 * SECOND), self._start_node, host)
        for _ in range(random.randrange(9)):
            world.after(world.between(MS, world.horizon - began), self._fault)
        world.run(world.horizon)
        return began, self._calm()

    def _add_collector(self, number: int, pool: str) -> None:
        random, scene = self.random, self.scene
        stores = []
        for which in range(random.choice((0, 1, 1, 1, 2, 2, 3))):
            kind = random.choice(("durable", "durable", "durable", "memory", "optional"))
            stores.append(SimStore(f"c{number}s{which}", durable=kind != "memory", optional=kind == "optional"))
            stores[-1].slow = random.choice((MS, 20 * MS, 20 * MS, 500 * MS, 3 * SECOND))
        since: Since = random.choice((None, None, None, "start", self.scene.wall("") + random.randrange(10 * SECOND)))
        named = not pool and random.random() < 0.25
        live = not named or random.random() < 0.6
        scene.collectors.append(
            Collector(
                scene,
                f"c{number}",
                f"10.0.0.{number}",
                stores,
                view=random.random() < 0.3,
                demand=Demand(random.choice((1, 5, 9, 9, 9, 13, 17))),
                since=since,
                pool=pool,
                ports=(7001, 7002) if named or random.random() < 0.5 else None,
                named=named,
                live=live,
                adverts=random.random() < 0.3,
            )
        )

    def _start(self, collector: Collector) -> None:
        if self._over:
            return
        if collector.is_up and collector.leaving:
            self.world.after(100 * MS, self._start, collector)
        elif not collector.is_up:
            if collector.uuid is not None and not collector.named and self.random.random() < 0.25:
                collector.move(f"10.0.{self.random.randrange(2, 250)}.{collector.name[1:]}")
            collector.start()

    def _start_node(self, host: str, disk_bytes: int | None = None) -> None:
        random = self.random
        node = self.scene.add_node(
            host,
            journal_bytes=random.choice((1 << 20, 3_000, 8_000, 30_000)),
            journal_age=random.choice((None, None, None, 2 * SECOND)),
            disk_bytes=disk_bytes or random.choice((None, 8_000, 1 << 20, 1 << 20)),
            close_records=random.choice((256, 16, 3)),
        )
        self._running[host] = node
        self.world.after(self.world.between(MS, SECOND), self._log, node)

    def _log(self, node: Node) -> None:
        """A rhythm: bursts and pauses, all severities."""
        world, random = self.world, self.random
        if not node.alive or world.now >= world.horizon:
            return
        if not node.paused:
            for _ in range(random.choice((1, 1, 2, 4))):
                severity = random.choice((1, 5, 9, 9, 9, 10, 13, 17, 21))
                node.log(severity, random.choice((1, 1, 1, 1, 3, 10, 30)))
            if random.random() < 0.03:
                node.drop(random.choice((5, 9, 17)), random.randrange(1, 20))
        world.after(world.between(MS, 2 * SECOND), self._log, node)

    # --- faults -------------------------------------------------------------------------------------------------------

    def _fault(self) -> None:
        if self.world.now < self.world.horizon:
            kinds: list[tuple[int, Callable[[], None]]] = [
                (6, self._break), (5, self._cut), (4, self._crash_collector), (2, self._leave), (5, self._crash_node),
                (2, self._pause_collector), (2, self._pause_node), (3, self._store_fails), (4, self._want),
                (2, self._step_clock), (1, self._resubscribe), (1, self._fork), (2, self._disk_fails),
                (2, self._lose_sight),
            ]  # fmt: skip
            self.random.choices([kind for _, kind in kinds], [weight for weight, _ in kinds])[0]()

    def _break(self) -> None:
        for connection in self.scene.network.connections():
            if self.random.random() < 0.4:
                connection.breaks(self.world.between(MS, 3 * SECOND), self.world.between(MS, 15 * SECOND))

    def _cut(self) -> None:
        duration = self.world.between(20 * MS, 60 * SECOND)
        for host in self._hosts:
            for collector in self.scene.collectors:
                if self.random.random() < 0.6:
                    self.world.trace(host, f"can't reach {collector.name} for {duration / SECOND:.3f} s")
                    self.scene.network.cut(host, collector.host)
                    for node in self.scene.nodes:
                        if node.alive and node.host == host:
                            self.scene.zre.cut(node, collector)
                    self.world.after(duration, self._heal, host, collector.host)

    def _heal(self, client: str, server: str) -> None:
        self.world.trace(client, f"reaches {server} again")
        self.scene.network.heal(client, server)

    def _up(self) -> list[Collector]:
        return [collector for collector in self.scene.collectors if collector.is_up]

    def _crash_collector(self) -> None:
        for collector in self._up()[: self.random.choice((1, 1, 2))]:
            collector.crash()
            self.world.after(self.world.between(10 * MS, 4 * SECOND), self._start, collector)

    def _leave(self) -> None:
        for collector in self._up()[:1]:
            collector.leave()
            self.world.after(self.world.between(2 * SECOND, 4 * SECOND), self._start, collector)

    def _crash_node(self) -> None:
        host = self.random.choice(self._hosts)
        node = self._running.get(host)
        if node is None or not node.alive:
            return
        if self.random.random() < 0.2:
            node.stop()
        else:
            node.crash(power=self.random.random() < 0.25)
        self.world.after(self.world.between(10 * MS, 3 * SECOND), self._start_node, host)

    def _fork(self) -> None:
        self._start_node(self.random.choice(self._hosts))

    def _pause_collector(self) -> None:
        for collector in self._up()[:1]:
            collector.pause(self.world.between(10 * MS, 8 * SECOND))

    def _pause_node(self) -> None:
        for node in self.scene.nodes:
            if node.alive and not node.paused and self.random.random() < 0.5:
                node.pause(self.world.between(10 * MS, 8 * SECOND))

    def _store_fails(self) -> None:
        stores = [store for collector in self.scene.collectors for store in collector.stores]
        if stores:
            store = self.random.choice(stores)
            store.fails = True
            self.world.after(self.world.between(10 * MS, 10 * SECOND), setattr, store, "fails", False)

    def _disk_fails(self) -> None:
        """It is full for a while, for all that write to it."""
        host = self.random.choice(self._hosts)
        self.world.trace(host, "has a full disk")
        disks = [node.disk for node in self.scene.nodes if node.alive and node.host == host and node.disk is not None]
        duration = self.world.between(100 * MS, 10 * SECOND)
        for disk in disks:
            disk.fails = True
            self.world.after(duration, setattr, disk, "fails", False)

    def _lose_sight(self) -> None:
        for collector in self._up():
            for node in self.scene.nodes:
                if node.alive and self.random.random() < 0.4:
                    self.scene.zre.miss(node, collector)

    def _want(self) -> None:
        for collector in self._up()[:1]:
            nodes = [node.uuid for node in self.scene.nodes if node.alive]
            for _ in range(self.random.choice((1, 1, 2))):
                demand = Demand(self.random.choice((1, 5, 9, 13, 17, 21)), "", self.random.choice((0, 0, 1, 3)))
                collector.want(demand, self.random.choice([None, None, *nodes]))

    def _step_clock(self) -> None:
        host = self.random.choice([*self._hosts, *(collector.host for collector in self.scene.collectors)])
        most = self.random.choice((2, 60, 3_600))
        skew = self.scene.skews[host] = self.random.randrange(-most, most) * SECOND
        self.world.trace(host, f"has its clock set by {skew // SECOND} s")
        for node in self.scene.nodes:
            if node.host == host:
                node.skew = skew

    def _resubscribe(self) -> None:
        for collector in self._up()[:1]:
            collector.resubscribe()

    # --- the end ------------------------------------------------------------------------------------------------------

    def _calm(self) -> int:
        """Nothing goes wrong any more: everybody is there, and all has to settle; then links must still work."""
        world, scene = self.world, self.scene
        world.trace("world", "is calm from here on")
        scene.network.spoiled = scene.network.loss = 0.0
        for client, server in list(scene.network.cuts):
            self._heal(client, server)
        for collector in scene.collectors:
            for store in collector.stores:
                store.fails, store.slow = False, min(store.slow, 500 * MS)
        world.run(world.now + _CALM_NS)  # whatever was stopped goes on, whoever was to start does
        for collector in scene.collectors:
            self._start(collector)
        took = _CALM_NS + scene.settle()
        for host in scene.unheld():  # what was a gap is found after all
            self._start_node(host, 1 << 20)
        for node in scene.nodes:
            if node.alive:
                for first in RANGES:
                    node.log(first)
        took += scene.settle()
        self._over = True
        self._end(scene.collectors)
        again = [each for each in scene.collectors if any(store._gaps for store in each.stores)]
        for collector in again:  # what has a name isn't named once more
            collector.start()
        self._end(again)
        scene.truth.check_sums()
        return took

    def _end(self, collectors: list[Collector]) -> None:
        """They end in order."""
        for collector in collectors:
            collector.leave()
        until = self.world.now + _END_NS
        while any(collector.is_up for collector in collectors):
            if self.world.now >= until:
                raise Violation(f"a collector hasn't ended after {_END_NS // SECOND} s")
            self.world.run(self.world.now + SECOND)


@contextmanager
def small_limits(chance: float, small: int) -> Iterator[None]:
    """Bounds that a small scene reaches."""
    sizes = (
        ("COLLECTOR_QUEUE_BYTES", (3_000, 8_000, 40_000)),
        ("COLLECTOR_RECEIVE_BYTES", (4_000, 20_000)),
        ("COLLECTOR_FETCH_BYTES", (500, 4_000, 1 << 20)),
    )
    names = [name for name, _ in sizes] + ["COLLECTOR_CREDIT_BYTES"]
    before = {name: getattr(limits, name) for name in names}
    module = vars(streams)
    intervals = {name: module[name] for name in ("MAX_INTERVALS", "BEHIND_INTERVALS")}
    try:
        if small:
            for name, values in sizes:
                setattr(limits, name, values[int(chance * 1_000) % len(values)])
                chance = chance * 10 % 1
            limits.COLLECTOR_CREDIT_BYTES = 3 * limits.COLLECTOR_FETCH_BYTES
            if chance < 0.3:
                module.update(MAX_INTERVALS=6, BEHIND_INTERVALS=3)
        yield
    finally:
        for name, value in before.items():
            setattr(limits, name, value)
        module.update(intervals)


def play(seed: int, tell: Callable[[str], None] | None = None) -> Result:
    """One schedule, from its seed to its end."""
    world = World(seed, tell)
    stage = Play(world)
    violation, began, took = "", world.now, 0
    gc.disable()  # it is soon over
    try:
        began, took = stage.run()
    except Exception as error:  # noqa: BLE001 - that nothing is raised is one of the promises
        if not isinstance(error, Violation) and tell is not None:
            import traceback

            tell(traceback.format_exc())
        violation = str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
        world.trace("world", f"ends: {violation}")
    finally:
        gc.enable()
        stage.scene.undo()
    simulated = (world.now - began) / SECOND
    return Result(seed, violation, world.events, stage.scene.truth.records, simulated, took / SECOND)

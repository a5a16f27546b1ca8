"""A thousand nodes and a few collectors, all of which stumble: `python tests/simulation/run.py --nodes 1000`."""

from __future__ import annotations

import resource
import time
from typing import NamedTuple

from zlog.core.session import Demand

from .collectors import Collector
from .nodes import Node
from .scene import Scene
from .stores import SimStore
from .world import MS, SECOND, World


class Sums(NamedTuple):
    """What it came to: of all stores together, and what it took.

    Attributes:
        stored, lost: records.
        unasked: of runs that a collector, started again before it had stored anything of them, met as older ones.
        simulated_s, settled_s: virtual time, and how much of it after the last record.
        took_s, peak_mib: of this process.
    """

    nodes: int
    collectors: int
    logged: int
    stored: int
    lost: int
    unasked: int
    events: int
    simulated_s: float
    settled_s: float
    took_s: float
    peak_mib: int


def many(nodes: int, collectors: int, records: int, seed: int = 1) -> Sums:
    """Nodes log for ten seconds. Meanwhile a tenth of all connections break, and each collector crashes once.

    Raises:
        Violation: something was stored twice, or did not settle.
    """
    began = time.perf_counter()
    world = World(seed)
    scene = Scene(world)
    try:
        for number in range(1, collectors + 1):
            collector = Collector(
                scene,
                f"c{number}",
                f"10.0.0.{number}",
                [SimStore(f"c{number}s0")],
                demand=Demand(1),
                ports=(7001, 7002),
            )
            scene.collectors.append(collector)
            collector.start()
            crash_at = 3 * SECOND + world.random.randrange(5 * SECOND)
            world.after(crash_at, collector.crash)
            world.after(crash_at + SECOND, collector.start)
        world.run(world.now + SECOND)
        for number in range(nodes):
            node = scene.add_node(f"10.1.{number // 250}.{number % 250 + 1}")
            for _ in range(records):
                world.after(world.random.randrange(10 * SECOND), _log, node)
        for _ in range(10):
            world.after(world.random.randrange(10 * SECOND), _break, scene)
        start = world.now
        world.run(world.now + 10 * SECOND)
        settled = scene.settle()
        stored = lost = unasked = 0
        for collector in scene.collectors:
            for store in collector.stores:
                stored += sum(intervals.count() for intervals in store.had.values())
                lost += sum(intervals.count() for intervals in store.named.values())
                unasked += sum(intervals.count() for intervals in store.skipped.values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return Sums(
            nodes,
            collectors,
            scene.truth.records,
            stored,
            lost,
            unasked,
            world.events,
            (world.now - start) / SECOND,
            settled / SECOND,
            round(time.perf_counter() - began, 1),
            peak,
        )
    finally:
        scene.undo()


def _log(node: Node) -> None:
    node.log(node.world.random.choice((1, 5, 9, 9, 9, 13, 17)))


def _break(scene: Scene) -> None:
    world = scene.world
    for connection in scene.network.connections():
        if world.random.random() < 0.01:
            connection.breaks(world.between(MS, SECOND), world.between(MS, 5 * SECOND))

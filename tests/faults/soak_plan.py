"""What a soak does, drawn from its seed: nodes, and faults with their times. Pure: the same seed, the same plan."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

COLLECTORS: Final = 2
"""The first is there all the time, but for faults; the second comes and goes besides."""

HOST_NODES: Final = 10
"""Nodes on one host, at most."""

EVERY_S: Final = 0.8
"""Between the beginnings of two faults, on average. They last for seconds, so several are there at once."""

#: kind: (weight, what it is done to, how long it lasts at least and at most, in seconds; after that, a process that was
#: ended starts again).
KINDS: Final = {
    "kill node": (8, "node", 0.0, 3.0),
    "end node": (4, "node", 0.0, 3.0),
    "stop node": (5, "node", 0.5, 6.0),
    "kill collector": (3, "collector", 0.0, 3.0),
    "end collector": (1, "collector", 0.0, 3.0),
    "stop collector": (2, "collector", 0.5, 6.0),
    "link down": (3, "host", 0.5, 8.0),
    "cable pulled": (3, "host", 0.5, 8.0),
    "address changed": (2, "node host", 0.0, 0.0),
    "journal's disk full": (3, "node host", 1.0, 6.0),
    "store's disk full": (2, "collector", 1.0, 6.0),
    "packets lost": (3, "host", 1.0, 10.0),
}


@dataclass(frozen=True)
class Node:
    """A place for a process that logs, and starts again when it was ended.

    Attributes:
        host: number of its host, from 0.
        journal: has a journal on disk, in the directory of its host.
        static: has the addresses of the collectors and doesn't speak ZRE.
        rate: records per second, on average.
        forks: makes a child each so many seconds; 0 for never.
        journal_bytes: of the journal in memory.
    """

    number: int
    host: int
    journal: bool
    static: bool
    rate: float
    forks: float
    journal_bytes: str
    seed: int


@dataclass(frozen=True)
class Fault:
    """What is done, to whom, when and for how long. `target` is the number of a node, a collector or a host; hosts are
    those of the nodes and then those of the collectors."""

    at: float
    kind: str
    target: int
    seconds: float

    def __str__(self) -> str:
        on = KINDS[self.kind][1].rpartition(" ")[2]
        return f"{self.at:7.2f} s: {self.kind}, {on} {self.target}, for {self.seconds:.2f} s"


@dataclass(frozen=True)
class Plan:
    """All of it."""

    seed: int
    seconds: float
    nodes: tuple[Node, ...]
    hosts: int
    faults: tuple[Fault, ...]


def draw(seed: int, seconds: float, nodes: int) -> Plan:
    """The plan of a seed; a longer one begins like a shorter one. The first node of each host has a journal on disk."""
    rng = random.Random(seed)
    hosts = -(-nodes // HOST_NODES)
    placed = tuple(_node(rng, number, hosts) for number in range(nodes))
    faults = [
        *_random_faults(rng, seconds, nodes, hosts),
        *_comings_and_goings(random.Random(f"{seed} collector"), seconds),
    ]
    return Plan(seed, seconds, placed, hosts, tuple(sorted(faults, key=lambda fault: fault.at)))


def _node(rng: random.Random, number: int, hosts: int) -> Node:
    first = number < hosts
    return Node(
        number,
        number % hosts,
        journal=first or rng.random() < 0.6,
        static=not first and rng.random() < 0.2,
        rate=round(10 ** rng.uniform(0.3, 1.8), 1),
        forks=round(rng.uniform(3, 12), 1) if rng.random() < 0.2 else 0.0,
        journal_bytes=rng.choice(["64K", "1M", "16M", "16M"]),
        seed=rng.randrange(1 << 30),
    )


def _random_faults(rng: random.Random, seconds: float, nodes: int, hosts: int) -> list[Fault]:
    many = {"node": nodes, "collector": COLLECTORS, "host": hosts + COLLECTORS, "node host": hosts}
    names, weights = list(KINDS), [kind[0] for kind in KINDS.values()]
    faults = []
    at = rng.expovariate(1 / EVERY_S)
    while at < seconds:
        (kind,) = rng.choices(names, weights)
        _, target, least, most = KINDS[kind]
        faults.append(Fault(round(at, 3), kind, rng.randrange(many[target]), round(rng.uniform(least, most), 3)))
        if rng.random() > 0.15:  # else one more at the same moment
            at += rng.expovariate(1 / EVERY_S)
    return faults


def _comings_and_goings(rng: random.Random, seconds: float) -> list[Fault]:
    faults = []
    at = rng.uniform(2, 6)
    while at < seconds:
        kind = rng.choice(["end collector", "kill collector"])
        faults.append(Fault(round(at, 3), kind, COLLECTORS - 1, round(rng.uniform(2, 8), 3)))
        at += rng.uniform(10, 20)
    return faults

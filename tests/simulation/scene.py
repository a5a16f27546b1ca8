"""A network of nodes and collectors: everything there is, and when it has settled."""

from __future__ import annotations

from typing import Any, Final

from zlog.core.holdings import Earlier
from zlog.core.sync import RunKey
from zlog.severity import RANGES

from .collectors import Collector
from .disks import MOST_RUNS, Disk
from .edges import stand_in
from .network import Network
from .nodes import Node
from .truth import Truth
from .world import SECOND, WALL_NS, Violation, World
from .zre import Zre

#: How long everything may take to settle once nothing goes wrong any more: a FETCH that was not answered three times
#: is given up for a minute, and so is a collector that refused.
SETTLE_NS: Final = 300 * SECOND
#: It is looked so often whether it has.
_LOOK_NS: Final = SECOND // 4


class Scene:
    """Everything there is."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.network = Network(world)
        self.nodes: list[Node] = []
        self.collectors: list[Collector] = []
        self.skews: dict[str, int] = {}
        self.truth = Truth(self)
        self.zre = Zre(self)
        self._disks: dict[str, dict[RunKey, Disk]] = {}  # by host, what nobody holds
        self.addresses: tuple[str, ...] = ()
        self.clock, self.undo = stand_in(world)

    def wall(self, host: str) -> int:
        return WALL_NS + self.world.now + self.skews.get(host, 0)

    def add_node(self, host: str, **arguments: Any) -> Node:
        name = f"n{len(self.nodes) + 1}"
        node = Node(self, name, host, addresses=self.addresses, **arguments)
        self.truth.began(node)
        self.nodes.append(node)
        self.world.trace(name, f"starts at {host} as {node.uuid.hex[:4]}")
        self.zre.arrive(node)
        return node

    def adopt(self, node: Node) -> bool:
        """A node takes over what nobody holds on its host; whether there was anything."""
        found = self._disks.get(node.host)
        if not found:
            return False
        earlier = node.holdings.earlier
        earlier.update(found)
        for key in found:
            run = self.truth.runs[key.node.bytes, key.epoch]
            if not run.node.lost_power:  # a clock that never jumps begins anew with the machine
                node.holdings.began[key] = run.began
        self.world.trace(node.name, f"takes over {', '.join(key.node.hex[:4] for key in found)}")
        found.clear()
        while len(earlier) > MOST_RUNS:
            self._remove(next(iter(earlier)), earlier.pop(next(iter(earlier))))
        return True

    def unheld(self) -> list[str]:
        """Hosts with runs on their disks that nobody holds."""
        return [host for host, found in self._disks.items() if found]

    def _remove(self, key: RunKey, disk: Earlier) -> None:
        self.world.trace("world", f"the run of {key.node.hex[:4]} is removed")
        for first in RANGES:
            self.truth.gone((key.node.bytes, key.epoch), first, 1, disk.next(first))

    def node_ended(self, node: Node) -> None:
        """Its journal stays on its host's disk, with those that it had found there."""
        self.zre.ended(node)
        disk = node.disk
        if disk is not None:
            folder = self._disks.setdefault(node.host, {})
            folder.update(node.holdings.earlier)  # type: ignore[arg-type] # they are all of this kind
            folder[RunKey(node.uuid, node.run.epoch)] = disk
            for first, following in zip(RANGES, node.run.next, strict=True):  # nobody can have more of it
                for start, stop in disk.lacks(first, following):
                    self.truth.gone(node.key, first, start, stop)

    def settle(self) -> int:
        """Wait until all is quiet; returns how long that took."""
        began = self.world.now
        ends = self.truth.open_ends()
        while ends and self.world.now < began + SETTLE_NS:
            self.world.run(self.world.now + _LOOK_NS)
            ends = self.truth.open_ends()
        if ends:
            raise Violation(f"not settled after {SETTLE_NS // SECOND} s: " + "; ".join(ends[:5]))
        self.truth.check_sums()
        return self.world.now - began

"""ZRE as nodes and collectors see it: who is there, told late, and in order for each node."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from zlog.core.discovery import COLLECTORS, Effect

from .world import MS, SECOND

if TYPE_CHECKING:
    from .collectors import Collector
    from .nodes import Node
    from .scene import Scene

#: A peer that is not heard is gone after so long.
SILENCE_NS = 30 * SECOND


class Zre:
    """All of it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.world = scene.world
        self._queues: dict[Node, deque[tuple[int, Callable[[], list[Effect]]]]] = {}

    def arrive(self, node: Node) -> None:
        """A node is there: it hears of all collectors."""
        self._queues[node] = deque()
        for collector in self.scene.collectors:
            if collector.is_up and not collector.named:
                self._meet(node, collector)

    def announce(self, collector: Collector) -> None:
        """A collector is there: all nodes hear of it."""
        if not collector.named:
            for node in self.scene.nodes:
                if node.alive:
                    self._meet(node, collector)

    def leave(self, collector: Collector) -> None:
        """A collector leaves its group."""
        uuid = collector.uuid
        if uuid is not None and not collector.named:
            for node in self.scene.nodes:
                self._say(node, 50 * MS, lambda node=node: node.discovery.leave(uuid, COLLECTORS))  # type: ignore[misc]

    def vanish(self, collector: Collector) -> None:
        """A collector is no more: its peers notice, some sooner than others."""
        uuid = collector.uuid
        if uuid is not None and not collector.named:
            for node in self.scene.nodes:
                delay = self.world.between(10 * MS, SILENCE_NS)
                self.world.after(delay, self._say, node, MS, lambda node=node: node.discovery.exit(uuid))

    def ended(self, node: Node) -> None:
        """A node is no more."""
        for collector in self.scene.collectors:
            if collector.session is not None and not collector.named:
                self.world.after(
                    self.world.between(10 * MS, SILENCE_NS), self._left, collector, collector.session, node
                )

    def cut(self, node: Node, collector: Collector) -> None:
        """Nothing goes between two: in the end they take each other for gone."""
        if collector.session is not None and not collector.named:
            self.world.after(SILENCE_NS, self._silence, node, collector, collector.session)

    def miss(self, node: Node, collector: Collector) -> None:
        """So many beacons are lost that two take each other for gone, for a while."""
        if collector.session is not None and collector.uuid is not None and not collector.named:
            uuid = collector.uuid
            self._say(node, SECOND, lambda: node.discovery.exit(uuid))
            self._left(collector, collector.session, node)
            self.world.after(self.world.between(SECOND, 4 * SECOND), self._heard, node, collector, collector.session)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _meet(self, node: Node, collector: Collector) -> None:
        session, uuid = collector.session, collector.uuid
        assert session is not None
        assert uuid is not None
        headers = collector.headers()
        name, endpoint = collector.name, f"tcp://{collector.host}:1"

        def enter() -> list[Effect]:
            if collector.session is not session:
                return []
            session.peer(node.uuid, node.name, f"tcp://{node.host}:1")
            early = {} if collector.adverts else headers
            return node.discovery.enter(uuid, name, early, endpoint, self.world.now)

        def join() -> list[Effect]:
            return node.discovery.join(uuid, COLLECTORS) if collector.session is session else []

        def advert() -> list[Effect]:
            return node.discovery.advert(uuid, headers) if collector.session is session else []

        lost = 0
        while self.world.random.random() < self.scene.network.loss:
            lost += 1  # a beacon each second
        self._say(node, (1 + lost) * SECOND, enter)
        self._say(node, 10 * MS, join)
        if collector.adverts:
            self._say(node, 100 * MS, advert)

    def _say(self, node: Node, slowest: int, what: Callable[[], list[Effect]]) -> None:
        queue = self._queues.get(node)
        if queue is None or not node.alive:
            return
        at = max(self.world.now + self.world.between(MS, max(slowest, MS)), queue[-1][0] if queue else 0)
        queue.append((at, what))
        self.world.after(at - self.world.now, self._pump, node)

    def _pump(self, node: Node) -> None:
        queue = self._queues[node]
        if node.paused:
            self.world.after(20 * MS, self._pump, node)
            return
        while queue and queue[0][0] <= self.world.now:
            _, what = queue.popleft()
            if node.alive:
                node.find(what())

    def _left(self, collector: Collector, session: object, node: Node) -> None:
        if collector.session is session and collector.session is not None:
            collector.session.peer_left(node.uuid)

    def _silence(self, node: Node, collector: Collector, session: object) -> None:
        if (node.host, collector.host) not in self.scene.network.cuts or collector.session is not session:
            return
        uuid = collector.uuid
        assert uuid is not None
        self._say(node, MS, lambda: node.discovery.exit(uuid))
        self._left(collector, session, node)
        self.world.after(SECOND, self._heard, node, collector, session)

    def _heard(self, node: Node, collector: Collector, session: object) -> None:
        if not node.alive or collector.session is not session:
            return
        if (node.host, collector.host) in self.scene.network.cuts:
            self.world.after(SECOND, self._heard, node, collector, session)
        else:
            self._meet(node, collector)

"""What stands in for the edges of a collector: its clock, its log, its sockets, who looks at its view."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zlog import limits
from zlog.collector import core as core_module
from zlog.collector.view import View
from zlog.core.intervals import Intervals
from zlog.core.parcels import Key, Parcel

from .world import WALL_NS, Violation, World

if TYPE_CHECKING:
    from .collectors import Collector


class Clock:
    """Stands in for the module `time` where the collector's edge asks for it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.skew = 0

    def monotonic_ns(self) -> int:
        return self.world.now

    def time_ns(self) -> int:
        return WALL_NS + self.world.now + self.skew

    def monotonic(self) -> float:
        return self.world.now / 1e9


class Reporter:
    """Stands in for `zlog.report`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def log(self, level: int, text: str, *args: object, exc_info: Any = None, to: Any = None) -> None:
        self.world.trace("report", text % args if args else text)


class Receiver:
    """What `Core` knows of the sockets: `zlog.collector.sockets.Receiver`."""

    def __init__(self, collector: Collector) -> None:
        self.live: deque[bytes] = deque()
        self.sync: deque[tuple[bytes, bytes]] = deque()
        self.live_bytes = self.live_taken = 0
        self.sync_bytes = self.sync_taken = 0
        self._collector = collector
        self._out: list[tuple[bytes, bytes]] = []

    def send(self, identity: bytes, frame: bytes) -> None:
        self._out.append((identity, frame))

    def flush(self) -> None:
        out, self._out = self._out, []
        for identity, frame in out:
            self._collector.send(identity, frame)

    @property
    def is_full(self) -> bool:
        return self.live_bytes - self.live_taken >= limits.COLLECTOR_RECEIVE_BYTES


class Reader:
    """Who iterates over the collector: gets each record once, as it was logged, and what is too old not at all."""

    def __init__(self, collector: Collector, damaged: Callable[[Parcel], None]) -> None:
        self.view = View(damaged)
        self.had: dict[Key, Intervals] = {}
        self._collector = collector

    def read(self) -> None:
        """Take what is there."""
        view = self.view
        if not view._queue:
            return
        while (record := view._next()) is not None:
            key = bytes.fromhex(record.node), record.epoch, record.range
            had = self.had.get(key)
            if had is None:
                had = self.had[key] = Intervals()
            elif record.sequence in had:
                raise Violation(f"a view gets {record.sequence} of {record.range} twice")
            had.add(record.sequence, record.sequence + 1)
            self._collector.scene.truth.check_seen(self._collector, key, record)


def stand_in(world: World) -> tuple[Clock, Callable[[], None]]:
    """Give the collector's core this world's clock; returns it, and what undoes that."""
    modules = vars(core_module)
    before = {name: modules[name] for name in ("time", "report")}
    clock = Clock(world)
    modules.update(time=clock, report=Reporter(world))
    return clock, lambda: modules.update(before)

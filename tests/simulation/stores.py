"""A store whose disk outlives the collector, and its writer, driven without its thread."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar

from zlog import limits
from zlog.collector.stores import Loss, Part, Store
from zlog.collector.stores.base import EVERYTHING, Filter, Held
from zlog.collector.writer import Roomy, Told, Writer, _size
from zlog.core.intervals import Intervals
from zlog.core.parcels import Key, Parcel
from zlog.core.session_effects import GAP, NOT_ASKED
from zlog.record import Stored

from .world import MS, SECOND, Violation

if TYPE_CHECKING:
    from .collectors import Collector

#: What names of losses may take in a writer's queue besides what it promises.
_NAMES: int = 4 << 20


class SimStore(Store):
    """What it has written is on its disk, which is taken away from a store that isn't durable when it crashes.

    Args:
        name: of it.
        durable, optional: as any store's.

    Attributes:
        had: per run and range, the sequences whose records were stored.
        named: the same of those that were noted as gone, and `skipped` as not asked for.
        slow: the longest write.
        fails: writes fail now.
    """

    scheme: ClassVar[str] = "simulated"

    def __init__(self, name: str, *, durable: bool = True, optional: bool = False) -> None:
        super().__init__(name)
        self.durable = durable  # type: ignore[misc] # of each one
        self.optional = optional
        self.slow = 20 * MS
        self.fails = False
        self.owner: Collector | None = None
        self.forget()

    def forget(self) -> None:
        """What was in it is gone."""
        self._held = {}
        self._gaps = {}
        self.had: dict[Key, Intervals] = {}
        self.named: dict[Key, Intervals] = {}
        self.skipped: dict[Key, Intervals] = {}
        self._losses: list[Loss] = []

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        yield from ()

    def losses(self) -> list[Loss]:
        return self._standing(self._losses)

    def _start(self) -> None:
        pass

    def _stop(self) -> None:
        pass

    def _put(self, parts: list[Part], losses: list[Loss], changed: Held) -> None:
        assert self.owner is not None
        truth = self.owner.scene.truth
        for loss in losses:
            if loss.cause == GAP:
                self._gap(loss, changed)
                self._losses.append(loss)
                continue
            self._new(loss.key, loss.start, loss.stop, self.skipped if loss.cause == NOT_ASKED else self.named)
            if loss.cause == NOT_ASKED:
                truth.check_skip(self.owner, self, loss.key, loss.start, loss.stop)
            else:
                truth.check_gone(self, loss)
            self._losses.append(loss)
        for part in parts:
            self._new(part.key, part.sequence, part.stop, self.had)
            truth.check_records(part)

    def _gap(self, loss: Loss, changed: Held) -> None:
        """A gap is what is missing, and named once."""
        held = changed.get(loss.key) or self._held.get(loss.key) or Intervals()
        noted = self._gaps.get(loss.key) or Intervals()
        for kind, known in (("held", held), ("noted", noted)):
            if known.missing(loss.start, loss.stop) != [(loss.start, loss.stop)]:
                raise Violation(
                    f"{self.path} hears of a gap [{loss.start}, {loss.stop}) of which some is {kind}: {known}"
                )

    def _new(self, key: Key, start: int, stop: int, among: dict[Key, Intervals]) -> None:
        for kind, known in (("stored", self.had), ("named", self.named), ("skipped", self.skipped)):
            intervals = known.get(key)
            if intervals is not None and intervals.missing(start, stop) != [(start, stop)]:
                raise Violation(f"{self.path} gets [{start}, {stop}) of {key[2]} twice: it was {kind}, {intervals}")
        among.setdefault(key, Intervals()).add(start, stop)

    def lacks(self, key: Key, stop: int) -> list[tuple[int, int]]:
        """What of [1, stop) is neither stored nor named nor skipped, nor noted as a gap."""
        known = self._held.get(key) or Intervals()
        gaps = self._gaps.get(key)
        return (known if gaps is None else known.union(gaps)).missing(1, stop)

    def holds_all(self, key: Key, stop: int) -> bool:
        """Whether everything before is stored, or accounted for."""
        held = self._held.get(key)
        return stop <= 1 or (held is not None and held.covers(1, stop))


class SimWriter(Writer):
    """The collector's writer; a write takes time, may fail, and is done before it is told.

    Args:
        tell: called with news, in the order of the real one.
    """

    def __init__(self, collector: Collector, sink: int, store: SimStore, tell: Callable[[Told], None]) -> None:
        super().__init__(sink, store, self._later)
        self._collector = collector
        self._sim_store = store
        self._news: list[Told] = []
        self._tell_core = tell
        self._busy = False
        self._alive = True
        self._pause = 100 * MS

    def die(self) -> None:
        self._alive = False

    @property
    def is_idle(self) -> bool:
        return not self._busy and not self._waiting() and not self._news

    def look(self) -> None:
        """Begin to write if there is something."""
        if self._alive and not self._busy and self._waiting():
            self._busy = True
            self._begin(list(self._next_group()))

    def check(self) -> None:
        for queue, octets in zip((self._queue, self._history), self._bytes, strict=True):
            records = sum(item.size for item in queue if isinstance(item, Parcel))
            if records > limits.COLLECTOR_QUEUE_BYTES + limits.MAX_FRAME_BYTES or octets > records + _NAMES:
                raise Violation(f"{octets} octets wait for {self.store.url}")

    def _begin(self, group: list[Any]) -> None:
        if not self._alive:
            return
        world = self._collector.world
        if self._sim_store.fails:
            if self.failing is None:
                world.trace(self._collector.name, f"{self.store.url} can't be written")
            self._fail("no space left")
            self._told()
            world.after(self._pause, self._begin, group)
            self._pause = min(2 * self._pause, 5 * SECOND)
            return
        self._pause = 100 * MS
        duration = world.between(100_000, self._sim_store.slow)
        world.after(world.random.randrange(duration), self._durable, group)
        world.after(duration, self._done, group)

    def _durable(self, group: list[Any]) -> None:
        if self._alive:
            self._write(group)
            if self._collector.world.tell:
                self._collector.world.trace(self._collector.name, f"{self.store.url} holds {group}")

    def _done(self, group: list[Any]) -> None:
        if not self._alive:
            return
        with self._changed:
            for item in group:
                self._bytes[isinstance(item, Parcel) and item.asked] -= _size(item)
            self.behind -= sum(item.count for item in group if isinstance(item, Parcel))
            self._writing = 0
            roomy = self._refused and max(self._bytes) < limits.COLLECTOR_QUEUE_BYTES // 2
            self._refused = self._refused and not roomy
        self._busy = False
        self._told()
        if roomy:
            self._tell_core(Roomy(self.sink))
        self.look()

    def _store(self, parts: Any, losses: Any) -> bool:
        self.store.write(parts, losses)
        if self.failing is not None:
            self._fail(None)
        return True

    def _later(self, news: Told) -> None:
        self._news.append(news)

    def _told(self) -> None:
        news, self._news = self._news, []
        for each in news:
            self._tell_core(each)

"""What really happened: what was logged, what journals let go, what was wanted when. Stores are compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zlog.collector.stores import Loss, Part
from zlog.core.intervals import Intervals
from zlog.core.nodes import RunId
from zlog.core.parcels import Key
from zlog.core.sync import unpack_held
from zlog.severity import RANGES, range_index
from zlog.wire import zre_log_msg as wire

from .world import Violation

if TYPE_CHECKING:
    from .collectors import Collector
    from .nodes import Node
    from .scene import Scene
    from .stores import SimStore


class _Run:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.began = node.began
        self.logged: dict[int, list[tuple[int, int]]] = {first: [] for first in RANGES}  # when, and what its clock said
        self.gone: dict[int, Intervals] = {first: Intervals() for first in RANGES}


class Truth:
    """Everything there is to know, kept apart from those it is about."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.runs: dict[RunId, _Run] = {}
        self.records = 0
        self._first: dict[tuple[str, Key], int] = {}  # before it, a collector's first contact may skip
        self._varying: dict[str, Collector] = {}
        self._unwanted: dict[tuple[str, RunId, int], int] = {}  # when a range was last not wanted

    # --- what nodes do ------------------------------------------------------------------------------------------------

    def began(self, node: Node) -> None:
        self.runs[node.key] = _Run(node)

    def logged(self, node: Node, first: int, sequence: int, wall_ns: int) -> None:
        records = self.runs[node.key].logged[first]
        records.append((self.scene.world.now, wall_ns))
        self.records += 1
        if len(records) != sequence:
            raise Violation(f"{node.name} numbers record {len(records)} of {first} as {sequence}")
        for collector in self._varying.values():
            self._look(collector, node)

    def gone(self, run: RunId, first: int, start: int, stop: int) -> None:
        self.runs[run].gone[first].add(start, stop)

    # --- what is wanted -----------------------------------------------------------------------------------------------

    def varies(self, collector: Collector) -> None:
        """From now on it has to be watched what this collector wants."""
        self._varying[collector.name] = collector
        self.look_collector(collector)

    def look_node(self, node: Node) -> None:
        for collector in self._varying.values():
            self._look(collector, node)

    def look_collector(self, collector: Collector) -> None:
        if collector.name in self._varying:
            for node in self.scene.nodes:
                self._look(collector, node)

    def _look(self, collector: Collector, node: Node) -> None:
        link = collector.link_of(node.uuid.bytes)
        others = [
            wires.link
            for wires in node.wires.values()
            if wires.link.collector == collector.uuid and wires.link.demand is not None
        ]
        for index, first in enumerate(RANGES):
            wanted = link.wants(index) if link is not None else first + 3 >= collector.demand.severity
            if not wanted or not all(other._dues.is_due(index) for other in others):
                self._unwanted[collector.name, node.key, index] = self.scene.world.now

    def offered(self, collector: Collector, frame: bytes) -> None:
        """A collector is about to look at an OFFER: may it skip what is there already?"""
        message = wire.decode(frame)
        assert isinstance(message, wire.Offer)
        assert collector.session is not None
        for held in unpack_held(message.runs):
            run_id = held.run.node.bytes, held.run.epoch
            run = collector.session.runs.get(run_id)
            known = run is not None and any(stream is not None and stream.begun for stream in run.streams)
            known = known or any(store.holds((*run_id, first)) for store in collector.stores for first in RANGES)
            if known:
                continue
            young = self.runs[run_id].began >= collector.began
            for first, (_, following) in zip(RANGES, held.ranges, strict=True):
                key = collector.name, (*run_id, first)
                self._first[key] = max(self._first.get(key, 1), 1 if young else following)

    # --- what stores get ----------------------------------------------------------------------------------------------

    def check_records(self, part: Part) -> None:
        """They are what was logged under these numbers."""
        run = self.runs[part.node, part.epoch]
        for sequence, record in enumerate(part.records, part.sequence):
            if record.text != f"{run.node.name} {part.range} {sequence}":
                raise Violation(f"{sequence} of {part.range} of {run.node.name} is {record.text!r}")

    def check_gone(self, store: SimStore, loss: Loss) -> None:
        """What is named as gone is."""
        run = self.runs[loss.key[:2]]
        if not run.gone[loss.range].covers(loss.start, loss.stop):
            raise Violation(
                f"{store.path} hears that [{loss.start}, {loss.stop}) of {loss.range} of {run.node.name} is gone "
                f"(cause {loss.cause}), but gone is {run.gone[loss.range]}"
            )

    def check_skip(self, collector: Collector, store: SimStore, key: Key, start: int, stop: int) -> None:
        """What counts as not asked for was there before the first contact, too old, or not wanted for a time."""
        run = self.runs[key[:2]]
        logged, gone = run.logged[key[2]], run.gone[key[2]]
        first = self._first.get((collector.name, key), 1)
        unwanted = self._unwanted.get((collector.name, key[:2], range_index(key[2])), -1)
        for sequence in range(max(start, first), stop):
            if sequence in gone:
                continue
            if sequence <= len(logged):
                when, wall_ns = logged[sequence - 1]
                if when <= unwanted or (isinstance(collector.since, int) and wall_ns < collector.since):
                    continue
            raise Violation(
                f"{store.path} counts {sequence} of {key[2]} of {run.node.name} as not asked for: first contact was "
                f"at {first}, the range was last unwanted at {unwanted}"
            )

    # --- when all is quiet --------------------------------------------------------------------------------------------

    def open_ends(self) -> list[str]:
        """What is still to be done; empty when all links have settled and every store has all there is for it."""
        found: list[str] = []
        for node in self.scene.nodes:
            if node.alive:
                found += self._open_ends_of(node)
        return found

    def _open_ends_of(self, node: Node) -> list[str]:
        found = []
        if node.cutter.waiting():
            found.append(f"{node.name} has an open batch")
        pools: dict[str, int] = {}
        for collector in self.scene.collectors:
            links = [wires.link for wires in node.wires.values() if wires.link.collector == collector.uuid]
            if collector.pool:
                pools[collector.pool] = pools.get(collector.pool, 0) + len(links)
            if len(links) != 1 and not (collector.pool and not links):
                found.append(f"{node.name} has {len(links)} links to {collector.name}")
                continue
            for link in links:
                theirs = collector.link_of(node.uuid.bytes)
                idle = node.host in self.scene.network.behind_nat and not any(map(link.lag, RANGES))
                if not (link.serves or idle) or theirs is None or theirs.silent:
                    silent = "a link" if theirs is None else "sound" if theirs.silent else "doubt"
                    found.append(f"{node.name} serves {collector.name}: {link.serves}, which has no {silent}")
                    continue
                lags = {first: link.lag(first) for first in RANGES if link.lag(first)}
                if lags or link.waiting() or link.control:
                    found.append(f"{node.name} to {collector.name}: lag {lags}, waiting {link.waiting()}")
                for key, nexts in self._due(node):
                    found += self._lacking(collector, node, theirs, key, nexts)
        found += [f"{node.name} has {count} links to {pool}" for pool, count in pools.items() if count != 1]
        return found

    def _due(self, node: Node) -> list[tuple[RunId, list[int]]]:
        runs = [(node.key, list(node.run.next))]
        for key, ended in node.holdings.earlier.items():
            runs.append(((key.node.bytes, key.epoch), [ended.next(first) for first in RANGES]))
        return runs

    def _lacking(self, collector: Collector, node: Node, theirs: object, key: RunId, nexts: list[int]) -> list[str]:
        assert collector.session is not None
        known = any(store.holds((*key, first)) for store in collector.stores for first in RANGES)
        if key != node.key and not known:
            return []
        found = []
        run = collector.session.runs.get(key)
        for index, first in enumerate(RANGES):
            if not theirs.wants(index) or nexts[index] <= 1:  # type: ignore[attr-defined]
                continue
            stream = run.streams[index] if run is not None else None
            if key != node.key and collector.name in self._varying and not (stream is not None and stream.begun):
                continue  # it ended before the range was wanted
            for store in collector.stores:
                if not store.holds_all((*key, first), nexts[index]):
                    held = store.holds((*key, first))
                    found.append(
                        f"{store.path} lacks some of {first} of {key[0].hex()[:4]}, [1, {nexts[index]}): {held}"
                    )
            if stream is None or any(not share.has.covers(1, nexts[index]) for share in stream.shares):
                found.append(f"{collector.name} has not seen all of {first} of {key[0].hex()[:4]}")
        return found

    def check_sums(self) -> None:
        """What a store holds is what is stored, named or skipped, each once."""
        for collector in self.scene.collectors:
            for store in collector.stores:
                for key, held in store.held().items():
                    parts = [kind[key] for kind in (store.had, store.named, store.skipped) if key in kind]
                    whole = Intervals()
                    for part in parts:
                        whole = whole.union(part)
                    if whole != held or sum(part.count() for part in parts) != held.count():
                        raise Violation(f"{store.path} holds {held} of {key[2]}, but has {parts}")

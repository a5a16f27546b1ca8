"""What really happened: what was logged, what journals let go, what was wanted when. Stores are compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from zlog.collector.stores import Loss, Part
from zlog.core.intervals import Intervals
from zlog.core.link import Link
from zlog.core.nodes import RunId
from zlog.core.parcels import Key
from zlog.core.session_effects import GAP
from zlog.core.sync import unpack_held
from zlog.record import Stored
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
        self._by_uuid: dict[UUID | None, Collector] = {}
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

    def started(self, collector: Collector) -> None:
        self._by_uuid[collector.uuid] = collector

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

    def check_seen(self, collector: Collector, key: Key, record: Stored) -> None:
        """What a view gets was logged so, and is no older than it asked for, if it was there before it."""
        run = self.runs[key[:2]]
        if record.text != f"{run.node.name} {record.range} {record.sequence}":
            raise Violation(f"a view gets {record.text!r} as {record.sequence} of {record.range} of {run.node.name}")
        assert collector.session is not None
        stream = collector.session.book.streams[key]
        if record.sequence < stream.since_before and record.time_ns < stream.since_ns:
            raise Violation(f"a view gets {record.text!r}, which is older than it asked for")

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

    def check_flushed(self, node: Node, link: Link) -> None:
        """What an application is told to be stored is: section 6.6 as `flush` has it."""
        if not link.durable or not link.has_committed(node.run.next):
            return
        collector = self._by_uuid.get(link.collector)
        if collector is None or collector.name in self._varying:
            return
        for index, first in enumerate(RANGES):
            if first + 3 < collector.demand.severity:
                continue
            key = (*node.key, first)
            begins = max(self._first.get((collector.name, key), 1), link._dues.bases[index])  # where WELCOME resumed
            for store in collector.stores:
                if store.durable and not store.optional and begins < node.run.next[index]:
                    held = store.holds(key)
                    if held is None or not held.covers(begins, node.run.next[index]):
                        raise Violation(
                            f"{node.name} takes [{begins}, {node.run.next[index]}) of {first} for stored by "
                            f"{collector.name}, {store.path} has {held}"
                        )

    # --- when all is quiet --------------------------------------------------------------------------------------------

    def open_ends(self) -> list[str]:
        """What is still to be done; empty when all links have settled and every store has all there is for it."""
        found: list[str] = []
        for node in self.scene.nodes:
            if node.alive:
                found += self._open_ends_of(node)
        if not found:
            found += self._orphans()
            for collector in self.scene.collectors:
                found += self._unseen(collector)
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
            run = self.runs[key.node.bytes, key.epoch]
            exact = not run.node.lost_power  # else nobody knows how far it came
            nexts = [len(run.logged[first]) + 1 if exact else ended.next(first) for first in RANGES]
            runs.append(((key.node.bytes, key.epoch), nexts))
        return runs

    def _lacking(self, collector: Collector, node: Node, theirs: object, key: RunId, nexts: list[int]) -> list[str]:
        assert collector.session is not None
        known = any(store.holds((*key, first)) for store in collector.stores for first in RANGES)
        known = known or (self.runs[key].began >= collector.began and not self.runs[key].node.lost_power)
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

    def _unseen(self, collector: Collector) -> list[str]:
        """What a view should have been given of runs that go on, and wasn't."""
        reader = collector.reader
        if reader is None or collector.name in self._varying or reader.view.dropped:
            return []
        found = []
        for node in self.scene.nodes:
            link = collector.link_of(node.uuid.bytes)
            if not node.alive or link is None or (collector.stores and node.began < collector.began):
                continue  # a view beside stores begins with what comes
            run = self.runs[node.key]
            for index, first in enumerate(RANGES):
                key = (*node.key, first)
                had, begins = reader.had.get(key, Intervals()), self._first.get((collector.name, key), 1)
                for sequence in range(1, node.run.next[index] if link.wants(index) else 1):
                    if sequence in had or sequence in run.gone[first]:
                        continue
                    wall_ns = run.logged[first][sequence - 1][1]
                    old = isinstance(collector.since, int) and wall_ns < collector.since
                    if sequence >= begins or not (collector.since is None or old):
                        found.append(f"the view of {collector.name} lacks {sequence} of {first} of {node.name}")
        return found

    def _orphans(self) -> list[str]:
        """What is missing of runs that nobody holds any more, and isn't named as a gap."""
        held = {run for node in self.scene.nodes if node.alive for run, _ in self._due(node)}
        found = []
        for collector in self.scene.collectors:
            session = collector.session
            if session is None or not collector.stores:
                continue
            for run in self.runs:
                if run in held:
                    continue
                for first in RANGES:
                    key = (*run, first)
                    stream = session.book.streams.get(key)
                    if stream is not None and stream.begun:
                        end = stream.end
                    else:
                        end = max((known.stop for each in collector.stores if (known := each.holds(key))), default=1)
                    for store in collector.stores:
                        knows = stream is not None or any(store.holds((*run, other)) for other in RANGES)
                        if knows and (lacks := store.lacks(key, end)):
                            found.append(f"{lacks} of {first} of {run[0].hex()[:4]} is unnamed in {store.path}")
        return found

    def check_sums(self) -> None:
        """What a store holds is what is stored, named or skipped, each once; no gap is told of where it holds it."""
        for collector in self.scene.collectors:
            for store in collector.stores:
                for loss in store.losses():
                    held = store.holds(loss.key)
                    if loss.cause == GAP and held and held.missing(loss.start, loss.stop) != [(loss.start, loss.stop)]:
                        raise Violation(f"{store.path} tells of a gap {loss} that it holds some of: {held}")
                for key, held in store.held().items():
                    parts = [kind[key] for kind in (store.had, store.named, store.skipped) if key in kind]
                    whole = Intervals()
                    for part in parts:
                        whole = whole.union(part)
                    if whole != held or sum(part.count() for part in parts) != held.count():
                        raise Violation(f"{store.path} holds {held} of {key[2]}, but has {parts}")

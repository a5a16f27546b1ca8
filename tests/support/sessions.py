"""A collector's session under test: nodes that are only octets, sinks that are only intervals."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from support.nodes import EPOCH, batch
from zlog.core.intervals import Intervals
from zlog.core.parcels import Key, Parcel
from zlog.core.session import Demand, Session, Sink
from zlog.core.session_effects import GAP, Name, Report, Send, Take
from zlog.core.sync import (
    Held,
    LinkStatus,
    RangeStatus,
    RunKey,
    pack_held,
    pack_links,
    pack_path,
    pack_ranges,
    unpack_resume,
)
from zlog.severity import RANGES
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError

SECOND = 1_000_000_000
WALL = 1_763_625_700 * SECOND
COLLECTOR = uuid.UUID(int=0xC011EC7)


class FakeStore:
    """What a sink holds; may be full, or slow to write."""

    def __init__(self, *, durable: bool = True, optional: bool = False, keeps: bool = True) -> None:
        self.required = durable and not optional
        self.keeps = keeps
        self.held: dict[Key, Intervals] = {}
        self.gapped: dict[Key, Intervals] = {}
        self.times: Counter[tuple[Key, int]] = Counter()  # how often each record was stored
        self.names: list[tuple[Key, int, int, int]] = []
        self.waiting: list[Parcel | Name] = []
        self.room = 10**9

    def known(self, key: Key) -> Intervals | None:
        return self.held.get(key) if self.keeps else None

    def gaps(self, key: Key) -> Intervals | None:
        return self.gapped.get(key) if self.keeps else None

    def holes(self) -> list[Key]:
        """Of which it knows that something is missing."""
        return [key for key, held in self.held.items() if not held.covers(1, held.stop)]

    def write(self, item: Parcel | Name) -> tuple[Key, int, int] | None:
        """Store what isn't held, and say what it holds then. Raises DecodeError."""
        if isinstance(item, Name) and item.cause == GAP:
            noted = self.gapped.setdefault(item.key, Intervals())
            assert noted.missing(item.start, item.stop) == [(item.start, item.stop)], "a gap is named twice"
            noted.add(item.start, item.stop)
            for start, stop in self.held.get(item.key, Intervals()).missing(item.start, item.stop):
                self.names.append((item.key, start, stop, GAP))
            return None
        if isinstance(item, Name):
            start, stop = item.start, item.stop
            for first, after in self.held.setdefault(item.key, Intervals()).missing(start, stop):
                self.names.append((item.key, first, after, item.cause))
        else:
            item.records()
            start, stop = item.sequence, item.stop
            for first, after in self.held.setdefault(item.key, Intervals()).missing(start, stop):
                self.times.update((item.key, number) for number in range(first, after))
        self.held[item.key].add(start, stop)
        return item.key, start, stop


@dataclass
class Collecting:
    """A session with stores, a clock of its own, and what it said to whom."""

    stores: list[FakeStore] = field(default_factory=lambda: [FakeStore()])
    options: dict[str, Any] = field(default_factory=dict)
    now: int = 1_000 * SECOND
    writes: bool = True  # at once
    sent: dict[bytes, list[Any]] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)
    viewed: list[tuple[Key, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        sinks = [Sink(store.required, store.keeps, store.known, store.gaps) for store in self.stores]
        self.session = Session(COLLECTOR, "collector", self.now, self.wall, sinks, **({"port": 41201} | self.options))

    @property
    def wall(self) -> int:
        return WALL + self.now

    def carry_out(self, effects: Iterable[Any]) -> Collecting:
        todo = list(effects)
        for effect in todo:
            match effect:
                case Send(identity, frame):
                    self.sent.setdefault(identity, []).append(zre_log_msg.decode(frame))
                case Take(parcel, sinks, fresh):
                    assert sinks
                    for sink in sinks:
                        store = self.stores[sink]
                        if not store.keeps:
                            self.viewed += [(parcel.key, *pair) for pair in fresh]
                        elif len(store.waiting) >= store.room:
                            todo += self.session.refused(sink, parcel, self.now)
                        else:
                            store.waiting.append(parcel)
                case Name(_, start, stop, _, sinks):
                    assert sinks
                    assert start < stop
                    for sink in sinks:
                        self.stores[sink].waiting.append(effect)
                case Report(cause):
                    assert cause not in self.reports, "told twice"
                    self.reports.append(cause)
        if self.writes:
            self.write()
        return self

    def write(self, sink: int | None = None) -> Collecting:
        """Have stores write what waits, say so, and have room."""
        for number, store in enumerate(self.stores):
            if sink is not None and number != sink:
                continue
            waiting, store.waiting = store.waiting, []
            for item in waiting:
                try:
                    held = store.write(item)
                except DecodeError:
                    self.carry_out(self.session.damaged(item, self.now))
                else:
                    if store.keeps and held is not None:
                        self.session.written(number, *held)
        return self

    def live(self, frame: bytes) -> Collecting:
        return self.carry_out(self.session.live(frame, self.now, self.wall))

    def sync(self, identity: bytes, frame: bytes) -> Collecting:
        return self.carry_out(self.session.sync(identity, frame, self.now, self.wall))

    def after(self, seconds: float, *, behind: bool = False) -> Collecting:
        """Let time pass, with a tick whenever one is due."""
        end = self.now + round(seconds * SECOND)
        while self.session.due <= end:
            self.now = max(self.now, self.session.due)
            due = self.session.due
            self.carry_out(self.session.tick(self.now, behind=behind))
            assert self.session.due > due or self.session.due > self.now, "a tick that asks for itself for ever"
        self.now = end
        return self

    def demand(self, severity: int, logger: str = "", seconds: int = 0, node: uuid.UUID | None = None) -> Collecting:
        return self.carry_out(self.session.demand(Demand(severity, logger, seconds), node, self.now))

    def end(self) -> Collecting:
        """Stop in order: the stores have written what waits, and hear what is missing."""
        self.write()
        return self.carry_out(self.session.end(self.now)).write()

    def node(self, number: int = 1, *, epoch: int = EPOCH) -> Node:
        return Node(self, number, epoch)

    def covered(self, node: Node, range_: int = 9, sink: int = 0) -> list[tuple[int, int]]:
        """What a store has of a node's range."""
        return list(self.stores[sink].held.get(node.key(range_), Intervals()))

    def stored(self, node: Node, range_: int = 9, sink: int = 0) -> list[int]:
        """The sequences that were stored as records; each once."""
        key = node.key(range_)
        counts = {number: times for (k, number), times in self.stores[sink].times.items() if k == key}
        assert set(counts.values()) <= {1}, "stored twice"
        return sorted(counts)

    def causes(self, node: Node, range_: int = 9, sink: int = 0) -> list[tuple[int, int, int]]:
        return [(start, stop, cause) for key, start, stop, cause in self.stores[sink].names if key == node.key(range_)]


class Node:
    """A node on a connection."""

    identities = itertools.count(1)

    def __init__(self, collecting: Collecting, number: int, epoch: int) -> None:
        self.collecting = collecting
        self.uuid = uuid.UUID(int=number)
        self.epoch = epoch
        self.next = dict.fromkeys(RANGES, 1)
        self.first = dict.fromkeys(RANGES, 1)
        self.identity = b""
        self.reconnect()

    def reconnect(self) -> Node:
        self.identity = b"\0" + next(self.identities).to_bytes(4, "big")
        return self

    def key(self, range_: int = 9) -> Key:
        return self.uuid.bytes, self.epoch, range_

    @property
    def run(self) -> RunKey:
        return RunKey(self.uuid, self.epoch)

    @property
    def said(self) -> list[Any]:
        """What it was told since it was last asked for."""
        return self.collecting.sent.pop(self.identity, [])

    def told(self, kind: type) -> list[Any]:
        """The same, of one kind; the others are forgotten."""
        return [message for message in self.said if isinstance(message, kind)]

    def say(self, message: Any) -> Node:
        self.collecting.sync(self.identity, message if isinstance(message, bytes) else message.encode())
        return self

    def offer(
        self,
        *,
        age: float = 10**6,
        runs: Iterable[Held] = (),
        path: Iterable[uuid.UUID] = (),
        held: bytes | None = None,
        passed: bytes | None = None,
        **fields: Any,
    ) -> Node:
        own = Held(self.run, tuple((min(self.first[r], self.next[r]), self.next[r]) for r in RANGES))
        values = {
            "version": 2,
            "node": self.uuid,
            "epoch": self.epoch,
            "age": round(age * SECOND),
            "clock": self.collecting.wall,
            "host": "rover",
            "name": f"node-{self.uuid.int}",
            "pid": 4711,
            "path": pack_path(path) if passed is None else passed,
            "runs": pack_held([own, *runs]) if held is None else held,
        } | fields
        return self.say(zre_log_msg.Offer(**values))

    def meet(self, **fields: Any) -> dict[int, int]:
        """OFFER; the resume points of WELCOME."""
        self.offer(**fields)
        (welcome,) = self.told(zre_log_msg.Welcome)
        points = unpack_resume(welcome.resume)
        assert all(point.run == self.run for point in points)
        assert [point.severity for point in points] == list(RANGES)
        return {point.severity: point.next for point in points}

    def batch(self, start: int, stop: int, range_: int = 9, **fields: Any) -> bytes:
        self.next[range_] = max(self.next[range_], stop)
        return batch(self.uuid, self.epoch, range_, start, stop, **fields)

    def send(self, start: int, stop: int, range_: int = 9, **fields: Any) -> Node:
        """A BATCH on the live link."""
        self.collecting.live(self.batch(start, stop, range_, **fields))
        return self

    def answer(self, start: int, stop: int, range_: int = 9, **fields: Any) -> Node:
        """A BATCH on sync."""
        return self.say(self.batch(start, stop, range_, **fields))

    def gone(self, start: int, stop: int, range_: int = 9, cause: int = 1, epoch: int | None = None) -> Node:
        return self.say(
            zre_log_msg.Gone(
                node=self.uuid,
                epoch=self.epoch if epoch is None else epoch,
                severity=range_,
                start=start,
                stop=stop,
                cause=cause,
            )
        )

    def status(self, *, closing: bool = False, lag: int = 0, links: Iterable[LinkStatus] = ()) -> Node:
        ranges = [RangeStatus(r, following, 0, lag) for r, following in self.next.items() if following > 1]
        return self.say(
            zre_log_msg.Status(
                node=self.uuid,
                epoch=self.epoch,
                clock=self.collecting.wall,
                closing=int(closing),
                ranges=pack_ranges(ranges),
                links=pack_links(links),
            )
        )

    def fetches(self, range_: int = 9) -> list[tuple[int, int]]:
        """What it was asked for since it was last asked for: start and stop."""
        return [(m.start, m.stop) for m in self.told(zre_log_msg.Fetch) if m.severity == range_]

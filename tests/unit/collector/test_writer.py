"""What a store's thread writes first."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from zlog.collector.stores import Loss, Part, open_store
from zlog.collector.stores.memory import MemoryStore
from zlog.collector.writer import Told, Writer, Written
from zlog.core.parcels import Parcel
from zlog.record import Record

NODE = UUID(int=7).bytes
COUNT = 1_000


class Slow(MemoryStore):
    """A store whose writes wait until they are let go."""

    def __init__(self) -> None:
        super().__init__("")
        self.begun: queue.Queue[list[int]] = queue.Queue()
        self.go = threading.Semaphore(0)

    def write(self, parts: Sequence[Part], losses: Sequence[Loss] = ()) -> None:
        self.begun.put([part.epoch for part in parts])
        self.go.acquire()
        super().write(parts, losses)


def parcel(epoch: int, number: int, *, asked: bool) -> Parcel:
    first = 1 + number * COUNT
    records = [Record(first + place, 1, 9, "app", "text", 0, None, {}) for place in range(COUNT)]
    made = Parcel((NODE, epoch, 9), first, COUNT, COUNT, "host", "name", 1, 1, records=records)
    made.asked = asked
    return made


def test_live_records_do_not_wait_behind_history_and_history_goes_on() -> None:
    told: list[Told] = []
    store = Slow()
    writer = Writer(0, store.open(), told.append)
    writer.start("test")
    live, history = 2, 1
    try:
        assert writer.offer(parcel(history, 0, asked=True))
        assert store.begun.get(timeout=20) == [history]
        for number in range(1, 30):
            assert writer.offer(parcel(history, number, asked=True))
        for number in range(20):
            assert writer.offer(parcel(live, number, asked=False))
        for _ in range(20):
            store.go.release()
        assert writer.wait_idle(time.monotonic() + 20, time.monotonic)
    finally:
        writer.stop(20)
    groups: list[list[int]] = []
    while not store.begun.empty():
        groups.append(store.begun.get())
    assert groups[:4] == [[live] * 7 + [history] * 2] * 2 + [[live] * 6 + [history] * 3] + [[history] * 9]
    assert {key[1]: held.stop for key, held in store.held().items()} == {history: 30_001, live: 20_001}
    assert sum(stop - start for news in told if isinstance(news, Written) for _, start, stop in news.spans) == 50_000


def test_each_kind_has_room_of_its_own(monkeypatch: Any) -> None:
    monkeypatch.setattr("zlog.limits.COLLECTOR_QUEUE_BYTES", 3 * COUNT)
    writer = Writer(0, open_store("memory:").open(), lambda news: None)
    offered = [writer.offer(parcel(1, number, asked=True)) for number in range(4)]
    assert offered == [True, True, True, False]
    assert not writer.is_full
    assert writer.offer(parcel(2, 0, asked=False))

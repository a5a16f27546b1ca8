"""What strangers can make a collector's session hold: nothing without a bound (zlog/limits.py)."""

from __future__ import annotations

import tracemalloc
import uuid

import pytest

from support.nodes import EPOCH, batch
from support.sessions import SECOND, Collecting, FakeStore
from zlog import limits
from zlog.core.sync import Held, RunKey
from zlog.severity import RANGES
from zlog.wire import zre_log_msg


def forged(number: int, range_: int = 9, start: int = 1) -> bytes:
    return batch(uuid.UUID(int=number), EPOCH, range_, start, start + 1)


def runs(count: int, first: int = 1) -> list[Held]:
    pairs = tuple((1, 20) if r == 9 else (1, 1) for r in RANGES)
    return [Held(RunKey(uuid.UUID(int=2**64 + first + number), 1), pairs) for number in range(count)]


@pytest.mark.parametrize("range_", [5, 9])
@pytest.mark.parametrize("start", [1, 7])
def test_forged_batches_of_ever_new_runs(monkeypatch: pytest.MonkeyPatch, range_: int, start: int) -> None:
    """Also of a range that isn't wanted, and with a hole each. The node that is there goes on."""
    monkeypatch.setattr(limits, "COLLECTOR_STREAMS", 120)
    collecting = Collecting().after(10)
    node = collecting.node(1)
    node.meet(age=0.0)
    for number in range(2, 1_500):
        collecting.live(forged(number, range_))
        collecting.live(forged(number, range_, start))
        if number % 100 == 0:
            node.send(node.next[9], node.next[9] + 5).status()
            collecting.after(1)
    session = collecting.session
    assert len(session.runs) <= 120
    assert len(session.book.streams) <= 120
    assert len(session._gaps._watched) <= 120
    assert len(session._commits._dirty) <= 120
    assert session.is_connected(session.runs[node.key()[:2]])
    assert collecting.stored(node) == list(range(1, node.next[9]))


def test_room_is_made_for_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each stranger anew: it takes a look at all runs."""
    monkeypatch.setattr(limits, "COLLECTOR_STREAMS", 400)
    collecting = Collecting()
    session = collecting.session
    made = []
    real = session.book._make_room
    monkeypatch.setattr(session.book, "_make_room", lambda: (made.append(len(session.runs)), real()))
    for number in range(1, 2_001):
        collecting.live(forged(number, 5))  # not wanted
    assert len(session.runs) <= 400
    assert len(made) < 25


def test_offers_of_ever_more_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COLLECTOR_OFFERED", 100)
    collecting = Collecting(options={"since": "start"})
    honest = collecting.node(1)
    honest.offer(runs=runs(40))
    for number in range(2, 12):
        collecting.node(number).offer(runs=runs(40, first=number * 1_000))
    links = collecting.session.links.values()
    assert len(links) == 11  # each is welcome for its current run
    assert sum(len(link.offer) for link in links) <= 100 + 11
    assert collecting.session.discarded["offers"] == 9
    assert max(len(link.said.runs) for link in links) == 41 * 120
    honest.offer(runs=runs(45))  # a new one takes the place of its old one
    assert len(collecting.session._contact.by_node[honest.uuid.bytes].offer) == 46
    for link in list(links):
        collecting.carry_out(collecting.session.unreachable(link.identity, collecting.now))
    assert collecting.session._contact._offered == 0


def test_connections_of_one_node_that_replace_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COLLECTOR_REPLACED", 5)
    collecting = Collecting()
    node = collecting.node(1)
    for _ in range(50):
        node.reconnect().offer()
    assert len(collecting.session.links) == 1
    assert len(collecting.session._contact._replaced) == 5


def test_what_one_run_can_hold_is_bounded() -> None:
    """Holes without end, GONE of single records, STATUS of any number."""
    collecting = Collecting([FakeStore(), FakeStore(durable=False, keeps=False)])
    node = collecting.node()
    node.meet(age=0.0)
    for number in range(1, 6_000, 2):
        node.send(number, number + 1)
        node.gone(20_000 + 2 * number, 20_001 + 2 * number, cause=number % 7)
    (stream,) = (stream for stream in collecting.session.book.streams.values() if stream.key[2] == 9)
    node.next[9] = 2**62
    node.status(closing=True)
    collecting.carry_out(collecting.session.unreachable(node.identity, collecting.now))
    collecting.after(30)
    for share in stream.shares:
        assert len(share.has) <= limits.MAX_INTERVALS
        assert len(share.gaps) <= 2 * limits.MAX_INTERVALS
    assert all(len(intervals) <= 2 * limits.MAX_INTERVALS for intervals in stream.named.values())


def test_a_flood_takes_no_more_memory_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COLLECTOR_STREAMS", 600)
    collecting = Collecting(stores=[FakeStore(durable=False, keeps=False)])  # which keeps nothing itself
    sizes = []
    tracemalloc.start()
    try:
        for part in range(4):
            for number in range(part * 1_000, (part + 1) * 1_000):
                collecting.live(forged(number + 1, start=1))
                collecting.sync(b"x%d" % number, zre_log_msg.Ping(clock=1).encode())
                collecting.viewed.clear()
            collecting.now += SECOND
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[3] < sizes[1] * 1.5

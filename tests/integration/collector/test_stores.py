"""Several stores at once: slow, failing, cut off; and a collector that is killed."""

import logging
import re
import signal
import threading
from pathlib import Path

import pytest

from zlog import report
from zlog.collector.stores import Part, open_store
from zlog.collector.stores.memory import MemoryStore
from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.wire import zre_log_msg

from .conftest import sequences, wait_stored

PROGRAM = Path(__file__).with_name("collecting.py")


class Gated(MemoryStore):
    """A durable store of a test's making: it waits for a gate, and fails when it is told to."""

    durable = True

    def __init__(self, **options: object) -> None:
        super().__init__("", options)
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def _put(self, parts: list[Part], losses: list, changed: dict) -> None:
        assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        super()._put(parts, losses, changed)


def numbers(store, node, range_=9):
    return [record.sequence for record in store.query() if record.node == node.uuid.hex and record.range == range_]


def serve(node, collector, count, store, timeout_s=20):
    """Answer what the collector asks for until a store has so much."""
    for _ in range(1000):
        if collector.wait_until(lambda status: status.stores[store].records >= count, 0.05):
            return
        while node.dealer.poll(0):
            message = zre_log_msg.decode(node.dealer.recv())
            if isinstance(message, zre_log_msg.Fetch):
                node.answer(message)
    raise AssertionError(collector.status())


def test_a_slow_store_slows_no_other(collect, nodes, database, monkeypatch):
    monkeypatch.setattr("zlog.limits.COLLECTOR_QUEUE_BYTES", 40_000)
    slow = Gated()
    collector = collect(slow, database)
    node = nodes(collector)
    slow.gate.clear()
    node.log(20_000)
    assert collector.wait_until(lambda status: status.stores[1].records == 20_000, 20)
    assert collector.status().stores[0].behind < 20_000
    slow.gate.set()
    serve(node, collector, 20_000, 0)
    assert numbers(slow, node) == list(range(1, 20_001))
    collector.stop()
    assert sequences(database, node.uuid) == list(range(1, 20_001))


def test_when_the_only_store_is_slow_nodes_wait(collect, nodes, monkeypatch):
    monkeypatch.setattr("zlog.limits.COLLECTOR_QUEUE_BYTES", 20_000)
    monkeypatch.setattr("zlog.limits.COLLECTOR_RECEIVE_BYTES", 20_000)
    slow = Gated()
    collector = collect(slow)
    node = nodes(collector)
    slow.gate.clear()
    logging_ = threading.Thread(target=node.log, args=(30_000,))
    logging_.start()
    assert collector.wait_until(lambda status: status.stores[0].behind > 1000)
    other = nodes(collector)  # subscriptions still pass
    slow.gate.set()
    other.log(10)
    logging_.join(20)
    wait_stored(collector, 30_010, 20)
    node.inbox.clear()
    assert numbers(slow, node) == list(range(1, 30_001))
    assert collector.status().nodes[0].ranges[9].missing == 0
    fetches = [m for m in iter(lambda: node.dealer.poll(0) and zre_log_msg.decode(node.dealer.recv()), 0) if m]
    assert not [m for m in fetches if isinstance(m, zre_log_msg.Fetch)]


def test_a_failing_store_is_tried_again_and_shown(collect, nodes, database, caplog, monkeypatch):
    monkeypatch.setattr("zlog.limits.COLLECTOR_QUEUE_BYTES", 40_000)
    bad = Gated()
    collector = collect(bad, database)
    node = nodes(collector)
    bad.error = StoreError("no space left", "make some")
    with caplog.at_level(logging.INFO, "zlog.collector"):
        node.log(10_000)
        assert collector.wait_until(lambda status: status.stores[1].records == 10_000, 20)
        assert collector.wait_until(lambda status: status.stores[0].failing == "no space left; make some")
        while node.dealer.poll(200):  # nothing is committed that it doesn't have
            assert not isinstance(zre_log_msg.decode(node.dealer.recv()), zre_log_msg.Commit)
        bad.error = None
        serve(node, collector, 10_000, 0)
        assert collector.status().stores[0].failing is None
        collector.stop()
        assert report.flush()
    with bad:
        assert numbers(bad, node) == list(range(1, 10_001))
    lines = [record.message for record in caplog.records if record.name == "zlog.collector"]
    assert len([line for line in lines if "no space left" in line]) == 1


def test_an_optional_store_does_not_hold_commit_up(collect, nodes, database):
    bad = Gated(optional=True)
    collector = collect(bad, database)
    node = nodes(collector)
    bad.error = RuntimeError("whatever")
    node.log(100)
    while node.hear(zre_log_msg.Commit).through < 100:
        pass
    assert collector.wait_until(lambda status: status.stores[0].failing == "RuntimeError: whatever")


def test_stopping_does_not_wait_for_a_store_that_fails(collect, nodes, database):
    bad = Gated()
    collector = collect(bad, database)
    node = nodes(collector)
    bad.error = StoreError("no space left")
    node.log(100)
    assert collector.wait_until(lambda status: status.stores[0].failing is not None)
    assert collector.stop() is False
    assert sequences(database, node.uuid) == list(range(1, 101))


def test_two_stores_of_which_one_was_away(collect, nodes, tmp_path):
    """Each has everything once, however often one of them was missing."""
    first, second = (f"sqlite:{tmp_path}/{number}.db" for number in range(2))
    with collect(first, second, start=False) as collector:
        node = nodes(collector)
        node.log(300)
        wait_stored(collector, 300)
    with collect(first, start=False) as collector:
        again = nodes(collector, node=node.uuid, meet=False)
        again.next, again.held = node.next, node.held
        again.meet()
        again.go_live()
        again.log(300)
        assert collector.wait_until(lambda status: status.stores[0].records == 300)
    with collect(first, second, start=False) as collector:
        third = nodes(collector, node=node.uuid, meet=False)
        third.next, third.held = node.next, node.held
        third.meet()
        assert third.resume[9] == 601
        serve(third, collector, 300, 1)
    for url in (first, second):
        assert sequences(url, node.uuid) == list(range(1, 601))


@pytest.mark.parametrize("form", ["sqlite:{}/log.db", "jsonl:{}/log.jsonl"])
def test_a_collector_that_is_killed_and_started_again_has_everything_once(start, nodes, tmp_path, form):
    url = form.format(tmp_path)
    program = start([*_python(), PROGRAM, url])
    node = nodes(_sync(program))
    killed = threading.Event()
    sent = []

    def log():
        for _ in range(60):
            if killed.is_set():
                return
            node.log(100)
            sent.append(100)

    logging_ = threading.Thread(target=log)
    logging_.start()
    while node.hear(zre_log_msg.Commit).through < 500:
        pass
    program.process.send_signal(signal.SIGKILL)
    killed.set()
    logging_.join()
    program.wait()
    committed = [m.through for m in _waiting(node) if isinstance(m, zre_log_msg.Commit)]
    node.log(1000, send=False)  # nobody is there

    again = start([*_python(), PROGRAM, url])
    second = nodes(_sync(again), node=node.uuid, meet=False)
    second.next, second.held = node.next, node.held
    second.meet(age=10**12)
    resume = second.resume[9]
    assert resume > max([500, *committed]), "what was committed is stored"
    second.go_live()
    for begin, stop, frame in node.held[9]:
        if stop > resume:
            second.send_live(frame)
        assert begin
    second.log(100)
    total = second.next[9] - 1
    while second.hear(zre_log_msg.Commit).through < total:
        pass
    assert again.terminate() == 0
    assert sequences(url, node.uuid) == list(range(1, total + 1))
    with open_store(url).open(read_only=True) as store:
        assert store.held()[node.uuid.bytes, node.epoch, 9] == Intervals([(1, total + 1)])


def _python():
    import sys

    return [sys.executable, "-u"]


def _sync(program):
    return re.search(r"ready (\S+)", program.expect(r"ready tcp://"))[1]


def _waiting(node):
    found = list(node.inbox)
    while node.dealer.poll(0):
        found.append(zre_log_msg.decode(node.dealer.recv()))
    return found

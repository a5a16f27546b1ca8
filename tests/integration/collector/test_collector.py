"""A collector and nodes on real sockets: records arrive, are stored, committed, shown; it ends in order."""

import asyncio
import logging
import os
import threading

import pytest
import zmq

from support.nodes import EPOCH
from zlog.collector import Collector
from zlog.collector.stores import Filter, open_store
from zlog.core.intervals import Intervals
from zlog.errors import CollectorError
from zlog.wire import zre_log_msg

from .conftest import sequences, wait_stored


def test_what_a_node_logs_is_stored_and_committed(collect, nodes, database):
    collector = collect(database)
    node = nodes(collector)
    node.log(1000)
    node.log(10, 17)
    wait_stored(collector, 1010)
    through = {}
    while through.get(9) != 1000 or through.get(17) != 10:
        commit = node.hear(zre_log_msg.Commit)
        through[commit.severity] = commit.through
    assert collector.stop()
    assert sequences(database, node.uuid) == list(range(1, 1001))
    with open_store(database).open(read_only=True) as store:
        (first, *_) = store.query(Filter(level=17))
    assert (first.host, first.name, first.pid, first.logger, first.text) == (
        "rover",
        "arm",
        4711,
        "arm.joint",
        "record 1",
    )


def test_a_node_that_comes_again_goes_on(collect, nodes, database):
    collector = collect(database)
    first = nodes(collector)
    first.log(500)
    wait_stored(collector, 500)
    first.close()
    again = nodes(collector, node=first.uuid, meet=False)
    again.next[9] = 600
    again.meet(age=0)
    assert again.resume[9] == 501


def test_lost_frames_are_fetched(collect, nodes, database):
    collector = collect(database)
    node = nodes(collector)
    node.log(100)
    node.log(100, send=False)
    node.log(100)
    fetch = node.hear(zre_log_msg.Fetch)
    assert (fetch.start, fetch.stop) == (101, 201)
    node.answer(fetch)
    wait_stored(collector, 300)


def test_a_lost_last_frame_is_found(collect, nodes, database):
    collector = collect(database)
    node = nodes(collector)
    node.log(100)
    node.log(50, send=False)
    node.status()
    fetch = node.hear(zre_log_msg.Fetch)
    assert (fetch.start, fetch.stop) == (101, 151)
    node.answer(fetch)
    wait_stored(collector, 150)


def test_what_is_gone_has_a_name(collect, nodes, database):
    collector = collect(database)
    node = nodes(collector)
    node.log(100, send=False)
    node.held.clear()
    node.log(100)
    node.answer(node.hear(zre_log_msg.Fetch))
    assert collector.wait_until(lambda status: status.nodes[0].ranges[9].lost == 100)
    wait_stored(collector, 100)
    (loss,) = collector.losses()
    assert (loss.node, loss.start, loss.stop, loss.cause) == (node.uuid.hex, 1, 101, zre_log_msg.CAUSE_EVICTED)
    assert collector.status().nodes[0].ranges[9].missing == 0


def test_a_bad_body_is_fetched_once(collect, nodes, database):
    collector = collect(database)
    node = nodes(collector)
    node.log(10)
    node.log(10, body=b"\xc1")
    node.log(10)
    for _ in range(2):
        node.answer(node.hear(zre_log_msg.Fetch))
        if collector.wait_until(lambda status: status.nodes[0].ranges[9].lost == 10, 3):
            break
    wait_stored(collector, 20)
    assert [loss.cause for loss in collector.losses()] == [zre_log_msg.CAUSE_DAMAGED]


def test_records_are_handed_out_as_they_come(collect, nodes):
    collector = collect(level="trace")
    node = nodes(collector)
    node.log(10)
    node.log(10, 5)
    found = [record for _, record in zip(range(20), collector, strict=False)]
    assert sorted((record.range, record.sequence) for record in found) == sorted(
        (r, n) for r in (5, 9) for n in range(1, 11)
    )
    assert list(collector.records(0)) == []
    assert {record.node for record in found} == {node.uuid.hex}


def test_iterating_ends_when_the_collector_stops(collect, nodes):
    collector = collect()
    node = nodes(collector)
    found = []
    reader = threading.Thread(target=lambda: found.extend(collector))
    reader.start()
    node.log(300)
    assert collector.wait_until(lambda status: status.received == 300)
    collector.stop()
    reader.join(5)
    assert not reader.is_alive()
    assert [record.sequence for record in found] == list(range(1, 301))


def test_iterating_in_an_event_loop(collect, nodes):
    collector = collect()
    node = nodes(collector)

    async def read():
        found = []
        async for record in collector:
            found.append(record.sequence)
            if len(found) == 300:
                await asyncio.to_thread(collector.stop)
        return found

    async def both():
        reading = asyncio.create_task(read())
        await asyncio.to_thread(node.log, 300)
        return await asyncio.wait_for(reading, 20)

    assert asyncio.run(both()) == list(range(1, 301))


def test_a_view_that_nobody_reads_is_bounded(collect, nodes, monkeypatch):
    monkeypatch.setattr("zlog.limits.COLLECTOR_VIEW_RECORDS", 1000)
    collector = collect()
    node = nodes(collector)
    node.log(5000, size=100)
    assert collector.wait_until(lambda status: status.received == 5000)
    assert collector.wait_until(lambda status: status.view_dropped == 4000)
    assert [record.sequence for record in collector.records(0)] == list(range(4001, 5001))


def test_a_collector_without_view_has_nothing_to_iterate_over(collect, database):
    with pytest.raises(CollectorError, match="view=True"):
        iter(collect(database))


def test_demand_reaches_the_node(collect, nodes):
    collector = collect(level="warn", logger="arm", seconds=60)
    node = nodes(collector)
    assert (node.welcome.severity, node.welcome.logger, node.welcome.seconds) == (13, "arm", 60)
    collector.demand("debug", "arm.joint", 5)
    demand = node.hear(zre_log_msg.Demand)
    assert (demand.severity, demand.logger, demand.seconds) == (5, "arm.joint", 5)


def test_clocks_are_compared(collect, nodes):
    collector = collect()
    node = nodes(collector)
    ping = node.hear(zre_log_msg.Ping)
    node.say(zre_log_msg.Pong(clock=ping.clock, received=ping.clock + 10**12, sent=ping.clock + 10**12))
    assert collector.wait_until(lambda status: status.nodes[0].clock_offset_ns is not None)
    assert abs(collector.status().nodes[0].clock_offset_ns - 10**12) < 10**10


def test_stopping_takes_what_is_on_its_way(collect, nodes, database):
    collector = collect(database)
    node = nodes(collector)
    node.log(50_000)
    stopping = threading.Thread(target=collector.stop)
    stopping.start()
    through = 0
    while through < 50_000:
        through = node.hear(zre_log_msg.Commit).through
    stopping.join()
    assert sequences(database, node.uuid) == list(range(1, 50_001))
    assert collector.status().stores[0].records == 50_000


def test_stop_is_harmless_twice_and_a_collector_starts_once(collect, database):
    collector = collect(database)
    assert collector.stop()
    assert collector.stop()
    with pytest.raises(CollectorError, match="started already"):
        collector.start()


def test_the_address_can_be_chosen(collect, nodes):
    with zmq.Context() as context, context.socket(zmq.REP) as probe:
        port = probe.bind_to_random_port("tcp://127.0.0.1", 20_000, 30_000)
    collector = collect(bind=f"tcp://127.0.0.1:{port}")
    assert (collector.sync, collector.live) == (f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port + 1}")
    assert nodes(collector).welcome.port == port + 1
    with pytest.raises(CollectorError, match="can't bind"):
        collect(bind=f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize("bind", ["127.0.0.1:5000", "udp://x:1", "tcp://127.0.0.1:70000", "tcp://"])
def test_addresses_that_are_none(bind):
    with pytest.raises(CollectorError, match="no address"):
        Collector(bind=bind, discover=False)


def test_without_discovery_it_must_be_bound():
    with pytest.raises(CollectorError, match="can't be found"):
        Collector(discover=False)


def test_levels_that_are_none():
    with pytest.raises(ValueError, match="no level"):
        Collector(bind="tcp://*", discover=False, level="loud")


def test_a_start_that_fails_leaves_nothing_behind(collect, tmp_path):
    collector = collect(f"sqlite:{tmp_path}/missing/log.db", start=False)
    with pytest.raises(Exception, match="can't be opened"):
        collector.start()
    assert "stopped" not in repr(collector)


def test_a_forked_child_has_no_collector(collect, nodes, database):
    collector = collect(database, view=True)
    node = nodes(collector)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        ok = collector.stop() and list(collector) == [] and collector.status().nodes == []
        os.write(write, b"yes" if ok else b"no")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"yes"
    os.close(read)
    os.close(write)
    node.log(100)
    wait_stored(collector, 100)


def test_two_collectors_in_one_process(collect, nodes, tmp_path):
    urls = [f"sqlite:{tmp_path}/{number}.db" for number in range(2)]
    collectors = [collect(url) for url in urls]
    for collector in collectors:
        nodes(collector).log(100)
    for collector in collectors:
        wait_stored(collector, 100)


def test_history_from_a_time_on(collect, nodes, database):
    """Of what the node held before it was met, records before that time are not wanted, and no loss."""
    collector = collect(database, since=EPOCH + 150, view=True)
    node = nodes(collector, meet=False)
    node.log(300, send=False, size=100)
    node.meet(age=10**15)
    assert node.resume[9] == 1
    node.go_live()
    for _, _, frame in node.held[9]:
        node.send_live(frame)
    wait_stored(collector, 151)
    assert [record.sequence for record in collector.records(0)] == list(range(150, 301))
    assert collector.losses() == []
    collector.stop()
    assert sequences(database, node.uuid) == list(range(150, 301))


def test_it_says_once_what_it_discards(collect, nodes, caplog):
    collector = collect()
    node = nodes(collector)
    with caplog.at_level(logging.WARNING, "zlog.collector"):
        for _ in range(3):
            node.send_live(b"\xaa\xa2\x03 not a batch")
        node.log(10)
        assert collector.wait_until(lambda status: status.discarded == {"truncated": 3} and status.received == 10)
        from zlog import report

        assert report.flush()
    assert [record.message for record in caplog.records if record.name == "zlog.collector"] == [
        "discards a live frame: BATCH: truncated at offset 16 (told once, then counted)"
    ] or len([record for record in caplog.records if record.name == "zlog.collector"]) == 1


def test_what_the_store_has_is_resumed_after_a_stop(collect, nodes, database):
    with Collector(database, bind="tcp://127.0.0.1", discover=False) as collector:
        node = nodes(collector)
        node.log(100)
        wait_stored(collector, 100)
    with open_store(database) as store:
        assert store.held() == {(node.uuid.bytes, node.epoch, 9): Intervals([(1, 101)])}
    again = collect(database)
    second = nodes(again, node=node.uuid, meet=False)
    second.next[9] = 150
    second.meet()
    assert second.resume == {1: 1, 5: 1, 9: 101, 13: 1, 17: 1, 21: 1}

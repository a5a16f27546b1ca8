"""Whatever is lost has a name: in every store, in the status, and for who iterates."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from support.nodes import batch
from zlog.collector import Collector
from zlog.collector.stores import open_store
from zlog.collector.stores.model import GAP
from zlog.config import beacon_port
from zlog.core.sync import Held, RunKey
from zlog.errors import SettingsError
from zlog.severity import RANGES
from zlog.wire import zre_log_msg

EVICTED, DROPPED, DAMAGED = zre_log_msg.CAUSE_EVICTED, zre_log_msg.CAUSE_DROPPED, zre_log_msg.CAUSE_DAMAGED


def urls(folder: Path) -> list[str]:
    return [f"sqlite:{folder}/log.db", f"jsonl:{folder}/log.jsonl", f"file:{folder}/log.txt", f"journal:{folder}/log"]


def named(store) -> list[tuple[int, int, int, int]]:
    """Range, start, stop and cause of what isn't merely not asked for, neighbours as one."""
    found: list[tuple[int, int, int, int]] = []
    for loss in sorted(store.losses(), key=lambda each: (each.range, each.cause, each.start)):
        last = found[-1] if found else None
        if last is not None and (last[0], last[2], last[3]) == (loss.range, loss.start, loss.cause):
            found[-1] = (loss.range, last[1], loss.stop, loss.cause)
        elif loss.cause:
            found.append((loss.range, loss.start, loss.stop, loss.cause))
    return sorted(found)


def test_every_cause_is_in_every_store_and_in_the_status(collect, nodes, tmp_path: Path) -> None:
    """Evicted, dropped and damaged are told by the node; what it never sent and took along is a gap."""
    collector = collect(*urls(tmp_path), "memory:")
    node = nodes(collector)
    node.log(10, send=False)
    node.held.clear()  # evicted
    node.log(10)
    node.answer(node.hear(zre_log_msg.Fetch))
    node.log(5, 13, send=False)
    node.held.pop(13)
    node.log(5, 13)
    node.answer(node.hear(zre_log_msg.Fetch), cause=DROPPED)
    node.log(5, 17, body=b"\xc1")
    for _ in range(2):
        node.log(1, 17)
        with contextlib.suppress(AssertionError):  # the second copy may have been the one of another store
            node.answer(node.hear(zre_log_msg.Fetch, 3))
    assert collector.wait_until(lambda status: status.nodes[0].ranges[17].lost == 5, 10), collector.status()
    node.next[9] = 31  # ten more, it says
    node.status(lag=10)
    assert collector.wait_until(lambda status: status.nodes[0].ranges[9].missing == 10)
    (run,) = collector.status().nodes
    assert [(span.range, span.start, span.stop, span.count, span.cause) for span in run.missing] == [
        (9, 1, 11, 10, "evicted"),
        (9, 21, 31, 10, "waiting"),
        (13, 1, 6, 5, "dropped"),
        (17, 1, 6, 5, "damaged"),
    ]
    node.close()
    assert collector.stop()
    (run,) = collector.status().nodes
    assert run.missing[1].cause in ("gap", "waiting")  # whether its end was noticed
    expected = [(9, 1, 11, EVICTED), (9, 21, 31, GAP), (13, 1, 6, DROPPED), (17, 1, 6, DAMAGED)]
    assert {(loss.range, loss.start, loss.stop, loss.cause) for loss in collector.losses()} == set(expected)
    for url in urls(tmp_path):
        with open_store(url).open(read_only=True) as store:
            assert named(store) == expected, url
            assert store.held()[node.uuid.bytes, node.epoch, 9].stop == 21
    assert named(collector._stores[4].open()) == expected


def test_a_gap_is_void_when_another_node_has_the_run(collect, nodes, tmp_path: Path) -> None:
    """The process is gone, the collector too; then somebody has taken over what that process had written."""
    url = f"sqlite:{tmp_path}/log.db"
    collector = collect(url)
    node = nodes(collector)
    node.log(10)
    node.log(10, send=False)
    node.status(lag=10)
    assert collector.wait_until(lambda status: bool(status.nodes) and status.nodes[0].ranges[9].next == 21)
    assert collector.wait_until(lambda status: status.nodes[0].ranges[9].stored == 10)
    node.close()
    collector.stop()
    with open_store(url).open(read_only=True) as store:
        assert named(store) == [(9, 11, 21, GAP)]
    again = collect(url)
    heir = nodes(again, meet=False)
    heir.meet(age=0, runs=[Held(RunKey(node.uuid, node.epoch), tuple((1, 21) if r == 9 else (1, 1) for r in RANGES))])
    fetch = heir.hear(zre_log_msg.Fetch)
    assert (fetch.node, fetch.start, fetch.stop) == (node.uuid, 11, 21)
    heir.say(batch(node.uuid, node.epoch, 9, 11, 21))
    assert again.wait_until(
        lambda status: any(view.stored == 20 for run in status.nodes for view in run.ranges.values())
    )
    again.stop()
    with open_store(url).open(read_only=True) as store:
        assert named(store) == []


def test_what_nobody_reads_in_time_is_counted(collect, nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlog.limits.COLLECTOR_VIEW_RECORDS", 100)
    collector = collect()
    node = nodes(collector)
    node.log(300, size=50)
    assert collector.wait_until(lambda status: status.received == 300)
    assert collector.view_dropped == collector.status().view_dropped == 200
    assert len(list(collector.records(0))) == 100


def test_a_stop_ends_while_nodes_go_on(collect, nodes, database) -> None:
    """Nodes that beacons don't reach hear nothing of the stop. What is stored by then is whole, and committed."""
    collector = collect(database)
    node = nodes(collector)
    ended = threading.Event()

    def go_on() -> None:
        with contextlib.suppress(AssertionError):  # the collector takes nothing any more
            while not ended.is_set():
                node.log(10)

    logging = threading.Thread(target=go_on)
    logging.start()
    try:
        assert collector.wait_until(lambda status: status.received > 100)
        assert collector.stop(20)
    finally:
        ended.set()
        logging.join()
    with open_store(database).open(read_only=True) as store:
        (held,) = store.held().values()
        assert list(held) == [(1, held.stop)]
        assert len(list(store.query())) == held.stop - 1


@pytest.mark.parametrize("value", ["abc", "0", "70000"])
def test_a_port_that_is_none_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ZLOG_PORT", value)
    with pytest.raises(SettingsError, match=rf"ZLOG_PORT: '{value}' is no number from 1 to 65535"):
        Collector("memory:")
    with pytest.raises(SettingsError, match="port: 70000 is no number"):
        Collector("memory:", port=70_000)
    monkeypatch.setenv("ZLOG_PORT", "")
    assert beacon_port() == 5670

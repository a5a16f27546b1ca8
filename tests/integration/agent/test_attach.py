"""An agent on an application's own ZRE node, ours or a published one (rows H13, and protocol 7.6)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zlog
from support.netns import Network
from zlog.agent import Agent
from zlog.collector import Collector
from zlog.collector.stores import open_store
from zlog.config import Settings
from zlog.wire.zre_log_msg import EVENT_ENTER, EVENT_EXIT, EVENT_JOIN, EVENT_LEAVE, EVENT_RECV, EVENT_SEND
from zlog.zre import Pyre

CollectorMaker = Callable[..., Collector]


def events(collector: Collector) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for record in collector.records(0):
        found.setdefault(record.event, []).append(record)
    return found


def test_a_nodes_life_is_logged_with_ids_that_correlate(
    collect: CollectorMaker, zre_port: int, wait_until: Callable[..., None]
) -> None:
    collector = collect(level="debug", view=True)
    with Pyre("one", interface="lo", port=zre_port) as one, Pyre("two", interface="lo", port=zre_port) as two:
        agents = [Agent(Settings(exit_timeout_s=1), node=node).start() for node in (one, two)]
        assert all(agent.wait_link(10) for agent in agents)
        wait_until(lambda: two.uuid() in one.peers() and one.uuid() in two.peers())
        one.join("CHAT")
        two.join("CHAT")
        wait_until(lambda: one.uuid() in two.peers_by_group("CHAT") and two.uuid() in one.peers_by_group("CHAT"))
        one.whispers(two.uuid(), "hello %s", "two")
        two.shout("CHAT", [b"a", b"bc"])
        wait_until(lambda: any(event.type == "SHOUT" for event in one.recent_events()))
        one.leave("CHAT")
        wait_until(lambda: not two.peers_by_group("CHAT"))
        for agent in agents:
            agent.stop()
    assert collector.wait_until(lambda status: all(node.closed for node in status.nodes))
    found = events(collector)
    ours = {agent.uuid.hex for agent in agents} or {one.uuid().hex, two.uuid().hex}
    assert {record.node for each in found.values() for record in each} == ours
    assert set(found) >= {EVENT_JOIN, EVENT_LEAVE, EVENT_SEND, EVENT_RECV}
    (send,) = [record for record in found[EVENT_SEND] if record.node == one.uuid().hex]
    (recv,) = [record for record in found[EVENT_RECV] if record.node == two.uuid().hex]
    assert (send.peer, recv.peer) == (two.uuid().hex, one.uuid().hex)  # each names the other
    assert send.severity == recv.severity == 5
    assert send.attributes == {"zre.frames": 1, "zre.bytes": 9}
    (shouted,) = [record for record in found[EVENT_RECV] if record.node == one.uuid().hex]
    assert (shouted.peer, shouted.attributes["zre.group"], shouted.attributes["zre.bytes"]) == (
        two.uuid().hex, "CHAT", 3,
    )  # fmt: skip
    joins = [(record.node, record.peer, record.attributes["zre.group"]) for record in found[EVENT_JOIN]]
    assert (one.uuid().hex, None, "CHAT") in joins  # the node itself
    assert (two.uuid().hex, one.uuid().hex, "CHAT") in joins
    assert not any("ZYRE-LOGGER" in str(record.text) and record.event == EVENT_SEND for record in found[EVENT_SEND])
    for node in (one, two):
        node.close()


def test_enter_and_exit_name_the_peer(collect: CollectorMaker, zre_port: int, wait_until: Callable[..., None]) -> None:
    collector = collect(view=True)
    with Pyre("watcher", interface="lo", port=zre_port) as node:
        with Agent(Settings(exit_timeout_s=1), node=node) as agent:
            assert agent.wait_link(10)
            with Pyre("guest", interface="lo", port=zre_port) as guest:
                wait_until(lambda: guest.uuid() in node.peers())
                endpoint = guest.endpoint()
            wait_until(lambda: guest.uuid() not in node.peers())
            guest.close()
            assert agent.deliver(10) == "received"
        found = events(collector)
    node.close()
    (entered,) = [record for record in found[EVENT_ENTER] if record.attributes["zre.peer"] == "guest"]
    (left,) = [record for record in found[EVENT_EXIT] if record.attributes["zre.peer"] == "guest"]
    assert entered.peer == left.peer == guest.uuid().hex
    assert entered.attributes["zre.endpoint"] == endpoint
    assert entered.severity == 9


def test_the_application_never_sees_an_advert(
    collect: CollectorMaker, zre_port: int, wait_until: Callable[..., None]
) -> None:
    with (
        Pyre("app", interface="lo", port=zre_port) as node,
        Pyre("host", interface="lo", port=zre_port) as host,
        Agent(Settings(exit_timeout_s=1), node=node) as agent,
    ):
        wait_until(lambda: host.uuid() in node.peers())
        collector = collect(node=host, interface=None, port=None, view=True)  # it runs already: it has to advertise
        assert agent.wait_link(10)
        agent.record(9, time.time_ns(), "app", "x", {})
        assert collector.wait_until(lambda status: status.received >= 1)
        collector.stop()
        wait_until(lambda: not agent.status().links)
        host.whispers(node.uuid(), "hello")
        seen: list[str] = []
        wait_until(lambda: seen.extend(event.type for event in node.recent_events()) or "WHISPER" in seen)
        assert seen.count("WHISPER") == 1
    node.close()
    host.close()


@pytest.mark.filterwarnings("ignore")
def test_a_published_node_carries_an_agent(network: Callable[..., Network], tmp_path: Path) -> None:
    """As the application reads its events, and not before. In a namespace: published pyre chooses its interface."""
    lan = network(hosts=2)
    collecting = lan[0].python(COLLECTS, f"sqlite:{tmp_path}/log.db")
    collecting.expect("ready")
    app = lan[1].python(PUBLISHED)
    app.expect("flushed True", timeout_s=30)
    app.wait(20)
    collecting.terminate()
    with open_store(f"sqlite:{tmp_path}/log.db") as store:
        records = list(store.query())
    assert [record.text for record in records if record.logger == "app"] == ["hello from pyre"]
    assert any(record.event == EVENT_JOIN and record.peer is None for record in records)


COLLECTS = """
import signal, sys, zlog
with zlog.Collector(sys.argv[1], interface="eth0") as collector:
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
"""

PUBLISHED = """
import logging, sys, threading, pyre, zlog
node = pyre.Pyre("published")
node.start()
node.join("CHAT")
agent = zlog.attach(node)
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
logging.getLogger("app").info("hello from pyre")
done = threading.Event()
def read():
    while not done.is_set():
        if node.socket().poll(100):
            node.recv()
reader = threading.Thread(target=read)
reader.start()
node.join("LATER")
print("linked", agent.wait_link(20), flush=True)
print("flushed", zlog.flush(20), flush=True)
done.set()
reader.join()
zlog.shutdown()
node.stop()
"""


def test_attach_wants_to_come_first(zre_port: int) -> None:
    with Pyre("late", interface="lo", port=zre_port) as node:
        zlog.start(discover=False)
        try:
            with pytest.raises(RuntimeError, match="runs already"):
                zlog.attach(node)
        finally:
            zlog.shutdown()
    node.close()

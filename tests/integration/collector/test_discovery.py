"""How nodes find a collector: headers, ADVERT, groups; addresses that change; legacy nodes."""

import contextlib
import gc

import pyre
import pytest
import zmq

from support.nodes import FakeNode
from zlog.collector import Collector, local
from zlog.core.legacy import id_of
from zlog.wire import zre_log_msg
from zlog.zre import Pyre, PyreEvent

from ..zre.conftest import Seen
from .conftest import wait_stored

AGENTS, COLLECTORS = "ZYRE-LOGNODE", "ZYRE-LOGGER"


@pytest.fixture
def peer(no_leaks, zre_port):
    """`peer("name")`: a started ZRE node on the same network, with what it has seen."""
    made = []

    def make(name="peer"):
        node = Pyre(name, interface="lo", port=zre_port)
        node.start()
        made.append(node)
        return Seen(node)

    yield make
    for node in made:
        node.close()


def test_a_collector_has_headers_and_joins_when_it_is_ready(collect, peer, nodes):
    seen = peer()
    collector = collect(discover=True, pool="blue")
    enter = seen.next("ENTER")
    assert enter.headers == {
        "X-ZRELOG": collector.live,
        "X-ZRELOG-PROTO": "2",
        "X-ZRELOG-SYNC": collector.sync,
        "X-ZRELOG-POOL": "blue",
    }
    assert (enter.peer_uuid, enter.peer_name) == (collector.uuid, collector.name)
    assert seen.next("JOIN").group == COLLECTORS
    nodes(enter.headers["X-ZRELOG-SYNC"]).log(1)
    collector.stop()
    assert seen.next("LEAVE").group == COLLECTORS
    seen.next("EXIT")


def test_the_live_endpoint_that_is_announced_takes_records_at_once(collect, peer):
    seen = peer()
    collector = collect(discover=True)
    enter = seen.next("ENTER")
    seen.next("JOIN")
    with zmq.Context() as context:
        node = FakeNode(context, enter.headers["X-ZRELOG-SYNC"])
        node.meet()
        node.connect_live(enter.headers["X-ZRELOG"], enter.peer_uuid)
        node.log(10)
        wait_stored(collector, 10)
        node.close()


def test_on_a_running_node_agents_get_advert_and_nobody_else(collect, peer, zre_port):
    agent, stranger = peer("agent"), peer("stranger")
    agent.node.join(AGENTS)
    with contextlib.closing(Pyre("application", interface="lo", port=zre_port)) as node:
        node.start()
        own = Seen(node)
        while own.next("JOIN").group != AGENTS:
            pass
        collector = collect(node=node)
        assert (collector.uuid, collector.name) == (node.uuid(), "application")
        advert = zre_log_msg.decode(agent.next("WHISPER").msg[0])
        assert advert.headers == {
            "X-ZRELOG": collector.live,
            "X-ZRELOG-PROTO": "2",
            "X-ZRELOG-SYNC": collector.sync,
        }
        late = peer("late")
        late.node.join(AGENTS)
        assert zre_log_msg.decode(late.next("WHISPER").msg[0]) == advert
        collector.stop()
        assert agent.next("LEAVE").group == COLLECTORS
        assert node.own_groups() == []
        node.whisper(stranger.node.uuid(), b"bye")
        assert [event.type for event in stranger.events if event.type == "WHISPER"] == []
        assert stranger.next("WHISPER").msg == [b"bye"]


@pytest.mark.filterwarnings("ignore:Unclosed socket:ResourceWarning")  # published pyre leaves them
def test_on_a_node_as_published(hosts):
    """It hears who joins as its application reads."""
    for host in hosts:
        host.add_default_route()
    node = hosts[0].call(_published)
    agent = hosts[1].call(_started)
    collector = hosts[0].call(lambda: Collector(node=node).start())
    try:
        assert collector.uuid == node.uuid()
        assert collector.sync.startswith(f"tcp://{hosts[0].ip}:")
        agent.join(AGENTS)
        while PyreEvent(node).type != "JOIN":
            pass
        advert = zre_log_msg.decode(Seen(agent).next("WHISPER").msg[0])
        assert advert.headers["X-ZRELOG-SYNC"] == collector.sync
    finally:
        hosts[0].call(collector.stop)
        agent.close()
        context = node._ctx
        node.stop()
        node.inbox.close()
        node._outbox.close()
        node = collector = None
        gc.collect()
        context.destroy(linger=0)


def _published():
    node = pyre.Pyre("published")
    node.start()
    return node


def _started():
    node = Pyre("agent")
    node.start()
    return node


def test_an_agent_on_the_same_node_hears_of_it(collect, zre_port):
    told = []
    local.subscribe(told.append)
    try:
        with contextlib.closing(Pyre("application", interface="lo", port=zre_port)) as node:
            node.start()
            assert local.on_node(node.uuid()) == {}
            collector = collect(node=node)
            assert told == [node.uuid()]
            ((name, headers),) = local.on_node(node.uuid()).values()
            assert (name, headers["X-ZRELOG-SYNC"]) == ("application", collector.sync)
            collector.stop()
            assert told == [node.uuid()] * 2
            assert local.on_node(node.uuid()) == {}
    finally:
        local.unsubscribe(told.append)
        local.unsubscribe(told.append)


def test_legacy_nodes_are_known_by_their_endpoint(collect, peer):
    collector = collect(discover=True)
    seen = peer("old")
    assert collector._parts is not None
    collector.wait_until(
        lambda status: bool(collector._parts.session.legacy.peers.find(id_of(seen.node.endpoint()))), 10
    )
    with zmq.Context() as context, context.socket(zmq.PUB) as sender:
        sender.setsockopt(zmq.LINGER, 0)
        monitor = sender.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        sender.connect(collector.live)
        assert monitor.poll(5000)
        sender.disable_monitor()
        monitor.close()
        frame = zre_log_msg.Log(level=2, node_id=id_of(seen.node.endpoint()), time=5, data="careful").encode()
        # PUB says nothing about subscriptions: until it has them, what it sends is dropped.
        while not collector.wait_until(lambda status: status.legacy_received > 0, 0.05):
            sender.send(frame)
    record = next(collector.records(5))
    assert (record.node, record.name, record.text, record.severity) == (seen.node.uuid().hex, "old", "careful", 13)
    assert record.attributes == {"zlog.legacy.node": id_of(seen.node.endpoint())}
    (run,) = collector.status().nodes
    assert run.legacy
    assert not run.connected


def test_a_collector_follows_its_host_to_another_address(network, zre_port):
    """It comes with only the loopback, meets a network, and moves once more."""
    lan = network(hosts=1)
    host = lan.add_host(plugged=False)
    program = host.python(_FOLLOWS, str(zre_port))
    program.expect(r"at tcp://127\.0\.0\.1:")
    host.plug()
    program.expect(rf"at tcp://{host.ip}:", 20)
    watcher = lan[0].python(_WATCHES, str(zre_port))
    watcher.expect(rf"tcp://{host.ip}:", 20)
    host.set_address("10.36.0.99/24")
    program.expect(r"at tcp://10\.36\.0\.99:", 20)
    watcher.expect(r"tcp://10\.36\.0\.99:", 20)
    program.send("")
    program.expect("ended")


_FOLLOWS = """
import sys, threading
from zlog.collector import Collector

collector = Collector(port=int(sys.argv[1])).start()
done = threading.Event()

def show():
    shown = None
    while not done.wait(0.05):
        if collector.sync != shown:
            shown = collector.sync
            print("at", shown, flush=True)

threading.Thread(target=show).start()
sys.stdin.readline()
done.set()
collector.stop()
print("ended", flush=True)
"""

_WATCHES = """
import sys
from zlog.wire import zre_log_msg
from zlog.zre import Pyre, PyreEvent

with Pyre("agent", interface="eth0", port=int(sys.argv[1])) as node:
    node.join("ZYRE-LOGNODE")
    for event in node.events():
        if event.type == "ENTER":
            print(event.headers.get("X-ZRELOG-SYNC"), flush=True)
        elif event.type == "WHISPER":
            print(zre_log_msg.decode(event.msg[0]).headers["X-ZRELOG-SYNC"], flush=True)
"""

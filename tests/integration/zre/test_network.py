"""Links, addresses and interfaces that come and go: nodes on hosts of their own, joined by a bridge."""

import logging
import os
import signal
import socket
import sys

import pyre
import pytest

from support.netns import Host, Network
from zlog import report
from zlog.zre import Pyre, Timing

from .conftest import Seen

QUICK = Timing(beacon=0.2, evasive=0.6, mute=2.0, expired=1.5, reap=0.2)


@pytest.fixture
def on(no_leaks):
    """`on(host, "name")`: a node on that host, with its events; it finds its interface by itself unless told."""
    nodes = []

    def make(host: Host, name: str, *, timing: Timing = QUICK, **options) -> Seen:
        def inside():
            node = Pyre(name, **options)
            node.set_timing(timing)
            node.start()
            return node

        nodes.append(host.call(inside))
        return Seen(nodes[-1])

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def lan(network) -> Network:
    """Two hosts with a default route."""
    lan = network(hosts=2)
    for host in lan:
        host.add_default_route()
    return lan


def test_two_hosts(lan, on):
    one, two = on(lan[0], "one"), on(lan[1], "two")
    assert two.next("ENTER").peer_addr == one.node.endpoint()
    assert one.node.endpoint().startswith(f"tcp://{lan[0].ip}:")
    one.next("ENTER", "two")
    one.node.stop()
    two.next("EXIT", "one")


def test_the_default_routes_interface_is_used_and_said(lan, on, caplog):
    caplog.set_level(logging.INFO, "zlog.zre")
    assert on(lan[0], "one").node.interface() == "eth0"
    assert report.flush()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert f"uses interface eth0 ({lan[0].ip}), choose another with set_interface() or -i" in caplog.text


def test_row_bridges_to_containers_are_not_chosen(network, on):
    host = network(hosts=1)[0]
    host.link_down()
    host.ip_commands(
        "link add docker0 type bridge", "addr add 172.17.0.1/16 brd + dev docker0", "link set docker0 up",
        "link add veth9 type veth peer name other", "addr add 172.18.0.1/16 brd + dev veth9",
        "link set other up", "link set veth9 up", "route add default dev docker0",
    )  # fmt: skip
    assert on(host, "one").node.interface() == "lo"
    assert on(host, "two", interface="docker0").node.interface() == "docker0"
    assert on(host, "three", interface="172.18.0.1").node.interface() == "veth9"


def test_row_the_loopback_joins_no_network(lan, on):
    local, remote = on(lan[0], "local", interface="lo"), on(lan[1], "remote")
    near = on(lan[0], "near", interface="lo")
    far = on(lan[0], "far")
    assert local.next("ENTER").peer_name == "near"
    remote.next("ENTER", "far")
    far.next("ENTER", "remote")
    near.next("ENTER", "local")
    assert local.node.peers() == [near.node.uuid()]
    assert remote.node.peers() == [far.node.uuid()]
    assert local.node.endpoint().startswith("tcp://127.0.0.1:")


def test_row_beacons_from_outside_the_network_are_ignored(lan, on, wait_until):
    """A beacon by unicast from another network, in by the same interface."""
    node, other = on(lan[0], "node"), on(lan[1], "other")
    node.next("ENTER", "other")
    lan[1].ip_commands("addr add 10.99.0.1/24 dev eth0")

    def forge():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.bind(("10.99.0.1", 0))
            for _ in range(20):
                sock.sendto(b"ZRE\x01" + bytes(range(16)) + b"\x10\x00", (lan[0].broadcast, 5670))
            sock.close()

    lan[1].call(forge)
    late = on(lan[1], "late")
    node.next("ENTER", "late")
    late.next("ENTER", "node")
    assert node.node._engine.core.table.pending == 0
    assert other.node.peers()


def test_row_a_link_that_goes_down_and_up(lan, on, caplog):
    one, two = on(lan[0], "one"), on(lan[1], "two")
    one.next("ENTER")
    two.next("ENTER")
    endpoint = one.node.endpoint()
    lan[0].link_down()
    one.next("EXIT")
    two.next("EXIT")
    assert one.node.endpoint() == endpoint
    lan[0].link_up()
    one.next("ENTER")
    two.next("ENTER")
    assert one.node.endpoint() == endpoint
    assert len([r for r in caplog.records if "sends no beacon" in r.message]) <= 1


def test_row_a_cable_that_is_pulled(lan, on):
    one, two = on(lan[0], "one"), on(lan[1], "two")
    one.next("ENTER")
    two.next("ENTER")
    lan[0].pull_cable()
    one.next("EXIT")
    two.next("EXIT")
    lan[0].plug_back()
    one.next("ENTER")
    two.next("ENTER")


def test_row_a_new_address(lan, on):
    one, two = on(lan[0], "one"), on(lan[1], "two")
    one.next("ENTER")
    two.next("ENTER")
    lan[0].set_address("10.36.0.77/24")
    lan[0].add_default_route()
    two.next("EXIT")
    assert two.next("ENTER").peer_addr.startswith("tcp://10.36.0.77:")
    one.next("EXIT")
    one.next("ENTER")
    one.node.whispers(two.node.uuid(), "from the new address")
    two.next("WHISPER")


def test_row_no_network_at_start(network, on, caplog, wait_until):
    lan = network(hosts=1)
    later = lan.add_host(plugged=False)
    two = on(later, "two")
    assert two.node.endpoint().startswith("tcp://127.0.0.1:")
    assert report.flush()
    assert "only nodes of this host will find it" in caplog.text
    beside = on(later, "beside")
    two.next("ENTER", "beside")
    one = on(lan[0], "one")
    later.plug()
    later.add_default_route()
    assert one.next("ENTER", "two").peer_addr.startswith(f"tcp://{later.ip}:")
    two.next("ENTER", "one")
    assert two.node.endpoint().startswith(f"tcp://{later.ip}:")
    beside.next("ENTER", "one")
    wait_until(lambda: two.node.uuid() in beside.node.peers())


def test_row_no_interface_at_all_at_start(network, on, caplog, wait_until):
    lan = network(hosts=1)
    later = lan.add_host(plugged=False)
    later.ip_commands("link set lo down")
    node = on(later, "node")
    assert node.node.endpoint() == ""
    assert report.flush()
    assert [r.message for r in caplog.records] == ["node node waits: no interface is up (there are: lo)"]
    later.ip_commands("link set lo up")
    wait_until(node.node.endpoint)
    assert node.node.interface() == "lo"


def test_row_a_wanted_interface_that_comes_later(network, on, caplog):
    lan = network(hosts=1)
    later = lan.add_host(plugged=False)
    two = on(later, "two", interface="eth0")
    assert report.flush()
    assert "waits: interface eth0 is not up (there are: lo)" in caplog.text
    assert two.node.endpoint() == ""
    one = on(lan[0], "one")
    later.plug()
    one.next("ENTER", "two")
    two.next("ENTER", "one")


def test_row_a_frozen_peer_leaves_and_comes_back(lan, on):
    one = on(lan[0], "one")
    two = lan[1].popen([sys.executable, "-c", FROZEN])
    one.next("ENTER", "two")
    two.expect("ENTER one")
    os.kill(two.pid, signal.SIGSTOP)
    one.next("EXIT", "two")
    os.kill(two.pid, signal.SIGCONT)
    one.next("ENTER", "two")
    one.node.whispers(one.events[-1].peer_uuid, "awake?")
    two.expect("WHISPER one")


FROZEN = """
from zlog import report
from zlog.zre import Pyre, Timing
node = Pyre("two")
node.set_timing(Timing(beacon=0.2))
node.start()
for event in node.events():
    print(event.type, event.peer_name, flush=True)
"""


def test_a_killed_peer_is_gone_and_a_new_one_takes_its_place(lan, on):
    one = on(lan[0], "one")
    for _ in range(2):
        two = lan[1].popen([sys.executable, "-c", FROZEN])
        one.next("ENTER", "two")
        two.process.kill()
        one.next("EXIT", "two")


def test_published_pyre_on_another_host(lan, on):
    one = on(lan[0], "one")
    code = """
import pyre
node = pyre.Pyre("published")
node.join("G")
node.start()
for event in node.events():
    print(event.type, event.peer_name, event.group, event.msg, flush=True)
    if event.type == "WHISPER":
        break
node.stop()
"""
    program = lan[1].python(code)
    peer = one.next("ENTER", "published").peer_uuid
    one.next("JOIN", "published")
    one.node.whispers(peer, "☃")
    program.expect("ENTER one")
    program.expect("WHISPER one")
    one.next("EXIT", "published")
    assert program.wait() == 0
    assert pyre.__version__

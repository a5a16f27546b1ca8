"""What hostile storms found, each as a test of its own."""

import errno

import pytest
import zmq

from zlog.zre import engine


@pytest.fixture
def no_connections(monkeypatch):
    """Switches: no DEALER can be made while it is on."""
    state = {"on": False}
    link = engine.Link

    def make(*args):
        if state["on"]:
            raise zmq.ZMQError(errno.EINVAL)
        return link(*args)

    monkeypatch.setattr(engine, "Link", make)
    return state


def test_a_peer_that_cannot_be_connected_to_is_no_ghost(seen, forge, wait_until, no_connections):
    """The failure was told before the HELLO that led to the connection: EXIT and then ENTER, for ever."""
    node = seen("node")
    no_connections["on"] = True
    forge(node.node, name="ghost").hello()
    wait_until(lambda: node.node.counters().get("connect"))
    no_connections["on"] = False
    assert node.node.peers() == []
    seen("later").next("ENTER", "node")
    node.next("ENTER", "later")
    assert [event.type for event in node.events if event.peer_name == "ghost"] == ["ENTER", "EXIT"]


def test_a_zone_in_an_endpoint_is_no_address(seen, forge, wait_until):
    """What stands behind % was handed to libzmq as it came."""
    node = seen("node")
    forge(node.node).hello(endpoint="tcp://[fe80::1%no where;1.2.3.4:5]:1")
    wait_until(lambda: node.node.counters() == {"hello-endpoint": 1})

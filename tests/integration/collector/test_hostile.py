"""Whatever comes in on both sockets, and however many nodes there are."""

import random
import resource
import socket
import uuid

import zmq

from support.nodes import FakeNode, batch
from zlog.wire import zre_log_msg

from .conftest import wait_stored


def test_garbage_on_both_sockets(collect, nodes, database):
    collector = collect(database)
    node = nodes(collector)
    source = random.Random(3)
    good = [batch(uuid.uuid4(), 1, 9, 1, 5), *(cls().encode() for cls in zre_log_msg.MESSAGES.values())]
    stranger = nodes(collector, meet=False)
    for _ in range(2000):
        data = bytearray(source.choice(good))
        for _ in range(source.randrange(3)):
            at = source.randrange(len(data) + 1)
            data[at : at + source.randrange(3)] = source.randbytes(source.randrange(3))
        node.send_live(bytes(data))
        stranger.say(bytes(data))
        stranger.dealer.send_multipart([bytes(data), b"more", b""])
    node.send_live(b"")
    node.log(100)
    assert collector.wait_until(
        lambda status: any(run.node == node.uuid and run.ranges[9].stored == 100 for run in status.nodes)
    )
    assert "defect" not in collector.status().discarded


def test_octets_that_are_no_zmtp(collect, nodes):
    collector = collect()
    for endpoint in (collector.live, collector.sync):
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 1000, b"\xff\0\0\0\0\0\0\0\x01\x7f\x03"):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(data)
    node = nodes(collector)
    node.log(10)
    wait_stored(collector, 10)


def test_a_frame_over_2_mib_ends_only_its_connection(collect, nodes):
    collector = collect()
    node, other = nodes(collector), nodes(collector)
    node.send_live(b"\xaa\xa2\x03" + bytes(3 * 1024 * 1024))
    other.log(10)
    wait_stored(collector, 10)


def test_nodes_that_read_nothing(collect, nodes, database):
    collector = collect(database)
    deaf = nodes(collector)
    for _ in range(3000):
        deaf.say(zre_log_msg.Ping(clock=1))
    node = nodes(collector)
    node.log(100)
    assert collector.wait_until(
        lambda status: any(r.node == node.uuid and r.ranges[9].stored == 100 for r in status.nodes)
    )


def test_a_thousand_nodes(collect, database):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(1000, (hard - 500) // 8)
    collector = collect(database)  # raises the soft limit, for this test too
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4 * count)
    nodes = [FakeNode(context, collector.sync) for _ in range(count)]
    try:
        for node in nodes:
            node.offer(age=0)
        for node in nodes:
            node.meet_answer(30)
            node.go_live(30)
        for node in nodes:
            node.log(5)
            node.status()
        wait_stored(collector, 5 * count, 60)
        status = collector.status()
        assert sum(run.connected for run in status.nodes) == count
        assert status.discarded == {}
    finally:
        for node in nodes:
            node.close()
        context.term()

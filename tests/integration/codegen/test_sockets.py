"""The helpers for sockets, on inproc."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from support.codecs import MODELS, Codec
from zlog.wire import zre_log_msg, zre_log_msg_socket, zre_msg, zre_msg_socket
from zlog.wire.runtime import DecodeError, EncodeError

TIMEOUT_MS = 5000


class Sockets:
    """Makes connected pairs."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self._context = context
        self._made: list[zmq.Socket[bytes]] = []

    def pair(self, binds: int, connects: int) -> "tuple[zmq.Socket[bytes], zmq.Socket[bytes]]":
        """Two sockets of these types, connected."""
        one, two = self._context.socket(binds), self._context.socket(connects)
        for socket in (one, two):
            self._made.append(socket)
            socket.linger = 0
            socket.rcvtimeo = socket.sndtimeo = TIMEOUT_MS
        one.bind(f"inproc://sockets-{len(self._made)}")
        two.connect(f"inproc://sockets-{len(self._made)}")
        return one, two

    def close(self) -> None:
        """Close all of them."""
        for socket in self._made:
            socket.close()


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    context = zmq.Context()
    made = Sockets(context)
    yield made
    made.close()
    context.term()


def test_dealer_and_router(sockets: Sockets) -> None:
    router, dealer = sockets.pair(zmq.ROUTER, zmq.DEALER)
    ping = zre_log_msg.Ping(clock=1)
    zre_log_msg_socket.send(dealer, ping)
    message, identity = zre_log_msg_socket.receive(router)
    assert message == ping
    assert identity is not None
    pong = zre_log_msg.Pong(clock=1, received=2, sent=3)
    zre_log_msg_socket.send(router, pong, identity=identity)
    assert zre_log_msg_socket.receive(dealer) == (pong, None)


def test_a_router_needs_an_identity(sockets: Sockets) -> None:
    router, _ = sockets.pair(zmq.ROUTER, zmq.DEALER)
    with pytest.raises(ValueError, match="identity"):
        zre_log_msg_socket.send(router, zre_log_msg.Ping())


def test_further_frames(sockets: Sockets) -> None:
    router, dealer = sockets.pair(zmq.ROUTER, zmq.DEALER)
    shout = zre_msg.Shout(sequence=1, group="CHAT", content=[b"one", b"", b"three"])
    zre_msg_socket.send(dealer, shout)
    assert zre_msg_socket.receive(router).message == shout


def test_what_is_no_message(sockets: Sockets) -> None:
    router, dealer = sockets.pair(zmq.ROUTER, zmq.DEALER)
    dealer.routing_id = b"rogue"
    good = zre_msg.Ping(sequence=1)
    dealer.send_multipart([b"junk", b"more"])
    dealer.send(b"")
    zre_msg_socket.send(dealer, good)
    for reason in ("signature", "truncated"):
        with pytest.raises(DecodeError, match=reason) as caught:
            zre_msg_socket.receive(router)
        assert caught.value.identity
    assert zre_msg_socket.receive(router).message == good


def test_a_router_given_nothing_but_an_identity() -> None:
    assert zre_msg_socket.split([b"id"], router=True) == (b"id", [b""])
    assert zre_msg_socket.split([b"x", b"y"], router=False) == (None, [b"x", b"y"])


def test_nothing_there(sockets: Sockets) -> None:
    router, _ = sockets.pair(zmq.ROUTER, zmq.DEALER)
    with pytest.raises(zmq.Again):
        zre_msg_socket.receive(router, flags=zmq.DONTWAIT)


def test_nothing_is_sent_of_a_bad_message(sockets: Sockets) -> None:
    one, two = sockets.pair(zmq.PAIR, zmq.PAIR)
    with pytest.raises(EncodeError):
        zre_msg_socket.send(one, zre_msg.Ping(sequence=-1))
    zre_msg_socket.send(one, zre_msg.Ping(sequence=2))
    assert zre_msg_socket.receive(two) == (zre_msg.Ping(sequence=2), None)


def test_publish_and_subscribe(sockets: Sockets, tmp_path: Any) -> None:
    codec = Codec(MODELS / "feed.xml", tmp_path)
    wire, helpers = codec.module, importlib.import_module("generated_feed.feed_socket")
    xpub, sub = sockets.pair(zmq.XPUB, zmq.SUB)
    helpers.subscribe(sub, wire.Tick, "stocks/")
    assert helpers.receive_subscription(xpub) == (True, wire.Tick, "stocks/")
    for message in (wire.Halt(topic="stocks/a"), wire.Tick(topic="bonds/a"), wire.Tick(topic="stocks/a", price=3)):
        helpers.send(xpub, message)
    assert helpers.receive(sub) == (wire.Tick(topic="stocks/a", price=3), None)

    helpers.subscribe(sub, wire.Book)
    assert helpers.receive_subscription(xpub) == (True, wire.Book, "")
    book = wire.Book(topic="any", bids=["1"], page=b"page", rest=[b"1", b"2"])
    helpers.send(xpub, book)
    assert helpers.receive(sub) == (book, None)

    helpers.unsubscribe(sub, wire.Tick, "stocks/")
    assert helpers.receive_subscription(xpub) == (False, wire.Tick, "stocks/")
    for subscription, reason in ((b"", "truncated"), (b"\xfe", "id"), (b"\x01\xff", "utf8")):
        sub.subscribe(subscription)
        with pytest.raises(codec.runtime.DecodeError, match=reason):
            helpers.receive_subscription(xpub)

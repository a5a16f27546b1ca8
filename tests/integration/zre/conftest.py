"""Nodes on the loopback, and what they see."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from zlog.wire import zre_msg
from zlog.zre import Pyre, PyreEvent


class Seen:
    """Reads a node's events, as an application would, and awaits some of them."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.events: list[PyreEvent] = []

    def next(self, kind: str, name: str | None = None, timeout_s: float = 10.0) -> PyreEvent:
        """Read until an event of this kind (and of the peer of this name); what came before is kept in `events`."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if self.node.socket().poll(left * 1000):
                event = PyreEvent(self.node)
                self.events.append(event)
                if event.type == kind and name in (None, event.peer_name):
                    return event
        raise AssertionError(f"{self.node!r} saw no {kind} of {name} in {timeout_s:g} s, but {self}")

    def nothing_waits(self) -> bool:
        return not self.node.socket().poll(0)

    def __str__(self) -> str:
        last = [f"{event.type} {event.peer_name}" for event in self.events[-20:]]
        return f"{len(self.events)} others, the last: {', '.join(last)}" if last else "nothing"


class Forged:
    """A peer made by hand of a DEALER and beacons, that says whatever a test wants."""

    def __init__(self, node: Pyre, context: zmq.Context, name: str = "forged", hwm: int = 1_000) -> None:
        self.uuid = uuid.uuid4()
        self.name = name
        self.sequence = 0
        self.mailbox = context.socket(zmq.ROUTER)
        self.mailbox.setsockopt(zmq.LINGER, 0)
        self.mailbox.setsockopt(zmq.RCVHWM, hwm)
        self.mailbox.bind("tcp://127.0.0.1:*")
        self.endpoint = self.mailbox.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        self.dealer = context.socket(zmq.DEALER)
        self.dealer.setsockopt(zmq.LINGER, 0)
        self.dealer.setsockopt(zmq.IDENTITY, b"\x01" + self.uuid.bytes)
        self.dealer.connect(node.endpoint())

    def hello(self, **fields: Any) -> None:
        self.sequence = 0
        self.say(zre_msg.Hello(**{"endpoint": self.endpoint, "name": self.name} | fields))

    def say(self, message: Any) -> None:
        self.sequence = (self.sequence + 1) % 65_536
        message.sequence = self.sequence
        self.raw(*message.frames())

    def raw(self, *frames: bytes) -> None:
        self.dealer.send_multipart(frames)

    def heard(self, timeout_s: float = 10.0) -> Any:
        assert self.mailbox.poll(timeout_s * 1000), "the node says nothing"
        _, command, *rest = self.mailbox.recv_multipart()
        return zre_msg.decode(command, rest)

    def close(self) -> None:
        self.dealer.close()
        self.mailbox.close()


@pytest.fixture
def make_node(no_leaks: None, zre_port: int) -> Iterator[Callable[..., Pyre]]:
    """`make_node("name", start=True)`: a node on the loopback; it ends with the test."""
    nodes: list[Pyre] = []

    def make(name: str | None = None, *, start: bool = True, **options: Any) -> Pyre:
        node = Pyre(name, **{"interface": "lo", "port": zre_port} | options)
        nodes.append(node)
        if start:
            node.start()
        return node

    yield make
    for node in nodes:
        node.close()
    nodes.clear()


@pytest.fixture
def seen(make_node: Callable[..., Pyre]) -> Callable[..., Seen]:
    """`seen("name")`: a started node with its events."""
    return lambda name=None, **options: Seen(make_node(name, **options))


@pytest.fixture
def forge(no_leaks: None) -> Iterator[Callable[..., Forged]]:
    """`forge(node)`: a hand-made peer of that node."""
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        yield lambda node, **options: stack.enter_context(contextlib.closing(Forged(node, context, **options)))

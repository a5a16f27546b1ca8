"""What the tests of all languages share: what was got beforehand, and a collector to send to."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import zmq

from languages import setup
from support.tools import unavailable
from zlog.wire import zre_log_msg

Message = TypeVar("Message", zre_log_msg.Record, zre_log_msg.Log)

#: Models whose generated code is looked at: the protocol's, and those with every construct.
MODELS = (
    *sorted((Path(__file__).parents[2] / "protocol").glob("zre_*.xml")),
    *sorted((Path(__file__).parents[1] / "unit" / "codegen" / "models").glob("*.xml")),
)


def built(language: str) -> Path:
    """The folder with what `setup.py` got for a language. Without it the test is skipped, or fails in CI."""
    if problem := setup.problem(language):
        unavailable(f"needs what {language} takes from registries", problem)
    return setup.BUILD / language


class Collector(threading.Thread):
    """A collector as nodes see it: a SUB socket that is subscribed to all messages and to its own ready marker."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        super().__init__()
        self._context = context
        self._end = context.socket(zmq.PAIR)
        self._end.bind("inproc://end")
        self._messages: queue.Queue[list[bytes]] = queue.Queue()
        self._bound = threading.Event()
        self.live = ""
        """The endpoint that nodes connect their XPUB to."""
        self.start()
        self._bound.wait()

    def run(self) -> None:
        """Receive until told to stop. A thread, as libzmq sends subscriptions to a new peer only when SUB is asked."""
        with self._context.socket(zmq.SUB) as socket, self._context.socket(zmq.PAIR) as end:
            end.connect("inproc://end")
            marker = b"\xaa\xa2\xff" + uuid.uuid4().bytes
            for subscription in (b"\xaa\xa2\x01", b"\xaa\xa2\x02", b"\xaa\xa2\x03", marker):
                socket.subscribe(subscription)  # the marker is last: who sees it has seen the others
            self.live = f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"
            self._bound.set()
            poller = zmq.Poller()
            poller.register(socket, zmq.POLLIN)
            poller.register(end, zmq.POLLIN)
            while end not in (ready := dict(poller.poll())):
                if socket in ready:
                    self._messages.put(socket.recv_multipart())

    def close(self) -> None:
        """Stop receiving."""
        self._end.send(b"")
        self.join()
        self._end.close()

    def records(self, count: int, timeout_s: float = 20) -> list[zre_log_msg.Record]:
        """The next ``count`` RECORDs. Another message in between fails the test, and so does one that doesn't come."""
        return self._next(zre_log_msg.Record, count, timeout_s)

    def logs(self, count: int, timeout_s: float = 20) -> list[zre_log_msg.Log]:
        """The next ``count`` LOGs, in the same way."""
        return self._next(zre_log_msg.Log, count, timeout_s)

    def _next(self, kind: type[Message], count: int, timeout_s: float) -> list[Message]:
        deadline = time.monotonic() + timeout_s
        found: list[Message] = []
        while len(found) < count:
            try:
                first, *rest = self._messages.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"{len(found)} of {count} {kind.NAME}s arrived in {timeout_s} s: {found}")
            message = zre_log_msg.decode(first, rest)
            assert isinstance(message, kind), message
            found.append(message)
        return found


@pytest.fixture
def collector(no_leaks: None) -> Iterator[Collector]:
    """A collector on the loopback; give a program its ``live``, then ask it for ``records(10)``."""
    with zmq.Context() as context:
        collector = Collector(context)
        try:
            yield collector
        finally:
            collector.close()


@pytest.fixture
def setup_of() -> Callable[[str], Path]:
    """`setup_of("rust")`: the folder with what setup.py got for a language."""
    return built

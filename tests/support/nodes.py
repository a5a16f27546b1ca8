"""A node made by hand: what it sends and how it answers is up to a test. Its sockets are those of protocol 5.1."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterable
from typing import Any

import zmq

from zlog.core.sync import (
    Held,
    LinkStatus,
    RangeStatus,
    RunKey,
    pack_held,
    pack_links,
    pack_path,
    pack_ranges,
    unpack_resume,
)
from zlog.record import Record, encode
from zlog.severity import RANGES
from zlog.wire import body, zre_log_msg

EPOCH = 1_763_625_600_000_000_000


def records(range_: int, start: int, stop: int, text: str = "record {}") -> list[Record]:
    """The records of the sequences [start, stop)."""
    return [
        Record(
            ordinal=number,
            time_ns=EPOCH + number,
            severity=range_,
            logger="arm.joint",
            text=text.format(number),
            attributes={"code.line.number": number % 20, "thread.name": "MainThread"},
        )
        for number in range(start, stop)
    ]


def batch(node: uuid.UUID, epoch: int, range_: int, start: int, stop: int, **fields: Any) -> bytes:
    """A BATCH of the sequences [start, stop)."""
    codec, octets = body.pack([encode(record) for record in records(range_, start, stop)])
    given = {
        "codec": codec,
        "body": octets,
        "host": "rover",
        "name": "arm",
        "pid": 4711,
        "count": stop - start,
    } | fields
    return zre_log_msg.Batch(severity=range_, node=node, epoch=epoch, sequence=start, **given).encode()


class FakeNode:
    """A node with a live and a sync socket.

    Args:
        context: of its sockets.
        sync: endpoint of the collector's ROUTER.
    """

    def __init__(
        self,
        context: zmq.Context,
        sync: str,
        *,
        node: uuid.UUID | None = None,
        epoch: int = EPOCH,
    ) -> None:
        self.uuid = node or uuid.uuid4()
        self.epoch = epoch
        self.next = dict.fromkeys(RANGES, 1)
        self.held: dict[int, list[tuple[int, int, bytes]]] = {}
        self.inbox: list[Any] = []
        self.welcome: zre_log_msg.Welcome | None = None
        self.resume: dict[int, int] = {}
        self._sync = sync
        self._context = context
        self.live: zmq.Socket | None = None
        self.dealer = self._socket(zmq.DEALER)
        self.dealer.connect(sync)

    def _socket(self, kind: int) -> zmq.Socket:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        return socket

    def close(self) -> None:
        self.dealer.close()
        if self.live is not None:
            self.live.close()

    # --- sync ---------------------------------------------------------------------------------------------------------

    def say(self, message: Any) -> None:
        self.dealer.send(message if isinstance(message, bytes) else message.encode())

    def hear(self, kind: type, timeout_s: float = 5.0) -> Any:
        """The next message of this kind; the others are kept in `inbox`."""
        for index, message in enumerate(self.inbox):
            if isinstance(message, kind):
                return self.inbox.pop(index)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if self.dealer.poll(left * 1000):
                message = zre_log_msg.decode(self.dealer.recv())
                if isinstance(message, kind):
                    return message
                self.inbox.append(message)
        raise AssertionError(f"no {kind.__name__} in {timeout_s} s, but {[m.NAME for m in self.inbox]}")

    def offer(
        self,
        *,
        age: int = 10**15,
        first: int = 1,
        runs: Iterable[Held] = (),
        path: Iterable[uuid.UUID] = (),
        **fields: Any,
    ) -> None:
        own = Held(RunKey(self.uuid, self.epoch), tuple((min(first, self.next[r]), self.next[r]) for r in RANGES))
        values = {
            "version": 2,
            "host": "rover",
            "name": "arm",
            "pid": 4711,
            "clock": time.time_ns(),
            "age": age,
        } | fields
        self.say(
            zre_log_msg.Offer(
                node=self.uuid, epoch=self.epoch, path=pack_path(path), runs=pack_held([own, *runs]), **values
            )
        )

    def meet(self, **fields: Any) -> zre_log_msg.Welcome:
        """OFFER, and what WELCOME says."""
        self.offer(**fields)
        return self.meet_answer()

    def meet_answer(self, timeout_s: float = 5.0) -> zre_log_msg.Welcome:
        """Wait for WELCOME."""
        self.welcome = self.hear(zre_log_msg.Welcome, timeout_s)
        self.resume = {point.severity: point.next for point in unpack_resume(self.welcome.resume)}
        return self.welcome

    def status(self, *, closing: bool = False, lag: int = 0, links: Iterable[LinkStatus] = ()) -> None:
        ranges = [RangeStatus(r, following, 0, lag) for r, following in self.next.items() if following > 1]
        self.say(
            zre_log_msg.Status(
                node=self.uuid,
                epoch=self.epoch,
                clock=time.time_ns(),
                closing=int(closing),
                ranges=pack_ranges(ranges),
                links=pack_links(links),
            )
        )

    def answer(self, fetch: zre_log_msg.Fetch, cause: int = 1) -> None:
        """Answer a FETCH from `held`, as section 6.4 has it but for credit; what isn't there is gone."""
        position = fetch.start
        for start, stop, frame in self.held.get(fetch.severity, []):
            if stop <= position or (fetch.stop and start >= fetch.stop):
                continue
            if start > position:
                self._gone(fetch, position, start, cause)
            self.say(frame)
            position = stop
        if fetch.stop and position < fetch.stop:
            self._gone(fetch, position, fetch.stop, cause)

    def _gone(self, fetch: zre_log_msg.Fetch, start: int, stop: int, cause: int) -> None:
        self.say(
            zre_log_msg.Gone(
                node=fetch.node, epoch=fetch.epoch, severity=fetch.severity, start=start, stop=stop, cause=cause
            )
        )

    # --- live ---------------------------------------------------------------------------------------------------------

    def go_live(self, timeout_s: float = 5.0) -> None:
        """Connect the live socket, and wait for the ready marker."""
        assert self.welcome is not None
        host = self._sync.rpartition(":")[0]
        self.connect_live(f"{host}:{self.welcome.port}", self.welcome.collector, timeout_s)

    def connect_live(self, endpoint: str, collector: uuid.UUID, timeout_s: float = 5.0) -> None:
        self.live = self._socket(zmq.XPUB)
        self.live.setsockopt(zmq.XPUB_NODROP, 1)
        self.live.connect(endpoint)
        marker = b"\x01\xaa\xa2\xff" + collector.bytes
        deadline = time.monotonic() + timeout_s
        while self.live.poll(max(0.0, deadline - time.monotonic()) * 1000):
            if self.live.recv() == marker:
                return
        raise AssertionError("the ready marker did not come")

    def log(self, count: int, range_: int = 9, *, size: int = 256, send: bool = True, **fields: Any) -> None:
        """Make so many records, in batches; journal them, and send them live unless it is lost."""
        while count:
            some = min(count, size)
            start, stop = self.next[range_], self.next[range_] + some
            frame = batch(self.uuid, self.epoch, range_, start, stop, **fields)
            self.held.setdefault(range_, []).append((start, stop, frame))
            self.next[range_] = stop
            count -= some
            if send:
                self.send_live(frame)

    def send_live(self, frame: bytes, timeout_s: float = 10.0) -> None:
        assert self.live is not None
        deadline = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(zmq.Again):
                self.live.send(frame, zmq.DONTWAIT)
                return
            if time.monotonic() > deadline:
                raise AssertionError("the collector takes nothing")
            time.sleep(0.001)

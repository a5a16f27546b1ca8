"""The sockets of one link: an XPUB for the stream, a DEALER for sync, and what libzmq says of the DEALER's connection.

protocol/README.md, sections 5.1 and 6.1. All of it belongs to the agent's thread.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Final

import zmq

from zlog.core.discovery import Target
from zlog.core.link import CloseLive, Event, Link, OpenLive
from zlog.limits import LINK_QUEUE_FRAMES, MAX_FRAME_BYTES

__all__ = ["Wires"]

Socket = zmq.Socket[bytes]

_PROBE_S: Final = 1
_PROBES: Final = 2
_SILENCE_MS: Final = (_PROBES + 1) * _PROBE_S * 1_000
_MS: Final = 1_000_000
#: How long a full socket is left alone: it says nothing when there is room again.
_FIRST_WAIT_NS: Final = _MS
_MOST_WAIT_NS: Final = 20 * _MS
#: Frames of one link in a row, so that all others have their turn.
_TURN: Final = 64


class Wires:
    """A link at work.

    Args:
        context: to make the sockets in.
        link: what they are for.

    Attributes:
        link: the same.
        target: whom it leads to.

    Raises:
        zmq.ZMQError: no more sockets, or the address is none.
    """

    def __init__(self, context: zmq.Context[Any], link: Link) -> None:
        self.link = link
        self.target: Target = link.target
        self._context = context
        self._live: Socket | None = None
        self._sync: Socket | None = None
        self._monitor: Socket | None = None
        self._wait_ns = 0
        self._blocked_until: int | None = None
        try:
            if self.target.sync is not None:
                self._sync = self._socket(zmq.DEALER)
                self._monitor = self._sync.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
                self._sync.connect(self.target.sync)
            if self.target.live is not None:
                self._open_live(self.target.live)
        except BaseException:
            self.close(0)
            raise

    def sockets(self) -> list[Socket]:
        """Those to poll for reading."""
        return [each for each in (self._live, self._sync, self._monitor) if each is not None]

    def due(self) -> int | None:
        """When `pump` has something to do that no socket tells of."""
        return min((at for at in (self._blocked_until, self.link.due()) if at is not None), default=None)

    def receive(self, socket: Socket, now: int) -> None:
        """Read what waits on one of the sockets."""
        if socket is self._live:
            for frame in _frames(socket):
                self.link.subscription(frame)
        elif socket is self._sync:
            for frame in _frames(socket):
                self.link.sync(frame, now)
            self._blocked_until = None
        elif socket is self._monitor:
            self._look(now)

    def pump(self, now: int) -> list[Event]:
        """Send what can be sent, and return what the agent has to do."""
        link = self.link
        link.tick(now)
        if self._blocked_until is None or now >= self._blocked_until:
            self._blocked_until = None
            full = not self._send_control(now)
            full = not self._send_live(now) or full
            full = not self._send_answers(now) or full
            full = not self._send_control(now) or full  # GONE, where no frame follows
            if not full:
                self._wait_ns = 0
        events: list[Event] = []
        while link.events:
            event = link.events.popleft()
            if isinstance(event, OpenLive):
                with contextlib.suppress(zmq.ZMQError):  # then it isn't ready in time, and sync carries the stream
                    self._open_live(event.endpoint)
            elif isinstance(event, CloseLive):
                self._close_live(0)
            else:
                events.append(event)
        return events

    def close(self, linger_ms: int) -> None:
        """Give the sockets back; what is in their queues has so long to go."""
        self._close_live(linger_ms)
        if self._sync is not None:
            with contextlib.suppress(zmq.ZMQError):
                self._sync.disable_monitor()
            self._sync.close(linger_ms)
        if self._monitor is not None:
            self._monitor.close(0)
        self._sync = self._monitor = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def _socket(self, kind: int) -> Socket:
        socket: Socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        # The kernel finds out that a collector's host is gone. No heartbeats of libzmq: 4.3.5 aborts a collector whose
        # queue is full when it finds one among what a broken connection has left.
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _PROBE_S)
        socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, _PROBE_S)
        socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, _PROBES)
        if (
            kind == zmq.DEALER
        ):  # not on live: the kernel takes a collector for dead, too, that takes nothing for a while
            socket.setsockopt(zmq.TCP_MAXRT, _SILENCE_MS)
        # Else one that began while the link was down, or with an address that is gone, is tried for two minutes.
        socket.setsockopt(zmq.CONNECT_TIMEOUT, _SILENCE_MS)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2_000)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        socket.setsockopt(zmq.SNDHWM, LINK_QUEUE_FRAMES)
        return socket

    def _open_live(self, endpoint: str) -> None:
        self._close_live(0)
        self._live = self._socket(zmq.XPUB)
        self._live.setsockopt(zmq.XPUB_NODROP, 1)
        self._live.connect(endpoint)

    def _close_live(self, linger_ms: int) -> None:
        if self._live is not None:
            self._live.close(linger_ms)
            self._live = None

    def _look(self, now: int) -> None:
        assert self._monitor is not None
        while self._monitor.poll(0):
            # Its first two octets name the event; pyzmq's own parser would bring asyncio into every process, 4 MB.
            event = int.from_bytes(self._monitor.recv_multipart(zmq.DONTWAIT)[0][:2], sys.byteorder)
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.link.connected(now)
                self._blocked_until = None
            elif event == zmq.EVENT_DISCONNECTED:
                self.link.disconnected()

    def _send_control(self, now: int) -> bool:
        control = self.link.control
        while control and self._sync is not None:
            if not _send(self._sync, control[0]):
                return self._block(now)
            control.popleft()
        return True

    def _send_live(self, now: int) -> bool:
        for _ in range(_TURN):
            frame = self.link.peek() if self._live is not None else None
            if frame is None or self._live is None:
                return True
            if not _send(self._live, frame):
                return self._block(now)
            self.link.sent()
        self._blocked_until = now  # the rest at once, after the others
        return True

    def _send_answers(self, now: int) -> bool:
        for _ in range(_TURN):
            frame = self.link.peek_answer() if self._sync is not None else None
            if frame is None or self._sync is None:
                return True
            if not self._send_control(now):  # GONE, for what is before
                return False
            if not _send(self._sync, frame):
                return self._block(now)
            self.link.sent_answer()
        self._blocked_until = now
        return True

    def _block(self, now: int) -> bool:
        """The socket is full, or not connected: try again later, and later the next time."""
        self._wait_ns = min(max(self._wait_ns * 2, _FIRST_WAIT_NS), _MOST_WAIT_NS)
        self._blocked_until = now + self._wait_ns
        return False


def _send(socket: Socket, frame: bytes) -> bool:
    try:
        socket.send(frame, zmq.DONTWAIT)
    except zmq.Again:
        return False
    return True


def _frames(socket: Socket) -> list[bytes]:
    """The first frame of each message that waits, at most so many at once."""
    found: list[bytes] = []
    with contextlib.suppress(zmq.Again):
        while len(found) < 1_000:
            found.append(socket.recv_multipart(zmq.DONTWAIT)[0])
    return found

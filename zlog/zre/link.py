"""The DEALER to one peer, with the messages that wait while the peer reads too slowly."""

from __future__ import annotations

from collections import deque
from uuid import UUID

import zmq

from zlog import limits

_HIGH_WATER_MARK = 200  # messages in libzmq, which counts no octets: what waits beyond is counted here
_LINGER_MS = 250
_RECONNECT_MAX_MS = 2_000


class Link:
    """A connection to a peer's mailbox.

    Args:
        context: where the socket is made.
        own: this node's UUID; with a leading 1 it is the identity that the peer sees (RFC 36).
        endpoint: the peer's mailbox.

    Raises:
        zmq.ZMQError: no socket could be made, or the endpoint is unusable.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], own: UUID, endpoint: str) -> None:
        self.socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self._waiting: deque[list[bytes]] = deque()
        self._bytes = 0
        try:
            self.socket.setsockopt(zmq.LINGER, 0)
            self.socket.setsockopt(zmq.IDENTITY, b"\x01" + own.bytes)
            self.socket.setsockopt(zmq.SNDHWM, _HIGH_WATER_MARK)
            self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
            if endpoint.startswith("tcp://["):
                self.socket.setsockopt(zmq.IPV6, 1)
            self.socket.connect(endpoint)
        except zmq.ZMQError:
            self.socket.close()
            raise

    @property
    def waits(self) -> bool:
        """Whether messages wait for the peer."""
        return bool(self._waiting)

    def send(self, frames: list[bytes], poller: zmq.Poller) -> bool:
        """Send, or keep for later; return False when too much waits already."""
        if not self._waiting:
            try:
                self.socket.send_multipart(frames, zmq.DONTWAIT)
            except zmq.Again:
                poller.register(self.socket, zmq.POLLOUT)
            else:
                return True
        size = sum(map(len, frames))
        if self._waiting and self._bytes + size > limits.ZRE_PEER_QUEUE_BYTES:
            return False
        self._waiting.append(frames)
        self._bytes += size
        return True

    def flush(self, poller: zmq.Poller) -> bool:
        """Send what waits, as far as the peer takes it; return whether all of it went."""
        while self._waiting:
            try:
                self.socket.send_multipart(self._waiting[0], zmq.DONTWAIT)
            except zmq.Again:
                return False
            self._bytes -= sum(map(len, self._waiting.popleft()))
        poller.unregister(self.socket)
        return True

    def linger(self) -> None:
        """Before the node ends: let what was sent still leave, for a moment."""
        self.socket.setsockopt(zmq.LINGER, _LINGER_MS)

    def close(self, poller: zmq.Poller | None) -> None:
        """Close the socket and drop what waits."""
        if self._waiting and poller is not None:
            poller.unregister(self.socket)
        self._waiting.clear()
        self.socket.close()

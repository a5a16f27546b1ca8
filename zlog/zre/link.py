"""The DEALER to one peer, with the messages that wait while the peer reads too slowly."""

from __future__ import annotations

from collections import deque
from typing import Final
from uuid import UUID

import zmq

from zlog import limits

_HIGH_WATER_MARK: Final = 16
"""Messages in libzmq, which counts no octets: the others wait here, where they are counted."""

_LINGER_MS: Final = 250
_RECONNECT_MAX_MS: Final = 2_000
_CONNECT_MS: Final = 3_000
"""How long one attempt to connect lasts: else one that began while the link was down lasts two minutes."""


class Link:
    """A connection to a peer's mailbox.

    Args:
        context: where the socket is made.
        own: this node's UUID; with a leading 1 it is the identity that the peer sees (RFC 36).
        endpoint: the peer's mailbox.

    Attributes:
        bytes: octets that wait for the peer, 0 when nothing does.

    Raises:
        zmq.ZMQError: no socket could be made, or the endpoint is unusable.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], own: UUID, endpoint: str) -> None:
        self.socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self.bytes = 0
        self._waiting: deque[list[bytes]] = deque()
        try:
            self.socket.setsockopt(zmq.LINGER, 0)
            self.socket.setsockopt(zmq.IDENTITY, b"\x01" + own.bytes)
            self.socket.setsockopt(zmq.SNDHWM, _HIGH_WATER_MARK)
            self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
            self.socket.setsockopt(zmq.CONNECT_TIMEOUT, _CONNECT_MS)
            if endpoint.startswith("tcp://["):
                self.socket.setsockopt(zmq.IPV6, 1)
            self.socket.connect(endpoint)
        except zmq.ZMQError:
            self.socket.close()
            raise

    def send(self, frames: list[bytes]) -> bool:
        """Send, or keep for later; return False when too much waits already."""
        if not self._waiting:
            try:
                self.socket.send_multipart(frames, zmq.DONTWAIT)
            except zmq.Again:
                pass
            else:
                return True
        size = sum(map(len, frames))
        if self._waiting and self.bytes + size > limits.ZRE_PEER_QUEUE_BYTES:
            return False
        self._waiting.append(frames)
        self.bytes += size
        return True

    def flush(self) -> bool:
        """Send what waits, as far as the peer takes it; return whether all of it went."""
        while self._waiting:
            try:
                self.socket.send_multipart(self._waiting[0], zmq.DONTWAIT)
            except zmq.Again:
                return False
            self.bytes -= sum(map(len, self._waiting.popleft()))
        return True

    def close(self, lingers: bool = False) -> int:
        """Close the socket and return how many messages were still waiting.

        Args:
            lingers: what libzmq has already taken may still leave, for a moment.
        """
        self.socket.close(linger=_LINGER_MS if lingers else 0)
        self.bytes = 0
        left = len(self._waiting)
        self._waiting.clear()
        return left

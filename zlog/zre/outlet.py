"""The way of a node's events to its application: observers first, then a PAIR socket with a bounded queue before it.

The sockets are in a context of this process, not in the application's: what waits can be read after the node has ended,
and ending the application's context waits for nobody.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final
from uuid import uuid4

import zmq

from zlog.report import Once
from zlog.zre.inbox import Inbox

Observer = Callable[[list[bytes]], bool]
"""Called in the node's thread with the frames of each event; when it returns True the application isn't told."""

_HIGH_WATER_MARK: Final = 16
"""Events in each end of the PAIR, which counts no octets; the others wait in `Inbox`, which does. When it is small the
socket also tells soon that the application reads: credit comes back in halves of it."""

_MAX_SOCKETS: Final = 65_535

_context: zmq.Context[zmq.Socket[bytes]] | None = None
_context_lock = threading.Lock()


def _shared_context() -> zmq.Context[zmq.Socket[bytes]]:
    global _context
    with _context_lock:
        if _context is None:
            _context = zmq.Context()
            _context.set(zmq.MAX_SOCKETS, min(_MAX_SOCKETS, _context.get(zmq.SOCKET_LIMIT)))
        return _context


def _in_child() -> None:
    global _context, _context_lock
    _context, _context_lock = None, threading.Lock()


class Outlet:
    """Events on their way to the application.

    Attributes:
        socket: the application's end.
        inbox: what waits.
        observers: see `Observer`.
        reading: held by a thread of the application while it reads; the socket isn't closed under it.
        read_at: when the application last read, in seconds of the node's clock, as far as can be seen from here.
    """

    def __init__(self, once: Once) -> None:
        context = _shared_context()
        self.socket: zmq.Socket[bytes] = context.socket(zmq.PAIR)
        self.source: zmq.Socket[bytes] = context.socket(zmq.PAIR)
        for end in (self.socket, self.source):
            end.setsockopt(zmq.LINGER, 0)
            end.set_hwm(_HIGH_WATER_MARK)
        endpoint = f"inproc://zre-{uuid4().hex}"
        self.socket.bind(endpoint)
        self.source.connect(endpoint)
        self.inbox = Inbox()
        self.observers: list[Observer] = []
        self.reading = threading.Lock()
        self.read_at = float("-inf")
        self._once = once
        self._lock = threading.RLock()
        self._holders = 1

    def deliver(self, frames: list[bytes], droppable: bool, now: float) -> None:
        """Show an event to the observers and, unless one hides it, to the application."""
        hidden = False
        for observer in list(self.observers):
            hidden = observer(list(frames)) or hidden
        if hidden and frames[0] != b"STOP":  # readers wait for that one
            return
        with self._lock:
            taken = self.inbox.push(frames, droppable)
        if not taken:
            self._once.warn("inbox", "drops messages: the application reads too slowly")
        self.flush(now)

    def flush(self, now: float) -> bool:
        """Hand over what the socket takes; return whether that was all.

        It is called by the node's thread and, when that has ended, by those that read.
        """
        with self._lock:
            while self.inbox:
                try:
                    self.source.send_multipart(self.inbox.peek(), zmq.DONTWAIT)
                except zmq.Again:
                    # libzmq looks for credit now and then only; polling makes it look.
                    if not self.source.poll(0, zmq.POLLOUT):
                        return False
                else:
                    self.inbox.pop()
                    self.read_at = now
        return True

    def abandon(self) -> None:
        """In a child process after fork: the locks may be held by threads that only the parent has."""
        self._lock, self.reading = threading.RLock(), threading.Lock()

    def hold(self) -> None:
        """One more needs it: the node's thread beside the application."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """One needs it no more; the last one gives the sockets back."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self.close()

    def close(self) -> None:
        """Give the sockets back, unless somebody reads. Harmless twice."""
        if self.reading.acquire(timeout=0.5):
            try:
                self.socket.close()
                self.source.close()
            finally:
                self.reading.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

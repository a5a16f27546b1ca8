"""Calls that an application's threads hand to a node's thread."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator

from zlog import limits

Call = Callable[[], object]


class Calls:
    """A bounded queue of calls with a descriptor to poll. `put` is for any thread, the rest for the node's."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._ears, self._bell = socket.socketpair()
        self._ears.setblocking(False)
        self._bell.setblocking(False)
        self._rung = False

    def __len__(self) -> int:
        return len(self._calls)

    def fileno(self) -> int:
        """The descriptor, readable when calls wait."""
        return self._ears.fileno()

    def put(self, call: Call, timeout_s: float | None = 0) -> bool:
        """Append a call. It takes no lock, so that a signal handler may come in between.

        Args:
            call: to be called in the node's thread, after those before it.
            timeout_s: how long to wait while `limits.ZRE_COMMANDS` calls wait; None appends in any case.

        Returns:
            False when there was no room.
        """
        if timeout_s is not None and len(self._calls) >= limits.ZRE_COMMANDS:
            deadline = time.monotonic() + timeout_s
            while len(self._calls) >= limits.ZRE_COMMANDS:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.001)
        self._calls.append(call)
        self.ring()
        return True

    def ring(self) -> None:
        """Wake the node's thread."""
        if not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):  # full: then it wakes anyway; closed: then it has ended
                self._bell.send(b"\0")

    def take(self) -> Iterator[Call]:
        """Yield the calls that wait now; those that come meanwhile ring again."""
        with contextlib.suppress(BlockingIOError):
            self._ears.recv(4096)
        self._rung = False
        try:
            for _ in range(len(self._calls)):
                yield self._calls.popleft()
        finally:
            if self._calls:
                self.ring()

    def close(self) -> None:
        """Give the descriptors back. Harmless twice."""
        self._ears.close()
        self._bell.close()

"""How a command ends that would go on for ever: by SIGINT, SIGTERM or SIGHUP, after some time, or by an error."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from types import FrameType
from typing import Any, Final, Self

__all__ = ["Ending"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """While it is entered, signals ask for the end instead of ending the process. In the main thread only.

    A second SIGINT raises KeyboardInterrupt: whoever doesn't want to wait needn't. A signal that was ignored when the
    command started (``nohup``, ``&`` in a script) stays ignored.

    Args:
        seconds: end by itself after so long; None for never.

    Attributes:
        asked: the end was asked for.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.asked = False
        self._queue: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()  # its put may be called by a signal
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before if before is not None else signal.SIG_DFL)

    def end(self, error: BaseException | None = None) -> None:
        """Ask for the end, from any thread; `wait` raises the error."""
        self.asked = True
        self._queue.put(error)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end, at most so long; return whether it has come.

        Raises:
            what `end` was given.
        """
        now = time.monotonic()
        if self._deadline is not None:
            left = self._deadline - now
            timeout_s = left if timeout_s is None else min(timeout_s, left)
        with contextlib.suppress(queue.Empty):
            error = self._queue.get(timeout=None if timeout_s is None else max(0.0, timeout_s))
            self._queue.put(None)  # for whoever asks again
            if error is not None:
                raise error
            return True
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.asked = True
        return self.asked

    def _signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.end()

"""Log lines of the threads of nodes, agents and collectors, written by a thread of their own.

Such a thread must not log itself: a handler may raise, may wait for a lock whose owner waits for that thread, or may
send its records through it. So lines are put in a bounded queue, which never waits.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from typing import Any, Final

logger = logging.getLogger("zlog.zre")

MOST: Final = 1_000
"""Lines that wait; beyond, a verbose node's are dropped. What is logged once per cause never comes near."""

_Line = tuple[logging.Logger, int, str, tuple[object, ...], Any] | threading.Event
_lines: queue.SimpleQueue[_Line] = queue.SimpleQueue()
_writer: threading.Thread | None = None
_lock = threading.Lock()


def log(level: int, text: str, *args: object, exc_info: Any = None, to: logging.Logger = logger) -> None:
    """Have a line logged soon, on the logger ``zlog.zre`` or another one. Never waits and never raises."""
    if to.isEnabledFor(level) and _lines.qsize() < MOST:
        _put((to, level, text, args, exc_info))


def flush(timeout_s: float = 1.0) -> bool:
    """Wait until the lines so far are logged; return whether they are."""
    if _writer is None and _lines.empty():
        return True
    done = threading.Event()
    _put(done)
    return done.wait(timeout_s)


def _put(line: _Line) -> None:
    global _writer
    _lines.put(line)
    if _writer is None:
        with _lock:
            if _writer is None:
                writer = threading.Thread(target=_write, args=(_lines,), name="zre-log", daemon=True)
                with contextlib.suppress(RuntimeError):  # no more threads, or the interpreter ends
                    writer.start()
                    _writer = writer


def _write(lines: queue.SimpleQueue[_Line]) -> None:
    while True:
        line = lines.get()
        if isinstance(line, threading.Event):
            line.set()
            continue
        to, level, text, args, exc_info = line
        with contextlib.suppress(BaseException):  # a handler that raises is the application's, and says so itself
            to.log(level, text, *args, exc_info=exc_info)


class Once:
    """Logs the first line of each cause.

    Args:
        prefix: in front of each line.
        to: the logger.
    """

    def __init__(self, prefix: str, to: logging.Logger = logger) -> None:
        self._prefix = prefix
        self._to = to
        self._told: set[str] = set()

    def warn(self, cause: str, text: str, *args: object, exc_info: Any = None) -> None:
        """Log a warning, if it is the first of this cause."""
        if cause not in self._told:
            self._told.add(cause)
            log(logging.WARNING, f"{self._prefix} {text}", *args, exc_info=exc_info, to=self._to)

    def again(self, *prefixes: str) -> None:
        """Causes that begin so are over; the next one is told again."""
        self._told = {cause for cause in self._told if not cause.startswith(prefixes)}


def _in_child() -> None:
    global _lines, _writer, _lock
    _lines, _writer, _lock = queue.SimpleQueue(), None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

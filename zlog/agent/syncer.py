"""The thread that syncs a journal's files: it may take long, and nothing waits for it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["Syncer"]

#: How often it syncs.
SYNC_S: Final = 1.0


class Syncer:
    """Starts its thread with the first file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: dict[str, Callable[[], object] | None] = {}
        self._wake = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def sync(self, paths: Iterable[str], then: Callable[[], object] | None = None) -> None:
        """Sync these files and folders soon.

        Args:
            then: called for each that was synced, from whatever thread; not if that failed.
        """
        with self._lock:
            for path in paths:
                self._paths[path] = then or self._paths.get(path)
        self._wake.set()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="zlog-journal", daemon=True)
            with contextlib.suppress(RuntimeError):  # no more threads, or the interpreter ends
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """Sync what is left."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(SYNC_S)
        self._now()

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait()
            self._end.wait(SYNC_S)
            self._now()

    def _now(self) -> None:
        with self._lock:
            paths, self._paths = self._paths, {}
            self._wake.clear()
        for path, then in paths.items():
            with contextlib.suppress(OSError):  # removed; or a disk that fails, which writes will tell
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                if then is not None:
                    then()

"""Folders of runs as such: who holds one, when it was last written, and how it goes."""

from __future__ import annotations

import contextlib
import fcntl
import os

from zlog.agent.kept import STATE
from zlog.agent.tally import remove as remove_tally

__all__ = ["hold", "is_at", "remove_folder", "stamp"]


def hold(path: str) -> int | None:
    """Hold a folder until the descriptor is closed; None if another process holds it. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(descriptor, path):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def is_at(descriptor: int, path: str) -> bool:
    """Whether the path still is this open folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def remove_folder(path: str) -> None:
    """Remove a run's folder. What isn't ours in it stays, and it then, too."""
    remove_tally(path)
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            if name == STATE or name.endswith(".seg"):
                os.unlink(os.path.join(path, name))
        os.rmdir(path)


def stamp(path: str) -> int:
    """When a run last gave out numbers, as its file is stamped."""
    for each in (os.path.join(path, STATE), path):
        with contextlib.suppress(OSError):
            return os.stat(each).st_mtime_ns
    return 0

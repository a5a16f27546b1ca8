"""What a test left behind: threads, file descriptors, child processes."""

import contextlib
import gc
import os
import threading
import time
from pathlib import Path

GRACE_S = 2.0  # for threads that were told to end and are about to
PROC = Path("/proc/self/task").exists()  # elsewhere than on Linux, only Python's threads are known


class Snapshot:
    """Threads, descriptors and children of this process at one moment."""

    def __init__(self) -> None:
        self.threads = {thread for thread in threading.enumerate() if thread.is_alive()}
        self.tasks = _native_threads()
        self.descriptors = _descriptors()
        self.children = _children()


def since(before: Snapshot) -> list[str]:
    """What exists now and didn't at the snapshot, a line each. Waits a moment for what is just ending."""
    left = _difference(before)
    if left:
        gc.collect()
    deadline = time.monotonic() + GRACE_S
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = _difference(before)
    return left


def _difference(before: Snapshot) -> list[str]:
    now = Snapshot()
    threads = now.threads - before.threads
    known = {thread.native_id for thread in threads}
    return [
        *(f"thread {thread.name}{' (daemon)' if thread.daemon else ''}" for thread in threads),
        *(f"native thread {now.tasks[tid]}" for tid in now.tasks.keys() - before.tasks.keys() - known),
        *(f"descriptor {number}: {target}" for number, target in now.descriptors - before.descriptors),
        *(f"child process {pid}: {now.children[pid]}" for pid in now.children.keys() - before.children.keys()),
    ]


def _native_threads() -> dict[int, str]:
    """Name of each thread by id, also those Python doesn't know (ZMQbg/… are libzmq's, one context each or more)."""
    return {int(task.name): _read(task / "comm") for task in _tasks()}


def _descriptors() -> set[tuple[int, str]]:
    found = set()
    for name in os.listdir("/proc/self/fd") if PROC else ():
        with contextlib.suppress(OSError):  # the descriptor of the listing itself
            found.add((int(name), os.readlink(f"/proc/self/fd/{name}")))
    return found


def _tasks() -> list[Path]:
    return list(Path("/proc/self/task").iterdir()) if PROC else []


def _children() -> dict[int, str]:
    """Command line of each child, zombies included, by pid."""
    pids = [pid for task in _tasks() for pid in _read(task / "children").split()]
    return {int(pid): _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip() or "ended" for pid in pids}


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""

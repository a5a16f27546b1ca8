"""A small disk of its own, which can be full: a tmpfs that only some programs see.

It lives as long as our descriptor of its mount namespace and the programs in it, so nothing stays mounted behind us.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from support import linux, tools
from support.netns import in_thread

T = TypeVar("T")
_BLOCK = 4096


class SmallDisk:
    """A tmpfs at a folder, for programs that are started with `prefix`, and for `call`.

    Args:
        folder: where it is; it exists and is empty.
        size: in octets.
    """

    def __init__(self, folder: Path, size: int) -> None:
        tools.require_tool("nsenter", "apt-get install util-linux")
        self.folder = folder
        self._ballast = folder / "ballast"

        def make() -> int:
            try:
                linux.mount_alone(str(folder), size)
            except PermissionError as error:
                tools.unavailable(f"needs a mount namespace ({error})", "run it as root, or allow user namespaces")
            return os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

        self._fd = in_thread(make)
        self.prefix = ("nsenter", f"--mount=/proc/{os.getpid()}/fd/{self._fd}", "--")

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in a thread that sees it."""

        def inside() -> T:
            linux.unshare(linux.CLONE_FS)
            linux.setns(self._fd, linux.CLONE_NEWNS)
            return function()

        return in_thread(inside)

    def fill(self) -> None:
        """Leave no room."""

        def fill() -> None:
            with self._ballast.open("ab", buffering=0) as file:
                try:
                    while file.write(bytes(_BLOCK)):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

        self.call(fill)

    def free(self) -> None:
        """Give back what `fill` took."""
        self.call(lambda: self._ballast.unlink(missing_ok=True))

    def close(self) -> None:
        os.close(self._fd)

"""Where the processes of a soak run: a place is there all the time, its process comes and goes."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from support.disks import SmallDisk
from support.netns import Host
from support.programs import Program

#: What a process of ours never says, unless it is broken.
BROKEN: Final = re.compile(
    r"Traceback|Assertion failed|Fatal Python error|Aborted|Segmentation|terminate called|fault of its own|"
    r"after a step that failed|ended with -?\d|leaked|was never awaited"
)


@dataclass
class Slot:
    """A place for a process: it runs, is on its way down, or is to be started again."""

    name: str
    host: Host
    start_it: Callable[[Path], Program]
    folder: Path
    program: Program | None = None
    starts: int = 0
    start_at: float | None = None
    ending_since: float | None = None
    killed: bool = False
    held: int = 0  # SIGSTOP by so many faults
    trouble_since: float = 0.0  # when the last fault on it ended

    @property
    def up(self) -> bool:
        return self.program is not None

    @property
    def output(self) -> Path:
        """What the latest process said."""
        return self.folder / f"{self.name}-{self.starts}.out"

    @property
    def begun(self) -> bool:
        """Whether the latest process has begun to heed SIGTERM."""
        return self.said("ready") or self.said('{"event": "ready"')

    def start(self) -> None:
        self.starts += 1
        self.start_at = self.ending_since = None
        self.killed, self.held = False, 0
        self.trouble_since = time.monotonic()
        self.program = self.start_it(self.output)

    def said(self, word: str) -> bool:
        """Whether the latest process printed a line that begins so."""
        return any(line.startswith(word) for line in self.output.read_text(errors="replace").splitlines())


@dataclass
class Collector(Slot):
    """A collector's place, and its stores."""

    urls: list[str] = field(default_factory=list)
    disk: SmallDisk | None = None
    full: int = 0
    full_until: float = 0.0
    rss_kib: list[int] = field(default_factory=list)


def last_words(path: Path) -> str:
    """The last lines of a file, that aren't JSON."""
    lines = [line for line in path.read_text(errors="replace").splitlines() if not line.startswith("{")]
    return " | ".join(lines[-12:])[-1500:]


def logs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"log_program.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False

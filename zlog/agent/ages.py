"""How old files are, where the clock that stamped them can't be trusted.

A host without a battery begins in 1970 and is set later; any clock may be set by a year. So the age of a journal's
segment is not today's time minus its own. A file `clock` in the journal's directory says what times meant: it counts
the time that is known to have passed, by the clock since boot, which never jumps, and has for each boot, and each time
that the clock was set, by how much its time was ahead of that count. A file's time is looked up there. The time between
two boots isn't known and counts for nothing: a file may stay longer than it should, and never shorter.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["CLOCK", "Ages", "Clocks"]

_SECOND: Final = 1_000_000_000
CLOCK: Final = "clock"
#: By so much a clock may be slewed, or two of them be read one after the other, before it counts as set anew.
_SLACK_NS: Final = _SECOND
#: How often the count is written down: what isn't is lost with a boot.
_WRITE_NS: Final = 60 * _SECOND
#: Boots and settings that are remembered.
_MOST: Final = 1_000


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _since_boot() -> int:
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clocks(NamedTuple):
    """What tells the time.

    Attributes:
        boot: tells one boot of the host from another.
        since_boot: nanoseconds of a clock that doesn't jump, the same for all processes of a boot.
        wall: nanoseconds since 1970, as files are stamped.
    """

    boot: Callable[[], str] = _boot
    since_boot: Callable[[], int] = _since_boot
    wall: Callable[[], int] = time.time_ns


class _Span(NamedTuple):
    """From ``known`` on, which was ``since_boot`` of that boot, the clock was ahead of the count by ``ahead``."""

    boot: str
    known: int
    since_boot: int
    ahead: int


class Ages:
    """The file `clock` of one directory.

    Args:
        directory: where it is.
        clocks: what tells the time.
    """

    def __init__(self, directory: str, clocks: Clocks | None = None) -> None:
        self._directory = directory
        self._clocks = clocks if clocks is not None else Clocks()
        self._boot = self._clocks.boot()
        self._spans: list[_Span] = []
        self._written = 0  # the count as it was written last
        self._first_seen: dict[str, int] = {}

    def now(self) -> int:
        """The time that is known to have passed, in nanoseconds."""
        if not self._spans:
            return 0
        last = self._spans[-1]
        passed = self._clocks.since_boot()
        return last.known + max(0, passed - last.since_boot) if last.boot == self._boot else self._written + passed

    def check(self) -> None:
        """Notice if the clock was set. Cheap; before each write."""
        if not self._spans or self._is_set():
            self.look()

    def look(self) -> None:
        """Take over what others have noticed, and write down what they haven't; where that fails, the next time."""
        with contextlib.suppress(OSError):
            self._look()

    def _look(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read()
            now = self.now()
            if self._is_set() or self._spans[-1].boot != self._boot:
                since, ahead = self._clocks.since_boot(), self._clocks.wall() - now
                self._spans = [*self._spans, _Span(self._boot, now, since, ahead)][-_MOST:]
            elif now - self._written < _WRITE_NS:
                return
            self._write(now)
        except BlockingIOError:
            self._read()  # another process is at it
        finally:
            os.close(descriptor)

    def known(self, wall_ns: int, name: str) -> int:
        """When, by `now`, a file was stamped at the latest; where nobody can know, when it was first seen here.

        Args:
            wall_ns: its stamp.
            name: tells it from others.
        """
        found = self._look_up(wall_ns)
        return self._first_seen.setdefault(name, self.now()) if found is None else found

    def age(self, wall_ns: int) -> int | None:
        """How long ago it was at least, in nanoseconds, that the clock showed this; None where nobody can know."""
        found = self._look_up(wall_ns)
        return None if found is None else self.now() - found

    def order(self, wall_ns: int) -> int:
        """About the same, to tell which of two files is older, as far as that is known."""
        found = self._look_up(wall_ns)
        if found is None:
            ahead = self._spans[0].ahead if self._spans else 0
            found = min(wall_ns - ahead, self.now())
        return found

    def _look_up(self, wall_ns: int) -> int | None:
        latest: int | None = None
        end = now = self.now()
        for span in reversed(self._spans):
            at = wall_ns - span.ahead
            if span.known - _SLACK_NS <= at <= end + _SLACK_NS:
                latest = max(at, latest if latest is not None else at)
            end = span.known
        return None if latest is None else min(latest, now)

    def _is_set(self) -> bool:
        if not self._spans:
            return True
        return abs(self._clocks.wall() - self.now() - self._spans[-1].ahead) > _SLACK_NS

    def _read(self) -> None:
        try:
            found: Any = json.loads(Path(self._directory, CLOCK).read_bytes())
            spans = [_Span(str(boot), int(known), int(since), int(ahead)) for boot, known, since, ahead in found["set"]]
            written = int(found["known"])
        except FileNotFoundError:
            spans, written = [], 0
        except (ValueError, TypeError, KeyError):  # damaged: it begins anew, and no file is old
            spans, written = [], 0
        if [span.known for span in spans] != sorted(span.known for span in spans):
            spans, written = [], 0
        if not spans:
            spans = [_Span(self._boot, 0, self._clocks.since_boot(), self._clocks.wall())]
            written = -_WRITE_NS
        self._spans, self._written = spans, written

    def _write(self, now: int) -> None:
        path = os.path.join(self._directory, CLOCK)
        temporary = f"{path}.{os.getpid()}"
        data = json.dumps({"known": now, "set": self._spans}).encode()
        try:
            with open(temporary, "wb") as file:
                file.write(data)
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        self._written = now

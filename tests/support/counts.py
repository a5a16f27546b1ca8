"""Programs that log, and their own exact count of it: what `log_program.py` leaves even when it is killed.

A run's count is a file that the program has in memory by mmap: `kill -9` takes nothing from it. A call is counted as
begun before it is made and as finished after it, so what was logged is between the two, and both are the same unless
the program died inside a call.
"""

import json
import mmap
import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zlog.severity import RANGES

PROGRAM: Final = Path(__file__).parent / "log_program.py"
LEVELS: Final = {5: 10, 9: 20, 13: 30, 17: 40, 21: 50}
"""Of `logging`, by range."""

_FIELDS: Final = 16  # six begun, six finished, a spare one, whole, journal, pid
_SIZE: Final = _FIELDS * 8
_NUMBER: Final = struct.Struct("<Q")
_NAME: Final = re.compile(r"([0-9a-f]{32})-([0-9]+)\.count")
_FINISHED: Final = len(RANGES)
_WHOLE: Final = 13
_JOURNAL: Final = 14
_PID: Final = 15

Run = tuple[str, int]
"""UUID of the node in hexadecimal digits, epoch."""


def arguments(**options: Any) -> str:
    """The one argument of `log_program.py`; see there for the options."""
    return json.dumps(options)


@dataclass(frozen=True)
class Count:
    """What a run has logged.

    Attributes:
        begun, finished: calls, by range.
        whole: it ended in order, and what it had logged was committed by all durable collectors that it had then.
        journal: it has a journal on disk.
        texts: by range, that the n-th record has the text ``RANGE n``: true for all runs of `log_program.py`.
    """

    begun: dict[int, int] = field(default_factory=dict)
    finished: dict[int, int] = field(default_factory=dict)
    whole: bool = False
    journal: bool = False
    pid: int = 0

    @property
    def least(self) -> int:
        return sum(self.finished.values())

    @property
    def most(self) -> int:
        return sum(self.begun.values())


class Counter:
    """A run's count while it grows. One thread at a time may use it.

    Args:
        folder: where its file is made.
        run: whose it is.
        journal: whether the run has a journal on disk.
    """

    def __init__(self, folder: str | Path, run: Run, journal: bool) -> None:
        path = Path(folder) / f"{run[0]}-{run[1]}.count"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _SIZE)
            self._memory = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._set(_JOURNAL, int(journal))
        self._set(_PID, os.getpid())

    def begin(self, range_: int) -> int:
        """A call is about to be made; its number in the range, from 1."""
        index = RANGES.index(range_)
        number = int(_NUMBER.unpack_from(self._memory, index * 8)[0]) + 1
        self._set(index, number)
        return number

    def finish(self, range_: int, number: int) -> None:
        """That call has returned."""
        self._set(_FINISHED + RANGES.index(range_), number)

    def whole(self) -> None:
        """All of it is committed."""
        self._set(_WHOLE, 1)

    def sums(self) -> dict[int, int]:
        """Finished calls, by range."""
        return _count(bytes(self._memory)).finished

    def _set(self, index: int, value: int) -> None:
        _NUMBER.pack_into(self._memory, index * 8, value)


def read(folder: str | Path) -> dict[Run, Count]:
    """The counts of all runs of a folder."""
    found = {}
    for path in Path(folder).iterdir():
        match = _NAME.fullmatch(path.name)
        if match and len(octets := path.read_bytes()) == _SIZE:
            found[match[1], int(match[2])] = _count(octets)
    return found


def _count(octets: bytes) -> Count:
    numbers = [number for (number,) in _NUMBER.iter_unpack(octets)]
    begun = dict(zip(RANGES, numbers, strict=False))
    finished = dict(zip(RANGES, numbers[_FINISHED:], strict=False))
    return Count(
        {range_: number for range_, number in begun.items() if number},
        {range_: finished[range_] for range_, number in begun.items() if number},
        bool(numbers[_WHOLE]),
        bool(numbers[_JOURNAL]),
        numbers[_PID],
    )

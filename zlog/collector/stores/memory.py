"""Records in memory: `memory:`. For tests, for programs that collect for themselves, for a look at what comes in."""

from collections import deque
from collections.abc import Generator, Mapping
from typing import Any, ClassVar

from zlog.limits import MEMORY_STORE_RECORDS
from zlog.record import Stored

from .base import EVERYTHING, Filter, Held, Loss, Part, Store
from .options import Option, count
from .order import newest, ordered


class MemoryStore(Store):
    """Keeps the newest so many records that arrived, and forgets all when the process ends."""

    scheme = "memory"
    durable = False
    options: ClassVar[Mapping[str, Option]] = {
        "max_records": Option(count, MEMORY_STORE_RECORDS, "how many records stay, the last to arrive; 0 for all"),
    }

    def __init__(self, path: str = "", options: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, options)
        self._records: deque[Stored] = deque(maxlen=self.settings["max_records"] or None)
        self._losses: list[Loss] = []

    def _start(self) -> None:
        pass

    def _stop(self) -> None:
        """Keeps what it has: it may be opened again."""

    def _put(self, parts: list[Part], losses: list[Loss], changed: Held) -> None:
        for part in parts:
            self._records.extend(part.stored())
        self._losses.extend(losses)

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        self._check(writes=False)
        return self._query(wanted)

    def _query(self, wanted: Filter) -> Generator[Stored, None, None]:
        with self._lock:
            records = list(self._records)
        yield from ordered(newest(filter(wanted.matches, records), wanted.limit))

    def losses(self) -> list[Loss]:
        with self._lock:
            self._check(writes=False)
            return self._standing(self._losses)

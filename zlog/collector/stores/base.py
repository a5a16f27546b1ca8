"""What every store is: a set of records, the intervals it covers, and the losses it knows by name.

A store keeps, per run and range, the intervals of sequences that are stored or gone. A record is taken only if its
sequence is in none of them, and both change together or not at all. So late replay, duplicates and reordering are
harmless, and at any time *stored + named as lost + not yet seen* is what the nodes logged (protocol 6.2 to 6.6).

What is missing and can't be asked for is named too, as a gap (`model.GAP`); but it stays out of the intervals, so that
it is taken if it comes after all. Then, or when a node has named the cause, `losses` doesn't tell of it any more.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from itertools import islice
from operator import attrgetter
from typing import Any, ClassVar, Self

from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.record import Stored

from .model import EVERYTHING, GAP, Filter, Key, Loss, Part
from .options import Option, flag, parse_options

__all__ = ["EVERYTHING", "GAP", "Filter", "Held", "Key", "Loss", "Part", "Store", "Streams", "open_store"]

Held = Mapping[Key, Intervals]

Streams = list[tuple[tuple[str, int, int], Iterator[Stored]]]
"""Node as text, epoch and range; and records of those, by sequence."""

SCHEMES = {
    "sqlite": ("SQLiteStore", "sqlite:PATH"),
    "jsonl": ("JsonlStore", "jsonl:PATH"),
    "file": ("TextStore", "file:PATH"),
    "journal": ("JournalStore", "journal:DIR"),
    "memory": ("MemoryStore", "memory:"),
}
MODULES = {"file": "text"}  # where it isn't called like its scheme


class Store(ABC):
    """Where a collector keeps records.

    Used as `with open_store(url).open() as store:` or by `open()` and `close()`. One thread at a time writes; queries
    may run in others at the same time, also in other processes if the store is durable (`open(read_only=True)`).

    Every method that touches the medium raises `StoreError` if it can't; the store then is as before the call, and the
    call may be repeated, for example when there is space again.
    """

    scheme: ClassVar[str]
    durable: ClassVar[bool] = True
    """What `write` returned from outlives the process and a power failure. Only then it may be committed."""

    options: ClassVar[Mapping[str, Option]] = {}
    """The options of its URL besides `optional`."""

    def __init__(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """Args: path and options of the URL. Touches nothing."""
        given = dict(options or {})
        self.path = path
        self.optional: bool = given.pop("optional", False)
        """Doesn't count in what a collector commits."""
        self.settings = {name: given.pop(name, option.default) for name, option in self.options.items()}
        if given:
            raise TypeError(f"{type(self).__name__} has no option {', '.join(given)}")
        self.read_only = False
        self._lock = threading.RLock()
        self._open = False
        self._held: dict[Key, Intervals] = {}
        self._gaps: dict[Key, Intervals] = {}

    @property
    def url(self) -> str:
        return f"{self.scheme}:{self.path}"

    def open(self, *, read_only: bool = False) -> Self:
        """Opens it, makes it if it isn't there, repairs what a crash left. Does nothing if it is open.

        Args:
            read_only: for `query`, `held` and `losses` only, beside a process that writes; makes and repairs nothing.
        """
        with self._lock:
            if not self._open:
                self.read_only = read_only
                self._start()
                self._open = True
        return self

    def close(self) -> None:
        """Closes it. Does nothing if it is closed."""
        with self._lock:
            if self._open:
                self._open = False
                self._stop()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def held(self) -> dict[Key, Intervals]:
        """Per run and range, the sequences that are stored or gone. A copy."""
        with self._lock:
            self._check(writes=False)
            self._refresh()
            return {key: intervals.copy() for key, intervals in self._held.items()}

    def holds(self, key: Key) -> Intervals | None:
        """What it holds of one run and range, as far as it was written here; None for nothing. Never waits, for any
        thread. Not to be changed."""
        return self._held.get(key)

    def gaps(self, key: Key) -> Intervals | None:
        """What it has noted as gaps of one run and range, also what is none any more; None for nothing. As `holds`."""
        return self._gaps.get(key)

    def write(self, parts: Sequence[Part], losses: Sequence[Loss] = ()) -> None:
        """Notes those of the losses whose sequences it doesn't hold, then stores those of the records, then notes those
        gaps that are still missing and weren't noted before, all or none of them; durable when it returns."""
        changed: dict[Key, Intervals] = {}
        gaps: dict[Key, Intervals] = {}
        with self._lock:
            self._check(writes=True)
            with self._writing():
                lost = [
                    loss if (start, stop) == (loss.start, loss.stop) else replace(loss, start=start, stop=stop)
                    for loss in losses
                    if loss.cause != GAP
                    for start, stop in self._take(changed, loss.key, loss.start, loss.stop)
                ]
                new = [
                    part.cut(start, stop)
                    for part in parts
                    for start, stop in self._take(changed, part.key, part.sequence, part.stop)
                ]
                lost += [
                    replace(loss, start=start, stop=stop)
                    for loss in losses
                    if loss.cause == GAP
                    for start, stop in self._take_gap(gaps, changed, loss)
                ]
                if new or lost:
                    self._put(new, lost, changed)
            self._held.update(changed)
            self._gaps.update(gaps)

    def gone(self, key: Key, start: int, stop: int, cause: int, at_ns: int) -> None:
        """Notes as lost those of the sequences [start, stop) that it doesn't hold; durable when it returns."""
        node, epoch, range_ = key
        self.write([], [Loss(node.hex(), epoch, range_, start, stop, cause, at_ns)])

    @abstractmethod
    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        """The records that are meant: those of a run in its own order, runs merged by time (`order.merged`).

        They are those of the moment when the first is asked for. Close it if you don't read it to its end.
        """

    @contextmanager
    def streams(self, wanted: Filter = EVERYTHING) -> Generator[Streams, None, None]:
        """The same by run and range, to be read while the context is open, in any order; its limit plays no part.

        With it several stores are merged record by record. This one holds all of it: who has many records overrides it.
        """
        found: dict[tuple[str, int, int], list[Stored]] = {}
        for record in self.query(replace(wanted, limit=None)):
            found.setdefault((record.node, record.epoch, record.range), []).append(record)
        yield [(key, iter(sorted(stream, key=attrgetter("sequence")))) for key, stream in found.items()]

    def names(self) -> dict[str, tuple[str, str]]:
        """Name and host of each node that it has a record of, by UUID (32 hexadecimal digits): those of its last run.

        One pass for all, which reads one record of each run and range where a store can be read by those.
        """
        found: dict[str, tuple[str, str]] = {}
        with self.streams() as streams:
            for (node, _, _), records in sorted(streams, key=lambda stream: stream[0], reverse=True):
                if node not in found:
                    found.update((node, (record.name, record.host)) for record in islice(records, 1))
        return found

    def at(self, sequences: Mapping[Key, Set[int]]) -> Iterator[Stored]:
        """The records that have these sequences, as far as they are there, in any order."""
        if not sequences:
            return
        with self.streams(Filter(level=min(range_ for _, _, range_ in sequences))) as streams:
            for (node, epoch, range_), stream in streams:
                wanted = sequences.get((bytes.fromhex(node), epoch, range_))
                if wanted:
                    last = max(wanted)
                    for record in stream:
                        if record.sequence in wanted:
                            yield record
                        if record.sequence >= last:
                            break

    @abstractmethod
    def losses(self) -> list[Loss]:
        """What was noted as lost, in the order it was told. Of gaps, what is still missing: see `_standing`."""

    @abstractmethod
    def _start(self) -> None:
        """Opens the medium and fills `_held`."""

    @abstractmethod
    def _stop(self) -> None:
        """Closes the medium."""

    @abstractmethod
    def _put(self, parts: list[Part], losses: list[Loss], changed: Held) -> None:
        """Makes all of it durable, or raises StoreError and leaves all as it was. The spans are new and not empty.
        `changed` is what is held then; gaps among the losses are not in it."""

    def _refresh(self) -> None:  # noqa: B027  (most have nothing to do)
        """Brings `_held` up to date where others may have written."""

    def _writing(self) -> AbstractContextManager[None]:
        """Around the look at `_held` and `_put`: keeps others out."""
        return nullcontext()

    def _take(self, changed: dict[Key, Intervals], key: Key, start: int, stop: int) -> list[tuple[int, int]]:
        """What of [start, stop) is new, as intervals; adds it to `changed`."""
        if start >= stop:
            return []
        intervals = changed.get(key) or self._held.get(key)
        missing = intervals.missing(start, stop) if intervals is not None else [(start, stop)]
        if missing:
            if key not in changed:
                changed[key] = intervals.copy() if intervals is not None else Intervals()
            changed[key].add(start, stop)
        return missing

    def _take_gap(self, gaps: dict[Key, Intervals], changed: Held, loss: Loss) -> list[tuple[int, int]]:
        """What of a gap is missing and was not noted before, as intervals; adds it to `gaps`."""
        key = loss.key
        held = changed.get(key) or self._held.get(key) or Intervals()
        noted = gaps.get(key) or self._gaps.get(key, Intervals())
        new = [
            pair
            for start, stop in (held.missing(loss.start, loss.stop) if loss.start < loss.stop else [])
            for pair in noted.missing(start, stop)
        ]
        if new:
            gaps[key] = noted = noted.copy()
            for start, stop in new:
                noted.add(start, stop)
        return new

    def _standing(self, losses: Iterable[Loss]) -> list[Loss]:
        """The losses without gaps, or parts of them, that were stored or named otherwise since."""
        return [
            loss if (start, stop) == (loss.start, loss.stop) else replace(loss, start=start, stop=stop)
            for loss in losses
            for start, stop in (
                self._held[loss.key].missing(loss.start, loss.stop)
                if loss.cause == GAP and loss.key in self._held
                else [(loss.start, loss.stop)]
            )
        ]

    def _check(self, *, writes: bool) -> None:
        if not self._open:
            raise StoreError(f"{self.url} is not open")
        if writes and self.read_only:
            raise StoreError(f"{self.url} was opened for reading")


def open_store(url: str) -> Store:
    """The store that a URL names: `SCHEME:PATH?OPTION=VALUE&…`. It is not open yet, and nothing was touched.

    The path is taken as it is up to the first `?`. All take `optional`: a collector then doesn't wait for this store
    before it commits.

    Raises:
        StoreError: if there is no such kind of store, no such option, or a value is not possible.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or scheme not in SCHEMES:
        possible = ", ".join(form for _, form in SCHEMES.values())
        raise StoreError(f"{url!r} is no store", f"possible are {possible}")
    name, form = SCHEMES[scheme]
    path, _, query = rest.partition("?")
    takes_path = form.endswith(("PATH", "DIR"))
    if takes_path and not path:
        raise StoreError(f"{url!r} names no file", f"write {form}")
    if not takes_path and path:
        raise StoreError(f"{url!r}: nothing can follow {form}", "options go behind a ?")
    kind: type[Store] = getattr(import_module(f".{MODULES.get(scheme, scheme)}", __package__), name)
    return kind(
        path, parse_options(url, query, {**kind.options, "optional": flag("leave it out of what is committed")})
    )

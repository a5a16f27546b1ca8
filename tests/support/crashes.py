"""What has to hold of a store in plain files whose process dies, whose disk fails, whose machine loses power."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from zlog.collector.stores import Part, open_store
from zlog.collector.stores.base import Store
from zlog.collector.stores.journal import JournalStore
from zlog.collector.stores.jsonl import JsonlStore
from zlog.collector.stores.text import TextStore
from zlog.errors import StoreError

from .stores import DISK_FULL, NODES, Died, FaultyDisk, Run, entries

RUN = Run(NODES[0], 7, 40)
Write = list[Part] | tuple[int, int]

WRITES: list[Write] = [[part] for part in RUN.parts(6)]
WRITES += [(100, 110), (105, 120), RUN.parts(11)]


class StumblingDisk(FaultyDisk):
    """One that fails now and then, with a part of a change made, until the process dies at one."""

    def __init__(self, at: int, seed: int, often: float = 0.15) -> None:
        super().__init__(at, DISK_FULL, seed)
        self._often = often

    def _change(self) -> bool:
        if self._dead:
            raise Died
        self.changes += 1
        if self.changes == self.at:
            self.error = None
            return True
        return self._rng.random() < self._often


class Death(NamedTuple):
    """At which change of its disk a process dies, whether its machine does too, and whether the disk failed before."""

    at: int
    power: bool
    seed: int
    fails: bool = False

    def disk(self) -> FaultyDisk:
        seed = self.seed * 1000 + self.at
        return StumblingDisk(self.at, seed) if self.fails else FaultyDisk(self.at, seed=seed)


def store_on(url: str, disk: FaultyDisk) -> Store:
    """The store of a URL, on that disk."""
    plain = open_store(url)
    assert isinstance(plain, JsonlStore | TextStore | JournalStore)
    return type(plain)(plain.url.partition(":")[2], {**plain.settings, "keep": 3}, disk=disk)


def write(store: Store, what: Write) -> None:
    if isinstance(what, list):
        store.write(what)
    else:
        store.gone((RUN.node, RUN.epoch, 9), *what, 1, 0)


def expected_spans(done: list[Write]) -> set[tuple[int, int]]:
    found = set()
    for what in done:
        for part in what if isinstance(what, list) else []:
            found |= {(part.range, number) for number in range(part.sequence, part.stop)}
        if isinstance(what, tuple):
            found |= {(9, number) for number in range(*what)}
    return found


def held_spans(store: Store) -> set[tuple[int, int]]:
    return {
        (range_, number)
        for (_, _, range_), pairs in store.held().items()
        for start, stop in pairs
        for number in range(start, stop)
    }


def check_what_is_left(store: Store) -> None:
    """As `check_whole`, for a store that removes old files: what is left is whole, and once."""
    keys = entries(store)
    assert len(set(keys)) == len(keys), "a record is there twice"
    assert {(range_, number) for _, _, range_, number in keys} <= held_spans(store), "more is there than it says"


def empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def survives(url: str, death: Death) -> bool:
    """One process writes `WRITES` until it dies, the next goes on; whether there was such a change to die at.

    Raises:
        AssertionError: a write is there in part, or what was there when `write` returned is not, or something twice.
        StoreError: the store can't be opened again.
    """
    disk = death.disk()
    store = store_on(url, disk)
    done = 0
    try:
        patiently(store.open, death.fails)
        for what in WRITES:
            patiently(lambda what=what: write(store, what), death.fails)  # type: ignore[misc]
            done += 1
        store.close()
        return False
    except Died:
        with contextlib.suppress(Died):
            store._stop()  # the kernel closes what a dead process had open, and its locks go
    if death.power:
        disk.lose_power()
    with store_on(url, FaultyDisk()) as store:
        held = held_spans(store)
        assert held in (expected_spans(WRITES[:done]), expected_spans(WRITES[: done + 1])), (
            "other writes than were made"
        )
        check_what_is_left(store)
        for place, what in enumerate(reversed(WRITES)):  # others than what was torn come in its place
            write(store, what)
            if not place:
                check_what_is_left(store)  # before its file goes
        assert held_spans(store) == expected_spans(WRITES)
        check_what_is_left(store)
    return True


def patiently(action: Callable[[], object], fails: bool) -> None:
    """Try until it works, on a disk that fails now and then."""
    for _ in range(100):
        try:
            action()
            return
        except StoreError as problem:
            if not fails or "No space left" not in str(problem):
                raise
    raise AssertionError("it never worked again")

"""Several stores read as one: their records in one order, each once, and what none of them has.

The order is that of `order.py`, also where stores hold different parts of a run and its clock went back: records of one
run and range are merged by sequence, ranges of a run by ordinal, and runs by time. One record of each run, range and
store is held at a time.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import replace
from heapq import merge
from itertools import chain
from operator import attrgetter, itemgetter
from typing import NamedTuple, Protocol

from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.record import Stored

from .base import Held, Store, Streams
from .model import GAP, Filter, Key, Loss
from .order import StreamKey, merged, newest, ordered, placed

__all__ = ["Missing", "combined", "key_of", "missing", "stored_in", "with_losses"]

_StreamKey = tuple[str, int, int]


class Missing(NamedTuple):
    """What was named as lost and is nowhere.

    Attributes:
        losses: by the time they were told.
        ends: the sequence after the last that is stored, of each run and range.
        times: when it was where they have their places, as far as a neighbour tells.
        hidden: those whose neighbour isn't what is wanted.
    """

    losses: list[Loss]
    ends: dict[Key, int]
    times: Mapping[Loss, int] = {}
    hidden: Set[Loss] = frozenset()

    def time_of(self, loss: Loss) -> int:
        """When it was where the loss has its place."""
        return self.times.get(loss, loss.at_ns)


class Source(Protocol):
    """What records can be read from: a store."""

    def query(self, wanted: Filter) -> Iterator[Stored]:
        """See `Store`."""

    def streams(self, wanted: Filter) -> AbstractContextManager[Streams]:
        """See `Store`."""


Only = Sequence[Mapping[Key, Intervals] | None]


def combined(stores: Sequence[Source], wanted: Filter, only: Only | None = None) -> Generator[Stored, None, None]:
    """The records of all stores that are meant, in order, each once. Close it if you don't read it to its end.

    Args:
        stores: open.
        wanted: which records.
        only: of each store no others than these (`stored_in`), None for all; so it is known before which ones it gives.
    """
    if wanted.limit is not None:
        yield from _newest(stores, wanted, only)
        return
    with contextlib.ExitStack() as stack:
        found: dict[StreamKey, list[Iterator[Stored]]] = {}
        for number, store in enumerate(stores):
            for key, stream in stack.enter_context(store.streams(wanted)):
                these = only[number] if only is not None else None
                if these is not None:
                    stream = _within(stream, these.get(_key(key), Intervals()))
                found.setdefault(key, []).append(stream)
        yield from merged((key, placed(_each_once(streams))) for key, streams in found.items())


def stored_in(store: Store) -> dict[Key, Intervals]:
    """Per run and range the sequences of the records that a store has."""
    held = store.held()
    for loss in store.losses():
        if loss.cause != GAP and loss.key in held:
            held[loss.key].remove(loss.start, loss.stop)
    return {key: intervals for key, intervals in held.items() if intervals}


def missing(stores: Sequence[Store], wanted: Filter) -> Missing:
    """What was named as lost in some store and is in none: by level and time of the filter, for all nodes.

    What a node named has its cause; a gap is what nobody has named. The time of a loss is that of the first record
    behind it in its run and range, else that of the last one before it, else when it was told.
    """
    losses = [loss for store in stores for loss in store.losses() if loss.cause and _is_meant(loss, wanted)]
    if not losses:
        return Missing([], {})
    there: dict[Key, Intervals] = {}
    for store in stores:
        for key, intervals in stored_in(store).items():
            there[key] = there[key].union(intervals) if key in there else intervals
    is_there = {loss.key: there.get(loss.key, Intervals()).copy() for loss in losses}
    ends = {key: intervals.stop for key, intervals in there.items()}
    found: list[Loss] = []
    for loss in sorted(losses, key=lambda each: (each.cause == GAP, *_told(each))):
        known = there.setdefault(loss.key, Intervals())
        found += [replace(loss, start=start, stop=stop) for start, stop in known.missing(loss.start, loss.stop)]
        known.add(loss.start, loss.stop)
    found.sort(key=_told)
    beside = _neighbours(stores, found, is_there)
    hidden = {loss for loss, record in beside.items() if not wanted.matches(record)}
    gone = Missing(found, ends, {loss: record.time_ns for loss, record in beside.items()}, hidden)
    return gone._replace(losses=[loss for loss in found if _is_within(gone.time_of(loss), wanted)])


def with_losses(records: Iterable[Stored], gone: Missing, limit: int | None = None) -> Iterator[Stored | Loss]:
    """Records in order, with losses at their places: before the first record of their run and range behind them, else
    after the last one before them. Where that record isn't among these its time counts, and where there is none, when
    they were told.

    Args:
        records: in order.
        gone: the losses.
        limit: the records are the newest so many only: losses before those are left out.
    """
    if not gone.losses or limit == 0:
        yield from records
        return
    if limit is not None:
        records = list(records)
        gone = _near(records, gone)
    waiting: dict[_StreamKey, list[Loss]] = {}  # for a record behind them
    tails: dict[_StreamKey, list[Loss]] = {}  # for the last record of their run and range
    timed: list[tuple[int, Loss]] = []  # for the time of any record
    ends: dict[_StreamKey, int] = {}
    for loss in sorted(gone.losses, key=attrgetter("start"), reverse=True):
        key = loss.node, loss.epoch, loss.range
        ends[key] = gone.ends.get(loss.key, 0)
        if loss.start < ends[key]:
            waiting.setdefault(key, []).append(loss)
        elif ends[key] and loss not in gone.hidden:
            tails.setdefault(key, []).append(loss)
        if loss in gone.hidden or not ends[key]:
            timed.append((gone.time_of(loss), loss))
    timed.sort(key=lambda each: (each[0], _told(each[1])), reverse=True)
    shown: set[Loss] = set()  # of those that wait for two things
    for record in records:
        key = record.node, record.epoch, record.range
        before = waiting.get(key)
        while before and before[-1].start < record.sequence:
            loss = before.pop()
            if loss not in shown:
                shown.add(loss)
                yield loss
        while timed and timed[-1][0] < record.time_ns:
            _, loss = timed.pop()
            if loss not in shown:
                shown.add(loss)
                yield loss
        yield record
        if key in tails and record.sequence + 1 >= ends[key]:
            yield from reversed(tails.pop(key))
    rest = {*chain(*waiting.values(), *tails.values()), *(loss for _, loss in timed)} - shown
    yield from sorted(rest, key=_told)


def key_of(record: Stored) -> Key:
    """Run and range of a record, as stores have it."""
    return bytes.fromhex(record.node), record.epoch, record.range


def _key(key: _StreamKey) -> Key:
    node, epoch, range_ = key
    return bytes.fromhex(node), epoch, range_


def _told(loss: Loss) -> tuple[int, str, int, int, int]:
    return loss.at_ns, loss.node, loss.epoch, loss.range, loss.start


def _within(stream: Iterable[Stored], these: Intervals) -> Iterator[Stored]:
    return (record for record in stream if not record.sequence or record.sequence in these)


def _each_once(streams: list[Iterator[Stored]]) -> Iterator[Stored]:
    """Streams of one run and range as one."""
    if len(streams) == 1:
        yield from streams[0]
        return
    last = 0
    for record in merge(*streams, key=attrgetter("sequence")):
        if record.sequence != last or not last:
            yield record
        last = record.sequence


def _newest(stores: Sequence[Source], wanted: Filter, only: Only | None) -> list[Stored]:
    found: dict[object, Stored] = {}
    for number, store in enumerate(stores):
        these = only[number] if only is not None else None
        for place, record in enumerate(store.query(wanted)):
            if these is not None and record.sequence not in these.get(key_of(record), Intervals()):
                continue
            found.setdefault(record.key if record.sequence else (number, place), record)
    return ordered(newest(found.values(), wanted.limit))


def _near(records: Sequence[Stored], gone: Missing) -> Missing:
    """The losses that aren't before the first record of their run and range, or of all where there is none."""
    firsts: dict[_StreamKey, int] = {}
    for record in records:
        key = record.node, record.epoch, record.range
        firsts[key] = min(record.sequence, firsts.get(key, record.sequence))
    since = min((record.time_ns for record in records), default=0)
    near = [
        loss
        for loss in gone.losses
        if (
            gone.time_of(loss) >= since
            if (first := firsts.get((loss.node, loss.epoch, loss.range))) is None
            else loss.stop >= first
        )
    ]
    return gone._replace(losses=near)


def _is_meant(loss: Loss, wanted: Filter) -> bool:
    return wanted.level is None or loss.range + 3 >= wanted.level


def _is_within(time_ns: int, wanted: Filter) -> bool:
    return (wanted.since_ns is None or time_ns >= wanted.since_ns) and (
        wanted.until_ns is None or time_ns < wanted.until_ns
    )


def _neighbours(stores: Sequence[Store], losses: Iterable[Loss], there: Held) -> dict[Loss, Stored]:
    """The first record behind each loss, else the last one before it."""
    sequences: dict[Loss, int] = {}
    known = {key: list(intervals) for key, intervals in there.items()}
    for loss in losses:
        pairs = known[loss.key]
        place = bisect_left(pairs, loss.stop, key=itemgetter(1))  # the first that ends at it or later
        if place < len(pairs) and pairs[place][1] == loss.stop:
            place += 1
        if place < len(pairs):
            sequences[loss] = max(pairs[place][0], loss.stop)
        elif pairs:
            sequences[loss] = pairs[-1][1] - 1
    asked: dict[Key, set[int]] = {}
    for loss, sequence in sequences.items():
        asked.setdefault(loss.key, set()).add(sequence)
    found: dict[tuple[Key, int], Stored] = {}
    for store in stores if asked else ():
        with contextlib.suppress(StoreError):  # it hands out nothing twice, or who reads the records will hear of it
            found.update(((key_of(record), record.sequence), record) for record in store.at(asked))
    return {loss: found[loss.key, sequence] for loss, sequence in sequences.items() if (loss.key, sequence) in found}

"""The order in which stores return records (protocol 7.7).

Within a run the ordinal is the order, however the clock jumped and whatever range the records are of. Between runs only
times can tell. So each record counts as not earlier than those before it in its run, and the runs are merged by that.
"""

from collections.abc import Iterable, Iterator
from heapq import merge, nlargest
from operator import attrgetter, itemgetter
from typing import NamedTuple, TypeVar

from zlog.record import Stored

T = TypeVar("T")


class Place(NamedTuple):
    """Where something stands in its stream, the records of one run and range."""

    ordinal: int
    time_ns: int
    sequence: int


Item = tuple[Place, T]
StreamKey = tuple[str, int, int]
"""Node as text, epoch, range."""


def merged(streams: Iterable[tuple[StreamKey, Iterator[Item[T]]]]) -> Iterator[T]:
    """Merges streams, each sorted by sequence, into the order above. Holds one item of each stream.

    Ranges of one run are merged by ordinal, then time: records without ordinals (RECORD) have 0, so times decide.
    """
    runs: dict[tuple[str, int], list[Iterator[Item[T]]]] = {}
    for (node, epoch, _), stream in sorted(streams, key=itemgetter(0)):
        runs.setdefault((node, epoch), []).append(stream)
    rising = [_rising(ranges[0] if len(ranges) == 1 else merge(*ranges, key=itemgetter(0))) for ranges in runs.values()]
    if len(rising) == 1:
        return map(itemgetter(1), rising[0])
    return map(itemgetter(1), merge(*rising, key=itemgetter(0)))


def ordered(records: Iterable[Stored]) -> list[Stored]:
    """Sorts records in any order, all at once."""
    streams: dict[StreamKey, list[Stored]] = {}
    for record in records:
        streams.setdefault((record.node, record.epoch, record.range), []).append(record)
    for stream in streams.values():
        stream.sort(key=attrgetter("sequence"))
    return list(merged((key, placed(stream)) for key, stream in streams.items()))


def placed(stream: Iterable[Stored]) -> Iterator[Item[Stored]]:
    """Records with their places, as `merged` takes them."""
    return ((Place(record.ordinal, record.time_ns, record.sequence), record) for record in stream)


def _rising(run: Iterator[Item[T]]) -> Iterator[tuple[int, T]]:
    """With each item the latest time in its run so far."""
    latest = 0
    for (_, time_ns, _), item in run:
        latest = max(latest, time_ns)
        yield latest, item


def newest(records: Iterable[Stored], limit: int | None) -> Iterable[Stored]:
    """The `limit` records with the latest times, in any order; all of them without a limit."""
    return records if limit is None else nlargest(limit, records, key=recency)


def recency(record: Stored) -> tuple[int, str, int, int, int, int]:
    """Which of two records is newer, also where times are equal."""
    return record.time_ns, record.node, record.epoch, record.ordinal, record.range, record.sequence

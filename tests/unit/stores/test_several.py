"""Several stores read as one: order, each record once, and what none of them has, at its place."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.stores import NODES, START_NS, Run, expected, stored
from zlog.collector.stores import Filter, Loss, Part, Store, open_store
from zlog.collector.stores.base import Streams
from zlog.collector.stores.memory import MemoryStore
from zlog.collector.stores.model import GAP
from zlog.collector.stores.several import Missing, combined, missing, stored_in, with_losses
from zlog.core.intervals import Intervals
from zlog.record import Record, Stored

EVICTED, DROPPED = 1, 3
RUNS = [Run(NODES[0], 1, 60), Run(NODES[0], 2, 20), Run(NODES[1], 7, 40)]
PARTS = [part for run in RUNS for part in run.parts(3)]


def memory(parts: Sequence[Part] = (), losses: Sequence[Loss] = ()) -> Store:
    store = MemoryStore().open()
    store.write(parts, losses)
    return store


def loss(start: int, stop: int, cause: int = EVICTED, at: int = 0, run: Run = RUNS[0], range_: int = 9) -> Loss:
    return Loss(run.node.hex(), run.epoch, range_, start, stop, cause, START_NS + at)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.sampled_from(range(len(PARTS)))), min_size=1, max_size=4))
def test_in_order_and_once_whoever_has_what_and_however_clocks_jumped(chosen: list[set[int]]) -> None:
    stores = [memory([PARTS[number] for number in sorted(numbers)]) for numbers in chosen]
    there = [PARTS[number] for number in sorted(set().union(*chosen))]
    assert list(combined(stores, Filter())) == expected(stored(there))
    for wanted in (Filter(level=13), Filter(since_ns=START_NS + 10**9, logger="arm*")):
        assert list(combined(stores, wanted)) == expected(stored(there), wanted)


def test_stores_of_all_kinds(tmp_path: Path) -> None:
    kinds = ["sqlite:{}/a.db", "jsonl:{}/b.jsonl", "journal:{}/c", "memory:"]
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(kind.format(tmp_path))) for kind in kinds]
        for number, part in enumerate(PARTS):
            stores[number % 4].write([part])
            stores[number % 3].write([part])
        assert list(combined(stores, Filter())) == expected(stored(PARTS))
        for limit in (0, 1, 7, 1000):
            assert list(combined(stores, Filter(limit=limit))) == expected(stored(PARTS), Filter(limit=limit))


class Watched:
    """A store that counts how many of its records were read; the fields of a stream's records are made as they are."""

    def __init__(self, count: int) -> None:
        self.read = 0
        self._count = count

    def query(self, wanted: Filter) -> Iterator[Stored]:
        raise NotImplementedError

    def streams(self, wanted: Filter) -> AbstractContextManager[Streams]:
        from contextlib import nullcontext

        return nullcontext([(("a" * 32, 1, 9), self._records())])

    def _records(self) -> Iterator[Stored]:
        for number in range(1, self._count + 1):
            self.read += 1
            yield Stored("a" * 32, 1, 9, number, number, number, 9, "", "")


def test_stores_are_not_loaded() -> None:
    stores = [Watched(5_000_000), Watched(5_000_000)]
    records = combined(stores, Filter())
    for number in range(1, 100):
        assert next(records).sequence == number
    assert max(store.read for store in stores) <= 101
    records.close()


def test_no_others_than_those_that_were_known() -> None:
    """What is written between the look at the intervals and the query."""
    one, other = memory(PARTS[:10]), memory(PARTS[5:20])
    only = [stored_in(one), stored_in(other)]
    one.write(PARTS[20:])
    other.write(PARTS[20:])
    assert list(combined([one, other], Filter(), only)) == expected(stored(PARTS[:20]))
    assert list(combined([one, other], Filter(), [only[0], None])) == expected(stored(PARTS))
    assert list(combined([one, other], Filter(limit=1000), only)) == expected(stored(PARTS[:20]))


def test_what_is_stored_is_held_and_not_lost() -> None:
    run = RUNS[0]
    store = memory([run.part(9, 4, 8)], [loss(1, 4), loss(8, 9, 0), loss(9, 12, GAP)])
    assert stored_in(store) == {(run.node, run.epoch, 9): Intervals([(4, 8)])}
    assert stored_in(memory([], [loss(1, 4)])) == {}


def test_a_node_s_word_counts_more_than_a_gap_and_a_record_more_than_both() -> None:
    run = RUNS[0]
    one = memory([], [loss(1, 10, GAP, at=1)])
    other = memory([run.part(9, 2, 4)], [loss(5, 7, DROPPED, at=2)])
    told = [(each.start, each.stop, each.cause) for each in missing([one, other], Filter()).losses]
    assert told == [(1, 2, GAP), (4, 5, GAP), (7, 10, GAP), (5, 7, DROPPED)]


def test_a_gap_that_was_filled_is_none() -> None:
    run = RUNS[0]
    one = memory([], [loss(1, 10, GAP)])
    one.write([run.part(9, 1, 10)])
    assert missing([one], Filter()).losses == []
    assert missing([memory([], [loss(1, 10, GAP)]), memory([run.part(9, 1, 10)])], Filter()).losses == []


# --- at their places --------------------------------------------------------------------------------------------------


def record(sequence: int, time_ns: int, node: str = "a", range_: int = 9) -> Stored:
    return Stored(node * 32, 1, range_, sequence, sequence, time_ns, range_, "", f"{node}{sequence}")


def gone(*losses: Loss, ends: Mapping[str, int]) -> Missing:
    told = sorted(losses, key=lambda each: each.at_ns)
    return Missing(told, {(bytes.fromhex(node * 32), 1, 9): end for node, end in ends.items()})


def lost(start: int, stop: int, at: int, node: str = "a") -> Loss:
    return Loss(node * 32, 1, 9, start, stop, EVICTED, at)


def shown(records: list[Stored], missing_: Missing, limit: int | None = None) -> list[str]:
    return [
        each.text if isinstance(each, Stored) else f"-{each.node[0]}{each.start}"
        for each in with_losses(records, missing_, limit)
    ]


def test_losses_stand_before_what_is_behind_them_in_their_run() -> None:
    records = [record(1, 10), record(1, 11, "b"), record(4, 12), record(9, 13), record(2, 14, "b")]
    losses = gone(lost(2, 4, 99), lost(5, 6, 5), lost(7, 9, 1), ends={"a": 10, "b": 3})
    assert shown(records, losses) == ["a1", "b1", "-a2", "a4", "-a5", "-a7", "a9", "b2"]


def test_the_tail_of_a_run_stands_where_it_was_told() -> None:
    records = [record(1, 10), record(1, 20, "b"), record(2, 30, "b")]
    losses = gone(lost(2, 9, 15), lost(3, 4, 99, "b"), ends={"a": 2, "b": 3})
    assert shown(records, losses) == ["a1", "-a2", "b1", "b2", "-b3"]


def test_what_a_filter_leaves_nothing_behind_of_comes_at_the_end() -> None:
    assert shown([record(1, 10)], gone(lost(2, 4, 5), ends={"a": 9})) == ["a1", "-a2"]
    assert shown([], gone(lost(2, 4, 5), ends={"a": 9})) == ["-a2"]


def test_with_the_newest_only_older_losses_are_left_out() -> None:
    records = [record(8, 80), record(9, 90)]
    losses = gone(lost(2, 4, 99), lost(6, 8, 20), lost(1, 5, 70, "b"), lost(6, 9, 85, "b"), ends={"a": 10, "b": 20})
    assert shown(records, losses, 2) == ["-a6", "a8", "a9", "-b6"]


def test_it_streams() -> None:
    def endless() -> Iterator[Stored]:
        number = 0
        while True:
            number += 1
            yield record(number, number)

    items = with_losses(endless(), gone(lost(1, 2, 1), ends={"a": 5}))
    assert [getattr(next(items), "text", "lost") for _ in range(3)] == ["a1", "lost", "a2"]


@pytest.mark.parametrize("wanted", [Filter(level=13), Filter(since_ns=START_NS + 5), Filter(until_ns=START_NS + 3)])
def test_losses_are_of_the_level_and_time_that_is_wanted(wanted: Filter) -> None:
    assert missing([memory([], [loss(1, 10, at=4)])], wanted).losses == []


TOLD_NS = 9_999
"""When the losses of the tests below were told: long after."""


def steady(first: int, last: int, node: str = "a") -> Part:
    """Records of the sequences from the first to the last, each at the time of ten times its sequence."""
    records = [Record(number, 10 * number, 9, "", f"{node}{number}") for number in range(first, last + 1)]
    return Part(bytes.fromhex(node * 32), 1, 9, first, records)


def whole(stores: Sequence[Store], wanted: Filter) -> list[str]:
    found = missing(stores, wanted)
    return shown(list(combined(stores, wanted)), found, wanted.limit)


@pytest.mark.parametrize("kind", ["sqlite:{}/a.db", "jsonl:{}/b.jsonl", "journal:{}/c", "memory:"])
def test_a_loss_is_within_a_window_by_its_place(tmp_path: Path, kind: str) -> None:
    """Not by when it was told: that depends on the store."""
    with open_store(kind.format(tmp_path)) as store:
        store.write([steady(1, 2), steady(5, 6)], [lost(3, 5, TOLD_NS), lost(7, 9, TOLD_NS)])
        store.write([steady(1, 8, "b")])
        window = Filter(since_ns=30, until_ns=60)
        assert [each.start for each in missing([store], window).losses] == [3]
        assert whole([store], window) == ["b3", "b4", "-a3", "a5", "b5"]
        assert [each.start for each in missing([store], Filter(since_ns=60)).losses] == [7]
        assert whole([store], Filter(since_ns=60)) == ["a6", "-a7", "b6", "b7", "b8"]
        assert missing([store], Filter(since_ns=70)).losses == []
        assert missing([store], Filter(until_ns=50)).losses == []


def test_the_neighbour_may_be_in_another_store_or_not_be_meant() -> None:
    stores = [memory([steady(1, 2)], [lost(3, 5, TOLD_NS)]), memory([steady(5, 6), steady(1, 8, "b")])]
    assert [each.start for each in missing(stores, Filter(since_ns=50, until_ns=51)).losses] == [3]
    assert whole(stores, Filter(grep="b|a1")) == ["a1", "b1", "b2", "b3", "b4", "b5", "-a3", "b6", "b7", "b8"]
    assert whole(stores, Filter(grep="b|a[16]")) == ["a1", "b1", "b2", "b3", "b4", "b5", "-a3", "a6", "b6", "b7", "b8"]


def test_where_there_is_no_neighbour_it_counts_when_it_was_told() -> None:
    stores = [memory([steady(1, 8, "b")], [lost(3, 5, 42)])]
    assert [each.start for each in missing(stores, Filter(since_ns=42, until_ns=43)).losses] == [3]
    assert whole(stores, Filter(since_ns=40)) == ["b4", "-a3", "b5", "b6", "b7", "b8"]


def test_with_the_newest_only_a_loss_of_long_ago_that_was_told_late_is_left_out() -> None:
    stores = [memory([steady(1, 1), steady(3, 3), steady(1, 8, "b")], [lost(2, 3, TOLD_NS)])]
    assert whole(stores, Filter(limit=2)) == ["b7", "b8"]

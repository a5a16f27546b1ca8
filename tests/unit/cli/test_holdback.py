"""Records are held for a moment, and no longer, and come out in order."""

from hypothesis import given
from hypothesis import strategies as st

from zlog.cli import holdback
from zlog.cli.holdback import HOLD_NS, Holdback
from zlog.record import Stored

MS = 1_000_000


def record(ordinal: int, time_ms: int | None = None, node: str = "a", range_: int = 9) -> Stored:
    time_ns = (ordinal if time_ms is None else time_ms) * MS
    return Stored(node * 32, 1, range_, ordinal, ordinal, time_ns, range_, "", f"{node}{ordinal}")


def texts(records: list[Stored]) -> list[str]:
    return [each.text for each in records]


def test_ranges_of_a_run_are_merged_by_ordinal() -> None:
    held = Holdback()
    for ordinal, range_ in ((2, 9), (5, 9), (1, 13), (3, 13), (4, 17)):
        held.add(record(ordinal, range_=range_), 0)
    assert held.due() == HOLD_NS
    assert held.take(HOLD_NS - 1) == []
    assert texts(held.take(HOLD_NS)) == ["a1", "a2", "a3", "a4", "a5"]
    assert held.due() is None
    assert len(held) == 0


def test_young_records_wait_unless_they_belong_before_old_ones() -> None:
    held = Holdback()
    held.add(record(2), 0)
    held.add(record(1, range_=13), 40 * MS)
    held.add(record(3), 40 * MS)
    assert texts(held.take(50 * MS)) == ["a1", "a2"]
    assert held.due() == 90 * MS
    assert texts(held.rest()) == ["a3"]


def test_nodes_are_merged_by_time() -> None:
    held = Holdback()
    held.add(record(1, 30, "b"), 0)
    held.add(record(1, 20, "a"), 1)
    held.add(record(2, 40, "a"), 2)
    assert texts(held.take(HOLD_NS)) == ["a1", "b1", "a2"]


def test_a_clock_that_goes_back_does_not_change_the_order_of_a_run() -> None:
    held = Holdback()
    for ordinal, time_ms in ((1, 100), (2, 50), (3, 101)):
        held.add(record(ordinal, time_ms), 0)
    assert texts(held.take(HOLD_NS)) == ["a1", "a2", "a3"]


def test_it_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(holdback, "_MOST", 100)
    held = Holdback()
    for ordinal in range(1, 102):
        held.add(record(ordinal), 0)
    assert len(held.take(0)) >= 50
    assert len(held) <= 51


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.sampled_from([9, 13])), max_size=60))
def test_all_come_out_once_and_in_time(steps: list[tuple[int, str, int]]) -> None:
    held, now, came, out = Holdback(), 0, {}, []
    for place, (wait_ms, node, range_) in enumerate(steps, 1):
        due = held.due()
        now = max(now, min(now + wait_ms * MS, due if due is not None else 1 << 62))
        out += [(each, now) for each in held.take(now)]
        held.add(record(place, node=node, range_=range_), now)
        came[f"{node}{place}"] = now
    while (due := held.due()) is not None:
        out += [(each, due) for each in held.take(due)]
    assert sorted(each.text for each, _ in out) == sorted(came)
    for each, at in out:
        assert at - came[each.text] <= HOLD_NS

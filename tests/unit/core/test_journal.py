"""The journal in memory: what it keeps, what it says is gone, and where cursors are."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zlog.core.batches import Batch
from zlog.core.journal import OVERHEAD, Cursor, Gone, Journal
from zlog.severity import RANGES
from zlog.wire.zre_log_msg import CAUSE_DROPPED, CAUSE_EVICTED, CAUSE_EXPIRED

NODE = UUID(int=1)
TRACE, DEBUG, INFO, WARN, ERROR, FATAL = RANGES
COST = 1000  # what each batch takes


class Filler:
    """Makes batches, and appends them to a journal."""

    def __init__(self, batches, max_age_ns=None):
        self.journal = Journal(batches * COST, max_age_ns)
        self.nexts = dict.fromkeys(RANGES, 1)
        self.ordinal = 1
        self.now = 0

    def make(self, severity, count=1, skip=0, cost=COST):
        sequence = self.nexts[severity] + skip
        self.ordinal += skip
        batch = Batch(
            NODE, 7, severity, sequence, count, "h", "n", 1, self.ordinal, 0, bytes(cost - OVERHEAD)
        )  # fmt: skip
        self.nexts[severity] = batch.stop
        self.ordinal += count
        return batch

    def add(self, severity, count=1, skip=0, cost=COST):
        return self.journal.append(self.make(severity, count, skip, cost), self.now)


def held(journal, severity):
    return [(batch.sequence, batch.stop) for batch in journal.read(severity, 1)]


def test_batches_come_back_as_they_were():
    filler = Filler(10)
    batches = [filler.make(severity, 3) for severity in (INFO, DEBUG, INFO, ERROR)]
    for batch in batches:
        assert filler.journal.append(batch, 0) == []
    assert list(filler.journal.read(INFO, 1)) == [batches[0], batches[2]]
    assert list(filler.journal.read(INFO, 5)) == [batches[2]]
    assert list(filler.journal.read(INFO, 7)) == []
    assert len(filler.journal) == 4
    assert filler.journal.bytes == 4 * COST
    assert [(filler.journal.first(first), filler.journal.next(first)) for first in RANGES] == [
        (1, 1), (1, 4), (1, 7), (1, 1), (1, 4), (1, 1),
    ]  # fmt: skip


def test_the_oldest_goes_first():
    filler = Filler(16)
    for _ in range(12):
        assert filler.add(INFO) == []
    assert filler.add(INFO) == [Gone(INFO, 1, 2, CAUSE_EVICTED)]
    assert filler.journal.first(INFO) == 2
    assert filler.journal.evicted == 1


def test_a_quarter_is_for_warnings_and_worse():
    filler = Filler(16)
    for severity in [WARN, ERROR, FATAL, WARN]:
        filler.add(severity)
    for _ in range(100):
        filler.add(DEBUG)
        filler.add(TRACE)
        filler.add(INFO)
    assert [len(held(filler.journal, first)) for first in (WARN, ERROR, FATAL)] == [2, 1, 1]
    assert sum(len(held(filler.journal, first)) for first in (TRACE, DEBUG, INFO)) == 12


def test_the_lowest_range_goes_first_but_for_its_share():
    filler = Filler(32)
    for _ in range(24):
        filler.add(DEBUG)
    for _ in range(100):
        filler.add(INFO)
    assert len(held(filler.journal, DEBUG)) == 2
    assert len(held(filler.journal, INFO)) == 22
    for _ in range(10):  # somebody asks for DEBUG while INFO fills the journal
        filler.add(DEBUG)
        assert held(filler.journal, DEBUG)[-1][1] == filler.journal.next(DEBUG)
        assert len(held(filler.journal, INFO)) == 22
    for _ in range(100):
        filler.add(ERROR)
    assert [len(held(filler.journal, first)) for first in (DEBUG, INFO, ERROR)] == [2, 2, 28]


def test_a_batch_larger_than_the_journal():
    filler = Filler(4)
    filler.add(INFO)
    assert filler.add(INFO, cost=10 * COST) == [Gone(INFO, 1, 2, CAUSE_EVICTED)]
    assert held(filler.journal, INFO) == [(2, 3)]
    assert filler.add(ERROR) == [Gone(INFO, 2, 3, CAUSE_EVICTED)]
    assert held(filler.journal, ERROR) == [(1, 2)]


def test_what_goes_together_is_said_together():
    filler = Filler(16)
    for _ in range(12):
        filler.add(INFO, 2)
    assert filler.add(INFO, cost=3 * COST) == [Gone(INFO, 1, 7, CAUSE_EVICTED)]


def test_age():
    filler = Filler(100, max_age_ns=10)
    filler.add(INFO, 5)
    filler.now = 5
    filler.add(ERROR)
    filler.now = 9
    assert filler.journal.expire(9) == []
    filler.now = 10
    assert filler.add(INFO) == [Gone(INFO, 1, 6, CAUSE_EXPIRED)]
    assert filler.journal.expire(20) == [Gone(INFO, 6, 7, CAUSE_EXPIRED), Gone(ERROR, 1, 2, CAUSE_EXPIRED)]
    assert filler.journal.bytes == len(filler.journal) == 0
    assert filler.journal.first(INFO) == filler.journal.next(INFO) == 7
    assert filler.journal.at(INFO, 3) == Gone(INFO, 3, 7, CAUSE_EXPIRED)


def test_every_sequence_is_answered_once():
    filler = Filler(16)
    filler.add(INFO, 3, skip=2)  # [3, 6)
    filler.add(INFO, 2)  # [6, 8)
    filler.add(INFO, 2, skip=4)  # [12, 14)
    filler.journal.advance(INFO, 20)
    filler.journal.advance(INFO, 5)
    answers = list(filler.journal.answer(INFO, 1))
    assert [(item.sequence, item.stop) if isinstance(item, Batch) else item for item in answers] == [
        Gone(INFO, 1, 3, CAUSE_DROPPED),
        (3, 6),
        (6, 8),
        Gone(INFO, 8, 12, CAUSE_DROPPED),
        (12, 14),
        Gone(INFO, 14, 20, CAUSE_DROPPED),
    ]
    assert [getattr(item, "stop", 0) for item in filler.journal.answer(INFO, 7, 10)] == [8, 10]
    assert list(filler.journal.answer(INFO, 7, 7)) == []
    assert list(filler.journal.answer(INFO, 20, 100)) == []
    with pytest.raises(ValueError, match="comes after"):
        filler.add(INFO, 1)


def test_reading_while_the_journal_changes():
    filler = Filler(16)
    for _ in range(12):
        filler.add(INFO)
    reading = filler.journal.read(INFO, 1)
    assert next(reading).sequence == 1
    for _ in range(5):
        filler.add(INFO)
    assert [batch.sequence for batch in reading] == list(range(6, 18))


# --- cursors ---------------------------------------------------------------------------------------------------------


def everything(cursor):
    items = []
    while (item := cursor.peek()) is not None:
        assert cursor.take() is item
        items.append((item.range, item.start, item.stop, item.cause) if isinstance(item, Gone) else item.first_ordinal)
    assert cursor.take() is None
    return items


def test_a_cursor_goes_by_first_ordinals():
    filler = Filler(100)
    cursor = Cursor(filler.journal)
    for severity in (INFO, DEBUG, INFO, ERROR, DEBUG):
        filler.add(severity, 2)
    assert cursor.lag(INFO) == 4
    assert everything(cursor) == [1, 3, 5, 7, 9]
    assert cursor.lag(INFO) == 0
    filler.add(TRACE)
    assert everything(cursor) == [11]
    assert everything(Cursor(filler.journal)) == []


def test_where_a_cursor_begins():
    filler = Filler(100)
    for _ in range(3):
        filler.add(INFO, 2)
        filler.add(ERROR, 2)
    assert everything(Cursor(filler.journal, 1, dict.fromkeys(RANGES, 1))) == [1, 3, 5, 7, 9, 11]
    assert everything(Cursor(filler.journal, INFO, {INFO: 4})) == [5, 9]  # a batch that holds the point comes whole
    assert everything(Cursor(filler.journal, WARN, {INFO: 1, ERROR: 3})) == [7, 11]
    far = Cursor(filler.journal, 1, {INFO: 2**62, ERROR: 0})
    assert far.position(INFO) == 7
    assert everything(far) == [3, 7, 11]
    beyond = Cursor(filler.journal, 1, {INFO: 9}, nexts=[1, 1, 9, 1, 7, 1])  # 7 and 8 are in an open batch
    filler.add(INFO, 2)
    filler.add(INFO, 1)
    assert everything(beyond) == [15]


def test_a_cursor_that_was_overtaken_says_so_once():
    filler = Filler(16)
    cursor = Cursor(filler.journal)
    for _ in range(12):
        filler.add(INFO)
    assert cursor.peek().sequence == 1
    for _ in range(10):
        filler.add(INFO)
    assert everything(cursor) == [1, (INFO, 2, 11, CAUSE_EVICTED), *range(11, 23)]


def test_what_was_dropped_is_said():
    filler = Filler(16)
    cursor = Cursor(filler.journal)
    filler.add(INFO)
    filler.add(INFO, skip=3)
    filler.journal.advance(INFO, 10)
    assert everything(cursor) == [1, (INFO, 2, 5, CAUSE_DROPPED), 5, (INFO, 6, 10, CAUSE_DROPPED)]


def test_a_range_that_is_wanted_anew_begins_now():
    filler = Filler(100)
    cursor = Cursor(filler.journal, INFO)
    filler.add(DEBUG)
    filler.add(INFO)
    cursor.select(DEBUG)
    filler.add(DEBUG)
    assert everything(cursor) == [2, 3]
    cursor.select(ERROR)
    filler.add(INFO)
    assert everything(cursor) == []
    assert cursor.lag(INFO) == 0
    cursor.select(INFO, nexts=[1, 3, 4, 1, 1, 1])
    filler.add(INFO)
    filler.add(INFO)
    assert everything(cursor) == [6]


def test_a_range_that_somebody_else_sends():
    filler = Filler(100)
    cursor = Cursor(filler.journal)
    for _ in range(4):
        filler.add(INFO)
    assert cursor.take().sequence == 1
    assert cursor.peek().sequence == 2
    assert cursor.hold(INFO) == 2
    assert everything(cursor) == []
    cursor.seek(INFO, 4)
    assert everything(cursor) == [4]


class Machine(RuleBasedStateMachine):
    """A journal with two cursors: each learns of each sequence of its ranges once, as a record or as gone."""

    def __init__(self):
        super().__init__()
        self.filler = Filler(20, max_age_ns=50)
        self.cursors = [Cursor(self.filler.journal), Cursor(self.filler.journal, WARN)]
        self.seen = [dict.fromkeys(RANGES, 1) for _ in self.cursors]
        self.last = [0, 0]

    @rule(severity=st.sampled_from(RANGES), count=st.integers(1, 5), skip=st.sampled_from([0, 0, 0, 2]))
    def append(self, severity, count, skip):
        for _ in range(count):
            self.filler.add(severity, count, skip)
        assert self.filler.journal.bytes <= 20 * COST

    @rule(step=st.integers(1, 30))
    def wait(self, step):
        self.filler.now += step
        self.filler.journal.expire(self.filler.now)

    @rule(which=st.integers(0, 1), steps=st.integers(1, 20))
    def read(self, which, steps):
        for _ in range(steps):
            item = self.cursors[which].take()
            if item is None:
                for first in RANGES[0 if which == 0 else 3 :]:
                    assert self.seen[which][first] == self.filler.nexts[first]
                return
            start = item.start if isinstance(item, Gone) else item.sequence
            assert start == self.seen[which][item.range]
            self.seen[which][item.range] = item.stop
            if isinstance(item, Batch):
                assert item.first_ordinal > self.last[which]
                self.last[which] = item.first_ordinal

    @invariant()
    def answers_cover_everything(self):
        journal = self.filler.journal
        count = 0
        for first in RANGES:
            position = 1
            for item in journal.answer(first, 1):
                assert (item.start if isinstance(item, Gone) else item.sequence) == position
                position = item.stop
                if isinstance(item, Batch):
                    assert item.sequence >= journal.first(first)
                    count += 1
            assert position == journal.next(first) == self.filler.nexts[first]
        assert count == len(journal)
        assert journal.bytes == count * COST


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40)


@given(st.lists(st.sampled_from(RANGES), min_size=200, max_size=400))
def test_lists_do_not_grow_for_ever(ranges):
    filler = Filler(8)
    for severity in ranges:
        filler.add(severity)
    for lane in filler.journal._lanes:
        assert len(lane.batches) == len(lane.starts) <= 64 + 2 * len(lane.since) + 1

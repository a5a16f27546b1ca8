"""The cutter: what is in which batch, and when it goes out (protocol/README.md, section 7.4)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zlog.core.batches import Cutter, Run
from zlog.record import Record, encode
from zlog.severity import RANGES, range_index
from zlog.wire import body, zre_log_msg

NODE = UUID("3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e")
MS = 1_000_000
DEBUG, INFO, WARN, ERROR = 5, 9, 13, 17


class Node:
    """A run and its cutter, at a time that tests set."""

    def __init__(self, **more):
        self.run = Run(NODE, 77)
        self.cutter = Cutter(self.run, "host", "name", 42, **more)
        self.now = 10**18

    def log(self, severity, text="text", drop=False):
        ordinal, sequence = self.run.number(severity)
        if drop:
            return []
        encoded = encode(Record(ordinal, ordinal * 1000, severity, "l", text))
        return self.cutter.add(severity, sequence, ordinal, ordinal * 1000, encoded, self.now)

    def tick(self, later=0):
        self.now += later
        return self.cutter.tick(self.now)


def shown(batches):
    return [(batch.range, batch.sequence, batch.count) for batch in batches]


@pytest.fixture
def busy():
    """A node that has just sent its first record, with 5 ms to come."""
    node = Node()
    node.log(INFO)
    assert shown(node.tick()) == [(INFO, 1, 1)]
    return node


def test_numbers():
    run = Run(NODE, 77)
    assert [run.number(severity) for severity in (9, 12, 17, 9, 1, 24)] == [
        (1, 1), (2, 2), (3, 1), (4, 3), (5, 1), (6, 1),
    ]  # fmt: skip
    assert run.next == [2, 1, 4, 1, 2, 2]


def test_what_a_batch_says():
    node = Node()
    node.log(INFO + 1, "first")
    (batch,) = node.tick()
    assert (batch.node, batch.epoch, batch.range, batch.sequence, batch.count, batch.stop) == (NODE, 77, INFO, 1, 1, 2)
    assert (batch.host, batch.name, batch.pid) == ("host", "name", 42)
    assert (batch.first_ordinal, batch.first_time_ns, batch.size) == (1, 1000, len(batch.frame))
    message = zre_log_msg.decode(batch.frame)
    assert message == zre_log_msg.Batch(
        severity=INFO, node=NODE, epoch=77, sequence=1, count=1, codec=0, host="host", name="name", pid=42,
        body=message.body,
    )  # fmt: skip
    assert body.records_of(message) == [Record(1, 1000, INFO + 1, "l", "first")]


def test_the_first_record_after_quiet_goes_at_once_and_alone(busy):
    assert busy.cutter.due() is None
    assert busy.log(INFO) == []
    assert busy.cutter.due() == busy.now + 5 * MS
    assert busy.tick(5 * MS - 1) == []
    assert shown(busy.tick(1)) == [(INFO, 2, 1)]
    busy.now += 5 * MS
    busy.log(INFO)
    assert busy.cutter.due() == 0
    assert shown(busy.tick()) == [(INFO, 3, 1)]
    assert busy.cutter.waiting() == 0


def test_while_busy_five_milliseconds_go_together(busy):
    for _ in range(10):
        busy.now += MS // 10
        assert busy.log(INFO) == []
        assert busy.tick() == []
    assert busy.cutter.waiting() == 10
    assert shown(busy.tick(5 * MS)) == [(INFO, 2, 10)]


def test_256_records(busy):
    made = [batch for _ in range(600) for batch in busy.log(INFO)]
    assert shown(made) == [(INFO, 2, 256), (INFO, 258, 256)]
    assert shown(busy.cutter.flush()) == [(INFO, 514, 88)]
    for batch in made:
        assert len(body.records_of(zre_log_msg.decode(batch.frame))) == 256


def test_64_kib(busy):
    made = [batch for _ in range(20) for batch in busy.log(INFO, "x" * 10_000)]
    assert [batch.count for batch in made] == [6, 6, 6]
    assert shown(busy.log(INFO, "x" * 70_000)) == [(INFO, 20, 2), (INFO, 22, 1)]
    assert busy.cutter.due() is None


def test_a_warning_closes_all_in_the_order_of_first_ordinals(busy):
    for severity in (DEBUG, INFO, DEBUG, INFO):
        busy.log(severity)
    assert busy.tick() == []
    assert busy.log(WARN) == []
    assert busy.cutter.due() == 0
    assert shown(busy.tick()) == [(DEBUG, 1, 2), (INFO, 2, 2), (WARN, 1, 1)]
    busy.log(INFO)
    busy.log(ERROR)
    busy.log(ERROR)
    assert shown(busy.tick()) == [(INFO, 4, 1), (ERROR, 1, 2)]
    busy.log(INFO)
    assert busy.cutter.due() == busy.now + 5 * MS


def test_an_older_batch_closes_with_a_full_one(busy):
    busy.log(INFO)
    busy.now += MS
    made = [batch for _ in range(256) for batch in busy.log(DEBUG)]
    assert shown(made) == [(INFO, 2, 1), (DEBUG, 1, 256)]
    busy.log(DEBUG)
    busy.now += MS
    busy.log(INFO)
    assert shown(busy.tick(4 * MS)) == [(DEBUG, 257, 1)]
    assert shown(busy.tick(1 * MS)) == [(INFO, 3, 1)]


def test_what_was_dropped_is_a_hole(busy):
    busy.log(INFO)
    busy.log(INFO, drop=True)
    assert shown(busy.log(INFO)) == [(INFO, 2, 1)]
    assert shown(busy.cutter.flush()) == [(INFO, 4, 1)]


def test_long_names_are_cut():
    cutter = Cutter(Run(NODE, 1), "é" * 200, "n\udc80" * 200)
    cutter.add(9, 1, 1, 0, encode(Record(1, 0, 9, "l", "t")), 0)
    (batch,) = cutter.flush()
    assert batch.host == "é" * 127
    assert len(batch.name.encode()) <= 255
    assert zre_log_msg.decode(batch.frame).host == batch.host


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 6, 9, 9, 9, 12, 14, 17, 24]), st.integers(0, 8), st.integers(0, 40), st.booleans()
        ),
        max_size=80,
    )
)
def test_whatever_happens(steps):
    node = Node(close_records=5, close_bytes=200)
    made = []
    kept = []
    for severity, wait, length, drop in steps:
        node.now += wait * MS
        kept += [] if drop else [(severity, node.run.ordinal)]
        made += node.log(severity, "x" * length * 5, drop)
        made += node.tick() if length % 2 else []
        due = node.cutter.due()
        assert (due is None) == (node.cutter.waiting() == 0)
        if length % 2:
            assert due is None or due > node.now
    made += node.cutter.flush()
    assert node.cutter.due() is None
    firsts = [batch.first_ordinal for batch in made]
    assert firsts == sorted(firsts)
    arrived = []
    nexts = [1] * 6
    for batch in made:
        assert batch.count <= 5
        records = body.records_of(zre_log_msg.decode(batch.frame))
        assert records[0].ordinal == batch.first_ordinal
        assert records[0].time_ns == batch.first_time_ns
        arrived += [(record.severity, record.ordinal) for record in records]
        index = RANGES.index(batch.range)
        assert batch.sequence >= nexts[index]
        nexts[index] = batch.stop
        assert {range_index(record.severity) for record in records} == {index}
    assert sorted(arrived, key=lambda each: each[1]) == kept

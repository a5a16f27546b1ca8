"""Records on their way from the application's threads to batches."""

import logging
import threading
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zlog
from zlog import limits
from zlog.agent.intake import Intake
from zlog.core.batches import Batch, Cutter, Run
from zlog.record import Record, attributes_of
from zlog.wire import body, zre_log_msg

PLACE = attributes_of(logging.makeLogRecord({"pathname": "a.py", "lineno": 3, "funcName": "f", "threadName": "main"}))


class Taken:
    """An intake, and what comes out of it."""

    def __init__(self) -> None:
        self.woken = 0
        self.intake = Intake(self.wake)
        self.run = Run(uuid.UUID(int=1), 7)
        self.cutter = Cutter(self.run, "host", "name", 1)
        self.batches: list[Batch] = []
        self.dropped: dict[int, int] = {}

    def wake(self) -> None:
        self.woken += 1

    def record(self, *values: Any) -> None:
        self.intake.record(*values)

    def log(self, severity: int, text: str, attributes: Any = PLACE, **more: Any) -> None:
        self.intake.record(severity, 5, "app", text, attributes, **more)

    def drain(self, now: int = 0) -> list[Record]:
        closed, dropped = self.intake.drain(self.run, self.cutter, now)
        self.batches = closed + self.cutter.flush()
        self.dropped = dropped
        records = []
        for batch in self.batches:
            message = zre_log_msg.decode(batch.frame)
            assert isinstance(message, zre_log_msg.Batch)
            assert batch.count <= limits.MAX_BATCH_RECORDS
            records += body.records_of(message)
        return sorted(records, key=lambda record: record.ordinal)


@pytest.fixture
def taken() -> Taken:
    return Taken()


def test_the_order_of_calls_is_the_order_of_numbers(taken: Taken) -> None:
    for number, severity in enumerate((9, 17, 9, 5, 9, 10)):
        taken.log(severity, str(number))
    records = taken.drain()
    assert [(record.ordinal, record.text, record.severity) for record in records] == [
        (1, "0", 9), (2, "1", 17), (3, "2", 9), (4, "3", 5), (5, "4", 9), (6, "5", 10),
    ]  # fmt: skip
    assert taken.run.next == [1, 2, 5, 1, 2, 1]
    assert [(batch.range, batch.sequence, batch.first_ordinal) for batch in taken.batches] == [
        (9, 1, 1), (17, 1, 2), (5, 1, 4),
    ]  # fmt: skip
    assert all(record.attributes == dict(PLACE) for record in records)


TEXTS = st.text(max_size=60) | st.sampled_from(["x" * 999, "x" * 1000, "°" * 70_000, "\udc80 lone", "", "\0"])
ATTRIBUTES = st.sampled_from([PLACE, {}, {"a": 1}, {"a": [1, {"b": 2}]}, {"huge": 1 << 99}, {"object": object}, {1: 2}])


@given(st.lists(st.tuples(st.integers(1, 24), TEXTS, ATTRIBUTES), max_size=400))
def test_whatever_is_logged_comes_out_once_and_in_order(logged: list[tuple[int, str, Any]]) -> None:
    taken = Taken()
    for severity, text, attributes in logged:
        taken.log(severity, text, attributes)
    records = taken.drain()
    assert [record.ordinal for record in records] == list(range(1, len(logged) + 1))
    for record, (severity, text, _) in zip(records, logged, strict=True):
        assert record.severity == severity
        if len(text) < 1000 and text.isprintable():
            assert record.text == text.encode("utf-8", "backslashreplace").decode()
        assert len(msgspec.msgpack.encode(record)) <= limits.MAX_RECORD_BYTES
    firsts = [batch.first_ordinal for batch in taken.batches]
    assert firsts == sorted(firsts)


ODD = [float("nan"), float("inf"), -1.0, 1e15, "yesterday", None, 1 << 99]


@pytest.mark.parametrize("change", [*({"created": each} for each in ODD), {"name": None}, {"name": 3}])
def test_an_odd_log_record_spoils_no_other(taken: Taken, change: dict[str, Any]) -> None:
    """Such as come through `logging.makeLogRecord` from whatever somebody received."""

    class Agent:
        queue = taken.intake
        record = staticmethod(taken.intake.record)

    ours = zlog.Handler(Agent())
    place = {"pathname": "a.py", "lineno": 3, "funcName": "f", "threadName": "main", "levelno": 20, "name": "app"}
    for number in range(30):
        ours.handle(logging.makeLogRecord(place | {"msg": f"{number}"} | (change if number % 10 == 5 else {})))
    records = taken.drain()
    good = [str(number) for number in range(30) if number % 10 != 5]
    assert [record.text for record in records if record.text in good] == good
    assert len(records) + ours.dropped == 30
    assert [record.ordinal for record in records] == list(range(1, len(records) + 1))


@pytest.mark.parametrize("level", [None, "INFO", 1 << 70])
def test_an_odd_level_is_not_raised_into_the_application(
    taken: Taken, level: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    ours = zlog.Handler(taken)
    ours.handle(logging.makeLogRecord({"levelno": level, "msg": "x", "name": "app"}))


def test_the_agents_own_api_makes_the_best_of_anything(taken: Taken) -> None:
    taken.intake.record(99, -5, None, 3, {}, event=-1, peer=b"short")  # type: ignore[arg-type]
    taken.intake.record(0, 1 << 70, "app", "x", PLACE, event=999)
    first, second = taken.drain()
    assert (first.severity, first.time_ns, first.logger, first.text, first.event, first.peer) == (
        24, 0, "None", "3", 0, None,
    )  # fmt: skip
    assert (second.severity, second.time_ns, second.event) == (1, (1 << 63) - 1, 0)


def test_batches_are_cut_at_256(taken: Taken) -> None:
    for number in range(700):
        taken.log(9, str(number))
    taken.drain()
    assert [batch.count for batch in taken.batches] == [256, 256, 188]


def test_an_event_names_its_peer(taken: Taken) -> None:
    peer = uuid.UUID(int=5).bytes
    taken.log(9, "ENTER", {}, event=3, peer=peer)
    (record,) = taken.drain()
    assert (record.event, record.peer) == (3, peer)


def test_what_comes_too_fast_is_dropped_and_has_its_numbers(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INTAKE_RECORDS", 100)
    taken.intake.awake()
    for number in range(150):
        taken.log(9 if number % 2 else 17, str(number))
    kept = len(taken.intake)
    assert kept < 100
    assert len(taken.drain()) == kept
    assert sum(taken.dropped.values()) == 150 - kept
    assert taken.run.ordinal == 151
    assert sum(taken.run.next) - 6 == 150
    taken.log(9, "after")
    (record,) = taken.drain()
    assert record.ordinal == 151
    assert taken.dropped == {}


def test_a_crowd_lets_the_agent_have_its_turn(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    yielded: list[float] = []
    monkeypatch.setattr("zlog.agent.intake.time.sleep", yielded.append)
    taken.intake.awake()
    for number in range(limits.INTAKE_CROWDED + 10):
        taken.log(9, str(number))
    assert yielded == [limits.INTAKE_YIELD_S] * 11
    assert len(taken.drain()) == limits.INTAKE_CROWDED + 10
    assert taken.dropped == {}


def test_large_records_are_bounded_by_octets(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INTAKE_BYTES", 10_000)
    for _ in range(10):
        taken.log(9, "x" * 4_000)
    assert len(taken.drain()) == 3
    assert taken.dropped == {9: 7}
    taken.log(9, "x" * 4_000)
    assert len(taken.drain()) == 1


def test_a_sleeper_is_woken_once_when_it_is_worth_it(taken: Taken) -> None:
    assert taken.intake.sleep(2)
    for _ in range(2):
        taken.log(9, "x")
    assert taken.woken == 0
    taken.log(9, "x")
    taken.log(9, "x")
    assert taken.woken == 1
    assert not taken.intake.sleep(2)
    taken.drain()
    assert taken.intake.sleep(0)
    taken.log(9, "x")
    assert taken.woken == 2


def test_a_child_begins_with_nothing(taken: Taken) -> None:
    taken.log(9, "x")
    taken.intake.clear()
    assert taken.drain() == []


def test_threads_lose_nothing(taken: Taken) -> None:
    def work(number: int) -> None:
        for line in range(2_000):
            taken.log(9, f"{number} {line}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    records = []
    while any(thread.is_alive() for thread in threads):
        records += taken.drain()
    for thread in threads:
        thread.join()
    records += taken.drain()
    assert [record.ordinal for record in records] == list(range(1, 8_001))
    for number in range(4):
        mine = [record.text for record in records if record.text.startswith(f"{number} ")]
        assert mine == [f"{number} {line}" for line in range(2_000)]

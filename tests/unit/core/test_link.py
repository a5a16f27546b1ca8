"""A node's side of a link (protocol, chapters 5 and 6), without sockets."""

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import fuzz_link
from zlog import limits
from zlog.core.batches import Cutter, Run
from zlog.core.discovery import Target
from zlog.core.holdings import Holdings
from zlog.core.intervals import Intervals
from zlog.core.journal import Journal
from zlog.core.link import CloseLive, Link, OpenLive, Own, Refused, Welcomed, Wrong
from zlog.core.sync import Resume, RunKey, pack_resume, unpack_ages, unpack_held, unpack_links, unpack_ranges
from zlog.record import encode_values
from zlog.severity import RANGES
from zlog.wire import body
from zlog.wire import zre_log_msg as wire

SECOND = 1_000_000_000
NODE, COLLECTOR = uuid.UUID(int=1), uuid.UUID(int=2)
EPOCH = 77
DEBUG, INFO, WARN, ERROR = 5, 9, 13, 17
LIVE, SYNC = "tcp://10.0.0.7:5001", "tcp://10.0.0.7:5002"
TARGET = Target(COLLECTOR.hex, COLLECTOR, "c", 2, LIVE, SYNC)
STATIC = Target(SYNC, None, "", 2, None, SYNC, True)
MARKER = b"\x01\xaa\xa2\xff" + COLLECTOR.bytes


class Node:
    """A node that logs, and one link of it."""

    def __init__(self, target: Target = TARGET, journal_bytes: int = 1 << 20) -> None:
        self.run = Run(NODE, EPOCH)
        self.holdings = Holdings(self.run, Journal(journal_bytes))
        self.cutter = Cutter(self.run, "host", "node", 1)
        self.target = target
        self.link = self.new_link()

    def new_link(self) -> Link:
        own = Own("host", "node", 1, 0)
        return Link(self.target, self.holdings, own, 0, lambda: 123, lambda: [self.link.summary()], lambda peer: 5)

    def log(self, severity: int = INFO, count: int = 1, text: str = "text") -> None:
        for _ in range(count):
            ordinal, sequence = self.run.number(severity)
            encoded = encode_values(ordinal, 10**18 + ordinal, severity, "app", f"{text} {ordinal}", 0, None, {"a": 1})
            for batch in self.cutter.add(severity, sequence, ordinal, 10**18, encoded, 0):
                self.holdings.journal.append(batch, 0)
        for batch in self.cutter.flush():
            self.holdings.journal.append(batch, 0)

    def welcome(self, now: int = 0, **fields: Any) -> None:
        points = fields.pop("points", dict.fromkeys(RANGES, 1))
        resume = pack_resume(Resume(self.holdings.key, first, point) for first, point in points.items())
        values = {"version": 2, "collector": COLLECTOR, "name": "c", "durable": 1, "port": 5001, "severity": INFO}
        self.link.sync(wire.Welcome(**(values | {"resume": resume} | fields)).encode(), now)

    def go_live(self, *prefixes: bytes) -> None:
        for prefix in prefixes or (b"\xaa\xa2\x01", b"\xaa\xa2\x02", b"\xaa\xa2\x03"):
            self.link.subscription(b"\x01" + prefix)
        self.link.subscription(MARKER)

    def linked(self, **fields: Any) -> "Node":
        self.link.connected(0)
        self.welcome(**fields)
        self.go_live()
        self.link.control.clear()
        self.link.events.clear()
        return self

    def sent(self) -> list[tuple[int, int, int]]:
        """Range, sequence and count of the batches that go live now."""
        found = []
        while (frame := self.link.peek()) is not None:
            message = wire.decode(frame)
            assert isinstance(message, wire.Batch)
            found.append((message.severity, message.sequence, message.count))
            self.link.sent()
        return found

    def answers(self) -> list[tuple[int, int]]:
        """Sequence and count of the batches that answer FETCH now."""
        found = []
        while (frame := self.link.peek_answer()) is not None:
            message = wire.decode(frame)
            assert isinstance(message, wire.Batch)
            found.append((message.sequence, message.count))
            self.link.sent_answer()
        return found

    def control(self) -> list[Any]:
        found = [wire.decode(frame) for frame in self.link.control]
        self.link.control.clear()
        return found

    def fetch(self, start: int, stop: int, credit: int = 1 << 20, severity: int = INFO, epoch: int = EPOCH) -> None:
        message = wire.Fetch(node=NODE, epoch=epoch, severity=severity, start=start, stop=stop, credit=credit)
        self.link.sync(message.encode(), 0)

    def commit(self, through: int, further: Intervals | None = None, severity: int = INFO) -> None:
        octets = (further or Intervals()).encode()
        message = wire.Commit(node=NODE, epoch=EPOCH, severity=severity, through=through, intervals=octets)
        self.link.sync(message.encode(), 0)

    def demand(self, severity: int, seconds: int = 0, logger: str = "", now: int = 0) -> None:
        self.link.sync(wire.Demand(severity=severity, logger=logger, seconds=seconds).encode(), now)


@pytest.fixture
def node() -> Node:
    return Node()


# --- becoming live ----------------------------------------------------------------------------------------------------


def test_offer_comes_first_on_each_connection(node: Node) -> None:
    node.log(INFO, 3)
    for _ in range(2):
        node.link.connected(7 * SECOND)
        (offer,) = node.control()
        assert isinstance(offer, wire.Offer)
        assert (offer.node, offer.epoch, offer.age, offer.clock, offer.pid) == (NODE, EPOCH, 7 * SECOND, 123, 1)
        (held,) = unpack_held(offer.runs)
        assert held.run == RunKey(NODE, EPOCH)
        assert dict(zip(RANGES, held.ranges, strict=True))[INFO] == (1, 4)
        assert unpack_ages(offer.ages, 1) == [7 * SECOND]
        node.link.disconnected()


def test_offer_tells_how_old_earlier_runs_are_where_that_is_known(node: Node) -> None:
    known, unknown = RunKey(uuid.UUID(int=5), 5), RunKey(uuid.UUID(int=6), 6)
    for run in (unknown, known):
        node.holdings.earlier[run] = Journal(1 << 20)
    node.holdings.began[known] = -3 * SECOND  # before this process
    node.link.connected(7 * SECOND)
    (offer,) = node.control()
    assert [held.run for held in unpack_held(offer.runs)] == [RunKey(NODE, EPOCH), unknown, known]
    assert unpack_ages(offer.ages, 3) == [7 * SECOND, None, 10 * SECOND]


def test_both_subscriptions_and_welcome_are_needed(node: Node) -> None:
    node.log()
    node.link.connected(0)
    node.go_live()
    assert node.link.peek() is None
    assert not node.link.serves
    node.welcome()
    assert node.sent() == [(INFO, 1, 1)]
    node.link.subscription(b"\x00" + MARKER[1:])
    node.log()
    assert node.link.peek() is None
    node.go_live()
    assert node.sent() == [(INFO, 2, 1)]


def test_without_the_marker_nothing_goes(node: Node) -> None:
    node.log()
    node.link.connected(0)
    node.welcome()
    node.link.subscription(b"\x01\xaa\xa2\x03")
    assert node.link.peek() is None


def test_another_process_has_the_port(node: Node) -> None:
    node.link.subscription(b"\x01\xaa\xa2\xff" + uuid.UUID(int=9).bytes)
    assert list(node.link.events) == [Wrong()]
    assert not node.link.ready


def test_the_stream_begins_at_the_resume_point(node: Node) -> None:
    node.log(INFO, 3)
    node.log(INFO, 2)
    node.log(WARN, 1)
    node.linked(points={INFO: 4, ERROR: 1})
    assert node.sent() == [(INFO, 4, 2)]  # WARN has no point: from its next on
    node.log(WARN)
    assert node.sent() == [(WARN, 2, 1)]


def test_a_point_beyond_next_means_next(node: Node) -> None:
    node.linked(points={INFO: 1000})
    node.log()
    assert node.sent() == [(INFO, 1, 1)]


def test_points_of_other_runs_are_ignored(node: Node) -> None:
    node.log(INFO, 2)
    resume = pack_resume([Resume(RunKey(NODE, EPOCH + 1), INFO, 1)])
    node.link.connected(0)
    node.link.sync(wire.Welcome(version=2, collector=COLLECTOR, durable=1, severity=INFO, resume=resume).encode(), 0)
    node.go_live()
    assert node.sent() == []


def test_batches_go_in_the_order_of_their_first_ordinals(node: Node) -> None:
    node.linked()
    for severity in (ERROR, INFO, WARN, INFO):
        node.log(severity)
    assert node.sent() == [(ERROR, 1, 1), (INFO, 1, 1), (WARN, 1, 1), (INFO, 2, 1)]


def test_a_second_welcome_starts_anew_at_its_points(node: Node) -> None:
    node.linked()
    node.log(INFO, 2)
    assert node.sent() == [(INFO, 1, 2)]
    node.link.disconnected()
    node.log()
    assert node.link.peek() is None
    node.link.connected(0)
    node.welcome(points={INFO: 2})
    assert node.sent() == []  # the live socket is a new one
    node.go_live()
    assert node.sent() == [(INFO, 1, 2), (INFO, 3, 1)]


def test_what_the_journal_lost_is_named() -> None:
    node = Node(journal_bytes=1000).linked()
    node.log(INFO, 1)
    for _ in range(5):
        node.log(INFO, 1, text="x" * 200)
    sent = node.sent()
    first = sent[0][1]
    (gone,) = [message for message in node.control() if isinstance(message, wire.Gone)]
    assert (gone.severity, gone.start, gone.stop, gone.cause) == (INFO, 1, first, wire.CAUSE_EVICTED)
    assert first > 1


# --- kinds of frames --------------------------------------------------------------------------------------------------


def test_record_where_only_that_is_subscribed(node: Node) -> None:
    node.log(INFO, 2)
    node.link.connected(0)
    node.welcome()
    node.go_live(b"\xaa\xa2\x02")
    frames = []
    while (frame := node.link.peek()) is not None:
        frames.append(wire.decode(frame))
        node.link.sent()
    assert [type(frame) for frame in frames] == [wire.Record, wire.Record]
    assert [frame.sequence for frame in frames] == [1, 2]
    assert frames[0].fields == {"a": "1"}
    assert frames[0].text == "text 1"
    assert node.link.records_sent == 2


def test_legacy_collectors_get_log_at_their_first_subscription() -> None:
    node = Node(Target(COLLECTOR.hex, COLLECTOR, "old", 1, LIVE, None, True))
    node.log(INFO, 1, text="°" * 200)
    node.log(DEBUG)
    node.log(ERROR)
    assert node.link.peek() is None
    node.link.subscription(b"\x01")
    logs = []
    while (frame := node.link.peek()) is not None:
        logs.append(wire.decode(frame))
        node.link.sent()
    assert [(log.level, log.node_id, log.peer_id, log.time) for log in logs] == [(3, 5, 0, 10**9), (1, 5, 0, 10**9)]
    assert logs[0].data == "°" * 127
    assert not node.link.control
    node.link.subscription(b"\x00")
    node.log()
    assert node.link.peek() is None


def test_a_legacy_collector_that_came_later_gets_what_comes_then() -> None:
    node = Node(Target(COLLECTOR.hex, COLLECTOR, "old", 1, LIVE, None, False))
    node.log(INFO, 3)
    node.link = node.new_link()
    node.link.subscription(b"\x01")
    assert node.link.peek() is None
    node.log(INFO)
    assert node.link.peek() is not None


# --- static collectors ------------------------------------------------------------------------------------------------


def test_welcome_names_the_live_port() -> None:
    node = Node(STATIC)
    node.link.connected(0)
    node.welcome()
    assert list(node.link.events) == [Welcomed(COLLECTOR), OpenLive("tcp://10.0.0.7:5001")]
    node.go_live()
    node.log()
    assert node.sent() == [(INFO, 1, 1)]
    assert node.link.due() == SECOND


def test_a_live_port_that_doesnt_answer_is_given_up_and_status_says_so() -> None:
    node = Node(STATIC)
    node.log(INFO, 4)
    node.link.connected(0)
    node.welcome()
    node.link.events.clear()
    node.control()
    node.link.tick(2 * SECOND - 1)
    assert not node.link.events
    node.link.tick(2 * SECOND)
    assert list(node.link.events) == [CloseLive()]
    status = node.control()[-1]
    assert [(each.severity, each.lag) for each in unpack_ranges(status.ranges)] == [(INFO, 4)]
    node.fetch(1, 0)
    assert node.answers() == [(1, 4)]
    assert node.link.serves


def test_the_stream_can_travel_on_sync() -> None:
    node = Node(STATIC)
    node.log(INFO, 2)
    node.link.connected(0)
    node.welcome(port=0)
    assert list(node.link.events) == [Welcomed(COLLECTOR)]
    node.fetch(1, 0)
    assert node.answers() == [(1, 2)]
    node.log(INFO, 3)
    assert node.link.lag(INFO) == 3
    assert node.answers() == [(3, 3)]
    assert node.link.lag(INFO) == 0
    node.commit(5)
    assert node.link.has_committed(list(node.run.next))


# --- FETCH ------------------------------------------------------------------------------------------------------------


def test_fetch_is_answered_with_whole_batches(node: Node) -> None:
    for _ in range(4):
        node.log(INFO, 5)
    node.linked(points={INFO: 21})
    node.fetch(7, 12)
    assert node.answers() == [(6, 5), (11, 5)]
    assert node.answers() == []


def test_of_a_run_that_ended_what_is_beyond_its_end_is_gone(node: Node) -> None:
    """A collector may know by STATUS of numbers that died with their process."""
    other = Node()
    other.log(INFO, 3)
    other.log(INFO, 2)
    key = RunKey(NODE, EPOCH + 1)
    node.holdings.earlier[key] = other.holdings.journal
    node.linked()
    node.fetch(2, 9, epoch=EPOCH + 1)
    assert node.answers() == [(1, 3), (4, 2)]
    (gone,) = node.control()
    assert (gone.epoch, gone.start, gone.stop, gone.cause) == (EPOCH + 1, 6, 9, wire.CAUSE_DROPPED)
    node.fetch(6, 0, epoch=EPOCH + 1)
    assert node.answers() == []
    assert node.control() == []
    del node.holdings.earlier[key]
    node.fetch(1, 9, epoch=EPOCH + 1)
    assert [(gone.start, gone.stop, gone.cause) for gone in node.control()] == [(1, 9, wire.CAUSE_UNKNOWN)]


def test_a_run_that_goes_while_it_is_fetched_is_named_in_one_go(node: Node) -> None:
    other = Node()
    other.log(INFO, 1)
    other.log(INFO, 1)
    key = RunKey(NODE, EPOCH + 1)
    node.holdings.earlier[key] = other.holdings.journal
    node.linked()
    node.fetch(1, 3, epoch=EPOCH + 1, credit=1)
    assert node.answers() == [(1, 1)]
    del node.holdings.earlier[key]
    node.link._answers._fetches[key, INFO].credit = 100
    assert node.answers() == []
    assert [(gone.start, gone.stop, gone.cause) for gone in node.control()] == [(2, 3, wire.CAUSE_EVICTED)]


def test_what_is_missing_before_the_resume_point_is_due_too_until_it_is_committed(node: Node) -> None:
    node.log(INFO, 10)
    node.linked(points={INFO: 9})
    node.sent()
    node.commit(4, Intervals([(8, 11)]))
    nexts = list(node.run.next)
    assert not node.link.has_committed(nexts)
    assert node.link.waiting() == 3
    node.fetch(5, 8)
    assert not node.link.has_committed(nexts)
    assert node.link.waiting() == 3
    node.answers()
    node.commit(10)
    assert node.link.has_committed(nexts)


def test_credit_is_spent_and_renewed_without_moving_back(node: Node) -> None:
    for _ in range(4):
        node.log(INFO, 1)
    node.linked(points={})
    node.fetch(1, 5, credit=1)
    assert node.answers() == [(1, 1)]
    assert node.answers() == []
    node.fetch(1, 5, credit=1)
    assert node.answers() == [(2, 1)]
    node.fetch(1, 5, credit=1 << 20)
    assert node.answers() == [(3, 1), (4, 1)]


def test_another_fetch_replaces_the_first_and_an_empty_one_ends_it(node: Node) -> None:
    for _ in range(4):
        node.log(INFO, 1)
    node.linked(points={})
    node.fetch(1, 5, credit=1)
    node.fetch(3, 4)
    assert node.answers() == [(3, 1)]
    node.fetch(1, 5, credit=0)
    node.fetch(1, 1)
    node.fetch(1, 1)
    assert node.answers() == []


def test_what_is_gone_is_said_within_what_was_asked() -> None:
    node = Node(journal_bytes=1500)
    for _ in range(10):
        node.log(INFO, 1, text="x" * 200)
    node.linked(points={})
    first = node.holdings.journal.first(INFO)
    node.fetch(1, 3)
    assert node.answers() == []
    (gone,) = node.control()
    assert (gone.start, gone.stop, gone.cause) == (1, 3, wire.CAUSE_EVICTED)
    node.fetch(2, 100)
    assert node.answers() == [(sequence, 1) for sequence in range(first, 11)]
    (gone,) = node.control()
    assert (gone.start, gone.stop) == (2, first)


def test_dropped_records_are_gone(node: Node) -> None:
    node.linked(points={})
    node.log(INFO, 1)
    node.run.skip(INFO, 5)
    node.holdings.drop(INFO, 5)
    node.log(INFO, 1)
    node.fetch(1, 0)
    assert node.answers() == [(1, 1), (7, 1)]
    gone = next(message for message in node.control() if isinstance(message, wire.Gone))
    assert (gone.start, gone.stop, gone.cause) == (2, 7, wire.CAUSE_DROPPED)


def test_an_unknown_run_is_gone(node: Node) -> None:
    node.linked()
    node.fetch(3, 0, epoch=1)
    (gone,) = node.control()
    assert (gone.epoch, gone.start, gone.stop, gone.cause) == (1, 3, 0, wire.CAUSE_UNKNOWN)


def test_an_open_fetch_takes_its_range_from_the_live_stream_and_gives_it_back(node: Node) -> None:
    node.linked()
    node.fetch(1, 0)
    node.log(INFO)
    node.log(WARN)
    assert node.sent() == [(WARN, 1, 1)]
    assert node.answers() == [(1, 1)]
    node.log(INFO)
    node.fetch(2, 2)
    assert node.answers() == []
    assert node.sent() == [(INFO, 2, 1)]


def test_several_fetches_take_turns(node: Node) -> None:
    node.linked(points={})
    for _ in range(3):
        node.log(INFO)
        node.log(WARN)
    node.fetch(1, 4)
    node.fetch(1, 4, severity=WARN)
    first = []
    for _ in range(2):
        frame = node.link.peek_answer()
        assert frame is not None
        first.append(wire.decode(frame).severity)
        node.link.sent_answer()
    assert sorted(first) == [INFO, WARN]


@pytest.mark.parametrize("change", [{"severity": 6}, {"start": 0, "stop": 4}, {"start": 5, "stop": 4}])
def test_impossible_fetches_are_discarded(node: Node, change: dict[str, int]) -> None:
    node.linked()
    node.fetch(**({"start": 1, "stop": 4} | change))
    assert node.link.discarded == 1
    assert node.answers() == []


# --- DEMAND -----------------------------------------------------------------------------------------------------------


def test_ranges_below_the_demand_are_not_sent_and_not_lagging(node: Node) -> None:
    node.linked(severity=WARN)
    node.log(INFO, 2)
    node.log(WARN)
    assert node.sent() == [(WARN, 1, 1)]
    assert node.link.lag(INFO) == 0
    node.commit(1, severity=WARN)
    assert node.link.has_committed(list(node.run.next))
    assert node.link.waiting() == 0


def test_demand_is_answered_by_status_and_a_new_range_begins_at_its_next(node: Node) -> None:
    node.linked()
    node.log(DEBUG, 3)
    node.demand(DEBUG, logger="arm")
    (status,) = node.control()
    assert {each.severity: each.next for each in unpack_ranges(status.ranges)} == {DEBUG: 4}
    node.log(DEBUG)
    assert node.sent() == [(DEBUG, 4, 1)]
    assert node.link.demand is not None
    assert (node.link.demand.severity, node.link.demand.logger) == (DEBUG, "arm")


def test_a_demand_ends_after_its_seconds_and_welcomes_holds_again(node: Node) -> None:
    node.linked()
    node.demand(DEBUG, seconds=3, now=0)
    node.link.tick(3 * SECOND - 1)
    assert node.link.demand is not None
    assert node.link.demand.severity == DEBUG
    node.link.tick(3 * SECOND)
    assert node.link.demand.severity == INFO
    node.log(DEBUG)
    assert node.sent() == []


def test_a_welcome_with_seconds_ends_in_no_demand_at_all(node: Node) -> None:
    node.linked(seconds=2)
    node.link.tick(2 * SECOND)
    for severity in RANGES:
        node.log(severity)
    assert node.sent() == []
    assert node.link.lag(21) == 0
    node.demand(INFO)
    node.log(ERROR)
    assert node.sent() == [(ERROR, 2, 1)]


@pytest.mark.parametrize("severity", [0, 25, 255])
def test_impossible_demands_are_discarded(node: Node, severity: int) -> None:
    node.linked()
    node.demand(severity)
    assert node.link.discarded == 1
    assert not node.control()


# --- COMMIT, STATUS and the rest --------------------------------------------------------------------------------------


def test_commits_are_counted_from_the_resume_point(node: Node) -> None:
    node.log(INFO, 10)
    node.linked(points={INFO: 6})
    nexts = list(node.run.next)
    assert node.link.waiting() == 5
    node.commit(8)
    assert node.link.waiting() == 2
    assert not node.link.has_committed(nexts)
    node.commit(8, Intervals([(10, 11)]))
    assert node.link.waiting() == 1
    node.commit(10)
    assert node.link.has_committed(nexts)
    node.log()
    assert node.link.has_committed(nexts)
    assert not node.link.has_committed(list(node.run.next))


def test_a_viewer_has_nothing_waiting(node: Node) -> None:
    node.linked(durable=0)
    node.log(INFO, 3)
    assert node.link.waiting() == 0
    assert not node.link.has_sent(list(node.run.next))
    node.sent()
    assert node.link.has_sent(list(node.run.next))


def test_status_comes_each_second_and_at_the_end(node: Node) -> None:
    node.linked()
    node.log(INFO, 3)
    assert node.link.due() == SECOND
    node.link.tick(SECOND - 1)
    assert not node.control()
    node.link.tick(SECOND)
    (status,) = node.control()
    assert (status.node, status.epoch, status.closing) == (NODE, EPOCH, 0)
    assert unpack_ranges(status.ranges) == [(INFO, 4, 0, 3)]
    assert unpack_links(status.links) == [(COLLECTOR, INFO, True, True, 0, 3, 3)]
    node.link.closing(SECOND)
    assert node.control()[0].closing == 1
    assert node.link.due() is None


def test_the_last_status_tells_what_was_due_and_not_what_came_since(node: Node) -> None:
    node.linked()
    node.log(INFO, 3)
    nexts = list(node.run.next)
    assert node.sent() == [(INFO, 1, 3)]
    node.log(INFO, 2)  # after the collector's LEAVE
    node.log(WARN)
    node.link.closing(0, nexts)
    (status,) = node.control()
    assert {each.severity: (each.next, each.lag) for each in unpack_ranges(status.ranges)} == {INFO: (4, 0)}
    node.sent()
    node.link.closing(0, nexts)
    (status,) = node.control()
    assert unpack_ranges(status.ranges)[0].next == 6  # it was sent all the same


def test_ping_is_answered(node: Node) -> None:
    node.linked()
    node.link.sync(wire.Ping(clock=99).encode(), 0)
    assert node.control() == [wire.Pong(clock=99, received=123, sent=123)]


def test_refused_is_told(node: Node) -> None:
    node.link.connected(0)
    node.link.sync(wire.Refused(code=wire.REFUSED_BUSY, reason="full").encode(), 0)
    assert list(node.link.events) == [Refused(wire.REFUSED_BUSY, "full")]


def test_what_a_collector_never_sends_is_discarded(node: Node) -> None:
    for message in (wire.Status(node=NODE, epoch=EPOCH), wire.Offer(version=2), wire.Log(level=1)):
        node.link.sync(message.encode(), 0)
    assert node.link.discarded == 3


def test_fetches_of_a_collector_that_takes_no_answers_do_not_pile_up(node: Node) -> None:
    node.linked()
    for number in range(limits.MAX_CONTROL + 100):
        node.fetch(3, 0, epoch=number + 1000)
    assert len(node.link.control) == limits.MAX_CONTROL
    assert node.link.discarded == 100
    node.log()
    assert node.link.peek() is None
    node.control()
    assert node.sent() == [(INFO, 1, 1)]


def test_nothing_piles_up_for_a_collector_that_takes_nothing(node: Node) -> None:
    node.linked()
    for number in range(limits.MAX_CONTROL + 100):
        node.link.sync(wire.Ping(clock=number).encode(), 0)
        node.demand(INFO)
    assert len(node.link.control) <= limits.MAX_CONTROL


def test_subscriptions_are_bounded(node: Node) -> None:
    node.link.subscription(b"\x01" + bytes(100))
    node.link.subscription(b"")
    node.link.subscription(b"\x02abc")
    assert node.link.discarded == 3
    for number in range(limits.MAX_SUBSCRIPTIONS + 10):
        node.link.subscription(b"\x01" + number.to_bytes(4, "big"))
    assert node.link.discarded == 13


MESSAGES = [
    wire.Welcome(version=2, collector=COLLECTOR, durable=1, port=5001, severity=9),
    wire.Fetch(node=NODE, epoch=EPOCH, severity=9, start=1, stop=0, credit=100),
    wire.Demand(severity=5),
    wire.Commit(node=NODE, epoch=EPOCH, severity=9, through=3),
    wire.Ping(clock=1),
    wire.Refused(code=3),
]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80).map(lambda octets: ("sync", octets)),
            st.binary(max_size=30).map(lambda octets: ("live", octets)),
            st.tuples(st.sampled_from(MESSAGES), st.integers(0, 80), st.integers(0, 255)).map(
                lambda drawn: ("sync", _mutated(drawn[0].encode(), drawn[1], drawn[2]))
            ),
            st.sampled_from([("log", b""), ("tick", b""), ("up", b""), ("down", b"")]),
        ),
        max_size=40,
    )
)
def test_whatever_comes_nothing_is_raised_and_what_goes_can_be_decoded(steps: list[tuple[str, bytes]]) -> None:
    node = Node(STATIC)
    now = 0
    does: dict[str, Callable[[bytes], object]] = {
        "sync": lambda octets: node.link.sync(octets, now),
        "live": node.link.subscription,
        "log": lambda _: node.log(INFO, 2),
        "tick": lambda _: node.link.tick(now),
        "up": lambda _: node.link.connected(now),
        "down": lambda _: node.link.disconnected(),
    }
    node.link.connected(0)
    node.welcome()
    node.go_live()
    for what, octets in steps:
        now += SECOND // 3
        does[what](octets)
        node.sent()
        node.answers()
        node.control()


def _mutated(frame: bytes, at: int, value: int) -> bytes:
    at %= len(frame)
    return frame[:at] + bytes((value,)) + frame[at + 1 :]


def test_live_frames_hold_what_was_logged(node: Node) -> None:
    node.linked()
    node.log(INFO, 3)
    message = wire.decode(node.link.peek() or b"")
    assert isinstance(message, wire.Batch)
    assert [record.text for record in body.records_of(message)] == ["text 1", "text 2", "text 3"]


def test_the_fuzz_target_finds_nothing_quickly() -> None:
    source = random.Random(5)
    for seed in fuzz_link.SEEDS:
        fuzz_link.one_input(seed)
        for _ in range(20):
            mutated = bytearray(seed)
            for _ in range(source.randint(1, 6)):
                mutated[source.randrange(len(mutated))] = source.randrange(256)
            fuzz_link.one_input(bytes(mutated))
    assert sum(fuzz_link.one_input(seed) for seed in fuzz_link.SEEDS) > len(fuzz_link.SEEDS) // 2


# --- what the simulation (tests/simulation) has found -----------------------------------------------------------------


def test_a_link_serves_while_the_stream_answers_a_fetch() -> None:
    node = Node()
    node.link.connected(0)
    node.welcome()
    assert not node.link.serves  # the live endpoint that ZRE named can't be reached
    node.fetch(1, 0)
    assert node.link.serves
    node.link.disconnected()
    assert not node.link.serves


def test_a_static_link_opens_its_live_socket_once() -> None:
    node = Node(STATIC)
    node.link.connected(0)
    node.welcome()
    assert list(node.link.events) == [Welcomed(COLLECTOR), OpenLive("tcp://10.0.0.7:5001")]
    node.link.events.clear()
    node.link.disconnected()
    node.link.connected(0)
    node.welcome()
    assert list(node.link.events) == [Welcomed(COLLECTOR)]  # it is still connecting
    node.link.events.clear()
    node.welcome(port=6001)
    assert list(node.link.events) == [Welcomed(COLLECTOR), OpenLive("tcp://10.0.0.7:6001")]


@pytest.mark.parametrize("target", [STATIC, TARGET])
def test_a_live_connection_that_outlives_sync_is_made_anew(target: Target) -> None:
    """Its host is gone, and what waits in it would wait for minutes."""
    node = Node(target)
    node.link.connected(0)
    node.welcome()
    node.go_live()
    assert node.link.ready
    node.link.events.clear()
    node.link.disconnected()
    assert [type(event) for event in node.link.events] == [OpenLive]
    assert not node.link.ready
    node.link.connected(0)
    node.welcome()
    node.go_live()
    assert node.link.ready


def test_subscriptions_go_with_the_live_socket() -> None:
    node = Node(STATIC)
    node.link.connected(0)
    node.welcome()
    node.go_live()
    assert node.link.ready
    node.welcome(port=6001)
    assert not node.link.ready
    node.go_live()
    assert node.link.ready
    node.welcome(port=0)
    assert not node.link.ready
    assert list(node.link.events)[-1] == CloseLive()


def test_a_welcome_of_another_process_closes_the_link() -> None:
    node = Node()
    node.link.connected(0)
    node.welcome(collector=uuid.UUID(int=9))
    assert list(node.link.events) == [Wrong()]
    node.go_live()
    node.log()
    assert node.sent() == []


def test_a_static_collector_that_is_another_process_now_is_not_taken_for_a_stranger() -> None:
    """Its live endpoint may be reached before its WELCOME came."""
    node = Node(STATIC)
    node.link.connected(0)
    node.welcome()
    node.go_live()
    node.link.events.clear()
    other = uuid.UUID(int=9)
    node.link.subscription(b"\x00" + MARKER[1:])
    node.link.subscription(MARKER[:4] + other.bytes)
    assert not node.link.ready
    node.link.disconnected()
    node.link.connected(0)
    node.welcome(collector=other)
    assert node.link.ready
    assert Wrong() not in node.link.events

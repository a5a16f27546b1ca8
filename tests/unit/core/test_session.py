"""A collector's session: first contact, resume, what is handed over and committed (protocol 6.1, 6.2, 6.5 to 6.8)."""

import uuid

import pytest

from support.sessions import COLLECTOR, SECOND, Collecting, FakeStore
from zlog import limits
from zlog.core.intervals import Intervals
from zlog.core.session import Demand
from zlog.core.sync import Held, RunKey
from zlog.severity import RANGES
from zlog.wire import zre_log_msg

NOT_ASKED = 0


def test_a_run_that_was_there_first_goes_on_where_it_is():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.next[9], node.next[17] = 258, 43
    assert node.meet(age=10.1) == dict.fromkeys(RANGES, 1) | {9: 258, 17: 43}
    node.send(258, 300)
    assert collecting.stored(node) == list(range(258, 300))
    assert collecting.causes(node) == [(1, 258, NOT_ASKED)]


def test_a_run_that_began_later_goes_on_at_its_first_record():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.next[9], node.first[9] = 258, 20
    assert node.meet(age=9.9)[9] == 1
    node.gone(1, 20).send(20, 258)
    assert collecting.stored(node) == list(range(20, 258))
    assert collecting.causes(node) == [(1, 20, zre_log_msg.CAUSE_EVICTED)]


def test_the_start_of_what_a_node_holds_can_be_asked_for():
    collecting = Collecting(options={"since": "start"}).after(10)
    node = collecting.node()
    node.next[9], node.first[9] = 258, 20
    assert node.meet()[9] == 1
    node.gone(1, 20).send(20, 258)
    assert collecting.causes(node) == [(1, 20, zre_log_msg.CAUSE_EVICTED)]  # not: never asked for


def test_history_from_a_time_on_is_taken_whole_and_marked_for_who_decodes_it():
    collecting = Collecting(options={"since": 77}).after(10)
    collecting.writes = False
    node = collecting.node()
    node.next[9], node.first[9] = 258, 20
    assert node.meet()[9] == 20
    node.send(20, 258).send(258, 300)
    _, old, new = collecting.stores[0].waiting
    assert (old.since_ns, old.before, new.before) == (77, 258, 0)


def test_ranges_below_the_demand_are_not_asked_for():
    collecting = Collecting(options={"since": "start"})
    node = collecting.node()
    node.next = dict.fromkeys(RANGES, 10)
    assert node.meet() == {1: 10, 5: 10, 9: 1, 13: 1, 17: 1, 21: 1}
    node.status()
    collecting.after(5)
    assert {message.severity for message in node.told(zre_log_msg.Fetch)} == {9, 13, 17, 21}


def test_a_batch_with_records_before_the_point_is_cut_there():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.next[9] = 100
    node.meet()
    node.send(90, 110)
    assert collecting.stored(node) == list(range(100, 110))


def test_a_known_run_goes_on_behind_what_is_stored_and_its_holes_are_fetched():
    store = FakeStore()
    collecting = Collecting([store]).after(10)
    node = collecting.node()
    store.held[node.key()] = Intervals([(1, 50), (60, 100)])
    node.next[9] = 200
    node.offer()
    said = node.said
    assert [m.NAME for m in said] == ["WELCOME", "PING", "FETCH"]
    assert (said[2].start, said[2].stop) == (50, 60)
    node.answer(50, 60).send(100, 200)
    assert collecting.covered(node) == [(1, 200)]


def test_a_range_of_a_known_run_that_nothing_is_stored_of_begins_at_1():
    store = FakeStore()
    collecting = Collecting([store]).after(10)
    node = collecting.node()
    store.held[node.key(9)] = Intervals([(1, 50)])
    node.next[9], node.next[17] = 60, 5
    points = node.meet()
    assert (points[9], points[17]) == (50, 1)


def test_where_it_began_survives_a_restart():
    before = Collecting().after(10)
    node = before.node()
    node.next = dict.fromkeys(RANGES, 100)
    node.meet()
    after = Collecting(before.stores)
    again = after.node()
    again.next = dict.fromkeys(RANGES, 120)
    points = again.meet()
    assert {r: points[r] for r in (9, 13, 17, 21)} == dict.fromkeys((9, 13, 17, 21), 100)


def test_a_second_store_gets_what_the_first_one_has():
    first, second = FakeStore(), FakeStore()
    key = Collecting().node().key()
    collecting = Collecting([first, second], options={"skipped": {key: Intervals([(1, 20)])}}).after(10)
    node = collecting.node()
    assert node.key() == key  # it began at 20
    first.held[node.key()] = Intervals([(1, 100)])
    node.next[9] = 100
    node.offer()
    assert node.fetches() == [(20, 100)]
    node.answer(20, 100)
    assert collecting.stored(node, sink=1) == list(range(20, 100))
    assert collecting.stored(node, sink=0) == []


def test_a_second_offer_on_a_connection_is_no_second_welcome():
    collecting = Collecting()
    node = collecting.node()
    node.meet()
    node.offer()
    assert node.told(zre_log_msg.Welcome) == []


def test_a_connection_cannot_become_another_node():
    collecting = Collecting()
    node = collecting.node()
    node.meet()
    node.offer(node=uuid.UUID(int=2), runs=[Held(RunKey(uuid.UUID(int=2), node.epoch), ((1, 1),) * 6)])
    assert collecting.session.discarded == {"identity": 1}


def test_a_second_connection_replaces_the_first_and_resumes():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.meet(age=1)
    node.send(1, 100)
    old = node.identity
    points = node.reconnect().meet()
    assert points[9] == 100
    assert list(collecting.session.links) == [node.identity]
    collecting.sync(old, zre_log_msg.Ping(clock=1).encode())
    assert collecting.session.discarded == {"stranger": 1}


def test_nothing_counts_before_offer():
    collecting = Collecting()
    node = collecting.node()
    node.status().answer(1, 10).gone(1, 2)
    assert node.said == []
    assert collecting.session.discarded == {"stranger": 3}
    assert collecting.reports == ["stranger"]


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        ({"version": 1}, zre_log_msg.REFUSED_VERSION),
        ({"path": [uuid.UUID(int=5), COLLECTOR]}, zre_log_msg.REFUSED_LOOP),
    ],
)
def test_refused_nodes_hear_nothing_more(offer, code):
    collecting = Collecting()
    node = collecting.node()
    node.offer(**offer)
    (refused,) = node.said
    assert refused.code == code
    node.offer()
    node.status()
    assert node.said == []
    assert not collecting.session.links


def test_too_many_nodes_are_refused_as_busy(monkeypatch):
    monkeypatch.setattr(limits, "COLLECTOR_LINKS", 2)
    collecting = Collecting()
    nodes = [collecting.node(number) for number in (1, 2, 3)]
    for node in nodes:
        node.offer()
    assert nodes[2].said[0].code == zre_log_msg.REFUSED_BUSY
    nodes[0].reconnect().meet()  # who is there may come again
    assert len(collecting.session.links) == 2


# --- COMMIT -----------------------------------------------------------------------------------------------------------


def test_what_is_stored_is_committed_at_once_and_then_ten_times_a_second():
    collecting = Collecting()
    node = collecting.node()
    node.meet(age=0)
    collecting.after(1)
    node.send(1, 10)
    collecting.after(0)
    (commit,) = node.told(zre_log_msg.Commit)
    assert (commit.severity, commit.through, commit.intervals) == (9, 9, b"")
    for number in range(10, 110):
        node.send(number, number + 1)
        collecting.after(0.01)
    collecting.after(0.1)
    commits = node.told(zre_log_msg.Commit)
    assert 10 <= len(commits) <= 11
    assert commits[-1].through == 109


def test_nothing_is_committed_that_is_not_written():
    collecting = Collecting(writes=False).after(10)
    node = collecting.node()
    node.meet(age=1)
    node.send(1, 10)
    collecting.after(5)
    assert node.told(zre_log_msg.Commit) == []
    collecting.write().after(1)
    assert node.told(zre_log_msg.Commit)[-1].through == 9


def test_a_commit_is_what_all_required_stores_have():
    stores = [FakeStore(), FakeStore(), FakeStore(optional=True), FakeStore(durable=False)]
    collecting = Collecting(stores, writes=False).after(10)
    node = collecting.node()
    node.next[9] = 5
    node.meet()
    node.send(5, 10).send(20, 30)
    collecting.write(0).after(5)
    assert node.told(zre_log_msg.Commit) == []
    collecting.write(1).after(5)
    commit = node.told(zre_log_msg.Commit)[-1]
    assert (commit.through, list(Intervals.decode(commit.intervals))) == (9, [(20, 30)])


def test_commit_counts_from_the_first_sequence_that_was_taken():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.next[9] = 1000
    node.meet()
    collecting.after(5)
    assert node.told(zre_log_msg.Commit) == []  # nothing was taken yet
    node.send(1001, 1010)  # 1000 is missing
    collecting.after(1)
    commit = node.told(zre_log_msg.Commit)[-1]
    assert (commit.through, list(Intervals.decode(commit.intervals))) == (999, [(1001, 1010)])


def test_a_viewer_says_so_and_its_commits_are_receipts():
    collecting = Collecting([FakeStore(durable=False)])
    node = collecting.node()
    node.offer(age=0)
    assert node.told(zre_log_msg.Welcome)[0].durable == 0
    node.send(1, 10)
    collecting.after(5)
    assert [message.through for message in node.told(zre_log_msg.Commit)] == [9]


def test_a_view_gives_a_receipt_for_what_it_was_handed():
    collecting = Collecting([FakeStore(durable=False, keeps=False)])
    node = collecting.node()
    node.meet(age=0)
    collecting.after(1)
    node.send(1, 10)
    collecting.after(0)
    assert [commit.through for commit in node.told(zre_log_msg.Commit)] == [9]


def test_who_comes_again_is_told_what_is_stored():
    collecting = Collecting()
    node = collecting.node()
    node.meet(age=0)
    node.send(1, 10)
    collecting.after(1)
    node.reconnect().meet()
    collecting.after(1)
    assert node.told(zre_log_msg.Commit)[-1].through == 9


# --- DEMAND -----------------------------------------------------------------------------------------------------------


def test_a_range_that_a_demand_adds_begins_where_status_says():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.next = dict.fromkeys(RANGES, 100)
    node.meet()
    collecting.demand(5, "arm", 60)
    (demand,) = node.told(zre_log_msg.Demand)
    assert (demand.severity, demand.logger, demand.seconds) == (5, "arm", 60)
    node.next[5] = 140
    node.status()
    node.send(140, 150, 5)
    collecting.after(5)
    assert collecting.stored(node, 5) == list(range(140, 150))
    assert node.fetches(5) == []


def test_records_that_come_before_that_status_are_taken_too():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.next = dict.fromkeys(RANGES, 100)
    node.meet()
    collecting.demand(5)
    node.send(140, 150, 5)
    node.status()
    collecting.after(5)
    assert collecting.stored(node, 5) == list(range(140, 150))
    assert node.fetches(5) == []


def test_what_was_not_demanded_in_between_is_no_gap():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.meet(age=1)
    collecting.demand(5, seconds=5)
    node.status().send(1, 10, 5)
    collecting.after(6)  # it is over
    node.next[5] = 500
    node.status()
    collecting.after(3)
    collecting.demand(5)
    node.status()
    node.send(500, 510, 5)
    collecting.after(3)
    assert node.fetches(5) == []
    assert collecting.stored(node, 5) == [*range(1, 10), *range(500, 510)]
    assert (10, 500, NOT_ASKED) in collecting.causes(node, 5)


def test_what_a_new_connection_meets_while_a_demand_passes_was_asked_for_all_the_time():
    """STATUS of before must not make it something that nobody had asked for."""
    collecting = Collecting().after(10)
    node = collecting.node()
    node.meet(age=1)
    collecting.demand(5, seconds=60)
    node.status().send(1, 10, 5)
    node.next[5] = 30  # on their way, while another connection takes the place of this one
    node.reconnect().offer(age=2)
    node.status()
    collecting.after(5)
    assert node.fetches(5) == [(10, 30)]
    assert (10, 30, NOT_ASKED) not in collecting.causes(node, 5)


def test_a_demand_on_one_node_is_no_demand_on_others():
    collecting = Collecting()
    nodes = [collecting.node(number) for number in (1, 2)]
    for node in nodes:
        node.meet()
    collecting.demand(1, node=nodes[1].uuid)
    assert [len(node.told(zre_log_msg.Demand)) for node in nodes] == [0, 1]
    third = collecting.node(3)
    third.offer()
    assert third.told(zre_log_msg.Welcome)[0].severity == 9


def test_a_demand_on_all_is_welcomes_too():
    collecting = Collecting()
    collecting.demand(5, "arm")
    node = collecting.node()
    node.offer()
    (welcome,) = node.told(zre_log_msg.Welcome)
    assert (welcome.severity, welcome.logger, welcome.seconds) == (5, "arm", 0)


def test_a_demand_on_all_that_passes_reaches_who_comes_meanwhile():
    collecting = Collecting()
    collecting.demand(5, "arm", 60)
    collecting.after(20)
    node = collecting.node()
    node.offer(age=0)
    said = {type(message): message for message in node.said}
    assert said[zre_log_msg.Welcome].severity == 9
    demand = said[zre_log_msg.Demand]
    assert (demand.severity, demand.logger, demand.seconds) == (5, "arm", 40)
    for _ in range(50):
        node.status()
        collecting.after(1)
    node.next[9] = 10  # what was wanted before is wanted again
    node.status()
    collecting.after(2)
    assert node.fetches() == [(1, 10)]
    late = collecting.node(2)
    late.offer()
    assert late.told(zre_log_msg.Demand) == []


def test_a_demand_in_welcome_ends():
    collecting = Collecting(options={"demand": Demand(9, "", 5)})
    node = collecting.node()
    node.meet(age=0)
    for _ in range(7):
        node.status()
        collecting.after(1)
    node.next[9] = 10
    node.status()
    collecting.after(3)
    assert node.fetches() == []


# --- clocks, silence --------------------------------------------------------------------------------------------------


def test_ping_is_answered_and_pong_tells_how_far_the_clock_is_ahead():
    collecting = Collecting()
    node = collecting.node()
    node.offer()
    (ping,) = node.told(zre_log_msg.Ping)
    collecting.now += 4_000_000
    ahead = 3 * SECOND
    node.say(
        zre_log_msg.Pong(clock=ping.clock, received=ping.clock + 2_000_000 + ahead, sent=ping.clock + 2_000_000 + ahead)
    )
    (run,) = collecting.session.runs.values()
    assert (run.clock.offset_ns, run.clock.error_ns) == (ahead, 2_000_000)
    node.say(zre_log_msg.Ping(clock=77))
    (pong,) = node.told(zre_log_msg.Pong)
    assert (pong.clock, pong.received) == (77, collecting.wall)


def test_a_silent_node_is_taken_for_gone_until_it_speaks():
    collecting = Collecting()
    node = collecting.node()
    node.meet()
    (run,) = collecting.session.runs.values()
    for _ in range(10):
        node.status()
        collecting.after(1)
    assert collecting.session.is_connected(run)
    collecting.after(6)
    assert not collecting.session.is_connected(run)
    node.status()
    assert collecting.session.is_connected(run)
    collecting.after(100)
    assert not collecting.session.links


def test_nobody_was_silent_while_this_process_was_stopped():
    collecting = Collecting()
    node = collecting.node()
    node.meet()
    node.status()
    collecting.now += 600 * SECOND
    collecting.after(0)
    assert list(collecting.session.links) == [node.identity]


def test_closing_ends_the_link():
    collecting = Collecting()
    node = collecting.node()
    node.meet()
    node.status(closing=True)
    (run,) = collecting.session.runs.values()
    assert run.closed
    assert list(collecting.session.open_links()) == []


def test_an_unreachable_node_is_forgotten():
    collecting = Collecting()
    node = collecting.node()
    node.meet()
    collecting.carry_out(collecting.session.unreachable(node.identity, collecting.now))
    assert not collecting.session.links
    collecting.carry_out(collecting.session.unreachable(b"who", collecting.now))

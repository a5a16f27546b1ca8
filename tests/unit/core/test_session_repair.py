"""A collector's session: gaps, FETCH, credit, GONE, slow sinks, earlier runs, no live link (protocol 4.7, 6.3, 6.4)."""

import pytest

from support.sessions import COLLECTOR, SECOND, WALL, Collecting, FakeStore
from zlog import limits
from zlog.core.intervals import Intervals
from zlog.core.repair import PATIENCE_NS, TRIES
from zlog.core.sync import Held, LinkStatus, RunKey, pack_ages
from zlog.wire import zre_log_msg

NOT_ASKED = 0
MIB = limits.COLLECTOR_FETCH_BYTES


@pytest.fixture
def collecting():
    return Collecting().after(10)


@pytest.fixture
def node(collecting):
    node = collecting.node()
    node.meet(age=1)
    return node


def test_a_frame_beyond_the_end_makes_a_gap_that_is_fetched(collecting, node):
    node.send(1, 10).send(20, 30)
    (fetch,) = node.told(zre_log_msg.Fetch)
    assert (fetch.severity, fetch.start, fetch.stop, fetch.credit) == (9, 10, 20, MIB)
    node.answer(10, 20)
    assert collecting.covered(node) == [(1, 30)]
    collecting.after(10)
    assert node.fetches() == []


def test_a_lost_last_batch_is_found_by_status(collecting, node):
    node.send(1, 10)
    node.next[9] = 50
    node.status()
    collecting.after(0.9)
    assert node.fetches() == []
    collecting.after(0.5)
    assert node.fetches() == [(10, 50)]


def test_what_still_comes_is_not_missing(collecting, node):
    node.next[9] = 50
    node.status()
    for number in range(1, 50):
        collecting.after(0.1)
        node.send(number, number + 1)
    node.next[9] = 1_000_000
    node.status(lag=999_000)
    collecting.after(3)
    assert node.fetches() == []


def test_what_may_wait_in_this_process_is_not_missing(collecting, node):
    node.send(1, 10)
    node.next[9] = 50
    node.status()
    collecting.after(30, behind=True)
    assert node.fetches() == []
    collecting.after(1)
    assert node.fetches() == [(10, 50)]


def test_with_the_last_status_the_tail_is_asked_for_soon(collecting, node):
    node.send(1, 10)
    node.next[9] = 50
    node.status(lag=40, closing=True)
    assert node.fetches() == []  # it has closed: who would answer
    (run,) = collecting.session.runs.values()
    assert run.streams[2].next == 50


def test_gone_is_noted_and_never_asked_for_again(collecting, node):
    node.send(20, 30)
    assert node.fetches() == [(1, 20)]
    node.gone(1, 12).answer(12, 20)
    assert collecting.causes(node) == [(1, 12, zre_log_msg.CAUSE_EVICTED)]
    assert collecting.covered(node) == [(1, 30)]
    node.reconnect().meet()
    collecting.after(10)
    assert node.fetches() == []


def test_an_unknown_cause_is_unknown(collecting, node):
    node.gone(1, 5, cause=77)
    assert collecting.causes(node) == [(1, 5, zre_log_msg.CAUSE_UNKNOWN)]


def test_gone_to_the_end_is_to_the_last_that_is_known(collecting, node):
    node.next[9] = 50
    node.status()
    node.gone(10, 0)
    assert collecting.causes(node) == [(10, 50, zre_log_msg.CAUSE_EVICTED)]


def test_gone_overtakes_what_is_on_its_way(collecting, node):
    """The node's journal overran this link: it says so on sync, and what it had sent before comes on the live link."""
    node.send(1, 10)
    node.next[9] = 500
    node.gone(100, 400)
    assert node.fetches() == []
    node.send(10, 60).send(60, 100).send(400, 500)
    assert node.fetches() == []
    assert collecting.stored(node) == [*range(1, 100), *range(400, 500)]
    assert collecting.covered(node) == [(1, 500)]


def test_gone_of_what_is_stored_changes_nothing(collecting, node):
    node.send(1, 10).gone(1, 10)
    assert collecting.causes(node) == []
    assert collecting.stored(node) == list(range(1, 10))


def test_near_holes_are_asked_for_together(collecting, node):
    node.send(1, 10).send(11, 20).send(21, 1000).send(1001, 1010)
    assert node.fetches() == [(10, 11)]
    node.answer(10, 11)
    assert node.fetches() == [(20, 21)]  # what lies behind is far
    node.answer(20, 21)
    assert node.fetches() == [(1000, 1001)]


def test_only_one_fetch_of_a_range_at_a_time(collecting, node):
    node.send(10, 20).send(30, 40).send(50, 60)
    assert node.fetches() == [(1, 10)]
    node.answer(1, 10)
    assert node.fetches() == [(20, 50)]


def test_credit_is_renewed_before_it_ends(collecting, node, monkeypatch):
    monkeypatch.setattr(limits, "COLLECTOR_FETCH_BYTES", 10_000)
    node.send(1_000_000, 1_000_010)
    (fetch,) = node.told(zre_log_msg.Fetch)
    left, start, renewals = fetch.credit, 1, 0
    while start < 5_000:
        frame = node.batch(start, start + 50)
        assert left > 0, "the node would have stopped"
        left -= len(frame)
        start += 50
        node.say(frame)
        for again in node.told(zre_log_msg.Fetch):
            assert (again.start, again.stop, again.credit) == (fetch.start, fetch.stop, fetch.credit)
            left, renewals = again.credit, renewals + 1
    assert renewals > 2


def test_all_credit_together_is_bounded(collecting):
    nodes = [collecting.node(number) for number in range(1, 31)]
    for node in nodes:
        node.meet(age=1)
        node.send(100, 110)
    most = limits.COLLECTOR_CREDIT_BYTES // MIB
    asked = [node for node in nodes if node.fetches()]
    assert len(asked) == most
    for _ in range(40):
        for node in asked:
            node.answer(1, 100)
        asked = [node for node in nodes if node.fetches()]
        assert len(asked) <= most
    assert all(collecting.covered(node) == [(1, 110)] for node in nodes)


def test_a_fetch_without_answer_is_sent_again_and_given_up(collecting, node):
    node.send(20, 30)
    assert node.fetches() == [(1, 20)]
    for _ in range(TRIES):
        node.status()
        collecting.after(PATIENCE_NS / SECOND + 0.3)
        assert node.fetches() == [(1, 20)]
    assert collecting.session._repair.lent == MIB
    for _ in range(60):
        node.status()
        collecting.after(1)
    assert collecting.session._repair.lent == 0
    assert node.fetches() == []
    for _ in range(10):
        node.status()
        collecting.after(1)
    assert node.fetches()[0] == (1, 20)


def test_a_fetch_dies_with_its_connection(collecting, node):
    node.send(20, 30)
    assert node.fetches() == [(1, 20)]
    node.reconnect().offer()
    assert node.fetches() == [(1, 20)]
    assert collecting.session._repair.lent == MIB


# --- bad bodies -------------------------------------------------------------------------------------------------------


def test_a_bad_body_is_fetched_once_and_then_gone(collecting, node):
    node.send(1, 10).send(10, 20, body=b"\xc1")
    assert node.fetches() == [(10, 20)]
    node.answer(10, 20, body=b"\xc1")
    assert node.fetches() == []
    assert collecting.causes(node) == [(10, 20, zre_log_msg.CAUSE_DAMAGED)]
    assert collecting.session.discarded == {"body": 2}
    assert collecting.covered(node) == [(1, 20)]


def test_a_bad_body_whose_copy_is_good(collecting, node):
    node.send(1, 10).send(10, 20, body=b"\xc1").answer(10, 20)
    assert collecting.stored(node) == list(range(1, 20))
    assert collecting.causes(node) == []


def test_one_bad_copy_counts_once_however_many_stores_look_at_it():
    collecting = Collecting([FakeStore(), FakeStore()]).after(10)
    node = collecting.node()
    node.meet(age=1)
    node.send(1, 10, body=b"\xc1")
    assert collecting.session.discarded == {"body": 1}
    assert node.fetches() == [(1, 10)]
    node.answer(1, 10)
    assert collecting.stored(node, sink=0) == collecting.stored(node, sink=1) == list(range(1, 10))


# --- slow and failing stores ------------------------------------------------------------------------------------------


def test_what_a_full_store_refuses_it_gets_later():
    slow, fast = FakeStore(), FakeStore()
    collecting = Collecting([slow, fast], writes=False).after(10)
    node = collecting.node()
    node.meet(age=1)
    slow.room = 2
    for start in range(1, 101, 10):
        node.send(start, start + 10)
        collecting.write(1)
    assert len(slow.waiting) == 2
    assert collecting.stored(node, sink=1) == list(range(1, 101))
    collecting.after(10)
    assert node.fetches() == []  # there is no room for an answer
    slow.room = 100
    collecting.write(0)
    collecting.carry_out(collecting.session.ready(0, collecting.now))
    assert node.fetches() == [(21, 101)]
    node.answer(21, 101)
    collecting.write()
    assert collecting.stored(node, sink=0) == list(range(1, 101))
    assert collecting.stored(node, sink=1) == list(range(1, 101))


def test_a_store_that_is_behind_keeps_few_intervals():
    slow, fast = FakeStore(), FakeStore()
    collecting = Collecting([slow, fast], writes=False).after(10)
    node = collecting.node()
    node.meet(age=1)
    slow.room = 1
    for start in range(1, 2001, 2):
        node.send(start, start + 2)
        collecting.write(1)
        if start % 3 == 0:
            collecting.write(0)
    assert len(collecting.session.runs[node.key()[:2]].streams[2].shares[0].has) <= 17
    assert collecting.covered(node, sink=1) == [(1, 2001)]


def test_what_nobody_else_holds_is_named_when_a_store_refuses_it():
    collecting = Collecting(writes=False)
    collecting.stores[0].room = 1
    for number in range(3):
        collecting.live(zre_log_msg.Log(level=3, node_id=7, time=1, data=str(number)).encode())
    collecting.write()
    (key,) = collecting.stores[0].held
    assert list(collecting.stores[0].held[key]) == [(1, 4)]
    assert [(start, stop, cause) for _, start, stop, cause in collecting.stores[0].names] == [
        (2, 3, zre_log_msg.CAUSE_DROPPED),
        (3, 4, zre_log_msg.CAUSE_DROPPED),
    ]


def test_too_many_holes_end_the_live_stream_of_a_range(monkeypatch):
    collecting = Collecting().after(10)
    node = collecting.node()
    node.meet(age=1)
    for start in range(2, 2 * limits.MAX_INTERVALS + 100, 2):
        node.send(start, start + 1)
    held = collecting.stores[0].held[node.key()]
    assert len(held) == limits.MAX_INTERVALS
    end = node.next[9]
    for _ in range(2 * limits.MAX_INTERVALS):
        for start, stop in node.fetches():
            for at in range(start, stop, 500):
                node.answer(at, min(at + 500, stop))
    assert collecting.covered(node) == [(1, end)]


# --- a view -----------------------------------------------------------------------------------------------------------


def test_a_view_begins_with_what_comes_and_sees_each_record_once():
    store, view = FakeStore(), FakeStore(durable=False, keeps=False)
    collecting = Collecting([store, view]).after(10)
    node = collecting.node()
    store.held[node.key()] = Intervals([(1, 50), (60, 100)])
    node.next[9] = 100
    node.meet()
    node.answer(50, 60)
    node.send(90, 110).send(100, 120).send(130, 140).answer(110, 135)
    assert collecting.viewed == [
        (node.key(), 100, 110),
        (node.key(), 110, 120),
        (node.key(), 130, 140),
        (node.key(), 120, 130),
    ]


# --- earlier runs -----------------------------------------------------------------------------------------------------


def earlier(node, epoch, first=1, following=50):
    pairs = [(1, 1)] * 6
    pairs[2] = (first, following)
    return Held(RunKey(node.uuid, epoch), tuple(pairs))


def test_an_earlier_run_that_the_stores_know_is_completed(collecting):
    node, old = collecting.node(1, epoch=2), collecting.node(1, epoch=1)
    collecting.stores[0].held[old.key()] = Intervals([(1, 20)])
    node.offer(runs=[earlier(node, 1)])
    fetches = node.told(zre_log_msg.Fetch)
    assert [(f.epoch, f.start, f.stop) for f in fetches] == [(1, 20, 50)]
    node.say(old.batch(20, 50))
    assert collecting.covered(old) == [(1, 50)]
    collecting.after(1)
    assert (1, 49) in [(m.epoch, m.through) for m in node.told(zre_log_msg.Commit)]


def test_an_earlier_run_that_nobody_knows_is_history(collecting):
    node = collecting.node(1, epoch=2)
    node.offer(runs=[earlier(node, 1)])
    assert node.told(zre_log_msg.Fetch) == []
    assert list(collecting.session.runs) == [(node.uuid.bytes, 2)]


def test_an_earlier_run_that_began_while_the_collector_was_there_is_fetched(collecting):
    node = collecting.node(1, epoch=2)
    node.offer(runs=[earlier(node, WALL + 1005 * SECOND, first=10), earlier(node, WALL + 900 * SECOND)])
    assert [(f.epoch, f.start, f.stop) for f in node.told(zre_log_msg.Fetch)] == [(WALL + 1005 * SECOND, 1, 50)]


@pytest.mark.parametrize(("age", "start"), [(8, 1), (1_000, None), (None, 1)])
def test_the_age_of_an_earlier_run_counts_however_its_clock_was_set(collecting, age, start):
    """By its epoch it began an hour ago, or 5 s ago, which counts only where the node can't tell."""
    node = collecting.node()
    collecting.after(10)
    run = earlier(node, collecting.wall - (3_600 if age == 8 else 5) * SECOND, first=10)
    node.offer(runs=[run], ages=pack_ages([10**15, None if age is None else age * SECOND]))
    assert [(fetch.start, fetch.stop) for fetch in node.told(zre_log_msg.Fetch)] == (
        [] if start is None else [(start, 50)]
    )


def test_history_includes_earlier_runs():
    collecting = Collecting(options={"since": "start"})
    node = collecting.node(1, epoch=2)
    node.offer(runs=[earlier(node, 1, first=10)])
    assert [(f.epoch, f.start, f.stop) for f in node.told(zre_log_msg.Fetch)] == [(1, 1, 50)]


def test_an_earlier_run_that_the_node_lets_go_of_is_not_lost(collecting):
    first, second = collecting.node(1, epoch=2), collecting.node(2, epoch=2)
    old = collecting.node(1, epoch=1)
    collecting.stores[0].held[old.key()] = Intervals([(1, 20)])
    first.offer(runs=[earlier(first, 1)])
    second.offer(runs=[earlier(first, 1)])
    assert len(first.fetches()) == 1
    first.gone(20, 50, cause=zre_log_msg.CAUSE_UNKNOWN, epoch=1)
    assert collecting.causes(old) == []
    assert second.fetches() == [(20, 50)]


# --- what a node says of a run that isn't its own ---------------------------------------------------------------------


def of_other(node, start, stop, cause=zre_log_msg.CAUSE_EVICTED):
    return zre_log_msg.Gone(node=node.uuid, epoch=node.epoch, severity=9, start=start, stop=stop, cause=cause)


def left(collecting, node):
    collecting.carry_out(collecting.session.unreachable(node.identity, collecting.now))


def test_nobody_else_names_what_a_connected_node_has_as_gone(collecting, node):
    liar = collecting.node(2)
    liar.meet(runs=[earlier(node, node.epoch)])
    node.send(1, 10).send(20, 30)
    liar.say(of_other(node, 1, 2**60)).say(of_other(node, 10, 20))
    node.send(30, 40)
    assert collecting.causes(node) == []
    assert collecting.session.discarded["run"] == 2
    assert node.fetches() == [(10, 20)]
    node.gone(10, 12).gone(40, 50).send(50, 60)  # but it does itself, also without being asked
    assert collecting.causes(node) == [(10, 12, 1), (40, 50, 1)]
    assert collecting.stored(node) == [*range(1, 10), *range(20, 40), *range(50, 60)]


@pytest.mark.parametrize("silent", [True, False])
def test_nobody_names_the_future_of_another_nodes_run_as_gone(collecting, node, silent):
    liar = collecting.node(2)
    node.send(1, 10)
    node.next[9] = 15
    node.status()
    if silent:
        collecting.after(8)
    else:
        left(collecting, node)
    liar.meet(runs=[earlier(node, node.epoch, following=12)])
    liar.say(of_other(node, 12, 2**60))
    assert collecting.causes(node) == [(12, 15, 1)]
    liar.say(of_other(node, 20, 2**60))
    assert collecting.causes(node) == [(12, 15, 1)]
    if silent:
        node.status()
    else:
        node.reconnect().meet(age=20)
    node.send(15, 30)
    assert collecting.stored(node) == [*range(1, 10), *range(15, 30)]


def test_who_took_a_run_over_names_what_is_gone_as_far_as_it_offered(collecting, node):
    node.send(1, 10)
    left(collecting, node)
    heir = collecting.node(2)
    heir.offer(runs=[earlier(node, node.epoch)])
    assert heir.fetches() == [(10, 50)]
    heir.say(of_other(node, 10, 50))
    assert collecting.causes(node) == [(10, 50, 1)]
    collecting.after(10)
    assert heir.fetches() == []


def test_only_a_connected_node_says_how_far_its_run_goes(collecting, node):
    node.send(1, 10)
    other = collecting.node(2)
    other.meet(runs=[earlier(node, node.epoch, following=60)])
    stream = collecting.session.book.streams[node.key()]
    assert stream.next == 10
    node.reconnect().meet(age=12)  # it goes on
    assert stream.next == 10
    left(collecting, node)
    assert stream.next == 60
    assert other.fetches() == [(10, 60)]


def test_what_was_offered_meanwhile_counts_when_the_node_falls_silent(collecting, node):
    node.send(1, 10)
    other = collecting.node(2)
    other.meet(runs=[earlier(node, node.epoch, following=60)])
    collecting.after(3)
    assert other.status().fetches() == []
    collecting.after(4)
    assert other.fetches() == [(10, 60)]


def test_who_was_asked_while_the_node_was_away_is_asked_no_more_when_it_is_back(collecting, node):
    node.send(1, 10)
    left(collecting, node)
    other = collecting.node(2)
    other.meet(runs=[earlier(node, node.epoch, following=20)])
    stream = collecting.session.book.streams[node.key()]
    assert stream.fetch.identity == other.identity
    node.next[9] = 20
    node.reconnect().meet(age=12)
    other.say(of_other(node, 10, 20))
    assert collecting.causes(node) == []
    assert node.fetches() == [(10, 20)]


# --- no live link -----------------------------------------------------------------------------------------------------


def test_without_a_live_port_the_stream_is_an_open_ended_fetch():
    collecting = Collecting(options={"port": 0}).after(10)
    node = collecting.node()
    node.offer(age=1)
    said = node.said
    assert said[0].port == 0
    fetches = {(m.severity, m.start, m.stop) for m in said if isinstance(m, zre_log_msg.Fetch)}
    assert fetches == {(9, 1, 0), (13, 1, 0), (17, 1, 0), (21, 1, 0)}
    node.answer(1, 100).answer(100, 200)
    assert collecting.covered(node) == [(1, 200)]


def test_open_ended_credit_is_renewed(monkeypatch):
    monkeypatch.setattr(limits, "COLLECTOR_CREDIT_BYTES", 40_000)
    collecting = Collecting(options={"port": 0}).after(10)
    node = collecting.node()
    node.offer(age=1)
    (fetch,) = [m for m in node.told(zre_log_msg.Fetch) if m.severity == 9]
    left, start = fetch.credit, 1
    for _ in range(100):
        frame = node.batch(start, start + 50)
        assert left > 0
        left -= len(frame)
        start += 50
        node.say(frame)
        for again in node.told(zre_log_msg.Fetch):
            assert (again.start, again.stop) == (fetch.start, 0)
            left = again.credit


def test_a_hole_in_an_open_ended_stream_is_fetched_and_the_stream_goes_on():
    collecting = Collecting(options={"port": 0}).after(10)
    node = collecting.node()
    node.offer(age=1)
    node.said  # noqa: B018
    node.answer(1, 10).answer(10, 20, body=b"\xc1")
    assert node.fetches() == [(10, 20)]
    node.answer(10, 20)
    assert node.fetches() == [(20, 0)]
    node.answer(20, 30)
    assert collecting.covered(node) == [(1, 30)]


def test_what_was_missing_stands_behind_what_comes_live_and_a_stream_over_sync_does_not():
    collecting = Collecting(writes=False).after(10)
    node = collecting.node()
    node.meet(age=1)
    node.send(1, 10).send(20, 30)
    collecting.write()
    node.send(30, 40).answer(10, 20)
    assert [(parcel.sequence, parcel.asked) for parcel in collecting.stores[0].waiting] == [(30, False), (10, True)]
    tunnelled = Collecting(writes=False, options={"port": 0}).after(10)
    other = tunnelled.node()
    other.offer(age=1)
    other.answer(1, 10)
    assert [parcel.asked for parcel in tunnelled.stores[0].waiting] == [False]


def test_when_nothing_comes_on_live_and_the_node_lags_the_stream_goes_over_sync(collecting):
    node = collecting.node()
    node.meet(age=1)
    node.next[9] = 10
    for _ in range(2):
        assert node.fetches() == []
        node.status(lag=9)
        collecting.after(1)
    collecting.after(0.5)
    assert (1, 0) in node.fetches()


def test_a_slow_live_link_that_is_ready_is_left_alone(collecting):
    node = collecting.node()
    node.meet(age=1)
    node.next[9] = 10
    for _ in range(6):
        node.status(lag=9, links=[LinkStatus(COLLECTOR, 9, True, True, 0, 9, 0)])
        collecting.after(1)
    assert node.fetches() == []


def test_a_range_that_is_no_longer_wanted_is_no_longer_fetched():
    collecting = Collecting(options={"port": 0}).after(10)
    node = collecting.node()
    node.offer(age=1)
    node.said  # noqa: B018
    collecting.demand(13)
    assert node.fetches() == [(1, 1)]
    collecting.demand(9)
    node.next[9] = 100
    node.status()
    assert node.fetches() == [(100, 0)]

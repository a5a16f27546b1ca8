"""A collector's session: what the simulation (tests/simulation) has found, each reduced to its cause."""

from support.sessions import Collecting, FakeStore
from zlog.core.intervals import Intervals
from zlog.core.sync import Held, RunKey
from zlog.wire import zre_log_msg

CLOSED = ((1, 1),) * 6


def test_what_is_missing_before_the_first_interval_of_a_store_is_fetched_after_a_restart():
    """Nobody had noted it as not asked for: it was on its way when the collector was killed."""
    store = FakeStore()
    collecting = Collecting([store]).after(10)
    node = collecting.node()
    store.held[node.key()] = Intervals([(21, 22)])
    node.next[9] = 22
    node.offer()
    assert node.fetches() == [(1, 21)]
    assert collecting.causes(node) == []


def test_an_answer_to_the_fetch_before_does_not_end_this_one():
    collecting = Collecting(options={"port": 0}).after(10)
    node = collecting.node()
    node.meet(age=1)
    collecting.after(1)
    node.answer(13, 16)  # of the open-ended one: 1 to 12 are gone, and GONE comes later
    assert node.fetches() == [(1, 13)]
    node.answer(16, 19).answer(19, 22)
    assert node.fetches() == []
    node.gone(1, 13)
    collecting.after(1)
    assert collecting.covered(node) == [(1, 22)]


def _adopted(dead, heir):
    ranges = tuple((1, dead.next[first]) for first in (1, 5, 9, 13, 17, 21))
    heir.offer(runs=[Held(RunKey(dead.uuid, dead.epoch), ranges)])


def test_a_run_goes_on_elsewhere_before_its_connection_is_known_to_be_dead():
    collecting = Collecting().after(10)
    dead, heir = collecting.node(1), collecting.node(2)
    dead.meet(age=1)
    dead.send(1, 10)
    dead.next[9], dead.next[17] = 30, 5
    _adopted(dead, heir)
    assert heir.fetches() == []  # the rest may still come
    collecting.carry_out(collecting.session.unreachable(dead.identity, collecting.now))
    asked = {(each.severity, each.start, each.stop) for each in heir.told(zre_log_msg.Fetch)}
    assert asked == {(9, 10, 30), (17, 1, 5)}


def test_a_replaced_connection_that_outlives_the_other_is_welcomed_again():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.meet(age=1)
    first = node.identity
    second = node.reconnect().identity
    node.meet(age=2)
    node.send(1, 10)
    node.identity = first
    node.status()
    assert node.said == []
    collecting.carry_out(collecting.session.unreachable(second, collecting.now))
    node.status()
    assert node.told(zre_log_msg.Welcome) != []
    assert list(collecting.session.links) == [first]
    node.status()
    assert node.told(zre_log_msg.Welcome) == []


def test_status_at_the_end_of_a_demand_says_where_a_range_begins_again():
    """The first one after the end counts, even if the collector has not looked at its clock since."""
    collecting = Collecting().after(10)
    node = collecting.node()
    node.meet(age=1)
    node.send(1, 10)
    collecting.demand(17, seconds=1)
    node.status()
    collecting.now += 1_010_000_000
    node.status()
    collecting.now += 200_000_000
    node.next[9] = 12
    node.status()  # a later one: 10 and 11 were logged when the range was wanted
    collecting.after(3)
    assert collecting.causes(node) == []
    assert node.fetches() == [(10, 12)]

"""What is missing when nobody is left who could answer for it (protocol 6.3)."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from support.nodes import EPOCH
from support.sessions import Collecting, FakeStore, Node
from zlog import limits
from zlog.collector.core import Core
from zlog.collector.sockets import Receiver
from zlog.collector.stores import Loss
from zlog.core.gaps import ALONE_NS, NOBODY_NS
from zlog.core.intervals import Intervals
from zlog.core.session_effects import GAP
from zlog.core.sync import Held, RunKey, pack_ages
from zlog.severity import RANGES
from zlog.wire import zre_log_msg

ALONE_S = ALONE_NS / 1e9 + 2.5
NOBODY_S = NOBODY_NS / 1e9 + 2.5


def gaps(collecting: Collecting, node: Node, range_: int = 9, sink: int = 0) -> list[tuple[int, int]]:
    return [(start, stop) for start, stop, cause in collecting.causes(node, range_, sink) if cause == GAP]


def with_hole(collecting: Collecting) -> Node:
    """A node that logged 1 to 9, of which 4 to 6 did not come, and which has told that there are 14."""
    node = collecting.node()
    node.meet(age=0.0)
    node.send(1, 4).send(7, 10)
    node.next[9] = 15
    return node.status()


def gone(collecting: Collecting, node: Node) -> Collecting:
    return collecting.carry_out(collecting.session.unreachable(node.identity, collecting.now))


def test_what_a_dead_node_did_not_send_is_a_gap():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    gone(collecting, node).after(9)
    assert gaps(collecting, node) == []
    collecting.after(ALONE_S)
    assert gaps(collecting, node) == [(4, 7), (10, 15)]
    assert collecting.covered(node) == [(1, 4), (7, 10)]
    collecting.after(200).end()
    assert gaps(collecting, node) == [(4, 7), (10, 15)]


def test_while_somebody_holds_the_run_nothing_is_a_gap():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    heir = collecting.node(2)
    heir.meet(age=0.0, runs=[Held(node.run, tuple((1, 15) if r == 9 else (1, 1) for r in RANGES))])
    gone(collecting, node)
    for _ in range(40):
        collecting.after(1)
        heir.status()
    assert gaps(collecting, node) == []
    gone(collecting, heir).after(ALONE_S)
    assert gaps(collecting, node) == [(4, 7), (10, 15)]


def test_a_silent_node_is_gone_and_its_return_makes_the_gap_void():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    collecting.after(5 + ALONE_S)
    assert gaps(collecting, node) == [(4, 7), (10, 15)]
    node.status()
    node.answer(4, 7).gone(10, 15).answer(7, 10)
    assert collecting.covered(node) == [(1, 15)]
    assert collecting.causes(node)[-1] == (10, 15, zre_log_msg.CAUSE_EVICTED)
    collecting.after(100).end()
    assert gaps(collecting, node) == [(4, 7), (10, 15)]


def test_who_was_silent_is_asked_again_at_once():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    collecting.after(30)  # it was asked in vain, and then left alone for a minute
    node.said.clear()
    node.status()
    assert node.fetches() == [(4, 15)]


def test_a_short_silence_is_none():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    for _ in range(5):
        collecting.after(9)
        node.status()
    assert gaps(collecting, node) == []


def test_a_node_that_ends_in_order_is_gone_then():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    node.status(closing=True)
    collecting.after(ALONE_S)
    assert gaps(collecting, node) == [(4, 7), (10, 15)]


def test_what_a_sender_without_sync_lost_is_a_gap_while_it_goes_on():
    collecting = Collecting()
    node = collecting.node()
    node.send(3, 5).send(8, 9)
    for number in range(9, 30):
        collecting.after(1)
        node.send(number, number + 1)
    assert gaps(collecting, node) == [(5, 8)]
    node.send(32, 33)
    collecting.after(ALONE_S)
    assert gaps(collecting, node) == [(5, 8), (30, 32)]
    assert collecting.covered(node) == [(1, 5), (8, 30), (32, 33)]  # it began with 3


def test_what_the_stores_lack_from_before_is_a_gap_when_nobody_came():
    store = FakeStore()
    node = Collecting().node()
    store.held[node.key()] = Intervals([(1, 50), (60, 100)])
    collecting = Collecting([store], options={"holes": store.holes()}).after(NOBODY_S - 10)
    assert gaps(collecting, node) == []
    collecting.after(10)
    assert gaps(collecting, node) == [(50, 60)]
    assert not collecting.session.runs
    again = Collecting([store], options={"holes": store.holes()}).after(2 * NOBODY_S).end()
    assert gaps(again, node) == [(50, 60)]


def test_who_comes_later_is_asked_for_a_gap():
    store = FakeStore()
    collecting = Collecting([store]).after(10)
    node = collecting.node()
    store.held[node.key()] = Intervals([(1, 50), (60, 100)])
    store.gapped[node.key()] = Intervals([(50, 60)])
    node.next[9] = 100
    node.offer()
    assert node.fetches() == [(50, 60)]
    node.answer(50, 60)
    assert collecting.covered(node) == [(1, 100)]


def test_an_orderly_end_names_all_that_is_missing():
    stores = [FakeStore(), FakeStore(), FakeStore()]
    known = Collecting().node(7)
    for store in stores[:2]:
        store.held[known.key()] = Intervals([(1, 5), (9, 12)])
    collecting = Collecting(stores, options={"holes": stores[0].holes()}).after(10)
    node = with_hole(collecting)
    node.status(lag=5)
    collecting.end()
    for sink in range(3):
        assert gaps(collecting, node, sink=sink) == [(4, 7), (10, 15)]
    assert [gaps(collecting, known, sink=sink) for sink in range(3)] == [
        [(5, 9)],
        [(5, 9)],
        [],
    ]  # the third began later
    collecting.end()


def test_what_one_store_could_not_write_is_a_gap_of_that_store():
    good, bad = FakeStore(), FakeStore()
    collecting = Collecting([good, bad])
    node = collecting.node()
    node.meet(age=0.0)
    bad.room = 0
    node.send(1, 10)
    gone(collecting, node).after(ALONE_S)
    assert gaps(collecting, node, sink=0) == []
    assert gaps(collecting, node, sink=1) == [(1, 10)]


def test_what_was_given_but_not_written_counts_as_missing_at_the_end():
    collecting = Collecting(writes=False)
    node = collecting.node()
    node.meet(age=0.0)
    node.send(1, 10)
    collecting.carry_out(collecting.session.end(collecting.now))
    _, name = collecting.stores[0].waiting
    assert (name.start, name.stop, name.cause) == (1, 10, GAP)
    collecting.write()
    assert (collecting.stored(node), gaps(collecting, node)) == (list(range(1, 10)), [])  # void, as it came before


def test_ranges_that_are_not_wanted_have_no_gaps():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.meet(age=0.0)
    node.next[5] = 100
    node.status()
    gone(collecting, node).after(ALONE_S).end()
    assert gaps(collecting, node, 5) == []


def test_what_was_before_the_first_contact_is_no_gap():
    collecting = Collecting().after(10)
    node = collecting.node()
    node.next[9] = 100
    node.meet()
    node.send(100, 110)
    gone(collecting, node).after(ALONE_S).end()
    assert gaps(collecting, node) == []


def test_an_earlier_run_that_its_heir_lets_go_of():
    collecting = Collecting(options={"since": "start"})
    heir = collecting.node()
    old = RunKey(heir.uuid, EPOCH - 1)
    heir.offer(runs=[Held(old, tuple((1, 20) if r == 9 else (1, 1) for r in RANGES))])
    heir.gone(1, 20, cause=zre_log_msg.CAUSE_UNKNOWN, epoch=old.epoch)
    for _ in range(15):
        collecting.after(1)
        heir.status()
    key = (old.node.bytes, old.epoch, 9)
    assert (key, 1, 20, GAP) in collecting.stores[0].names


def test_a_stopped_process_gives_nodes_time_to_come():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    gone(collecting, node).after(8)
    collecting.now += 3_600 * 10**9  # it was stopped
    collecting.after(8)
    assert gaps(collecting, node) == []
    collecting.after(5)
    assert gaps(collecting, node) == [(4, 7), (10, 15)]


def test_while_frames_wait_to_be_looked_at_nothing_is_a_gap():
    collecting = Collecting().after(10)
    node = with_hole(collecting)
    gone(collecting, node).after(60, behind=True)
    assert gaps(collecting, node) == []
    node.send(4, 7).send(10, 15)
    collecting.after(60)
    assert gaps(collecting, node) == []


def test_runs_that_are_left_to_the_stores_are_named_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "COLLECTOR_STREAMS", 12)
    collecting = Collecting()
    first = collecting.node(1)
    first.send(3, 5).send(7, 9)
    for number in range(2, 9):
        collecting.node(number).send(1, 2)
    assert first.key()[:2] not in collecting.session.runs
    assert gaps(collecting, first) == [(5, 7)]


def test_a_viewer_hears_of_gaps_too():
    collecting = Collecting([FakeStore(durable=False, keeps=False)]).after(10)
    node = with_hole(collecting)
    gone(collecting, node).after(ALONE_S)
    assert gaps(collecting, node) == [(4, 7), (10, 15)]


def test_what_a_silent_node_holds_is_asked_of_who_else_holds_it():
    """A killed process, whose connection looks alive for a minute, and the one that has taken its journal over."""
    collecting = Collecting()
    node = collecting.node()
    node.meet(age=0.0)
    node.send(1, 11)
    node.next[9] = 20
    node.status()
    heir = collecting.node(2)
    heir.meet(age=0.0, runs=[Held(node.run, tuple((1, 20) if r == 9 else (1, 1) for r in RANGES))])
    collecting.after(4)
    heir.status()
    collecting.after(2.5)
    (fetch,) = heir.told(zre_log_msg.Fetch)
    assert (fetch.node, fetch.start, fetch.stop) == (node.uuid, 11, 20)
    heir.say(node.batch(11, 20))
    assert collecting.covered(node) == [(1, 20)]


def test_who_takes_over_from_a_silent_node_is_asked_at_once():
    collecting = Collecting()
    node = collecting.node()
    node.meet(age=0.0)
    node.send(1, 11)
    node.next[9] = 20
    node.status()
    collecting.after(7)
    heir = collecting.node(2)
    heir.offer(age=0.0, runs=[Held(node.run, tuple((1, 20) if r == 9 else (1, 1) for r in RANGES))])
    (fetch,) = heir.told(zre_log_msg.Fetch)
    assert (fetch.node, fetch.start, fetch.stop) == (node.uuid, 11, 20)


def offered(node: Node, stop: int, range_: int = 9) -> Held:
    return Held(node.run, tuple((1, stop) if r == range_ else (1, 1) for r in RANGES))


@pytest.mark.parametrize("ends", ["in time", "with the collector"])
def test_what_nothing_came_of_and_only_another_node_offered_is_no_gap(ends: str):
    collecting = Collecting().after(10)
    liar, nobody = collecting.node(1), collecting.node(2)
    liar.offer(age=0.0, runs=[offered(nobody, 2**60)], ages=pack_ages([0, 0]))
    assert liar.fetches() == [(1, 2**60)]
    gone(collecting, liar)
    if ends == "in time":
        collecting.after(ALONE_S)
    collecting.end()
    assert gaps(collecting, nobody) == []


def test_what_something_came_of_is_a_gap_as_far_as_it_was_offered():
    collecting = Collecting().after(10)
    heir, dead = collecting.node(1), collecting.node(2)
    heir.offer(age=0.0, runs=[offered(dead, 30)], ages=pack_ages([0, 0]))
    heir.say(dead.batch(1, 11))
    gone(collecting, heir).after(ALONE_S)
    assert gaps(collecting, dead) == [(11, 30)]


def test_what_a_store_had_some_of_is_a_gap_as_far_as_it_was_offered():
    store = FakeStore()
    collecting = Collecting([store]).after(10)
    heir, dead = collecting.node(1), collecting.node(2)
    store.held[dead.key()] = Intervals([(1, 11)])
    heir.offer(runs=[offered(dead, 30)])
    gone(collecting, heir).after(ALONE_S)
    assert gaps(collecting, dead) == [(11, 30)]


@pytest.mark.parametrize("by", ["OFFER", "STATUS"])
def test_a_node_that_died_before_anything_came_is_a_gap_as_far_as_it_told(by: str):
    collecting = Collecting().after(10)
    node = collecting.node()
    if by == "OFFER":
        node.next[9] = 15
    node.meet(age=0.0)
    if by == "STATUS":
        node.next[9] = 15
        node.status()
    gone(collecting, node).after(ALONE_S)
    assert gaps(collecting, node) == [(1, 15)]


def test_a_node_that_died_before_anything_came_is_a_gap_as_far_as_its_heir_told():
    collecting = Collecting().after(10)
    node, heir = collecting.node(1), collecting.node(2)
    node.meet(age=0.0)
    gone(collecting, node)
    heir.offer(age=0.0, runs=[offered(node, 30)])
    gone(collecting, heir).after(ALONE_S)
    assert gaps(collecting, node) == [(1, 30)]


def test_a_gap_of_several_stores_is_told_once():
    """Their holes differ, so that each is told of others; what the collector tells has each record once."""
    stores = [FakeStore(), FakeStore(), FakeStore()]
    collecting = Collecting(stores)
    node = collecting.node()
    node.meet(age=0.0)
    node.send(1, 4)
    stores[0].room = 0
    node.send(4, 7)
    stores[1].room = 0
    node.send(7, 10)
    node.next[9] = 12
    node.status()
    gone(collecting, node).after(ALONE_S)
    core = Core(collecting.session, Mock(spec=Receiver), [], None, lambda: None)
    for sink in range(3):
        for start, stop in gaps(collecting, node, sink=sink):
            core.losses.append(Loss(node.uuid.hex, node.epoch, 9, start, stop, GAP, 5))
    assert len(core.losses) == 3
    assert [(loss.start, loss.stop, loss.cause) for loss in core.standing()] == [(4, 12, GAP)]
    core.losses.append(Loss(node.uuid.hex, node.epoch, 9, 20, 30, zre_log_msg.CAUSE_DROPPED, 6))
    core.losses.append(Loss(node.uuid.hex, node.epoch, 13, 4, 7, GAP, 7))
    node.reconnect().meet()
    for store in stores:
        store.room = 10**9
    collecting.carry_out(collecting.session.ready(0, collecting.now))
    collecting.carry_out(collecting.session.ready(1, collecting.now))
    node.answer(6, 9)
    assert [(loss.range, loss.start, loss.stop, loss.cause) for loss in core.standing()] == [
        (9, 4, 6, GAP),
        (9, 9, 12, GAP),
        (9, 20, 30, zre_log_msg.CAUSE_DROPPED),
        (13, 4, 7, GAP),
    ]

"""A collector's session: RECORD, LOG, and octets of anybody (protocol 2.4, 3.3, 3.4, 8.3, 8.5, 10.2)."""

import random
import uuid

import pytest

from fuzz import fuzz_session
from support.nodes import batch
from support.sessions import Collecting, FakeStore
from zlog import limits
from zlog.core.legacy import id_of
from zlog.core.parcels import MAX_NUMBER
from zlog.core.sync import Held, RunKey
from zlog.wire import zre_log_msg
from zlog.wire.zre_log_msg import Log, Record

NODE = uuid.UUID(int=77)


@pytest.fixture
def collecting():
    return Collecting(writes=False)


def record(**fields):
    values = {"severity": 17, "node": NODE, "epoch": 5, "sequence": 1, "time": 10, "host": "h", "name": "n"} | fields
    return Record(**values).encode()


def taken(collecting):
    """What was handed to the first store."""
    return [(parcel, list(parcel.records())) for parcel in collecting.stores[0].waiting if hasattr(parcel, "records")]


# --- RECORD -----------------------------------------------------------------------------------------------------------


def test_a_record_is_taken_with_what_it_has(collecting):
    collecting.live(record(logger="arm", text="°", event=3, fields={"joint": "3"}))
    ((parcel, (one,)),) = taken(collecting)
    assert parcel.key == (NODE.bytes, 5, 17)
    assert (parcel.sequence, parcel.count, parcel.host, parcel.name) == (1, 1, "h", "n")
    assert (one.ordinal, one.time_ns, one.severity, one.logger, one.text) == (0, 10, 17, "arm", "°")
    assert (one.event, one.peer, one.attributes) == (3, None, {"joint": "3"})


def test_a_device_without_a_clock_gets_ours(collecting):
    collecting.live(record(time=0))
    ((_, (one,)),) = taken(collecting)
    assert one.time_ns == collecting.wall


@pytest.mark.parametrize(
    "fields",
    [{"severity": 0}, {"severity": 25}, {"sequence": 0}, {"sequence": MAX_NUMBER}, {"time": MAX_NUMBER + 1}],
)
def test_a_record_of_impossible_numbers_is_discarded(collecting, fields):
    collecting.live(record(**fields))
    assert taken(collecting) == []
    assert collecting.session.discarded == {"value": 1}


def test_a_record_is_stored_once(collecting):
    collecting.live(record()).live(record()).live(record(sequence=2)).live(record())
    assert [parcel.sequence for parcel, _ in taken(collecting)] == [1, 2]


def test_what_a_device_lost_is_seen_and_not_asked_of_anybody(collecting):
    collecting.live(record(sequence=3)).live(record(sequence=10))
    collecting.write().after(60)
    assert collecting.sent == {}
    assert list(collecting.stores[0].held[NODE.bytes, 5, 17]) == [(1, 4), (10, 11)]
    assert [(start, stop, cause) for _, start, stop, cause in collecting.stores[0].names] == [(1, 3, 0)]


def test_records_below_the_demand_of_who_can_be_told_nothing_are_counted(collecting):
    collecting.live(record(severity=5)).live(record(severity=12)).live(record(severity=8))
    assert len(taken(collecting)) == 1
    assert collecting.session.below == 2


def test_a_bad_batch_of_a_sender_without_sync_is_gone(collecting):
    collecting.live(batch(NODE, 5, 9, 1, 10, body=b"\xc1")).write().write()
    assert [(start, stop, cause) for _, start, stop, cause in collecting.stores[0].names] == [
        (1, 10, zre_log_msg.CAUSE_DAMAGED)
    ]


# --- LOG --------------------------------------------------------------------------------------------------------------


def log(collecting, **fields):
    collecting.live(
        Log(**({"level": 3, "node_id": 5521, "time": 1402411893, "data": "Good morning"} | fields)).encode()
    )


def test_log_is_a_record_of_a_run_that_is_made_up(collecting):
    log(collecting, event=3, peer_id=2448)
    log(collecting, level=1)
    log(collecting, level=2)
    log(collecting, level=77, data="")
    found = taken(collecting)
    assert [parcel.key[2] for parcel, _ in found] == [9, 17, 13, 9]
    assert [parcel.sequence for parcel, _ in found] == [1, 1, 1, 2]
    assert [one.ordinal for _, (one,) in found] == [1, 2, 3, 4]
    assert {parcel.key[:2] for parcel, _ in found} == {(found[0][0].key[0], collecting.session.legacy.epoch)}
    one = found[0][1][0]
    assert (one.time_ns, one.text, one.event, one.peer) == (1402411893 * 10**9, "Good morning", 3, None)
    assert one.attributes == {"zlog.legacy.node": 5521, "zlog.legacy.peer": 2448}


def test_the_id_of_one_peer_is_that_peer(collecting):
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    collecting.session.peer(first, "arm", "tcp://10.77.0.2:49152")
    collecting.session.peer(second, "leg", "tcp://10.77.0.3:49152")
    log(collecting, peer_id=id_of(second.hex.upper()))
    ((parcel, (one,)),) = taken(collecting)
    assert (parcel.key[0], parcel.name, parcel.host) == (first.bytes, "arm", "10.77.0.2")
    assert one.peer == second.bytes
    collecting.session.peer_left(first)  # what it sent may still be on its way
    log(collecting)
    assert {parcel.key[0] for parcel, _ in taken(collecting)} == {first.bytes}


def test_an_id_of_two_peers_is_marked_and_nobody_is_chosen(collecting):
    for number in (1, 2):
        collecting.session.peer(uuid.UUID(int=number), "arm", "tcp://10.77.0.2:49152")
    log(collecting)
    ((parcel, (one,)),) = taken(collecting)
    assert parcel.key[0] not in [uuid.UUID(int=number).bytes for number in (1, 2)]
    assert one.attributes["zlog.legacy.collision"] is True
    assert collecting.session.legacy.collisions == 1
    collecting.session.peer_left(uuid.UUID(int=2))
    log(collecting)
    assert taken(collecting)[-1][0].key[0] == uuid.UUID(int=1).bytes


def test_a_peer_that_moves_has_another_id(collecting):
    peer = uuid.UUID(int=1)
    collecting.session.peer(peer, "arm", "tcp://10.77.0.2:49152")
    collecting.session.peer(peer, "arm", "tcp://10.77.0.3:49152")
    log(collecting, node_id=2448)
    log(collecting, node_id=5521)
    assert [parcel.key[0] == peer.bytes for parcel, _ in taken(collecting)] == [True, False]


def test_peers_that_left_are_forgotten_in_the_end(collecting, monkeypatch):
    monkeypatch.setattr(limits, "COLLECTOR_PEERS_LEFT", 3)
    for number in range(1, 10):
        collecting.session.peer(uuid.UUID(int=number), "arm", f"tcp://10.77.0.2:{number}")
        collecting.session.peer_left(uuid.UUID(int=number))
    assert len(collecting.session.legacy.peers._peers) == 3
    assert len(collecting.session.legacy.peers._ids) == 6


def test_log_cut_within_a_character_is_kept(collecting):
    frame = Log(level=3, time=1, data="ab").encode()[:-1] + b"\xc3"
    collecting.live(frame)
    ((_, (one,)),) = taken(collecting)
    assert one.text == "a�"


def test_log_from_the_far_future_has_the_time_of_its_arrival(collecting):
    log(collecting, time=2**64 - 1)
    ((_, (one,)),) = taken(collecting)
    assert one.time_ns == collecting.wall


def test_log_below_the_demand_is_counted():
    collecting = Collecting(writes=False)
    collecting.demand(17)
    log(collecting)
    log(collecting, level=1)
    assert len(taken(collecting)) == 1
    assert collecting.session.below == 1


# --- anybody ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (b"", "truncated"),
        (b"\xaa\xa1\x01", "signature"),
        (b"\xaa\xa2\x63", "id"),
        (b"\xaa\xa2\x03\x09", "truncated"),
        (zre_log_msg.Ping(clock=1).encode(), "direction"),
        (batch(NODE, 5, 9, 1, 2, count=0), "value"),
        (batch(NODE, 5, 9, 1, 2, count=1025), "value"),
        (batch(NODE, 5, 9, 1, 2, codec=9), "value"),
        (batch(NODE, 5, 9, 1, 2).replace(b"\xaa\xa2\x03\x09", b"\xaa\xa2\x03\x0a", 1), "value"),
    ],
)
def test_bad_live_frames_are_counted_and_told_once(collecting, frame, cause):
    collecting.live(frame).live(frame)
    assert collecting.session.discarded == {cause: 2}
    assert collecting.reports == [cause]


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (zre_log_msg.Welcome(), "direction"),
        (zre_log_msg.Fetch(), "direction"),
        (Log(), "direction"),
        (zre_log_msg.Status(node=NODE), "identity"),
        (zre_log_msg.Gone(node=NODE, severity=9, start=1, stop=2), "run"),
        (b"\xaa\xa2\x0b" + b"\0" * 70_000, "size"),
        (batch(NODE, 5, 9, 1, 2), "run"),
        (b"", "truncated"),
    ],
)
def test_bad_sync_messages_of_a_welcomed_node_are_counted(collecting, message, cause):
    node = collecting.node()
    node.meet()
    node.say(message)
    assert collecting.session.discarded == {cause: 1}
    assert node.identity in collecting.session.links


@pytest.mark.parametrize(
    "fields",
    [
        {"held": b""},
        {"held": b"x"},
        {"held": b"\xff" * 120},
        {"held": b"\0" * 120 * (limits.MAX_RUNS + 1)},
        {"passed": b"x"},
    ],
)
def test_a_malformed_offer_is_discarded(collecting, fields):
    node = collecting.node()
    node.offer(**fields)
    assert node.said == []
    assert not collecting.session.links


def test_runs_of_strangers_have_a_bound(monkeypatch):
    monkeypatch.setattr(limits, "COLLECTOR_STREAMS", 600)
    collecting = Collecting(writes=False)
    for number in range(1, 2000):
        collecting.live(batch(uuid.UUID(int=number), 1, 9, 1, 2))
    assert len(collecting.session.runs) <= 601
    assert collecting.session.discarded["streams"] > 1000


def test_runs_that_ended_make_room_and_are_known_when_they_come_back(monkeypatch):
    monkeypatch.setattr(limits, "COLLECTOR_STREAMS", 600)
    collecting = Collecting()
    for number in range(1, 2000):
        collecting.live(batch(uuid.UUID(int=number), 1, 9, 1, 2))
    assert collecting.session.discarded == {}
    assert len(collecting.session.runs) <= 601
    collecting.live(batch(uuid.UUID(int=1), 1, 9, 1, 5))
    assert list(collecting.stores[0].held[uuid.UUID(int=1).bytes, 1, 9]) == [(1, 5)]
    assert max(collecting.stores[0].times.values()) == 1


def test_an_offer_of_many_runs_costs_nothing_unless_they_are_wanted(collecting):
    node = collecting.node()
    runs = [Held(RunKey(uuid.UUID(int=number), 1), ((1, 9),) * 6) for number in range(100, 1000)]
    node.meet(runs=runs)
    assert len(collecting.session.runs) == 1


def test_any_octets_do_no_harm():
    """Mutated messages of both sides, on both connections, from nodes that are welcome and others."""
    source = random.Random(4)
    collecting = Collecting([FakeStore(), FakeStore(durable=False, keeps=False)])
    nodes = [collecting.node(number) for number in range(1, 4)]
    for node in nodes[:2]:
        node.meet(age=0)
    good = [
        *(node.batch(1, 20) for node in nodes),
        record(),
        Log(data="x").encode(),
        *(cls().encode() for cls in zre_log_msg.MESSAGES.values()),
        *(zre_log_msg.Gone(node=node.uuid, epoch=node.epoch, severity=9, start=1, stop=90).encode() for node in nodes),
        *(zre_log_msg.Status(node=node.uuid, epoch=node.epoch, ranges=b"\x09" + b"\0" * 24).encode() for node in nodes),
    ]
    for _ in range(5_000):
        data = bytearray(source.choice(good))
        for _ in range(source.randrange(4)):
            at = source.randrange(len(data) + 1)
            data[at : at + source.randrange(3)] = source.randbytes(source.randrange(3))
        if source.random() < 0.5:
            collecting.live(bytes(data))
        else:
            collecting.sync(source.choice(nodes).identity, bytes(data))
        if source.random() < 0.05:
            collecting.after(source.random() * 3)


# --- the fuzz target, for a moment ------------------------------------------------------------------------------------


def test_conversations():
    source = random.Random(9)
    assert sum(fuzz_session.one_input(fuzz_session.random_input(source)) for _ in range(1_000)) > 300
    for data in fuzz_session.SEEDS:
        fuzz_session.one_input(data)

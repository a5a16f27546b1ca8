"""RFC 36 as a pure state machine. Every row of what published pyre breaks on that needs no socket is here."""

import uuid

import pytest

from support.zre import Driven, Octets, headers_of
from zlog import limits
from zlog.core.endpoint import host_of
from zlog.wire import zre_msg
from zlog.zre.beacon import Beacon as BeaconOctets
from zlog.zre.causes import CAUSES
from zlog.zre.core import Core, Timing
from zlog.zre.effects import Send


@pytest.fixture
def node():
    return Driven().start()


@pytest.fixture
def peer(node):
    return Octets(node)


@pytest.fixture
def known(peer):
    """A peer that has entered."""
    peer.beacon().hello(groups=["A"], status=1)
    peer.driven.events.clear()
    return peer


# --- meeting ----------------------------------------------------------------------------------------------------------


def test_a_beacon_leads_to_a_connection_and_hello(node, peer):
    node.core.headers["X-A"] = "ä"
    node.core.join("G")
    peer.beacon()
    assert node.links == {peer.uuid: "tcp://127.0.0.1:7002"}
    (hello,) = node.sent[peer.uuid]
    assert (hello.sequence, hello.endpoint, hello.name) == (1, "tcp://127.0.0.1:7000", "own")
    assert (hello.groups, hello.status, hello.headers) == (["G"], 1, {"X-A": "ä"})
    assert node.events == []


def test_hello_makes_the_peer_enter_and_join_its_groups(node, peer):
    peer.beacon().hello(groups=["A", "B"], headers={"X-Ü": "ö"}, name="jörg")
    assert node.kinds() == ["ENTER", "JOIN", "JOIN"]
    assert headers_of(node.events[0]) == {"X-Ü": "ö"}
    assert node.events[0][3] == b"tcp://127.0.0.1:7002"
    assert [event[2] for event in node.events[1:]] == [b"A", b"B"]
    assert [p.name for p in node.core.peers()] == ["jörg"]


def test_hello_alone_is_enough(node, peer):
    peer.hello()
    assert node.kinds() == ["ENTER"]
    assert node.links == {peer.uuid: peer.endpoint}
    assert [m.ID for m in node.sent[peer.uuid]] == [zre_msg.Hello.ID]


def test_hello_is_believed_when_a_beacon_gave_another_port(node, peer):
    peer.beacon(port=9999)
    assert node.links == {peer.uuid: "tcp://127.0.0.1:9999"}
    peer.hello()
    assert node.links == {peer.uuid: peer.endpoint}
    assert node.kinds() == ["ENTER"]
    assert node.events[0][3] == peer.endpoint.encode()


def test_own_beacon_and_own_endpoint_are_ignored(node, peer):
    node.beacon(BeaconOctets(node.core.uuid, 7000).encode())
    peer.hello(endpoint="tcp://127.0.0.1:7000")
    assert node.links == {}
    assert node.events == []


def test_beacons_are_sent_at_once_and_then_at_the_interval(node):
    octets = BeaconOctets(node.core.uuid, 7000).encode()
    assert node.beacons == [octets]
    node.after(3.0)
    assert node.beacons == [octets] * 4


def test_the_interval_is_obeyed():
    node = Driven(Core(uuid.UUID(int=1), timing=Timing(beacon=0.2))).start().after(2.05)
    assert len(node.beacons) == 11


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_port_zero_is_goodbye(node, known):
    known.beacon(port=0)
    assert node.kinds() == ["EXIT"]
    assert node.links == {}


def test_goodbye_of_a_stranger_or_from_elsewhere_does_nothing(node, known):
    Octets(node, number=9).beacon(port=0)
    known.beacon(port=0, source="127.0.0.9")
    assert node.events == []
    assert node.core.counters["goodbye-foreign"] == 1


def test_goodbye_before_hello_is_no_exit(node, peer):
    peer.beacon().beacon(port=0)
    assert node.events == []
    assert node.links == {}


def test_zyres_goodbye_message(node, known):
    known.say(zre_msg.Goodbye())
    assert node.kinds() == ["EXIT"]


def test_silence_leads_to_ping_and_then_to_exit(node, known):
    node.after(7)
    assert zre_msg.Ping.ID in [m.ID for m in node.sent[known.uuid]]
    assert node.events == []
    known.say(zre_msg.PingOk())
    node.after(29)
    assert node.events == []
    node.after(3)
    assert node.kinds() == ["EXIT"]


def test_beacons_keep_a_peer_for_a_minute(node, known):
    for _ in range(55):
        node.after(1)
        known.beacon()
    assert node.events == []


def test_ping_is_answered(node, known):
    known.say(zre_msg.Ping())
    assert node.sent[known.uuid][-1] == zre_msg.PingOk(sequence=2)


def test_a_peer_without_hello_expires_unseen(node, peer):
    peer.beacon()
    node.after(8)
    assert node.links == {}
    assert node.events == []
    assert node.core.table.pending == 0


def test_a_sleep_of_our_own_process_expires_nobody(node, known):
    known.beacon()
    node.now += 3600
    node.take(node.core.tick(node.now))
    node.after(4)
    assert node.events == []
    node.after(40)
    assert node.kinds() == ["EXIT"]


def test_departing_says_goodbye(node, known):
    node.take(node.core.depart())
    assert node.beacons[-1] == BeaconOctets(node.core.uuid, 0).encode()
    assert node.kinds() == ["EXIT"]
    assert node.links == {}
    assert node.core.due == float("inf")


def test_a_hello_that_was_overtaken_by_goodbye_is_no_ghost(node, peer):
    peer.beacon().beacon(port=0).hello()
    assert node.events == []
    node.after(8)
    assert node.events == []
    assert node.links == {}


def test_a_beacon_after_a_late_hello_is_a_sign_of_life(node, peer):
    peer.beacon().beacon(port=0).hello(groups=["A"])
    peer.beacon()
    assert node.kinds() == ["ENTER", "JOIN"]


def test_a_message_after_a_late_hello_is_a_sign_of_life(node, peer):
    peer.beacon().beacon(port=0).hello()
    assert node.sent[peer.uuid][-1].ID == zre_msg.Ping.ID
    peer.say(zre_msg.PingOk()).say(zre_msg.Whisper(content=[b"x"]))
    assert node.kinds() == ["ENTER", "WHISPER"]


def test_flush_asks_those_that_were_sent_something(node, known):
    node.take(node.core.flush())
    assert node.core.unflushed == 1
    assert node.sent[known.uuid][-1] == zre_msg.Ping(sequence=2)
    known.say(zre_msg.PingOk())
    assert node.core.flushed
    assert node.take(node.core.flush()).core.flushed
    node.take(node.core.whisper(known.uuid, [b"x"]))
    assert not node.take(node.core.flush()).core.flushed
    assert node.sent[known.uuid][-1] == zre_msg.Ping(sequence=4)
    known.say(zre_msg.PingOk())
    assert node.core.flushed


def test_an_older_ping_ok_confirms_nothing(node, known):
    node.after(7)
    pings = [m.ID for m in node.sent[known.uuid]].count(zre_msg.Ping.ID)
    node.take(node.core.whisper(known.uuid, [b"x"]))
    node.take(node.core.flush())
    for _ in range(pings):
        known.say(zre_msg.PingOk())
        assert not node.core.flushed
    known.say(zre_msg.PingOk())
    assert node.core.flushed


def test_a_peer_of_beacons_only_is_asked_and_then_met_anew(node, known):
    """Its connection to us may be dead, and nobody would ever know."""
    for _ in range(80):
        node.after(1)
        known.beacon()
    assert zre_msg.Ping.ID in [m.ID for m in node.sent[known.uuid]] or node.kinds() == ["EXIT"]
    assert node.kinds() == ["EXIT"]
    assert [m.ID for m in node.sent[known.uuid]] == [zre_msg.Hello.ID]


def test_a_quiet_peer_that_answers_stays(node, known):
    for _ in range(200):
        node.after(1)
        known.beacon()
        if node.sent[known.uuid][-1].ID == zre_msg.Ping.ID:
            known.say(zre_msg.PingOk())
    assert node.events == []
    assert len(node.sent[known.uuid]) < 10


def test_who_was_not_listened_to_is_not_silent(node, known):
    other = Octets(node, number=3, port=7003)
    other.beacon()
    node.now += 100
    node.core.excuse(100, node.now)
    node.after(1)
    assert node.core.table.pending == 1
    assert node.events == []


def test_flush_waits_for_nobody_who_leaves(node, known):
    node.take(node.core.flush())
    known.beacon(port=0)
    assert node.core.flushed


# --- coming back ------------------------------------------------------------------------------------------------------


def test_hello_again_is_exit_and_enter(node, known):
    known.hello(name="again")
    assert node.kinds() == ["EXIT", "ENTER"]
    assert [m.ID for m in node.sent[known.uuid]] == [zre_msg.Hello.ID]


def test_a_lost_message_ends_the_peer_until_its_next_beacon(node, known):
    known.say(zre_msg.Whisper(content=[b"3"]), sequence=3)
    assert node.kinds() == ["EXIT"]
    known.beacon().hello()
    assert node.kinds() == ["EXIT", "ENTER"]


def test_another_process_at_the_same_place_replaces_the_old_one(node, known):
    Octets(node, number=3, port=known.port).beacon().hello()
    assert [(event[0], event[1].int) for event in node.events] == [("EXIT", 2), ("ENTER", 3)]


def test_a_stranger_at_the_same_place_must_say_hello_first(node, known):
    Octets(node, number=3, port=known.port).beacon()
    assert node.events == []


def test_a_living_peer_is_not_moved_by_a_beacon(node, known):
    known.beacon(port=8000)
    assert node.events == []
    assert node.core.counters["beacon-moved"] == 1


def test_a_silent_peer_is_moved_by_a_beacon(node, known):
    node.after(6)
    known.beacon(port=8000)
    assert node.kinds() == ["EXIT"]
    assert node.links == {known.uuid: "tcp://127.0.0.1:8000"}


def test_a_peer_with_two_addresses_does_not_flap(node, peer):
    peer.hello(endpoint="tcp://10.0.0.9:7002")
    for _ in range(40):
        peer.beacon()
        node.after(1)
        if isinstance(node.sent[peer.uuid][-1], zre_msg.Ping):
            peer.say(zre_msg.PingOk())
    assert node.kinds() == ["ENTER"]


def test_moving_to_another_address_meets_everybody_anew(node, known):
    node.take(node.core.depart())
    assert node.beacons[-1] == BeaconOctets(node.core.uuid, 0).encode()
    node.take(node.core.start("tcp://127.0.0.2:7100", node.now))
    assert node.kinds() == ["EXIT"]
    assert node.beacons[-1] == BeaconOctets(node.core.uuid, 7100).encode()
    known.beacon()
    assert node.sent[known.uuid][0].endpoint == "tcp://127.0.0.2:7100"


def test_a_pending_peer_moves_once_a_second_at_most(node, peer):
    for port in range(100):
        peer.beacon(port=8000 + port)
    assert node.links == {peer.uuid: "tcp://127.0.0.1:8000"}
    node.after(2)
    peer.beacon(port=9000)
    assert node.links == {peer.uuid: "tcp://127.0.0.1:9000"}


# --- groups and messages ----------------------------------------------------------------------------------------------


def test_join_and_leave_of_a_peer(node, known):
    known.say(zre_msg.Join(group="Ü", status=2)).say(zre_msg.Leave(group="Ü", status=3))
    assert [(event[0], event[2].decode()) for event in node.events] == [("JOIN", "Ü"), ("LEAVE", "Ü")]
    assert node.reports == []


def test_join_and_leave_with_an_unexpected_status_carry_on(node, known):
    known.say(zre_msg.Join(group="B", status=77)).say(zre_msg.Leave(group="B", status=5))
    known.say(zre_msg.Join(group="C", status=6))
    assert node.kinds() == ["JOIN", "LEAVE", "JOIN"]
    assert node.core.counters["status"] == 2
    assert node.reports == ["status"]


def test_joining_twice_and_leaving_what_was_not_joined_are_no_events(node, known):
    known.say(zre_msg.Join(group="A", status=2)).say(zre_msg.Leave(group="Z", status=3))
    assert node.events == []


def test_whisper_and_shout(node, known):
    known.say(zre_msg.Whisper(content=[b"x", b"", b"y"])).say(zre_msg.Shout(group="A", content=[b"z"]))
    assert node.events == [
        ("WHISPER", known.uuid, b"x", b"", b"y"),
        ("SHOUT", known.uuid, b"A", b"z"),
    ]


def test_whisper_and_shout_without_content_are_delivered_empty(node, known):
    known.say(zre_msg.Whisper()).say(zre_msg.Shout(group="A"))
    assert [event[2:] for event in node.events] == [(b"",), (b"A", b"")]


def test_own_joins_wrap_at_256(node, known):
    for _ in range(150):
        node.take(node.core.join("G"))
        node.take(node.core.leave("G"))
    assert [m.status for m in node.sent[known.uuid][1:]] == [(i + 1) % 256 for i in range(300)]


def test_join_is_told_once(node, known):
    node.take(node.core.join("G"))
    node.take(node.core.join("G"))
    node.take(node.core.leave("X"))
    assert len(node.sent[known.uuid]) == 2


def test_shout_reaches_the_group_only(node, known):
    other = Octets(node, number=3, port=7003)
    other.beacon().hello()
    node.take(node.core.shout("A", [b"1"]))
    assert node.sent[known.uuid][-1] == zre_msg.Shout(sequence=2, group="A", content=[b"1"])
    assert len(node.sent[other.uuid]) == 1


def test_whisper_to_nobody_is_harmless(node, peer):
    peer.beacon()
    node.take(node.core.whisper(peer.uuid, [b"x"]))
    node.take(node.core.whisper(uuid.UUID(int=99), [b"x"]))
    assert len(node.sent[peer.uuid]) == 1


# --- sequences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modulo", [65_536, 65_535], ids=["Zyre", "pyre"])
def test_sequences_wrap_both_ways(node, known, modulo):
    for number in range(65_700):
        known.say(zre_msg.Whisper(content=[b"%d" % number]), modulo=modulo)
    assert len(node.events) == 65_700
    assert node.core.counters["sequence"] == 0


def test_our_sequence_wraps_at_65536(node, known):
    for _ in range(65_700):
        node.take(node.core.whisper(known.uuid, [b"x"]))
    sequences = [m.sequence for m in node.sent[known.uuid]]
    assert sequences[65_533:65_538] == [65_534, 65_535, 0, 1, 2]


def test_a_failed_whisper_leaves_no_gap(node, known):
    (effect,) = node.core.whisper(known.uuid, [b"lost"])
    node.take(node.core.send_failed(effect, node.now))
    node.take(node.core.whisper(known.uuid, [b"kept"]))
    assert [m.sequence for m in node.sent[known.uuid]] == [1, 2]
    assert node.core.counters["peer-queue"] == 1


def test_a_failed_join_meets_the_peer_anew(node, known):
    (effect,) = node.core.join("G")
    assert isinstance(effect, Send)
    node.take(node.core.send_failed(effect, node.now))
    (hello,) = node.sent[known.uuid]
    assert (hello.sequence, hello.groups) == (1, ["G"])


# --- hostile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [0, 3, 21, 23, 54, 255])
def test_beacons_of_any_length(node, known, octets):
    node.beacon((b"ZRE\x03" + bytes(300))[:octets])
    assert sum(node.core.counters.values()) == 1
    assert node.events == []


@pytest.mark.parametrize(
    "command",
    [
        b"",
        b"\xaa",
        b"\xaa\xa1",
        b"\xaa\xa1\x01",
        b"\xaa\xa2\x01\x02\x00\x01",
        bytes.fromhex("aaa10102"),
        bytes.fromhex("aaa101020001"),
        zre_msg.Hello(sequence=1, endpoint="tcp://127.0.0.1:7002", name="x").encode()[:-3],
        bytes.fromhex("aaa101020001 00 ffffffff"),  # four billion groups
        bytes.fromhex("aaa101020001 00 00000000 00 01ff 00000000"),  # a name that is no UTF-8
        bytes.fromhex("aaa101010001 00 00000000 00 00 00000000"),  # version 1
        bytes.fromhex("aaa163020001"),
    ],
    ids=lambda command: command.hex()[:24] or "empty",
)
def test_malformed_messages_are_discarded(node, known, command):
    known.raw(command)
    assert node.core.counters["malformed"] == 1
    assert node.reports == ["malformed"]
    known.raw(command)
    assert node.reports == ["malformed"]
    assert node.events == []


@pytest.mark.parametrize(
    "frames", [[], [b""], [b"\x01" + bytes(16)], [b"", b""], [b"\x01" + bytes(15), b""], [b"\x02" + bytes(16), b"x"]]
)
def test_messages_without_identity_are_discarded(node, frames):
    node.frames(*frames)
    assert node.core.counters["identity"] == 1


def test_what_a_replaced_connection_left_is_no_stranger(node, peer):
    """A ROUTER gives another identity to a connection whose identity a newer one has taken over (ROUTER_HANDOVER)."""
    hello = zre_msg.Hello(sequence=1, endpoint="tcp://127.0.0.1:5555").encode()
    node.frames(b"\x00\x6b\x8b\x45\x67", hello)
    assert node.core.counters == {"replaced": 1}
    assert node.events == []
    node.frames(b"\x00\x6b\x8b\x45\x67", b"no ZRE")
    assert node.core.counters == {"replaced": 1, "identity": 1}


@pytest.mark.parametrize(
    "endpoint",
    ["", "foo", "tcp://", "tcp://*:5555", "tcp://0.0.0.0:1", "tcp://host:1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:70000",
     "tcp://127.0.0.1:\uff11", "tcp://127.0.0.1", "ipc:///tmp/x", "inproc://x", "udp://127.0.0.1:1", "tcp://[::]:1",
     "tcp://224.0.0.1:1", "tcp://127.0.0.1:1;127.0.0.1:2", "tcp://eth0;127.0.0.1:1"],
)  # fmt: skip
def test_hello_with_a_bad_endpoint_is_ignored(node, peer, endpoint):
    peer.hello(endpoint=endpoint)
    assert node.links == {}
    assert node.core.counters["hello-endpoint"] == 1


@pytest.mark.parametrize(
    ("endpoint", "host"), [("tcp://10.1.2.3:1", "10.1.2.3"), ("tcp://[fe80::1]:65535", "[fe80::1]")]
)
def test_good_endpoints(endpoint, host):
    assert host_of(endpoint) == host


def test_hello_out_of_sequence_is_ignored(node, peer):
    peer.beacon().say(zre_msg.Hello(endpoint=peer.endpoint), sequence=7)
    assert node.events == []
    assert node.core.counters["hello-sequence"] == 1


def test_messages_before_hello_are_ignored(node, peer):
    peer.say(zre_msg.Whisper(content=[b"x"])).beacon().say(zre_msg.Join(group="A"))
    assert node.events == []
    assert node.core.counters["not-ready"] == 2


def test_a_malformed_message_with_a_sequence_costs_no_other(node, known):
    known.say(zre_msg.Whisper(content=[b"1"]))
    known.raw(bytes.fromhex("aaa104020003ff"))  # JOIN, sequence 3, truncated
    known.sequence = 3
    known.say(zre_msg.Whisper(content=[b"2"]))
    assert node.kinds() == ["WHISPER", "WHISPER"]


def test_elect_and_leader_of_newer_zyre_count(node, known):
    known.say(zre_msg.Elect(group="A")).say(zre_msg.Leader(group="A")).say(zre_msg.Whisper(content=[b"x"]))
    assert node.kinds() == ["WHISPER"]


def test_an_unknown_command_counts_too(node, known):
    known.raw(bytes.fromhex("aaa1c8020002"))
    known.sequence = 2
    known.say(zre_msg.Whisper(content=[b"x"]))
    assert node.kinds() == ["WHISPER"]


def test_a_huge_command_is_discarded(node, known):
    known.raw(bytes(limits.ZRE_MAX_COMMAND_BYTES + 1))
    assert node.core.counters["oversized"] == 1


def test_groups_and_headers_are_bounded(node, peer):
    groups = [str(i) for i in range(limits.ZRE_MAX_GROUPS + 5)]
    peer.hello(groups=groups, headers={str(i): "" for i in range(limits.ZRE_MAX_HEADERS + 5)})
    (it,) = node.core.peers()
    assert len(it.groups) == limits.ZRE_MAX_GROUPS
    assert len(it.headers) == limits.ZRE_MAX_HEADERS
    peer.say(zre_msg.Join(group="one more", status=1))
    assert len(it.groups) == limits.ZRE_MAX_GROUPS


def test_a_storm_of_forged_beacons_is_bounded_and_a_real_peer_still_enters(node):
    for number in range(10_000):
        Octets(node, number=1000 + number, port=1 + number).beacon()
    assert node.core.table.pending == limits.ZRE_PROBATION_PENDING
    real = Octets(node, number=2)
    real.beacon()
    assert real.uuid not in node.links
    for number in range(3_000):
        Octets(node, number=50_000 + number, port=1 + number).beacon()
    real.beacon()
    real.hello()
    assert node.kinds() == ["ENTER"]


def test_a_storm_of_repeated_forged_beacons_is_bounded(node):
    for _ in range(2):
        for number in range(limits.ZRE_MAX_CANDIDATES):
            Octets(node, number=1000 + number, port=1 + number).beacon()
    assert node.core.table.pending == limits.ZRE_MAX_PENDING
    assert node.reports == ["pending-full"]
    node.after(7)
    Octets(node, number=2).beacon().hello()
    assert node.kinds() == ["ENTER"]


def test_a_storm_of_hellos_is_bounded(node):
    for number in range(limits.ZRE_MAX_PEERS + 10):
        Octets(node, number=1000 + number, port=1 + number).hello()
    assert len(list(node.core.peers())) == limits.ZRE_MAX_PEERS
    assert node.core.counters["peers-full"] == 10


def test_a_failed_connection_is_no_exit_and_is_tried_again(node, peer):
    peer.beacon()
    node.take(node.core.connect_failed(peer.uuid, node.now, "nope"))
    assert node.events == []
    peer.beacon().hello()
    assert node.kinds() == ["ENTER"]


def test_no_descriptors_means_no_connection_for_a_while(node, peer):
    peer.beacon()
    node.take(node.core.connect_failed(peer.uuid, node.now, "too many files", exhausted=True))
    peer.beacon()
    assert node.links == {}
    node.after(3)
    peer.beacon()
    assert peer.uuid in node.links


def test_every_cause_is_explained(node):
    assert set(node.core.counters) <= set(CAUSES)

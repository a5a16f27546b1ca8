"""Which collectors a node links to (protocol, chapter 4)."""

import hashlib
import uuid

import pytest

from zlog import limits
from zlog.core.discovery import COLLECTORS, HEADER, POOL, PROTO, SYNC, Close, Discovery, Greet, Open
from zlog.wire.zre_log_msg import REFUSED_BUSY, REFUSED_LOOP, REFUSED_POOL

SECOND = 1_000_000_000
NODE = uuid.UUID(int=1)
A, B, C = (uuid.UUID(int=number) for number in (10, 11, 12))
ZRE = "tcp://10.0.0.7:49152"
LIVE, SYNC_AT = "tcp://10.0.0.7:5001", "tcp://10.0.0.7:5002"


def headers(**more: str) -> dict[str, str]:
    return {HEADER: LIVE, PROTO: "2", SYNC: SYNC_AT} | {
        {"pool": POOL, "live": HEADER, "sync": SYNC, "proto": PROTO}[key]: value for key, value in more.items()
    }


@pytest.fixture
def discarded() -> list[str]:
    return []


@pytest.fixture
def found(discarded: list[str]) -> Discovery:
    return Discovery(NODE, 0, on_discard=lambda cause, what: discarded.append(cause))


def keys(effects: list) -> list[tuple[str, str]]:
    return [(type(each).__name__, each.target.key if isinstance(each, Open) else each.key) for each in effects]


def test_a_collector_is_linked_when_it_has_joined(found: Discovery) -> None:
    assert found.enter(A, "a", headers(), ZRE, 0) == []
    (opened,) = found.join(A, COLLECTORS)
    assert opened.target == (A.hex, A, "a", 2, LIVE, SYNC_AT, True)
    assert found.join(A, COLLECTORS) == []
    assert found.join(A, "CHAT") == []


def test_an_advert_after_the_join_does_it_as_well(found: Discovery) -> None:
    found.enter(A, "a", {"X-OTHER": "1"}, ZRE, 0)
    assert found.join(A, COLLECTORS) == []
    assert keys(found.advert(A, headers())) == [("Open", A.hex)]


def test_leave_ends_in_order_and_exit_at_once(found: Discovery) -> None:
    found.enter(A, "a", headers(), ZRE, 0)
    found.join(A, COLLECTORS)
    assert found.leave(A, COLLECTORS) == [Close(A.hex, orderly=True)]
    assert keys(found.join(A, COLLECTORS)) == [("Open", A.hex)]
    assert found.exit(A) == [Close(A.hex, orderly=False)]
    assert found.exit(A) == []


def test_an_advert_with_another_address_moves_the_link(found: Discovery) -> None:
    found.enter(A, "a", headers(), ZRE, 0)
    found.join(A, COLLECTORS)
    assert found.advert(A, headers()) == []
    effects = found.advert(A, headers(live="tcp://10.0.0.7:6001"))
    assert keys(effects) == [("Close", A.hex), ("Open", A.hex)]
    assert keys(found.advert(A, {})) == [("Close", A.hex)]


def test_a_legacy_collector_needs_no_group(found: Discovery) -> None:
    (opened,) = found.enter(A, "old", {HEADER: LIVE, SYNC: SYNC_AT}, ZRE, 3 * SECOND)
    assert (opened.target.version, opened.target.sync, opened.target.early) == (1, None, False)


@pytest.mark.parametrize(
    ("proto", "version"), [("", 1), ("x", 1), ("1", 1), ("2", 2), ("3", 2), ("²", 1), ("9" * 99, 1)]
)
def test_versions(found: Discovery, proto: str, version: int) -> None:
    found.enter(A, "a", headers(proto=proto), ZRE, 0)
    found.join(A, COLLECTORS)
    assert [target.version for target in found.targets()] == [version]


@pytest.mark.parametrize(
    ("live", "cause"),
    [
        ("tcp://*:5555", "endpoint"),
        ("tcp://0.0.0.0:5555", "endpoint"),
        ("tcp://example.org:5555", "endpoint"),
        ("foo", "endpoint"),
        ("tcp://10.0.0.8:5555", "foreign"),
    ],
)
def test_endpoints_that_are_not_used(found: Discovery, discarded: list[str], live: str, cause: str) -> None:
    found.enter(A, "a", headers(live=live), ZRE, 0)
    assert found.join(A, COLLECTORS) == []
    assert set(discarded) == {cause}


def test_no_header_is_no_collector_and_no_complaint(found: Discovery, discarded: list[str]) -> None:
    found.enter(A, "a", {}, ZRE, 0)
    assert found.join(A, COLLECTORS) == []
    assert discarded == []


def test_a_host_can_be_allowed() -> None:
    found = Discovery(NODE, 0, allowed=["10.0.0.8"])
    found.enter(A, "a", headers(live="tcp://10.0.0.8:5555", sync="tcp://10.0.0.7:1"), ZRE, 0)
    assert keys(found.join(A, COLLECTORS)) == [("Open", A.hex)]


def test_a_pool_shares_the_nodes_and_takes_over(found: Discovery) -> None:
    for member in (A, B, C):
        found.enter(member, "m", headers(pool="p"), ZRE, 0)
        found.join(member, COLLECTORS)
    ranked = sorted((A, B, C), key=lambda member: hashlib.sha256(NODE.bytes + member.bytes).digest(), reverse=True)
    assert [target.collector for target in found.targets()] == ranked[:1]
    effects = found.exit(ranked[0])
    assert keys(effects) == [("Open", ranked[1].hex), ("Close", ranked[0].hex)]  # the new one first
    assert keys(found.leave(ranked[2], COLLECTORS)) == []


def test_pools_share_evenly() -> None:
    chosen = []
    for number in range(200):
        found = Discovery(uuid.UUID(int=number), 0)
        for member in (A, B):
            found.enter(member, "m", headers(pool="p"), ZRE, 0)
            found.join(member, COLLECTORS)
        chosen += [target.collector for target in found.targets()]
    assert 60 < chosen.count(A) < 140
    assert len(chosen) == 200


def test_a_busy_collector_is_asked_again_later_and_later(found: Discovery) -> None:
    found.enter(A, "a", headers(), ZRE, 0)
    found.join(A, COLLECTORS)
    now = 0
    for wait in (1, 2, 4, 8, 16, 32, 60, 60):
        assert keys(found.refused(A.hex, REFUSED_BUSY, now)) == [("Close", A.hex)]
        assert found.due() == now + wait * SECOND
        assert found.tick(now + wait * SECOND - 1) == []
        now += wait * SECOND
        assert keys(found.tick(now)) == [("Open", A.hex)]
    found.welcome(A.hex, A)
    found.refused(A.hex, REFUSED_BUSY, now)
    assert found.due() == now + SECOND


def test_other_refusals_wait_a_minute_or_for_other_headers(found: Discovery) -> None:
    found.enter(A, "a", headers(), ZRE, 0)
    found.join(A, COLLECTORS)
    found.refused(A.hex, REFUSED_LOOP, 0)
    assert found.due() == 60 * SECOND
    assert keys(found.advert(A, headers())) == [("Open", A.hex)]
    assert found.due() is None
    assert found.refused("who", REFUSED_LOOP, 0) == []


def test_a_refusal_of_a_pool_ends_when_its_members_change(found: Discovery) -> None:
    found.enter(A, "a", headers(pool="p"), ZRE, 0)
    found.join(A, COLLECTORS)
    found.refused(A.hex, REFUSED_POOL, 0)
    assert found.targets() == []
    found.enter(B, "b", {}, ZRE, 0)
    assert keys(found.join(B, COLLECTORS)) == [("Open", A.hex)]


def test_static_collectors_are_linked_at_once() -> None:
    found = Discovery(NODE, 0, addresses=["tcp://host:1", "tcp://host:2", "tcp://host:1"])
    assert keys(found.local({})) == [("Open", "tcp://host:1"), ("Open", "tcp://host:2")]
    assert all(target.sync == target.key and target.live is None for target in found.targets())


def test_of_two_ways_to_one_collector_one_is_used() -> None:
    """Found by ZRE and by its address, as a laptop with ZLOG_COLLECTORS in its profile finds it at home."""
    found = Discovery(NODE, 0, addresses=["tcp://host:1"])
    found.local({})
    found.welcome("tcp://host:1", A)
    found.enter(A, "a", headers(), ZRE, 0)
    assert keys(found.join(A, COLLECTORS)) == [("Open", A.hex)]
    effects = found.welcome(A.hex, A)
    assert keys(effects) == [("Close", "tcp://host:1"), ("Greet", A.hex)]
    assert keys(found.exit(A)) == [("Open", "tcp://host:1"), ("Close", A.hex)]


def test_the_other_way_round() -> None:
    found = Discovery(NODE, 0, addresses=["tcp://host:1"])
    found.enter(A, "a", headers(), ZRE, 0)
    found.join(A, COLLECTORS)
    found.welcome(A.hex, A)
    effects = found.welcome("tcp://host:1", A)
    assert keys(effects) == [("Close", "tcp://host:1"), ("Greet", A.hex)]


def test_two_addresses_of_one_collector() -> None:
    found = Discovery(NODE, 0, addresses=["tcp://host:1", "tcp://host:2"])
    found.local({})
    found.welcome("tcp://host:1", A)
    assert keys(found.welcome("tcp://host:2", A)) == [("Close", "tcp://host:1"), ("Greet", "tcp://host:2")]
    assert found.welcome("tcp://host:2", A) == []


def test_a_collector_on_the_same_node() -> None:
    found = Discovery(NODE, 0)
    effects = found.local({NODE: ("here", headers(live="tcp://127.0.0.1:1", sync="tcp://127.0.0.1:2"))})
    assert keys(effects) == [("Open", NODE.hex)]
    assert keys(found.local({})) == [("Close", NODE.hex)]


def test_links_are_bounded(found: Discovery, discarded: list[str]) -> None:
    for number in range(limits.MAX_LINKS + 5):
        found.enter(uuid.UUID(int=1000 + number), "x", {HEADER: LIVE}, ZRE, 0)
    assert len(found.targets()) == limits.MAX_LINKS
    assert set(discarded) == {"links"}


def test_peers_that_nobody_has_met_change_nothing(found: Discovery) -> None:
    assert found.join(A, COLLECTORS) == []
    assert found.leave(A, COLLECTORS) == []
    assert found.advert(A, headers()) == []
    assert not [each for each in found.tick(0) if isinstance(each, Greet)]

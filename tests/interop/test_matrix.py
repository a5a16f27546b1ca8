"""What two peers must tell each other, for each other implementation, in both directions."""

from __future__ import annotations

import pytest

from interop.driver import Peer, meet

BINARY = bytes(range(256))


def both_ways(us: Peer, them: Peer) -> tuple[tuple[Peer, Peer], tuple[Peer, Peer]]:
    return (us, them), (them, us)


def contents(sender: Peer, receiver: Peer) -> list[list[bytes]]:
    """Contents of messages that these two can exchange."""
    cases = [[BINARY], [b""], ["Früh ☕".encode()], [b"z" * 1_000_000]]
    if sender.kind.multi_frame and receiver.kind.multi_frame:
        cases += [[b"one", b"", b"three"]]
    return cases


@pytest.mark.parametrize("first", ["we first", "they first"])
def test_enter_tells_name_headers_address_and_groups(us: Peer, them: Peer, first: str) -> None:
    for peer in (us, them) if first == "we first" else (them, us):
        if peer.kind.non_ascii:
            peer.start("Früh ☕ 早い", {"X-ÄÖ": "größer ≥ 日本語", "X-LONG": "é" * 300}, ["BEFORE", "ÄÖÜ"])
        else:
            peer.start("Peer 1", {"X-ONE": "1", "X-EMPTY": "", "X-LONG": "x" * 300}, ["BEFORE", "ALSO"])
    for here, there in both_ways(us, them):
        entry = here.expect_entry(there)
        assert entry["headers"] == there.headers
        if "address" in entry:
            assert entry["address"].startswith(f"tcp://{there.host.ip}:")
        for group in there.groups:
            here.expect("JOIN", peer=there.uuid, name=there.name, group=group)


def test_join_and_leave(us: Peer, them: Peer) -> None:
    us.start("us")
    them.start("them")
    meet(us, them)
    for here, there in both_ways(us, them):
        for group in ("ONE", "TWO"):
            there.join(group)
            here.expect("JOIN", peer=there.uuid, name=there.name, group=group)
        there.leave("ONE")
        here.expect("LEAVE", peer=there.uuid, name=there.name, group="ONE")
        there.join("ONE")
        here.expect("JOIN", peer=there.uuid, name=there.name, group="ONE")


def test_whisper(us: Peer, them: Peer) -> None:
    us.start("us")
    them.start("them")
    meet(us, them)
    for here, there in both_ways(us, them):
        for frames in contents(there, here):
            there.whisper(here, *frames)
            event = here.expect("WHISPER", peer=there.uuid, name=there.name)
            assert event["frames"] == [frame.hex() for frame in frames]


def test_shout_reaches_members_only(us: Peer, them: Peer) -> None:
    us.start("us", groups=["TEAM"])
    them.start("them")
    meet(us, them)
    us.expect_nothing_of("JOIN")
    them.expect("JOIN", peer=us.uuid, group="TEAM")
    them.join("TEAM")
    us.expect("JOIN", peer=them.uuid, group="TEAM")
    for here, there in both_ways(us, them):
        for frames in contents(there, here):
            there.shout("TEAM", *frames)
            event = here.expect("SHOUT", peer=there.uuid, name=there.name, group="TEAM")
            assert event["frames"] == [frame.hex() for frame in frames]
    for here, there in both_ways(us, them):
        here.leave("TEAM")
        there.expect("LEAVE", peer=here.uuid, group="TEAM")
        there.shout("TEAM", b"not for you")
        there.whisper(here, b"for you")  # on the same connection: what came before it has come
        here.expect("WHISPER", frames=[b"for you".hex()])
        here.expect_nothing_of("SHOUT")


@pytest.mark.parametrize("leaver", ["we stop", "they stop"])
def test_stop_is_told_at_once(us: Peer, them: Peer, leaver: str) -> None:
    us.start("us")
    them.start("them")
    meet(us, them)
    stays, goes = (them, us) if leaver == "we stop" else (us, them)
    goes.stop()
    stays.expect("EXIT", timeout_s=2.5, peer=goes.uuid, name=goes.name)


def test_last_words_are_heard(us: Peer, them: Peer) -> None:
    us.start("us", groups=["TEAM"])
    them.start("them", groups=["TEAM"])
    meet(us, them)
    us.expect("JOIN", peer=them.uuid)
    for number in range(100):
        us.shout("TEAM", b"%d" % number)
    us.join("LAST")
    us.stop()
    for number in range(100):
        assert them.expect("SHOUT", peer=us.uuid)["frames"] == [(b"%d" % number).hex()]
    them.expect("JOIN", peer=us.uuid, group="LAST")
    them.expect("EXIT", peer=us.uuid)


@pytest.mark.parametrize("victim", ["we die", "they die"])
def test_a_dead_peer_expires_and_its_successor_enters(us: Peer, them: Peer, victim: str) -> None:
    us.start("us", quick_expiry=True)
    them.start("them", quick_expiry=True)
    meet(us, them)
    stays, dies = (them, us) if victim == "we die" else (us, them)
    dies.kill()
    stays.expect("EXIT", peer=dies.uuid, name=dies.name)
    successor = Peer(dies.kind, dies.host).start("successor")
    meet(stays, successor)
    assert successor.uuid != dies.uuid


def test_a_peer_comes_back_after_a_stop(us: Peer, them: Peer) -> None:
    us.start("us")
    them.start("them")
    meet(us, them)
    them.stop()
    us.expect("EXIT", peer=them.uuid)
    again = Peer(them.kind, them.host).start("again", {"X-LIFE": "2"}, ["TEAM"])
    meet(us, again)
    us.expect("JOIN", peer=again.uuid, group="TEAM")
    again.whisper(us, b"back")
    us.expect("WHISPER", peer=again.uuid, name="again")


@pytest.mark.parametrize("kind", ["zyre.js"], indirect=True)  # the one that can start a node again
def test_a_uuid_comes_back(us: Peer, them: Peer) -> None:
    us.start("us")
    them.start("them")
    meet(us, them)
    while not them.restart():
        us.expect("EXIT", peer=them.uuid)
        them = Peer(them.kind, them.host).start("them")
        meet(us, them)
    us.expect("EXIT", peer=them.uuid)
    us.expect("ENTER", peer=them.uuid)
    them.expect("ENTER", peer=us.uuid)
    them.whisper(us, b"again")
    us.expect("WHISPER", peer=them.uuid)
    us.whisper(them, b"welcome")
    them.expect("WHISPER", peer=us.uuid)

"""65,700 messages each way: past the end of the 16-bit sequence numbers.

RFC 36 wraps from 65,535 to 0, as we, Zyre in C and Go do; pyre and zyre.js go from 65,534 to 0. Nothing in the
protocol says what a peer does. What they send we take in both cases. What we send to those, they take for a loss at the
65,535th message, drop us, and meet us again.
"""

from __future__ import annotations

from interop.driver import Peer, meet

COUNT = 65_700


def test_nothing_is_lost_from_them(us: Peer, them: Peer) -> None:
    us.start("us")
    them.start("them")
    meet(us, them)
    them.flood(us, COUNT)
    them.join("AFTER")
    us.expect("JOIN", peer=them.uuid, group="AFTER")
    us.expect_nothing_of("EXIT")


def test_from_us(us: Peer, them: Peer) -> None:
    us.start("us")
    them.start("them")
    meet(us, them)
    if them.kind.wraps_at == us.kind.wraps_at:
        us.flood(them, COUNT)
        us.join("AFTER")
        them.expect("JOIN", peer=us.uuid, group="AFTER")
        them.expect_nothing_of("EXIT")
    else:
        us.flood(them, them.kind.wraps_at - 2)  # HELLO was the first
        us.whisper(them, b"lost")
        them.expect("EXIT", peer=us.uuid)
        them.expect("ENTER", peer=us.uuid)
        us.expect("EXIT", peer=them.uuid)
        us.expect("ENTER", peer=them.uuid)
        us.whisper(them, b"found")
        assert them.expect("WHISPER", peer=us.uuid)["frames"] == [b"found".hex()]

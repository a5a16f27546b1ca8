"""What a node knows of one peer: its place, its state, its sequences. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

PYRE_WRAP = 65_535
"""Published pyre counts modulo 65,535: its 0 comes where 65,535 is due. Everybody else counts modulo 65,536."""


@dataclass(slots=True, eq=False)
class Peer:
    """One peer, from its first beacon or HELLO until it leaves or expires.

    Attributes:
        uuid: its identity.
        endpoint: where its mailbox is: ``tcp://host:port``.
        host: the address it is known by: the source of its beacons, else the host in the endpoint.
        place: the endpoint by its beacons, which may differ from the one in its HELLO on a host with several
            addresses; empty before the first beacon.
        since: when it was connected to, in seconds of the node's clock.
        heard: when it last gave a sign of life, in the same clock.
        ready: it has said HELLO; only then the application knows of it.
        name, headers, groups, status: as it told.
        sent: sequence of the last message to it. ``want`` is the one of the last message from it.
        owed: something was sent to it after its last PING-OK, so nobody knows whether it arrived.
        beacon: its beacon, as it came, for a quick comparison; empty before the first one.
        greeted_again: when it said HELLO once more and we greeted it anew, so that one soon after is its answer; in
            the same clock.
    """

    uuid: UUID
    endpoint: str
    host: str
    since: float
    heard: float
    ready: bool = False
    name: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)
    status: int = 0
    sent: int = 0
    want: int = 0
    owed: bool = False
    beacon: bytes = b""
    place: str = ""
    greeted_again: float = float("-inf")

    def next_sequence(self) -> int:
        """Count one message to the peer and return its sequence."""
        self.sent = (self.sent + 1) % 65_536
        return self.sent

    def take_back(self) -> None:
        """Undo `next_sequence` for a message that never left."""
        self.sent = (self.sent - 1) % 65_536

    def expects(self, sequence: int) -> bool:
        """Count one message from the peer, if its sequence is the one that is due."""
        due = (self.want + 1) % 65_536
        if sequence == due or (due == PYRE_WRAP and sequence == 0):
            self.want = sequence
            return True
        return False

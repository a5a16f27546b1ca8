"""What a node knows of one peer, and the table of all of them. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from zlog import limits
from zlog.wire.zre_msg import Hello

PYRE_WRAP = 65_535
"""Published pyre counts modulo 65,535: its 0 comes where 65,535 is due. Everybody else counts modulo 65,536."""

_NEVER = float("-inf")


@dataclass(slots=True, eq=False)
class Peer:
    """One peer, from its first beacon or HELLO until it leaves or expires. Times are the node's clock's, in seconds.

    Attributes:
        uuid: its identity.
        endpoint: where its mailbox is: ``tcp://host:port``.
        host: the address it is known by: the source of its beacons, else the host in the endpoint.
        since: when it was connected to.
        heard: its last sign of life, a beacon or a message.
        spoke: its last message. Beacons alone don't show that its connection to us works.
        ready: it has said HELLO; only then the application knows of it.
        name, headers, groups, status: as it told.
        sent: sequence of the last message to it. ``want`` is the one of the last message from it.
        owed: something was sent to it after its last PING. ``pings`` and ``pongs`` count those PINGs and the answers.
        late: its HELLO, if it came so soon after its goodbye that it may be from before; a sign of life makes it count.
        greeted_again: when it said HELLO once more and we greeted it anew, so that one soon after is its answer.
        beacon: its beacon, as it came, for a quick comparison; empty before the first one.
        place: the endpoint by its beacons, which may differ from the one in its HELLO on a host with several
            addresses; empty before the first beacon.
    """

    uuid: UUID
    endpoint: str
    host: str
    since: float
    heard: float
    spoke: float
    ready: bool = False
    name: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)
    status: int = 0
    sent: int = 0
    want: int = 0
    owed: bool = False
    pings: int = 0
    pongs: int = 0
    late: Hello | None = None
    greeted_again: float = _NEVER
    beacon: bytes = b""
    place: str = ""

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

    def excuse(self, seconds: float, now: float) -> None:
        """This node didn't listen for so long: the peer's silence in that time means nothing."""
        self.since = min(now, self.since + seconds)
        self.heard = min(now, self.heard + seconds)
        self.spoke = min(now, self.spoke + seconds)


class Peers:
    """All peers of a node, and what it remembers of strangers; each table has its bound in `zlog.limits`.

    Attributes:
        pending: how many of them have not said HELLO.
        by_beacon: those that sent a beacon, by its octets.
        by_endpoint: those that said HELLO, by their endpoint.
    """

    def __init__(self) -> None:
        self.pending = 0
        self.by_beacon: dict[bytes, Peer] = {}
        self.by_endpoint: dict[str, Peer] = {}
        self._all: dict[UUID, Peer] = {}
        self._candidates: OrderedDict[tuple[bytes, str], None] = OrderedDict()
        self._gone: OrderedDict[UUID, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._all.values()))

    def get(self, uuid: UUID) -> Peer | None:
        """The peer of that UUID."""
        return self._all.get(uuid)

    def ready(self) -> Iterator[Peer]:
        """Those that have said HELLO."""
        return (peer for peer in list(self._all.values()) if peer.ready)

    @property
    def full(self) -> bool:
        """Whether there is room for no other one."""
        return len(self._all) >= limits.ZRE_MAX_PEERS

    def add(self, peer: Peer) -> None:
        """Take in a new one, which has not said HELLO."""
        self._all[peer.uuid] = peer
        self.pending += 1

    def greeted(self, peer: Peer) -> None:
        """It has said HELLO."""
        peer.ready = True
        self.pending -= 1
        self.by_endpoint[peer.endpoint] = peer

    def forget_greeting(self, peer: Peer) -> None:
        """It is as if it had not said HELLO."""
        peer.ready = False
        peer.groups = {}
        self.pending += 1
        self.by_endpoint.pop(peer.endpoint, None)

    def shown_by(self, peer: Peer, beacon: bytes) -> None:
        """It has sent this beacon; empty for none."""
        self.by_beacon.pop(peer.beacon, None)
        peer.beacon = beacon
        if beacon:
            self.by_beacon[beacon] = peer

    def remove(self, peer: Peer) -> None:
        """It is no peer any more."""
        del self._all[peer.uuid]
        self.by_beacon.pop(peer.beacon, None)
        if peer.ready:
            self.by_endpoint.pop(peer.endpoint, None)
        else:
            self.pending -= 1

    # --- strangers ----------------------------------------------------------------------------------------------------

    def refuses(self, beacon: bytes, source: str) -> str | None:
        """Why a stranger's beacon is no reason to connect: a cause, empty when it only has to come again, or None."""
        if self.full:
            return "peers-full"
        if self.pending < limits.ZRE_PROBATION_PENDING:
            return None
        candidate = (beacon, source)
        if candidate not in self._candidates:
            self._candidates[candidate] = None
            if len(self._candidates) > limits.ZRE_MAX_CANDIDATES:
                self._candidates.popitem(last=False)
            return ""
        if self.pending >= limits.ZRE_MAX_PENDING:
            return "pending-full"
        del self._candidates[candidate]
        return None

    def left(self, uuid: UUID, now: float) -> None:
        """Somebody said goodbye by a beacon."""
        self._gone[uuid] = now
        if len(self._gone) > limits.ZRE_MAX_PENDING:
            self._gone.popitem(last=False)

    def came_back(self, uuid: UUID) -> None:
        """Somebody sends beacons again."""
        self._gone.pop(uuid, None)

    @property
    def remembered(self) -> tuple[int, int]:
        """How many beacons of strangers, and how many goodbyes, it remembers."""
        return len(self._candidates), len(self._gone)

    def left_at(self, uuid: UUID) -> float:
        """When somebody said goodbye; minus infinity if it didn't."""
        return self._gone.get(uuid, _NEVER)

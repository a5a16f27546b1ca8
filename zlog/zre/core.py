"""The ZRE node (RFC 36) as a pure state machine: bytes and the time in, effects out.

It imports no socket, thread or clock. `zlog.zre.engine` drives it: it hands in beacons, frames and the time, and
carries out the effects in their order. Neither `beacon` nor `frames` ever raises: what a peer sends and this node
can't use is discarded and counted in `Core.counters`, by a cause of `CAUSES`, and the first of a cause is reported.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from zlog import limits
from zlog.wire import zre_msg
from zlog.wire.runtime import DecodeError
from zlog.zre import beacon as beacons
from zlog.zre.peer import Peer

CAUSES: Final = {
    "beacon-foreign": "a datagram that is no ZRE beacon",
    "beacon-length": "a ZRE beacon of a wrong length",
    "beacon-version": "a ZRE beacon of an unknown version",
    "beacon-curve": "a CURVE beacon (version 3): this node has no keys, the peer will not be found",
    "beacon-moved": "a beacon that gives a living peer another address",
    "goodbye-foreign": "a goodbye beacon from another address than the peer's",
    "peers-full": "a peer beyond the limit of peers or of this process's descriptors",
    "pending-full": "a peer beyond the limit of peers that have not said HELLO",
    "identity": "a message without a ZRE identity",
    "malformed": "a malformed message",
    "oversized": "a command beyond the limit of octets",
    "hello-endpoint": "a HELLO with an unusable endpoint",
    "hello-sequence": "a HELLO whose sequence is not 1",
    "hello-late": "a HELLO that its sender's goodbye overtook",
    "hello-limits": "groups or headers beyond the limits",
    "not-ready": "a message from a peer that has not said HELLO",
    "sequence": "a peer whose messages were lost, it has to say HELLO again",
    "status": "a group status that doesn't match its JOINs and LEAVEs",
    "connect": "a peer that can't be connected to",
    "peer-queue": "a WHISPER or SHOUT to a peer that reads too slowly",
}
"""Why something was discarded: the word in `Core.counters`, and what it means."""


class Timing(NamedTuple):
    """Intervals of a node, in seconds.

    Attributes:
        beacon: between two beacons.
        evasive: silence after which a peer is sent a PING, once a second.
        expired: silence after which a peer is gone.
        pending: how long a peer may take to say HELLO.
        reap: between two looks at all peers.
        retry: no connection is tried for so long after descriptors ran out.
        goodbye: a HELLO so soon after its sender's goodbye was overtaken by it.
    """

    beacon: float = 1.0
    evasive: float = 5.0
    expired: float = 30.0
    pending: float = 5.0
    reap: float = 1.0
    retry: float = 2.0
    goodbye: float = 2.0


@dataclass(frozen=True, slots=True)
class Beacon:
    """Effect: broadcast these octets, once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Connect:
    """Effect: make a DEALER for the peer and connect it."""

    peer: UUID
    endpoint: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Effect: close the peer's DEALER and drop what waits in it."""

    peer: UUID


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: send the frames to the peer. ``droppable`` tells WHISPER and SHOUT from what keeps the state."""

    peer: UUID
    frames: list[bytes]
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Effect: tell the application; frames as `pyre.Pyre.recv` returns them."""

    frames: list[bytes]
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Effect: the first discarded thing of a cause, for one log line."""

    cause: str
    text: str


Effect = Beacon | Connect | Disconnect | Send | Event | Report


def is_endpoint(endpoint: str) -> bool:
    """Whether it is ``tcp://address:port`` with a numeric address: a name would be looked up, wherever it points."""
    return host_of(endpoint) != ""


def host_of(endpoint: str) -> str:
    """Return the address in ``tcp://address:port``; empty when it is anything else."""
    if not endpoint.startswith("tcp://"):
        return ""
    host, _, port = endpoint[6:].rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        return ""
    address = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if "%" in address:
        return ""  # a zone of IPv6 is the sender's own name for one of its interfaces
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return "" if ip.is_unspecified or ip.is_multicast else host


class Core:
    """One ZRE node.

    Args:
        uuid: its identity.
        name: its public name; by default the first six digits of the UUID, as pyre has it.
        timing: its intervals.

    Attributes:
        headers: told to each peer in HELLO.
        own_groups: the groups it is in.
        counters: what was discarded, by cause.
    """

    def __init__(self, uuid: UUID, name: str | None = None, timing: Timing | None = None) -> None:
        self.uuid = uuid
        self.name = name or str(uuid)[:6]
        self.timing = timing or Timing()
        self.headers: dict[str, str] = {}
        self.own_groups: dict[str, None] = {}
        self.endpoint = ""
        self.counters: Counter[str] = Counter()
        self._peers: dict[UUID, Peer] = {}
        self._by_beacon: dict[bytes, Peer] = {}
        self._by_endpoint: dict[str, Peer] = {}
        self._candidates: OrderedDict[tuple[bytes, str], None] = OrderedDict()
        self._gone: OrderedDict[UUID, float] = OrderedDict()
        self._asked: set[UUID] = set()
        self._pending = 0
        self._status = 0
        self._port = 0
        self._beacon_due = float("inf")
        self._reap_due = float("inf")
        self._reaped = 0.0
        self._no_connect_before = 0.0
        self._out: list[Effect] = []

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self, endpoint: str, now: float) -> list[Effect]:
        """Begin: the mailbox is bound at this endpoint."""
        self._begin(endpoint, now)
        return self.tick(now)

    def move(self, endpoint: str, now: float) -> list[Effect]:
        """Go on at another endpoint: this host has another address. The peers are met anew from there."""
        if self._port:
            self._out.append(Beacon(beacons.Beacon(self.uuid, 0).encode()))
        for peer in list(self._peers.values()):
            self._remove(peer)
        self._begin(endpoint, now)
        return self.tick(now)

    def flush(self) -> list[Effect]:
        """Ask the peers that were sent something for a sign that they have it: the PING-OK to a PING behind it.

        Goodbye is a datagram and overtakes what travels on a connection, so a node that wants its last words heard
        flushes before it stops. `flushed` tells when all have answered.
        """
        for peer in self.peers():
            if peer.owed:
                self._asked.add(peer.uuid)
                self._send(peer, zre_msg.Ping(sequence=peer.next_sequence()))
        return self._effects()

    @property
    def flushed(self) -> bool:
        """Whether every peer that `flush` asked has answered or left."""
        return not self._asked

    def stop(self) -> list[Effect]:
        """End: tell the others, by a beacon with port 0, and the application, by STOP."""
        if self._port:
            self._out.append(Beacon(beacons.Beacon(self.uuid, 0).encode()))
        for peer in list(self._peers.values()):
            self._forget(peer)
        self._port = 0
        self._beacon_due = self._reap_due = float("inf")
        self._out.append(Event([b"STOP", self.uuid.bytes, self.name.encode()]))
        return self._effects()

    def _begin(self, endpoint: str, now: float) -> None:
        self.endpoint = endpoint
        self._port = int(endpoint.rpartition(":")[2])
        self._beacon_due = now
        self._reap_due = now + self.timing.reap
        self._reaped = now

    @property
    def due(self) -> float:
        """When `tick` has work, in seconds of the node's clock; infinite while stopped."""
        return min(self._beacon_due, self._reap_due)

    def tick(self, now: float) -> list[Effect]:
        """Send what is due by time: beacons, PINGs, and the end of the peers that expired."""
        if now >= self._beacon_due:
            self._out.append(Beacon(beacons.Beacon(self.uuid, self._port).encode()))
            # From the plan, not from now, so that a late tick doesn't slow the beacons down; but never a burst.
            self._beacon_due = max(self._beacon_due + self.timing.beacon, now + self.timing.beacon / 2)
        if now >= self._reap_due:
            self._reap(now)
            self._reap_due = now + self.timing.reap
        return self._effects()

    def _reap(self, now: float) -> None:
        slept = now - self._reaped - self.timing.reap
        if slept > self.timing.evasive / 2:
            # This process slept or was stopped: it heard nobody, which says nothing of them.
            for peer in self._peers.values():
                peer.heard = min(now, peer.heard + slept)
                peer.since = min(now, peer.since + slept)
        self._reaped = now
        for peer in list(self._peers.values()):
            silent = now - peer.heard
            if not peer.ready:
                if now - peer.since > self.timing.pending:
                    self._forget(peer)
            elif silent > self.timing.expired:
                self._remove(peer)
            elif silent > self.timing.evasive:
                self._send(peer, zre_msg.Ping(sequence=peer.next_sequence()))

    # --- what the network says ----------------------------------------------------------------------------------------

    def beacon(self, data: bytes, source: str, now: float) -> list[Effect]:
        """Take one UDP datagram.

        Args:
            data: its octets.
            source: the IPv4 address it came from.
            now: the time, in seconds of the node's clock.
        """
        known = self._by_beacon.get(data)
        if known is not None and known.host == source:
            known.heard = now
            return []
        heard = beacons.decode(data)
        if isinstance(heard, str):
            return self._discard(heard, f"{len(data)} octets from {source}")
        if heard.uuid == self.uuid:
            return []
        peer = self._peers.get(heard.uuid)
        if heard.port == 0:
            if peer is not None and peer.host != source:
                return self._discard("goodbye-foreign", f"{heard.uuid} from {source}")
            self._gone[heard.uuid] = now
            if len(self._gone) > limits.ZRE_MAX_PENDING:
                self._gone.popitem(last=False)
            if peer is not None:
                self._remove(peer)
            return self._effects()
        self._gone.pop(heard.uuid, None)
        endpoint = f"tcp://{source}:{heard.port}"
        if peer is None:
            if endpoint != self.endpoint and self._may_meet(data, source, now):
                self._meet(heard.uuid, endpoint, now)
                peer = self._peers.get(heard.uuid)
        elif peer.place not in ("", endpoint):
            if peer.ready and now - peer.heard <= self.timing.evasive:
                return self._discard("beacon-moved", f"{peer.uuid} from {peer.place} to {endpoint}")
            self._remove(peer)
            self._meet(heard.uuid, endpoint, now)
            peer = self._peers.get(heard.uuid)
        if peer is not None:
            peer.place = endpoint
            peer.host = source
            self._by_beacon.pop(peer.beacon, None)
            peer.beacon = b""
            if endpoint == peer.endpoint:
                peer.heard = now
                peer.beacon = data
                self._by_beacon[data] = peer
            # Otherwise its HELLO named another place: of a host with two addresses, or forged. Only what comes from
            # there, such as PING-OK, is a sign of life: it is where our messages go.
        return self._effects()

    def _may_meet(self, data: bytes, source: str, now: float) -> bool:
        """Whether a stranger's beacon is reason enough to connect."""
        if now < self._no_connect_before:
            return False
        if len(self._peers) >= limits.ZRE_MAX_PEERS:
            self._count("peers-full", f"{len(self._peers)} peers, a beacon from {source}")
            return False
        if self._pending < limits.ZRE_PROBATION_PENDING:
            return True
        candidate = (data, source)
        if candidate not in self._candidates:
            self._candidates[candidate] = None
            if len(self._candidates) > limits.ZRE_MAX_CANDIDATES:
                self._candidates.popitem(last=False)
            return False
        if self._pending >= limits.ZRE_MAX_PENDING:
            self._count("pending-full", f"{self._pending} peers without HELLO, a beacon from {source}")
            return False
        del self._candidates[candidate]
        return True

    def frames(self, frames: Sequence[bytes], now: float) -> list[Effect]:
        """Take one message of the mailbox: identity, command, content.

        Args:
            frames: as a ROUTER receives them.
            now: the time, in seconds of the node's clock.
        """
        if len(frames) < 2 or len(frames[0]) != 17 or frames[0][0] != 1:
            return self._discard("identity", f"{len(frames)} frames")
        uuid = UUID(bytes=bytes(frames[0][1:]))
        command = frames[1]
        peer = self._peers.get(uuid)
        if len(command) > limits.ZRE_MAX_COMMAND_BYTES:
            return self._discard("oversized", f"{len(command)} octets from {uuid}")
        try:
            message = zre_msg.decode(command, frames[2:])
        except DecodeError as error:
            if peer is not None and peer.ready:
                self._skip(peer, command)
            return self._discard("malformed", f"{error} ({len(command)} octets from {uuid})")
        if isinstance(message, zre_msg.Hello):
            self._hello(uuid, message, now)
        elif peer is None or not peer.ready:
            self._count("not-ready", f"{type(message).__name__} from {uuid}")
        elif not peer.expects(message.sequence):
            self._count("sequence", f"{uuid} sent {message.sequence} where {(peer.want + 1) % 65_536} was due")
            self._remove(peer)
        else:
            peer.heard = now
            self._command(peer, message)
        return self._effects()

    @staticmethod
    def _skip(peer: Peer, command: bytes) -> None:
        """Count a message that can't be read but says its sequence, so that those after it aren't taken for lost."""
        if command[:2] == zre_msg.SIGNATURE and len(command) >= 6 and command[3] == 2:
            peer.expects(int.from_bytes(command[4:6], "big"))

    def _hello(self, uuid: UUID, hello: zre_msg.Hello, now: float) -> None:
        peer = self._peers.get(uuid)
        if uuid == self.uuid or hello.endpoint == self.endpoint:
            return
        if not is_endpoint(hello.endpoint):
            self._count("hello-endpoint", f"{hello.endpoint[:80]!r} from {uuid}")
            return
        if now - self._gone.get(uuid, float("-inf")) < self.timing.goodbye:
            self._count("hello-late", f"from {uuid}")
            return
        if hello.sequence != 1:
            self._count("hello-sequence", f"{hello.sequence} from {uuid}")
            return
        again = peer is not None and peer.ready
        if peer is not None and peer.ready:
            if peer.endpoint == hello.endpoint and now - peer.greeted_again <= self.timing.goodbye:
                # The answer to our own HELLO, of a peer that knew us: somebody forged the one before. Were it greeted
                # again, so would we, for ever.
                again = False
                self._event(peer, b"EXIT")
                peer.ready = False
                peer.groups = {}
                self._pending += 1
            else:
                # It lost us, or it is a new process with the same UUID: everything begins anew, in both directions.
                self._remove(peer)
                peer = None
        if peer is not None and peer.endpoint != hello.endpoint and not peer.place:
            self._forget(peer)
            peer = None
        if peer is None:
            if len(self._peers) >= limits.ZRE_MAX_PEERS or now < self._no_connect_before:
                self._count("peers-full", f"{len(self._peers)} peers, a HELLO from {uuid}")
                return
            self._meet(uuid, hello.endpoint, now)
            peer = self._peers.get(uuid)
            if peer is None:
                return
        before = self._by_endpoint.get(peer.endpoint)
        if before is not None and before is not peer:
            self._remove(before)  # another process has its place
        self._pending -= 1
        self._by_endpoint[peer.endpoint] = peer
        peer.ready = True
        peer.heard = now
        peer.greeted_again = now if again else float("-inf")
        peer.want = 1
        peer.name = hello.name
        peer.headers = dict(list(hello.headers.items())[: limits.ZRE_MAX_HEADERS])
        peer.status = hello.status
        if len(hello.headers) > limits.ZRE_MAX_HEADERS or len(hello.groups) > limits.ZRE_MAX_GROUPS:
            self._count("hello-limits", f"{len(hello.groups)} groups, {len(hello.headers)} headers from {uuid}")
        self._event(peer, b"ENTER", json.dumps(peer.headers).encode(), peer.endpoint.encode())
        for group in hello.groups[: limits.ZRE_MAX_GROUPS]:
            self._joined(peer, group)

    def _command(self, peer: Peer, message: zre_msg.Message) -> None:
        match message:
            case zre_msg.Whisper():
                self._event(peer, b"WHISPER", *(message.content or [b""]), droppable=True)
            case zre_msg.Shout():
                self._event(peer, b"SHOUT", message.group.encode(), *(message.content or [b""]), droppable=True)
            case zre_msg.Join():
                self._joined(peer, message.group)
                self._check_status(peer, message.status)
            case zre_msg.Leave():
                if message.group in peer.groups:
                    del peer.groups[message.group]
                    self._event(peer, b"LEAVE", message.group.encode())
                self._check_status(peer, message.status)
            case zre_msg.Ping():
                self._send(peer, zre_msg.PingOk(sequence=peer.next_sequence()))
            case zre_msg.Goodbye():
                self._remove(peer)
            case zre_msg.PingOk():
                peer.owed = False
                self._asked.discard(peer.uuid)
            case _:
                pass  # ELECT and LEADER are counted, not taken part in

    def _joined(self, peer: Peer, group: str) -> None:
        if group in peer.groups:
            return
        if len(peer.groups) >= limits.ZRE_MAX_GROUPS:
            self._count("hello-limits", f"more than {limits.ZRE_MAX_GROUPS} groups from {peer.uuid}")
            return
        peer.groups[group] = None
        self._event(peer, b"JOIN", group.encode())

    def _check_status(self, peer: Peer, status: int) -> None:
        if status != (peer.status + 1) % 256:
            self._count("status", f"{status} after {peer.status} from {peer.uuid}")
        peer.status = status

    # --- what the application says ------------------------------------------------------------------------------------

    def join(self, group: str) -> list[Effect]:
        """Join a group, and tell the peers."""
        return self._change_group(group, group not in self.own_groups, zre_msg.Join)

    def leave(self, group: str) -> list[Effect]:
        """Leave a group, and tell the peers."""
        return self._change_group(group, group in self.own_groups, zre_msg.Leave)

    def _change_group(
        self, group: str, changes: bool, command: type[zre_msg.Join] | type[zre_msg.Leave]
    ) -> list[Effect]:
        if changes:
            if command is zre_msg.Join:
                self.own_groups[group] = None
            else:
                del self.own_groups[group]
            self._status = (self._status + 1) % 256
            for peer in self._peers.values():
                self._send(peer, command(sequence=peer.next_sequence(), group=group, status=self._status))
        return self._effects()

    def whisper(self, uuid: UUID, content: Sequence[bytes]) -> list[Effect]:
        """Send to one peer; nothing happens when it isn't there, as it may have left a moment ago."""
        peer = self._peers.get(uuid)
        if peer is not None and peer.ready:
            self._send(peer, zre_msg.Whisper(sequence=peer.next_sequence(), content=list(content)), droppable=True)
        return self._effects()

    def shout(self, group: str, content: Sequence[bytes]) -> list[Effect]:
        """Send to the peers that are in a group."""
        for peer in self._peers.values():
            if group in peer.groups:
                message = zre_msg.Shout(sequence=peer.next_sequence(), group=group, content=list(content))
                self._send(peer, message, droppable=True)
        return self._effects()

    # --- what the driver says -----------------------------------------------------------------------------------------

    def connect_failed(self, uuid: UUID, now: float, reason: str = "", exhausted: bool = False) -> list[Effect]:
        """The peer couldn't be connected to.

        Args:
            uuid: the peer.
            now: the time, in seconds of the node's clock.
            reason: what the system said.
            exhausted: descriptors or sockets ran out, so that connecting to another makes no sense for a while.
        """
        self._count("connect", f"{uuid}: {reason}")
        if exhausted:
            self._no_connect_before = now + self.timing.retry
        peer = self._peers.get(uuid)
        if peer is not None:
            self._remove(peer)
        return self._effects()

    def send_failed(self, effect: Send, now: float) -> list[Effect]:
        """The peer's queue is full: this message, the last made for it, did not leave.

        A WHISPER or SHOUT is dropped, and its sequence is used again so that the peer sees no gap. Without a JOIN or
        LEAVE the peer would know wrong groups, so it is met anew: the next HELLO tells them all.
        """
        peer = self._peers.get(effect.peer)
        if peer is None:
            return self._effects()
        peer.take_back()
        self._count("peer-queue", f"{peer.name or peer.uuid} at {peer.endpoint}")
        if not effect.droppable:
            endpoint = peer.endpoint
            self._remove(peer)
            self._meet(peer.uuid, endpoint, now)
        return self._effects()

    # --- what is known ------------------------------------------------------------------------------------------------

    def peers(self) -> Iterator[Peer]:
        """The peers that have said HELLO."""
        return (peer for peer in self._peers.values() if peer.ready)

    def peer(self, uuid: UUID) -> Peer | None:
        """The peer of that UUID, if it has said HELLO."""
        peer = self._peers.get(uuid)
        return peer if peer is not None and peer.ready else None

    @property
    def pending(self) -> int:
        """How many peers were connected to and have not said HELLO yet."""
        return self._pending

    # --- inside -------------------------------------------------------------------------------------------------------

    def _meet(self, uuid: UUID, endpoint: str, now: float) -> None:
        """Connect to a new peer and greet it."""
        peer = Peer(uuid, endpoint, host_of(endpoint), since=now, heard=now)
        self._peers[uuid] = peer
        self._pending += 1
        self._out.append(Connect(uuid, endpoint))
        hello = zre_msg.Hello(
            sequence=peer.next_sequence(),
            endpoint=self.endpoint,
            groups=list(self.own_groups),
            status=self._status,
            name=self.name,
            headers=dict(self.headers),
        )
        self._send(peer, hello)

    def _remove(self, peer: Peer) -> None:
        """Forget a peer and, if the application knows it, tell that it is gone."""
        self._forget(peer)
        if peer.ready:
            self._event(peer, b"EXIT")

    def _forget(self, peer: Peer) -> None:
        del self._peers[peer.uuid]
        self._asked.discard(peer.uuid)
        self._by_beacon.pop(peer.beacon, None)
        if peer.ready:
            self._by_endpoint.pop(peer.endpoint, None)
        else:
            self._pending -= 1
        self._out.append(Disconnect(peer.uuid))

    def _send(self, peer: Peer, message: zre_msg.Message, droppable: bool = False) -> None:
        if not isinstance(message, zre_msg.Ping | zre_msg.PingOk):
            peer.owed = True
        self._out.append(Send(peer.uuid, message.frames(), droppable))

    def _event(self, peer: Peer, kind: bytes, *more: bytes, droppable: bool = False) -> None:
        self._out.append(Event([kind, peer.uuid.bytes, peer.name.encode(), *more], droppable))

    def _count(self, cause: str, detail: str) -> None:
        self.counters[cause] += 1
        if self.counters[cause] == 1:
            self._out.append(Report(cause, f"{CAUSES[cause]}: {detail}"))

    def _discard(self, cause: str, detail: str) -> list[Effect]:
        self._count(cause, detail)
        return self._effects()

    def _effects(self) -> list[Effect]:
        out, self._out = self._out, []
        return out

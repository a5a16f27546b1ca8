"""The ZRE node (RFC 36) as a pure state machine: bytes and the time in, effects out.

It imports no socket, thread or clock. `zlog.zre.engine` drives it: it hands in beacons, frames and the time, and
carries out the effects in their order. Neither `beacon` nor `frames` ever raises: what a peer sends and this node
can't use is discarded and counted in `Core.counters` by a cause of `zlog.zre.causes`; the first of a cause is reported.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from zlog import limits
from zlog.core.endpoint import host_of, is_endpoint
from zlog.wire import zre_msg
from zlog.wire.runtime import DecodeError
from zlog.zre import beacon as beacons
from zlog.zre.causes import CAUSES
from zlog.zre.effects import Beacon, Connect, Disconnect, Effect, Event, Report, Send
from zlog.zre.peer import Peer, Peers


class Timing(NamedTuple):
    """Intervals of a node, in seconds.

    Attributes:
        beacon: between two beacons.
        evasive: silence after which a peer is sent a PING, once a second.
        mute: the same for a peer that sends beacons but no messages: its connection to us may be dead.
        expired: silence after which a peer is gone.
        pending: how long a peer may take to say HELLO.
        reap: between two looks at all peers.
        retry: no connection is tried for so long after descriptors ran out.
        goodbye: a HELLO so soon after its sender's goodbye was overtaken by it.
    """

    beacon: float = 1.0
    evasive: float = 5.0
    mute: float = 30.0
    expired: float = 30.0
    pending: float = 5.0
    reap: float = 1.0
    retry: float = 2.0
    goodbye: float = 2.0


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
        self.table = Peers()
        self._asked: set[UUID] = set()
        self._status = 0
        self._port = 0
        self._beacon_due = float("inf")
        self._reap_due = float("inf")
        self._reaped = 0.0
        self._no_connect_before = 0.0
        self._out: list[Effect] = []

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self, endpoint: str, now: float) -> list[Effect]:
        """Begin, or begin again after `depart`: the mailbox is bound at this endpoint."""
        self.endpoint = endpoint
        self._port = int(endpoint.rpartition(":")[2])
        self._beacon_due = now
        self._reap_due = now + self.timing.reap
        self._reaped = now
        return self.tick(now)

    def depart(self) -> list[Effect]:
        """Leave the network, to go on at another address or to stop: a goodbye beacon, and EXIT of all peers."""
        if self._port:
            self._out.append(Beacon(beacons.Beacon(self.uuid, 0).encode()))
        for peer in self.table:
            self._remove(peer)
        self.endpoint = ""
        self._port = 0
        self._beacon_due = self._reap_due = float("inf")
        return self._effects()

    def flush(self) -> list[Effect]:
        """Ask the peers that were sent something for a sign that they have it: the PING-OK to a PING behind it.

        Goodbye is a datagram and overtakes what travels on a connection, so a node that wants its last words heard
        flushes before it departs. `flushed` tells when all have answered.
        """
        for peer in self.table.ready():
            if peer.owed:
                self._ping(peer)
            if peer.pongs < peer.pings:
                self._asked.add(peer.uuid)
        return self._effects()

    @property
    def flushed(self) -> bool:
        """Whether every peer that `flush` asked has answered or left."""
        return not self._asked

    @property
    def unflushed(self) -> int:
        """How many peers have not answered."""
        return len(self._asked)

    @property
    def due(self) -> float:
        """When `tick` has work, in seconds of the node's clock; infinite while it is in no network."""
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

    def excuse(self, seconds: float, now: float) -> None:
        """This node did not listen for so long: nobody's silence in that time counts."""
        for peer in self.table:
            peer.excuse(seconds, now)

    def _reap(self, now: float) -> None:
        slept = now - self._reaped - self.timing.reap
        if slept > self.timing.evasive / 2:
            self.excuse(slept, now)  # the process was stopped, or the machine slept
        self._reaped = now
        for peer in self.table:
            silent, mute = now - peer.heard, now - peer.spoke - self.timing.mute
            if not peer.ready:
                if now - peer.since > self.timing.pending:
                    self._forget(peer)
            elif max(silent, mute) > self.timing.expired:
                self._remove(peer)
            elif silent > self.timing.evasive or mute > 0:
                self._ping(peer)

    # --- what the network says ----------------------------------------------------------------------------------------

    def beacon(self, data: bytes, source: str, now: float) -> list[Effect]:
        """Take one UDP datagram.

        Args:
            data: its octets.
            source: the IPv4 address it came from.
            now: the time, in seconds of the node's clock.
        """
        known = self.table.by_beacon.get(data)
        if known is not None and known.host == source:
            known.heard = now
            return []
        heard = beacons.decode(data)
        if isinstance(heard, str):
            return self._discard(heard, f"{len(data)} octets from {source}")
        if heard.uuid == self.uuid:
            return []
        peer = self.table.get(heard.uuid)
        if heard.port == 0:
            return self._goodbye(heard.uuid, peer, source, now)
        self.table.came_back(heard.uuid)
        endpoint = f"tcp://{source}:{heard.port}"
        if peer is not None and peer.place not in ("", endpoint):
            if now - peer.heard <= self.timing.evasive if peer.ready else now - peer.since <= self.timing.reap:
                return self._discard("beacon-moved", f"{peer.uuid} from {peer.place} to {endpoint}")
            self._remove(peer)
            peer = None
        if peer is None:
            if endpoint == self.endpoint or not self._may_meet(data, source, now):
                return self._effects()
            peer = self._meet(heard.uuid, endpoint, now)
        peer.place = endpoint
        peer.host = source
        # A place other than the one in its HELLO is that of a host with two addresses, or forged. Then only what comes
        # from the one in HELLO, such as PING-OK, is a sign of life: it is where our messages go.
        self.table.shown_by(peer, data if endpoint == peer.endpoint else b"")
        if endpoint == peer.endpoint:
            peer.heard = now
            if peer.late is not None:
                self._enter(peer, peer.late, now)
        return self._effects()

    def _goodbye(self, uuid: UUID, peer: Peer | None, source: str, now: float) -> list[Effect]:
        if peer is not None and peer.host != source:
            return self._discard("goodbye-foreign", f"{uuid} from {source}")
        self.table.left(uuid, now)
        if peer is not None:
            self._remove(peer)
        return self._effects()

    def _may_meet(self, data: bytes, source: str, now: float) -> bool:
        """Whether a stranger's beacon is reason enough to connect."""
        if now < self._no_connect_before:
            return False
        cause = self.table.refuses(data, source)
        if cause:
            self._count(cause, f"{len(self.table)} peers, {self.table.pending} without HELLO, a beacon from {source}")
        return cause is None

    def frames(self, frames: Sequence[bytes], now: float) -> list[Effect]:
        """Take one message of the mailbox: identity, command, content.

        Args:
            frames: as a ROUTER receives them.
            now: the time, in seconds of the node's clock.
        """
        if len(frames) < 2 or len(frames[0]) != 17 or frames[0][0] != 1:
            replaced = len(frames) > 1 and _is_made_up(frames[0]) and frames[1][:2] == zre_msg.SIGNATURE
            start = " ".join(bytes(frame[:17]).hex() for frame in frames[:2])
            return self._discard("replaced" if replaced else "identity", f"{len(frames)} frames, {start or 'empty'}")
        uuid = UUID(bytes=bytes(frames[0][1:]))
        command = frames[1]
        peer = self.table.get(uuid)
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
            return self._effects()
        if peer is not None and peer.late is not None:
            self._enter(peer, peer.late, now)
        if peer is None or not peer.ready:
            self._count("not-ready", f"{type(message).__name__} from {uuid}")
        elif not peer.expects(message.sequence):
            self._count("sequence", f"{uuid} sent {message.sequence} where {(peer.want + 1) % 65_536} was due")
            self._remove(peer)
        else:
            peer.heard = peer.spoke = now
            self._command(peer, message)
        return self._effects()

    @staticmethod
    def _skip(peer: Peer, command: bytes) -> None:
        """Count a message that can't be read but says its sequence, so that those after it aren't taken for lost."""
        if command[:2] == zre_msg.SIGNATURE and len(command) >= 6 and command[3] == 2:
            peer.expects(int.from_bytes(command[4:6], "big"))

    def _hello(self, uuid: UUID, hello: zre_msg.Hello, now: float) -> None:
        if uuid == self.uuid or hello.endpoint == self.endpoint:
            return
        if not is_endpoint(hello.endpoint):
            self._count("hello-endpoint", f"{hello.endpoint[:80]!r} from {uuid}")
        elif hello.sequence != 1:
            self._count("hello-sequence", f"{hello.sequence} from {uuid}")
        else:
            late = now - self.table.left_at(uuid) < self.timing.goodbye
            if late and self.table.get(uuid) is None and self.table.pending >= limits.ZRE_MAX_PENDING:
                self._count("pending-full", f"{self.table.pending} without HELLO, a late HELLO from {uuid}")
                return
            peer = self._greeting(uuid, hello.endpoint, now)
            if peer is not None and late:
                self._count("hello-late", f"from {uuid}")
                peer.late = hello
                self._ping(peer)
            elif peer is not None:
                self._enter(peer, hello, now)

    def _greeting(self, uuid: UUID, endpoint: str, now: float) -> Peer | None:
        """Return the peer that a HELLO is of, connected and not ready; None when there is no room for it."""
        peer = self.table.get(uuid)
        again = peer is not None and peer.ready
        answers = peer is not None and now - peer.greeted_again <= self.timing.goodbye
        if peer is not None and peer.ready and answers and peer.endpoint == endpoint:
            # The answer to our own HELLO, of a peer that knew us: somebody forged the one before. Were it greeted
            # again, so would we, for ever.
            self._event(peer, b"EXIT")
            self.table.forget_greeting(peer)
            peer.greeted_again = float("-inf")
            return peer
        believed = peer is not None and (not peer.place or peer.host == host_of(endpoint))
        if peer is not None and (peer.ready or (believed and peer.endpoint != endpoint)):
            # It lost us, it is a new process with the same UUID, or a beacon gave it another's port: everything begins
            # anew, in both directions.
            self._remove(peer)
            peer = None
        if peer is None:
            if self.table.full or now < self._no_connect_before:
                self._count("peers-full", f"{len(self.table)} peers, a HELLO from {uuid}")
                return None
            peer = self._meet(uuid, endpoint, now)
        if again:
            peer.greeted_again = now
        return peer

    def _enter(self, peer: Peer, hello: zre_msg.Hello, now: float) -> None:
        before = self.table.by_endpoint.get(peer.endpoint)
        if before is not None:
            self._remove(before)  # another process has its place
        self.table.greeted(peer)
        peer.late = None
        peer.heard = peer.spoke = now
        peer.want = 1
        peer.name = hello.name
        peer.headers = dict(list(hello.headers.items())[: limits.ZRE_MAX_HEADERS])
        peer.status = hello.status
        if len(hello.headers) > limits.ZRE_MAX_HEADERS or len(hello.groups) > limits.ZRE_MAX_GROUPS:
            self._count("hello-limits", f"{len(hello.groups)} groups, {len(hello.headers)} headers from {peer.uuid}")
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
                answer = zre_msg.PingOk(sequence=peer.next_sequence())
                self._out.append(Send(peer.uuid, answer.frames(), droppable=True))
            case zre_msg.Goodbye():
                self._remove(peer)
            case zre_msg.PingOk():
                peer.pongs += 1
                if peer.pongs >= peer.pings:
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
            for peer in self.table:
                self._send(peer, command(sequence=peer.next_sequence(), group=group, status=self._status))
        return self._effects()

    def whisper(self, uuid: UUID, content: Sequence[bytes]) -> list[Effect]:
        """Send to one peer; nothing happens when it isn't there, as it may have left a moment ago."""
        peer = self.table.get(uuid)
        if peer is not None and peer.ready:
            self._send(peer, zre_msg.Whisper(sequence=peer.next_sequence(), content=list(content)), droppable=True)
        return self._effects()

    def shout(self, group: str, content: Sequence[bytes]) -> list[Effect]:
        """Send to the peers that are in a group."""
        for peer in self.table:
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
        peer = self.table.get(uuid)
        if peer is not None:
            self._remove(peer)
        return self._effects()

    def send_failed(self, effect: Send, now: float) -> list[Effect]:
        """The peer's queue is full: this message, the last made for it, did not leave.

        What is droppable is dropped, and its sequence is used again so that the peer sees no gap. Without a JOIN or
        LEAVE the peer would know wrong groups, so it is met anew: the next HELLO tells them all.
        """
        peer = self.table.get(effect.peer)
        if peer is None:
            return self._effects()
        peer.take_back()
        if effect.frames[0][2] == zre_msg.Ping.ID:
            peer.pings -= 1
        self._count("peer-queue", f"{peer.name or peer.uuid} at {peer.endpoint}")
        if not effect.droppable:
            endpoint = peer.endpoint
            self._remove(peer)
            self._meet(peer.uuid, endpoint, now)
        return self._effects()

    # --- what is known ------------------------------------------------------------------------------------------------

    def peers(self) -> Iterator[Peer]:
        """The peers that have said HELLO."""
        return self.table.ready()

    def peer(self, uuid: UUID) -> Peer | None:
        """The peer of that UUID, if it has said HELLO."""
        peer = self.table.get(uuid)
        return peer if peer is not None and peer.ready else None

    def hello(self, sequence: int = 1) -> zre_msg.Hello:
        """What this node tells a new peer."""
        return zre_msg.Hello(
            sequence=sequence,
            endpoint=self.endpoint,
            groups=list(self.own_groups),
            status=self._status,
            name=self.name,
            headers=dict(self.headers),
        )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _meet(self, uuid: UUID, endpoint: str, now: float) -> Peer:
        """Connect to a new peer and greet it."""
        peer = Peer(uuid, endpoint, host_of(endpoint), since=now, heard=now, spoke=now)
        self.table.add(peer)
        self._out.append(Connect(uuid, endpoint))
        self._send(peer, self.hello(peer.next_sequence()))
        return peer

    def _ping(self, peer: Peer) -> None:
        peer.owed = False
        peer.pings += 1
        self._out.append(Send(peer.uuid, zre_msg.Ping(sequence=peer.next_sequence()).frames(), droppable=True))

    def _remove(self, peer: Peer) -> None:
        """Forget a peer and, if the application knows it, tell that it is gone."""
        self._forget(peer)
        if peer.ready:
            self._event(peer, b"EXIT")

    def _forget(self, peer: Peer) -> None:
        self.table.remove(peer)
        self._asked.discard(peer.uuid)
        self._out.append(Disconnect(peer.uuid))

    def _send(self, peer: Peer, message: zre_msg.Message, droppable: bool = False) -> None:
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


def _is_made_up(identity: bytes) -> bool:
    """Whether libzmq gave it: to a connection whose identity another one has taken over, or that never had one."""
    return len(identity) == 5 and identity[0] == 0

"""LOG made into records of runs that the collector makes up, as LOG has neither run nor sequence. Pure.

protocol/README.md, sections 8.3 and 8.5. The node is the one known peer with that 16-bit id. Where there is none, or
more than one, it is a UUID made from the id: a collision is marked and nobody is chosen. The run's epoch is the
collector's start, its sequences count what arrived.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from zlog import limits
from zlog.core.legacy import id_of
from zlog.core.parcels import MAX_NUMBER, Parcel
from zlog.record import Record
from zlog.severity import from_log_level, range_index
from zlog.wire import zre_log_msg

__all__ = ["LegacyRuns", "Peers"]

#: Of UUIDs for ids that no single peer has: UUID version 5 in this namespace, of the id as four hexadecimal digits.
NAMESPACE: Final = UUID("7a6c6f67-0000-5000-8000-000000000001")
_SECOND: Final = 1_000_000_000


class Peer(NamedTuple):
    """A peer of the ZRE network."""

    uuid: UUID
    name: str
    endpoint: str

    @property
    def host(self) -> str:
        return self.endpoint.removeprefix("tcp://").rpartition(":")[0]


class Peers:
    """The peers that a collector knows, by their 16-bit ids.

    A peer that left is known for a while: what it sent may still be on its way.
    """

    def __init__(self) -> None:
        self._peers: dict[UUID, Peer] = {}
        self._left: dict[UUID, None] = {}  # in the order of leaving
        self._ids: dict[int, set[UUID]] = {}

    def enter(self, uuid: UUID, name: str, endpoint: str) -> None:
        """A peer is there, perhaps with another endpoint than before."""
        self._forget(uuid)
        self._peers[uuid] = Peer(uuid, name, endpoint)
        for number in self._numbers(self._peers[uuid]):
            self._ids.setdefault(number, set()).add(uuid)

    def leave(self, uuid: UUID) -> None:
        """A peer has left."""
        if uuid in self._peers:
            self._left[uuid] = None
            while len(self._left) > limits.COLLECTOR_PEERS_LEFT:
                self._forget(next(iter(self._left)))

    def find(self, number: int) -> list[Peer]:
        """The peers with this id: those that are there, or if none is, those that left."""
        found = [self._peers[uuid] for uuid in self._ids.get(number, ())]
        present = [peer for peer in found if peer.uuid not in self._left]
        return present or found

    def _numbers(self, peer: Peer) -> set[int]:
        return {id_of(peer.endpoint), id_of(peer.uuid.hex.upper())} - {0}

    def _forget(self, uuid: UUID) -> None:
        peer = self._peers.pop(uuid, None)
        self._left.pop(uuid, None)
        if peer is not None:
            for number in self._numbers(peer):
                self._ids[number].discard(uuid)
                if not self._ids[number]:
                    del self._ids[number]


class _Numbers:
    __slots__ = ("next", "ordinal")

    def __init__(self) -> None:
        self.ordinal = 0
        self.next = [1] * 6


class LegacyRuns:
    """Numbers the records that come as LOG.

    Args:
        epoch: of all these runs: when the collector started, nanoseconds since 1970-01-01 00:00 UTC.

    Attributes:
        received: how many came.
        collisions: how many of them had an id that fits more than one peer.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.peers = Peers()
        self.received = 0
        self.collisions = 0
        self._runs: dict[UUID, _Numbers] = {}

    def parcel(self, message: zre_log_msg.Log, size: int, received_ns: int) -> Parcel:
        """The record of a LOG, with the next numbers of its run."""
        found = self.peers.find(message.node_id)
        attributes: dict[str, Any] = {"zlog.legacy.node": message.node_id}
        name = host = ""
        if len(found) == 1:
            node, name, host = found[0].uuid, found[0].name, found[0].host
        else:
            node = uuid5(NAMESPACE, f"{message.node_id:04x}")
            if found:
                self.collisions += 1
                attributes["zlog.legacy.collision"] = True
        peer: bytes | None = None
        if message.peer_id:
            attributes["zlog.legacy.peer"] = message.peer_id
            known = self.peers.find(message.peer_id)
            if len(known) == 1:
                peer = known[0].uuid.bytes
        time_ns = message.time * _SECOND
        severity = from_log_level(message.level)
        numbers = self._runs.setdefault(node, _Numbers())
        numbers.ordinal += 1
        index = range_index(severity)
        sequence = numbers.next[index]
        numbers.next[index] += 1
        self.received += 1
        record = Record(
            numbers.ordinal,
            time_ns if 0 < time_ns <= MAX_NUMBER else received_ns,
            severity,
            "",
            message.data,
            message.event,
            peer,
            attributes,
        )
        key = (node.bytes, self.epoch, severity)
        return Parcel(key, sequence, 1, size, host, name, 0, received_ns, records=(record,))

"""Fuzzing the pure ZRE core: an input is a script of what the network, the clock, the system and the application do.

    python tests/fuzz/fuzz_zre.py                          until it finds something
    python tests/fuzz/fuzz_zre.py -max_total_time=20       for 20 seconds
    python tests/fuzz/fuzz_zre.py CRASH-FILE               one input again

After every step the core's tables, its effects and what the application was told must agree; see `Driver.check`.
"""

from __future__ import annotations

import math
import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar
from unittest import mock
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import runner

with runner.instrumented(__name__):
    from support.zre import Driven
    from zlog import limits
    from zlog.wire import zre_msg
    from zlog.zre.beacon import Beacon as BeaconOctets
    from zlog.zre.core import CAUSES
    from zlog.zre.effects import Connect, Disconnect, Report, Send

T = TypeVar("T")

BOUNDS: Final = {
    "ZRE_MAX_PEERS": 7,
    "ZRE_MAX_PENDING": 4,
    "ZRE_PROBATION_PENDING": 2,
    "ZRE_MAX_CANDIDATES": 3,
    "ZRE_MAX_GROUPS": 3,
    "ZRE_MAX_HEADERS": 2,
    "ZRE_MAX_COMMAND_BYTES": 600,
}
"""So small that a short script crosses them."""

PEERS: Final = [UUID(int=number) for number in range(2, 12)] + [UUID(int=1)]  # the last is the node itself
SOURCES: Final = ["127.0.0.1", "127.0.0.9"]
ENDPOINTS: Final = [
    *(f"tcp://127.0.0.1:{7002 + number}" for number in range(8)),
    "tcp://127.0.0.1:7000",  # the node's own
    "tcp://127.0.0.9:7002",
    "tcp://[::1]:7002",
    "tcp://[fe80::1]:7002",
    "tcp://[fe80::1%x]:7002",
    "tcp://0.0.0.0:1",
    "tcp://*:5555",
    "foo",
    "",
]
TEXTS: Final = ["A", "B", "", "Ü☃", "\0", "x" * 255]
PAUSES: Final = [0.0, 0.001, 0.3, 1.0, 2.5, 6.0, 31.0, 3600.0]


class Script:
    """Reads choices out of octets; when they have run out, every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def octets(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        return self._data[start : self._at]

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.octets(size), "big")

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.number() % len(choices)]

    def some(self, choices: Sequence[T]) -> list[T]:
        return [self.pick(choices) for _ in range(self.number() % 6)]


@dataclass
class Driver(Driven):
    """Drives the core as `zlog.zre.engine` does, with connections and queues that fail when the script says so."""

    connects_fail: int = 0
    sends_fail: int = 0
    exhausted: bool = False
    away: bool = False
    failed: set[UUID] = field(default_factory=set)
    last: dict[UUID, int] = field(default_factory=dict)
    told: dict[UUID, set[bytes]] = field(default_factory=dict)

    def take(self, effects):
        todo = deque(effects)
        while todo:
            effect = todo.popleft()
            match effect:
                case Connect(peer) if self.connects_fail:
                    self.connects_fail -= 1
                    self.failed.add(peer)
                    todo.extend(self.core.connect_failed(peer, self.now, "as the script says", self.exhausted))
                case Disconnect(peer) if peer in self.failed:
                    self.failed.remove(peer)
                case Send(peer) if peer in self.failed:
                    pass
                case Send(peer) if self.sends_fail and self.sent[peer]:
                    self.sends_fail -= 1
                    todo.extend(self.core.send_failed(effect, self.now))
                case _:
                    super().take([effect])
                    self._note(effect)
        return self

    def _note(self, effect):
        match effect:
            case Connect(peer):
                self.last[peer] = 0
            case Send(peer):
                message = self.sent[peer][-1]
                assert message.sequence == (self.last[peer] + 1) % 65_536, "a gap in what a peer is sent"
                assert (self.last[peer] == 0 and len(self.sent[peer]) == 1) == isinstance(message, zre_msg.Hello)
                self.last[peer] = message.sequence
            case Report(cause):
                assert cause in CAUSES
                assert self.reports.count(cause) == 1, "reported twice"

    def _event(self, frames):
        super()._event(frames)
        kind, peer, *more = self.events[-1]
        if kind == "ENTER":
            self.told[peer] = set()
        elif kind == "EXIT":
            del self.told[peer]
        elif kind == "JOIN":
            assert more[0] not in self.told[peer], "joined twice"
            self.told[peer].add(more[0])
        elif kind == "LEAVE":
            self.told[peer].remove(more[0])

    def check(self):
        """What must hold whenever all effects are carried out."""
        core = self.core
        table = core.table
        peers = {peer.uuid: peer for peer in table}
        ready = {peer.uuid: peer for peer in core.peers()}
        assert len(peers) <= limits.ZRE_MAX_PEERS
        assert table.pending == len(peers) - len(ready)
        assert table.by_endpoint == {peer.endpoint: peer for peer in ready.values()}
        assert table.by_beacon == {peer.beacon: peer for peer in peers.values() if peer.beacon}
        assert len(table._candidates) <= limits.ZRE_MAX_CANDIDATES
        assert len(table._gone) <= limits.ZRE_MAX_PENDING
        assert set(self.links) == set(peers), "connections and peers differ"
        assert not self.failed
        strangers = set(peers) - set(ready) - {event[1] for event in self.events}  # others are met anew
        assert len(strangers) <= limits.ZRE_MAX_PENDING, "more wait for HELLO than may"
        assert core.unflushed <= len(ready)
        assert core.uuid not in peers
        assert set(ready) == self.entered == set(self.told), "told of others than are known"
        for uuid, peer in ready.items():
            assert len(peer.groups) <= limits.ZRE_MAX_GROUPS
            assert len(peer.headers) <= limits.ZRE_MAX_HEADERS
            assert {group.encode() for group in peer.groups} == self.told[uuid], "told other groups than are known"
        for uuid, peer in peers.items():
            assert peer.sent == self.last[uuid]
            assert max(peer.since, peer.heard, peer.spoke) <= self.now
        assert set(core.counters) <= set(CAUSES)
        if self.away:
            assert core.due == math.inf
            assert not peers
        else:
            assert core.due <= self.now + core.timing.beacon, "the next beacon isn't planned"


# --- steps of a script ------------------------------------------------------------------------------------------------


def beacon(node: Driver, script: Script) -> None:
    port = script.pick([0, *range(7002, 7010), 7000, 65_535])
    data = BeaconOctets(script.pick(PEERS), port or 0).encode()
    node.beacon(data, script.pick(SOURCES))


def mutated_beacon(node: Driver, script: Script) -> None:
    data = bytearray(BeaconOctets(script.pick(PEERS), script.number(2)).encode())
    _mutate(data, script)
    node.beacon(bytes(data), script.pick(SOURCES))


def raw_beacon(node: Driver, script: Script) -> None:
    node.beacon(script.octets(script.number()), script.pick(SOURCES))


def hello(node: Driver, script: Script) -> None:
    uuid = script.pick(PEERS)
    message = zre_msg.Hello(
        sequence=script.pick([1, 1, 1, 1, 1, 0, 2, 65_535]),
        endpoint=script.pick(ENDPOINTS),
        groups=script.some(TEXTS),
        status=script.number(),
        name=script.pick(TEXTS),
        headers=dict.fromkeys(script.some(TEXTS), "v"),
    )
    node.frames(b"\x01" + uuid.bytes, *message.frames())


def message(node: Driver, script: Script) -> None:
    """A message of a peer, mostly with the sequence that is due."""
    uuid = script.pick(PEERS)
    peer = node.core.peer(uuid)
    due = 1 if peer is None else (peer.want + 1) % 65_536
    status = 0 if peer is None else peer.status + 1
    sequence = script.pick([due, due, due, due, due, due + 1, due - 1, 0]) % 65_536
    group = script.pick(TEXTS)
    content = [b"x"] * (script.number() % 3)
    status = script.pick([status, status, status + 1, 0]) % 256
    made = script.pick(
        [
            zre_msg.Join(sequence=sequence, group=group, status=status),
            zre_msg.Leave(sequence=sequence, group=group, status=status),
            zre_msg.Whisper(sequence=sequence, content=content),
            zre_msg.Shout(sequence=sequence, group=group, content=content),
            zre_msg.Ping(sequence=sequence),
            zre_msg.PingOk(sequence=sequence),
            zre_msg.Goodbye(sequence=sequence),
            zre_msg.Elect(sequence=sequence, group=group),
            zre_msg.Leader(sequence=sequence, group=group),
        ]
    )
    command = bytearray(made.encode())
    if script.number() % 4 == 3:
        _mutate(command, script)
    node.frames(b"\x01" + uuid.bytes, bytes(command), *made.frames()[1:])


def raw_frames(node: Driver, script: Script) -> None:
    """Any frames; the first is an identity, or not."""
    frames = [script.octets(script.number()) for _ in range(script.number() % 4)]
    if script.number() % 2:
        frames.insert(0, b"\x01" + script.pick(PEERS).bytes)
    if script.number() % 2 and len(frames) > 1:
        frames[1] = b"\xaa\xa1" + frames[1]
    node.frames(*frames)


def large_frame(node: Driver, script: Script) -> None:
    node.frames(b"\x01" + script.pick(PEERS).bytes, b"\xaa\xa1\x02\x02" + bytes(script.number(2)))


def passing_time(node: Driver, script: Script) -> None:
    """One tick, on time, late, or (as nothing stops a driver) early."""
    node.now += script.pick(PAUSES)
    node.take(node.core.tick(node.now))


def quiet_time(node: Driver, script: Script) -> None:
    if not node.away:
        node.after(script.pick(PAUSES[:6]))


def join(node: Driver, script: Script) -> None:
    node.take(node.core.join(script.pick(TEXTS)))


def leave(node: Driver, script: Script) -> None:
    node.take(node.core.leave(script.pick(TEXTS)))


def whisper(node: Driver, script: Script) -> None:
    uuid = script.pick(PEERS)
    for _ in range(script.number() % 4):
        node.take(node.core.whisper(uuid, [b"x"]))


def shout(node: Driver, script: Script) -> None:
    node.take(node.core.shout(script.pick(TEXTS), [b"x", b""]))


def flush(node: Driver, script: Script) -> None:
    node.take(node.core.flush())


def much_talk(node: Driver, script: Script) -> None:
    """As if so much had been said that the sequences are about to wrap."""
    peer = node.core.peer(script.pick(PEERS))
    if peer is not None:
        peer.sent = node.last[peer.uuid] = 65_534
        peer.want = script.pick([65_533, 65_534, 65_535])


def connections_fail(node: Driver, script: Script) -> None:
    node.connects_fail = script.number() % 3
    node.exhausted = script.number() % 2 == 1


def queues_are_full(node: Driver, script: Script) -> None:
    node.sends_fail = script.number() % 4


def depart(node: Driver, script: Script) -> None:
    """The network is gone, or the node stops."""
    node.away = True
    node.take(node.core.depart())


def arrive(node: Driver, script: Script) -> None:
    """Go on, at the old or at another address."""
    node.take(node.core.depart())
    node.away = False
    node.take(node.core.start(script.pick(["tcp://127.0.0.1:7000", "tcp://127.0.0.9:7002"]), node.now))


def sleep(node: Driver, script: Script) -> None:
    node.core.excuse(script.pick(PAUSES), node.now)


NETWORK: Final[list[Callable[[Driver, Script], None]]] = [
    beacon, hello, message, mutated_beacon, raw_beacon, raw_frames, large_frame,
]  # fmt: skip
APPLICATION: Final[list[Callable[[Driver, Script], None]]] = [join, leave, whisper, shout, flush]
REST: Final[list[Callable[[Driver, Script], None]]] = [
    passing_time, quiet_time, much_talk, connections_fail, queues_are_full, depart, arrive, sleep,
]  # fmt: skip
STEPS: Final = [*NETWORK, *APPLICATION, *REST]


def _mutate(octets: bytearray, script: Script) -> None:
    for _ in range(script.number() % 4):
        at = script.number() % (len(octets) + 1)
        match script.number() % 4:
            case 0:
                del octets[at:]
            case 1:
                octets[at:at] = script.octets(script.number() % 40)
            case 2:
                octets[at : at + 1] = script.octets(1)
            case _:
                octets[at : at + 4] = b"\xff\xff\xff\xff"


# --- a target ---------------------------------------------------------------------------------------------------------


def one_input(data: bytes) -> None:
    """Run one script.

    Raises:
        AssertionError: an invariant is broken. So does anything else that is raised.
    """
    script = Script(data)
    with mock.patch.multiple(limits, **BOUNDS):
        node = Driver()
        for _ in range(script.number() % 3):
            node.take(node.core.join(script.pick(TEXTS)))
        node.start()
        node.check()
        while script.more:
            step = script.pick(STEPS)
            if node.away and step in NETWORK:  # there is none
                continue
            step(node, script)
            node.check()


def random_input(source: random.Random) -> bytes:
    """What the tests use in place of a fuzzer: pieces of the seeds and noise."""
    made = bytearray(b"\0")
    for _ in range(source.randrange(1, 12)):
        piece = bytearray(source.choice(SEEDS)[1:])
        for _ in range(source.randrange(4)):
            piece[source.randrange(len(piece))] = source.randrange(256)
        made += piece if source.random() < 0.8 else source.randbytes(source.randrange(40))
    return bytes(made)


def seeds() -> list[bytes]:
    """A script for each way to live: meet, talk, part, come back; the fuzzer goes on from there."""
    number = {step: position for position, step in enumerate(STEPS)}

    def meet(peer: int) -> list[int]:
        return [number[beacon], peer, 1 + peer, 0, number[hello], peer, 0, peer, 1, 0, 1, 0, 0]

    def say(peer: int, kind: int, choice: int = 0) -> list[int]:
        return [number[message], peer, choice, 0, 1, 0, kind, 0]

    scripts = [
        meet(0) + [octet for kind in range(9) for octet in say(0, kind)],
        meet(0) + meet(1) + [number[beacon], 0, 0, 0, number[shout], 0],
        [octet for peer in range(8) for octet in meet(peer)],
        [octet for peer in range(10) for octet in (number[beacon], peer, 1 + peer, 0)] * 2,
        [*meet(0), number[passing_time], 5, *say(0, 5), number[passing_time], 6, *meet(0)],
        [
            *meet(0),
            number[whisper],
            0,
            1,
            number[flush],
            *say(0, 5),
            number[depart],
            number[join],
            0,
            number[arrive],
            0,
            *meet(0),
        ],
        [*meet(0), *say(0, 0, 5), *meet(0), number[arrive], 1, *meet(0)],
        [number[connections_fail], 1, 1, *meet(0), number[passing_time], 4, *meet(0)],
        [number[connections_fail], 1, 0, number[hello], 0, 0, 0, 1, 0, 1, 0, 0],
        [*meet(0), *meet(1), number[queues_are_full], 2, number[join], 0, number[shout], 0, *meet(0)],
        [*meet(0), number[much_talk], 0, 0, *say(0, 4) * 4, number[whisper], 0, 3],
    ]
    return [bytes([0, *script]) for script in scripts]


SEEDS: Final = seeds()


if __name__ == "__main__":
    runner.main("zre", one_input, SEEDS)

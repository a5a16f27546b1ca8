"""A pure core under test, and peers that are only octets."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

from zlog.wire import zre_msg
from zlog.zre.beacon import Beacon as BeaconOctets
from zlog.zre.core import Core
from zlog.zre.effects import Beacon, Connect, Disconnect, Event, Report, Send


@dataclass
class Driven:
    """A core with a clock of its own; sorts its effects by kind, and checks what must always hold."""

    core: Core = field(default_factory=lambda: Core(uuid.UUID(int=1), "own"))
    now: float = 100.0
    beacons: list[bytes] = field(default_factory=list)
    events: list[tuple] = field(default_factory=list)
    sent: dict[uuid.UUID, list] = field(default_factory=dict)
    links: dict[uuid.UUID, str] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)
    entered: set[uuid.UUID] = field(default_factory=set)

    def take(self, effects):
        for effect in effects:
            match effect:
                case Beacon(data):
                    self.beacons.append(data)
                case Connect(peer, endpoint):
                    assert peer not in self.links, "connected twice"
                    self.links[peer] = endpoint
                    self.sent[peer] = []
                case Disconnect(peer):
                    assert self.links.pop(peer), "disconnected without a connection"
                case Send(peer, frames):
                    assert peer in self.links, "sent without a connection"
                    self.sent[peer].append(zre_msg.decode(frames[0], frames[1:]))
                case Event(frames):
                    self._event(frames)
                case Report(cause):
                    self.reports.append(cause)
        return self

    def _event(self, frames):
        kind, peer = frames[0].decode(), uuid.UUID(bytes=frames[1])
        if kind == "ENTER":
            assert peer not in self.entered, "entered twice"
            self.entered.add(peer)
        elif kind != "STOP":
            assert peer in self.entered, f"{kind} of a peer that never entered"
            if kind == "EXIT":
                self.entered.remove(peer)
        self.events.append((kind, peer, *frames[3:]))

    def start(self, endpoint="tcp://127.0.0.1:7000"):
        return self.take(self.core.start(endpoint, self.now))

    def beacon(self, data, source="127.0.0.1"):
        return self.take(self.core.beacon(data, source, self.now))

    def frames(self, *frames):
        return self.take(self.core.frames(list(frames), self.now))

    def after(self, seconds):
        """Let the time pass, with a tick whenever one is due."""
        end = self.now + seconds
        while self.core.due <= end:
            self.now = max(self.now, self.core.due)
            self.take(self.core.tick(self.now))
        self.now = end
        return self

    def kinds(self):
        return [event[0] for event in self.events]


@dataclass
class Octets:
    """A peer as the network shows it."""

    driven: Driven
    number: int = 2
    port: int = 7002
    name: str = "peer"
    sequence: int = 0

    @property
    def uuid(self):
        return uuid.UUID(int=self.number)

    @property
    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def identity(self):
        return b"\x01" + self.uuid.bytes

    def beacon(self, port=None, source="127.0.0.1"):
        self.driven.beacon(BeaconOctets(self.uuid, self.port if port is None else port).encode(), source)
        return self

    def say(self, message, *, sequence=None, modulo=65_536):
        if sequence is None:
            self.sequence = sequence = (self.sequence + 1) % modulo
        message.sequence = sequence
        self.driven.frames(self.identity, *message.frames())
        return self

    def hello(self, **fields):
        self.sequence = 0
        fields = {"endpoint": self.endpoint, "name": self.name} | fields
        return self.say(zre_msg.Hello(**fields))

    def raw(self, *frames):
        self.driven.frames(self.identity, *frames)
        return self


def headers_of(event):
    return json.loads(event[2])

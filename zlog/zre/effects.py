"""What the core of a node wants done: effects, carried out by `zlog.zre.engine` in their order. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Beacon:
    """Broadcast these octets, once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Connect:
    """Make a DEALER for the peer and connect it."""

    peer: UUID
    endpoint: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the peer's DEALER and drop what waits in it."""

    peer: UUID


@dataclass(frozen=True, slots=True)
class Send:
    """Send the frames to the peer. HELLO, JOIN and LEAVE are not ``droppable``: they keep the state."""

    peer: UUID
    frames: list[bytes]
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Tell the application; frames as `pyre.Pyre.recv` returns them. ``droppable`` are WHISPER and SHOUT."""

    frames: list[bytes]
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The first discarded thing of a cause, for one log line."""

    cause: str
    text: str


Effect = Beacon | Connect | Disconnect | Send | Event | Report

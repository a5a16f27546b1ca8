"""Checks of what an application hands to a node: what peers would discard is refused here, where it can be mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from zlog import limits
from zlog.zre.core import Core

STRING_MAX: Final = 255
"""Octets of a name, a group or a header's name: ZRE counts them in one octet."""

INTERVAL_MIN_MS: Final = 10


def text(what: str, value: str) -> str:
    """Return a text that UTF-8 can carry."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} {value!r} can't be sent as UTF-8: {error.reason}") from None
    return value


def short(what: str, value: str) -> str:
    """Return a text of at most 255 octets."""
    octets = len(text(what, value).encode())
    if octets > STRING_MAX:
        raise ValueError(f"{what} has {octets} octets in UTF-8, ZRE allows {STRING_MAX}: {value[:40]!r}…")
    return value


def port(value: int | str) -> int:
    """Return a UDP port."""
    number = int(value)
    if not 0 < number < 65_536:
        raise ValueError(f"UDP port {value} is not possible; use 1 to 65535")
    return number


def interval(value: float | str) -> float:
    """Return milliseconds between beacons as seconds."""
    milliseconds = float(value)
    if not INTERVAL_MIN_MS <= milliseconds < float("inf"):
        raise ValueError(f"beacon interval {value} ms is not possible; use {INTERVAL_MIN_MS} or more")
    return milliseconds / 1000


def peer(value: UUID) -> UUID:
    """Return a peer's UUID."""
    if not isinstance(value, UUID):
        raise TypeError(f"a peer is named by its uuid.UUID, not by {type(value).__name__}; see PyreEvent.peer_uuid")
    return value


def frames(message: bytes | Sequence[bytes]) -> list[bytes]:
    """Return a message as a list of frames."""
    several = [message] if isinstance(message, bytes | bytearray | memoryview) else message
    if isinstance(several, str) or not all(isinstance(frame, bytes | bytearray | memoryview) for frame in several):
        raise TypeError("a message must be bytes or a list of bytes; for text use whispers() or shouts()")
    copies = [bytes(frame) for frame in several]
    longest = max(map(len, copies), default=0)
    if longest > limits.ZRE_MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {longest} octets is over the {limits.ZRE_MAX_FRAME_BYTES} that peers take")
    return copies


def formatted(pattern: str, args: tuple[object, ...]) -> bytes:
    """Return a text as octets, after printf-style formatting when there are arguments."""
    return (pattern % args if args else pattern).encode()


def fits(core: Core, headers: Mapping[str, str] | None = None, group: str | None = None) -> None:
    """Pass if a HELLO with these too is one that peers take.

    Raises:
        ValueError: it would be too long, or have too many groups or headers.
    """
    hello = core.hello()
    hello.headers.update(headers or {})
    if group is not None and group not in hello.groups:
        hello.groups.append(group)
    if len(hello.groups) > limits.ZRE_MAX_GROUPS or len(hello.headers) > limits.ZRE_MAX_HEADERS:
        raise ValueError(f"a node can have {limits.ZRE_MAX_GROUPS} groups and {limits.ZRE_MAX_HEADERS} headers")
    octets = len(hello.encode())
    if octets > limits.ZRE_MAX_COMMAND_BYTES:
        raise ValueError(
            f"groups and headers would take {octets} octets, peers take {limits.ZRE_MAX_COMMAND_BYTES} in a HELLO"
        )

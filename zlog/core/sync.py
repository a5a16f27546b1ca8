"""The lists inside sync messages: items of a fixed size, one after the other, in a chunk. Pure.

protocol/README.md, sections 3.7 (OFFER), 3.8 (WELCOME) and 3.13 (STATUS); COMMIT's intervals are `Intervals.encode`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from zlog import limits
from zlog.severity import RANGES
from zlog.wire.runtime import DecodeError

_RUN: Final = struct.Struct(">16sQ12Q")
_RESUME: Final = struct.Struct(">16sQBQ")
_RANGE: Final = struct.Struct(">BQQQ")
_LINK: Final = struct.Struct(">16sBBQQQ")
_AGE: Final = struct.Struct(">Q")
_UUID_SIZE: Final = 16

#: In OFFER.ages: the node can't tell.
UNKNOWN_AGE: Final = 2**64 - 1


class RunKey(NamedTuple):
    """One life of a node.

    Attributes:
        node: its UUID.
        epoch: opaque; compared for equality only.
    """

    node: UUID
    epoch: int


class Held(NamedTuple):
    """What a node holds of one run: OFFER.

    Attributes:
        run: the run.
        ranges: first and next sequence of each of the six ranges, lowest severity first; equal when there is nothing.
    """

    run: RunKey
    ranges: tuple[tuple[int, int], ...]


class Resume(NamedTuple):
    """Where a range of a run goes on: WELCOME. ``next`` is the first sequence wanted."""

    run: RunKey
    severity: int
    next: int


class RangeStatus(NamedTuple):
    """One range of a run: STATUS.

    Attributes:
        severity: the first one of the range.
        next: the sequence that the next record will get.
        dropped: records of it that were lost before the journal.
        lag: records of it that wait to be sent on this link.
    """

    severity: int
    next: int
    dropped: int
    lag: int


class LinkStatus(NamedTuple):
    """One link of a node: STATUS.

    Attributes:
        collector: its UUID.
        severity: the lowest that it demands.
        durable: it stores what it takes.
        live: the live link is ready.
        sent, lag: records of the current run that were sent to it, and that wait to be sent.
        waiting: records of the current run due to it that it has not committed; 0 when it is not durable.
    """

    collector: UUID
    severity: int
    durable: bool
    live: bool
    sent: int
    lag: int
    waiting: int


#: Bits of a link's flags.
DURABLE: Final = 1
LIVE: Final = 2


def pack_held(runs: Iterable[Held]) -> bytes:
    """OFFER.runs: 120 octets each."""
    return b"".join(
        _RUN.pack(held.run.node.bytes, held.run.epoch, *(number for pair in held.ranges for number in pair))
        for held in runs
    )


def unpack_held(octets: bytes) -> list[Held]:
    """The same, read. Raises DecodeError."""
    _check(octets, _RUN.size, limits.MAX_RUNS, "OFFER")
    held = []
    for node, epoch, *numbers in _RUN.iter_unpack(octets):
        pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        if any(not 1 <= first <= following for first, following in pairs):
            raise DecodeError("value", 0, "OFFER")
        held.append(Held(RunKey(UUID(bytes=node), epoch), pairs))
    return held


def pack_ages(ages: Iterable[int | None]) -> bytes:
    """OFFER.ages: 8 octets each, None for one that isn't known."""
    return b"".join(_AGE.pack(UNKNOWN_AGE if age is None else min(max(0, age), UNKNOWN_AGE - 1)) for age in ages)


def unpack_ages(octets: bytes, runs: int) -> list[int | None]:
    """The same, read: one for each of so many runs; what isn't there isn't known. Raises DecodeError."""
    _check(octets, _AGE.size, limits.MAX_RUNS, "OFFER")
    ages = [None if age == UNKNOWN_AGE else age for (age,) in _AGE.iter_unpack(octets)]
    return (ages + [None] * runs)[:runs]


def pack_resume(points: Iterable[Resume]) -> bytes:
    """WELCOME.resume: 33 octets each."""
    return b"".join(_RESUME.pack(point.run.node.bytes, point.run.epoch, point.severity, point.next) for point in points)


def unpack_resume(octets: bytes) -> list[Resume]:
    """The same, read. Raises DecodeError."""
    _check(octets, _RESUME.size, limits.MAX_RUNS * len(RANGES), "WELCOME")
    points = []
    for node, epoch, severity, following in _RESUME.iter_unpack(octets):
        if severity not in RANGES:
            raise DecodeError("value", 0, "WELCOME")
        points.append(Resume(RunKey(UUID(bytes=node), epoch), severity, following))
    return points


def pack_ranges(ranges: Iterable[RangeStatus]) -> bytes:
    """STATUS.ranges: 25 octets each."""
    return b"".join(_RANGE.pack(*status) for status in ranges)


def unpack_ranges(octets: bytes) -> list[RangeStatus]:
    """The same, read. Raises DecodeError."""
    _check(octets, _RANGE.size, len(RANGES), "STATUS")
    ranges = [RangeStatus(*numbers) for numbers in _RANGE.iter_unpack(octets)]
    if any(status.severity not in RANGES for status in ranges):
        raise DecodeError("value", 0, "STATUS")
    return ranges


def pack_links(links: Iterable[LinkStatus]) -> bytes:
    """STATUS.links: 42 octets each."""
    return b"".join(
        _LINK.pack(
            link.collector.bytes,
            link.severity,
            DURABLE * link.durable | LIVE * link.live,
            link.sent,
            link.lag,
            link.waiting,
        )
        for link in links
    )


def unpack_links(octets: bytes) -> list[LinkStatus]:
    """The same, read. Raises DecodeError."""
    _check(octets, _LINK.size, limits.MAX_LINKS, "STATUS")
    return [
        LinkStatus(UUID(bytes=collector), severity, bool(flags & DURABLE), bool(flags & LIVE), *counts)
        for collector, severity, flags, *counts in _LINK.iter_unpack(octets)
    ]


def pack_path(path: Iterable[UUID]) -> bytes:
    """OFFER.path: 16 octets each."""
    return b"".join(uuid.bytes for uuid in path)


def unpack_path(octets: bytes) -> list[UUID]:
    """The same, read. Raises DecodeError."""
    _check(octets, _UUID_SIZE, limits.MAX_PATH, "OFFER")
    return [UUID(bytes=octets[at : at + _UUID_SIZE]) for at in range(0, len(octets), _UUID_SIZE)]


def _check(octets: bytes, size: int, most: int, message: str) -> None:
    if len(octets) % size:
        raise DecodeError("truncated", len(octets), message)
    if len(octets) > most * size:
        raise DecodeError("value", most * size, message)

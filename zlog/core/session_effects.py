"""What a collector's session wants done. Pure data."""

from __future__ import annotations

from typing import NamedTuple

from zlog.core.parcels import Key, Parcel

__all__ = ["GAP", "NOT_ASKED", "Effect", "Name", "Report", "Send", "Take"]

#: In place of a ``CAUSE_`` constant: records that were never asked for, such as those before the first contact.
NOT_ASKED = 0
#: The same: records that are missing, and nobody is there to answer for them. Sinks note that, and take what comes.
GAP = 255


class Send(NamedTuple):
    """Send a message to the node behind this routing id; report it with `Session.unreachable` if it is gone."""

    identity: bytes
    frame: bytes


class Take(NamedTuple):
    """Hand records to these sinks. A store takes what it doesn't hold yet, a view those of the sequences in ``fresh``.
    What one has no room for it reports with `Session.refused`, what it holds durably with `Session.written`."""

    parcel: Parcel
    sinks: tuple[int, ...]
    fresh: list[tuple[int, int]]


class Name(NamedTuple):
    """Have these sinks note the sequences [start, stop) as gone, and why, unless they have them. They can't refuse.
    With the cause `GAP` they go on lacking them."""

    key: Key
    start: int
    stop: int
    cause: int
    sinks: tuple[int, ...]


class Report(NamedTuple):
    """Something was discarded for the first time for this cause; from now on it is only counted."""

    cause: str
    text: str


Effect = Send | Take | Name | Report

"""What a node's link wants done by its edge, and what it is told of the node. Pure data."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

__all__ = ["CloseLive", "Demand", "Event", "OpenLive", "Own", "Refused", "Welcomed", "Wrong"]


class Own(NamedTuple):
    """Who the node is.

    Attributes:
        host, name, pid: of the node.
        began: when its run began, by the clock of ``now``.
    """

    host: str
    name: str
    pid: int
    began: int


class Demand(NamedTuple):
    """What a collector wants: the lowest severity, the logger (empty: all), and until when (None: while linked)."""

    severity: int
    logger: str
    until: int | None


class OpenLive(NamedTuple):
    """WELCOME named the live endpoint. It takes the place of the one before."""

    endpoint: str


class CloseLive(NamedTuple):
    """The live endpoint can't be reached; the stream goes over sync."""


class Welcomed(NamedTuple):
    """The collector is known now."""

    collector: UUID


class Refused(NamedTuple):
    """The collector doesn't want this link: it must be closed."""

    code: int
    reason: str


class Wrong(NamedTuple):
    """Another process has the live endpoint: the link must be closed."""


Event = OpenLive | CloseLive | Welcomed | Refused | Wrong

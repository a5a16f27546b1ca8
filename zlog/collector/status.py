"""What a collector shows of itself: frozen values, made by its core's thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from zlog.collector.stores.text import CAUSES
from zlog.core.nodes import Run
from zlog.core.session import Session
from zlog.core.session_effects import GAP
from zlog.core.streams import Stream
from zlog.core.sync import LinkStatus

__all__ = ["CollectorStatus", "Missing", "NodeStatus", "RangeView", "StoreStatus", "cause_name", "nodes_of"]

WAITING: Final = "waiting"
"""Cause of what is missing while a node is connected that holds it."""
GAP_NAME: Final = CAUSES[GAP]


def cause_name(cause: int) -> str:
    """The name of a `CAUSE_` constant, or `GAP`."""
    return CAUSES.get(cause, f"cause {cause}")


@dataclass(frozen=True, slots=True)
class Missing:
    """Records of a run that some sink has not: the sequences [start, stop) of a range.

    Attributes:
        range: first severity of the range.
        cause: ``evicted``, ``expired``, ``dropped``, ``damaged``, ``unknown to the node``; ``gap`` if nobody is there
            who could have them; ``waiting`` if a node that is connected holds them.
    """

    range: int
    start: int
    stop: int
    cause: str

    @property
    def count(self) -> int:
        """How many."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class RangeView:
    """One range of a run.

    Attributes:
        first: the first sequence that was asked for.
        next: the sequence after the last that is known to exist.
        stored: records that all stores have taken; without stores, that the view was given.
        lost: sequences that were named as gone.
        missing: sequences from `first` to `next` that are neither; those with the cause ``gap`` are among them.
        lag, dropped: as the node says: records that it has still to send here, and that never reached its journal.
    """

    first: int
    next: int
    stored: int
    lost: int
    missing: int
    lag: int
    dropped: int


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One run of a node.

    Attributes:
        node, epoch: the run.
        name, host, pid: of the node.
        connected: it goes on, and streams here. Senders without sync never are.
        closed: its last STATUS ended the link in order.
        legacy: made up of LOG.
        last_status_ns: when the node last said how far it is, nanoseconds since 1970; 0 for never.
        clock_offset_ns: by how much the node's clock is ahead of ours; None if unknown.
        ranges: by first severity.
        links: the node's links to collectors, as it says.
        missing: what isn't stored and was asked for, and why: all that `ranges` count as lost and missing.
    """

    node: UUID
    epoch: int
    name: str
    host: str
    pid: int
    connected: bool
    closed: bool
    legacy: bool
    last_status_ns: int
    clock_offset_ns: int | None
    ranges: dict[int, RangeView]
    links: list[LinkStatus]
    missing: list[Missing] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """One store.

    Attributes:
        url: which one.
        records: written by this collector.
        behind: records that wait to be written.
        failing: what the last write said, when it failed; None when all is well.
    """

    url: str
    records: int
    behind: int
    failing: str | None


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """All of it.

    Attributes:
        nodes: runs, in the order in which they were met.
        stores: in the order in which they were given.
        received: records that came, each copy counted.
        below: of those that came by themselves, below the demand.
        discarded: what was discarded, by cause.
        legacy_received, legacy_collisions: records that came as LOG, and how many of them fit more than one peer.
        view_dropped: records that nobody read in time.
        live, sync: endpoints; empty while there is no network.
    """

    nodes: list[NodeStatus] = field(default_factory=list)
    stores: list[StoreStatus] = field(default_factory=list)
    received: int = 0
    below: int = 0
    discarded: dict[str, int] = field(default_factory=dict)
    legacy_received: int = 0
    legacy_collisions: int = 0
    view_dropped: int = 0
    live: str = ""
    sync: str = ""


def nodes_of(session: Session, sinks: Sequence[int]) -> list[NodeStatus]:
    """The runs of a session, as these sinks have them."""
    return [_node(session, run, sinks) for run in session.runs.values()]


def _node(session: Session, run: Run, sinks: Sequence[int]) -> NodeStatus:
    streams = [stream for stream in run.streams if stream is not None and (stream.begun or stream.next > 1)]
    ranges = {stream.key[2]: _range(stream, sinks) for stream in streams}
    waits = WAITING if session.is_held(run) else GAP_NAME
    return NodeStatus(
        node=run.uuid,
        epoch=run.id[1],
        name=run.name,
        host=run.host,
        pid=run.pid,
        connected=session.is_connected(run),
        closed=run.closed,
        legacy=run.legacy,
        last_status_ns=run.status_ns,
        clock_offset_ns=run.clock.offset_ns,
        ranges=ranges,
        links=list(run.links),
        missing=[
            span
            for stream in streams
            if ranges[stream.key[2]].missing or ranges[stream.key[2]].lost
            for span in _missing(stream, sinks, waits)
        ],
    )


def _missing(stream: Stream, sinks: Sequence[int], waits: str) -> list[Missing]:
    """The spans in ascending order."""
    first = stream.key[2]
    spans = [
        Missing(first, start, stop, cause_name(cause))
        for cause, intervals in stream.named.items()
        for start, stop in intervals
    ]
    if stream.begun:
        known = stream.settled(sinks).union(stream.lost).union(stream.skipped)
        spans += [Missing(first, start, stop, waits) for start, stop in known.missing(stream.base, stream.end)]
    return sorted(spans, key=lambda span: span.start)


def _range(stream: Stream, sinks: Sequence[int]) -> RangeView:
    done = stream.settled(sinks)
    not_stored = stream.lost.union(stream.skipped)
    stored = done.subtract(not_stored).count()
    known = done.union(not_stored)
    missing = sum(stop - start for start, stop in known.missing(stream.base, stream.end)) if stream.begun else 0
    return RangeView(stream.base, stream.next, stored, stream.lost.count(), missing, stream.lag, stream.dropped)

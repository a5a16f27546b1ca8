"""What an agent shows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from zlog.core.link import Link

__all__ = ["AgentStatus", "LinkView", "view_of"]


@dataclass(frozen=True)
class LinkView:
    """One link of an agent.

    Attributes:
        collector: UUID of the collector; None until it is known.
        name: its name.
        endpoint: where it is.
        state: ``connecting``, ``live`` (the stream runs) or ``sync`` (the stream runs over sync).
        durable: it stores what it takes.
        severity: the lowest that it wants.
        sent, lag, waiting: records of this run that were sent, have still to be sent, and are not committed.
    """

    collector: UUID | None
    name: str
    endpoint: str
    state: Literal["connecting", "live", "sync"]
    durable: bool
    severity: int
    sent: int
    lag: int
    waiting: int


@dataclass(frozen=True)
class AgentStatus:
    """What an agent does.

    Attributes:
        uuid, epoch: the run.
        name: of the node.
        next: the sequence that the next record has, by range.
        dropped: records that were dropped before the journal, by range.
        journal_bytes: what the journal takes, and `evicted` how many records had to go from it.
        links: to collectors.
        adopted: runs of dead processes that it took over from the journal on disk.
        unwritten: records that went from memory before the disk had space for them.
        disk_failing: what the last write to the journal on disk said; None when all is well, or there is none.
    """

    uuid: UUID
    epoch: int
    name: str
    next: dict[int, int]
    dropped: dict[int, int]
    journal_bytes: int
    evicted: int
    links: tuple[LinkView, ...]
    adopted: int = 0
    unwritten: int = 0
    disk_failing: str | None = None


def view_of(link: Link) -> LinkView:
    summary = link.summary()
    return LinkView(
        link.collector,
        link.name,
        link.target.live or link.target.sync or "",
        "live" if link.streams else "sync" if link.serves else "connecting",
        link.durable,
        summary.severity,
        summary.sent,
        summary.lag,
        summary.waiting,
    )

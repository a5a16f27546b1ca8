"""What a node says of itself on sync: OFFER and STATUS. Pure.

protocol/README.md, sections 3.7 and 3.13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zlog import limits
from zlog.core.holdings import Holdings
from zlog.core.link_effects import Own
from zlog.core.sync import LinkStatus, RangeStatus, pack_ages, pack_held, pack_links, pack_ranges
from zlog.severity import RANGES
from zlog.wire import zre_log_msg
from zlog.wire.zre_log_msg import VERSION

__all__ = ["offer", "status"]


def offer(own: Own, holdings: Holdings, now: int, clock: int) -> bytes:
    """OFFER: who the node is and which runs it holds.

    Args:
        now: nanoseconds of a clock that never jumps.
        clock: nanoseconds since 1970-01-01 00:00 UTC.
    """
    run, runs = holdings.run, holdings.held()[: limits.MAX_RUNS]
    began = {holdings.key: own.began, **holdings.began}
    return zre_log_msg.Offer(
        version=VERSION,
        node=run.node,
        epoch=run.epoch,
        age=max(0, now - own.began),
        clock=clock,
        host=own.host,
        name=own.name,
        pid=own.pid,
        path=b"",
        runs=pack_held(runs),
        ages=pack_ages(now - began[held.run] if held.run in began else None for held in runs),
    ).encode()


def status(
    holdings: Holdings,
    clock: int,
    nexts: Sequence[int],
    lag: Callable[[int, int], int],
    links: Sequence[LinkStatus],
    *,
    closing: bool,
) -> bytes:
    """STATUS: how far the current run is.

    Args:
        nexts: the sequences, from TRACE to FATAL, before which everything was logged.
        lag: of the range with this index, how many of the records before this sequence have still to be sent.
        links: of the node, to all collectors.
    """
    ranges = [
        RangeStatus(first, nexts[index], holdings.dropped[index], lag(index, nexts[index]))
        for index, first in enumerate(RANGES)
        if nexts[index] > 1
    ]
    return zre_log_msg.Status(
        node=holdings.run.node,
        epoch=holdings.run.epoch,
        clock=clock,
        closing=int(closing),
        ranges=pack_ranges(ranges),
        links=pack_links(list(links[: limits.MAX_LINKS])),
    ).encode()

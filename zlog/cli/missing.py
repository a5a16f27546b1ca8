"""What no store has of what nodes have logged, and why: for `zlog status`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from zlog.cli.common import names_in
from zlog.cli.picture import MissingRow
from zlog.collector.status import GAP_NAME, WAITING, cause_name
from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.severity import RANGES

if TYPE_CHECKING:
    from zlog.collector import NodeStatus
    from zlog.collector.stores import Key, Store

__all__ = ["Names", "missing_rows"]

_RunId = tuple[bytes, int]


class Names:
    """What nodes are called: name and host, as they say, or as stores have it.

    Attributes:
        problem: why a store couldn't be asked for names; None when all is well.
    """

    def __init__(self) -> None:
        self.problem: StoreError | None = None
        self._known: dict[bytes, tuple[str, str]] = {}

    def learn(self, runs: Sequence[NodeStatus]) -> None:
        """Nodes that are there."""
        self._known.update((run.node.bytes, (run.name, run.host)) for run in runs)

    def look_up(self, nodes: Iterable[bytes], stores: Sequence[Store]) -> None:
        """Nodes that needn't be there: those that aren't known are looked up in the stores, all at once, and once."""
        unknown = set(nodes) - set(self._known)
        if not unknown:
            return
        found: dict[str, tuple[str, str]] = {}
        for store in stores:
            try:
                found = names_in([store]) | found
            except StoreError as problem:
                self.problem = problem
        self._known.update((node, found.get(node.hex(), ("", ""))) for node in unknown)

    def of(self, node: bytes) -> tuple[str, str]:
        """Name and host; empty if nobody knows."""
        return self._known.get(node, ("", ""))


def missing_rows(stores: Sequence[Store], runs: Sequence[NodeStatus], names: Names) -> list[MissingRow]:
    """All spans that are missing: of runs that are connected, and of those that stores know of."""
    from zlog.collector.stores import Filter
    from zlog.collector.stores.several import missing

    if not stores:
        return []
    names.learn(runs)
    known: dict[Key, Intervals] = {}
    for store in stores:
        for key, held in store.held().items():
            known[key] = known[key].union(held) if key in known else held
    ends = {key: held.stop for key, held in known.items()} | _ends(runs, known)
    spans = [(loss.key, loss.start, loss.stop, cause_name(loss.cause)) for loss in missing(stores, Filter()).losses]
    for key, start, stop, _ in spans:
        known.setdefault(key, Intervals()).add(start, stop)
    connected = {(run.node.bytes, run.epoch) for run in runs}
    for key, end in ends.items():
        cause = WAITING if key[:2] in connected else GAP_NAME
        spans += [(key, start, stop, cause) for start, stop in known.get(key, Intervals()).missing(1, end)]
    names.look_up((key[0] for key, *_ in spans), stores)
    return [
        MissingRow(key[0].hex(), *names.of(key[0]), key[1], key[2], start, stop, stop - start, cause)
        for key, start, stop, cause in sorted(spans)
    ]


def _ends(runs: Sequence[NodeStatus], known: Mapping[Key, Intervals]) -> dict[Key, int]:
    """How far the ranges of the runs that are connected are, as far as somebody asks for them."""
    ends: dict[Key, int] = {}
    for run in runs:
        run_id = run.node.bytes, run.epoch
        asked = [link.severity for link in run.links if link.durable]
        asked += [first for first in RANGES if (*run_id, first) in known]
        least = min(asked, default=1)
        for first, view in run.ranges.items():
            if first + 3 >= least:
                ends[*run_id, first] = view.next
    return ends

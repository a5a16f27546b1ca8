"""What was logged before `zlog tail` came, as one list: from stores, and from what nodes still hold.

Nodes send what they hold into the spool. As soon as all have, it is frozen (a `Round`), and merged with the stores,
record by record: nothing is loaded. What comes meanwhile is the next round's.

A record may be in a store, in the journal of its node, and come live, all at the same time. In the merge it is there
once, as copies stand next to each other. After it, what stores had is known by its intervals: they are read before the
stores are, and a store is asked for no more than those. So a record that a collector writes while its store is read is
either in the list, or comes from its node.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from zlog.cli.common import names_in
from zlog.cli.spool import Round, Spool
from zlog.collector import Collector
from zlog.collector.stores import Filter, Key, Loss, Store
from zlog.collector.stores.several import combined, key_of, missing, stored_in, with_losses
from zlog.core.intervals import Intervals
from zlog.record import Stored

__all__ = ["History"]

#: A node's first beacon is answered within milliseconds, the second one follows after a second. So long nobody is
#: waited for who isn't there, ...
DISCOVERY_S: Final = 1.2
#: ... and so long others, after the last one that came.
SETTLED_S: Final = 0.5
#: How long nodes are waited for that have more to give, and give nothing.
PATIENCE_S: Final = 2.0
_LOOK_S: Final = 0.05
_AGENTS: Final = "ZYRE-LOGNODE"


class History:
    """Args:
        collector: with the spool as its only store.
        spool: where nodes' records come in.
        stores: open for reading.
        wanted: which records; with a limit the newest so many.
        stopped: whether to give up.

    Attributes:
        known: per run and range the sequences that were taken from the stores.
        named: those that are lost.
        names: of nodes that stores have records of, by UUID (32 hexadecimal digits); only if something is lost.
    """

    def __init__(
        self,
        collector: Collector,
        spool: Spool,
        stores: Sequence[Store],
        wanted: Filter,
        stopped: Callable[[], bool],
    ) -> None:
        self.known: dict[Key, Intervals] = {}
        self.named: dict[Key, Intervals] = {}
        self.names: dict[str, str] = {}
        self._collector = collector
        self._spool = spool
        self._stores = stores
        self._wanted = wanted
        self._stopped = stopped
        self._targets: dict[Key, int] = {}

    def items(self) -> Iterator[Stored | Loss]:
        """Records and losses in order. Raises StoreError."""
        self._await_nodes()
        if self._stopped():
            return
        round_ = self._spool.turn(0) or Round()
        only = [stored_in(store) for store in self._stores]
        for each in only:
            for key, intervals in each.items():
                self.known[key] = self.known[key].union(intervals) if key in self.known else intervals
        gone = missing([*self._stores, self._spool], replace(self._wanted, limit=None))
        self._spool.forget_losses()
        if gone.losses:
            self.names = {node: name for node, (name, _) in names_in(self._stores).items()}
        for loss in gone.losses:
            self.named.setdefault(loss.key, Intervals()).add(loss.start, loss.stop)
        records = combined([*self._stores, round_], self._wanted, [*only, None])
        try:
            yield from with_losses(records, gone, self._wanted.limit)
        finally:
            records.close()
            round_.close()

    # --- what nodes hold ----------------------------------------------------------------------------------------------

    def _await_nodes(self) -> None:
        """Until all nodes gave what they had when they were met, or give nothing more."""
        began = settled = moved = time.monotonic()
        members: set[object] = set()
        least = -1
        while not self._stopped():
            now = time.monotonic()
            there, waits, lacking = self._look()
            if there - members:
                members |= there
                settled = now
            if lacking != least:
                least, moved = lacking, now
            is_settled = now - settled >= (SETTLED_S if members else DISCOVERY_S)
            if is_settled and not waits and not lacking:
                return
            if is_settled and now - max(moved, settled, began) >= PATIENCE_S:
                return
            time.sleep(_LOOK_S)

    def _look(self) -> tuple[set[object], bool, int]:
        """Who is there, whether one of those hasn't said yet what it holds, and how many records are still to come."""
        told: set[object] = set()
        for node in self._collector.status().nodes:
            if node.connected and not node.last_status_ns:
                continue
            if node.connected:
                told.add(node.node)
            for first, view in node.ranges.items():
                if self._wanted.level is None or first + 3 >= self._wanted.level:
                    self._targets.setdefault((node.node.bytes, node.epoch, first), view.next)
        there = told | self._agents()
        lacking = 0
        for key, target in self._targets.items():
            held = self._spool.holds(key)
            holes = held.missing(1, target) if held is not None else [(1, target)]
            lacking += sum(stop - start for start, stop in holes)
        return there, bool(there - told), lacking

    def is_told(self, record: Stored) -> bool:
        """Whether a record was taken from a store."""
        known = self.known.get(key_of(record))
        return known is not None and record.sequence in known

    def untold(self, loss: Loss) -> Iterator[Loss]:
        """What of a loss is neither in a store nor was shown."""
        told = self.known.get(loss.key, Intervals()).union(self.named.get(loss.key, Intervals()))
        for start, stop in told.missing(loss.start, loss.stop):
            yield replace(loss, start=start, stop=stop)

    def _agents(self) -> set[object]:
        """Those that are known by ZRE, before they have connected."""
        announcer = self._collector._announcer
        return set(announcer.node.peers_by_group(_AGENTS) or []) if announcer is not None else set()

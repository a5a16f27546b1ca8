"""Prints what comes into a spool, in a thread of its own: `zlog tail`, and `zlog demo`."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from zlog.cli import common
from zlog.cli.history import History
from zlog.cli.holdback import HOLD_NS, Holdback
from zlog.cli.lines import Lines, Paint
from zlog.cli.spool import Round, Spool
from zlog.collector import Collector
from zlog.collector.stores import Filter, Loss
from zlog.collector.stores.model import GAP
from zlog.collector.stores.text import escape
from zlog.record import Stored

__all__ = ["Look", "Output", "Printer"]

_NS: Final = 1_000_000_000
#: Of a long history so many records are written in one go, ...
_CHUNK: Final = 200
#: ... at the latest after so long.
_CHUNK_S: Final = 0.1
#: A record that is so much older than one that was shown before came late.
_LATE_NS: Final = 2 * _NS
#: Nodes whose names are remembered, for losses.
_MOST_NAMES: Final = 100_000


@dataclass(frozen=True)
class Look:
    """How records are printed: as lines, or as JSON where there are none."""

    lines: Lines | None
    losses: Lines

    @classmethod
    def of(cls, args: argparse.Namespace) -> Look:
        """What the options say."""
        zone = UTC if args.utc else None
        if args.json:
            return cls(None, Lines(Paint(False), zone=zone))
        lines = Lines(
            common.paint_for(args),
            dates=not sys.stdout.isatty(),
            host=socket.gethostname(),
            verbose=args.verbose,
            zone=zone,
        )
        return cls(lines, lines)


class Output:
    """Where lines go.

    Args:
        look: how they look.
        wanted: what is shown.
    """

    def __init__(self, look: Look, wanted: Filter) -> None:
        self._look = look
        self._wanted = wanted
        self._names: dict[str, str] = {}

    def items(self, items: Sequence[Stored | Loss]) -> None:
        """Show these. Raises OSError."""
        if len(self._names) > _MOST_NAMES:
            self._names.clear()
        for item in items:
            if isinstance(item, Stored):
                self._names[item.node] = item.name
        lines = self._look.lines
        shown: list[str] = []
        for item in items:
            if isinstance(item, Loss):
                common.write("".join(shown))
                shown.clear()
                self.loss(item)
            else:
                shown.append(f"{item.to_json().decode() if lines is None else lines.record(item)}\n")
        common.write("".join(shown))

    def loss(self, loss: Loss) -> None:
        """Show a loss, if it is about what is shown, or may be. Raises OSError."""
        name = self._names.get(loss.node, "")
        if self._wanted.level is not None and loss.range + 3 < self._wanted.level:
            return
        if common.may_be_meant(self._wanted, loss.node, name):
            self._line(self._look.losses.loss(loss, name))

    def learn(self, node: str, name: str) -> None:
        """What a node is called, of which no record was shown yet."""
        self._names.setdefault(node, name)

    def knows(self, node: str) -> bool:
        """Whether it knows what the node is called."""
        return node in self._names

    def note(self, text: str) -> None:
        """Show a line of our own. Raises OSError."""
        self._line(self._look.losses.note(text))

    def _line(self, line: str) -> None:
        if self._look.lines is None:
            common.say(line)
        else:
            common.write(f"{line}\n")


class Printer(threading.Thread):
    """Prints what comes into a spool, until that has ended: first what was before, if that is wanted.

    Args:
        collector: whose store the spool is.
        spool: it.
        output: where to.
        wanted: which records.
        ended: called with an error, when printing isn't possible.
        history: what was before.
        old: records from before the start are wanted, also of nodes that are found late.

    Attributes:
        error: that error.
    """

    def __init__(
        self,
        collector: Collector,
        spool: Spool,
        output: Output,
        wanted: Filter,
        ended: Callable[[BaseException | None], None],
        *,
        history: History | None = None,
        old: bool = False,
    ) -> None:
        super().__init__(name="zlog-print", daemon=True)
        self.error: BaseException | None = None
        self._collector = collector
        self._spool = spool
        self._output = output
        self._wanted = wanted
        self._ended = ended
        self._history = history
        self._old = old
        self._began_ns = time.time_ns()
        self._newest_ns = 0
        self._late: set[tuple[str, int]] = set()
        self._held: Holdback = Holdback()
        self._losses: deque[tuple[int, Loss]] = deque()
        self._looked = 0
        self._stopping = False
        self._follows = False

    def stop(self) -> None:
        """The end is asked for: leave the rest of the history out."""
        self._stopping = True

    def run(self) -> None:
        """Until the end; then what is still held."""
        try:
            if self._history is not None:
                self._print_all(self._history.items())
                if self._stopping:
                    return
            self._spool.forget_losses()
            self._follows = True
            while self._step():
                pass
            self._print(self._held.rest())
            self._print_losses(1 << 63)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self.error = error
            self._ended(None)
        finally:
            self._spool.give_up()

    def _print_all(self, items: Iterable[Stored | Loss]) -> None:
        """Records and losses in order, as many as there are."""
        chunk: list[Stored | Loss] = []
        due = time.monotonic() + _CHUNK_S
        for item in items:
            chunk.append(item)
            if isinstance(item, Stored) and (
                len(chunk) >= _CHUNK or time.monotonic() > due
            ):  # which names what is lost
                self._print(chunk)
                chunk.clear()
                due = time.monotonic() + _CHUNK_S
                if self._stopping and not self._follows:
                    return
        self._print(chunk)

    # --- what comes ---------------------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Print what is due; False at the end."""
        now = time.monotonic_ns()
        dues = [due for due in (self._held.due(), self._losses[0][0] if self._losses else None) if due is not None]
        round_ = self._spool.turn(max(0.0, (min(dues) - now) / _NS) if dues else 1.0)
        now = time.monotonic_ns()
        if round_ is not None:
            self._take(round_, now)
            round_.close()
        self._print(self._held.take(now))
        self._print_losses(now)
        if now - self._looked > _NS:
            self._looked = now
            common.check_reader()
        return round_ is not None or not self._spool.ended

    def _take(self, round_: Round, now: int) -> None:
        if round_.is_large:  # so much came that it is in order by itself
            self._print(self._held.rest())
            self._print_all(record for record in round_.query() if self._is_wanted(record))
        else:
            for record in round_.records():
                if self._is_wanted(record):
                    self._held.add(record, now)
        self._losses += [(now + HOLD_NS, loss) for loss in round_.losses]

    def _is_wanted(self, record: Stored) -> bool:
        if self._history is not None:
            if not self._old and record.time_ns < self._began_ns:
                return False  # from a node that was found too late for the history
            if self._history.is_told(record):
                return False
        return self._wanted.matches(record)

    def _print(self, items: Sequence[Stored | Loss]) -> None:
        for item in items:
            if isinstance(item, Stored):
                if self._follows and item.time_ns < min(self._began_ns, self._newest_ns - _LATE_NS):
                    self._tell_late(item)
                self._newest_ns = max(self._newest_ns, item.time_ns)
        if items:
            self._learn_names(items)
            self._output.items(items)

    def _tell_late(self, record: Stored) -> None:
        run = record.node, record.epoch
        if run not in self._late:
            self._late.add(run)
            name = escape(record.name) or record.node
            self._output.note(f"older records of {name} follow: they came too late to stand in order")

    def _print_losses(self, now: int) -> None:
        due: list[Loss] = []
        while self._losses and self._losses[0][0] <= now:
            _, loss = self._losses.popleft()
            if self._stopping and loss.cause == GAP:
                continue  # it isn't missing: we don't wait for it
            due += [loss] if self._history is None else self._history.untold(loss)
        self._learn_names(due)
        for loss in due:
            self._output.loss(loss)

    def _learn_names(self, items: Iterable[Stored | Loss]) -> None:
        """What nodes call themselves that have lost something and no record here: by stores, or by their connection."""
        unknown = {item.node for item in items if isinstance(item, Loss) and not self._output.knows(item.node)}
        if not unknown:
            return
        found = self._history.names if self._history is not None else {}
        there = {each.node.hex: each.name for each in self._collector.status().nodes}
        for node in unknown:
            if name := there.get(node) or found.get(node):
                self._output.learn(node, name)

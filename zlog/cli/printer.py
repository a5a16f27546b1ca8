"""Prints what a collector hands out, in a thread of its own: `zlog tail`, and `zlog demo`."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from zlog.cli import common
from zlog.cli.holdback import Holdback
from zlog.cli.lines import Lines, Paint
from zlog.collector import Collector, CollectorStatus
from zlog.collector.stores import Filter, Loss
from zlog.collector.stores.order import newest, ordered
from zlog.record import Stored

__all__ = ["Look", "Printer", "is_complete"]

#: How long older records are waited for at the start, if nodes don't say before that they gave all.
HISTORY_S: Final = 2.0
_MOST_HISTORY: Final = 200_000
_NS: Final = 1_000_000_000


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


class Printer(threading.Thread):
    """Prints what a collector hands out, until it has stopped.

    Args:
        collector: with a view.
        wanted: which records.
        look: how.
        ended: called with an error, when printing isn't possible.
        history: print so many that were logged before, at the start; None for all that come.
        old: records from before the start are wanted, also of nodes that are found late.

    Attributes:
        error: that error.
    """

    def __init__(
        self,
        collector: Collector,
        wanted: Filter,
        look: Look,
        ended: Callable[[BaseException | None], None],
        *,
        history: int | None = None,
        old: bool = False,
    ) -> None:
        super().__init__(name="zlog-print", daemon=True)
        self.error: BaseException | None = None
        self._collector = collector
        self._wanted = wanted
        self._look = look
        self._ended = ended
        self._history = history
        self._old = old
        self._began_ns = time.time_ns()
        self._held: Holdback = Holdback()
        self._losses = 0
        self._dropped = 0
        self._looked = 0

    def run(self) -> None:
        """Until the end; then what is still held."""
        try:
            if self._history is not None or self._old:
                self._print_history()
            while self._step():
                pass
            self._print(self._held.rest())
            self._look_at_losses()
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self.error = error
            self._ended(None)

    def _step(self) -> bool:
        """Print what is due; False at the end."""
        due = self._held.due()
        now = time.monotonic_ns()
        wait_s = 1.0 if due is None else max(0.0, (due - now) / _NS)
        for record in self._collector.records(wait_s):
            now = time.monotonic_ns()
            if self._is_wanted(record):
                self._held.add(record, now)
            due = self._held.due()
            if due is not None and due <= now + 1_000_000:
                break
        now = time.monotonic_ns()
        self._print(self._held.take(now))
        if now - self._looked > _NS:
            self._looked = now
            common.check_reader()
            self._look_at_losses()
        return not self._is_over()

    def _is_over(self) -> bool:
        return self._collector._ended

    def _is_wanted(self, record: Stored) -> bool:
        if self._history is not None and not self._old and record.time_ns < self._began_ns:
            return False  # from a node that was found too late for the history
        return self._wanted.matches(record)

    def _print_history(self) -> None:
        """What was logged before, in order, all at once."""
        deadline = time.monotonic() + HISTORY_S
        found: list[Stored] = []
        while (left := deadline - time.monotonic()) > 0 and len(found) < _MOST_HISTORY:
            for record in self._collector.records(min(0.05, left)):
                if self._wanted.matches(record):
                    found.append(record)
                if len(found) >= _MOST_HISTORY or time.monotonic() > deadline:
                    break
            if is_complete(self._collector.status()) or self._is_over():
                found += filter(self._wanted.matches, self._collector.records(0))
                break
        self._print(ordered(newest(found, self._history)))

    def _print(self, records: list[Stored]) -> None:
        if not records:
            return
        lines = self._look.lines
        if lines is None:
            common.write("".join(f"{record.to_json().decode()}\n" for record in records))
        else:
            common.write("".join(f"{lines.record(record)}\n" for record in records))

    def _look_at_losses(self) -> None:
        losses = self._collector.losses()
        if len(losses) > self._losses:
            names = {node.node.hex: node.name for node in self._collector.status().nodes}
            for loss in losses[self._losses :]:
                self._print_loss(loss, names.get(loss.node, ""))
            self._losses = len(losses)
        dropped = self._collector.status().view_dropped
        if dropped > self._dropped:
            self._note(f"{common.plural(dropped - self._dropped, 'record')} came faster than they can be shown here")
            self._dropped = dropped

    def _print_loss(self, loss: Loss, name: str) -> None:
        if self._wanted.level is not None and loss.range + 3 < self._wanted.level:
            return
        if not self._wanted.matches_node(loss.node, name):
            return
        line = self._look.losses.loss(loss, name)
        if self._look.lines is None:
            common.say(line)
        else:
            common.write(f"{line}\n")

    def _note(self, text: str) -> None:
        line = self._look.losses.note(text)
        if self._look.lines is None:
            common.say(line)
        else:
            common.write(f"{line}\n")


def is_complete(status: CollectorStatus) -> bool:
    """Whether there are nodes, and all of them gave what they hold."""
    there = [node for node in status.nodes if node.connected]
    return bool(there) and all(
        node.last_status_ns and not any(view.missing for view in node.ranges.values()) for node in there
    )

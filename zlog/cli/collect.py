"""``zlog collect``: take the records of all nodes and store them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

from zlog import severity
from zlog.cli import common
from zlog.cli.ending import Ending
from zlog.cli.times import FORMS
from zlog.errors import CommandError

if TYPE_CHECKING:
    from zlog.collector import Collector, CollectorStatus, NodeStatus

DESCRIPTION = """\
Take the records of all nodes on the network and store them. Each record is stored once, however often a network or a
computer fails; what nodes can't deliver is noted in the store, and counted as lost.

Nodes find the collector within about a second, and send until it ends. A store is one of
  sqlite:PATH    for zlog query, and every SQL tool
  jsonl:PATH     JSON, one record per line
  journal:DIR    batches as they came, with checksums: the fastest
  file:PATH      text for people; ?max_bytes=10M&keep=5 rotates it, as it does jsonl
With several stores a slow one holds up none of the others; ?optional leaves one out of what is confirmed to nodes."""

EPILOG = f"""\
examples:
  zlog collect sqlite:log.db
  zlog collect -l debug sqlite:log.db 'file:log.txt?max_bytes=10M&keep=5'
  zlog collect sqlite:log.db --since start         also what nodes have logged before, as far as they still hold it
  zlog collect sqlite:log.db --for 10m             for ten minutes
  zlog collect sqlite:log.db --bind tcp://*:5672   for nodes that beacons don't reach: ZLOG_COLLECTORS=tcp://HOST:5672
  zlog collect sqlite:a.db --pool site             several of one pool share the nodes

What programs left on disk that ended is taken from others that found it there, and counts as no node.
With --json, stdout has a line when it is ready, a line for each node that joins or leaves, one when it takes what ended
programs left, and one with totals.
exit code: 0 after Ctrl-C, SIGTERM or --for, when all is written; 1 when it can't start, or a store couldn't be
written to the end; 2 for wrong usage.

{common.NETWORK_HELP}"""

#: How often it looks at its nodes; seldom where there are many, so that looking takes half a percent of the time.
_LOOK_S: Final = 0.25
_LOOK_AT_LEAST_S: Final = 5.0
_LAZY: Final = 200
_PROGRESS_S: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("stores", nargs="+", metavar="STORE", help="sqlite:PATH, jsonl:PATH, file:PATH, journal:DIR")
    parser.add_argument(
        "-l", "--level", type=common.level, default=9, metavar="LEVEL", help=f"this and worse: {common.LEVELS}"
    )
    parser.add_argument(
        "--since", metavar="TIME", help=f"of nodes that are there already, from then on: start, {FORMS}"
    )
    parser.add_argument("--for", dest="seconds", type=common.seconds, metavar="SECONDS", help="end after so long")
    parser.add_argument("--name", help="name of the collector on the network (default: made of the host's name)")
    parser.add_argument("--pool", metavar="NAME", help="collectors of one pool share the nodes")
    parser.add_argument(
        "--bind", metavar="tcp://HOST:PORT", help="where nodes can reach it that beacons don't; also uses PORT + 1"
    )
    common.add_network(parser, collects=True)


def run(args: argparse.Namespace) -> int:
    """Collect until the end is asked for."""
    since: Literal["start"] | int | None = "start" if args.since == "start" else common.since(args.since)
    options = common.collector_options(args)
    with Ending() as ending, common.open_stores(args.stores, read_only=False) as stores:
        from zlog.collector import Collector

        common.show_warnings()
        collector = Collector(
            *stores, name=args.name, bind=args.bind, level=args.level, since=since, pool=args.pool, **options
        )
        with common.starting("collect", options["port"]):
            collector.start()
        report: Report = JsonReport(args, collector) if args.json else Report(args, collector)
        try:
            report.ready()
            _watch(collector, report, ending, args.seconds)
        finally:
            whole = collector.stop()
        report.end(collector.status())
        failing = [f"{store.url}: {store.failing}" for store in collector.status().stores if store.failing]
        if not whole or failing:
            raise CommandError(failing[0] if failing else "not all that was received could be written")
    return 0


def _watch(collector: Collector, report: Report, ending: Ending, seconds: float | None) -> None:
    """Tell of nodes that come and go, until the end."""
    deadline = None if seconds is None else time.monotonic() + seconds
    known = report.known
    wait_s = _LOOK_S
    while True:
        left = wait_s if deadline is None else min(wait_s, deadline - time.monotonic())
        if left <= 0 or ending.wait(left):
            return
        began = time.monotonic()
        status = collector.status()
        for happened, node in changes(known, status.nodes):
            report.node(happened, node)
        report.left(status)
        report.progress(status)
        wait_s = min(max(_LOOK_S, _LAZY * (time.monotonic() - began)), _LOOK_AT_LEAST_S)


def changes(known: dict[tuple[Any, int], NodeStatus], nodes: list[NodeStatus]) -> Iterator[tuple[str, NodeStatus]]:
    """Which runs have ``joined`` and ``left`` since `known`, which is brought up to date.

    One that came and went in between has done both. Senders without sync join with their first record, and don't leave.
    What was left by programs that ended neither joins nor leaves.
    """
    for node in nodes:
        if is_left(node):
            continue
        key = node.node, node.epoch
        before = known.get(key)
        if before is None or (node.connected and not before.connected):
            yield "joined", node
        if not node.connected and (node.closed if before is None else before.connected):
            yield "left", node
        known[key] = node


def is_left(node: NodeStatus) -> bool:
    """Whether it is a run whose program has ended, of which another one gives what it found on disk: nobody has said
    whose it was."""
    return not (node.connected or node.legacy or node.name or node.host or node.pid)


def totals(status: CollectorStatus) -> dict[str, Any]:
    """What a collector has done, for people and programs."""
    ranges = [view for node in status.nodes for view in node.ranges.values()]
    return {
        "nodes": len({node.node for node in status.nodes if not is_left(node)}),
        "left_runs": sum(map(is_left, status.nodes)),
        "received": status.received,
        "stored": sum(view.stored for view in ranges),
        "lost": sum(view.lost for view in ranges),
        "missing": sum(view.missing for view in ranges),
        "dropped": sum(view.dropped for view in ranges),
        "discarded": status.discarded,
        "stores": [
            {"url": store.url, "records": store.records, "behind": store.behind, "failing": store.failing}
            for store in status.stores
        ],
    }


class Report:
    """What people see, on stderr."""

    def __init__(self, args: argparse.Namespace, collector: Collector) -> None:
        self._args = args
        self._collector = collector
        self._began = time.monotonic()
        self._told = self._began
        self._records = 0
        self._left: set[tuple[Any, int]] = set()
        self.known: dict[tuple[Any, int], NodeStatus] = {}
        self._paint = common.paint_for(args, sys.stderr)
        self._is_terminal = sys.stderr.isatty()

    def ready(self) -> None:
        """It has begun."""
        collector, args = self._collector, self._args
        level = severity.name(args.level)
        common.say(f"zlog: collecting {level} and worse into {', '.join(args.stores)} as {collector.name}; Ctrl-C ends")
        where = collector.sync or "nowhere yet: there is no network"
        common.say(f"zlog: nodes find it by beacons; those that beacons don't reach: ZLOG_COLLECTORS={where}")

    def node(self, happened: str, node: NodeStatus) -> None:
        """A node came or went."""
        from zlog.collector.stores.text import escape

        mark, code = ("+", "32") if happened == "joined" else ("-", "33")
        clock = time.strftime("%H:%M:%S")
        name = escape(f"{node.name}@{node.host}")
        stored = sum(view.stored for view in node.ranges.values())
        what = "" if happened == "joined" else f" after {common.plural(stored, 'record')}"
        if happened == "left" and not node.closed:
            what += ", without a word"
        paint = self._paint
        process = paint.dim(f"(process {node.pid})")
        common.say(f"{paint.dim(clock)} {paint(code, mark)} {name} {process}{what}")

    def left(self, status: CollectorStatus) -> None:
        """Tell of runs that are new among those that programs left that ended."""
        before = len(self._left)
        self._left |= {(node.node, node.epoch) for node in status.nodes if is_left(node)}
        if len(self._left) > before:
            self.takes(len(self._left) - before)

    def takes(self, runs: int) -> None:
        """It takes what so many runs left."""
        clock = self._paint.dim(time.strftime("%H:%M:%S"))
        what = f"takes what programs left that ended: {common.plural(runs, 'run')}"
        common.say(f"{clock} {self._paint('32', '+')} {what}")

    def progress(self, status: CollectorStatus) -> None:
        """Each ten seconds on a terminal, while something happens."""
        now = time.monotonic()
        if not self._is_terminal or now - self._told < _PROGRESS_S:
            return
        all_ = totals(status)
        rate = (all_["stored"] - self._records) / (now - self._told)
        if all_["stored"] != self._records:
            nodes = sum(node.connected for node in status.nodes)
            lag = sum(view.lag for node in status.nodes for view in node.ranges.values() if node.connected)
            behind = max((store.behind for store in status.stores), default=0)
            clock = self._paint.dim(time.strftime("%H:%M:%S"))
            common.say(
                f"{clock} {common.plural(nodes, 'node')}, {common.plural(all_['stored'], 'record')} stored"
                f" ({rate:,.0f}/s), lag {lag + behind:,}, missing {all_['missing']:,}, lost {all_['lost']:,}"
            )
        self._told, self._records = now, all_["stored"]

    def end(self, status: CollectorStatus) -> None:
        """It has ended, and this is what it did."""
        all_ = totals(status)
        took = time.monotonic() - self._began
        left = f" and {common.plural(all_['left_runs'], 'run')} that ended before" if all_["left_runs"] else ""
        common.say(
            f"zlog: {common.plural(all_['stored'], 'record')} of {common.plural(all_['nodes'], 'node')}{left} stored"
            f" in {took:,.1f} s, {all_['missing']:,} missing, {all_['lost']:,} lost"
        )
        for cause, count in all_["discarded"].items():
            common.say(f"zlog: {count:,} discarded: {cause}")


class JsonReport(Report):
    """What programs read, on stdout: one object per line."""

    def ready(self) -> None:
        collector = self._collector
        self._print(
            event="ready",
            live=collector.live,
            sync=collector.sync,
            uuid=collector.uuid.hex,
            name=collector.name,
            level=self._args.level,
            stores=self._args.stores,
        )

    def node(self, happened: str, node: NodeStatus) -> None:
        self._print(event=happened, node=node.node.hex, epoch=node.epoch, name=node.name, host=node.host, pid=node.pid)

    def takes(self, runs: int) -> None:
        self._print(event="takes", left_runs=runs)

    def progress(self, status: CollectorStatus) -> None:
        pass

    def end(self, status: CollectorStatus) -> None:
        self._print(event="end", seconds=round(time.monotonic() - self._began, 3), **totals(status))

    def _print(self, **line: Any) -> None:
        common.write(f"{json.dumps(line)}\n")

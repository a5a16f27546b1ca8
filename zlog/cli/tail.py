"""``zlog tail``: the records of all nodes, as they come."""

from __future__ import annotations

import argparse
import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from zlog.cli import common
from zlog.cli.ending import Ending

if TYPE_CHECKING:
    from zlog.collector import Collector

DESCRIPTION = """\
Print the records of all nodes on the network, as they are logged. Nothing is stored, and nodes send nothing any more
when it ends.

With --since or -n it begins with what was before: what the given stores have and what nodes still hold, as one list in
order, each record once; then it goes on with what comes, without a gap. A store alone means -n 10; for stores without
the network there is zlog query.

Lines are held for up to 50 ms, to be in order. What is lost is a line, too (LOST), with the reason; with --node also
what nodes have lost whose name nobody knows."""

EPILOG = f"""\
examples:
  zlog tail                                  INFO and worse, from now on
  zlog tail -n 20                            first the newest 20 that nodes still hold
  zlog tail --since 1h sqlite:log.db         first what was stored or is still held of the last hour
  zlog tail --since start journal:/var/lib/robot/journal       also what programs left there that died (ZLOG_JOURNAL)
  zlog tail -l debug --logger 'app.db*'      DEBUG too, where programs allow it: zlog.start(floor="debug")
  zlog tail --node 'web*' --grep 'timeout|refused' --since 10m
  zlog tail --json | jq -r 'select(.severity >= 17) | .text'
  zlog tail --bind tcp://*:5672              for nodes that beacons don't reach: ZLOG_COLLECTORS=tcp://HOST:5672

With --json, stdout has one record per line and nothing else; losses are lines on stderr.
While output isn't taken, what comes waits in a temporary file (TMPDIR), up to a gigabyte, and then in the nodes.
exit code: 0 after Ctrl-C or SIGTERM; 1 when it can't start, a store can't be read, or nobody reads its output; 2 for
wrong usage.

{common.NETWORK_HELP}"""

#: With stores, unless something else is asked for: as tail does with files.
_LINES: Final = 10
_LITERAL: Final = re.compile(r"([^*?\[\]]+?)(?:\.\*)?", re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "stores", nargs="*", metavar="STORE", help="what these have comes first: sqlite:PATH, jsonl:PATH, journal:DIR"
    )
    common.add_filters(parser, until=False)
    parser.set_defaults(level=9)
    parser.add_argument("--name", help="name of this viewer on the network (default: made of the host's name)")
    parser.add_argument(
        "--bind", metavar="tcp://HOST:PORT", help="where nodes can reach it that beacons don't; also uses PORT + 1"
    )
    common.add_network(parser, collects=True)


def run(args: argparse.Namespace) -> int:
    """Print records until the end is asked for."""
    if args.stores and args.since is None and args.lines is None:
        args.lines = _LINES
    from_start = args.since == "start" or (args.since is None and args.lines is not None)
    since_ns = None if from_start else common.since(args.since)
    wanted = common.filter_of(args, since_ns=since_ns)
    options = common.collector_options(args)
    with Ending() as ending, common.open_to_read(args.stores) as stores:
        from zlog.cli.history import History
        from zlog.cli.printer import Look, Output, Printer
        from zlog.cli.spool import Spool
        from zlog.collector import Collector

        common.show_warnings()
        spool = Spool()
        collector = Collector(
            spool,
            name=args.name or f"{socket.gethostname()}-tail",
            bind=args.bind,
            level=args.level,
            logger=prefix_of(args.logger),
            since="start" if from_start else since_ns,
            **options,
        )
        with common.starting("tail", options["port"]):
            collector.start()
        history = None
        if args.lines is not None or args.since is not None:
            before = replace(wanted, limit=args.lines)
            history = History(collector, spool, stores, before, lambda: ending.asked)
        output = Output(Look.of(args), wanted)
        old = args.since is not None
        printer = Printer(collector, spool, output, wanted, ending.end, history=history, old=old)
        try:
            _greet(args, collector)
            printer.start()
            ending.wait()
        finally:
            printer.stop()
            collector.stop(timeout_s=3.0)
            printer.join(2.0)  # it can't end while nobody takes its output
    if printer.error is not None:
        raise printer.error
    return 0


def prefix_of(glob: str | None) -> str:
    """The logger below which all loggers are that a glob means: `arm` for `arm.*` and `arm`; "" where it can't be said.

    Only there does the viewer ask nodes for more than they log by themselves.
    """
    match = _LITERAL.fullmatch(glob or "")
    return match[1] if match else ""


def _greet(args: argparse.Namespace, collector: Collector) -> None:
    """Say on a terminal what it is waiting for."""
    import sys

    from zlog import severity

    if args.bind:
        common.say(f"zlog: nodes that beacons don't reach: ZLOG_COLLECTORS={collector.sync}")
    if args.json or not (sys.stderr.isatty() and sys.stdout.isatty()):
        return
    where = collector.sync.removeprefix("tcp://").rpartition(":")[0] or "no network yet"
    what = f"{', '.join(args.stores)} and then all nodes" if args.stores else "all nodes"
    text = f"{severity.name(args.level)} and worse of {what}; this is {collector.name} at {where}; Ctrl-C ends"
    common.say(common.paint_for(args, sys.stderr).dim(f"── {text} ──"))

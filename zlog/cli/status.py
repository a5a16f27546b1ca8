"""``zlog status``: nodes and collectors on the network, and who asks for what."""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from zlog import severity
from zlog.cli import common
from zlog.cli.ending import Ending
from zlog.cli.picture import CollectorRow, LinkRow, NodeRow, Picture, fitted, render

if TYPE_CHECKING:
    from zlog.cli.missing import Names
    from zlog.collector import Collector, NodeStatus
    from zlog.collector.stores import Store
    from zlog.zre import Pyre

DESCRIPTION = """\
Show the nodes and collectors on the network: what each node has logged, which collectors ask it for what, and how far
they are. It asks nodes for their figures only, not for records.

columns: LOGGED records of the node's run; DROPPED those of them that never reached its journal; MISSING those that
none of the given STOREs has; and for each collector that asks: SENT, LAG records that have still to be sent, UNSTORED
those that it has not confirmed as stored.

What a collector didn't ask a node for isn't MISSING in its STORE: what was logged before it began (unless it was
started with --since), and levels that nobody collects.

Below, with a STORE, what is missing and why, also of nodes that have ended: evicted or expired (the journal had no
more room, or it was too old), dropped (before the journal), damaged, unknown to the node; gap, if it is known to have
been and nobody is there who could have it; waiting, if a node that is there holds it."""

EPILOG = f"""\
examples:
  zlog status
  zlog status --watch
  zlog status sqlite:log.db                  with MISSING: compares with what a collector has stored
  zlog status sqlite:log.db --json | jq -c '.missing[]'         what is missing, span by span
  zlog status --json | jq '.nodes[] | select(.links == [])'     who isn't collected by anybody?

With --json it prints one object; with --watch as well, one a second.
exit code: 0, also when nobody is there; 1 when it can't start, a store can't be read, or nobody reads its output; 2 for
wrong usage.

{common.NETWORK_HELP}"""

COLLECTORS: Final = "ZYRE-LOGGER"
AGENTS: Final = "ZYRE-LOGNODE"
#: A node's first beacon is answered within milliseconds, the second one follows after a second.
_DISCOVERY_S: Final = 1.2
_SETTLED_S: Final = 0.3
#: Spans in one object; `missing_more` says how many there are besides.
MOST_MISSING: Final = 1_000
_LEAST: Final = 24  # nodes aren't asked for records, but for this one severity, as there is no lower demand


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("stores", nargs="*", metavar="STORE", help="compare with what is there: sqlite:PATH, …")
    parser.add_argument("-w", "--watch", action="store_true", help="again each second, until Ctrl-C")
    parser.add_argument(
        "--timeout",
        type=common.seconds,
        default=3.0,
        metavar="SECONDS",
        help="how long to wait for nodes that don't answer (default: %(default)g)",
    )
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument(
        "--bind", metavar="tcp://HOST:PORT", help="where nodes can reach it that beacons don't; also uses PORT + 1"
    )
    parser.add_argument("--no-color", dest="color", action="store_const", const="never", default="auto")
    common.add_network(parser, collects=True)


def run(args: argparse.Namespace) -> int:
    """Look around, and print what is there."""
    options = common.collector_options(args)
    common.refuse_unreadable(args.stores)
    with Ending() as ending, common.open_stores(args.stores, read_only=True) as stores:
        from zlog.cli.missing import Names
        from zlog.collector import Collector
        from zlog.zre import Pyre

        common.show_warnings()
        name = args.name or f"{socket.gethostname()}-status"
        with common.starting("status", options["port"]), Pyre(name, **options) as node:
            names = Names()
            collector = Collector(node=node, bind=args.bind, level=_LEAST)
            with collector:
                _wait(collector, node, args.timeout, ending)
                while True:
                    _print(look(collector, node, stores, names), args, node)
                    if not args.watch or ending.wait(1.0):
                        break
    if names.problem is not None:
        raise names.problem
    return 0


def _wait(collector: Collector, node: Pyre, timeout_s: float, ending: Ending) -> None:
    """Until all nodes have said where they are."""
    began = time.monotonic()

    def is_complete() -> bool:
        members = set(node.peers_by_group(AGENTS))
        told = {each.node for each in collector.status().nodes if each.connected and each.last_status_ns}
        return members <= told and (bool(members) or time.monotonic() - began > _DISCOVERY_S)

    while not ending.asked and time.monotonic() - began < timeout_s:
        settled = time.monotonic() - began > _SETTLED_S
        if settled and is_complete():
            return
        ending.wait(0.05)


def look(collector: Collector, node: Pyre, stores: Sequence[Store] = (), naming: Names | None = None) -> Picture:
    """What a collector and its node see, and what stores have of it."""
    from zlog.cli.missing import Names, missing_rows

    own = collector.uuid
    names: dict[Any, str] = {}
    found = []
    for peer in node.peers_by_group(COLLECTORS):
        headers = node.peer_headers(peer) or {}
        names[peer] = str(node.get_peer_name(peer) or "")
        found.append((peer, headers))
    runs = [run for run in collector.status().nodes if run.connected and not run.legacy]
    missing = missing_rows(stores, runs, naming or Names())
    counts: dict[tuple[str, int], int] | None = {} if stores else None
    if counts is not None:
        for span in missing:
            counts[span.node, span.epoch] = counts.get((span.node, span.epoch), 0) + span.count
    rows = [_node_row(run, own, names, counts) for run in runs]
    rows.sort(key=lambda row: (row.name, row.host, row.pid, row.node))
    asked = [link.collector for row in rows for link in row.links]
    collectors = [
        CollectorRow(
            collector=peer.hex,
            name=names[peer],
            live=headers.get("X-ZRELOG", ""),
            sync=headers.get("X-ZRELOG-SYNC", ""),
            version=_number(headers.get("X-ZRELOG-PROTO", "1")),
            pool=headers.get("X-ZRELOG-POOL", ""),
            nodes=asked.count(peer.hex),
        )
        for peer, headers in found
    ]
    collectors.sort(key=lambda row: (row.name, row.collector))
    return Picture(rows, collectors, missing)


def _node_row(run: NodeStatus, own: Any, names: dict[Any, str], missing: dict[tuple[str, int], int] | None) -> NodeRow:
    links = [
        LinkRow(
            collector=link.collector.hex,
            name=names.get(link.collector, ""),
            level=severity.name(link.severity) if 1 <= link.severity <= 24 else "",
            durable=link.durable,
            live=link.live,
            sent=link.sent,
            lag=link.lag,
            unstored=link.waiting,
        )
        for link in run.links
        if link.collector != own
    ]
    return NodeRow(
        node=run.node.hex,
        epoch=run.epoch,
        name=run.name,
        host=run.host,
        pid=run.pid,
        logged=sum(view.next - 1 for view in run.ranges.values()),
        dropped=sum(view.dropped for view in run.ranges.values()),
        missing=missing.get((run.node.hex, run.epoch), 0) if missing is not None else None,
        clock_offset_ns=run.clock_offset_ns,
        ranges={
            severity.name(first): {"logged": view.next - 1, "dropped": view.dropped}
            for first, view in sorted(run.ranges.items())
        },
        links=sorted(links, key=lambda link: (link.name, link.collector)),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 1


# --- printing --------------------------------------------------------------------------------------------------------


def _print(picture: Picture, args: argparse.Namespace, node: Pyre) -> None:
    if args.json:
        shown = replace(picture, missing=picture.missing[:MOST_MISSING])
        line = asdict(shown) | {"missing_more": len(picture.missing) - len(shown.missing)}
        common.write(f"{json.dumps(line)}\n")
        return
    lines = render(picture, common.paint_for(args), _where(node))
    if args.watch and sys.stdout.isatty():
        size = shutil.get_terminal_size()
        text = "".join(f"{line}\x1b[K\n" for line in fitted(lines, size.lines - 1, size.columns))
        common.write(f"\x1b[H{text}\x1b[J")
    else:
        common.write("\n".join([*lines, ""]))


def _where(node: Pyre) -> str:
    return str(node.interface() or "no network")

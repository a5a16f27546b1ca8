"""``zlog query``: records from stores."""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC
from typing import TYPE_CHECKING

from zlog.cli import common

if TYPE_CHECKING:
    from zlog.collector.stores import Loss
    from zlog.record import Stored

DESCRIPTION = """\
Print records from stores, in order: those of a node as it logged them, nodes merged by time. A record that is in
several stores is printed once, and what is in none of them is a line at its place (LOST), with the reason. Stores may
be in use meanwhile.

A store is sqlite:PATH, jsonl:PATH or journal:DIR; DIR may also be a directory where programs keep their journals
(ZLOG_JOURNAL), of those that run and those that died."""

EPILOG = """\
examples:
  zlog query sqlite:log.db                                   everything
  zlog query sqlite:log.db -l warn --since 1h                warnings and worse of the last hour
  zlog query sqlite:log.db --node 'web*' --logger 'app.db*' --grep 'timeout|refused' -n 20
  zlog query sqlite:a.db jsonl:b.jsonl --since yesterday --until today --json | jq -r .text
  zlog query journal:/var/lib/robot/journal -n 50            the last words of a program that crashed
  zlog query sqlite:log.db --losses                          what is missing, and why

With --json, each line is a record, or with --losses {"lost": ...}. Without --losses a line on stderr says how many
records of these nodes had gone, if any had. With --node, losses of nodes whose name nobody knows are shown, too.
A file that people read (file:PATH) can't be queried: use grep and less.
exit code: 0, also when nothing was found; 1 when a store can't be read, or nobody reads its output; 2 for wrong
usage."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "stores", nargs="+", metavar="STORE", help="sqlite:PATH, jsonl:PATH or journal:DIR; several are merged"
    )
    common.add_filters(parser, until=True)
    parser.add_argument("--losses", action="store_true", help="instead of records, what nodes had no more to give")
    common.add_network(parser, used=False)


def run(args: argparse.Namespace) -> int:
    """Print what is asked for."""
    since_ns = None if args.since == "start" else common.since(args.since)
    wanted = common.filter_of(args, since_ns=since_ns, until_ns=common.since(args.until))
    with common.open_to_read(args.stores) as stores:
        from zlog.collector.stores.several import combined, missing, with_losses

        gone = missing(stores, wanted)
        names = {node: name for node, (name, _) in common.names_in(stores).items()} if gone.losses else {}
        losses = [loss for loss in gone.losses if common.may_be_meant(wanted, loss.node, names.get(loss.node, ""))]
        if args.losses:
            _print_losses(losses, names, args)
            return 0
        records = combined(stores, replace(wanted, limit=args.lines))
        with contextlib.closing(records):
            _print_records(with_losses(records, gone._replace(losses=losses), args.lines), names, args)
        count = sum(loss.stop - loss.start for loss in losses)
        if count:
            sys.stdout.flush()
            common.say(f"zlog: {common.plural(count, 'record')} of these nodes had gone; see --losses")
    return 0


def _print_records(records: Iterable[Stored | Loss], names: dict[str, str], args: argparse.Namespace) -> None:
    from zlog.collector.stores import Loss

    if args.json:
        for record in records:
            if not isinstance(record, Loss):
                sys.stdout.write(f"{record.to_json().decode()}\n")
        return
    from zlog.cli.lines import Lines

    zone = UTC if args.utc else None
    lines = Lines(common.paint_for(args), host=socket.gethostname(), verbose=args.verbose, zone=zone)
    for record in records:
        if isinstance(record, Loss):
            sys.stdout.write(f"{lines.loss(record, names.get(record.node, ''))}\n")
        else:
            sys.stdout.write(f"{lines.record(record)}\n")


def _print_losses(losses: Sequence[Loss], names: dict[str, str], args: argparse.Namespace) -> None:
    chosen = losses if args.lines is None else losses[len(losses) - min(args.lines, len(losses)) :]
    if args.json:
        for loss in chosen:
            sys.stdout.write(f"{json.dumps({'lost': asdict(loss), 'name': names.get(loss.node, '')})}\n")
        return
    from zlog.cli.lines import Lines

    lines = Lines(common.paint_for(args), zone=UTC if args.utc else None)
    for loss in chosen:
        sys.stdout.write(f"{lines.loss(loss, names.get(loss.node, ''))}\n")

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
    from zlog.collector.stores import Loss, Store
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

With --json, each line is a record, or with --losses {"lost": ...}.
A file that people read (file:PATH) can't be queried: use grep and less.
exit code: 0, also when nothing was found; 1 when a store can't be read; 2 for wrong usage."""


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
    wanted = common.filter_of(args, since_ns=common.since(args.since), until_ns=common.since(args.until))
    with common.open_to_read(args.stores) as stores:
        from zlog.collector.stores.several import combined, missing, with_losses

        gone = missing(stores, wanted)
        names = _names(stores, {loss.node for loss in gone.losses}) if args.losses or wanted.node is not None else {}
        losses = [loss for loss in gone.losses if wanted.matches_node(loss.node, names.get(loss.node, ""))]
        if args.losses:
            _print_losses(losses, names, args)
            return 0
        records = combined(stores, replace(wanted, limit=args.lines))
        with contextlib.closing(records):
            _print_records(with_losses(records, gone._replace(losses=losses), args.lines), names, args)
        count = sum(loss.stop - loss.start for loss in losses)
        if count and not args.json:
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
    losses: list[Loss] = []  # until a record tells what their node is called

    def print_losses() -> None:
        for loss in losses:
            sys.stdout.write(f"{lines.loss(loss, names.get(loss.node, ''))}\n")
        losses.clear()

    for record in records:
        if isinstance(record, Loss):
            losses.append(record)
            continue
        names[record.node] = record.name
        print_losses()
        sys.stdout.write(f"{lines.record(record)}\n")
    print_losses()


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


def _names(stores: Sequence[Store], nodes: Iterable[str]) -> dict[str, str]:
    """What the nodes call themselves, as far as the stores have a record of them; of a hundred: each is a query."""
    from zlog.collector.stores import Filter

    names: dict[str, str] = {}
    for node in sorted(nodes)[:100]:
        for store in stores:
            for record in store.query(Filter(node=node, limit=1)):
                names[node] = record.name
    return names

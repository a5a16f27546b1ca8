"""``zlog query``: records from stores."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING

from zlog.cli import common
from zlog.errors import CommandError

if TYPE_CHECKING:
    from zlog.collector.stores import Filter, Loss, Store
    from zlog.record import Stored

    Query = Callable[[Filter], Iterable[Stored]]

DESCRIPTION = """\
Print records from stores, in order: those of a node as it logged them, nodes merged by time. A record that is in
several stores is printed once. Stores may be in use by a collector meanwhile.

A store is sqlite:PATH, jsonl:PATH or journal:DIR."""

EPILOG = """\
examples:
  zlog query sqlite:log.db                                   everything
  zlog query sqlite:log.db -l warn --since 1h                warnings and worse of the last hour
  zlog query sqlite:log.db --node 'web*' --logger 'app.db*' --grep 'timeout|refused' -n 20
  zlog query sqlite:a.db jsonl:b.jsonl --since yesterday --until today --json | jq -r .text
  zlog query sqlite:log.db --losses                          what is missing, and why

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
    for url in args.stores:
        if url.partition(":")[0] == "memory":
            raise CommandError(f"{url} is empty: its records ended with the process that had them", code=2)
    with common.open_stores(args.stores, read_only=True) as stores:
        losses = remaining(stores, wanted)
        names = _names(stores, {loss.node for loss in losses}) if args.losses or wanted.node is not None else {}
        losses = [loss for loss in losses if wanted.matches_node(loss.node, names.get(loss.node, ""))]
        if args.losses:
            _print_losses(losses, names, args)
            return 0
        _print_records(combined([store.query for store in stores], wanted, args.lines), args)
        missing = sum(loss.stop - loss.start for loss in losses)
        if missing and not args.json:
            sys.stdout.flush()
            common.say(f"zlog: {common.plural(missing, 'record')} of these nodes had gone; see --losses")
    return 0


def combined(queries: Sequence[Query], wanted: Filter, limit: int | None) -> Iterable[Stored]:
    """What all queries give, in order, each record once.

    Where a node's clock went back and stores hold different parts of its run, its records may be out of order.
    """
    asked = replace(wanted, limit=limit)
    found: list[Iterable[Stored]] = [query(asked) for query in queries]
    if len(found) == 1:
        return found[0]
    if limit is None:
        return _once(record for _, record in merge(*map(_rising, found), key=itemgetter(0)))
    from zlog.collector.stores.order import newest, ordered

    return ordered(newest(_once(record for each in found for record in each), limit))


def _rising(records: Iterable[Stored]) -> Iterator[tuple[tuple[object, ...], Stored]]:
    """With each record the latest time in its run so far."""
    latest: dict[tuple[str, int], int] = {}
    for record in records:
        run = record.node, record.epoch
        time_ns = latest[run] = max(latest.get(run, 0), record.time_ns)
        yield (time_ns, *run, record.ordinal, record.range, record.sequence), record


def _once(records: Iterable[Stored]) -> Iterator[Stored]:
    from zlog.core.intervals import Intervals

    seen: dict[tuple[str, int, int], Intervals] = {}
    for record in records:
        if record.sequence:
            key = record.node, record.epoch, record.range
            known = seen.setdefault(key, Intervals())
            if record.sequence in known:
                continue
            known.add(record.sequence, record.sequence + 1)
        yield record


def remaining(stores: Sequence[Store], wanted: Filter) -> list[Loss]:
    """What was named as lost in some store and is in none: by level, node and time of the filter."""
    from zlog.core.intervals import Intervals

    by_store = [store.losses() for store in stores]
    losses = [loss for each in by_store for loss in each if loss.cause and _is_meant(loss, wanted)]
    if not losses:
        return []
    there: dict[object, Intervals] = {}
    for store, told in zip(stores, by_store, strict=True):
        lost: dict[object, Intervals] = {}
        for loss in told:
            lost.setdefault(loss.key, Intervals()).add(loss.start, loss.stop)
        for key, held in store.held().items():
            stored = held.subtract(lost[key]) if key in lost else held
            there[key] = there[key].union(stored) if key in there else stored
    found: list[Loss] = []
    for loss in sorted(losses, key=lambda each: (each.at_ns, each.node, each.epoch, each.range, each.start)):
        known = there.setdefault(loss.key, Intervals())
        found += [replace(loss, start=start, stop=stop) for start, stop in known.missing(loss.start, loss.stop)]
        known.add(loss.start, loss.stop)
    return found


def _is_meant(loss: Loss, wanted: Filter) -> bool:
    return (
        (wanted.level is None or loss.range + 3 >= wanted.level)
        and (wanted.since_ns is None or loss.at_ns >= wanted.since_ns)
        and (wanted.until_ns is None or loss.at_ns < wanted.until_ns)
    )


def _print_records(records: Iterable[Stored], args: argparse.Namespace) -> None:
    if args.json:
        for record in records:
            sys.stdout.write(f"{record.to_json().decode()}\n")
        return
    from zlog.cli.lines import Lines

    zone = UTC if args.utc else None
    lines = Lines(common.paint_for(args), host=socket.gethostname(), verbose=args.verbose, zone=zone)
    for record in records:
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


def _names(stores: Sequence[Store], nodes: Iterable[str]) -> dict[str, str]:
    """What the nodes call themselves, as far as the stores have a record of them; of a hundred: each is a query."""
    from zlog.collector.stores import Filter

    names: dict[str, str] = {}
    for node in sorted(nodes)[:100]:
        for store in stores:
            for record in store.query(Filter(node=node, limit=1)):
                names[node] = record.name
    return names

"""What `zlog status` shows: rows, and the tables that they make. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zlog import severity
from zlog.cli.common import plural

if TYPE_CHECKING:
    from zlog.cli.lines import Paint

__all__ = ["CollectorRow", "LinkRow", "MissingRow", "NodeRow", "Picture", "fitted", "render"]


_COLOUR: Final = re.compile("\x1b\\[[0-9;]*m")
#: Lines on what is missing; a line is of one node, range and cause.
_MISSING_LINES: Final = 20


@dataclass(frozen=True)
class LinkRow:
    """A collector that asks a node."""

    collector: str
    name: str
    level: str
    durable: bool
    live: bool
    sent: int
    lag: int
    unstored: int


@dataclass(frozen=True)
class NodeRow:
    """A node's run. `missing` is None without a store to compare with."""

    node: str
    epoch: int
    name: str
    host: str
    pid: int
    logged: int
    dropped: int
    missing: int | None
    clock_offset_ns: int | None
    ranges: dict[str, dict[str, int]]
    links: list[LinkRow] = field(default_factory=list)


@dataclass(frozen=True)
class CollectorRow:
    """A collector that is announced on the network."""

    collector: str
    name: str
    live: str
    sync: str
    version: int
    pool: str
    nodes: int


@dataclass(frozen=True)
class MissingRow:
    """Records that no store has: the sequences [start, stop) of a run and range, which is given by its first severity.
    `cause` is that of `zlog.collector.Missing`."""

    node: str
    name: str
    host: str
    epoch: int
    range: int
    start: int
    stop: int
    count: int
    cause: str


@dataclass(frozen=True)
class Picture:
    """What is there now."""

    nodes: list[NodeRow]
    collectors: list[CollectorRow]
    missing: list[MissingRow] = field(default_factory=list)


def render(picture: Picture, paint: Paint, where: str) -> list[str]:
    """The lines for people."""
    nodes, collectors = picture.nodes, picture.collectors
    lines = [
        f"{plural(len(nodes), 'node')}, {plural(len(collectors), 'collector')} on {where}",
    ]
    if nodes:
        lines += ["", *_table(_node_cells(nodes), "lrrrrllrrr", paint)]
    if collectors:
        lines += ["", *_table(_collector_cells(collectors), "lllrr", paint)]
    lines += _missing_lines(picture, paint)
    if not nodes and not collectors:
        lines.append("Nobody is there: is this the right network? Try -i NAME, and the same --port for all.")
    elif not collectors:
        lines += ["", "Nobody collects: start zlog tail, or zlog collect sqlite:log.db"]
    return lines


def fitted(lines: Sequence[str], rows: int, columns: int) -> list[str]:
    """As many of the lines as a terminal has room for; the last one then says how many more there are.

    Args:
        lines: with colours or without.
        rows, columns: what may be used. A line that is longer takes more than one row.
    """
    heights = [max(1, -(-len(_COLOUR.sub("", line)) // max(1, columns))) for line in lines]
    if sum(heights) <= rows:
        return list(lines)
    kept, used = 0, 1
    while used + heights[kept] <= rows:
        used += heights[kept]
        kept += 1
    return [*lines[:kept], f"… {plural(len(lines) - kept, 'more line')}"]


def _node_cells(nodes: Sequence[NodeRow]) -> list[list[str]]:
    head = ["NODE", "PROCESS", "LOGGED", "DROPPED", "MISSING", "ASKED BY", "LEVEL", "SENT", "LAG", "UNSTORED"]
    cells = [head]
    for row in nodes:
        missing = "-" if row.missing is None else f"{row.missing:,}"
        begin = [_clean(f"{row.name}@{row.host}"), str(row.pid), f"{row.logged:,}", f"{row.dropped:,}", missing]
        for link in row.links:
            unstored = f"{link.unstored:,}" if link.durable else "shows only"
            state = "" if link.live else " (connecting)"
            who = _clean(link.name or link.collector[:8]) + state
            cells.append([*begin, who, link.level, f"{link.sent:,}", f"{link.lag:,}", unstored])
            begin = [""] * 5
        if not row.links:
            cells.append([*begin, "nobody", "", "", "", ""])
    return cells


def _collector_cells(collectors: Sequence[CollectorRow]) -> list[list[str]]:
    cells = [["COLLECTOR", "AT", "POOL", "PROTOCOL", "NODES"]]
    for row in collectors:
        version = str(row.version) if row.version > 1 else "LOG"
        cells.append([_clean(row.name), _clean(row.sync or row.live), _clean(row.pool), version, f"{row.nodes:,}"])
    return cells


def _missing_lines(picture: Picture, paint: Paint) -> list[str]:
    """What is missing, by node, range and cause: those with the most first."""
    counts: dict[tuple[str, str, str], int] = {}
    for row in picture.missing:
        who = f"{row.name}@{row.host}" if row.name else row.node
        what = _clean(who), severity.name(row.range), row.cause
        counts[what] = counts.get(what, 0) + row.count
    if not counts:
        return []
    chosen = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        f"{paint('31', 'missing:')} {count:,} {level} of {who}: {cause}"
        for (who, level, cause), count in chosen[:_MISSING_LINES]
    ]
    more = [count for _, count in chosen[_MISSING_LINES:]]
    if more:
        lines.append(paint.dim(f"missing: {sum(more):,} in {plural(len(more), 'more line')}; --json has them"))
    return ["", *lines]


def _table(cells: list[list[str]], sides: str, paint: Paint) -> list[str]:
    """Aligned columns; those that are empty below their head are left out."""
    kept = [place for place in range(len(cells[0])) if any(row[place] not in ("", "-") for row in cells[1:])]
    widths = {place: max(len(row[place]) for row in cells) for place in kept}
    lines = []
    for number, row in enumerate(cells):
        texts = [
            f"{row[place]:<{widths[place]}}" if sides[place] == "l" else f"{row[place]:>{widths[place]}}"
            for place in kept
        ]
        line = "  ".join(texts).rstrip()
        lines.append(paint.dim(line) if number == 0 else line)
    return lines


def _clean(text: str) -> str:
    from zlog.collector.stores.text import escape

    return escape(text)

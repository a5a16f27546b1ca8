"""What became of all that was logged, for each store, run and range: sent, stored, twice, named by cause, unnamed.

Sent is what programs counted themselves (`support.counts`), where `kill -9` can't take it. Stored is read from the
stores without their own queries: by SQL, line by line, entry by entry, nothing left out because it is there twice.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from support.stores import TEXT_FORMAT, text_lines
from zlog import severity
from zlog.collector.stores import open_store
from zlog.core.intervals import Intervals
from zlog.core.segments import BATCH, LOSSES, Damage, scan
from zlog.record import Record
from zlog.wire import body, zre_log_msg

RunKey = tuple[str, int]
"""UUID of the node as 32 hexadecimal digits, epoch."""
Key = tuple[str, int, int]
"""The same with the range."""
Span = tuple[int, int]
Lost = tuple[int, int, int]
"""Start, stop, cause."""

NOT_ASKED, GAP = 0, 255
CAUSES = {0: "not asked", 1: "evicted", 2: "expired", 3: "dropped", 4: "damaged", 5: "unknown", GAP: "gap"}
TEXT = re.compile(r"^[0-9]+ ([0-9]+)")
"""Of a record of `log_program.py`."""
TEXT_OPTION = f"?format={TEXT_FORMAT}"
"""What a `file:` URL needs so that it can be read back."""


class Counted(Protocol):
    """What a run says that it logged, by range: at least `finished`, at most `begun`."""

    begun: Mapping[int, int]
    finished: Mapping[int, int]
    whole: bool
    journal: bool


@dataclass
class Content:
    """What is in a store: sequences in the order in which they stand there, their texts, losses."""

    sequences: dict[Key, list[int]] = field(default_factory=dict)
    texts: dict[Key, list[str]] = field(default_factory=dict)
    losses: dict[Key, list[Lost]] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)

    def add(self, key: Key, sequence: int, text: str) -> None:
        self.sequences.setdefault(key, []).append(sequence)
        self.texts.setdefault(key, []).append(text)

    def lose(self, key: Key, start: int, stop: int, cause: int) -> None:
        self.losses.setdefault(key, []).append((start, stop, cause))


@dataclass(frozen=True)
class Row:
    """One run and range in one store.

    Attributes:
        least, most: what was sent: calls that ended, calls that began.
        stored, twice: different records; how many more there are.
        named: lost, by cause, and not stored.
        holes: sequences below the highest that the store knows of that are neither.
        unheard: sent after the highest that the store knows of.
        not_asked: the store says that they were never wanted.
        odd: what can't be, in words.
    """

    store: str
    key: Key
    least: int
    most: int
    stored: int
    twice: int
    named: dict[int, int]
    holes: list[Span]
    unheard: int
    not_asked: int
    odd: list[str]

    @property
    def unnamed(self) -> int:
        return sum(stop - start for start, stop in self.holes)


@dataclass(frozen=True)
class Audit:
    """All rows, and what is wrong with them."""

    rows: list[Row]
    problems: list[str]

    def check(self) -> Audit:
        """Raises AssertionError, with the table, if anything was stored twice, or is missing and has no name."""
        if self.problems:
            shown = "\n".join(f"  {problem}" for problem in self.problems[:40])
            raise AssertionError(f"{len(self.problems)} problems\n{shown}\n{self.table(runs=True)}")
        return self

    def sums(self) -> dict[str, dict[str, int]]:
        """By store: sent (at least), stored, twice, unnamed, unheard, and each cause."""
        found: dict[str, Counter[str]] = {}
        for row in self.rows:
            total = found.setdefault(row.store, Counter())
            total.update(
                sent=row.least,
                stored=row.stored,
                twice=row.twice,
                unnamed=row.unnamed,
                unheard=row.unheard,
                not_asked=row.not_asked,
            )
            total.update({CAUSES.get(cause, str(cause)): count for cause, count in row.named.items()})
        return {store: dict(total) for store, total in found.items()}

    def table(self, *, runs: bool = False) -> str:
        """For people: a line for each store, or each run and range in it."""
        lines = [("STORE", "RUN", "RANGE", "SENT", "STORED", "TWICE", "NAMED", "UNNAMED", "UNHEARD")]
        if runs:
            for row in self.rows:
                named = Counter({CAUSES.get(cause, str(cause)): count for cause, count in row.named.items()})
                sent = str(row.least) if row.least == row.most else f"{row.least}-{row.most}"
                run = f"{row.key[0][:8]} {row.key[1] // 1_000_000 % 1_000_000}"
                unnamed = f"{row.unnamed} {row.holes[:3] or ''}".strip()
                figures = (sent, str(row.stored), str(row.twice), names(named), unnamed, str(row.unheard))
                lines.append((row.store, run, severity.name(row.key[2]), *figures))
        else:
            for store, total in self.sums().items():
                causes = Counter({cause: total[cause] for cause in CAUSES.values() if total.get(cause)})
                figures = (str(total[name]) for name in ("sent", "stored", "twice"))
                lines.append(
                    (store, "", "", *figures, names(causes), str(total["unnamed"]), str(total["unheard"]))  # type: ignore[arg-type]
                )
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def names(named: Mapping[str, int]) -> str:
    """Counts by cause, as words."""
    return ", ".join(f"{count} {cause}" for cause, count in named.items() if count) or "0"


def audit(
    urls: Iterable[str],
    counts: Mapping[RunKey, Counted],
    *,
    late: bool = False,
    heard: Mapping[RunKey, Mapping[int, int]] | None = None,
    text: re.Pattern[str] = TEXT,
) -> Audit:
    """Compare what was logged with what is stored, and named as lost.

    Args:
        urls: stores that nobody writes any more; `file:` with `TEXT_OPTION`.
        counts: what each run logged. One that was killed, and had no journal on disk, may have logged more than anybody
            heard of: that is shown as unheard. Of all others everything has to be there.
        late: the collector came later than the nodes, and didn't ask for what was before.
        heard: by run and range, how many the collector was told of: those have to be there, or named, in any case.
        text: finds in a record's text, in group 1, which record of its range it is.
    """
    rows: list[Row] = []
    problems: list[str] = []
    for url in urls:
        content = read(url)
        store = url.partition(":")[0]
        problems += [f"{store}: {damage}" for damage in content.damage]
        for run in sorted({key[:2] for key in (*content.sequences, *content.losses)} - set(counts)):
            problems.append(f"{store}: has a run that nobody counted: {run}")
        for run, count in counts.items():
            for range_ in severity.RANGES:
                row = _row(store, (*run, range_), count, content, text)
                if row.most or row.stored or row.named:
                    rows.append(row)
                    problems += _problems(row, count, late, (heard or {}).get(run, {}).get(range_, 0))
    return Audit(rows, problems)


def _row(store: str, key: Key, count: Counted, content: Content, text: re.Pattern[str]) -> Row:
    least, most = count.finished.get(key[2], 0), count.begun.get(key[2], 0)
    there = content.sequences.get(key, [])
    stored = set(there)
    numbers = [_number(each, text) for each in content.texts.get(key, [])]
    odd: list[str] = []
    named: Counter[int] = Counter()
    covered = set(stored)
    for start, stop, cause in sorted(content.losses.get(key, []), key=lambda loss: loss[2] in (NOT_ASKED, GAP)):
        span = set(range(start, stop))
        if cause != GAP and span & covered:
            odd.append(
                f"[{start}, {stop}) is named as lost ({CAUSES.get(cause, cause)}), and also stored or named again"
            )
        named[cause] += len(span - covered)
        covered |= span
    top = max(covered, default=0)
    if top > most:
        odd.append(f"knows of sequence {top}, but only {most} were logged")
    if not named[3] and (wrong := sum(number != sequence for number, sequence in zip(numbers, there, strict=True))):
        odd.append(f"{wrong} records stand where another one belongs")
    not_asked = named.pop(NOT_ASKED, 0)
    twice = len(there) - min(len(stored), len(set(numbers)))
    holes = _spans(sorted(set(range(1, top + 1)) - covered))
    return Row(store, key, least, most, len(stored), twice, dict(named), holes, max(0, least - top), not_asked, odd)


def _problems(row: Row, count: Counted, late: bool, heard: int) -> list[str]:
    where = f"{row.store}: {row.key[0][:8]} {severity.name(row.key[2])}:"
    found = [f"{where} {text}" for text in row.odd]
    if row.twice:
        found.append(f"{where} {row.twice} stored twice")
    if row.holes:
        found.append(f"{where} {row.unnamed} of {row.most} are missing without a name: {row.holes[:10]}")
    if row.unheard and (count.whole or count.journal):
        found.append(f"{where} the last {row.unheard} of {row.least} are missing without a name")
    elif row.least - row.unheard < heard:
        found.append(f"{where} knows of {row.least - row.unheard}, but was told of {heard}")
    if row.not_asked and not late:
        found.append(f"{where} {row.not_asked} were not asked for")
    return found


def _number(text: str, pattern: re.Pattern[str]) -> int:
    match = pattern.search(text)
    return int(match[1]) if match is not None else 0


def _spans(numbers: Sequence[int]) -> list[Span]:
    found: list[Span] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found


# --- stores, as they are on disk --------------------------------------------------------------------------------------


def read(url: str) -> Content:
    """All that is in a store."""
    scheme, _, rest = url.partition(":")
    path = rest.partition("?")[0]
    content = Content()
    {"sqlite": _sqlite, "jsonl": _jsonl, "file": _text, "journal": _journal}[scheme](path, content)
    return content


def _sqlite(path: str, content: Content) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        if (said := database.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            content.damage.append(said)
        for node, epoch, range_, sequence, text in database.execute(
            "SELECT s.node, s.epoch, s.range, s.segment << 32 | r.id & 4294967295, r.text"
            " FROM records r LEFT JOIN streams s ON s.id = r.id >> 32"
        ):
            content.add((node, epoch, range_), sequence, text)
        (seen,) = database.execute("SELECT count(*) FROM log").fetchone()
        if seen != (count := sum(map(len, content.sequences.values()))):
            content.damage.append(f"the view `log` shows {seen} of {count} records")
        for node, epoch, range_, *loss in database.execute("SELECT node, epoch, range, start, stop, cause FROM losses"):
            content.lose((node, epoch, range_), *loss)


def _jsonl(path: str, content: Content) -> None:
    for file in _files(path):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    content.damage.append(f"{file.name} has a torn line, {number}")
                    continue
                found = msgspec.json.decode(line)
                if "lost" in found:
                    lost = found["lost"]
                    key = lost["node"], lost["epoch"], lost["range"]
                    content.lose(key, lost["start"], lost["stop"], lost["cause"])
                else:
                    content.add((found["node"], found["epoch"], found["range"]), found["sequence"], found["text"])


_RECORD = re.compile(r"([0-9a-f]{32}) (\d+) (\d+) (\d+) (.*)")
_LOST = re.compile(r"\S+ LOST  \d+ (\w+) records of node (\w+) \(run (\d+), sequences (\d+) to (\d+)\): (.*)")
_BY_NAME = dict(zip(severity.NAMES, severity.RANGES, strict=True))
_BY_CAUSE = {"evicted": 1, "expired": 2, "dropped": 3, "damaged": 4, "unknown to the node": 5, "not asked for": 0}


def _text(path: str, content: Content) -> None:
    for line in text_lines(path):
        if match := _RECORD.fullmatch(line):
            key = match[1], int(match[2]), severity.range_of(int(match[3]))
            content.add(key, int(match[4]), match[5])
        elif match := _LOST.fullmatch(line):
            cause = _BY_CAUSE.get(match[6]) if not match[6].isdigit() else int(match[6])
            key = match[2], int(match[3]), _BY_NAME[match[1]]
            content.lose(key, int(match[4]), int(match[5]) + 1, GAP if cause is None else cause)
        elif not line.startswith("    | "):
            content.damage.append(f"a line that is none: {line!r}")


def _journal(path: str, content: Content) -> None:
    for file in _files(f"{path}/frames"):
        data = file.read_bytes()
        for item in scan(data):
            if isinstance(item, Damage):
                content.damage.append(f"{file.name}: octets {item.start} to {item.stop} are damaged")
                continue
            payload = data[item.start : item.stop]
            if item.kind == LOSSES:
                for node, epoch, range_, *loss, _ in msgspec.msgpack.decode(payload):
                    content.lose((node, epoch, range_), *loss)
            elif item.kind == BATCH:
                batch = zre_log_msg.decode(payload)
                key = batch.node.hex, batch.epoch, batch.severity
                for sequence, record in enumerate(body.unpack(batch.codec, batch.body, batch.count), batch.sequence):
                    content.add(key, sequence, record.text)
            else:
                node, epoch, _, _, _, document = msgspec.msgpack.decode(payload)
                for sequence, values in enumerate(msgspec.msgpack.decode(document), item.sequence):
                    content.add((node.hex(), epoch, item.range), sequence, Record(*values).text)


def _files(path: str) -> list[Path]:
    """A file and those that were rotated."""
    pattern = re.compile(re.escape(Path(path).name) + r"(\.\d+)?")
    return sorted(file for file in Path(path).parent.iterdir() if pattern.fullmatch(file.name))


# --- while it is written ----------------------------------------------------------------------------------------------


class Progress:
    """How far a store is, while a collector writes it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def lacking(self, counts: Mapping[RunKey, Mapping[int, int]]) -> int:
        """How many of the first so many of each run and range are neither stored nor named by a node; a gap that only
        the collector named may still be filled. Raises StoreError."""
        with open_store(self._url).open(read_only=True) as store:
            held = store.held()
        return sum(
            stop - start
            for (node, epoch), ranges in counts.items()
            for range_, count in ranges.items()
            for start, stop in held.get((bytes.fromhex(node), epoch, range_), Intervals()).missing(1, count + 1)
        )


def sorted_within_runs(records: Iterable[object]) -> Iterator[str]:
    """What is out of order in the answer of a query: the records of a run come in the order of their ordinals."""
    last: dict[RunKey, int] = {}
    for record in records:
        run = record.node, record.epoch  # type: ignore[attr-defined]
        ordinal: int = record.ordinal  # type: ignore[attr-defined]
        if ordinal <= last.get(run, 0):
            yield f"{run}: {ordinal} after {last[run]}"
        last[run] = ordinal

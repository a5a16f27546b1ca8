"""Records per second into each store, beside what its medium can do without us.

    python tests/bench/bench_store.py [--rounds N] [--records N] [--write N] [--folder DIR] [--json]

100-octet texts with four attributes, from 8 nodes, in parts of 256 records. Each store gets them in writes of so many
parts, every one durable (fsync) before the next. All contenders take turns in every round, each with a fresh file; the
figures are medians of records per second of one thread, the spread is half the distance of the quartiles, in percent,
the ratio is to the raw medium in the same rounds. Compare ratios, not figures of different runs.

- **raw executemany** puts the same columns into one table without any index, in transactions of the same size, also
  with fsync: SQLite's own limit. With two indexes it is what a usual schema costs.
- **raw lines**, **raw frames** write the finished octets with one write and one fsync each.
- **from BATCH** begins with the frame, as a collector does.
"""

import argparse
import contextlib
import json
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from zlog.collector.stores import Filter, Part, open_store
from zlog.collector.stores.disk import Disk
from zlog.record import Record, encode
from zlog.wire import body, zre_log_msg
from zlog.wire.rows import Rows

NODES: Final = 8
PART: Final = 256
TIME_NS: Final = 1_763_625_607_123_456_789


def make_parts(count: int) -> list[Part]:
    """The records, in the order in which they would arrive."""
    parts = []
    for start in range(1, count // NODES + 1, PART):
        for node in range(NODES):
            records = [
                Record(
                    ordinal=number,
                    time_ns=TIME_NS + number * 1000,
                    severity=9,
                    logger="arm.joint",
                    text=f"request of 10.0.0.7 for /api/v1/joints/{number:06d}/positions answered: ".ljust(100, "x"),
                    attributes={
                        "code.file.path": "/srv/robot/arm/joint.py",
                        "code.line.number": number % 20,
                        "code.function.name": "move",
                        "thread.name": "MainThread",
                    },
                )
                for number in range(start, start + PART)
            ]
            parts.append(Part(bytes([node]) * 16, TIME_NS, 9, start, records, "rover-2", f"arm-{node}", 4711, TIME_NS))
    return parts


Writes = list[list[Part]]
Frames = list[list[bytes]]


@dataclass(frozen=True)
class Contender:
    """One row: what is timed, and the row it is compared with."""

    name: str
    run: Callable[[Path], float]
    against: str = ""


def raw_sqlite(path: Path, writes: Writes, indexes: bool) -> float:
    rows = [
        [
            (
                part.node.hex(), part.epoch, part.range, sequence, r.ordinal, r.time_ns, r.severity, r.logger, r.text,
                r.event, None, json_of(r), part.received_ns,
            )
            for part in parts
            for sequence, r in enumerate(part.records, part.sequence)
        ]
        for parts in writes
    ]  # fmt: skip
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(
            "CREATE TABLE log (node TEXT, epoch INT, range INT, sequence INT, ordinal INT, time_ns INT, severity INT,"
            " logger TEXT, text TEXT, event INT, peer TEXT, attributes TEXT, received_ns INT)"
        )
        if indexes:
            database.execute("CREATE UNIQUE INDEX by_key ON log (node, epoch, range, sequence)")
            database.execute("CREATE INDEX by_time ON log (time_ns)")
        started = time.perf_counter()
        for batch in rows:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(f"INSERT INTO log VALUES ({', '.join('?' * 13)})", batch)
            database.execute("COMMIT")
        return time.perf_counter() - started


def json_of(record: Record) -> str:
    return msgspec.json.encode(record.attributes).decode()


def raw_lines(path: Path, writes: Writes, url: str) -> float:
    with open_store(url) as store:
        blocks = [store._encode(parts, []) for parts in writes]  # type: ignore[attr-defined] # what the file would get
    disk, offset = Disk(), 0
    raw = disk.open(str(path) + ".raw", create=True)
    started = time.perf_counter()
    for block in blocks:
        disk.write(raw, block, offset)
        disk.sync(raw)
        offset += len(block)
    spent = time.perf_counter() - started
    disk.close(raw)
    return spent


def into(url: str, writes: Writes, check: bool) -> float:
    count = sum(len(part.records) for parts in writes for part in parts)
    with open_store(url) as store:
        started = time.perf_counter()
        for parts in writes:
            store.write(parts)
        spent = time.perf_counter() - started
        assert sum(intervals.count() for intervals in store.held().values()) == count
        if check and store.scheme != "file":
            assert sum(1 for _ in store.query()) == count
    return spent


def as_frames(writes: Writes) -> Frames:
    return [[frame_of(part) for part in parts] for parts in writes]


def frame_of(part: Part) -> bytes:
    """The BATCH that an agent would have made of it."""
    codec, octets = body.pack([encode(record) for record in part.records])
    return zre_log_msg.Batch(
        severity=part.range, node=UUID(bytes=part.node), epoch=part.epoch, sequence=part.sequence,
        count=len(part.records), codec=codec, host=part.host, name=part.name, pid=part.pid, body=octets,
    ).encode()  # fmt: skip


def part_of(frame: bytes) -> Part:
    """What a collector's writer makes of a frame."""
    batch = zre_log_msg.decode(frame)
    assert isinstance(batch, zre_log_msg.Batch)
    return Part(
        batch.node.bytes, batch.epoch, batch.severity, batch.sequence, Rows(batch), batch.host, batch.name, batch.pid,
        TIME_NS,
    )  # fmt: skip


def from_batches(url: str, packed: Frames) -> float:
    with open_store(url) as store:
        started = time.perf_counter()
        for frames in packed:
            store.write([part_of(frame) for frame in frames])
        return time.perf_counter() - started


def queries(folder: Path, parts: list[Part]) -> Iterator[tuple[str, float]]:
    """Milliseconds of some queries on the whole."""
    middle = TIME_NS + len(parts) // NODES * PART // 2 * 1000
    for url in (f"sqlite:{folder}/query.db", f"jsonl:{folder}/query.jsonl"):
        with open_store(url) as store:
            store.write(parts)
            for name, wanted in (
                ("all", Filter()),
                ("newest 100", Filter(limit=100)),
                ("newest 100 of one node", Filter(limit=100, node="arm-3")),
                ("1% of the time", Filter(since_ns=middle, until_ns=middle + len(parts) // NODES * PART * 10)),
            ):
                started = time.perf_counter()
                found = sum(1 for _ in store.query(wanted))
                yield f"{store.scheme}, {name} ({found} records)", (time.perf_counter() - started) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--write", type=int, default=16, help="parts of 256 records in each write")
    parser.add_argument("--folder", help="where to write; it is the disk that is measured too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    parts = make_parts(options.records)
    count = len(parts) * PART
    writes = [parts[start : start + options.write] for start in range(0, len(parts), options.write)]
    frames = as_frames(writes)
    received = [[part_of(frame) for frame in some] for some in frames]
    contenders = [
        Contender("raw executemany", lambda folder: raw_sqlite(folder / "raw.db", writes, indexes=False)),
        Contender("raw executemany, 2 indexes", lambda folder: raw_sqlite(folder / "two.db", writes, indexes=True)),
        Contender("sqlite:", lambda folder: into(f"sqlite:{folder}/log.db", writes, False), "raw executemany"),
        Contender(
            "sqlite:, from BATCH", lambda folder: from_batches(f"sqlite:{folder}/log.db", frames), "raw executemany"
        ),
        Contender("raw frames", lambda folder: raw_lines(folder / "raw", received, f"journal:{folder}/log")),
        Contender("journal:, from BATCH", lambda folder: from_batches(f"journal:{folder}/log", frames), "raw frames"),
        Contender("journal:", lambda folder: into(f"journal:{folder}/log", writes, False), "raw frames"),
        Contender("raw lines of JSON", lambda folder: raw_lines(folder / "raw", writes, f"jsonl:{folder}/log")),
        Contender("jsonl:", lambda folder: into(f"jsonl:{folder}/log", writes, False), "raw lines of JSON"),
        Contender("raw lines of text", lambda folder: raw_lines(folder / "raw", writes, f"file:{folder}/log")),
        Contender("file:", lambda folder: into(f"file:{folder}/log", writes, False), "raw lines of text"),
        Contender("memory:", lambda folder: into("memory:", writes, False)),
    ]
    spent: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    with tempfile.TemporaryDirectory(dir=options.folder) as base:
        for number in range(options.rounds):
            for contender in contenders:
                folder = Path(base, str(number), str(contenders.index(contender)))
                folder.mkdir(parents=True)
                spent[contender.name].append(contender.run(folder))
                shutil.rmtree(folder)
        table: list[dict[str, Any]] = []
        for contender in contenders:
            times = spent[contender.name]
            median = statistics.median(times)
            quarters = statistics.quantiles(times, n=4) if len(times) > 1 else [median] * 3
            row = {
                "name": contender.name,
                "records_per_s": round(count / median),
                "spread_percent": round((quarters[2] - quarters[0]) / 2 / median * 100, 1),
            }
            if contender.against:
                pairs = zip(spent[contender.against], times, strict=True)
                row["ratio"] = round(statistics.median(other / own for other, own in pairs), 2)
            table.append(row)
        asked = list(queries(Path(base), parts))

    if options.json:
        print(json.dumps({"stores": table, "queries_ms": dict(asked)}))
        return
    print(f"{count:,} records in writes of {options.write * PART:,}, {options.rounds} rounds\n")
    print("| store | records/s | spread % | of the raw medium |\n|---|---|---|---|")
    for row in table:
        print(f"| {row['name']} | {row['records_per_s']:,} | {row['spread_percent']} | {row.get('ratio', '')} |")
    print("\n| query, once | ms |\n|---|---|")
    for name, milliseconds in asked:
        print(f"| {name} | {milliseconds:.1f} |")


if __name__ == "__main__":
    main()

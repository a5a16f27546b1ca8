"""The journal on disk: what it costs a program, how fast it is as a store, how fast a run is replayed.

    python tests/bench/bench_journal.py [--rounds N] [--records N] [--folder DIR] [--json]

It moves itself into a network namespace of its own (root, or a user who may make one), so that no beacon can leave it.

- **store**: records per second that a collector's writer gets into `journal:` and `sqlite:`, from BATCH frames of 256
  records, 32 in a write, every write durable before the next; beside the same octets written and synced in one go, and
  beside taking the frames apart, which the writer does for every store to see that they are whole.
- **call**: nanoseconds of the logging thread in `logging.info`, and of the whole process, a record: with a journal in
  memory and on disk, nobody listening. Runs take turns.
- **replay**: a new process takes over the run of a dead one; records per second from the collector's FETCH on into
  `memory:`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from zlog.collector import Collector, CollectorStatus
from zlog.collector.stores import Part, open_store
from zlog.collector.stores.disk import Disk
from zlog.record import Record, encode
from zlog.wire import body, zre_log_msg
from zlog.wire.rows import Rows

PORT: Final = 20_000 + os.getpid() % 10_000
PART: Final = 256
WRITE: Final = 32
TIME_NS: Final = 1_763_625_607_123_456_789

CALLS: Final = """
import logging, sys, time, zlog
count, folder = int(sys.argv[1]), sys.argv[2] or None
agent = zlog.start(discover=False, journal=folder, name="calls")
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
log, spent, cpu = logging.getLogger("app"), 0, time.process_time_ns()
for _ in range(count // 1000):
    began = time.thread_time_ns()
    for number in range(1000):
        log.info("request of 10.0.0.7 for /api/v1/joints/%06d/positions answered in %d ms", number, 17)
    spent += time.thread_time_ns() - began
    agent.flush()
cpu = time.process_time_ns() - cpu
status = agent.status()
assert sum(status.dropped.values()) == 0
print(spent / count, cpu / count, flush=True)
"""
WAITS: Final = f"""
import sys, zlog
zlog.start(interface="lo", port={PORT}, journal=sys.argv[1], name="again")
print("ready", flush=True)
sys.stdin.read()
"""


def frames(count: int) -> list[zre_log_msg.Batch]:
    noise = random.Random(1)
    found = []
    for start in range(1, count + 1, PART):
        records = [
            Record(
                number, TIME_NS + number * 1000, 9, "arm.joint",
                f"request {noise.randbytes(12).hex()} of 10.0.0.7 for /api/v1/joints/{number:06d}/positions answered",
                attributes={
                    "code.file.path": "/srv/robot/arm/joint.py", "code.line.number": number % 20,
                    "code.function.name": "move", "thread.name": "MainThread",
                },
            )
            for number in range(start, start + PART)
        ]  # fmt: skip
        codec, octets = body.pack([encode(record) for record in records])
        node = uuid.UUID(int=7)
        found.append(
            zre_log_msg.Batch(
                severity=9,
                node=node,
                epoch=TIME_NS,
                sequence=start,
                count=PART,
                codec=codec,
                host="rover-2",
                name="arm",
                pid=4711,
                body=octets,
            )
        )
    return found


def parts_of(batches: list[zre_log_msg.Batch]) -> list[Part]:
    return [
        Part(b.node.bytes, b.epoch, b.severity, b.sequence, Rows(b), b.host, b.name, b.pid, TIME_NS) for b in batches
    ]


def into(url: str, batches: list[zre_log_msg.Batch]) -> float:
    with open_store(url) as store:
        began = time.perf_counter()
        for start in range(0, len(batches), WRITE):
            store.write(parts_of(batches[start : start + WRITE]))
        return time.perf_counter() - began


def apart(batches: list[zre_log_msg.Batch]) -> float:
    began = time.perf_counter()
    parts_of(batches)
    return time.perf_counter() - began


def raw(path: Path, batches: list[zre_log_msg.Batch]) -> float:
    blocks = [b"".join(b.encode() for b in batches[start : start + WRITE]) for start in range(0, len(batches), WRITE)]
    disk, offset = Disk(), 0
    descriptor = disk.open(str(path), create=True)
    began = time.perf_counter()
    for block in blocks:
        disk.write(descriptor, block, offset)
        disk.sync(descriptor)
        offset += len(block)
    spent = time.perf_counter() - began
    disk.close(descriptor)
    return spent


def calls(count: int, folder: str) -> tuple[float, float]:
    """Nanoseconds a record: of the caller, and of the process."""
    done = subprocess.run(
        [sys.executable, "-c", CALLS, str(count), folder], capture_output=True, text=True, check=True, timeout=300
    )
    caller, whole = done.stdout.split()
    return float(caller), float(whole)


def replay(folder: str, count: int) -> float:
    """Seconds from the first record's arrival until all are stored."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITS, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as again:
        assert again.stdout is not None
        again.stdout.readline()
        store = open_store("memory:")
        with Collector(store, interface="lo", port=PORT, since="start") as collector:
            assert collector.wait_until(lambda status: stored(status) >= count, 120)
            ended = time.time_ns()
            times = [record.received_ns for record in store.query()]
    assert len(times) == count
    return (ended - min(times)) / 1e9


def stored(status: CollectorStatus) -> int:
    return sum(view.stored for node in status.nodes for view in node.ranges.values())


def summary(times: list[float]) -> tuple[float, float]:
    """Median, and half the distance of the quartiles in percent of it."""
    median = statistics.median(times)
    quarters = statistics.quantiles(times, n=4) if len(times) > 1 else [median] * 3
    return median, (quarters[2] - quarters[0]) / 2 / median * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--folder", help="where to write; it is the disk that is measured too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.environ.get("ZLOG_BENCH_ALONE") != "1":
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        alone = ["unshare", *user, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        os.execvpe(alone[0], [*alone, sys.executable, *sys.argv], os.environ | {"ZLOG_BENCH_ALONE": "1"})

    count = options.records // PART * PART
    batches = frames(count)
    stores: dict[str, Callable[[Path], float]] = {
        "raw write and sync": lambda folder: raw(folder / "raw", batches),
        "taking frames apart": lambda folder: apart(batches),
        "journal:": lambda folder: into(f"journal:{folder}/journal", batches),
        "sqlite:": lambda folder: into(f"sqlite:{folder}/log.db", batches),
    }
    spent: dict[str, list[float]] = {name: [] for name in stores}
    caller: dict[str, list[float]] = {"memory": [], "disk": []}
    whole: dict[str, list[float]] = {"memory": [], "disk": []}
    replays: list[float] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as base:
        for number in range(options.rounds):
            for name, run in stores.items():
                folder = Path(base, str(number), name.strip(":").replace(" ", "-"))
                folder.mkdir(parents=True)
                spent[name].append(run(folder))
            for kind in caller:
                folder = Path(base, f"calls-{number}")
                one, all_ = calls(100_000, str(folder) if kind == "disk" else "")
                caller[kind].append(one)
                whole[kind].append(all_)
            replays.append(100_000 / replay(str(Path(base, f"calls-{number}")), 100_000))
    rows: list[dict[str, Any]] = []
    for name, times in spent.items():
        median, spread = summary([count / each for each in times])
        rows.append({"name": name, "records_per_s": round(median), "spread_percent": round(spread, 1)})
    for kind in caller:
        for what, times in (("caller", caller[kind]), ("process", whole[kind])):
            median, spread = summary(times)
            rows.append({"name": f"{kind}, {what}", "ns_per_record": round(median), "spread_percent": round(spread, 1)})
    median, spread = summary(replays)
    rows.append({"name": "replay", "records_per_s": round(median), "spread_percent": round(spread, 1)})
    if options.json:
        print(json.dumps(rows))
        return
    print("| what | records/s | ns a record | spread % |\n|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['name']} | {row.get('records_per_s', ''):,} | {row.get('ns_per_record', '')} |"
            f" {row['spread_percent']} |"
            if "records_per_s" in row
            else f"| {row['name']} | | {row['ns_per_record']} | {row['spread_percent']} |"
        )


if __name__ == "__main__":
    main()

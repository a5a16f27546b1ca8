"""While a collector fetches history: how fast that is, how late live records are, how much a program is slowed.

    python tests/bench/bench_replay.py [--rounds N] [--records N] [--json]

It moves itself into a network namespace of its own (root, or a user who may make one), so that no beacon can leave it.
A program logs 1,000 records a second. A collector in another process comes, stores into SQLite, and fetches what was
logged before:

- **memory**: of the program's own run, from its journal in memory.
- **disk**: of the run of a process that died, from the journal on disk that the program took over.

Figures are of one round each, in the columns *while* (the collector fetches) and *after* (it has all):

- **replay**: records per second from the arrival of the first until all are in the store.
- **live**: from a record's call to its arrival at the collector, in ms, the median and the 99th of a hundred.
- **safe**: from the call of `zlog.flush` to its return, when the collector has committed, in ms; the same.
- **call**: what `logging.info` takes, in microseconds of time that passes, the mean and the 99th of a hundred.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

PORT: Final = 20_000 + os.getpid() % 10_000
AFTER_S: Final = 4

PROGRAM: Final = """
import json, logging, sys, threading, time, zlog
port, count, folder, old = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None, int(sys.argv[4])
agent = zlog.start(interface="lo", port=port, name="bench", journal=folder, journal_bytes="1G", exit_timeout_s=0)
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
log = logging.getLogger("app")
for number in range(old):
    log.info("old %d: request of 10.0.0.7 for /api/v1/joints/%06d/positions took %d ms", number, number % 977, 17)
    if number % 10_000 == 0:
        agent.flush()
agent.flush()
print("ready", flush=True)
if not count:
    sys.exit(sys.stdin.readline() and 0)
stop, calls, safe = threading.Event(), [], []
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
def flush():
    while not stop.wait(0.05):
        began = time.time_ns()
        if agent.flush(10):
            safe.append((began, time.time_ns()))
flusher = threading.Thread(target=flush)
flusher.start()
began, number = time.monotonic(), 0
while not stop.wait(max(0, began + number / 1000 - time.monotonic())):
    number += 1
    before = time.perf_counter_ns()
    log.info("live %d", number)
    calls.append((time.time_ns(), time.perf_counter_ns() - before))
flusher.join()
print(json.dumps([calls, safe]), flush=True)
"""
COLLECT: Final = """
import json, sys, time, zlog
from zlog.collector import Collector
port, count, store, after_s = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
with Collector(store, interface="lo", port=port, since="start") as collector:
    def stored(status):
        return sum(view.stored for node in status.nodes for view in node.ranges.values())
    assert collector.wait_until(lambda status: stored(status) >= count, 300)
    print("all", time.time_ns(), flush=True)
    time.sleep(after_s)
with zlog.open_store(store).open(read_only=True) as opened:
    old, live = [], []
    for record in opened.query():
        if record.text.startswith("old"):
            old.append(record.received_ns)
        elif record.text.startswith("live"):
            live.append((record.time_ns, record.received_ns))
print(json.dumps([min(old), len(old), live]), flush=True)
"""


def start(code: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    found = program.stdout.readline()
    if not found:
        raise SystemExit("a program has failed")
    return found


def tell(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()


def summary(values: list[float]) -> tuple[float, float]:
    """Median, and the 99th of a hundred."""
    values = sorted(values) or [float("nan")]
    return statistics.median(values), values[min(len(values) - 1, len(values) * 99 // 100)]


def measure(kind: str, records: int, base: str) -> dict[str, float]:
    """One round."""
    with tempfile.TemporaryDirectory(dir=base) as folder:
        journal = f"{folder}/journal" if kind == "disk" else ""
        if kind == "disk":
            dead = start(PROGRAM, PORT, 0, journal, records)
            line(dead)
            dead.kill()
            dead.communicate()
        program = start(PROGRAM, PORT, 1, journal, records if kind == "memory" else 0)
        line(program)
        collector = start(COLLECT, PORT, records, f"sqlite:{folder}/log.db", AFTER_S)
        ended = int(line(collector).split()[1])
        first, count, live = json.loads(line(collector))
        collector.communicate()
        tell(program)
        calls, safe = json.loads(line(program))
        program.communicate()
    assert count == records
    found = {"replay": records / (ended - first) * 1e9}
    for name, wanted in (
        ("while", lambda at: first <= at < ended),
        ("after", lambda at: ended + 5e8 <= at < ended + (AFTER_S - 0.5) * 1e9),
    ):
        found[f"live {name}"], found[f"live {name} 99"] = summary([(b - a) / 1e6 for a, b in live if wanted(a)])
        found[f"safe {name}"], found[f"safe {name} 99"] = summary([(b - a) / 1e6 for a, b in safe if wanted(a)])
        chosen = [took / 1e3 for at, took in calls if wanted(at)]
        found[f"call {name}"] = statistics.fmean(chosen) if chosen else float("nan")
        found[f"call {name} 99"] = summary(chosen)[1]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--folder", help="where to write")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.environ.get("ZLOG_BENCH_ALONE") != "1":
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        alone = ["unshare", *user, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        os.execvpe(alone[0], [*alone, sys.executable, *sys.argv], os.environ | {"ZLOG_BENCH_ALONE": "1"})
    found: dict[str, list[dict[str, float]]] = {"memory": [], "disk": []}
    with tempfile.TemporaryDirectory(dir=options.folder) as base:
        for number in range(options.rounds):
            for kind, rounds in found.items():
                print(f"round {number + 1} of {options.rounds}: {kind}", file=sys.stderr)
                rounds.append(measure(kind, options.records, str(Path(base))))
    rows: dict[str, dict[str, Any]] = {
        kind: {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        for kind, rounds in found.items()
    }
    if options.json:
        print(json.dumps({"records": options.records, "results": rows}))
        return
    print(f"{options.records:,} records of history, medians of {options.rounds} rounds")
    for kind, row in rows.items():
        print(f"\n{kind}: replay of {row['replay']:,.0f} records/s      while     99 %     after     99 %")
        for name, unit in (("live", "ms"), ("safe", "ms"), ("call", "us")):
            print(
                f"  {name} ({unit})".ljust(42)
                + "".join(f"{row[f'{name} {key}']:>9.1f}" for key in ("while", "while 99", "after", "after 99"))
            )


if __name__ == "__main__":
    main()

"""From a program's call to the store of a process that collects: ours beside what there is.

    python tests/bench/bench_end_to_end.py [--rounds N] [--records N] [--producers 1,8] [--only TEXT]... [--json]

It moves itself into a network namespace of its own (root, or a user who may make one), so that no beacon can leave it,
and so that the octets on `lo` are those of the contender alone: they are counted with TCP's own.

Each producer is a process that logs 100 octets of text so many times, as fast as it can, through `logging` unless the
name says otherwise. There are 1,000 texts, which differ in a number of 20 digits. Contenders take turns in every round.
**records/s** is from the first call to the moment when the last record is in the store: for ours when it was committed,
for the others when the file has all lines, or has not grown for 2 s: then **lost** says how many are missing. A ratio
is the median of the ratios within each round to the first contender.

rsyslogd takes part where it is installed (`apt-get install rsyslog`), over TCP into a file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

TEXTS: Final = """[
    f"The quick brown fox jumps over the lazy dog while {number * 7919**5:020} bottles of beer stand.".ljust(100, ".")
    for number in range(1000)
]"""
QUIET_S: Final = 2.0
PATIENCE_S: Final = 120.0

# --- producers --------------------------------------------------------------------------------------------------------

PRODUCER: Final = f"""
import logging, logging.handlers, sys, time
TEXTS = {TEXTS.replace("{", "{{").replace("}", "}}")}
address, count, number = sys.argv[1], int(sys.argv[2]), sys.argv[3]
{{setup}}
log = logging.getLogger("bench")
log.setLevel(logging.INFO)
log.propagate = False
if handler is not None:
    log.addHandler(handler)
print("ready", flush=True)
sys.stdin.readline()
began = time.time()
{{loop}}
{{finish}}
print(began, time.time(), flush=True)
"""

LOOP: Final = "info = log.info\nfor number in range(count): info(TEXTS[number % 1000])"

OURS: Final = """
import zlog
agent = zlog.start(discover=False, collectors=address, name=f"bench{number}", journal_bytes="256M")
handler = zlog.Handler()
agent.wait_link(30)
"""
OURS_DIRECT: Final = "\nimport zlog.record\n"
DIRECT_LOOP: Final = """
record = agent.record
place = {"pathname": "bench.py", "lineno": 1, "threadName": "MainThread"}
site = zlog.record.attributes_of(logging.makeLogRecord(place))
clock = time.time_ns
for number in range(count): record(9, clock(), "bench", TEXTS[number % 1000], site)
"""
SOCKET: Final = """
host, _, port = address.rpartition(":")
handler = logging.handlers.SocketHandler("127.0.0.1", int(port))
"""
PUB: Final = """
import zmq
from zmq.log.handlers import PUBHandler
context = zmq.Context()
socket = context.socket(zmq.PUB)
socket.set_hwm(0)
socket.connect(address)
handler = PUBHandler(socket)
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
time.sleep(1)  # PUBHandler can't tell when it is connected
"""
SYSLOG: Final = """
host, _, port = address.rpartition(":")
import socket
handler = logging.handlers.SysLogHandler(("127.0.0.1", int(port)), socktype=socket.SOCK_STREAM)
handler.append_nul = False
handler.setFormatter(logging.Formatter("bench: %(message)s\\n"))
"""

# --- collectors -------------------------------------------------------------------------------------------------------

COLLECT: Final = """
import signal, sys, zlog
with zlog.Collector(sys.argv[1], discover=False, bind="tcp://127.0.0.1:*") as collector:
    print(collector.sync, flush=True)
    sys.stdin.readline()
"""

COOKBOOK: Final = """
import logging, logging.handlers, pickle, socketserver, struct, sys
handler = logging.FileHandler(sys.argv[1])
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
logging.getLogger("bench").addHandler(handler)
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(4)) == 4:
            record = logging.makeLogRecord(pickle.loads(self.rfile.read(struct.unpack(">L", head)[0])))
            logging.getLogger(record.name).handle(record)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
server = Server(("127.0.0.1", 0), Handler)
print(f"tcp://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
"""

SUBSCRIBER: Final = """
import sys, zmq
sub = zmq.Context().socket(zmq.SUB)
sub.set_hwm(0)
sub.subscribe(b"")
print("tcp://127.0.0.1:%d" % sub.bind_to_random_port("tcp://127.0.0.1"), flush=True)
with open(sys.argv[1], "ab", buffering=1 << 16) as file:
    while True:
        while sub.poll(100):
            file.write(sub.recv_multipart()[1].rstrip(b"\\n") + b"\\n")
        file.flush()
"""

RSYSLOG: Final = """
module(load="imtcp")
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="line" type="string" string="%timegenerated% %programname% %msg%\\n")
main_queue(queue.size="1000000" queue.discardMark="1000000")
*.* action(type="omfile" file="{path}" template="line")
"""


@dataclass
class Contender:
    """One way from here to there."""

    name: str
    setup: str
    collector: str
    loop: str = LOOP
    finish: str = ""
    store: str = ""  # URL with {folder}
    counts: Callable[[Path], int] = field(default=lambda folder: lines(folder / "log"))


def lines(path: Path) -> int:
    """How many lines a file has."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def rows(folder: Path) -> int:
    """How many records a database has."""
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as database:
        count: int = database.execute("SELECT count(*) FROM records").fetchone()[0]
        return count


FLUSH: Final = "assert zlog.flush(120), 'not committed'"

CONTENDERS: Final = (
    Contender("ours, into SQLite", OURS, COLLECT, finish=FLUSH, store="sqlite:{folder}/log.db", counts=rows),
    Contender("ours, into JSON lines", OURS, COLLECT, finish=FLUSH, store="jsonl:{folder}/log"),
    Contender("ours, without logging", OURS + OURS_DIRECT, COLLECT, DIRECT_LOOP, FLUSH, "sqlite:{folder}/log.db", rows),
    Contender("SocketHandler, cookbook", SOCKET, COOKBOOK, finish="handler.close()"),
    Contender("PUBHandler, SUB", PUB, SUBSCRIBER, finish="socket.close(); context.term()"),
    Contender("SysLogHandler, rsyslogd", SYSLOG, RSYSLOG, finish="handler.close()"),
)


@contextmanager
def collecting(contender: Contender, folder: Path) -> Iterator[tuple[str, int]]:
    """Start what collects; give its address and process id."""
    if contender.collector is RSYSLOG:
        port = 20_000 + os.getpid() % 10_000
        config = folder / "rsyslog.conf"
        config.write_text(RSYSLOG.format(port=port, path=folder / "log"))
        command = [shutil.which("rsyslogd") or "rsyslogd", "-n", "-f", str(config), "-i", str(folder / "pid")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        address = f"tcp://127.0.0.1:{port}"
        await_port(port)
    else:
        target = contender.store.format(folder=folder) or str(folder / "log")
        process = subprocess.Popen(
            [sys.executable, "-c", contender.collector, target],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        address = process.stdout.readline().strip()
    try:
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


def await_port(port: int) -> None:
    """Wait until somebody listens."""
    import socket

    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise SystemExit(f"nobody listens at port {port}")


def octets_on_lo() -> int:
    """What `lo` has carried."""
    (line,) = [line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:")]
    return int(line.split(":")[1].split()[0])


def measure(contender: Contender, producers: int, records: int) -> dict[str, float]:
    """One round of one contender."""
    with tempfile.TemporaryDirectory() as name, collecting(contender, Path(name)) as (address, _):
        folder = Path(name)
        code = PRODUCER.format(setup=contender.setup, loop=contender.loop, finish=contender.finish)
        each = records // producers
        programs = [
            subprocess.Popen(
                [sys.executable, "-c", code, address, str(each), str(number)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for number in range(producers)
        ]  # fmt: skip
        for program in programs:
            assert program.stdout is not None
            if program.stdout.readline() != "ready\n":
                raise SystemExit(f"{contender.name}: a producer has failed")
        before = octets_on_lo()
        for program in programs:
            assert program.stdin is not None
            program.stdin.write("\n")
            program.stdin.flush()
        times = []
        for program in programs:
            output, _ = program.communicate(timeout=PATIENCE_S)
            if program.returncode:
                raise SystemExit(f"{contender.name}: a producer has failed")
            times.append([float(word) for word in output.split()])
        began, ended = min(time_[0] for time_ in times), max(time_[1] for time_ in times)
        stored, grown = contender.counts(folder), time.time()
        while stored < each * producers and time.time() - grown < QUIET_S:
            time.sleep(0.02)
            found = contender.counts(folder)
            if found > stored:
                stored, grown = found, time.time()
        if not contender.finish.startswith("assert"):
            ended = max(ended, grown)
        return {
            "rate": stored / (ended - began),
            "lost": each * producers - stored,
            "octets": (octets_on_lo() - before) / (each * producers),
        }


def run(rounds: int, records: int, producers: list[int], only: list[str]) -> list[dict[str, Any]]:
    """A row for each contender and number of producers."""
    chosen = [each for each in CONTENDERS if not only or any(word in each.name for word in only)]
    if shutil.which("rsyslogd") is None:
        print("rsyslogd is not installed and takes no part: apt-get install rsyslog", file=sys.stderr)
        chosen = [each for each in chosen if each.collector is not RSYSLOG]
    samples: dict[tuple[str, int], list[dict[str, float]]] = {}
    for number in range(rounds):
        for count in producers:
            for each in chosen:
                print(f"round {number + 1} of {rounds}: {each.name}, {count} producer(s)", file=sys.stderr)
                samples.setdefault((each.name, count), []).append(measure(each, count, records))
    found = []
    for (name, count), results in samples.items():
        base = samples[chosen[0].name, count]
        ratios = [ours["rate"] / theirs["rate"] for ours, theirs in zip(results, base, strict=True)]
        found.append(
            {
                "name": name,
                "producers": count,
                "rate": statistics.median(result["rate"] for result in results),
                "ratio": statistics.median(ratios),
                "spread": max(ratios) - min(ratios),
                "lost": max(result["lost"] for result in results),
                "octets": statistics.median(result["octets"] for result in results),
            }
        )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="From a program's call to a store in another process.")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the median of (default: 3)")
    parser.add_argument("--records", type=int, default=200_000, help="records in each round (default: 200000)")
    parser.add_argument("--producers", default="1,8", help="numbers of producers (default: 1,8)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="contenders with this in the name")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if os.environ.get("ZLOG_BENCH_ALONE") != "yes":
        flags = ["-n"] if os.geteuid() == 0 else ["-Urn"]
        inside = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv]
        os.environ["ZLOG_BENCH_ALONE"] = "yes"
        os.execvp("unshare", ["unshare", *flags, *inside])
    counts = [int(word) for word in args.producers.split(",")]
    found = run(args.rounds, args.records, counts, args.only)
    if args.json:
        print(json.dumps({"python": sys.version.split()[0], "records": args.records, "results": found}, indent=2))
        return
    print(f"Python {sys.version.split()[0]}, {args.rounds} rounds of {args.records} records of 100 octets")
    for count in counts:
        print(f"\n{count} producer(s)              records/s   ratio    ±   octets/record   lost")
        for row in found:
            if row["producers"] == count:
                print(
                    f"  {row['name']:<26}{row['rate']:>9,.0f}{row['ratio']:>8.2f}{row['spread'] / 2:>6.2f}"
                    f"{row['octets']:>12.0f}{row['lost']:>12,.0f}"
                )


if __name__ == "__main__":
    main()

"""Two hundred processes log at once, and their collector is restarted twice: the load test of ysegorov's epoll logger.

    python tests/bench/bench_load.py [--zre] [--pace 0] [--processes N] [--tasks N] [--seed N] [--keep DIR] [--json]

The rhythm is that of https://ysegorov.github.io/2017/logger-2: 200 processes share 1,000 tasks; each is 300 to 800
calls of `logger.debug` with 0.01 to 0.04 s between them, and one more: 551,000 records or so. Its figures, on a laptop:
8,700 records a second into a file, 3,600 into PostgreSQL. By its pauses alone 200 processes can't log more than 8,750 a
second; `--pace 0` leaves the pauses out and shows what we can take.

The processes are forked, as there, and each is a node. One collector stores into SQLite, with `--since start`; when a
third of the records are logged it gets SIGTERM, at two thirds SIGKILL, and each time it is started again `--down`
seconds later. Nodes know its address (ZLOG_COLLECTORS); with `--zre` they find it by beacons instead, and each other:
200 peers are 39,800 connections. `--peer` runs the same load on this machine as its author did: logging's
SocketHandler, one process that polls them all and writes a file.

Prints what was sent by the programs' own count, stored, stored twice, named as lost, and missing without a name, by
SQL; records per second from the first call until all of it was stored; and how much of the nodes' journals was needed.
Exit code 1 when something is missing without a name or there twice, or a process ended by itself.

It moves itself into a network namespace of its own (root, or a user who may make one), so that no beacon can leave it.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import json
import logging
import logging.handlers
import mmap
import os
import random
import re
import resource
import selectors
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import zlog

TASKS: Final = 1_000
LEAST: Final = 300
MOST: Final = 800
PAUSES_S: Final = (0.01, 0.02, 0.03, 0.04, 0.03, 0.02, 0.01)
THEIRS: Final = {"file": 8_700, "PostgreSQL": 3_600}
PORT: Final = 5_672
BEACONS: Final = 20_000 + os.getpid() % 9_000
PATIENCE_S: Final = 300.0

_COUNT: Final = struct.Struct("<Q")


PEER: Final = """
import logging, pickle, selectors, socket, struct, sys
file = open(sys.argv[1], "w", buffering=1 << 16)
formatter = logging.Formatter("%(levelname)1.1s %(asctime)s %(name)s:%(lineno)3s %(message)s")
selector, waiting = selectors.DefaultSelector(), {}
server = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=1000)
selector.register(server, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    events = selector.select(1)
    for key, _ in events:
        if key.fileobj is server:
            client, _ = server.accept()
            selector.register(client, selectors.EVENT_READ)
            waiting[client] = b""
            continue
        data = key.fileobj.recv(1 << 16)
        if not data:
            selector.unregister(key.fileobj)
            del waiting[key.fileobj]
            key.fileobj.close()
            continue
        data = waiting[key.fileobj] + data
        while len(data) >= 4 and len(data) >= 4 + (size := struct.unpack(">L", data[:4])[0]):
            record = logging.makeLogRecord(pickle.loads(data[4 : 4 + size]))
            file.write(formatter.format(record) + "\\n")
            data = data[4 + size :]
        waiting[key.fileobj] = data
    file.flush()
"""
"""What the epoll logger does in its first step: clients with logging's own SocketHandler, one file."""


@dataclass
class Worker:
    """A process that logs: what it was told, and what it said at its end."""

    number: int
    pid: int
    said: int  # descriptor of the pipe
    stderr: Path
    report: dict[str, Any] = field(default_factory=dict)
    code: int | None = None


def work(number: int, options: argparse.Namespace, counts: mmap.mmap) -> dict[str, Any]:
    """In a process of its own: the tasks of one worker."""
    log = logging.getLogger("load")
    log.setLevel(logging.DEBUG)
    log.propagate = False
    if options.peer:
        log.addHandler(logging.handlers.SocketHandler("127.0.0.1", PORT))
        sent, ended = log_all(log, number, options, counts)
        return {"sent": sent, "ended": ended}
    how: dict[str, Any] = {"collectors": f"tcp://127.0.0.1:{PORT}", "discover": False}
    if options.zre:
        how = {"interface": "lo", "port": BEACONS}
    agent = zlog.start(name=f"worker-{number}", journal_bytes=options.journal_bytes, **how)
    log.addHandler(zlog.Handler())
    sent, ended = log_all(log, number, options, counts)
    patience = time.monotonic() + options.patience
    while not (flushed := agent.flush(options.patience)) and time.monotonic() < patience:
        time.sleep(0.5)  # there is no collector just now
    status = agent.status()
    return {
        "run": [agent.uuid.hex, agent.epoch],
        "sent": sent,
        "ended": ended,
        "flushed": flushed,
        "delivered": zlog.shutdown(10),
        "journal": status.journal_bytes,
        "evicted": status.evicted,
        "dropped": sum(status.dropped.values()),
    }


def log_all(log: logging.Logger, number: int, options: argparse.Namespace, counts: mmap.mmap) -> tuple[int, float]:
    """The tasks of one worker; how many records they were, and when they ended."""
    rng = random.Random(f"{options.seed} {number}")
    pid, sent = os.getpid(), 0
    for task in range(number, options.tasks, options.processes):
        left = rng.randint(LEAST, MOST)
        while left:
            log.debug("[%06d] log message %08d", pid, left, extra={"trace_id": task})
            left, sent = left - 1, sent + 1
            _COUNT.pack_into(counts, number * 8, sent)
            if options.pace:
                time.sleep(rng.choice(PAUSES_S) * options.pace)
        log.debug("[%06d] --------", pid, extra={"trace_id": task})
        sent += 1
        _COUNT.pack_into(counts, number * 8, sent)
    return sent, time.time()


def fork(
    number: int, options: argparse.Namespace, folder: Path, counts: mmap.mmap, gate: tuple[int, int], others: list[int]
) -> Worker:
    """Start a worker, which begins when the gate's writing end is closed. What it says on stderr goes to a file."""
    reader, writer = os.pipe()
    stderr = folder / f"worker-{number}.err"
    pid = os.fork()
    if pid:
        os.close(writer)
        os.set_blocking(reader, False)
        return Worker(number, pid, reader, stderr)
    code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for descriptor in (reader, gate[1], *others):
            os.close(descriptor)
        os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        faulthandler.enable()
        os.read(gate[0], 1)
        os.write(writer, json.dumps(work(number, options, counts)).encode())
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not go on as the parent
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


class Collector:
    """`zlog collect` as a program, that can be ended and started again."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.url = f"sqlite:{folder / 'log.db'}"
        self.starts = 0
        self.trouble: list[str] = []
        self.most_kib = 0
        self._options = options
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._output = b""
        self._joined: set[bytes] = set()

    def start(self) -> float:
        """Start it; the seconds until it is ready."""
        began = time.monotonic()
        where = ["--port", str(BEACONS), "--bind", f"tcp://127.0.0.1:{PORT}"]
        self.starts += 1
        command = [
            "-X",
            "faulthandler",
            "-m",
            "zlog",
            "collect",
            "-l",
            "debug",
            self.url,
            "-i",
            "lo",
            "--since",
            "start",
        ]
        command += ["--json", *where]
        if self._options.peer:
            command = ["-c", PEER, str(self._folder / "log"), str(PORT)]
        with (self._folder / f"collector-{self.starts}.err").open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                stdout=subprocess.PIPE, stderr=stderr, start_new_session=True,
            )  # fmt: skip # in a session of its own, as from another terminal: Linux divides the time by sessions first
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise SystemExit(f"the collector doesn't start: {self._stderr()}")
        os.set_blocking(self._process.stdout.fileno(), False)
        return time.monotonic() - began

    def joined(self) -> int:
        """How many nodes have ever come."""
        assert self._process is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BlockingIOError, ValueError):
            self._output += os.read(self._process.stdout.fileno(), 1 << 20)
        whole, _, self._output = self._output.rpartition(b"\n")
        self._joined.update(re.findall(rb'"joined", "node": "([0-9a-f]{32})"', whole))
        return len(self._joined)

    def ask_to_end(self, how: signal.Signals) -> None:
        """Begin its end."""
        assert self._process is not None
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{self._process.pid}/status").read_text()
            self.most_kib = max(self.most_kib, int(text.partition("VmHWM:")[2].split()[0]))
        self._process.send_signal(how)

    def has_ended(self, how: signal.Signals) -> bool:
        """Whether it has. By SIGTERM it has to end well."""
        self.joined()
        assert self._process is not None
        if self._process.poll() is None:
            return False
        assert self._process.stdout is not None
        self._process.stdout.close()
        wanted = 0 if how == signal.SIGTERM and not self._options.peer else -how
        if self._process.returncode != wanted:
            self.trouble.append(f"the collector ended with {self._process.returncode}, not {wanted}: {self._stderr()}")
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _stderr(self) -> str:
        return (self._folder / f"collector-{self.starts}.err").read_text(errors="replace")


class Plan:
    """The restarts: at so much of what will be logged, so; and the end."""

    def __init__(self, collector: Collector, total: int, down_s: float) -> None:
        self._steps = [(total / 3, signal.SIGTERM), (total * 2 / 3, signal.SIGKILL)] if total else []
        self._collector = collector
        self._down_s = down_s
        self._ending: signal.Signals | None = None
        self._since = 0.0
        self._up_at: float | None = None
        self.told: list[str] = []

    def look(self, logged: int) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._ending is not None:
            if self._collector.has_ended(self._ending):
                self.told[-1] += f", ended in {now - self._since:.1f} s, down for {self._down_s:g} s"
                self._ending, self._up_at = None, now + self._down_s
        elif self._up_at is not None:
            if now >= self._up_at:
                self._up_at = None
                self.told[-1] += f", ready again after {self._collector.start():.1f} s"
        elif self._steps and logged >= self._steps[0][0]:
            _, self._ending = self._steps.pop(0)
            self._collector.ask_to_end(self._ending)
            self._since = now
            self.told.append(f"{self._ending.name} at {logged:,} records")

    @property
    def done(self) -> bool:
        return not self._steps and self._up_at is None and self._ending is None


def audit(path: Path, workers: list[Worker]) -> dict[str, Any]:
    """What is in the database beside what the programs counted."""
    runs = {(w.report["run"][0], w.report["run"][1]): w.report["sent"] for w in workers if w.report}
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA temp_store = MEMORY; CREATE TEMP TABLE l AS SELECT * FROM log")
        stored, texts, last = database.execute(
            "SELECT count(*), count(DISTINCT text || attributes), max(received_ns) / 1e9 FROM l"
        ).fetchone()
        rows = database.execute(
            "SELECT node, epoch, range, count(*), count(DISTINCT sequence), max(sequence) FROM l GROUP BY 1, 2, 3"
        ).fetchall()
        losses = database.execute("SELECT node, epoch, range, start, stop FROM losses WHERE cause != 0").fetchall()
        named: dict[tuple[str, int], int] = {}
        for node, epoch, range_, start, stop in losses:
            there = database.execute(
                "SELECT count(DISTINCT sequence) FROM l WHERE node = ? AND epoch = ? AND range = ? AND sequence >= ?"
                " AND sequence < ?", (node, epoch, range_, start, stop),
            ).fetchone()[0]  # fmt: skip
            named[node, epoch] = named.get((node, epoch), 0) + stop - start - there
    found: dict[tuple[str, int], int] = {}
    for node, epoch, _, _, distinct, _ in rows:
        found[node, epoch] = found.get((node, epoch), 0) + distinct
    return {
        "stored": stored,
        "twice": stored - min(sum(found.values()), texts),
        "named": sum(named.values()),
        "missing": sum(max(0, sent - found.get(run, 0) - named.get(run, 0)) for run, sent in runs.items()),
        "strange": sum(max(0, count - runs.get(run, 0)) for run, count in found.items()),
        "last": last or 0.0,
    }


def lines(path: Path, sent: int) -> dict[str, Any]:
    """The same of the peer's file: how many lines it has."""
    with path.open("rb") as file:
        stored = sum(1 for _ in file)
    return {
        "stored": stored,
        "twice": 0,
        "named": 0,
        "missing": sent - stored,
        "strange": 0,
        "last": path.stat().st_mtime,
    }


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The load, from the first fork to the audit."""
    counts = mmap.mmap(-1, 8 * options.processes)
    rng = [random.Random(f"{options.seed} {number}") for number in range(options.processes)]
    total = sum(_length(rng[number], number, options) for number in range(options.processes))
    collector = Collector(options, folder)
    workers: list[Worker] = []
    selector = selectors.DefaultSelector()
    plan = Plan(collector, 0 if options.peer else total, options.down)
    gate = os.pipe()
    met: float | None = None
    try:
        collector.start()
        gc.freeze()
        for number in range(options.processes):
            workers.append(fork(number, options, folder, counts, gate, [worker.said for worker in workers]))
            selector.register(workers[-1].said, selectors.EVENT_READ, workers[-1])
        began = time.time()
        os.close(gate[1])
        deadline, told = time.monotonic() + options.patience, time.monotonic()
        while selector.get_map():
            logged = sum(_COUNT.unpack_from(counts, number * 8)[0] for number in range(options.processes))
            plan.look(logged)
            if met is None:
                met = time.time() - began if collector.joined() >= options.processes else None
            for key, _ in selector.select(0.1):
                _hear(key.data, selector)
            if time.monotonic() > deadline:
                collector.trouble.append(f"{len(selector.get_map())} processes still run")
                break
            if not options.json and time.monotonic() > told + 10:
                told = time.monotonic()
                print(f"{logged:,} of {total:,} logged, {len(selector.get_map())} processes run", file=sys.stderr)
        if plan.done:
            collector.ask_to_end(signal.SIGTERM)
            while not collector.has_ended(signal.SIGTERM) and time.monotonic() < deadline:
                time.sleep(0.05)
    finally:
        collector.stop()
        for worker in workers:
            if worker.code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
                worker.code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
            os.close(worker.said)
        selector.close()
        os.close(gate[0])
    sent = sum(worker.report.get("sent", 0) for worker in workers)
    (folder / "reports.json").write_text(json.dumps([worker.report for worker in workers]))
    found = lines(folder / "log", sent) if options.peer else audit(folder / "log.db", workers)
    trouble = list(collector.trouble)
    said: Counter[str] = Counter()
    for worker in workers:
        if worker.code:
            trouble.append(f"worker {worker.number} ended with {worker.code}: {_last(worker.stderr)}")
        else:
            said.update(re.sub(r"\b[0-9a-f-]*\d[0-9a-f-]*\b", "#", line) for line in _last(worker.stderr).splitlines())
    if not plan.done:
        trouble.append("all was logged before the collector had its restarts")
    ended = max((worker.report.get("ended", 0.0) for worker in workers), default=0.0)
    last = max(found.pop("last"), 0.0)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "processes": options.processes,
        "seed": options.seed,
        "how": "SocketHandler" if options.peer else "ZRE" if options.zre else "static collector",
        "planned": total,
        "sent": sent,
        **found,
        "rate": round(found["stored"] / (last - began), 1) if last > began else 0.0,
        "rhythm": round(sent / (ended - began), 1) if ended > began else 0.0,
        "seconds": round(last - began, 1),
        "met_s": round(met, 2) if met is not None else None,
        "restarts": plan.told,
        "flushed": sum(bool(worker.report.get("flushed")) for worker in workers),
        "journal_most": max((worker.report.get("journal", 0) for worker in workers), default=0),
        "evicted": sum(worker.report.get("evicted", 0) for worker in workers),
        "dropped": sum(worker.report.get("dropped", 0) for worker in workers),
        "collector_mib": collector.most_kib // 1024,
        "cpu_s": round(spent.ru_utime + spent.ru_stime, 1),
        "said": dict(said.most_common(10)),
        "trouble": trouble,
    }


def _hear(worker: Worker, selector: selectors.BaseSelector) -> None:
    """A worker has said what it did, or has died."""
    octets = os.read(worker.said, 1 << 16)
    if octets:
        worker.report = json.loads(octets)
        return
    selector.unregister(worker.said)
    worker.code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])


def _length(rng: random.Random, number: int, options: argparse.Namespace) -> int:
    """How many records a worker will log: what it draws itself."""
    total = 0
    for _ in range(number, options.tasks, options.processes):
        count = rng.randint(LEAST, MOST)
        total += count + 1
        for _ in range(count if options.pace else 0):
            rng.choice(PAUSES_S)
    return total


def _last(path: Path) -> str:
    return path.read_text(errors="replace").strip()[-2_000:]


def show(found: dict[str, Any]) -> None:
    """For people."""
    rate = found["rate"]
    beside = ", ".join(f"{rate / theirs:.2f} of its {theirs:,}/s into {where}" for where, theirs in THEIRS.items())
    print(f"{found['processes']} processes, {found['how']}, seed {found['seed']}")
    print(f"  sent      {found['sent']:>10,}   by the programs' own count, of {found['planned']:,}")
    print(f"  stored    {found['stored']:>10,}   twice {found['twice']}, of nobody {found['strange']}")
    print(f"  named     {found['named']:>10,}   as lost")
    print(f"  missing   {found['missing']:>10,}   without a name")
    print(f"  rate      {rate:>10,.0f}/s in {found['seconds']} s; {beside}")
    print(f"  rhythm    {found['rhythm']:>10,.0f}/s is what the programs logged")
    if found["how"] != "SocketHandler":
        print(f"  all nodes known after {found['met_s']} s; {found['flushed']} programs saw all of theirs committed")
    for told in found["restarts"]:
        print(f"  collector: {told}")
    print(
        f"  fullest journal {found['journal_most'] / 1024:,.0f} KiB, evicted {found['evicted']}, dropped "
        f"{found['dropped']}; collector at most {found['collector_mib']} MiB; CPU {found['cpu_s']} s"
    )
    for line, count in found["said"].items():
        print(f"  {count} programs said: {line[:200]}")
    for trouble in found["trouble"]:
        print(f"  TROUBLE: {trouble}")


def main() -> int:
    """Returns 1 when something is missing without a name, there twice, or ended by itself."""
    parser = argparse.ArgumentParser(description="The epoll logger's load, with a collector that is restarted twice.")
    parser.add_argument("--processes", type=int, default=200, help="processes that log (default: %(default)s)")
    parser.add_argument("--tasks", type=int, default=TASKS, help="of 551 records on average (default: %(default)s)")
    parser.add_argument("--pace", type=float, default=1.0, help="length of the pauses; 0: none (default: %(default)s)")
    parser.add_argument("--down", type=float, default=2.0, help="seconds without a collector (default: %(default)s)")
    parser.add_argument("--peer", action="store_true", help="instead: SocketHandler into a file, without restarts")
    parser.add_argument("--zre", action="store_true", help="find the collector by beacons")
    parser.add_argument(
        "--journal-bytes", default="16M", help="of each node's journal in memory (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10_000), help="of counts and pauses"
    )
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds for it all (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="an empty folder for the database and what programs said")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if os.environ.get("ZLOG_BENCH_ALONE") != "yes":
        flags = ["-n"] if os.geteuid() == 0 else ["-Urn"]
        inside = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv]
        os.environ["ZLOG_BENCH_ALONE"] = "yes"
        os.execvp("unshare", ["unshare", *flags, *inside])
    for each in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        signal.signal(each, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        found = run(options, folder)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return 1 if found["missing"] or found["twice"] or found["strange"] or found["trouble"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""What an agent costs while nothing happens, and how soon records flow when a collector appears.

    python tests/bench/bench_agent.py [--seconds S] [--rounds N] [--json]

It moves itself into a network namespace of its own (root, or a user who may make one), so that no beacon can leave it.

- **idle**: processes side by side for so many seconds: one with pyzmq and a context only, one with a ZRE node, one with
  an agent that nobody listens to, one with an agent and a collector that asks for nothing but what comes. CPU time is
  that of the process, memory its proportional set (PSS).
- **first record**: a program logs 100 times a second. **start** is from the call that starts a collector in another
  process to its first record there; **HELLO** from when the program's node met the collector's to the record.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

PORT: Final = 20_000 + os.getpid() % 10_000

BARE: Final = "import zmq; context = zmq.Context(); socket = context.socket(zmq.PUB)"
NODE: Final = f'from zlog.zre import Pyre; node = Pyre("n", interface="lo", port={PORT}); node.start()'
AGENT: Final = f"""
import logging, zlog
zlog.start(interface="lo", port={PORT}, name="idle")
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
logging.info("one")
"""
LINKED: Final = AGENT.replace(str(PORT), str(PORT + 1))
COLLECTOR: Final = f"""
import sys, zlog
with zlog.Collector(interface="lo", port={PORT + 1}, level="error", view=True) as collector:
    print("ready", flush=True)
    sys.stdin.read()
"""
WAIT: Final = "\nimport sys\nprint('ready', flush=True)\nsys.stdin.read()\n"

LOGS: Final = f"""
import logging, threading, time, zlog
from zlog.zre import Pyre, observe
node = Pyre("app", interface="lo", port={PORT + 2})
met = {{}}
observe(node, lambda frames: met.setdefault(frames[1].hex(), time.time()) if frames[0] == b"ENTER" else None)
node.start()
agent = zlog.attach(node, exit_timeout_s=0)
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
print("ready", flush=True)
pause = threading.Event()
while True:
    logging.info("%s", met)
    pause.wait(0.01)
"""
FIRST: Final = f"""
import ast, sys, time, zlog
began = time.time()
with zlog.Collector(interface="lo", port={PORT + 2}, view=True) as collector:
    for record in collector:
        now = time.time()
        if record.logger == "root":
            met = ast.literal_eval(record.text).get(collector.uuid.hex)
            if met is not None:
                print(now - began, now - met, flush=True)
                break
"""


def start(code: str) -> subprocess.Popen[str]:
    """Start a program and wait until it is ready."""
    program = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    if program.stdout.readline() != "ready\n":
        raise SystemExit("a program has failed")
    return program


def cpu_s(process: int) -> float:
    """CPU time of a process so far, in seconds."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def pss_mb(process: int) -> float:
    """Memory of a process, what it shares counted in parts, in MB."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    return 0.0


def idle(seconds: float) -> list[dict[str, Any]]:
    """A row for each kind of process."""
    kinds = {"pyzmq alone": BARE + WAIT, "ZRE node": NODE + WAIT, "agent, nobody listens": AGENT + WAIT}
    programs = {name: start(code) for name, code in kinds.items()}
    collector = start(COLLECTOR)
    programs["agent, one collector"] = start(LINKED + WAIT)
    programs["collector, one node"] = collector
    time.sleep(3)
    before = {name: cpu_s(program.pid) for name, program in programs.items()}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    rows = [
        {
            "name": name,
            "cpu_percent": (cpu_s(program.pid) - before[name]) / passed * 100,
            "memory_mb": pss_mb(program.pid),
        }
        for name, program in programs.items()
    ]
    for program in programs.values():
        program.kill()
        program.communicate()
    return rows


def first_records(rounds: int) -> dict[str, float]:
    """Medians in ms."""
    app = start(LOGS)
    found = []
    for _ in range(rounds):
        output = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True, timeout=60)
        found.append([float(word) * 1000 for word in output.stdout.split()])
    app.kill()
    app.communicate()
    return {
        "start_ms": statistics.median(each[0] for each in found),
        "hello_ms": statistics.median(each[1] for each in found),
        "hello_most_ms": max(each[1] for each in found),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What an idle agent costs, and how soon records flow.")
    parser.add_argument("--seconds", type=float, default=30, help="of idling (default: 30)")
    parser.add_argument("--rounds", type=int, default=15, help="collectors started (default: 15)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if os.environ.get("ZLOG_BENCH_ALONE") != "yes":
        flags = ["-n"] if os.geteuid() == 0 else ["-Urn"]
        inside = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv]
        os.environ["ZLOG_BENCH_ALONE"] = "yes"
        os.execvp("unshare", ["unshare", *flags, *inside])
    rows, latency = idle(args.seconds), first_records(args.rounds)
    if args.json:
        print(json.dumps({"idle": rows, "first_record": latency}, indent=2))
        return
    print(f"idle for {args.seconds:g} s                 CPU %   memory MB")
    for row in rows:
        print(f"  {row['name']:<28}{row['cpu_percent']:>6.2f}{row['memory_mb']:>12.1f}")
    print(f"first record, median of {args.rounds}: {latency['start_ms']:.0f} ms after the collector's start, ", end="")
    print(f"{latency['hello_ms']:.1f} ms after HELLO (at most {latency['hello_most_ms']:.1f})")


if __name__ == "__main__":
    main()

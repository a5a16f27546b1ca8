"""What a ZRE node costs: ours beside published pyre, in the same run.

    python tests/bench/bench_zre.py [--quick] [--json] [--only NAME]…

It makes itself a private network of namespaces (needs root or user namespaces, and `ip`, `nsenter`, `setpriv`), and
sends nothing anywhere else. Where both can, both run at the same moment on hosts of their own and hear the same; the
rest takes turns. Figures are medians over the rounds, the spread is half the distance of the quartiles, in percent.
Compare ratios, not figures of different runs.

- **heard**: one node that hears so many peers, which beacon once a second and have said HELLO: CPU of its process in
  percent of a core, descriptors, memory. The CPU without peers is taken off for "per beacon".
- **enter**: from start() of a second node to its ENTER of the first.
- **idle**: so many nodes in one process that have all met.
- **whisper**: 100 octets at a time to a node on another host, with an answer every 500; and the round trip of one.
- **exit**: from the moment a program with a peer ends to the end of its process. Without stop(), pyre's never ends.
"""

import argparse
import contextlib
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import isolation
from support.netns import Host, Network
from support.programs import Program

PROGRAMS: Final = Path(__file__).with_name("zre_programs.py")
CONTENDERS: Final = ("ours", "pyre")
GIVEN_UP_S: Final = 5.0

Samples = dict[str, dict[str, list[float]]]
"""By figure and contender."""


class Bench:
    """The figures of one run.

    Args:
        quick: few and short rounds, to see that it works.
    """

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.samples: Samples = {}
        self.notes: list[str] = []

    def add(self, figure: str, contender: str, value: float) -> None:
        self.samples.setdefault(figure, {}).setdefault(contender, []).append(value)

    @contextlib.contextmanager
    def network(self, hosts: int) -> Iterator[Network]:
        with contextlib.closing(Network(hosts)) as network:
            for host in network:
                host.add_default_route()
            yield network

    # --- what is measured ---------------------------------------------------------------------------------------------

    def heard(self) -> None:
        """CPU, descriptors and memory of one node that hears a crowd."""
        rounds, seconds = (2, 2.0) if self.quick else (7, 6.0)
        for count in (0, 10, 100, 400):
            with self.network(3) as network:
                nodes = dict(zip(CONTENDERS, network, strict=False))
                programs = {name: start(host, "node", name, "node") for name, host in nodes.items()}
                if count:
                    crowd = network[2]
                    start(crowd, "crowd", str(count), crowd.ip, crowd.broadcast)
                for program in programs.values():
                    wait_for_peers(program, count + 1)  # and the other contender
                time.sleep(1.5)
                for _ in range(rounds):
                    before = {name: ask(program, "usage") for name, program in programs.items()}
                    time.sleep(seconds)
                    for name, program in programs.items():
                        after = ask(program, "usage")
                        cpu = (after["cpu_s"] - before[name]["cpu_s"]) / (after["at_s"] - before[name]["at_s"])
                        self.add(f"CPU, {count} peers (%)", name, 100 * cpu)
                for name, program in programs.items():
                    now = ask(program, "usage")
                    self.add(f"descriptors, {count} peers", name, now["descriptors"])
                    self.add(f"memory, {count} peers (MiB)", name, now["memory_mib"])
        for name in CONTENDERS:
            idle = statistics.median(self.samples["CPU, 0 peers (%)"][name])
            for percent in self.samples["CPU, 400 peers (%)"][name]:
                self.add("CPU per beacon heard (µs)", name, (percent - idle) / 100 / 400 * 1e6)

    def enter(self) -> None:
        """From start() to ENTER."""
        rounds = 3 if self.quick else 15
        for name in CONTENDERS:
            for interface in ("eth0", "lo"):
                if (name, interface) == ("pyre", "lo"):
                    continue
                with self.network(2 if interface == "eth0" else 1) as network:
                    start(network[0], "node", name, "first", "1", interface)
                    second = start(network[-1], "talker", name, interface, up=False)
                    for _ in range(rounds):
                        self.add(f"start to ENTER, {interface} (ms)", name, 1000 * ask(second, "enter")["seconds"])

    def idle(self) -> None:
        """Many nodes in one process."""
        rounds, seconds, count = (2, 2.0, 10) if self.quick else (5, 6.0, 50)
        for name in CONTENDERS:
            with self.network(1) as network:
                program = start(network[0], "node", name, "node", str(count))
                wait_for_peers(program, count - 1, timeout_s=120)
                time.sleep(2)
                for _ in range(rounds):
                    before = ask(program, "usage")
                    time.sleep(seconds)
                    after = ask(program, "usage")
                    cpu = (after["cpu_s"] - before["cpu_s"]) / (after["at_s"] - before["at_s"])
                    self.add(f"CPU, {count} nodes in a process (%)", name, 100 * cpu)
                self.add(f"descriptors, {count} nodes in a process", name, after["descriptors"])
                self.add(f"memory, {count} nodes in a process (MiB)", name, after["memory_mib"])

    def whisper(self) -> None:
        """Throughput and round trip between two hosts."""
        rounds, count = (2, 2_000) if self.quick else (7, 20_000)
        with self.network(4) as network:
            pairs = {}
            for name, first, second in (("ours", network[0], network[1]), ("pyre", network[2], network[3])):
                network.set_port(first, "up")
                pairs[name] = (first, second)
            talkers = {}
            for name, (first, second) in pairs.items():
                # A pair has beacons of its own: pyre can't be told another port than 5670.
                for host in (first, second):
                    apart(host, "10.36.1" if name == "ours" else "10.36.2")
                start(first, "node", name, "hearer")
                talkers[name] = start(second, "talker", name, up=False)
                ask(talkers[name], "enter")
            for _ in range(rounds):
                for name, talker in talkers.items():
                    done = ask(talker, f"messages {count}", timeout_s=120)
                    self.add("WHISPER (messages/s)", name, count / done["seconds"])
                    self.add("CPU of the sender per WHISPER (µs)", name, done["cpu_s"] / count * 1e6)
                    self.add(
                        "round trip of a WHISPER (ms)", name, 1000 * ask(talker, f"latency {count // 40}")["seconds"]
                    )

    def exit(self) -> None:
        """From the end of a program to the end of its process."""
        rounds = 2 if self.quick else 7
        for how in ("stop", "no stop"):
            for name in CONTENDERS:
                with self.network(2) as network:
                    start(network[0], "node", name, "stays")
                    for _ in range(rounds):
                        program = network[1].python(PROGRAMS, "leave", name, how)
                        began = json.loads(program.expect("at_s", 30))["at_s"]
                        watchdog = threading.Timer(GIVEN_UP_S, program.process.kill)
                        watchdog.start()
                        code = program.process.wait()  # without a timeout, with which it would look every 50 ms only
                        watchdog.cancel()
                        if code:
                            self.notes.append(f"{name}, {how}: hadn't ended after {GIVEN_UP_S:g} s and was killed")
                            break
                        label = "stop() and exit (ms)" if how == "stop" else "exit without stop() (ms)"
                        self.add(label, name, 1000 * (time.monotonic() - began))


# --- programs on hosts ------------------------------------------------------------------------------------------------


def start(host: Host, *args: str, up: bool = True) -> Program:
    program = host.python(PROGRAMS, *args)
    if up:
        program.expect('"up"', 60)
    return program


def ask(program: Program, command: str, timeout_s: float = 60) -> dict[str, Any]:
    program.send(command)
    return json.loads(program.expect(r"^\{", timeout_s))  # type: ignore[no-any-return]


def wait_for_peers(program: Program, count: int, timeout_s: float = 60) -> None:
    """Until each node of the program has so many peers."""
    deadline = time.monotonic() + timeout_s
    while min(peers := ask(program, "peers")["peers"]) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{program.name} met {min(peers)} to {max(peers)} of {count} peers in {timeout_s:g} s")
        time.sleep(0.2)


def apart(host: Host, prefix: str) -> None:
    """Put a host in another network, so that it hears nobody but its partner."""
    host.set_address(f"{prefix}.{host.ip.rpartition('.')[2]}/24")
    host.add_default_route()


# --- the table --------------------------------------------------------------------------------------------------------


def summary(samples: Samples) -> dict[str, dict[str, dict[str, float]]]:
    """Median and spread of each contender for each figure."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for figure, by_contender in samples.items():
        for contender, values in by_contender.items():
            median = statistics.median(values)
            low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (median,) * 3
            spread = 100 * (high - low) / 2 / median if median else 0.0
            result.setdefault(figure, {})[contender] = {
                "median": median,
                "spread_percent": spread,
                "samples": len(values),
            }
    return result


def table(result: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    yield f"{'':<42}{'ours':>18}{'pyre':>18}{'ours / pyre':>13}"
    for figure, by_contender in result.items():
        cells = ""
        for contender in CONTENDERS:
            it = by_contender.get(contender)
            cells += f"{'-':>18}" if it is None else f"{it['median']:>12.4g} ±{it['spread_percent']:>3.0f}%"
        both = [by_contender.get(contender) for contender in CONTENDERS]
        ratio = f"{both[0]['median'] / both[1]['median']:>13.2f}" if both[0] and both[1] and both[1]["median"] else ""
        yield f"{figure:<42}{cells}{ratio}"


def main() -> None:
    """Measure and print."""
    benches: dict[str, Callable[[Bench], None]] = {
        "heard": Bench.heard,
        "enter": Bench.enter,
        "idle": Bench.idle,
        "whisper": Bench.whisper,
        "exit": Bench.exit,
    }
    parser = argparse.ArgumentParser(description="What a ZRE node costs: ours beside published pyre.")
    parser.add_argument("--only", action="append", choices=benches, help="measure only this; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few and short rounds, to see that it works")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    try:
        isolation.enter()
    except isolation.IsolationError as error:
        sys.exit(f"bench_zre: {error}")
    bench = Bench(args.quick)
    for name in args.only or benches:
        print(f"measuring {name} …", file=sys.stderr)
        benches[name](bench)
    result = summary(bench.samples)
    if args.json:
        print(json.dumps({"results": result, "notes": bench.notes}, indent=2))
        return
    print(f"Python {sys.version.split()[0]}; median ± spread\n")
    print("\n".join([*table(result), *(f"\n{note}" for note in bench.notes)]))


if __name__ == "__main__":
    main()

"""Nodes and collectors on several hosts through random faults, for as long as you like:

    python tests/faults/soak.py --seconds 3600 --nodes 50 [--seed 7] [--keep DIR] [--json]

Everything is drawn from the seed, which is printed: which nodes keep a journal on disk, how much each logs, which
fork, and when which fault begins: `--plan` shows them. Two collectors store into SQLite, JSON lines and a journal
each; one of them comes and goes. Faults are `kill -9`, orderly ends and SIGSTOP of nodes and collectors, links down,
cables pulled, packets lost, addresses changed, full disks on either side, several at once.

At the end the faults stop, what can still be delivered has to be, and each store is compared with what the programs
counted themselves, where `kill -9` can't take it: every record is there once, or named as lost, or, where a program
without a journal on disk was killed or left alone, it is one of the last that this collector had not heard of
(UNHEARD). No process may have ended by itself, or said anything that only a defect says. Ctrl-C ends the faults early;
a second one ends everything.

Exit code 1 when something is wrong; then the folder with all that was stored and said is kept, and named.

It moves itself into a network namespace of its own (root, or a user who may make one).
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not this folder: its modules are the package

from faults.soak_end import End, Verdict, table
from faults.soak_plan import Plan, draw
from faults.soak_world import World
from support import isolation

TURN_S: Final = 0.05
SAMPLE_S: Final = 1.0
TELL_S: Final = 5.0
MEET_S: Final = 180.0


class Soak:
    """One soak, from the first process to the verdict."""

    def __init__(self, plan: Plan, folder: Path, patience_s: float, quiet: bool) -> None:
        self._plan = plan
        self._folder = folder
        self._patience_s = patience_s
        self._quiet = quiet
        self._interrupted = False
        self._began = time.monotonic()
        self.met_s: float | None = None
        self.world: World | None = None

    def run(self) -> Verdict:
        signal.signal(signal.SIGINT, self._interrupt)
        signal.signal(signal.SIGTERM, self._interrupt)
        world = self.world = World(self._plan, self._folder, random.SystemRandom().randrange(20_000, 29_000))
        try:
            self._start(world)
            lasted = self._fault(world)
            self._tell(f"the faults end after {lasted:.0f} s")
            return End(world, self._patience_s, self._tell).run()
        finally:
            world.close()

    def _start(self, world: World) -> None:
        """All processes, and wait until they have met."""
        for slot in world.slots():
            slot.start()
        while not self._interrupted:
            world.look(now := time.monotonic())
            if all(slot.said("linked") for slot in world.nodes):
                self.met_s = round(now - self._began, 1)
                self._tell(f"{len(world.nodes)} nodes are linked after {self.met_s} s")
                return
            if now - self._began > MEET_S:
                missing = [slot.name for slot in world.nodes if not slot.said("linked")]
                world.problems.append(f"not linked after {MEET_S:g} s: {', '.join(missing)}")
                return
            time.sleep(0.5)

    def _fault(self, world: World) -> float:
        """The faults, until they are over; how long that was."""
        began = sampled = told = time.monotonic()
        waiting = list(self._plan.faults)
        while not self._interrupted and (now := time.monotonic()) < began + self._plan.seconds:
            while waiting and began + waiting[0].at <= now:
                world.do(waiting.pop(0), now)
            world.look(now)
            if now >= sampled + SAMPLE_S:
                sampled = now
                world.sample(now)
            if now >= told + TELL_S:
                told = now
                self._tell_progress(world, now - began)
            time.sleep(TURN_S)
        return time.monotonic() - began

    def _tell_progress(self, world: World, seconds: float) -> None:
        up = sum(slot.up for slot in world.nodes)
        logged = sum(count.least for count in world.counts().values())
        memory = " ".join(f"{each.rss_kib[-1] >> 10}" for each in world.collectors if each.rss_kib)
        self._tell(
            f"{seconds:.0f} of {self._plan.seconds:.0f} s: {up} nodes, {logged:,} logged, {sum(world.done.values())} "
            f"faults, {world.active} at once, collectors {memory} MiB"
            + (f", PROBLEMS {len(world.problems)}" if world.problems else "")
        )

    def _tell(self, text: str) -> None:
        if text and not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def _interrupt(self, *_: object) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        self._tell("no more faults; the account follows (Ctrl-C again: end at once)")


def show(found: dict[str, Any], verdict: Verdict) -> None:
    """For people."""
    print(table(verdict))
    done = ", ".join(f"{count} {kind}" for kind, count in Counter(found["faults"]).most_common())
    print(
        f"{verdict.runs:,} runs logged {verdict.sent:,} records through {sum(found['faults'].values())} faults: {done}"
    )
    print(
        f"linked after {found['met_s']} s; all delivered after {verdict.settled_s} s; most memory "
        f"{verdict.memory_mib} MiB"
    )
    for problem in verdict.problems[:40]:
        print(f"PROBLEM: {problem[:600]}")


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 when something is wrong."""
    parser = argparse.ArgumentParser(description="Nodes and collectors through random faults.")
    parser.add_argument("--seconds", type=float, default=60, help="of faults (default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=50, help="processes that log (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000), help="of everything drawn")
    parser.add_argument(
        "--patience", type=float, default=180, help="seconds to deliver at the end (default: %(default)s)"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep everything there, also when all is well")
    parser.add_argument("--plan", action="store_true", help="only show what is drawn")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    plan = draw(options.seed, options.seconds, options.nodes)
    if options.plan:
        print("\n".join(map(str, [*plan.nodes, *plan.faults])))
        return 0
    print(
        f"to repeat it: python tests/faults/soak.py --seconds {options.seconds:g} --nodes {options.nodes} "
        f"--seed {options.seed}", file=sys.stderr, flush=True,
    )  # fmt: skip
    isolation.enter()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="zlog-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    soak = Soak(plan, folder, options.patience, options.json)
    bad = True
    try:
        verdict = soak.run()
        bad = bool(verdict.problems)
        assert soak.world is not None
        found = {
            "seed": options.seed,
            "seconds": options.seconds,
            "nodes": options.nodes,
            "faults": dict(soak.world.done),
            "met_s": soak.met_s,
            **verdict.as_json(),
            "folder": str(folder) if bad or options.keep else None,
        }
        if options.json:
            print(json.dumps(found))
        else:
            show(found, verdict)
    except KeyboardInterrupt:
        print("ended at once", file=sys.stderr)
        return 130
    finally:
        if bad or options.keep:
            print(f"what was stored and said is in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

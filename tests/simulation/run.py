"""Simulate schedules: `python tests/simulation/run.py --seeds 1-5000`; one, event for event: `--seed N --trace`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not this folder: its modules are the package


from simulation.many import many
from simulation.schedule import Result, play


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 when a schedule failed."""
    parser = argparse.ArgumentParser(description="Simulate nodes, collectors and a network that fails.")
    parser.add_argument("--seed", type=int, help="one schedule")
    parser.add_argument("--seeds", default="1-1000", metavar="FROM-TO", help="all of these (default: %(default)s)")
    parser.add_argument("--trace", action="store_true", help="show everything that happens")
    parser.add_argument("--json", action="store_true", help="one line for each that fails, and one with the sums")
    parser.add_argument("--most", type=int, default=10, metavar="N", help="stop after so many that failed")
    parser.add_argument("--nodes", type=int, metavar="N", help="instead: so many nodes, two collectors, one schedule")
    parser.add_argument("--records", type=int, default=20, metavar="N", help="of each of those (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.nodes:
        sums_of_many = many(options.nodes, 2, options.records, options.seed or 1)._asdict()
        print(json.dumps(sums_of_many) if options.json else "\n".join(f"{k}: {v}" for k, v in sums_of_many.items()))
        return 0
    first, _, last = options.seeds.partition("-")
    seeds = [options.seed] if options.seed is not None else range(int(first), int(last or first) + 1)
    tell = print if options.trace else None
    results: list[Result] = []
    failed: list[Result] = []
    began = time.perf_counter()
    for seed in seeds:
        result = play(seed, tell)
        results.append(result)
        if result.violation:
            failed.append(result)
            print(json.dumps(result._asdict()) if options.json else f"seed {seed}: {result.violation}", flush=True)
            if len(failed) >= options.most:
                break
    took = time.perf_counter() - began
    sums = {
        "schedules": len(results),
        "failed": [result.seed for result in failed],
        "schedules_per_s": round(len(results) / took, 1),
        "events_per_s": round(sum(result.events for result in results) / took),
        "records": sum(result.records for result in results),
        "simulated_s": round(sum(result.simulated_s for result in results)),
        "slowest_to_settle_s": max((result.settled_s for result in results), default=0.0),
    }
    print(json.dumps(sums) if options.json else "\n".join(f"{name}: {value}" for name, value in sums.items()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

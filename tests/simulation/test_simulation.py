"""Thousands of schedules: whatever goes wrong, nothing is stored twice, and all that is lost is named.

`ZLOG_SIMULATION_SEEDS=20000` for more of them than in a usual run, `ZLOG_SIMULATION_FIRST` to begin elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulation.many import many
from simulation.safeguards import SAFEGUARDS, without
from simulation.schedule import play

SEEDS = int(os.environ.get("ZLOG_SIMULATION_SEEDS", "0"))
FIRST = int(os.environ.get("ZLOG_SIMULATION_FIRST", "1"))
#: Without a number: so many in so many seconds of this process, whichever comes first.
MOST, SECONDS = 3_000, 40.0
#: Seeds after which a safeguard that is off must have been missed.
ENOUGH = 1_200
RUN = Path(__file__).with_name("run.py")


def test_whatever_happens_everything_is_stored_once_or_named_as_lost() -> None:
    began, seed = time.process_time(), FIRST
    while seed < FIRST + (SEEDS or MOST) and (SEEDS or time.process_time() < began + SECONDS):
        result = play(seed)
        again = f"python tests/simulation/run.py --seed {seed} --trace"
        assert not result.violation, f"seed {seed}: {result.violation}\n{again}"
        seed += 1
    took = time.process_time() - began
    print(f"{seed - FIRST} schedules from {FIRST}, {(seed - FIRST) / took:.0f} each second")
    assert seed >= FIRST + min(SEEDS or MOST, 200)


@pytest.mark.parametrize("name", SAFEGUARDS)
def test_a_safeguard_that_is_off_is_missed(name: str) -> None:
    with without(name):
        found = next((result for seed in range(1, ENOUGH) if (result := play(seed)).violation), None)
    assert found is not None, f"{ENOUGH} schedules do without this: {name}"
    assert "Error: " not in found.violation, f"it isn't off, but broken: {found.violation}"
    assert not play(found.seed).violation


def test_a_seed_replays_event_for_event() -> None:
    """Also in another process, whose dicts and sets are in another order."""
    digests = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, str(RUN), "--seeds", "1-12", "--trace"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
        trace = text[: text.index("schedules:")]
        assert trace.count("\n") > 1_000
        digests.add(hashlib.sha256(trace.encode()).hexdigest())
    assert len(digests) == 1


def test_a_thousand_nodes_in_one_process() -> None:
    sums = many(nodes=1_000, collectors=2, records=10)
    print(sums)
    assert sums.stored + sums.unasked == sums.logged * 2
    assert sums.unasked < sums.logged // 100
    assert sums.lost == 0

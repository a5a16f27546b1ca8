"""The load of `bench_load.py`, small: many processes, a collector that is restarted twice, and all is accounted for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench" / "bench_load.py"
PROCESSES = 40


@pytest.mark.parametrize(
    "options",
    [["--tasks", "100", "--pace", "0.3"], ["--tasks", "40", "--pace", "0.3", "--zre"]],
    ids=["static collector", "beacons"],
)
def test_many_processes_and_a_collector_that_is_restarted(options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH), "--processes", str(PROCESSES), "--down", "0.5", *options]
    ended = subprocess.run([*command, "--keep", str(tmp_path), "--json"], capture_output=True, text=True)
    print(ended.stderr)
    found = json.loads(ended.stdout)
    print(json.dumps(found, indent=2))
    assert found["sent"] == found["planned"] == found["stored"]
    assert found["twice"] == found["strange"] == found["named"] == found["missing"] == 0
    assert len(found["restarts"]) == 2
    assert found["evicted"] == found["dropped"] == 0
    assert found["flushed"] == PROCESSES
    assert found["trouble"] == []
    assert ended.returncode == 0

"""The soak, short: `soak.py` with everything drawn from a seed, which is printed.

Faults last ZLOG_SOAK_SECONDS, 5 by default, with 10 nodes; `.ci/run` asks for 60 s, which have 50 nodes. The seed is
random, shown when the test fails, and taken from ZLOG_SOAK_SEED."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.programs import Program, python_args

from .soak_plan import COLLECTORS, EVERY_S, KINDS, draw

SOAK = Path(__file__).parent / "soak.py"
SECONDS = float(os.environ.get("ZLOG_SOAK_SECONDS", "5"))
NODES = 50 if SECONDS >= 60 else 10
SEED = int(os.environ.get("ZLOG_SOAK_SEED", random.SystemRandom().randrange(10_000)))
PATIENCE_S = 180.0


@pytest.fixture
def tools(require_tool: Callable[[str, str], str]) -> None:
    for tool, package in (("ip", "iproute2"), ("tc", "iproute2"), ("nsenter", "util-linux"), ("setpriv", "util-linux")):
        require_tool(tool, f"apt-get install {package}")


def test_a_soak(tools: None, tmp_path: Path) -> None:
    print(f"to repeat it: ZLOG_SOAK_SEED={SEED} ZLOG_SOAK_SECONDS={SECONDS:g}")
    command = [sys.executable, str(SOAK), "--seconds", f"{SECONDS:g}", "--nodes", str(NODES), "--seed", str(SEED)]
    ended = subprocess.run(
        [*command, "--patience", f"{PATIENCE_S:g}", "--keep", str(tmp_path), "--json"], capture_output=True, text=True
    )
    print(ended.stderr)
    assert ended.stdout, "it has no verdict"
    found = json.loads(ended.stdout)
    print(json.dumps(found, indent=2))
    assert found["problems"] == []
    assert ended.returncode == 0
    assert found["seed"] == SEED
    assert found["sent"] > NODES * SECONDS  # they logged all the time
    assert sum(found["faults"].values()) >= len(draw(SEED, SECONDS, NODES).faults) // 2
    assert len(found["stores"]) == COLLECTORS * 3
    for sums in found["stores"].values():
        assert sums["twice"] == sums["unnamed"] == 0
        assert sums["stored"] > 0


def test_it_ends_when_asked(tools: None, start: Callable[..., Program], tmp_path: Path) -> None:
    """Ctrl-C ends the faults, and the account follows."""
    command = ["--seconds", "3600", "--nodes", "3", "--seed", "1", "--keep", tmp_path]
    program = start(python_args(SOAK, *map(str, command)))
    program.expect(" of 3600 s: ", timeout_s=120)
    program.process.send_signal(signal.SIGINT)
    program.expect("the account follows")
    program.expect("^collector-1 journal ", timeout_s=PATIENCE_S)
    assert program.wait(30) == 0, "\n".join(program.lines.all)


def test_the_plan_is_the_seeds() -> None:
    assert draw(7, 60, 50) == draw(7, 60, 50)
    assert draw(7, 60, 50) != draw(8, 60, 50)


def test_what_is_drawn() -> None:
    """In an hour everything is drawn, and several faults are there at once."""
    plan = draw(1, 3600, 50)
    assert {fault.kind for fault in plan.faults} == set(KINDS)
    assert [fault.at for fault in plan.faults] == sorted(fault.at for fault in plan.faults)
    assert len(plan.faults) > 3600 / EVERY_S
    for fault in plan.faults:
        most = plan.hosts + COLLECTORS if KINDS[fault.kind][1] == "host" else len(plan.nodes)
        assert 0 <= fault.target < most
    first = [next(node for node in plan.nodes if node.host == host) for host in range(plan.hosts)]
    assert all(node.journal and not node.static for node in first)  # who takes over what the others leave
    assert any(node.static for node in plan.nodes)
    assert any(node.forks for node in plan.nodes)
    assert any(not node.journal for node in plan.nodes)
    begun = sum(fault.seconds for fault in plan.faults)
    assert begun / 3600 > 2  # at once, on average


def test_a_longer_soak_begins_like_a_shorter_one() -> None:
    shorter, longer = draw(3, 30, 20), draw(3, 300, 20)
    assert shorter.nodes == longer.nodes
    assert list(shorter.faults) == [fault for fault in longer.faults if fault.at < 30]

"""README's Python works: each block is run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
#: Blocks that go on until they are stopped.
ENDLESS = [block for block in BLOCKS if ".events()" in block]


def test_there_are_blocks() -> None:
    assert len(ENDLESS) == 1
    assert len(BLOCKS) > len(ENDLESS)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block not in ENDLESS])
def test_block(block: str) -> None:
    environment = os.environ | {"ZLOG_INTERFACE": "lo"}
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    logs = "StreamHandler" in block  # to stderr
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert logs or done.stderr == ""
    assert "Good morning" in (done.stderr if logs else done.stdout)


def test_two_that_meet(start, monkeypatch):
    """Two run the same program, each is greeted by the other, and Ctrl-C ends them."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    (block,) = ENDLESS
    robots = [start([sys.executable, "-c", block]) for _ in range(2)]
    for robot in robots:
        robot.expect(r"ENTER robot")
        robot.expect(r"JOIN robot CHAT")
        robot.expect(r"SHOUT robot CHAT .*Good morning")
    for robot in robots:
        robot.process.send_signal(2)
    for robot in robots:
        robot.wait()

"""Each example runs, and does what it says."""

import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_example_is_in_the_readme():
    readme = (EXAMPLES / "README.md").read_text()
    programs = [path.relative_to(EXAMPLES.parent).as_posix() for path in EXAMPLES.rglob("*.py")]
    folders = [f"examples/{path.name}" for path in EXAMPLES.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert programs
    for name in programs + folders:
        assert name in readme


@pytest.fixture
def example(start, monkeypatch):
    """Starts an example by its path below examples/."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    return lambda path, *args: start([sys.executable, EXAMPLES / path, *args])


def test_chat(example):
    anna, bert = example("chat.py", "anna", "lo"), example("chat.py", "bert", "lo")
    anna.expect(r"\* bert: join")
    bert.expect(r"\* anna: join")
    anna.send("Grüße 100% ☃")
    bert.expect("anna: Grüße 100% ☃")
    anna.process.stdin.close()
    assert anna.wait() == 0
    bert.expect(r"\* anna: exit")
    bert.process.send_signal(2)
    assert bert.wait() == 0


def test_who(example):
    chat = example("chat.py", "carla", "lo")
    chat.expect("carla is at")
    who = example("who.py", "lo", "3")
    who.expect(r"\+ carla +tcp://127\.0\.0\.1:\d+")
    who.expect("carla +is in CHAT")
    assert who.wait() == 0
    who.expect("1 peers")


def test_thermometer(example):
    program = example("thermometer/run.py")
    assert program.wait() == 0
    program.expect("21.5 °C")
    program.expect("milliseconds=250")
    program.expect("refused: READING: truncated")


def test_program_and_alerts(example, zre_port, monkeypatch):
    monkeypatch.setenv("ZLOG_PORT", str(zre_port))
    alerts = example("alerts.py", "lo", "60")
    alerts.expect("waiting as alerts")
    program = example("program.py", "lo", "60")
    program.expect("soup at")
    alerts.expect("cooker on .*: it boils over", timeout_s=30)
    alerts.process.send_signal(2)
    assert alerts.wait() == 0
    program.process.send_signal(2)
    program.wait()


def test_history(example, zre_port, monkeypatch):
    monkeypatch.setenv("ZLOG_PORT", str(zre_port))
    program = example("history.py", "lo", "4")
    program.expect(r"WARN   mill .* sack 5 is full", timeout_s=60)
    program.expect(r"LOST  \d+ WARN records of mill: evicted sequence 6 to", timeout_s=60)
    program.expect(r"sack 65 is full", timeout_s=60)
    assert program.wait(60) == 0
    places = [place for place, line in enumerate(program.lines.all) if "LOST" in line]
    assert places == [5]

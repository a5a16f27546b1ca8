"""What the tests of commands share: commands as processes, on the loopback and a port of their own."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.programs import Program
from zlog.collector.stores import open_store
from zlog.record import Stored

ZLOG = [sys.executable, "-u", "-m", "zlog"]

#: Logs as many lines as it is told on stdin, by `logging`; says when they are logged. `debug N` and `warn N` too.
TALKER = """
import logging, sys, zlog
agent = zlog.start(name=sys.argv[1], floor="debug")
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler(agent)])
log, number = logging.getLogger("talk." + sys.argv[1]), 0
print("ready", flush=True)
for line in sys.stdin:
    level, count = line.split()
    for _ in range(int(count)):
        log.log({"debug": 10, "info": 20, "warn": 30, "error": 40}[level], "line %d", number, extra={"number": number})
        number += 1
    print("logged", number, flush=True)
zlog.shutdown(10)
"""


@pytest.fixture
def environment(zre_port: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All commands, and programs that log, are on the loopback."""
    for name in list(os.environ):
        if name.startswith("ZLOG_"):
            monkeypatch.delenv(name)
    for name, value in {"ZLOG_INTERFACE": "lo", "ZLOG_PORT": str(zre_port), "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    return dict(os.environ)


@pytest.fixture
def command(start: Callable[..., Program], environment: dict[str, str]) -> Callable[..., Program]:
    """Starts `zlog …`; stdout and stderr are merged unless a keyword says otherwise."""

    def run(*arguments: str | Path, **popen: Any) -> Program:
        return start([*ZLOG, *arguments], **({"env": environment} | popen))

    return run


@pytest.fixture
def done(environment: dict[str, str]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs `zlog …` to its end."""

    def run(*arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        given: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60, "env": environment}
        return subprocess.run([*ZLOG, *arguments], check=False, **(given | options))

    return run


@pytest.fixture
def talker(start: Callable[..., Program], environment: dict[str, str]) -> Callable[[str], Program]:
    """Starts a program that logs what it is told: `talker("web").send("info 10")`."""

    def run(name: str) -> Program:
        program = start([sys.executable, "-u", "-c", TALKER, name], env=environment)
        program.expect("ready")
        return program

    return run


@pytest.fixture
def collecting(command: Callable[..., Program]) -> Callable[..., Program]:
    """Starts `zlog collect --json` and returns when it is ready."""

    def run(*arguments: str | Path) -> Program:
        program = command("collect", "--json", *arguments)
        program.expect('"event": "ready"')
        return program

    return run


@pytest.fixture
def viewer(command: Callable[..., Program]) -> Callable[..., Program]:
    """Starts `zlog tail`; `status` of somebody else tells when it is there."""

    def run(*arguments: str | Path, **popen: Any) -> Program:
        return command("tail", *arguments, **popen)

    return run


def stored(url: str) -> list[Stored]:
    """What a store has."""
    store = open_store(url)
    with contextlib.closing(store.open(read_only=True)):
        return list(store.query())


def texts(url: str) -> list[str]:
    return [record.text for record in stored(url)]


def last_object(program: Program) -> dict[str, Any]:
    """The last line of what a program printed."""
    found: dict[str, Any] = json.loads(program.lines.all[-1])
    return found


@pytest.fixture
def sql() -> Iterator[Callable[[Path, str], list[tuple[Any, ...]]]]:
    """Rows of a database, without any of our code."""
    import sqlite3

    with contextlib.ExitStack() as stack:

        def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
            database = stack.enter_context(contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)))
            return database.execute(query).fetchall()

        yield rows

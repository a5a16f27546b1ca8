"""Scenes for the tests of this folder, and the table of what their faults came to, at the end of the session."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import preload
from support.plugin import free_port
from support.programs import Program

from .scene import Here, Report, Scene, table, to_json

_report: Report = []

MakeScene = Callable[..., Scene]


@pytest.fixture
def scene(start: Callable[..., Program], tmp_path: Path) -> MakeScene:
    """Makes scenes: `scene("the collector is killed")`, on the loopback, or at another `place`."""

    def make(fault: str, place: Any = None, **options: Any) -> Scene:
        folder = tmp_path / f"scene-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Scene(fault, folder, free_port(), place or Here(start), _report, **options)

    return make


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What programs load to be killed in a system call, or to have a clock of their own."""
    return preload.build(tmp_path_factory.mktemp("preload"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _report:
        terminalreporter.section("faults", sep="-")
        terminalreporter.write_line(table(_report))
    if path := os.environ.get("ZLOG_FAULTS_REPORT"):
        Path(path).write_text(to_json(_report), encoding="utf-8")

"""Programs that log, and collectors that look, on the suite's own loopback."""

import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.programs import Program, python_args
from zlog.collector import Collector

SETUP = """
import logging, sys, time, zlog
port, name = int(sys.argv[1]), sys.argv[2]
handler = zlog.Handler(interface="lo", port=port, name=name)
logging.basicConfig(level=logging.INFO, handlers=[handler])
log = logging.getLogger("app")
"""


@pytest.fixture
def program(start: Callable[..., Program], zre_port: int) -> Callable[..., Program]:
    """Start a Python program that logs by `log`, to whoever collects."""

    def make(code: str, *args: str, name: str = "app", setup: str = SETUP, **popen: Any) -> Program:
        return start(python_args(setup + textwrap.dedent(code), str(zre_port), name, *args), **popen)

    return make


@pytest.fixture
def collect(zre_port: int) -> Iterator[Callable[..., Collector]]:
    """Start a collector."""
    started: list[Collector] = []

    def make(*stores: str, **options: Any) -> Collector:
        collector = Collector(*stores, **({"interface": "lo", "port": zre_port} | options))
        started.append(collector)
        return collector.start()

    yield make
    for collector in started:
        collector.stop()


def texts(collector: Collector, timeout_s: float = 0) -> list[str]:
    """What has arrived, in order."""
    return [record.text for record in collector.records(timeout_s)]

"""What the tests of all languages share: what was got beforehand, and a collector to send to."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import zlog
from languages import setup
from support.tools import unavailable
from zlog import severity
from zlog.record import Stored
from zlog.wire import zre_log_msg

#: Models whose generated code is looked at: the protocol's, and those with every construct.
MODELS = (
    *sorted((Path(__file__).parents[2] / "protocol").glob("zre_*.xml")),
    *sorted((Path(__file__).parents[1] / "unit" / "codegen" / "models").glob("*.xml")),
)


def built(language: str) -> Path:
    """The folder with what `setup.py` got for a language. Without it the test is skipped, or fails in CI."""
    if problem := setup.problem(language):
        unavailable(f"needs what {language} takes from registries", problem)
    return setup.BUILD / language


class Collector:
    """A collector, without discovery: programs are told its live endpoint.

    Attributes:
        live: the endpoint that nodes connect their XPUB to.
    """

    def __init__(self) -> None:
        self._collector = zlog.Collector(discover=False, bind="tcp://127.0.0.1:*", level="trace", view=True).start()
        self.live = self._collector.live

    def close(self) -> None:
        """Stop; nothing may have been discarded."""
        status = self._collector.status()
        self._collector.stop()
        assert status.discarded == {}

    def records(self, count: int, timeout_s: float = 20) -> list[zre_log_msg.Record]:
        """The next ``count`` records, as RECORD has them. A LOG in between, or too few, fails the test."""
        return [_record(stored) for stored in self._next(count, timeout_s)]

    def logs(self, count: int, timeout_s: float = 20) -> list[zre_log_msg.Log]:
        """The next ``count`` records, all from LOG, in the same way."""
        return [_log(stored) for stored in self._next(count, timeout_s)]

    def _next(self, count: int, timeout_s: float) -> list[Stored]:
        found = list(itertools.islice(self._collector.records(timeout_s), count))
        if len(found) < count:
            pytest.fail(f"{len(found)} of {count} records arrived; then none in {timeout_s} s: {found}")
        return found


def _record(stored: Stored) -> zre_log_msg.Record:
    assert not any(name.startswith("zlog.legacy") for name in stored.attributes), stored
    return zre_log_msg.Record(
        severity=stored.severity,
        event=stored.event,
        node=uuid.UUID(stored.node),
        epoch=stored.epoch,
        sequence=stored.sequence,
        time=stored.time_ns,
        host=stored.host,
        name=stored.name,
        logger=stored.logger,
        text=stored.text,
        fields=stored.attributes,
    )


def _log(stored: Stored) -> zre_log_msg.Log:
    return zre_log_msg.Log(
        level=severity.to_log_level(stored.severity),
        event=stored.event,
        node_id=stored.attributes["zlog.legacy.node"],
        peer_id=stored.attributes.get("zlog.legacy.peer", 0),
        time=stored.time_ns // 1_000_000_000,
        data=stored.text,
    )


@pytest.fixture
def collector(no_leaks: None) -> Iterator[Collector]:
    """A collector on the loopback; give a program its ``live``, then ask it for ``records(10)``."""
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()


@pytest.fixture
def setup_of() -> Callable[[str], Path]:
    """`setup_of("rust")`: the folder with what setup.py got for a language."""
    return built

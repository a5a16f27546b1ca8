"""Collectors on the loopback, and nodes made by hand."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from support.nodes import FakeNode
from zlog.collector import Collector
from zlog.collector.stores import open_store


@pytest.fixture
def collect(no_leaks: None, zre_port: int) -> Iterator[Callable[..., Collector]]:
    """`collect("sqlite:…")`: a started collector on the loopback, without ZRE unless asked; it ends with the test."""
    made: list[Collector] = []

    def make(*stores: Any, start: bool = True, discover: bool = False, **options: Any) -> Collector:
        given = {"interface": "lo", "port": zre_port} if discover else {"bind": "tcp://127.0.0.1", "discover": False}
        if options.get("node") is not None:
            given = {}
        collector = Collector(*stores, **(given | options))
        made.append(collector)
        return collector.start() if start else collector

    yield make
    for collector in made:
        collector.stop(5)


@pytest.fixture
def nodes(no_leaks: None) -> Iterator[Callable[..., FakeNode]]:
    """`nodes(collector)`: a node on its sync endpoint; `meet=False`: that has said nothing yet."""
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(zmq.Context())

        def make(collector: Collector | str, *, meet: bool = True, age: int = 0, **options: Any) -> FakeNode:
            sync = collector if isinstance(collector, str) else collector.sync
            node = stack.enter_context(contextlib.closing(FakeNode(context, sync, **options)))
            if meet:
                node.meet(age=age)
                node.go_live()
            return node

        yield make


def stored(collector: Collector, node: FakeNode | None = None) -> int:
    """Records of all ranges that all stores have."""
    return stored_in(collector.status(), node)


def stored_in(status: Any, node: FakeNode | None = None) -> int:
    return sum(
        view.stored for run in status.nodes if node is None or run.node == node.uuid for view in run.ranges.values()
    )


def wait_stored(collector: Collector, count: int, timeout_s: float = 10.0) -> None:
    assert collector.wait_until(lambda status: stored_in(status) >= count, timeout_s), collector.status()
    assert stored(collector) == count


def sequences(url: str, node: uuid.UUID, range_: int = 9) -> list[int]:
    """What a store has of a node, by its own query."""
    with open_store(url).open(read_only=True) as store:
        return [record.sequence for record in store.query() if record.node == node.hex and record.range == range_]


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/log.db"

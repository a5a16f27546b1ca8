"""What is missing and nobody can answer for: every store notes it, once, and takes it if it comes after all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.stores import NODES, START_NS, Run, check_whole, entries, text_lines
from zlog.collector.stores import Loss, Store, open_store
from zlog.collector.stores.model import GAP
from zlog.core.intervals import Intervals

RUN = Run(NODES[0], 7, 60)
KEY = (RUN.node, RUN.epoch, 9)


def gap(start: int, stop: int, cause: int = GAP) -> Loss:
    return Loss(RUN.node.hex(), RUN.epoch, 9, start, stop, cause, START_NS + start)


def told(store: Store) -> list[tuple[int, int, int]]:
    return [(loss.start, loss.stop, loss.cause) for loss in store.losses()]


def test_a_gap_is_noted_and_not_held(url):
    with open_store(url) as store:
        store.write([RUN.part(9, 1, 4)], [gap(1, 10)])
        assert told(store) == [(4, 10, GAP)]
        assert store.held() == {KEY: Intervals([(1, 4)])}
        assert store.holds(KEY) == Intervals([(1, 4)])
        assert store.gaps(KEY) == Intervals([(4, 10)])
        check_whole(store)


def test_a_gap_of_a_run_that_nothing_is_stored_of(url):
    with open_store(url) as store:
        store.write([], [gap(1, 10)])
        assert told(store) == [(1, 10, GAP)]
        assert store.held() == {}
        assert store.holds(KEY) is None


def test_a_gap_is_noted_once(durable_url):
    with open_store(durable_url) as store:
        store.write([], [gap(5, 10), gap(5, 10)])
        store.write([], [gap(5, 10)])
    with open_store(durable_url) as store:
        assert store.gaps(KEY) == Intervals([(5, 10)])
        assert store.held() == {}
        store.write([], [gap(3, 8), gap(8, 12)])
        assert told(store) == [(5, 10, GAP), (3, 5, GAP), (10, 12, GAP)]
    with open_store(durable_url).open(read_only=True) as store:
        assert told(store) == [(5, 10, GAP), (3, 5, GAP), (10, 12, GAP)]
        assert store.held() == {}


def test_a_gap_that_is_filled_is_void(durable_url):
    with open_store(durable_url) as store:
        store.write([], [gap(5, 10)])
        store.write([RUN.part(9, 6, 8)])
        assert told(store) == [(5, 6, GAP), (8, 10, GAP)]
        check_whole(store)
    with open_store(durable_url) as store:
        assert told(store) == [(5, 6, GAP), (8, 10, GAP)]
        store.write([RUN.part(9, 1, 12)], [gap(1, 12)])
        assert told(store) == []
        assert sorted(sequence for *_, sequence in entries(store)) == list(range(1, 12))
        check_whole(store)
    with open_store(durable_url).open(read_only=True) as store:
        assert (told(store), store.held()) == ([], {KEY: Intervals([(1, 12)])})


def test_a_gap_that_a_node_names_keeps_the_nodes_cause(durable_url):
    with open_store(durable_url) as store:
        store.write([], [gap(5, 10)])
        store.write([], [gap(7, 20, cause=1)])
        store.write([], [gap(7, 20)])
        assert told(store) == [(5, 7, GAP), (7, 20, 1)]
    with open_store(durable_url) as store:
        assert told(store) == [(5, 7, GAP), (7, 20, 1)]
        assert store.held() == {KEY: Intervals([(7, 20)])}


def test_gaps_outlive_a_lost_sidecar(tmp_path: Path):
    for url, sidecar in ((f"jsonl:{tmp_path}/log", "log.sidecar"), (f"journal:{tmp_path}/j", "j/frames.sidecar")):
        with open_store(url) as store:
            store.write([RUN.part(9, 1, 4)], [gap(4, 10), gap(10, 12, cause=3)])
        (tmp_path / sidecar).unlink()
        with open_store(url) as store:
            assert told(store) == [(10, 12, 3), (4, 10, GAP)]
            assert store.held() == {KEY: Intervals([(1, 4), (10, 12)])}
            assert store.gaps(KEY) == Intervals([(4, 10)])


def test_a_gap_is_a_line_for_people(tmp_path: Path):
    with open_store(f"file:{tmp_path}/log.txt") as store:
        store.write([], [gap(4, 10)])
    (line,) = text_lines(f"{tmp_path}/log.txt")
    assert line.endswith(f"LOST  6 INFO records of node {RUN.node.hex()} (run 7, sequences 4 to 9): gap")


def test_another_writer_sees_the_gaps(tmp_path: Path):
    with open_store(f"sqlite:{tmp_path}/log.db") as one, open_store(f"sqlite:{tmp_path}/log.db") as other:
        one.write([], [gap(5, 10)])
        other.write([], [gap(5, 12)])
        assert told(one) == told(other) == [(5, 10, GAP), (10, 12, GAP)]
        other.write([RUN.part(9, 5, 12)])
        assert told(one) == []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_in_whatever_order(durable_url, seed):
    """Stored, named and gaps are always all, each sequence in one of them."""
    rng = random.Random(seed)
    last = len(RUN.streams[9]) + 1
    for _ in range(4):
        with open_store(durable_url) as store:
            for _ in range(5):
                start, stop = sorted(rng.sample(range(1, last + 1), 2))
                kind = rng.choice(["part", "gap", "gap", "loss"])
                if kind == "part":
                    store.write([RUN.part(9, start, stop)])
                else:
                    store.write([], [gap(start, stop, GAP if kind == "gap" else 1)])
            check_whole(store)
    with open_store(durable_url) as store:
        store.write([], [gap(1, last)])
        whole = check_whole(store)[KEY]
        for loss in store.losses():
            if loss.cause == GAP:
                whole.add(loss.start, loss.stop)
        assert whole == Intervals([(1, last)])

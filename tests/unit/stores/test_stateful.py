"""Any sequence of writes, losses, reopenings and queries, against a set of records in a dict."""

import tempfile
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from support.stores import NODES, NS, START_NS, TEXT_FORMAT, Run, check_whole, entries, expected
from zlog.collector.stores import Filter, Part, open_store
from zlog.core.intervals import Intervals
from zlog.record import Stored

RUNS = [Run(NODES[0], 1, 50), Run(NODES[0], 2, 30), Run(NODES[1], (1 << 64) - 1, 40)]
STREAMS = [(run, range_) for run in RUNS for range_ in run.streams]


@st.composite
def spans(draw: st.DrawFn) -> tuple[Run, int, int, int]:
    run, range_ = draw(st.sampled_from(STREAMS))
    size = len(run.streams[range_])
    start = draw(st.integers(1, size))
    return run, range_, start, draw(st.integers(start, min(size + 1, start + 12)))


FILTERS = st.builds(
    Filter,
    level=st.none() | st.integers(1, 24),
    node=st.none() | st.sampled_from(["node-3a", "node-*", "b1*"]),
    logger=st.none() | st.sampled_from(["arm", "arm*", "w?b"]),
    grep=st.none() | st.sampled_from(["ready", "[02468]$"]),
    since_ns=st.none() | st.integers(START_NS - 5 * NS, START_NS + 15 * NS),
    until_ns=st.none() | st.integers(START_NS - 5 * NS, START_NS + 15 * NS),
    limit=st.none() | st.integers(0, 40),
)


class Machine(RuleBasedStateMachine):
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(self.url.replace("{}", self.folder.name, 1)).open()
        self.stored: dict[tuple[str, int, int, int], Stored] = {}
        self.lost: set[tuple[str, int, int, int]] = set()

    @rule(chosen=st.lists(spans(), max_size=5))
    def write(self, chosen: list[tuple[Run, int, int, int]]) -> None:
        parts: list[Part] = [run.part(range_, start, stop) for run, range_, start, stop in chosen]
        self.store.write(parts)
        for part in parts:
            for record in part.stored():
                if record.key not in self.lost and record.key not in self.stored:
                    self.stored[record.key] = record

    @rule(span=spans(), cause=st.integers(1, 5))
    def gone(self, span: tuple[Run, int, int, int], cause: int) -> None:
        run, range_, start, stop = span
        self.store.gone((run.node, run.epoch, range_), start, stop, cause, START_NS)
        keys = {(run.node.hex(), run.epoch, range_, number) for number in range(start, stop)}
        self.lost |= keys - self.stored.keys()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store.open()

    @rule(wanted=FILTERS)
    def query(self, wanted: Filter) -> None:
        if self.store.scheme != "file":
            # Which part a record came in is the store's affair, so when it was received is compared by `invariant`.
            assert [r.key for r in self.store.query(wanted)] == [r.key for r in expected(self.stored.values(), wanted)]

    @invariant()
    def holds_what_it_was_given(self) -> None:
        assert sorted(entries(self.store)) == sorted(self.stored)
        held: dict[tuple[bytes, int, int], Intervals] = {}
        for node, epoch, range_, sequence in self.stored.keys() | self.lost:
            held.setdefault((bytes.fromhex(node), epoch, range_), Intervals()).add(sequence, sequence + 1)
        assert self.store.held() == held
        check_whole(self.store)

    def teardown(self) -> None:
        if self.store.scheme != "file":
            assert sorted(self.store.query(), key=lambda r: r.key) == sorted(self.stored.values(), key=lambda r: r.key)
        self.store.close()
        self.folder.cleanup()


@pytest.mark.parametrize(
    "url",
    [
        "memory:",
        "sqlite:{}/log.db",
        "jsonl:{}/log",
        "jsonl:{}/log?max_bytes=1k",
        "journal:{}/log",
        "journal:{}/log?max_bytes=1k",
        "file:{}/log?max_bytes=1k&format=" + TEXT_FORMAT,
    ],
)
def test_any_sequence(url: str) -> None:
    class Given(Machine):
        pass

    Given.url = url
    case = Given.TestCase
    case.settings = settings(
        max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    case("runTest").runTest()

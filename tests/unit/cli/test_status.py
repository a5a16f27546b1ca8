"""What `zlog status` and `zlog collect` say of a collector's status."""

import json
from argparse import Namespace
from typing import cast
from uuid import UUID

from zlog.cli.collect import JsonReport, Report, changes, totals
from zlog.cli.lines import Paint
from zlog.cli.missing import Names, missing_rows
from zlog.cli.picture import CollectorRow, LinkRow, MissingRow, NodeRow, Picture, fitted, render
from zlog.collector import Collector, CollectorStatus, NodeStatus, RangeView, StoreStatus
from zlog.collector.stores import Part, Store
from zlog.collector.stores.memory import MemoryStore
from zlog.collector.stores.model import GAP
from zlog.core.sync import LinkStatus
from zlog.errors import StoreError
from zlog.record import Record

PLAIN = Paint(False)


def node(number: int, *, connected: bool = True, closed: bool = False, missing: int = 0, status: int = 1) -> NodeStatus:
    ranges = {9: RangeView(1, 11, 10 - missing, 0, missing, 0, 0), 13: RangeView(1, 3, 1, 1, 0, 0, 2)}
    return NodeStatus(UUID(int=number), 1, f"n{number}", "host", 1, connected, closed, False, status, None, ranges, [])


def test_nodes_come_and_go() -> None:
    known: dict[tuple[object, int], NodeStatus] = {}

    def seen(*nodes: NodeStatus) -> list[tuple[str, str]]:
        return [(happened, each.name) for happened, each in changes(known, list(nodes))]  # type: ignore[arg-type]

    assert seen(node(1)) == [("joined", "n1")]
    assert seen(node(1), node(2, connected=False, closed=True)) == [("joined", "n2"), ("left", "n2")]
    assert seen(node(1, connected=False)) == [("left", "n1")]
    assert seen(node(1, connected=False)) == []
    assert seen(node(1)) == [("joined", "n1")]
    assert seen(node(3, connected=False)) == [("joined", "n3")]  # a sender without sync
    assert seen(node(3, connected=False)) == []


def left_run(number: int) -> NodeStatus:
    """A run of a program that has ended, as another one offers it."""
    return NodeStatus(UUID(int=number), 1, "", "", 0, False, False, False, 0, None, node(1).ranges, [])


def test_what_ended_programs_left_is_no_node() -> None:
    assert list(changes({}, [left_run(5), node(1)])) == [("joined", node(1))]
    found = totals(CollectorStatus(nodes=[left_run(5), left_run(6), node(1)]))
    assert (found["nodes"], found["left_runs"], found["stored"]) == (1, 2, 33)


def test_what_ended_programs_left_is_told(capsys) -> None:
    """Once for each run, also by the totals."""
    report = Report(Namespace(color="never"), cast(Collector, None))
    for nodes in ([node(1)], [left_run(5), left_run(6)], [left_run(5), left_run(6)], [left_run(5), left_run(7)]):
        report.left(CollectorStatus(nodes=nodes))
    report.end(CollectorStatus(nodes=[left_run(5), node(1)]))
    first, second, end = capsys.readouterr().err.splitlines()
    assert first.endswith(" + takes what programs left that ended: 2 runs")
    assert second.endswith(" + takes what programs left that ended: 1 run")
    assert end.startswith("zlog: 22 records of 1 node and 1 run that ended before stored in ")


def test_what_ended_programs_left_is_told_to_programs(capfd) -> None:
    report = JsonReport(Namespace(color="never"), cast(Collector, None))
    report.left(CollectorStatus(nodes=[left_run(5), left_run(6)]))
    assert json.loads(capfd.readouterr().out) == {"event": "takes", "left_runs": 2}


def test_totals() -> None:
    status = CollectorStatus(
        nodes=[node(1), node(2, missing=4)], received=30, stores=[StoreStatus("sqlite:a", 18, 0, None)]
    )
    assert totals(status) == {
        "nodes": 2,
        "left_runs": 0,
        "received": 30,
        "stored": 18,
        "lost": 2,
        "missing": 4,
        "dropped": 4,
        "discarded": {},
        "stores": [{"url": "sqlite:a", "records": 18, "behind": 0, "failing": None}],
    }


def row(name: str, *links: LinkRow, missing: int | None = None) -> NodeRow:
    return NodeRow("3a" * 16, 1, name, "rover", 4711, 1234, 0, missing, None, {}, list(links))


def test_a_picture() -> None:
    links = [
        LinkRow("cc" * 16, "control", "INFO", True, True, 1200, 3, 5),
        LinkRow("dd" * 16, "", "DEBUG", False, False, 0, 0, 0),
    ]
    collectors = [CollectorRow("cc" * 16, "control", "tcp://10.0.0.7:1", "tcp://10.0.0.7:2", 2, "", 1)]
    picture = Picture([row("arm", *links), row("web\x1b[2J")], collectors)
    assert render(picture, PLAIN, "eth0") == [
        "2 nodes, 1 collector on eth0",
        "",
        "NODE              PROCESS  LOGGED  DROPPED  ASKED BY               LEVEL   SENT  LAG    UNSTORED",
        "arm@rover            4711   1,234        0  control                INFO   1,200    3           5",
        "                                            dddddddd (connecting)  DEBUG      0    0  shows only",
        "web\\x1b[2J@rover     4711   1,234        0  nobody",
        "",
        "COLLECTOR  AT                PROTOCOL  NODES",
        "control    tcp://10.0.0.7:2         2      1",
    ]


def test_missing_has_a_column_where_it_is_known() -> None:
    text = "\n".join(render(Picture([row("arm", missing=7)], []), PLAIN, "lo"))
    assert "MISSING" in text
    assert "      7  nobody" in text
    assert "Nobody collects: start zlog tail" in text


def test_what_is_missing_is_told_by_node_range_and_cause() -> None:
    spans = [
        MissingRow("3a" * 16, "arm\x1b", "rover", 1, 9, 5, 8, 3, "evicted"),
        MissingRow("3a" * 16, "arm\x1b", "rover", 1, 9, 20, 1029, 1009, "evicted"),
        MissingRow("b1" * 16, "", "", 7, 17, 1, 3, 2, "gap"),
    ]
    lines = render(Picture([], [], spans), PLAIN, "lo")
    assert lines[1:5] == [
        "",
        "missing: 1,012 INFO of arm\\x1b@rover: evicted",
        f"missing: 2 ERROR of {'b1' * 16}: gap",
        "Nobody is there: is this the right network? Try -i NAME, and the same --port for all.",
    ]


def test_only_the_worst_of_what_is_missing_is_shown() -> None:
    spans = [MissingRow(f"{n:032x}", f"n{n}", "h", 1, 9, 1, 1 + n, n, "gap") for n in range(1, 31)]
    lines = [line for line in render(Picture([row("arm")], [], spans), PLAIN, "lo") if line.startswith("missing")]
    assert lines[0] == "missing: 30 INFO of n30@h: gap"
    assert len(lines) == 21
    assert lines[-1] == "missing: 55 in 10 more lines; --json has them"


class Waiting:
    """A node that is there."""

    def __init__(self, first: int, following: int, links: list[LinkStatus]) -> None:
        self.node, self.epoch, self.name, self.host, self.links = UUID(int=1), 1, "arm", "rover", links
        self.ranges = {first: RangeView(1, following, 0, 0, 0, 0, 0)}


def link(level: int) -> LinkStatus:
    return LinkStatus(UUID(int=9), level, True, True, 0, 0, 0)


def rows(store: Store, *runs: Waiting) -> list[tuple[str, int, int, int, str]]:
    return [
        (found.name, found.range, found.start, found.stop, found.cause)
        for found in missing_rows([store], list(runs), Names())  # type: ignore[arg-type] # it has what is looked at
    ]


def test_missing_is_what_stores_lack_of_runs_that_are_there_and_that_ended() -> None:
    node, records = UUID(int=1).bytes, [Record(0, n, 9, "", "") for n in range(3)]
    with MemoryStore().open() as store:
        store.write([Part(node, 1, 9, 3, records, "rover", "arm"), Part(b"x" * 16, 5, 9, 4, records, "h", "old")])
        store.gone((node, 1, 9), 1, 3, 1, 0)
        store.gone((node, 1, 9), 6, 8, GAP, 0)
        store.gone((node, 1, 5), 1, 100, 0, 0)
        assert rows(store, Waiting(9, 10, [link(9)])) == [
            ("arm", 9, 1, 3, "evicted"),
            ("arm", 9, 6, 8, "gap"),
            ("arm", 9, 8, 10, "waiting"),
            ("old", 9, 1, 4, "gap"),
        ]
        store.write([Part(node, 1, 9, 6, [*records, records[0]])])
        assert rows(store, Waiting(9, 10, [link(9)])) == [("arm", 9, 1, 3, "evicted"), ("old", 9, 1, 4, "gap")]


class CountingStore(MemoryStore):
    """Counts how often it was asked for names; fails then if it is told to."""

    reads = 0
    fails = False

    def names(self) -> dict[str, tuple[str, str]]:
        self.reads += 1
        if self.fails:
            raise StoreError("it is damaged")
        return super().names()


def test_names_of_all_nodes_are_looked_up_at_once() -> None:
    uuids = [UUID(int=number).bytes for number in range(1, 301)]
    with CountingStore().open() as store:
        for number, uuid in enumerate(uuids):
            if number % 2:
                store.write([Part(uuid, 1, 9, 9, [Record(0, 1, 9, "", "")], "rover", f"n{number}")])
            store.gone((uuid, 1, 9), 1, 9, 1, 0)
        names = Names()
        for _ in range(3):
            found = missing_rows([store], [], names)
            assert [row.name for row in found] == [f"n{number}" if number % 2 else "" for number in range(300)]
        assert store.reads == 1
        assert names.problem is None


def test_a_store_whose_names_can_not_be_read_is_told() -> None:
    with CountingStore().open() as store:
        store.gone((UUID(int=1).bytes, 1, 9), 1, 9, 1, 0)
        store.fails = True
        names = Names()
        assert [row.cause for row in missing_rows([store], [], names)] == ["evicted"]
    assert str(names.problem) == "it is damaged"


def test_as_many_lines_as_a_terminal_has() -> None:
    lines = ["one", "\x1b[31mtwo\x1b[0m", "x" * 25, "four"]
    assert fitted(lines, 6, 10) == lines
    assert fitted(lines, 5, 10) == [*lines[:2], "… 2 more lines"]
    assert fitted(lines[:2], 2, 3) == lines[:2]
    assert fitted(lines, 1, 80) == ["… 4 more lines"]
    assert fitted(["one"] * 50, 24, 80) == ["one"] * 23 + ["… 27 more lines"]


def test_ranges_that_nobody_asked_for_are_not_missing() -> None:
    with MemoryStore().open() as store:
        assert rows(store, Waiting(5, 10, [link(9)])) == []
        assert rows(store, Waiting(5, 10, [link(5)])) == [("arm", 5, 1, 10, "waiting")]
        assert rows(store, Waiting(5, 10, [])) == [("arm", 5, 1, 10, "waiting")]


def test_nobody_is_there() -> None:
    lines = render(Picture([], []), PLAIN, "eth0")
    assert lines[0] == "0 nodes, 0 collectors on eth0"
    assert "Try -i NAME" in lines[1]

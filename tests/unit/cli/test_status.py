"""What `zlog status` and `zlog collect` say of a collector's status."""

from uuid import UUID

from zlog.cli.collect import changes, totals
from zlog.cli.lines import Paint
from zlog.cli.picture import CollectorRow, LinkRow, NodeRow, Picture, render
from zlog.cli.printer import is_complete
from zlog.collector import CollectorStatus, NodeStatus, RangeView, StoreStatus

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


def test_totals() -> None:
    status = CollectorStatus(
        nodes=[node(1), node(2, missing=4)], received=30, stores=[StoreStatus("sqlite:a", 18, 0, None)]
    )
    assert totals(status) == {
        "nodes": 2,
        "received": 30,
        "stored": 18,
        "lost": 2,
        "missing": 4,
        "dropped": 4,
        "discarded": {},
        "stores": [{"url": "sqlite:a", "records": 18, "behind": 0, "failing": None}],
    }


def test_when_history_is_there() -> None:
    assert not is_complete(CollectorStatus())
    assert is_complete(CollectorStatus(nodes=[node(1), node(2, connected=False, missing=1)]))
    assert not is_complete(CollectorStatus(nodes=[node(1), node(2, missing=1)]))
    assert not is_complete(CollectorStatus(nodes=[node(1), node(2, status=0)]))


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


def test_nobody_is_there() -> None:
    lines = render(Picture([], []), PLAIN, "eth0")
    assert lines[0] == "0 nodes, 0 collectors on eth0"
    assert "Try -i NAME" in lines[1]

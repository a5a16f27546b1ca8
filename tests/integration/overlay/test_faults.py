"""A collector that dies, and one that was cut off: stored + named as gone = sent (rows X5, Y2; issue: kill -9)."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from support.netns import Network
from support.programs import Program, python_args

LOGS = """
import logging, sys, threading, time, zlog
port, seconds, rate = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
agent = zlog.start(interface="lo", port=port, name="app", journal_bytes=sys.argv[4])
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
agent.wait_link(10)
print("linked", flush=True)
began, sent = time.monotonic(), 0
pause = threading.Event()
while (passed := time.monotonic() - began) < seconds:
    while sent < passed * rate:
        sent += 1
        logging.info("line %d", sent)
    pause.wait(0.005)
print("sent", sent, flush=True)
sys.stdin.readline()
zlog.flush(30)
print("flushed", flush=True)
sys.stdin.readline()
"""


def collector(start: Callable[..., Program], port: int, path: Path) -> Program:
    code = "import sys; from zlog.cli import main; sys.exit(main(sys.argv[1:]))"
    started = start(python_args(code, "collect", f"sqlite:{path}", "-i", "lo", "--port", str(port), "--json"))
    started.expect('"ready"', timeout_s=20)
    return started


def stored(path: Path) -> tuple[int, int, int]:
    """Records, records that are there twice, and records named as lost."""
    with closing(sqlite3.connect(path)) as database:
        count, different = database.execute("SELECT count(*), count(DISTINCT text) FROM log").fetchone()
        lost = database.execute("SELECT coalesce(sum(stop - start), 0) FROM losses").fetchone()[0]
    return count, count - different, lost


@pytest.mark.parametrize("journal", ["16M", "64K"])
def test_a_collector_is_killed_at_ten_thousand_a_second_and_comes_back(
    start: Callable[..., Program], zre_port: int, tmp_path: Path, journal: str
) -> None:
    path = tmp_path / "log.db"
    first = collector(start, zre_port, path)
    app = start(python_args(LOGS, str(zre_port), "4", "10000", journal))
    app.expect("linked", timeout_s=20)
    first.expect('"joined"')
    for _ in range(3):
        first.kill()
        first.wait()
        first = collector(start, zre_port, path)
    sent = int(app.expect("sent", timeout_s=40).split()[1])
    app.send("")
    app.expect("flushed", timeout_s=40)
    first.terminate()
    app.send("")
    app.wait()
    records, twice, lost = stored(path)
    assert twice == 0
    assert records + lost == sent
    if journal == "16M":
        assert lost == 0  # it all fits


def test_a_cut_link_is_noticed_and_made_good(network: Callable[..., Network], zre_port: int, tmp_path: Path) -> None:
    """The cable of the node's host is pulled for some seconds; what it logged meanwhile arrives afterwards."""
    lan = network(hosts=2)
    path = tmp_path / "log.db"
    code = "import sys; from zlog.cli import main; sys.exit(main(sys.argv[1:]))"
    collecting = lan[0].popen(
        python_args(code, "collect", f"sqlite:{path}", "-i", "eth0", "--port", str(zre_port), "--json")
    )
    collecting.expect('"ready"', timeout_s=20)
    app = lan[1].python(LOGS.replace('interface="lo"', 'interface="eth0"'), str(zre_port), "8", "1000", "16M")
    app.expect("linked", timeout_s=20)
    collecting.expect('"joined"', timeout_s=20)
    lan[1].pull_cable()
    collecting.expect('"left"', timeout_s=30)
    lan[1].plug_back()
    collecting.expect('"joined"', timeout_s=30)
    sent = int(app.expect("sent", timeout_s=40).split()[1])
    app.send("")
    app.expect("flushed", timeout_s=60)
    collecting.terminate()
    app.send("")
    app.wait()
    assert stored(path) == (sent, 0, 0)

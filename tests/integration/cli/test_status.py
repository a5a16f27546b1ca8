"""`zlog status`: who is there, and who asks for what."""

import contextlib
import json
import os
import pty
import signal
import sqlite3

import pytest

from zlog.collector.stores import Part, open_store
from zlog.record import Record


def test_nobody(done) -> None:
    result = done("status")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("0 nodes, 0 collectors on lo\n")
    assert json.loads(done("status", "--json").stdout) == {
        "nodes": [],
        "collectors": [],
        "missing": [],
        "missing_more": 0,
    }


def test_who_asks_for_what(done, collecting, viewer, talker, tmp_path, wait_until) -> None:
    url = f"sqlite:{tmp_path}/log.db"
    web = talker("web")
    web.send("info 10")
    web.expect("logged 10")
    keeper = collecting(url, "--name", "keeper", "--since", "start")
    tail = viewer("--name", "watcher", "-l", "error")
    talker("api")

    def picture() -> dict[str, list[dict[str, object]]]:
        found: dict[str, list[dict[str, object]]] = json.loads(done("status", "--json", url).stdout)
        return found

    def is_settled() -> bool:
        nodes = picture()["nodes"]
        return len(nodes) == 2 and all(
            len(node["links"]) == 2 and all(link["live"] and not link["unstored"] for link in node["links"])
            for node in nodes
        )

    wait_until(is_settled, 30)
    web.send("error 2")
    web.expect("logged 12")
    wait_until(lambda: picture()["nodes"][1]["logged"] == 12, 10)
    wait_until(lambda: picture()["nodes"][1]["missing"] == 0, 10)
    now = picture()
    assert [node["name"] for node in now["nodes"]] == ["api", "web"]
    keeps, shows = now["nodes"][1]["links"]
    assert (keeps["name"], keeps["level"], keeps["durable"]) == ("keeper", "INFO", True)
    assert (shows["name"], shows["level"], shows["durable"]) == ("watcher", "ERROR", False)
    assert [(row["name"], row["version"], row["nodes"]) for row in now["collectors"]] == [
        ("keeper", 2, 2),
        ("watcher", 2, 2),
    ]
    text = done("status", url).stdout
    assert "2 nodes, 2 collectors on lo" in text
    assert "watcher" in text
    assert "shows only" in text
    assert keeper.terminate() == 0
    assert tail.terminate() == 0


@pytest.mark.parametrize(
    ("url", "code", "problem"),
    [
        ("memory:", 2, "memory: is empty"),
        ("file:{}/log.txt", 2, "log.txt is for people and can't be queried; use grep and less"),
        ("sqlite:{}/none.db", 1, "none.db can't be opened"),
        ("sqlite:{}/bad.db", 1, "bad.db can't be read: no such table: records"),
    ],
)
def test_a_store_that_can_not_be_read(done, tmp_path, url, code, problem) -> None:
    with open_store(f"sqlite:{tmp_path}/bad.db") as store:
        store.write([Part(b"n" * 16, 1, 9, 1, [Record(1, 1, 9, "", "text")], "host", "web")])
        store.gone((b"n" * 16, 1, 9), 2, 9, 1, 0)
    with contextlib.closing(sqlite3.connect(tmp_path / "bad.db")) as database:
        database.executescript("DROP VIEW log; DROP TABLE records")
    result = done("status", url.format(tmp_path))
    assert result.returncode == code
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert ("missing: 7 INFO" in result.stdout) == ("bad" in url)


def test_watch_on_a_small_terminal(command, talker) -> None:
    """No more lines than it has, so that nothing scrolls."""
    for name in ("web", "api", "arm"):
        talker(name)
    leader, follower = pty.openpty()
    watch = command("status", "--watch", stdout=follower, stderr=follower, env={**os.environ, "LINES": "5"})
    os.close(follower)
    shown = b""
    while b"3 nodes" not in shown or not shown.endswith(b"\x1b[J"):
        shown += os.read(leader, 65_536)
    watch.process.send_signal(signal.SIGINT)
    assert watch.wait() == 0
    os.close(leader)
    last = shown.decode().split("\x1b[H")[-1]
    assert last.count("\n") == 4
    assert "more line" in last


def test_watch(command, talker) -> None:
    talker("web")
    watch = command("status", "--watch", "--json")
    for _ in range(2):
        assert json.loads(watch.expect('"web"'))["nodes"]
    watch.process.send_signal(signal.SIGINT)
    assert watch.wait() == 0

"""`zlog status`: who is there, and who asks for what."""

import json
import signal


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


def test_watch(command, talker) -> None:
    talker("web")
    watch = command("status", "--watch", "--json")
    for _ in range(2):
        assert json.loads(watch.expect('"web"'))["nodes"]
    watch.process.send_signal(signal.SIGINT)
    assert watch.wait() == 0

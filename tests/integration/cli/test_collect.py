"""`zlog collect`: finds, stores, ends in order."""

import json
import signal

import pytest

from .conftest import last_object, stored, texts


def test_a_program_is_found_and_stored(collecting, talker, tmp_path, sql) -> None:
    url = f"sqlite:{tmp_path}/log.db"
    collector = collecting(url)
    web = talker("web")
    web.send("info 100")
    collector.expect(lambda line: '"joined"' in line and '"web"' in line)
    web.send("warn 3")
    web.expect("logged 103")
    web.process.stdin.close()
    assert web.wait() == 0
    collector.expect(lambda line: '"left"' in line and '"web"' in line)
    assert collector.terminate() == 0
    assert texts(url) == [f"line {number}" for number in range(103)]
    end = last_object(collector)
    assert end["event"] == "end"
    assert (end["nodes"], end["stored"], end["missing"], end["lost"]) == (1, 103, 0, 0)
    assert end["stores"] == [{"url": url, "records": 103, "behind": 0, "failing": None}]
    assert sql(tmp_path / "log.db", "SELECT count(*) FROM records") == [(103,)]
    for line in collector.lines.all:
        json.loads(line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_with_all_written(collecting, talker, tmp_path, number) -> None:
    url = f"jsonl:{tmp_path}/log.jsonl"
    collector = collecting(url)
    web = talker("web")
    collector.expect('"joined"')
    web.send("info 2000")
    web.expect("logged 2000")
    collector.process.send_signal(number)
    assert collector.wait() == 0
    end = last_object(collector)
    assert end["missing"] == 0  # up to what the node said last; a few records may be younger than that
    assert texts(url) == [f"line {number}" for number in range(end["stored"])]
    assert end["stored"] > 0
    assert web.process.poll() is None


def test_several_stores_and_people(command, talker, tmp_path) -> None:
    urls = [f"sqlite:{tmp_path}/a.db", f"jsonl:{tmp_path}/b.jsonl", f"file:{tmp_path}/c.txt"]
    collector = command("collect", *urls, "-l", "debug", "--name", "keeper", "--for", "30m")
    assert "collecting DEBUG and worse into sqlite:" in collector.expect("collecting")
    assert "as keeper" in collector.lines.all[0]
    collector.expect(r"ZLOG_COLLECTORS=tcp://127\.0\.0\.1:\d+")
    web = talker("web")
    collector.expect(r"\+ web@")
    web.send("info 5")
    web.send("debug 5")
    web.expect("logged 10")
    web.process.stdin.close()
    collector.expect(r"- web@.* after \d+ records")
    assert collector.terminate() == 0
    collector.expect(r"^zlog: 10 records of 1 node stored in [\d.]+ s, 0 missing, 0 lost$")
    assert [record.severity for record in stored(urls[0])] == [9] * 5 + [5] * 5
    assert texts(urls[0]) == texts(urls[1])
    assert len((tmp_path / "c.txt").read_text().splitlines()) == 10


def test_for_ends_it(done, tmp_path) -> None:
    result = done("collect", f"sqlite:{tmp_path}/log.db", "--for", "200ms", "--json")
    assert result.returncode == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["ready", "end"]
    assert 0.2 <= lines[1]["seconds"] < 5


def test_what_was_logged_before(collecting, talker, tmp_path) -> None:
    web = talker("web")
    web.send("info 50")
    web.expect("logged 50")
    since = collecting(f"sqlite:{tmp_path}/since.db", "--since", "start", "--name", "since")
    plain = collecting(f"sqlite:{tmp_path}/plain.db", "--name", "plain")
    for collector in (since, plain):
        collector.expect('"joined"')
    web.send("info 5")
    web.expect("logged 55")
    web.process.stdin.close()
    for collector in (since, plain):
        collector.expect('"left"')
        assert collector.terminate() == 0
    assert texts(f"sqlite:{tmp_path}/since.db") == [f"line {number}" for number in range(55)]
    assert texts(f"sqlite:{tmp_path}/plain.db") == [f"line {number}" for number in range(50, 55)]


def test_without_beacons(collecting, done, environment, tmp_path) -> None:
    url = f"sqlite:{tmp_path}/log.db"
    collector = collecting(url, "--bind", "tcp://127.0.0.1")
    sync = json.loads(collector.lines.all[0])["sync"]
    environment["ZLOG_PORT"] = str(int(environment["ZLOG_PORT"]) + 1)  # where nobody else is
    sent = done("send", "--collector", sync, "by argument", env=environment)
    assert (sent.returncode, sent.stderr) == (0, "")
    sent = done("send", "by environment", env=environment | {"ZLOG_COLLECTORS": sync})
    assert (sent.returncode, sent.stderr) == (0, "")
    assert collector.terminate() == 0
    assert texts(url) == ["by argument", "by environment"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["sqlite:/nowhere/at/all.db"], "/nowhere/at/all.db"),
        (["nothing:x"], "is no store"),
        (["sqlite:{}/a.db", "--bind", "udp://x"], "is no address to bind"),
        (["sqlite:{}/a.db", "--bind", "tcp://203.0.113.9:1"], "203.0.113.9"),
        (["sqlite:{}/a.db", "--since", "soon"], "is no time"),
    ],
)
def test_what_cannot_start_is_one_line(done, tmp_path, arguments, problem) -> None:
    result = done("collect", *(argument.replace("{}", str(tmp_path)) for argument in arguments))
    assert result.returncode in (1, 2)
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""

"""`zlog query`: ordered, each record once, filters, losses."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.stores import NODES, START_NS, Run, expected, stored
from zlog.cli import main
from zlog.collector.stores import Filter, Loss, Part, Store, open_store
from zlog.collector.stores.model import GAP
from zlog.record import Record, Stored

CAUSE_EVICTED = 1


@pytest.fixture
def runs() -> list[Run]:
    return [Run(NODES[0], 1, 60), Run(NODES[1], 7, 40)]


def query(capsys, *arguments: str) -> list[Stored]:
    assert main(["query", "--json", *arguments]) == 0
    return [Stored.from_json(line) for line in capsys.readouterr().out.splitlines()]


def plain(records: list[Stored]) -> list[bytes]:
    return [record.to_json() for record in records]


def test_everything_of_one_store(runs, tmp_path, capsys) -> None:
    url = f"sqlite:{tmp_path}/a.db"
    parts = [part for run in runs for part in run.parts()]
    with open_store(url) as store:
        store.write(parts)
    assert plain(query(capsys, url)) == plain(expected(stored(parts)))


def test_stores_are_merged_and_each_record_is_there_once(runs, tmp_path, capsys) -> None:
    parts = [part for run in runs for part in run.parts()]
    urls = [f"sqlite:{tmp_path}/a.db", f"jsonl:{tmp_path}/b.jsonl", f"jsonl:{tmp_path}/c.jsonl"]
    for url in urls[:2]:
        with open_store(url) as store:
            store.write(parts)
    with open_store(urls[2]) as store:
        store.write(parts[::3])
    found = query(capsys, *urls[:2])
    assert plain(found) == plain(expected(stored(parts)))
    found = query(capsys, *urls)
    assert sorted(record.key for record in found) == sorted(record.key for record in stored(parts))
    limited = query(capsys, *urls, "-n", "9")
    assert plain(limited) == plain(expected(stored(parts), Filter(limit=9)))
    assert query(capsys, *urls, "-n", "0") == []


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["-l", "warn"], Filter(level=13)),
        (["--level", "ERROR"], Filter(level=17)),
        (["--node", "node-3*"], Filter(node="node-3*")),
        (["--node", NODES[0].hex()], Filter(node=NODES[0].hex())),
        (["--logger", "arm*"], Filter(logger="arm*")),
        (["--grep", "#1[0-5]$"], Filter(grep="#1[0-5]$")),
        (["--since", str(START_NS + 5 * 10**9)], Filter(since_ns=START_NS + 5 * 10**9)),
        (["--until", str(START_NS + 5 * 10**9)], Filter(until_ns=START_NS + 5 * 10**9)),
        (["-n", "3", "-l", "13"], Filter(level=13, limit=3)),
    ],
)
def test_filters(runs, tmp_path, capsys, arguments, wanted) -> None:
    parts = [part for run in runs for part in run.parts()]
    url = f"sqlite:{tmp_path}/a.db"
    with open_store(url) as store:
        store.write(parts)
    assert plain(query(capsys, url, *arguments)) == plain(expected(stored(parts), wanted))


def test_lines_for_people(runs, tmp_path, capsys) -> None:
    url = f"sqlite:{tmp_path}/a.db"
    with open_store(url) as store:
        store.write(runs[0].parts())
        store.gone((NODES[0], 1, 9), 900, 903, CAUSE_EVICTED, START_NS)
    assert main(["query", url, "--utc"]) == 0
    out, err = capsys.readouterr()
    assert "2025-11-20 08:00" in out
    assert "\x1b" not in out
    assert err == "zlog: 3 records of these nodes had gone; see --losses\n"
    assert main(["query", url, "--color", "always", "-n", "1"]) == 0
    assert "\x1b[" in capsys.readouterr().out


def test_losses_that_another_store_has_are_none(runs, tmp_path, capsys) -> None:
    key = NODES[0], 1, 9
    one, other = f"sqlite:{tmp_path}/a.db", f"jsonl:{tmp_path}/b.jsonl"
    with open_store(one) as store:
        store.gone(key, 1, 10, CAUSE_EVICTED, START_NS)
        store.gone(key, 100, 103, 3, START_NS + 1)
        store.gone((NODES[1], 1, 9), 5, 6, 0, START_NS)  # was never asked for
    with open_store(other) as store:
        store.write([runs[0].part(9, 4, 8)])
        store.gone(key, 1, 3, CAUSE_EVICTED, START_NS + 9)

    def losses(*arguments: str) -> list[dict[str, object]]:
        assert main(["query", "--losses", "--json", *arguments]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def spans(*arguments: str) -> list[tuple[int, int]]:
        return [(each["lost"]["start"], each["lost"]["stop"]) for each in losses(*arguments)]  # type: ignore[index]

    assert spans(one) == [(1, 10), (100, 103)]
    assert spans(one, other) == [(1, 4), (8, 10), (100, 103)]
    assert spans(one, other, "-n", "1") == [(100, 103)]
    assert spans(one, "-l", "warn") == []
    assert spans(one, other, "--node", "node-3a") == [(1, 4), (8, 10), (100, 103)]
    assert spans(one, other, "--node", "other*") == []
    assert losses(one, other)[0]["name"] == "node-3a"
    assert main(["query", "--losses", one, other, "--utc"]) == 0
    assert "LOST  3 INFO records of node-3a: evicted sequence 1 to 3" in capsys.readouterr().out


def losses_of(store: Store, count: int) -> None:
    """Of so many nodes that have no records."""
    store.write([], [Loss(f"{number:032x}", 1, 9, 1, 2, CAUSE_EVICTED, START_NS) for number in range(1, 1 + count)])


def test_losses_of_nodes_whose_name_nobody_knows_are_shown(runs, tmp_path, capsys) -> None:
    url = f"sqlite:{tmp_path}/a.db"
    with open_store(url) as store:
        losses_of(store, 300)
        store.write([runs[0].part(9, 4, 8)])
        store.gone((NODES[0], 1, 9), 1, 4, CAUSE_EVICTED, START_NS)

    def shown(*arguments: str) -> list[str]:
        assert main(["query", "--losses", url, *arguments]) == 0
        return [line.split()[7].rstrip(":") for line in capsys.readouterr().out.splitlines()]

    assert len(shown()) == 301
    assert len(shown("--node", "web")) == 300
    assert [name for name in shown("--node", "node-3*") if len(name) < 32] == ["node-3a"]
    assert shown("--node", f"{7:032x}") == [f"{7:032x}"]
    assert shown("--node", NODES[0].hex()) == ["node-3a"]
    assert shown("-n", "0") == []


@pytest.mark.parametrize("scheme", ["sqlite", "jsonl", "journal"])
def test_names_are_those_of_the_last_run(tmp_path, scheme) -> None:
    with open_store(f"{scheme}:{tmp_path}/a") as store:
        for epoch, name in ((2, "new"), (1, "old")):
            for range_ in (9, 13):
                records = [Record(range_, 1, range_, "", "")]
                store.write([Part(NODES[0], epoch, range_, 1, records, f"{name}-host", name)])
        store.write([Part(NODES[1], 1, 9, 1, [Record(1, 1, 9, "", "")], "h", "other")])
        losses_of(store, 3)
        assert store.names() == {NODES[0].hex(): ("new", "new-host"), NODES[1].hex(): ("other", "h")}


def test_the_newest_none_have_no_losses(runs, tmp_path, capsys) -> None:
    url = f"sqlite:{tmp_path}/a.db"
    with open_store(url) as store:
        losses_of(store, 3)
        store.write([runs[0].part(9, 4, 8)])
    assert main(["query", url, "-n", "0"]) == 0
    assert capsys.readouterr() == ("", "zlog: 3 records of these nodes had gone; see --losses\n")


def test_json_says_that_something_is_lost(runs, tmp_path, capsys) -> None:
    url = f"sqlite:{tmp_path}/a.db"
    with open_store(url) as store:
        losses_of(store, 3)
        store.write([runs[0].part(9, 4, 8)])
    assert main(["query", url, "--json"]) == 0
    out, err = capsys.readouterr()
    assert len([Stored.from_json(line) for line in out.splitlines()]) == 4
    assert err == "zlog: 3 records of these nodes had gone; see --losses\n"


def test_from_the_start_and_more_than_there_is(runs, tmp_path, capsys) -> None:
    url = f"sqlite:{tmp_path}/a.db"
    parts = runs[0].parts()
    with open_store(url) as store:
        store.write(parts)
    everything = plain(expected(stored(parts)))
    assert plain(query(capsys, url, "--since", "start")) == everything
    assert plain(query(capsys, url, "-n", "9" * 5000)) == everything


def test_whoever_reads_leaves(runs, tmp_path) -> None:
    """As for tail: an exit code, and no message."""
    url = f"sqlite:{tmp_path}/a.db"
    with open_store(url) as store:
        store.write(runs[0].parts())
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "zlog", "query", url], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_what_is_lost_stands_at_its_place(runs, tmp_path, capsys) -> None:
    """Between the records of its run and range, in text only; at the end what has nothing behind it."""
    one, other = f"sqlite:{tmp_path}/a.db", f"jsonl:{tmp_path}/b.jsonl"
    run = runs[0]
    with open_store(one) as store:
        store.write([run.part(9, 1, 6), run.part(9, 9, 12)])
        store.gone((NODES[0], 1, 9), 6, 9, CAUSE_EVICTED, START_NS + 10**18)
        store.gone((NODES[0], 1, 9), 12, 20, GAP, START_NS + 10**18)
    with open_store(other) as store:
        store.write([run.part(9, 7, 8)])
        store.gone((NODES[0], 1, 9), 13, 14, 3, START_NS + 10**18)

    def shown(*arguments: str) -> list[str]:
        assert main(["query", "--utc", *arguments]) == 0
        found = []
        for line in capsys.readouterr().out.splitlines():
            if " LOST " in line:
                found.append(line.partition(" LOST  ")[2])
            elif match := re.search(r"#(\d+)", line):
                found.append(f"#{match[1]}")
        return found

    def texts(*sequences: int) -> list[str]:
        return [f"#{run.streams[9][sequence - 1].ordinal}" for sequence in sequences]

    gap = "missing, and nobody is left to ask sequence"
    assert shown(one, other) == [
        *texts(1, 2, 3, 4, 5),
        "1 INFO record of node-3a: evicted sequence 6",
        *texts(7),
        "1 INFO record of node-3a: evicted sequence 8",
        *texts(9, 10, 11),
        f"1 INFO record of node-3a: {gap} 12",
        "1 INFO record of node-3a: dropped sequence 13",
        f"6 INFO records of node-3a: {gap} 14 to 19",
    ]
    assert len(shown(one, other, "-l", "warn")) == 0
    assert main(["query", "--json", one, other]) == 0
    assert "lost" not in capsys.readouterr().out


def test_a_clock_that_was_set_back_between_two_stores(tmp_path, capsys) -> None:
    """Each store has every other record of a run, and those of one are older than those of the other."""
    times = [START_NS + (60 * 10**9 if number % 2 else 0) + number for number in range(40)]
    records = [Record(number + 1, time_ns, 9, "log", f"line {number}") for number, time_ns in enumerate(times)]
    urls = [f"sqlite:{tmp_path}/a.db", f"journal:{tmp_path}/b"]
    for place, url in enumerate(urls):
        with open_store(url) as store:
            store.write([Part(NODES[0], 1, 9, number + 1, [records[number]]) for number in range(place, 40, 2)])
    assert [record.ordinal for record in query(capsys, *urls)] == list(range(1, 41))


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["nothing:x"], 2, "is no store; possible are sqlite:PATH"),
        (["memory:"], 2, "memory: is empty"),
        (["sqlite:{}/none.db"], 1, "none.db"),
        (["jsonl:{}/none.jsonl"], 1, "none.jsonl"),
        (["file:{}/a.txt"], 2, "a.txt is for people and can't be queried; use grep and less"),
        (["sqlite:{}/a.db", "--since", "soon"], 2, "'soon' is no time; write 10m"),
        (["sqlite:{}/a.db", "--until", "2026-99-99"], 2, "is no time"),
        (["sqlite:{}/a.db", "--grep", "("], 2, "--grep '(' is no regular expression"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, capsys, arguments, code, problem) -> None:
    assert main(["query", *(argument.replace("{}", str(tmp_path)) for argument in arguments)]) == code
    out, err = capsys.readouterr()
    assert problem in err
    assert len(err.splitlines()) == 1
    assert out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "the following arguments are required: STORE"),
        (["sqlite:a.db", "-l", "loud"], "'loud' is no level; possible are trace"),
        (["sqlite:a.db", "-n", "-1"], "is no whole number"),
        (["sqlite:a.db", "-n", "x"], "'x' is no whole number"),
    ],
)
def test_wrong_usage(capsys, arguments, problem) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["query", *arguments])
    assert raised.value.code == 2
    err = capsys.readouterr().err
    assert problem in err
    assert err.endswith("see zlog query --help\n")


def test_losses_are_values() -> None:
    assert Loss("3a" * 16, 1, 9, 1, 2, 1, 0).key == (NODES[0], 1, 9)

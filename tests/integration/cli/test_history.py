"""`zlog tail` and `zlog query` over what is stored, what nodes hold, what dead programs left, and what comes."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from support.programs import Program
from zlog.collector.stores import open_store
from zlog.record import Stored

from .conftest import TALKER, ZLOG

Maker = Callable[..., Program]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def keeper(start: Maker, environment: dict[str, str], journal: Path) -> Callable[[str], Program]:
    """A `talker` with a journal on disk. What it has said is there: it flushes."""

    def run(name: str) -> Program:
        code = TALKER.replace('    print("logged"', '    zlog.flush(0.1)\n    print("logged"')
        program = start([sys.executable, "-u", "-c", code, name], env=environment | {"ZLOG_JOURNAL": str(journal)})
        program.expect("ready")
        return program

    return run


@pytest.fixture
def there(done, wait_until):
    """Waits until nodes serve so many collectors."""

    def wait(count: int) -> None:
        def served() -> bool:
            nodes = json.loads(done("status", "--json").stdout)["nodes"]
            return bool(nodes) and all(sum(link["live"] for link in node["links"]) == count for node in nodes)

        wait_until(served, 30)

    return wait


def numbers(lines: Iterable[str]) -> dict[str, list[int]]:
    """By node, in the order of the lines."""
    found = defaultdict(list)
    for line in lines:
        record = Stored.from_json(line)
        found[record.name].append(int(record.text.split()[1]))
    return dict(found)


def rising(lines: list[str]) -> bool:
    """Whether they are in the order of their times; a clock that was set back apart."""
    times = [Stored.from_json(line).time_ns for line in lines]
    return times == sorted(times)


def say(program: Program, *orders: str) -> None:
    """Have it log, and wait until it has."""
    for order in orders:
        program.send(order)
        program.expect("logged")


def test_a_dead_program_s_journal_is_read(keeper, done, journal) -> None:
    web, api = keeper("web"), keeper("api")
    say(web, "info 300", "warn 5")
    say(api, "info 200", "error 1")
    web.kill()
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in journal.rglob("*") if "tally" not in str(path))
    result = done("query", f"journal:{journal}", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert numbers(lines) == {"web": list(range(305)), "api": list(range(201))}
    assert rising(lines)
    say(api, "info 1")
    result = done("query", f"journal:{journal}", "-l", "warn", "-n", "3", "--json")
    assert numbers(result.stdout.splitlines()) == {"web": [303, 304], "api": [200]}
    after = sorted((str(path), path.lstat().st_mtime_ns) for path in journal.rglob("*") if "tally" not in str(path))
    assert [path for path, _ in after if "web" in path] == [path for path, _ in before if "web" in path]
    assert done("collect", f"journal:{journal}", "--for", "1").stderr == (
        f"zlog: {journal} has the journals of programs, and can't be a store too; name another directory\n"
    )


def test_a_program_does_not_write_into_a_collector_s_store(environment, tmp_path) -> None:
    with open_store(f"journal:{tmp_path}/store"):
        pass
    result = subprocess.run(
        [*ZLOG, "send", "hello"],
        env=environment | {"ZLOG_JOURNAL": f"{tmp_path}/store"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
    assert f"{tmp_path}/store is the store of a collector" in result.stderr
    assert "Traceback" not in result.stderr


def test_stored_held_left_by_the_dead_and_live_as_one_list(
    keeper, viewer, collecting, command, there, journal, tmp_path
) -> None:
    """20,000 records: some in one store, some in two, some in a store and in a journal, some only there; while tail
    reads them more come. Each once, and those of a node in order."""
    store, other = f"sqlite:{tmp_path}/a.db", f"journal:{tmp_path}/b"
    web, api, old = keeper("web"), keeper("api"), keeper("old")
    collector = collecting(store, "--since", "start")
    say(web, "info 3000", "warn 500", "info 1500")
    say(old, "info 2000")
    assert collector.terminate() == 0
    collector = collecting(other, "--since", "start")
    say(api, "info 2500", "error 500")
    say(old, "info 1000", "warn 1000")
    assert collector.terminate() == 0
    old.kill()
    say(web, "info 1000")
    still = collecting(store)  # goes on, and writes while its store is read
    tail = viewer("--json", "--since", "start", store, other, f"journal:{journal}", stderr=subprocess.PIPE)
    for _ in range(10):
        say(web, "info 200", "warn 100")
        say(api, "info 200", "warn 100")
    tail.expect(lambda line: '"line 8999"' in line and '"web"' in line, timeout_s=60)
    tail.expect(lambda line: '"line 5999"' in line and '"api"' in line, timeout_s=60)
    say(web, "info 500")
    say(api, "info 500")
    tail.expect(lambda line: '"line 9499"' in line and '"web"' in line, timeout_s=60)
    tail.expect(lambda line: '"line 6499"' in line and '"api"' in line, timeout_s=60)
    assert still.terminate() == 0
    assert tail.terminate() == 0
    assert tail.process.stderr.read() == ""
    tail.process.stderr.close()
    lines = tail.lines.all
    found = numbers(lines)
    assert {name: len(each) for name, each in found.items()} == {"web": 9500, "api": 6500, "old": 4000}
    for name, each in found.items():
        assert each == list(range(len(each))), name
    assert rising(lines[:15_000])  # what was before is one list


def test_the_newest_of_all(keeper, viewer, collecting, done, journal, tmp_path) -> None:
    store = f"sqlite:{tmp_path}/a.db"
    web, api = keeper("web"), keeper("api")
    collector = collecting(store, "--since", "start")
    say(web, "info 20")
    assert collector.terminate() == 0
    say(api, "info 4")
    web.kill()
    tail = viewer("--json", store)
    tail.expect(lambda line: '"line 3"' in line and '"api"' in line, timeout_s=30)
    say(api, "info 2")
    tail.expect(lambda line: '"line 5"' in line and '"api"' in line, timeout_s=30)
    assert tail.terminate() == 0
    assert numbers(tail.lines.all) == {"web": [14, 15, 16, 17, 18, 19], "api": [0, 1, 2, 3, 4, 5]}
    assert rising(tail.lines.all)


def test_what_a_store_has_is_not_lost(viewer, talker, collecting, there, tmp_path, environment) -> None:
    """The node has let go of the first records; the store has them, but for what it was never given."""
    store = f"jsonl:{tmp_path}/a.jsonl"
    environment["ZLOG_JOURNAL_BYTES"] = "64K"
    web = talker("web")
    collector = collecting(store)
    there(1)
    say(web, "info 100")
    assert collector.terminate() == 0
    say(web, "info 20000")
    collector = collecting(store)
    say(web, "info 10")
    collector.expect('"joined"')
    assert collector.terminate() == 0
    tail = viewer("--since", "start", store, "--utc")
    tail.expect(r"LOST .* INFO records of web: evicted sequence 101 to \d+$", timeout_s=30)
    tail.expect(" line 20109 ", timeout_s=30)
    assert tail.terminate() == 0
    places = [place for place, line in enumerate(tail.lines.all) if "LOST" in line]
    assert places == [100]
    assert tail.lines.all[99].split()[5:7] == ["line", "99"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite:{}/none.db", "none.db can't be opened: unable to open database file"),
        ("file:{}/log.txt", "for people and can't be queried"),
        ("journal:{}", "has no journal in it"),
        ("memory:", "memory: is empty"),
        ("what:x", "'what:x' is no store"),
    ],
)
def test_a_store_that_can_not_be_read_is_an_error_before_anything_starts(done, tmp_path, url, problem) -> None:
    with open_store(f"file:{tmp_path}/log.txt"):
        pass
    result = done("tail", url.format(tmp_path))
    assert result.returncode in (1, 2)
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_ctrl_c_in_the_middle_of_a_long_history(command, talker, collecting, tmp_path) -> None:
    store = f"sqlite:{tmp_path}/a.db"
    web = talker("web")
    collector = collecting(store, "--since", "start")
    say(web, "info 20000")
    assert collector.terminate(30) == 0
    reader, writer = os.pipe()
    tail = command("tail", "--since", "start", store, stdout=writer)
    os.close(writer)
    assert os.read(reader, 10)  # it has begun, and the pipe is full soon
    tail.process.send_signal(signal.SIGINT)
    assert tail.wait(30) == 0
    os.close(reader)


def test_whoever_reads_a_history_leaves(environment, talker, collecting, tmp_path) -> None:
    store = f"sqlite:{tmp_path}/a.db"
    web = talker("web")
    collector = collecting(store, "--since", "start")
    say(web, "info 5000")
    assert collector.terminate(30) == 0
    line = " ".join([*ZLOG, "tail", "--since", "start", "--json", store])
    done = subprocess.run(
        ["bash", "-c", f"{line} | head -3; echo ${{PIPESTATUS[0]}}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *records, code = done.stdout.splitlines()
    assert numbers(records) == {"web": [0, 1, 2]}
    assert (code, done.stderr) == ("1", "")

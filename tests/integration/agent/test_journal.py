"""The journal on disk with real processes: kill -9 of node, of collector, of both; many processes, forks, a full disk.

"Said" is what the program printed that it had logged; `flush` before it puts that into the journal.
"""

import os
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.programs import Program, python_args
from support.tools import require_tool, unavailable
from zlog.agent import kept as kepts
from zlog.agent import tally
from zlog.collector import Collector, CollectorStatus
from zlog.collector.stores import open_store
from zlog.record import Stored

from .conftest import SETUP

ProgramMaker = Callable[..., Program]
CollectorMaker = Callable[..., Collector]

FLOOD = """
import threading, time
agent = zlog.start()
began, number, pause = time.monotonic(), 0, threading.Event()
while number < int(sys.argv[3]):
    for _ in range(100):
        number += 1
        log.log([20, 20, 20, 30][number % 4], "line %d", number)
    if number % 1000 == 0:
        zlog.flush(0.2)
        print("said", number, flush=True)
    pause.wait(max(0, began + number / 10_000 - time.monotonic()))
print("end", flush=True)
sys.stdin.readline()
"""
WAITS = "zlog.start(); print('ready', flush=True); sys.stdin.readline()"


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zre_port: int) -> Path:
    """A directory that all programs of the test use."""
    monkeypatch.setenv("ZLOG_INTERFACE", "lo")
    monkeypatch.setenv("ZLOG_PORT", str(zre_port))
    folder = tmp_path / "journal"
    monkeypatch.setenv("ZLOG_JOURNAL", str(folder))
    return folder


def said(app: Program) -> int:
    app.lines.join()
    return max(int(line.split()[1]) for line in app.lines.all if line.startswith("said"))


def numbers(records: list[Stored]) -> list[int]:
    return [int(record.text.split()[1]) for record in records if record.text.startswith("line ")]


def numbered(journal: Path) -> int:
    """How many numbers the runs in the directory gave out, by their own files."""
    return sum(sum(kepts._read_state(str(path / "state"))[0]) - 6 for path in journal.glob("*-*"))


def is_quiet(status: CollectorStatus) -> bool:
    """Everything that nodes told of is stored or named."""
    return all(view.missing == 0 and view.lag == 0 for node in status.nodes for view in node.ranges.values())


def kill_after(app: Program, text: str) -> int:
    app.expect(text, timeout_s=30)
    app.kill()
    return said(app)


def check(store: str, journal: Path, least: int) -> None:
    """Whole up to what was said, in order, once; and the rest named: stored + named = numbered."""
    with open_store(store).open(read_only=True) as opened:
        records = list(opened.query())
        found = numbers(records)
        lost = sum(loss.stop - loss.start for loss in opened.losses() if loss.cause)
    assert found == sorted(set(found))
    assert found[:least] == list(range(1, least + 1))
    assert len(found) + lost == numbered(journal)


@pytest.mark.parametrize("kind", ["sqlite:{}/log.db", "journal:{}/store"])
def test_a_node_is_killed_at_ten_thousand_a_second_and_started_again(
    program: ProgramMaker, collect: CollectorMaker, journal: Path, tmp_path: Path, kind: str
) -> None:
    least = kill_after(program(FLOOD, "1000000"), "said 15000")
    total = numbered(journal)
    program(WAITS, name="again").expect("ready")
    store = kind.format(tmp_path)
    collector = collect(store, since="start")
    assert collector.wait_until(lambda status: status.received >= least and is_quiet(status), 30)
    collector.stop()
    assert total >= least
    check(store, journal, least)


def test_node_and_collector_are_killed_in_the_middle_and_both_started_again(
    program: ProgramMaker, collect: CollectorMaker, journal: Path, tmp_path: Path, start: ProgramMaker, zre_port: int
) -> None:
    store = f"journal:{tmp_path}/store"
    code = "import sys; from zlog.cli import main; sys.exit(main(sys.argv[1:]))"
    first = start(python_args(code, "collect", store, "-i", "lo", "--port", str(zre_port), "--json"))
    first.expect('"ready"', timeout_s=20)
    app = program(FLOOD, "1000000")
    app.expect("said 10000", timeout_s=30)
    first.kill()
    least = kill_after(app, "said 20000")
    second = start(python_args(code, "collect", store, "-i", "lo", "--port", str(zre_port), "--json"))
    second.expect('"ready"', timeout_s=20)
    second.kill()
    program(WAITS, name="again").expect("ready")
    collector = collect(store)
    assert collector.wait_until(lambda status: reaches(store, least) and is_quiet(status), 30)
    collector.stop()
    check(store, journal, least)


def reaches(store: str, least: int) -> bool:
    """Whether a store of another process, or thread, has so many."""
    with open_store(store).open(read_only=True) as opened:
        return sum(intervals.count() for intervals in opened.held().values()) >= least


FAST = """
import itertools, mmap, threading
zlog.start(discover=False)
with open(sys.argv[3], "r+b") as file:
    finished = memoryview(mmap.mmap(file.fileno(), 32)).cast("Q")
def work(index):
    write = [log.info, log.warning, log.info, lambda text: log.info("%s %s", text, "x" * 2000)][index]
    for number in itertools.count(1):
        write("x")
        finished[index] = number  # its own: no other thread writes there
for index in range(4):
    threading.Thread(target=work, args=(index,)).start()
"""


def test_what_a_killed_process_had_taken_is_stored_or_named(
    program: ProgramMaker, collect: CollectorMaker, journal: Path, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    """Ten are killed while four threads of each log as fast as they can, at any moment from the first record on."""
    noise = random.Random(time.time_ns() if (seed := os.environ.get("ZLOG_KILL_SEED")) is None else int(seed))
    finished: dict[str, int] = {}  # by name of the run's folder
    for number in range(10):
        mine = tmp_path / f"finished-{number}"
        mine.write_bytes(bytes(32))
        app = program(FAST, str(mine))
        moment = noise.choice([1, noise.randrange(1, 2_000), noise.randrange(1, 15_000)])
        wait_until(lambda mine=mine, moment=moment: sum(memoryview(mine.read_bytes()).cast("Q")) >= moment, 30)
        app.kill()
        (run,) = {path.name for path in journal.iterdir() if kepts.run_of(path.name)} - set(finished)
        finished[run] = sum(memoryview(mine.read_bytes()).cast("Q"))
    program(WAITS, name="again").expect("ready")
    store = f"journal:{tmp_path}/store"
    collector = collect(store, since="start")
    assert collector.wait_until(lambda status: reaches(store, sum(finished.values())) and is_quiet(status), 60)
    collector.stop()
    found = dict.fromkeys(finished, 0)
    with open_store(store).open(read_only=True) as opened:
        for record in opened.query():
            found[f"{record.node}-{record.epoch}"] += 1
        for loss in opened.losses():
            found[f"{loss.node}-{loss.epoch}"] += loss.stop - loss.start
    for run, count in finished.items():
        assert count <= found[run] <= count + 4, (run, finished, found)  # at most one of each thread was on its way
    wait_until(lambda: not [path for path in journal.glob(f"*/{tally.LINK}") if path.parent.name in finished], 10)


def test_parent_and_child_each_count_their_own(program: ProgramMaker, journal: Path, tmp_path: Path) -> None:
    """Both are killed before either agent has had a turn since."""
    app = program(
        """
        import os
        def log_and_die(number):
            zlog.start()._engine._take_records = lambda now: False
            for _ in range(number):
                log.info("lost")
            os.kill(os.getpid(), 9)
        zlog.start(discover=False)
        log.info("first")
        zlog.flush(0)
        if not os.fork():
            log.info("first of the child")
            zlog.flush(0)
            log_and_die(5)
        os.wait()
        log_and_die(7)
        """
    )
    app.wait(20)
    found = []
    for path in journal.glob("*-*"):
        run = kepts.run_of(path.name)
        assert run is not None
        kept = kepts.Kept(str(path), run, kepts.Segments())
        kept.read()
        found.append((kept.ends[2], kept.nexts[2]))
        tally.remove(str(path))
    assert sorted(found) == [(2, 7), (2, 9)]


def test_of_many_that_start_again_one_takes_it_over(
    program: ProgramMaker, collect: CollectorMaker, journal: Path
) -> None:
    least = kill_after(program(FLOOD, "1000000"), "said 3000")
    apps = [program(WAITS, name=f"again-{number}") for number in range(5)]
    for app in apps:
        app.expect("ready")
    collector = collect(view=True, since="start")
    assert collector.wait_until(lambda status: status.received >= least and is_quiet(status), 30)
    found = numbers(list(collector.records(0)))
    assert sorted(found) == sorted(set(found))
    assert len(found) + sum(loss.stop - loss.start for loss in collector.losses() if loss.cause) == numbered(journal)


def test_a_run_that_ends_while_others_live_is_offered_to_the_collector_that_is_there(
    program: ProgramMaker, collect: CollectorMaker, journal: Path, tmp_path: Path
) -> None:
    """Taken over by one that runs: it looks every few seconds."""
    app = program(FLOOD, "1000000", env=os.environ | {"ZLOG_DISCOVER": "no"})  # nobody reaches this one
    app.expect("said 1000", timeout_s=20)
    program(WAITS, name="lives").expect("ready")
    store = f"sqlite:{tmp_path}/log.db"
    collector = collect(store, since="start")
    least = kill_after(app, "said 3000")
    assert collector.wait_until(lambda status: status.received >= least and is_quiet(status), 30)
    collector.stop()
    check(store, journal, least)


def test_an_orderly_end_leaves_all_of_it_for_a_later_collector(
    program: ProgramMaker, collect: CollectorMaker, journal: Path
) -> None:
    app = program("for number in range(3000): log.info('line %d', number)")
    assert app.wait(20) == 0
    program(WAITS, name="again").expect("ready")
    collector = collect(view=True, since="start")
    assert collector.wait_until(lambda status: status.received >= 3000, 20)
    assert numbers(list(collector.records(0))) == list(range(3000))


def test_commits_remove_nothing(program: ProgramMaker, collect: CollectorMaker, journal: Path, tmp_path: Path) -> None:
    first = collect(f"sqlite:{tmp_path}/first.db")
    app = program("zlog.start().wait_link(10); log.info('line 1'); print(zlog.flush(10), flush=True)")
    app.expect("True")
    assert app.wait() == 0
    first.stop()
    program(WAITS, name="again").expect("ready")
    second = collect(view=True, since="start")
    assert second.wait_until(lambda status: status.received >= 1, 20)


def test_forked_children_have_folders_of_their_own(
    program: ProgramMaker, collect: CollectorMaker, journal: Path
) -> None:
    app = program(
        """
        import os
        log.info("line 1")
        zlog.flush()
        for number in (2, 3):
            if not os.fork():
                log.info("line %d", number)
                zlog.shutdown()
                os._exit(0)
            os.wait()
        print("ready", flush=True)
        sys.stdin.readline()
        """
    )
    app.expect("ready", timeout_s=20)
    assert len(list(journal.glob("*-*"))) == 3
    app.kill()
    program(WAITS, name="again").expect("ready")
    collector = collect(view=True, since="start")
    assert collector.wait_until(lambda status: status.received >= 3, 20)
    assert sorted(numbers(list(collector.records(0)))) == [1, 2, 3]


def test_replay_lets_live_records_pass(program: ProgramMaker, collect: CollectorMaker, journal: Path) -> None:
    """What is logged while a large run is replayed doesn't wait for its end."""
    app = program(
        """
        for number in range(80_000):
            log.info("old %d %s", number, "x" * 50)
            if number % 10_000 == 0:
                zlog.flush(0)
        """
    )
    assert app.wait(60) == 0
    live = program(
        """
        import threading, time
        agent = zlog.start()
        agent.wait_link(20)
        pause = threading.Event()
        for number in range(100):
            log.info("line %d", number)
            pause.wait(0.01)
        print("ready", flush=True)
        sys.stdin.readline()
        """,
        name="live",
    )
    collector = collect(view=True, since="start")
    live.expect("ready", timeout_s=30)
    assert collector.wait_until(lambda status: status.received >= 80_100, 60)
    found = [(record.text, record.received_ns - record.time_ns) for record in collector.records(0)]
    assert sum(text.startswith("old") for text, _ in found) == 80_000
    delays = [delay for text, delay in found if text.startswith("line")]
    assert len(delays) == 100
    assert max(delays) < 1_000_000_000


DISK_FULL = """
import logging, sys, zlog
from pathlib import Path
ballast = Path(sys.argv[1]) / "ballast"
agent = zlog.start(discover=False, journal=sys.argv[1] + "/journal")
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()], force=True)
logging.getLogger("zlog").addHandler(logging.StreamHandler())
def flush_until(failing):
    for number in range(100_000):
        logging.info("line %d %s", number, "y" * 20)
        if number % 50 == 0:
            agent.flush()
            if bool(agent.status().disk_failing) == failing:
                return
ballast.write_bytes(bytes(300_000))
flush_until(True)
print(agent.status().disk_failing)
ballast.unlink()
import threading
pause = threading.Event()
for _ in range(100):
    pause.wait(0.05)
    if not agent.status().disk_failing:
        break
print(agent.status().disk_failing, agent.status().unwritten)
logging.warning("last")
agent.flush()
from zlog.agent.kept import Kept, Segments, run_of
(path,) = Path(sys.argv[1], "journal").glob("*-*")
kept = Kept(str(path), run_of(path.name), Segments())
kept.read()
for first in (9, 13):
    at = 1
    while at < kept.next(first):
        item = kept.at(first, at)
        assert type(item).__name__ == "Batch", item
        at = item.stop
print("whole", kept.next(9) == agent.status().next[9], kept.next(13))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[[str], list[str]]:
    """The command that runs a shell's command where the test's folder is a disk of 400 kB."""
    require_tool("unshare", "apt-get install util-linux")
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        unavailable("needs a mount namespace", "run it as root, or allow unprivileged user namespaces")
    return lambda command: [*alone, "sh", "-c", f"mount -t tmpfs -o size=400k none {tmp_path} && {command}"]


def test_a_disk_that_is_full_for_a_while(tmp_path: Path, small_disk: Callable[[str], list[str]]) -> None:
    done = subprocess.run(
        [*small_disk('exec "$@"'), "sh", sys.executable, "-c", DISK_FULL, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["No space left on device", "None 0", "whole True 2"], done.stderr
    assert len(re.findall("can't write its journal", done.stderr)) == 1


DISK_FULL_TWICE = """
import os, threading
from pathlib import Path
from zlog.agent import process
ballast = Path(sys.argv[3], "ballast")
agent = zlog.start(discover=False, journal_bytes=200_000, journal=sys.argv[3] + "/journal")
logging.getLogger("zlog").addHandler(logging.StreamHandler())
pause, count = threading.Event(), 0
def some(number):
    global count
    for _ in range(number):
        count += 1
        log.log([20, 30][count % 10 == 0], "line %d %s", count, os.urandom(10).hex())
def until(failing):
    while bool(agent.status().disk_failing) != failing:
        some(100)
        agent.flush()
        pause.wait(0.01)
some(100)
ballast.write_bytes(bytes(300_000))
until(True)
some(20_000)  # more than there is room for in memory
agent.flush()
ballast.unlink()
until(False)
some(100)
agent.flush()
print("unwritten", agent.status().unwritten, flush=True)
ballast.write_bytes(bytes(os.statvfs(sys.argv[3]).f_bavail * os.statvfs(sys.argv[3]).f_frsize))
until(True)
some(700)
print("logged", count, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_node_that_is_killed_while_the_disk_is_full(
    collect: CollectorMaker, start: ProgramMaker, tmp_path: Path, zre_port: int, small_disk: Callable[[str], list[str]]
) -> None:
    """Once it was full and memory had to let go of much; the second time the node dies of something else."""
    full = [sys.executable, "-c", SETUP + DISK_FULL_TWICE, str(zre_port), "full", str(tmp_path)]
    again = [sys.executable, "-c", SETUP + "zlog.start(journal=sys.argv[3] + '/journal')\n" + WAITS,
             str(zre_port), "again", str(tmp_path)]  # fmt: skip
    command = f"{shlex.join(full)}; rm {tmp_path}/ballast; exec {shlex.join(again)}"
    app = start(small_disk(command), env=os.environ | {"ZLOG_INTERFACE": "lo", "ZLOG_PORT": str(zre_port)})
    app.expect("logged", timeout_s=60)
    app.expect("ready", timeout_s=20)
    unwritten, logged = (
        next(int(line.split()[1]) for line in app.lines.all if line.startswith(word))
        for word in ("unwritten", "logged")
    )
    collector = collect("memory:", view=True, since="start")
    assert collector.wait_until(lambda status: status.nodes and is_quiet(status) and total(collector) >= logged, 30)
    found = numbers(list(collector.records(0)))
    assert len(found) == len(set(found))
    assert len(found) + named(collector) == logged
    assert 0 < unwritten < named(collector)
    said = [line for line in app.lines.all if "its journal" in line]
    assert [line.partition(" its journal")[0].split()[-1] for line in said] == ["write", "writes"], said
    assert said[0].endswith("journal: No space left on device; it goes on in memory")
    assert said[1].endswith(f"its journal again; {unwritten} records are not in it")


def named(collector: Collector) -> int:
    return sum(loss.stop - loss.start for loss in collector.losses() if loss.cause)


def total(collector: Collector) -> int:
    return collector.status().received + named(collector)


def test_a_directory_that_cannot_be_written_costs_one_line_and_no_record(
    program: ProgramMaker, collect: CollectorMaker, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    collector = collect(view=True)
    app = program("log.info('line 1')", env=os.environ | {"ZLOG_JOURNAL": str(tmp_path / "file" / "journal")})
    assert app.wait() == 0
    assert collector.wait_until(lambda status: status.received >= 1, 10)

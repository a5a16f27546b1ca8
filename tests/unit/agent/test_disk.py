"""The journal on disk: what it keeps, who takes it over, how large and how old it gets, what a full disk does."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.programs import Program, python_args
from zlog.agent import disk as disks
from zlog.agent import kept as kepts
from zlog.agent import trim
from zlog.agent.disk import DiskJournal
from zlog.agent.kept import Kept, Segments
from zlog.core.batches import Batch, Cutter, Run
from zlog.core.holdings import Holdings
from zlog.core.journal import Cursor, Gone, Journal
from zlog.core.sync import RunKey
from zlog.record import Record, encode
from zlog.report import Once
from zlog.severity import RANGES
from zlog.wire.zre_log_msg import CAUSE_DAMAGED, CAUSE_DROPPED, CAUSE_EVICTED

SECOND = 1_000_000_000


class Said(Once):
    """What would be logged."""

    def __init__(self) -> None:
        super().__init__("")
        self.lines: list[str] = []

    def warn(self, cause: str, text: str, *args: object, exc_info: Any = None) -> None:
        if cause not in self._told:
            self._told.add(cause)
            self.lines.append(text % args)


class Node:
    """What an agent has around its journal on disk, with a clock of its own."""

    made: list["Node"] = []  # noqa: RUF012

    def __init__(self, folder: Path, memory: int = 1 << 20, size: int = 1 << 24, age_s: float = 3600.0) -> None:
        self.run = Run(uuid.uuid4(), 1_763_625_600_000_000_000 + len(self.made))
        self.holdings = Holdings(self.run, Journal(memory))
        self.cutter = Cutter(self.run, "host", "name", 1)
        self.said = Said()
        self.disk = DiskJournal(str(folder), self.holdings, size, age_s, self.said)
        self.now = 1
        self.made.append(self)

    @property
    def path(self) -> Path:
        return Path(self.disk._directory) / kepts.folder_name(self.holdings.key)

    def log(self, *severities: int, text: str = "text") -> list[Batch]:
        """One batch for each."""
        batches = []
        for severity in severities:
            ordinal, sequence = self.run.number(severity)
            record = encode(Record(ordinal, 1000 + ordinal, severity, "app", f"{text} {ordinal}"))
            batches += self.cutter.add(severity, sequence, ordinal, 1000 + ordinal, record, self.now)
            batches += self.cutter.flush()
        for batch in batches:
            self.holdings.journal.append(batch, self.now)
            self.disk.pump(self.now)
        return batches

    def look(self) -> bool:
        self.now += disks.LOOK_NS
        return self.disk.look(self.now, often=True)

    def die(self) -> None:
        """As by kill -9: nothing is written any more, the kernel closes what was open."""
        self.disk.abandon()


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    Node.made.clear()
    yield
    for node in Node.made:
        node.disk.close(node.now)


def answers(holdings: Holdings, run: RunKey, first: int) -> list[Batch | Gone]:
    at, found = 1, []
    following = holdings.next(run, first)
    assert following is not None
    while at < following:
        item = holdings.at(run, first, at)
        assert item is not None
        assert item.stop > at
        found.append(item)
        at = item.stop
    return found


def test_what_a_dead_process_had_is_taken_over(tmp_path: Path) -> None:
    dead, other = Node(tmp_path), Node(tmp_path)
    logged = dead.log(9, 17, 9, 5)
    assert not other.look()  # it lives
    dead.die()
    assert other.look()
    assert not other.look()
    key = dead.holdings.key
    assert other.holdings.held()[1].ranges == ((1, 1), (1, 2), (1, 3), (1, 1), (1, 2), (1, 1))
    assert [item for first in (5, 9, 17) for item in answers(other.holdings, key, first)] == [
        logged[3], logged[0], logged[2], logged[1],
    ]  # fmt: skip


def test_of_two_adopters_one_has_it(tmp_path: Path) -> None:
    dead, one, two = Node(tmp_path), Node(tmp_path), Node(tmp_path)
    dead.log(9)
    dead.die()
    assert one.look()
    assert not two.look()
    assert not two.holdings.earlier
    one.die()
    assert two.look()
    assert dead.holdings.key in two.holdings.earlier


def test_without_the_lock_both_have_it_and_one_that_lives_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The safeguard off."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    alive, one, two = Node(tmp_path), Node(tmp_path), Node(tmp_path)
    alive.log(9)
    assert one.look()
    assert two.look()


def test_numbers_that_were_given_out_but_not_written_are_named(tmp_path: Path) -> None:
    dead, other = Node(tmp_path), Node(tmp_path)
    (logged,) = dead.log(9)
    for _ in range(5):  # in an open batch when it is killed
        dead.run.number(9)
    dead.disk.pump(dead.now)
    dead.die()
    other.look()
    assert answers(other.holdings, dead.holdings.key, 9) == [logged, Gone(9, 2, 7, CAUSE_DROPPED)]
    assert other.holdings.at(dead.holdings.key, 9, 7) == Gone(9, 7, 2**64 - 1, CAUSE_DROPPED)


def test_a_torn_last_write_is_named(tmp_path: Path) -> None:
    node = Node(tmp_path)
    logged = node.log(9, 9, 9)
    node.die()
    (segment,) = node.path.glob("09-*.seg")
    whole = segment.read_bytes()
    for cut in range(1, len(whole) // 3):
        segment.write_bytes(whole[:-cut])
        other = Node(tmp_path)
        assert other.look()
        assert answers(other.holdings, node.holdings.key, 9) == [*logged[:2], Gone(9, 3, 4, CAUSE_DAMAGED)]
        other.die()


def test_after_a_power_failure_the_segments_count_and_not_an_older_state(tmp_path: Path) -> None:
    node = Node(tmp_path)
    logged = node.log(9)
    old = (node.path / "state").read_bytes()
    logged += node.log(9)
    node.die()
    for state in (old, b"", old[:-1], b"\0" * len(old)):
        (node.path / "state").write_bytes(state)
        other = Node(tmp_path)
        other.look()
        assert answers(other.holdings, node.holdings.key, 9) == logged
        other.die()


def test_what_memory_let_go_is_read_from_disk(tmp_path: Path) -> None:
    node = Node(tmp_path, memory=4_000)
    cursor = Cursor(node.holdings.journal, 1, dict.fromkeys(RANGES, 1))
    logged = node.log(*[9, 5, 17] * 40)
    assert node.holdings.journal.evicted > 50
    found = []
    while (item := cursor.take()) is not None:
        found.append(item)
    assert found == logged
    assert node.holdings.held()[0].ranges[2] == (1, 41)


def test_a_segment_is_closed_when_it_is_full_and_the_oldest_of_the_lowest_range_goes_first(tmp_path: Path) -> None:
    node = Node(tmp_path, memory=4_000, size=256 * 1024)
    node.log(17, text="precious")
    for _ in range(60):
        node.log(*[5] * 4, *[9] * 4, text="x" * 4000)
    sizes = {first: sum(path.stat().st_size for path in node.path.glob(f"{first:02}-*")) for first in RANGES}
    assert sum(sizes.values()) <= 256 * 1024
    assert sizes[9] > sizes[5] > 0
    assert answers(node.holdings, node.holdings.key, 17)[0].stop == 2
    gone, *kept = answers(node.holdings, node.holdings.key, 9)
    assert isinstance(gone, Gone)
    assert gone.cause == CAUSE_EVICTED
    assert all(isinstance(item, Batch) for item in kept)
    assert node.holdings.journal.first(9) == gone.stop


def test_what_is_too_old_goes_and_its_folder_too(tmp_path: Path) -> None:
    dead, other = Node(tmp_path), Node(tmp_path, age_s=100.0)
    dead.log(9, 17)
    dead.die()
    assert other.look()
    for path in dead.path.iterdir():
        os.utime(path, (time.time() - 101,) * 2)
    assert other.look()
    assert not dead.path.exists()
    assert not other.holdings.earlier
    assert other.holdings.at(dead.holdings.key, 9, 1) == Gone(9, 1, 2**64 - 1, CAUSE_EVICTED)


def test_what_is_written_by_a_living_process_never_goes(tmp_path: Path) -> None:
    node, other = Node(tmp_path), Node(tmp_path, size=64 * 1024, age_s=1.0)
    node.log(9, text="x" * 60_000)
    for path in node.path.iterdir():
        os.utime(path, (1, 1))
    other.log(*[9] * 20, text="y" * 10_000)
    other.look()
    assert len(answers(node.holdings, node.holdings.key, 9)) == 1
    assert len(list(node.path.glob("*.seg"))) == 1


def test_a_program_that_logs_nothing_leaves_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path / "made")
    node.disk.pump(1)
    node.look()
    node.disk.close(2)
    assert list((tmp_path / "made").iterdir()) == []


def test_other_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    strangers = [tmp_path / "notes.txt", tmp_path / "0-1", tmp_path / ("a" * 32 + "-1")]
    strangers[0].write_text("x")
    strangers[1].mkdir()
    strangers[2].write_text("a file where a folder should be")
    (tmp_path / ("b" * 32 + "-1")).symlink_to(tmp_path)
    node = Node(tmp_path)
    node.log(9)
    node.look()
    assert all(path.exists() for path in strangers)
    assert not node.holdings.earlier


def test_runs_beyond_the_limit_go_oldest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "JOURNAL_RUNS", 3)
    dead = [Node(tmp_path) for _ in range(5)]
    for node in dead:
        node.log(9)
        node.die()
    other = Node(tmp_path)
    other.look()
    assert list(other.holdings.earlier) == [node.holdings.key for node in dead[2:]]
    assert [node.path.exists() for node in dead] == [False, False, True, True, True]


def test_a_disk_that_fails_is_told_once_and_what_memory_still_has_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path, memory=4_000)
    logged = node.log(9)
    real = os.writev

    def full(descriptor: int, chunks: Any) -> int:
        real(descriptor, [chunks[0][:20]])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "writev", full)
    logged += node.log(*[9] * 50)
    assert node.disk.failing == "No space left on device"
    due = node.disk.due()
    assert due is not None
    monkeypatch.setattr(os, "writev", real)
    node.disk.pump(node.now)
    assert node.disk.failing  # it isn't time yet
    node.now = due
    node.disk.pump(node.now)
    assert node.disk.failing is None
    assert node.disk.due() is None
    assert node.disk.unwritten > 20
    assert node.said.lines == [
        f"can't write its journal in {tmp_path}: No space left on device; it goes on in memory",
        f"writes its journal again; {node.disk.unwritten} records are not in it",
    ]
    node.die()
    other = Node(tmp_path)
    other.look()
    found = answers(other.holdings, node.holdings.key, 9)
    gone = Gone(9, 3, 3 + node.disk.unwritten, CAUSE_DROPPED)
    assert found == [*logged[:2], gone, *logged[2 + node.disk.unwritten :]]


def test_a_folder_that_somebody_removes_is_made_again(tmp_path: Path) -> None:
    node = Node(tmp_path, size=64 * 1024)
    node.log(9)
    subprocess.run(["rm", "-r", str(node.path)], check=True)
    node.log(17)  # the first of its range: a new file
    assert node.disk.failing
    node.now += 2 * SECOND
    (last,) = node.log(17)
    assert node.disk.failing is None
    node.die()
    other = Node(tmp_path)
    other.look()
    assert answers(other.holdings, node.holdings.key, 17)[-1] == last


CHILD = """
    import os, sys
    from test_disk import Node
    from pathlib import Path
    node = Node(Path(sys.argv[1]))
    print(node.path, flush=True)
    if sys.argv[2:] == ["fork"]:
        node.log(9)
        if not os.fork():
            node.die()
            print("forked", flush=True)
            sys.stdin.readline()
            os._exit(0)
        os.kill(os.getpid(), 9)
    while True:
        node.log(9, 9, 17, 5)
        os.write(1, b"%d\\n" % node.run.ordinal)
"""


def test_killed_at_any_moment_all_that_was_acknowledged_is_there(tmp_path: Path) -> None:
    for turn in range(5):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path)], stdout=subprocess.PIPE, env=env, text=True
        ) as child:
            assert child.stdout is not None
            path = Path(child.stdout.readline().strip())
            said = 0
            for _ in range(100 * (turn + 1)):
                said = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            said = max([said, *(int(line) for line in child.stdout.read().splitlines() if line)])
        other = Node(tmp_path)
        deadline = time.monotonic() + 5
        while not other.look() and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        (key,) = [key for key in other.holdings.earlier if kepts.folder_name(key) == path.name]
        found = [item for first in RANGES for item in answers(other.holdings, key, first)]
        batches = sorted((item for item in found if isinstance(item, Batch)), key=lambda item: item.first_ordinal)
        assert [item.first_ordinal for item in batches][: said - 1] == list(range(1, said))
        named = sum(item.stop - item.start for item in found if isinstance(item, Gone))
        numbered = sum(other.holdings.next(key, first) or 0 for first in RANGES) - len(RANGES)
        assert len(batches) + named == numbered
        other.die()


def test_a_forked_child_does_not_hold_its_parents_folder(tmp_path: Path, start: Callable[..., Program]) -> None:
    parent = start(python_args(textwrap.dedent(CHILD), str(tmp_path), "fork"), env=_environment())
    parent.expect("forked")
    parent.process.wait()
    other = Node(tmp_path)
    deadline = time.monotonic() + 5  # the kernel may take a moment to let go of what a process held
    while not other.look() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert dead_runs(other) == 1


def dead_runs(node: Node) -> int:
    return len(node.holdings.earlier)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}


def test_a_folder_with_another_runs_batches_is_damaged(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.log(9)
    node.die()
    kept = Kept(str(node.path), RunKey(uuid.uuid4(), 5), Segments())
    kept.read()
    assert kept.at(9, 1) == Gone(9, 1, 2, CAUSE_DAMAGED)


@pytest.mark.parametrize("size", [1, 50, 100, 10_000])
def test_victims_end(size: int) -> None:
    found = [
        trim.Found(time, lane, time, size, f"{time}", "x", last=not time % 2)
        for time in range(1, 30)
        for lane in range(len(RANGES))
    ]
    gone = trim.victims(found, 5_000, 0, lambda each: not each.last)
    left = sum(each.size for each in found if each not in gone)
    assert left <= 5_000 or all(each.last for each in found if each not in gone)
    assert len(set(gone)) == len(gone)

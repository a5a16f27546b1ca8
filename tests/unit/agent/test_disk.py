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
from zlog.agent import tally, trim
from zlog.agent.ages import CLOCK, Ages, Clocks
from zlog.agent.disk import DiskJournal
from zlog.agent.kept import Kept, Segments
from zlog.core.batches import Batch, Cutter, Run
from zlog.core.holdings import Holdings
from zlog.core.journal import Cursor, Gone, Journal
from zlog.core.parcels import MAX_NUMBER
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

    def __init__(
        self,
        folder: Path,
        memory: int = 1 << 20,
        size: int = 1 << 24,
        age_s: float = 3600.0,
        clocks: Clocks | None = None,
    ) -> None:
        self.run = Run(uuid.uuid4(), 1_763_625_600_000_000_000 + len(self.made))
        self.holdings = Holdings(self.run, Journal(memory))
        self.cutter = Cutter(self.run, "host", "name", 1)
        self.said = Said()
        self.slots = tally.slots()
        self.disk = DiskJournal(str(folder), self.holdings, size, age_s, self.said, self.slots, clocks)
        self.now = 1
        self.made.append(self)

    @property
    def path(self) -> Path:
        return Path(self.disk._directory) / kepts.folder_name(self.holdings.key)

    def log(self, *severities: int, text: str = "text") -> list[Batch]:
        """One batch for each."""
        batches = []
        for severity in severities:
            self.slots[severity]()
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


def counts_left() -> set[str]:
    """Files that count for a run, of whoever."""
    return {name for name in os.listdir("/dev/shm") if name.startswith("zlog-tally-")}


def test_what_was_taken_but_has_no_numbers_is_named_and_stays_so(tmp_path: Path) -> None:
    before = counts_left()
    dead, other = Node(tmp_path), Node(tmp_path)
    (logged,) = dead.log(9)
    for severity in (9, 9, 17, 9):  # in the intake when it is killed
        dead.slots[severity]()
    dead.die()
    assert kepts.lives(str(dead.path)) is False
    expected = [logged, Gone(9, 2, 5, CAUSE_DROPPED)], [Gone(17, 1, 2, CAUSE_DROPPED)]
    for _ in range(2):
        assert other.look()
        assert tuple(answers(other.holdings, dead.holdings.key, first) for first in (9, 17)) == expected
        other.disk._syncer._now()
        assert counts_left() == before  # its numbers are in the folder now
        other.die()
        other = Node(tmp_path)


def test_without_the_count_it_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The safeguard off."""
    dead, other = Node(tmp_path), Node(tmp_path)
    (logged,) = dead.log(9)
    dead.slots[9]()
    dead.die()
    monkeypatch.setattr(tally, "read", lambda folder, run, numbered: list(numbered))
    other.look()
    assert answers(other.holdings, dead.holdings.key, 9) == [logged]


def test_a_process_that_dies_before_anything_was_written_is_named(tmp_path: Path) -> None:
    dead, other = Node(tmp_path), Node(tmp_path)
    dead.slots[9]()
    assert kepts.lives(str(dead.path))
    dead.die()
    assert other.look()
    assert not other.look()
    assert answers(other.holdings, dead.holdings.key, 9) == [Gone(9, 1, 2, CAUSE_DROPPED)]


def test_what_comes_after_the_last_write_of_an_orderly_end_is_named(tmp_path: Path) -> None:
    before = counts_left()
    node, other = Node(tmp_path), Node(tmp_path)
    (logged,) = node.log(9)
    node.slots[9]()
    node.disk.close(node.now)
    node.slots[9]()  # nobody takes that one
    assert counts_left() == before
    other.look()
    assert answers(other.holdings, node.holdings.key, 9) == [logged, Gone(9, 2, 3, CAUSE_DROPPED)]


def test_a_count_that_cannot_be_kept_waits_for_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead, other, later = Node(tmp_path), Node(tmp_path), Node(tmp_path)
    dead.slots[9]()
    dead.die()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr(os, "pwrite", full)
        assert other.look()
        assert answers(other.holdings, dead.holdings.key, 9) == [Gone(9, 1, 2, CAUSE_DROPPED)]
        other.die()
    assert later.look()
    assert answers(later.holdings, dead.holdings.key, 9) == [Gone(9, 1, 2, CAUSE_DROPPED)]


def test_a_run_that_cannot_have_a_folder_leaves_no_count(tmp_path: Path) -> None:
    before = counts_left()
    (tmp_path / "file").write_text("")
    node = Node(tmp_path / "file")
    node.log(9)
    assert node.disk.failing
    assert counts_left() == before  # it may be killed now, and nobody would find it
    node.disk.close(node.now)
    assert counts_left() == before


def test_a_count_whose_folder_was_removed_goes_at_the_end(tmp_path: Path) -> None:
    before = counts_left()
    written, prepared = Node(tmp_path), Node(tmp_path)
    written.log(9)
    prepared.slots[9]()  # it ends before its thread has had a turn
    for node in (written, prepared):
        subprocess.run(["rm", "-r", str(node.path)], check=True)
        node.disk.close(node.now)
    assert counts_left() == before


def test_a_count_stays_until_its_numbers_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who takes over waits for no sync."""
    before = counts_left()
    dead, other = Node(tmp_path), Node(tmp_path)
    dead.slots[9]()
    dead.die()

    def fails(_: int) -> None:
        synced.append(threading.get_ident())
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    synced: list[int] = []
    with monkeypatch.context() as context:
        context.setattr(os, "fsync", fails)
        context.setattr(other.disk._syncer, "_thread", threading.current_thread())  # it has none of its own
        assert other.look()
        assert not synced
        other.disk._syncer._now()
        assert synced
        assert len(counts_left()) == len(before) + 1
    other.die()
    later = Node(tmp_path)
    assert later.look()
    assert answers(later.holdings, dead.holdings.key, 9) == [Gone(9, 1, 2, CAUSE_DROPPED)]
    later.disk._syncer._now()
    assert counts_left() == before


def test_a_folder_that_is_made_again_leads_to_the_same_count(tmp_path: Path) -> None:
    node, other = Node(tmp_path), Node(tmp_path)
    node.slots[9]()
    subprocess.run(["rm", "-r", str(node.path)], check=True)
    node.disk.pump(node.now)
    node.log(17)
    node.die()
    other.look()
    assert answers(other.holdings, node.holdings.key, 9) == [Gone(9, 1, 2, CAUSE_DROPPED)]


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


@pytest.mark.parametrize("number", [MAX_NUMBER + 1, 2**64 - 1])
def test_a_state_with_numbers_that_cannot_be_is_not_believed(tmp_path: Path, number: int) -> None:
    """A collector would refuse all that is offered with it."""
    node = Node(tmp_path)
    logged = node.log(9)
    node.die()
    with (node.path / "state").open("r+b") as file:
        kepts._write_state(file.fileno(), [1, 1, number, 1, 1, 1], [1] * 6)
    (node.path / f"17-{number:020}.seg").write_bytes(b"")
    other = Node(tmp_path)
    assert other.look()
    assert answers(other.holdings, node.holdings.key, 9) == logged
    assert all(after <= MAX_NUMBER for held in other.holdings.held() for _, after in held.ranges)


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


def test_a_segment_is_taken_apart_once_for_all_that_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it grows: else who reads behind the writer would read all of it again for each batch."""
    node = Node(tmp_path, memory=4_000)
    logged = node.log(*[9] * 50)
    parsed: list[int] = []
    real = kepts.Segment
    monkeypatch.setattr(kepts, "Segment", lambda *args: parsed.append(1) or real(*args))
    for batch in logged[:20]:
        assert node.holdings.at(node.holdings.key, 9, batch.sequence) == batch
        logged += node.log(9)
    assert len(parsed) == 1
    assert node.holdings.at(node.holdings.key, 9, 52) == logged[51]
    assert len(parsed) == 2


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


class Host:
    """A host's clocks. The wall clock also stamps the files: `stamp` does what the kernel would."""

    def __init__(self, wall_s: float = 1_763_625_600.0) -> None:
        self.boots = 1
        self.up_ns = 5 * SECOND
        self.wall_ns = round(wall_s * SECOND)
        self.clocks = Clocks(lambda: f"boot {self.boots}", lambda: self.up_ns, lambda: self.wall_ns)

    def run(self, seconds: float) -> None:
        self.up_ns += round(seconds * SECOND)
        self.wall_ns += round(seconds * SECOND)

    def set_clock(self, wall_s: float) -> None:
        self.wall_ns = round(wall_s * SECOND)

    def reboot(self, wall_s: float) -> None:
        self.boots += 1
        self.up_ns = SECOND
        self.set_clock(wall_s)

    def log(self, node: Node, *severities: int) -> None:
        before = {path: path.stat().st_mtime_ns for path in node.path.glob("*")} if node.path.exists() else {}
        node.log(*severities)
        for path in node.path.glob("*"):
            if path.stat().st_mtime_ns != before.get(path) and not path.is_symlink():
                os.utime(path, ns=(self.wall_ns, self.wall_ns))


DAY = 24 * 3600.0
YEAR = 365 * DAY


def old_run(host: Host, tmp_path: Path) -> Node:
    """A run that was written a day ago, as its process died."""
    dead = Node(tmp_path, clocks=host.clocks)
    host.log(dead, 9, 17)
    dead.die()
    return dead


@pytest.fixture
def host() -> Host:
    return Host()


def test_what_is_too_old_goes_and_its_folder_too(tmp_path: Path, host: Host) -> None:
    dead, other = old_run(host, tmp_path), Node(tmp_path, age_s=DAY, clocks=host.clocks)
    host.run(DAY)
    assert other.look()
    assert dead.path.exists()
    host.run(2)
    assert other.look()
    assert not dead.path.exists()
    assert not other.holdings.earlier
    assert other.holdings.at(dead.holdings.key, 9, 1) == Gone(9, 1, 2**64 - 1, CAUSE_EVICTED)


@pytest.mark.parametrize("step", [YEAR, -YEAR, -50 * YEAR])
@pytest.mark.parametrize("looks_before", [True, False])
def test_a_clock_that_is_set_makes_nothing_old_or_young(
    tmp_path: Path, host: Host, step: float, looks_before: bool
) -> None:
    dead, other = old_run(host, tmp_path), Node(tmp_path, age_s=DAY, clocks=host.clocks)
    host.run(DAY / 2)
    if looks_before:
        other.look()
    host.set_clock(host.wall_ns / SECOND + step)
    other.look()
    second = old_run(host, tmp_path)
    host.run(DAY / 2 - 60)
    other.look()
    assert dead.path.exists()
    host.run(120)
    other.look()
    assert not dead.path.exists()
    assert second.path.exists()
    host.run(DAY / 2)
    other.look()
    assert not second.path.exists()


def test_by_the_wall_clock_all_of_it_would_go(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The safeguard off."""
    dead, other = old_run(host, tmp_path), Node(tmp_path, age_s=DAY, clocks=host.clocks)
    monkeypatch.setattr(Ages, "known", lambda self, wall_ns, name: wall_ns - host.wall_ns + self.now())
    host.set_clock(host.wall_ns / SECOND + YEAR)
    other.look()
    assert not dead.path.exists()


def test_a_host_without_a_clock_begins_in_1970(tmp_path: Path) -> None:
    host = Host(wall_s=20.0)
    early, other = old_run(host, tmp_path), Node(tmp_path, age_s=DAY, clocks=host.clocks)
    host.run(30)
    host.set_clock(1_763_625_600.0)  # NTP
    other.look()
    host.run(DAY - 100)
    other.look()
    assert early.path.exists()
    other.die()
    host.reboot(wall_s=20.0)  # once more
    again = Node(tmp_path, age_s=DAY, clocks=host.clocks)
    again.look()
    host.run(30)
    again.look()
    assert early.path.exists()
    host.run(DAY)
    again.look()
    assert not early.path.exists()


def test_time_between_boots_counts_for_nothing_and_time_since_for_all(tmp_path: Path, host: Host) -> None:
    dead, other = old_run(host, tmp_path), Node(tmp_path, age_s=DAY, clocks=host.clocks)
    host.run(DAY / 2)
    other.look()
    other.die()
    host.reboot(host.wall_ns / SECOND + YEAR)
    host.run(DAY / 2 - 10)
    later = Node(tmp_path, age_s=DAY, clocks=host.clocks)
    later.look()
    assert dead.path.exists()
    host.run(20)
    later.look()
    assert not dead.path.exists()


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"known": 1, "set": [[1]]}', b'{"known": "x", "set": []}', None])
def test_without_its_clock_nothing_is_old(tmp_path: Path, host: Host, damage: bytes | None) -> None:
    dead = old_run(host, tmp_path)
    host.run(2 * DAY)
    (tmp_path / CLOCK).unlink() if damage is None else (tmp_path / CLOCK).write_bytes(damage)
    other = Node(tmp_path, age_s=DAY, clocks=host.clocks)
    other.look()
    assert dead.path.exists()
    host.run(DAY + 1)  # known by the one who has seen it all the time
    other.look()
    assert not dead.path.exists()


def test_of_files_from_before_and_after_a_clock_was_set_back_the_older_goes_first(tmp_path: Path, host: Host) -> None:
    first, second = Node(tmp_path, clocks=host.clocks), Node(tmp_path, clocks=host.clocks)
    host.log(first, 9)
    host.run(60)
    host.set_clock(1_000)
    host.log(second, 9)
    first.die()
    second.die()
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*.seg"))
    other = Node(tmp_path, size=size * 2 // 3 * 4 // 3, clocks=host.clocks)
    other.look()
    assert [path.exists() for path in (first.path, second.path)] == [False, True]


def test_a_folder_that_is_being_made_is_not_taken_for_an_old_one(tmp_path: Path) -> None:
    node, other = Node(tmp_path), Node(tmp_path)
    made = tmp_path / f".new-{kepts.folder_name(node.holdings.key)}"
    made.mkdir()
    os.utime(made, (1, 1))
    other.look()
    assert made.exists()
    other.now += 61 * SECOND
    other.look()
    assert not made.exists()


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


def killed(folder: Path, count: int, host: Host) -> list[Node]:
    """Runs of processes that were killed, an hour apart."""
    dead = [Node(folder, age_s=DAY, clocks=host.clocks) for _ in range(count)]
    for node in dead:
        host.log(node, 9)
        node.die()
        host.run(3600)
    return dead


def test_of_runs_beyond_the_limit_the_newest_are_taken_over_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    monkeypatch.setattr(disks, "JOURNAL_RUNS", 3)
    dead = killed(tmp_path, 5, host)
    keys = [node.holdings.key for node in dead]
    one = Node(tmp_path, age_s=DAY, clocks=host.clocks)
    one.look()
    assert list(one.holdings.earlier) == keys[2:]
    assert all(node.path.exists() for node in dead)
    assert one.said.lines == [f"takes over no more than 3 runs that ended; older ones wait in {tmp_path}"]
    two = Node(tmp_path, age_s=DAY, clocks=host.clocks)
    two.look()
    assert list(two.holdings.earlier) == keys[:2]
    two.die()
    one.disk._drop(keys[3])  # there is room
    one.look()
    assert sorted(one.holdings.earlier, key=keys.index) == [keys[1], keys[2], keys[4]]


def test_runs_that_nobody_has_taken_over_are_bounded_by_age_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    monkeypatch.setattr(disks, "JOURNAL_RUNS", 1)
    dead = killed(tmp_path, 5, host)
    for path in dead[1].path.glob("*.seg"):
        path.unlink()
    other = Node(tmp_path, age_s=DAY, clocks=host.clocks)
    host.run(DAY - 2.5 * 3600)  # three of them are older than a day, one of which has no segment
    other.look()
    assert [node.path.exists() for node in dead] == [False, False, False, True, True]
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*.seg"))
    small = Node(tmp_path, size=size * 2 // 3 * 4 // 3, age_s=DAY, clocks=host.clocks)
    small.look()
    assert [node.path.exists() for node in dead] == [False, False, False, False, True]


@pytest.mark.parametrize("user", ["another", "root"])
def test_a_run_of_another_user_is_left_to_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    dead, other = Node(tmp_path), Node(tmp_path)
    dead.log(9)
    dead.die()
    (tmp_path / f".new-{kepts.folder_name(other.holdings.key)}").mkdir()
    owner = os.stat(dead.path).st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1 if user == "another" else 0)
    assert other.look() is (user == "root")
    other.now += 61 * SECOND
    other.look()
    assert len(list(tmp_path.glob(".new-*"))) == (user == "another")
    assert dead.path.exists()


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
    logged = node.log(9, 9)
    subprocess.run(["rm", "-r", str(node.path)], check=True)
    logged += node.log(17)  # the first of its range: a new file
    assert node.disk.failing
    node.now += 2 * SECOND
    logged += node.log(17)
    assert node.disk.failing is None
    assert node.disk.unwritten == 0
    node.die()
    other = Node(tmp_path)
    other.look()
    assert [item for first in (9, 17) for item in answers(other.holdings, node.holdings.key, first)] == logged


@pytest.mark.parametrize("ends", [False, True])
def test_within_a_second_it_sees_that_its_folder_was_removed(tmp_path: Path, ends: bool) -> None:
    """Nothing fails: it writes to files that nobody can find any more. What memory still has is written again."""
    folder = tmp_path / "journal"
    node = Node(folder, memory=4_000)
    logged = node.log(*[9] * 40)
    assert node.holdings.journal.evicted
    subprocess.run(["rm", "-r", str(folder)], check=True)
    logged += node.log(9)
    assert not node.path.exists()
    if ends:
        node.disk.close(node.now)
    else:
        node.now += SECOND
        node.disk.pump(node.now)
        logged += node.log(9)
        node.die()
    other = Node(folder)
    assert other.look()
    gone, *found = answers(other.holdings, node.holdings.key, 9)
    assert gone == Gone(9, 1, 42 + (not ends) - len(found), CAUSE_EVICTED)
    assert found == logged[-len(found) :]
    assert len(found) > 5
    assert not node.said.lines
    assert node.disk.unwritten == 0


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
        trim.Found(time, time, lane, time, size, f"{time}", "x", last=not time % 2)
        for time in range(1, 30)
        for lane in range(len(RANGES))
    ]
    gone = trim.victims(found, 5_000, 0, lambda each: not each.last)
    left = sum(each.size for each in found if each not in gone)
    assert left <= 5_000 or all(each.last for each in found if each not in gone)
    assert len(set(gone)) == len(gone)

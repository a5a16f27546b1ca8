"""The journals of programs, read as a store: what is there, what is lost and why, beside processes that write."""

import fcntl
import os
import random
import resource
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.stores import NODES, START_NS, Run, check_whole, expected, stored
from zlog.agent import kept as kepts
from zlog.collector.stores import Filter, Loss, Part, open_store, runs
from zlog.config import Settings
from zlog.core.intervals import Intervals
from zlog.core.journal import Gone
from zlog.core.segments import BATCH, HEAD_SIZE, head_of
from zlog.core.sync import RunKey
from zlog.errors import SettingsError, StoreError
from zlog.record import encode
from zlog.severity import RANGES, range_index
from zlog.wire import body, zre_log_msg
from zlog.wire.zre_log_msg import CAUSE_DAMAGED, CAUSE_DROPPED, CAUSE_EVICTED

NS = 1_000_000_000


def entry(part: Part) -> bytes:
    """As an agent writes it."""
    codec, octets = body.pack([encode(record) for record in part.records])
    frame = zre_log_msg.Batch(
        severity=part.range, node=uuid.UUID(bytes=part.node), epoch=part.epoch, sequence=part.sequence,
        count=len(part.records), codec=codec, host=part.host, name=part.name, pid=part.pid, body=octets,
    ).encode()  # fmt: skip
    first = part.records[0]
    return head_of(frame, BATCH, part.range, len(part.records), part.sequence, first.ordinal, first.time_ns) + frame


class Folder:
    """The folder of a run, written as its process would.

    Args:
        directory: `ZLOG_JOURNAL`.
        run: whose it is.
        size: records in a batch.
        segment: batches in a segment.
    """

    def __init__(self, directory: Path, run: Run, size: int = 3, segment: int = 4) -> None:
        self.run = run
        self.key = RunKey(uuid.UUID(bytes=run.node), run.epoch)
        self.path = directory / kepts.folder_name(self.key)
        self.path.mkdir(parents=True)
        self.nexts, self.ends = [1] * len(RANGES), [1] * len(RANGES)
        batches: dict[int, list[Part]] = {}
        for part in run.parts(size):
            batches.setdefault(part.range, []).append(part)
            self.nexts[range_index(part.range)] = self.ends[range_index(part.range)] = part.stop
        for range_, parts in batches.items():
            for start in range(0, len(parts), segment):
                chosen = parts[start : start + segment]
                self.segment(range_, chosen[0].sequence).write_bytes(b"".join(map(entry, chosen)))
        self.note()

    def segment(self, range_: int, start: int) -> Path:
        return self.path / f"{range_:02}-{start:020}.seg"

    def segments(self, range_: int) -> list[Path]:
        return sorted(self.path.glob(f"{range_:02}-*.seg"))

    def note(self) -> None:
        """Write the state."""
        descriptor = os.open(self.path / kepts.STATE, os.O_WRONLY | os.O_CREAT)
        kepts._write_state(descriptor, self.nexts, self.ends)
        os.close(descriptor)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def url(directory: Path) -> str:
    return f"journal:{directory}"


@pytest.fixture
def lives() -> Iterator[object]:
    """The process of a folder goes on: `lives(folder)`."""
    files = []

    def hold(folder: Folder) -> None:
        file = open(folder.path / kepts.STATE, "rb")  # noqa: SIM115
        files.append(file)
        fcntl.flock(file, fcntl.LOCK_EX)

    yield hold
    for file in files:
        file.close()


def losses(url: str) -> list[tuple[int, int, int, int]]:
    """Range, start, stop and cause of what is lost, after checking that it fits what is there."""
    with open_store(url).open(read_only=True) as store:
        check_whole(store)
        return [(loss.range, loss.start, loss.stop, loss.cause) for loss in store.losses()]


def records(url: str, wanted: Filter = Filter()) -> list[object]:  # noqa: B008
    with open_store(url).open(read_only=True) as store:
        return list(store.query(wanted))


def unreceived(parts: list[Part]) -> list[object]:
    found = stored(parts)
    for record in found:
        record.received_ns = 0
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(level=13),
        Filter(node="node-3a"),
        Filter(node=NODES[1].hex()),
        Filter(node="x"),
        Filter(logger="arm*", grep="ready"),
        Filter(since_ns=START_NS + 3 * NS),
        Filter(until_ns=START_NS + 3 * NS),
        Filter(since_ns=START_NS, until_ns=START_NS + 5 * NS, level=9),
        Filter(limit=0),
        Filter(limit=1),
        Filter(limit=9),
        Filter(limit=9, level=13, until_ns=START_NS + 5 * NS),
        Filter(limit=1000),
    ],
)
def test_all_runs_as_one_list(directory, url, wanted) -> None:
    """Also by a clock that jumps, between batches of one record."""
    of = [Run(NODES[0], 1, 60), Run(NODES[0], 2, 30), Run(NODES[1], 7, 40)]
    for run in of:
        Folder(directory, run, size=1)
    parts = [part for run in of for part in run.parts(1)]
    assert records(url, wanted) == expected(unreceived(parts), wanted)  # type: ignore[arg-type]
    assert losses(url) == []


def test_nothing_is_touched(directory, url, lives) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60))
    lives(folder)
    (directory / ".new-x").mkdir()

    def picture() -> list[tuple[str, int, int]]:
        return sorted((str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in directory.rglob("*"))

    before = picture()
    assert len(records(url)) == 60
    assert losses(url) == []
    assert picture() == before


def test_what_grows_is_read_as_far_as_it_is_whole(directory, url, lives) -> None:
    run = Run(NODES[0], 1, 60)
    folder = Folder(directory, run, size=3, segment=1000)
    lives(folder)
    path = folder.segments(9)[0]
    data = path.read_bytes()
    for length in (len(data) - 1, len(data) - HEAD_SIZE, HEAD_SIZE + 1, 1):
        path.write_bytes(data[:length])
        folder.ends[range_index(9)] = 1  # as it may not be noted yet
        folder.note()
        found = [record for record in records(url) if record.range == 9]  # type: ignore[attr-defined]
        assert found == unreceived(run.parts(3))[: len(found)] or len(found) < len(run.streams[9])
        assert losses(url) == []


def test_a_store_that_is_open_sees_what_comes(directory, url) -> None:
    run = Run(NODES[0], 1, 60)
    Folder(directory, run)
    with open_store(url).open(read_only=True) as store:
        assert len(list(store.query())) == 60
        before = store.held()
        Folder(directory, Run(NODES[1], 1, 10))
        assert len(list(store.query())) == 70
        assert len(store.held()) > len(before)
        check_whole(store)


def test_what_is_before_the_first_segment_was_evicted(directory, url) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60))
    folder.segments(9)[0].unlink()
    second = int(folder.segments(9)[0].stem[3:])
    assert losses(url) == [(9, 1, second, CAUSE_EVICTED)]
    for path in folder.segments(9):
        path.unlink()
    assert losses(url) == [(9, 1, folder.ends[range_index(9)], CAUSE_EVICTED)]


def test_what_was_numbered_and_not_written_is_dropped_when_the_process_is_dead(directory, url, lives) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60))
    info, trace = range_index(9), range_index(1)
    folder.nexts[info] += 5
    folder.nexts[trace] += 2
    folder.note()
    end = folder.ends[info]
    assert losses(url) == [(1, 1, 3, CAUSE_DROPPED), (9, end, end + 5, CAUSE_DROPPED)]
    lives(folder)
    assert losses(url) == []


@pytest.mark.parametrize("place", [4, HEAD_SIZE + 30])
def test_a_bit_that_flips_is_damage(directory, url, place) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60), size=3, segment=4)
    path = folder.segments(9)[1]
    start = int(path.stem[3:])
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert losses(url) == [(9, start, start + 3, CAUSE_DAMAGED)]
    assert len(records(url)) == 57
    path.write_bytes(b"")
    assert losses(url) == [(9, start, start + 12, CAUSE_DAMAGED)]


def test_what_was_written_and_is_not_there_is_damaged(directory, url) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60), size=3, segment=4)
    info, end = range_index(9), folder.ends[range_index(9)]
    folder.nexts[info] += 2
    folder.note()
    last = folder.segments(9)[-1]
    start = int(last.stem[3:])
    last.write_bytes(b"")
    assert losses(url) == [(9, start, end, CAUSE_DAMAGED), (9, end, end + 2, CAUSE_DROPPED)]
    folder.ends[info] = start  # it was begun, and the disk was full
    folder.note()
    assert losses(url) == [(9, start, end + 2, CAUSE_DROPPED)]


def test_all_ranges_are_read_as_far_as_they_went_at_one_moment(directory, url, lives, monkeypatch) -> None:
    """A program writes on while one range after the other is read."""
    run = Run(NODES[0], 1, 60)
    folder = Folder(directory, run, size=1, segment=1000)
    lives(folder)
    later = {path: path.read_bytes() for path in folder.path.glob("*.seg")}
    before = [part for part in run.parts(1) if part.records[0].ordinal <= 40]
    for range_ in RANGES:
        for path in folder.segments(range_):
            path.write_bytes(b"".join(entry(part) for part in before if part.range == range_))
    real, reads = runs.read_entries, 0

    def reading(*arguments):  # type: ignore[no-untyped-def]
        nonlocal reads
        reads += 1
        for path, data in later.items():
            path.write_bytes(data)
        return real(*arguments)

    monkeypatch.setattr(runs, "read_entries", reading)
    with open_store(url).open(read_only=True) as store:
        assert list(store.query(Filter(limit=9))) == expected(unreceived(before), Filter(limit=9))  # type: ignore[arg-type]
        assert reads
        assert len(list(store.query())) == 60


def test_a_run_is_looked_at_until_two_looks_are_the_same(directory, monkeypatch) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60), size=3, segment=4)
    path = folder.segments(9)[-1]
    data = path.read_bytes()
    path.unlink()
    real, looks = runs._Run._look, 0

    def look(self):  # type: ignore[no-untyped-def]
        nonlocal looks
        looks += 1
        found = real(self)
        path.write_bytes(data)
        return found

    monkeypatch.setattr(runs._Run, "_look", look)
    run = runs._Run(str(folder.path), folder.key)
    assert looks == 3
    assert run.starts[range_index(9)][-1] == int(path.stem[3:])


@pytest.mark.parametrize("data", [None, b"", b"ZLOGRUN\x01" + bytes(100)])
def test_a_run_without_its_state_is_told_once(directory, url, caplog, data) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60))
    Folder(directory, Run(NODES[1], 1, 60))
    folder.nexts[range_index(9)] += 5
    folder.note()
    folder.segments(9)[0].unlink()
    second = int(folder.segments(9)[0].stem[3:])
    state = folder.path / kepts.STATE
    if data is None:
        state.unlink()
    else:
        state.write_bytes(data)
    with open_store(url).open(read_only=True) as store:
        assert [(each.start, each.stop, each.cause) for each in store.losses()] == [(1, second, CAUSE_EVICTED)]
        assert list(store.query())
        store.held()
    [told] = caplog.messages
    assert told.startswith(f"{state} is missing or damaged: ")


def test_a_run_that_never_logged_or_goes_on_needs_no_state(directory, url, caplog, lives) -> None:
    empty = Folder(directory, Run(NODES[0], 1, 0))
    (empty.path / kepts.STATE).write_bytes(b"")
    folder = Folder(directory, Run(NODES[1], 1, 60))
    (folder.path / kepts.STATE).write_bytes(b"")
    lives(folder)
    assert len(records(url)) == 60
    assert losses(url) == []
    assert caplog.messages == []


def test_special_files_hold_nobody_up(directory, url, caplog) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60), size=3, segment=2)
    one, last = folder.segments(9)[1], folder.segments(9)[-1]
    for path in (one, last):
        path.unlink()
        os.mkfifo(path)
    start = int(one.stem[3:])
    with open_store(url).open(read_only=True) as store:
        assert [(each.start, each.stop, each.cause) for each in store.losses()] == [
            (start, start + 6, CAUSE_DAMAGED),
            (int(last.stem[3:]), folder.ends[range_index(9)], CAUSE_DAMAGED),
        ]
        assert list(store.query())
        assert list(store.query(Filter(limit=3)))
    assert caplog.messages == [f"{path} is damaged: it is no regular file" for path in (one, last)]
    state = folder.path / kepts.STATE
    state.unlink()
    os.mkfifo(state)
    with pytest.raises(StoreError, match="state can't be read: it is no regular file"):
        records(url)


def test_batches_of_another_run_are_damage(directory, url) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60), segment=1000)
    other = Run(NODES[1], 1, 60)
    folder.segments(9)[0].write_bytes(entry(other.part(9, 1, 3)) + entry(folder.run.part(9, 3, 5)))
    folder.nexts[range_index(9)] = folder.ends[range_index(9)] = 5
    folder.note()
    assert losses(url) == [(9, 1, 3, CAUSE_DAMAGED)]


@pytest.mark.parametrize("seed", range(40))
def test_it_says_what_an_agent_would_that_takes_the_run_over(directory, url, seed) -> None:
    rng = random.Random(seed)
    folder = Folder(directory, Run(NODES[0], 1, 90, seed), size=rng.choice([1, 3]), segment=rng.choice([1, 3, 100]))
    for number in range(len(RANGES)):
        folder.nexts[number] += rng.choice([0, 0, 4])
    folder.note()
    paths = sorted(folder.path.glob("*.seg"))
    for _ in range(rng.randrange(5)):
        path = rng.choice(paths)
        data = bytearray(path.read_bytes())
        kind = rng.choice(["flip", "cut", "zeros"])
        if data and kind == "flip":
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif data and kind == "cut":
            del data[rng.randrange(len(data)) :]
        elif data:
            start = rng.randrange(len(data))
            data[start : start + 60] = bytes(len(data[start : start + 60]))
        path.write_bytes(data)
    for range_ in rng.sample(RANGES, 2):
        for path in folder.segments(range_)[: rng.randrange(3)]:
            path.unlink()
    kept = kepts.Kept(str(folder.path), folder.key, kepts.Segments())
    kept.read()
    wanted: dict[tuple[int, int], Intervals] = {}
    found: dict[tuple[int, int], Intervals] = {}

    def note(there: dict[tuple[int, int], Intervals], range_: int, start: int, stop: int, cause: int) -> None:
        end = kept.ends[range_index(range_)]  # what is behind was never written, whatever tore what is before
        there.setdefault((range_, cause), Intervals()).add(start, min(stop, end))
        there.setdefault((range_, -1), Intervals()).add(max(start, end), stop)

    for range_ in RANGES:
        sequence = 1
        while sequence < kept.next(range_):
            item = kept.at(range_, sequence)
            assert item is not None
            note(wanted, range_, sequence, item.stop, item.cause if isinstance(item, Gone) else 0)
            sequence = item.stop
    for loss in losses(url):
        note(found, *loss)
    for record in records(url):
        note(found, record.range, record.sequence, record.sequence + 1, 0)  # type: ignore[attr-defined]
    assert {key: each for key, each in found.items() if each} == {key: each for key, each in wanted.items() if each}


def test_the_time_of_a_loss_is_that_of_what_is_behind_it(directory, url) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60), size=1)
    folder.segments(9)[0].unlink()
    with open_store(url).open(read_only=True) as store:
        [loss] = store.losses()
        behind = next(record for record in store.query() if record.range == 9 and record.sequence == loss.stop)
    assert loss == Loss(NODES[0].hex(), 1, 9, 1, 5, CAUSE_EVICTED, behind.time_ns)


def test_a_run_that_goes_while_it_is_read(directory, url, monkeypatch) -> None:
    folders = [Folder(directory, Run(node, 1, 60)) for node in NODES]
    with open_store(url).open(read_only=True) as store:
        reading = store.query()
        next(reading)
        for folder in folders:
            shutil.rmtree(folder.path)
        assert len(list(reading)) < 180
        assert list(store.query()) == []
        assert store.losses() == []
        shutil.rmtree(directory)
        with pytest.raises(StoreError, match=r"journal can't be read: No such file"):
            list(store.query())


def test_hundreds_of_runs_need_few_descriptors(directory, url) -> None:
    of = [Run(bytes([number]) * 16, number, 20) for number in range(1, 121)]
    for run in of:
        Folder(directory, run, size=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        parts = [part for run in of for part in run.parts(1)]
        assert records(url) == expected(unreceived(parts))  # type: ignore[arg-type]
        assert losses(url) == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_segments_that_were_removed_are_evicted_just_then(directory) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60))
    run = runs._Run(str(folder.path), folder.key)
    paths = folder.segments(9)
    paths[0].unlink()
    gone = [item for item in run.items(9) if isinstance(item, Gone)]
    assert gone == [Gone(9, 1, int(paths[1].stem[3:]), CAUSE_EVICTED)]


def test_what_may_not_be_read_is_told_at_once(directory, url, monkeypatch) -> None:
    folder = Folder(directory, Run(NODES[0], 1, 60))
    denied = str(folder.segments(9)[0])
    real = os.open

    def opened(path: str, *arguments: int, **more: int) -> int:
        if os.fspath(path) == denied:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(StoreError, match=r"\.seg can't be read: Permission denied"):
        open_store(url).open(read_only=True)


def test_a_collector_and_programs_have_directories_of_their_own(directory, url, tmp_path) -> None:
    Folder(directory, Run(NODES[0], 1, 60))
    with pytest.raises(StoreError, match="has the journals of programs, and can't be a store too; name another"):
        open_store(url).open()
    assert not (directory / "frames").exists()
    with open_store(f"journal:{tmp_path}/store"):
        pass
    with pytest.raises(SettingsError, match=r"ZLOG_JOURNAL: .*/store is the store of a collector"):
        Settings.read(environ={"ZLOG_JOURNAL": f"{tmp_path}/store"})


def test_a_directory_with_something_else(tmp_path) -> None:
    (tmp_path / "journal").mkdir()
    assert records(f"journal:{tmp_path}/journal") == []  # no program has logged yet
    (tmp_path / "journal" / "letter.txt").touch()
    with pytest.raises(StoreError, match="journal has no journal in it"):
        records(f"journal:{tmp_path}/journal")
    with pytest.raises(StoreError, match="nothing doesn't exist"):
        records(f"journal:{tmp_path}/nothing")

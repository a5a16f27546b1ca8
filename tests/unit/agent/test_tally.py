"""The count of what calls gave: exact with threads, there after the process, believed only if it can be one."""

import os
import struct
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from zlog.agent import tally as tallies
from zlog.agent.tally import Tally
from zlog.core.parcels import MAX_NUMBER
from zlog.core.sync import RunKey

RUN = RunKey(uuid.UUID(int=7), 1_763_625_600_000_000_000)
NOTHING = [0] * 6


@pytest.fixture
def made(tmp_path: Path) -> Iterator[list[Tally]]:
    found: list[Tally] = []
    yield found
    for each in found:
        each.end()
    tallies.remove(str(tmp_path))


def begin(tmp_path: Path, made: list[Tally]) -> tuple[Tally, tallies.Slots]:
    slots = tallies.slots()
    begun: list[str] = []

    def link() -> bool:
        assert tally.path is not None
        begun.append(tally.path)
        tallies.link(str(tmp_path), tally.path)
        return True

    tally = Tally(RUN, slots, link)
    made.append(tally)
    assert not begun
    return tally, slots


def test_each_call_counts_in_its_range(tmp_path: Path, made: list[Tally]) -> None:
    tally, slots = begin(tmp_path, made)
    assert tally.counts() == []
    for severity in (9, 9, 12, 17, 1, 24, 21, 9):
        slots[severity]()
    assert tallies.read(str(tmp_path), RUN, NOTHING) == tally.counts() == [1, 0, 4, 0, 1, 2]


def test_a_record_that_a_first_one_makes_counts_too(tmp_path: Path, made: list[Tally]) -> None:
    """As from a signal's handler, or a folder's making that logs."""
    slots = tallies.slots()
    tally = Tally(RUN, slots, lambda: slots[13]() is None)
    made.append(tally)
    slots[9]()
    assert tally.counts() == [0, 0, 1, 1, 0, 0]
    assert tally.path is not None
    os.unlink(tally.path)


def test_a_record_at_any_line_of_the_first_ones_way_counts_once_and_leaves_one_file(
    tmp_path: Path, made: list[Tally], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a signal's handler."""
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(tallies, "_SHARED", str(shared))
    for target in range(1, 100):
        tally, slots = begin(tmp_path, made)
        lines: list[int] = []

        def step(
            frame: FrameType, event: str, _: object, lines: list[int] = lines, slots: tallies.Slots = slots,
            target: int = target,
        ) -> Any:  # fmt: skip
            if frame.f_code.co_filename != tallies.__file__:
                return None
            if event == "line":
                lines.append(frame.f_lineno)
                if len(lines) == target:
                    sys.settrace(None)
                    slots[17]()
            return step

        before = sys.gettrace()
        sys.settrace(step)
        try:
            slots[9]()
        finally:
            sys.settrace(before)
        slots[9]()
        if len(lines) < target:
            assert target > 20
            return
        assert tallies.read(str(tmp_path), RUN, NOTHING) == tally.counts() == [0, 0, 2, 0, 1, 0]
        assert tally.path is not None
        assert list(shared.iterdir()) == [Path(tally.path)]
        tallies.remove(str(tmp_path))
    pytest.fail("it has no end")


def test_where_no_folder_leads_to_it_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "_SHARED", str(tmp_path))
    slots = tallies.slots()
    tally = Tally(RUN, slots, lambda: False)
    slots[9]()
    slots[9]()
    assert list(tmp_path.iterdir()) == []
    assert tally.path is None
    assert tally.counts() == tally.end() == []


def test_threads_lose_no_count(tmp_path: Path, made: list[Tally]) -> None:
    tally, slots = begin(tmp_path, made)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lambda: [slots[9]() for _ in range(20_000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert tally.counts()[2] == 80_000


def test_at_the_end_it_counts_no_more(tmp_path: Path, made: list[Tally]) -> None:
    tally, slots = begin(tmp_path, made)
    late = slots[9]
    late()
    assert tally.end() == [0, 0, 1, 0, 0, 0]
    slots[9]()
    late()
    assert tallies.read(str(tmp_path), RUN, NOTHING) == [0, 0, 1, 0, 0, 0]


def test_a_forked_childs_calls_do_not_count_for_its_parent(tmp_path: Path, made: list[Tally]) -> None:
    tally, slots = begin(tmp_path, made)
    slots[9]()
    tally.abandon()
    slots[9]()
    assert tallies.read(str(tmp_path), RUN, NOTHING) == [0, 0, 1, 0, 0, 0]


def test_without_shared_memory_it_counts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "_SHARED", str(tmp_path / "none"))
    slots = tallies.slots()
    begun: list[int] = []
    tally = Tally(RUN, slots, lambda: begun.append(1) is None)
    slots[9]()
    slots[9]()
    assert begun == [1]
    assert tally.path is None
    assert tally.counts() == tally.end() == []


def test_what_is_no_count_is_not_believed(tmp_path: Path, made: list[Tally]) -> None:
    tally, slots = begin(tmp_path, made)
    slots[9]()
    assert tally.path is not None
    shared = Path(tally.path)
    whole = shared.read_bytes()
    assert tallies.read(str(tmp_path), RUN, [5, 0, 0, 0, 0, 0]) == [5, 0, 1, 0, 0, 0]
    assert tallies.read(str(tmp_path), RunKey(RUN.node, 1), NOTHING) == NOTHING
    for bad in (b"", whole[:-1], b"x" + whole[1:], whole[:32] + struct.pack("=6Q", *[1 << 63] * 6)):
        shared.write_bytes(bad)
        assert tallies.read(str(tmp_path), RUN, NOTHING) == NOTHING
    last = [MAX_NUMBER - 2] * 6  # one more has the last number but one, and what follows it is the last
    for counted, believed in ((MAX_NUMBER - 1, MAX_NUMBER - 1), (MAX_NUMBER, MAX_NUMBER - 2)):
        shared.write_bytes(whole[:32] + struct.pack("=6Q", *[counted] * 6))
        assert tallies.read(str(tmp_path), RUN, last) == [believed] * 6
    shared.write_bytes(whole)
    shared.unlink()
    assert tallies.read(str(tmp_path), RUN, NOTHING) == NOTHING
    for other in (tmp_path / "file", Path("/dev/zero"), tmp_path / "fifo"):
        if other.name == "fifo":
            os.mkfifo(other)
        tallies.link(str(tmp_path), str(other))
        assert tallies.read(str(tmp_path), RUN, NOTHING) == NOTHING
    tallies.remove(str(tmp_path))
    assert Path("/dev/zero").exists()
    assert not (tmp_path / tallies.LINK).is_symlink()

"""What waits to be printed: in memory, in a file, in order, once."""

import os
import tempfile
import threading
from collections.abc import Iterator

import pytest

from support.stores import NODES, Run, expected, stored
from zlog.cli import spool as spools
from zlog.cli.spool import Spool
from zlog.collector.stores import Filter, Loss
from zlog.core.intervals import Intervals
from zlog.errors import StoreError

RUN, OTHER = Run(NODES[0], 1, 60), Run(NODES[1], 7, 40)
LOSS = Loss(NODES[0].hex(), 1, 9, 900, 903, 1, 5)


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool() as opened:
        assert isinstance(opened, Spool)
        yield opened


def test_what_came_is_handed_out_once(spool: Spool) -> None:
    assert spool.turn(0) is None
    spool.write([RUN.part(9, 1, 9)])
    spool.write([RUN.part(9, 5, 12)], [LOSS])
    first = spool.turn(0)
    assert first is not None
    assert not first.is_large
    assert list(first.records()) == stored([RUN.part(9, 1, 9), RUN.part(9, 5, 12).cut(9, 12)])
    assert first.losses == [LOSS]
    assert spool.turn(0) is None
    spool.write([RUN.part(9, 1, 14)])
    second = spool.turn(0)
    assert second is not None
    assert list(second.records()) == stored([RUN.part(9, 1, 14).cut(12, 14)])
    assert spool.losses() == [LOSS]
    assert spool.holds((RUN.node, 1, 9)) == Intervals([(1, 14), (900, 903)])


@pytest.mark.parametrize("wanted", [Filter(), Filter(level=13), Filter(limit=7), Filter(limit=7, logger="arm*")])
@pytest.mark.parametrize("memory", [0, 50, 1000])
def test_large_ones_are_in_a_file(spool: Spool, monkeypatch: pytest.MonkeyPatch, memory: int, wanted: Filter) -> None:
    monkeypatch.setattr(spools, "_MEMORY_RECORDS", memory)
    parts = [part for run in (RUN, OTHER) for part in run.parts(3)]
    for part in parts[::2] + parts[1::2]:  # as repair brings it: out of order
        spool.write([part])
    round_ = spool.turn(0)
    assert round_ is not None
    assert round_.is_large == (memory < 100)
    assert list(round_.query(wanted)) == expected(stored(parts), wanted)
    round_.close()


def test_the_file_has_no_name(spool: Spool, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(spools, "_MEMORY_RECORDS", 0)
    spool.write(RUN.parts())
    assert list(tmp_path.iterdir()) == []
    round_ = spool.turn(0)
    assert round_ is not None
    round_.close()


def test_a_disk_that_is_full_takes_nothing_and_then_all(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_MEMORY_RECORDS", 0)
    real, left = os.pwrite, 300

    def write(descriptor: int, data: bytes, offset: int) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(28, "No space left on device")
        done = real(descriptor, data[:left], offset)
        left -= done
        return done

    monkeypatch.setattr(os, "pwrite", write)
    with pytest.raises(StoreError, match="takes no more of what is still to be printed: No space left"):
        spool.write(RUN.parts(3))
    left = 1 << 30
    spool.write(RUN.parts(3))
    round_ = spool.turn(0)
    assert round_ is not None
    assert list(round_.query()) == expected(stored(RUN.parts(3)))
    round_.close()


def test_beyond_its_bound_it_waits_until_somebody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_MEMORY_RECORDS", 0)
    with Spool(most_bytes=1) as spool:
        assert isinstance(spool, Spool)
        parts = RUN.parts(3)
        wrote = [threading.Event() for _ in parts]

        def write() -> None:
            for part, event in zip(parts, wrote, strict=True):
                spool.write([part])
                event.set()

        writer = threading.Thread(target=write)
        writer.start()
        found = []
        for number, event in enumerate(wrote):
            assert event.wait(10)
            assert number + 1 == len(wrote) or not wrote[number + 1].wait(0.001)
            round_ = spool.turn(10)
            assert round_ is not None
            found += list(round_.query())
            round_.close()
        writer.join()
    assert sorted(each.key for each in found) == sorted(each.key for each in stored(parts))


def test_the_end_wakes_who_waits() -> None:
    spool = Spool()
    spool.open()
    threading.Timer(0.01, spool.close).start()
    assert spool.turn(60) is None
    assert spool.ended


def test_nobody_reads_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_MEMORY_RECORDS", 0)
    with Spool(most_bytes=1) as spool:
        assert isinstance(spool, Spool)
        spool.write([RUN.part(9, 1, 3)])
        writer = threading.Thread(target=spool.write, args=([RUN.part(9, 3, 5)],))
        writer.start()
        spool.give_up()
        writer.join(10)
        assert not writer.is_alive()
        assert spool.turn(0) is None

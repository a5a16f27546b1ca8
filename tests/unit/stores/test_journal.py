"""The journal as a store: frames as they came, and what its checksums find."""

import uuid
from pathlib import Path

import pytest

from support.stores import NODES, Run, check_whole, entries, stored
from zlog.collector.stores import Filter, Part, journal, open_store
from zlog.collector.stores.journal import JournalStore
from zlog.core import segments
from zlog.core.intervals import Intervals
from zlog.core.segments import BATCH, RECORDS, scan
from zlog.record import encode
from zlog.wire import body, zre_log_msg
from zlog.wire.rows import Rows

RUN = Run(NODES[0], 7, 40)


def frame_of(part: Part) -> zre_log_msg.Batch:
    codec, octets = body.pack([encode(record) for record in part.records])
    node = uuid.UUID(bytes=part.node)
    return zre_log_msg.Batch(
        severity=part.range, node=node, epoch=part.epoch, sequence=part.sequence, count=len(part.records), codec=codec,
        host=part.host, name=part.name, pid=part.pid, body=octets,
    )  # fmt: skip


def as_received(part: Part) -> Part:
    """As a collector hands it over."""
    return Part(
        part.node, part.epoch, part.range, part.sequence, Rows(frame_of(part)), part.host, part.name, part.pid,
        part.received_ns,
    )  # fmt: skip


def kinds(path: str) -> list[int]:
    return [item.kind for item in scan(Path(path).read_bytes()) if isinstance(item, segments.Entry)]


def test_a_whole_frame_is_kept_octet_for_octet(tmp_path):
    part = as_received(RUN.part(9, 1, 9))
    with open_store(f"journal:{tmp_path}/j") as store:
        store.write([part])
        data = Path(store.path).read_bytes()
        assert data[segments.HEAD_SIZE :] == frame_of(RUN.part(9, 1, 9)).encode()
        assert list(store.query()) == list(RUN.part(9, 1, 9).stored())


def test_a_frame_that_is_partly_there_is_kept_as_records(tmp_path):
    with open_store(f"journal:{tmp_path}/j") as store:
        store.write([as_received(RUN.part(9, 1, 5))])
        store.write([as_received(RUN.part(9, 3, 9))])
        assert kinds(store.path) == [BATCH, RECORDS]
        assert store.held() == {(RUN.node, RUN.epoch, 9): Intervals([(1, 9)])}
        check_whole(store)
        assert [r.key for r in store.query()] == [r.key for r in RUN.part(9, 1, 9).stored()]


def test_without_its_sidecar_it_is_read_again(tmp_path):
    url = f"journal:{tmp_path}/j?max_bytes=2k"
    with open_store(url) as store:
        store.write([as_received(part) for part in RUN.parts(5)])
        store.gone((RUN.node, RUN.epoch, 9), 100, 110, 3, 0)
        before = store.held(), store.losses(), list(store.query())
    (tmp_path / "j" / "frames.sidecar").unlink()
    with open_store(url).open(read_only=True) as store:
        assert (store.held(), store.losses(), list(store.query())) == before
    with open_store(url) as store:
        assert (store.held(), store.losses(), list(store.query())) == before
        store.write(RUN.parts(3))
        check_whole(store)


@pytest.mark.parametrize("place", ["head", "payload"])
def test_a_bit_that_flips_is_found_and_told(tmp_path, caplog, place):
    parts = [RUN.part(9, 1, 4), RUN.part(9, 4, 7), RUN.part(9, 7, 10)]
    with open_store(f"journal:{tmp_path}/j") as store:
        for part in parts:
            store.write([as_received(part)])
        path = Path(store.path)
        data = bytearray(path.read_bytes())
        first = next(iter(scan(data)))
        data[first.stop + (5 if place == "head" else segments.HEAD_SIZE + 60)] ^= 4
        path.write_bytes(data)
        assert [r.key for r in store.query()] == [r.key for r in stored([parts[0], parts[2]])]
    assert "is damaged" in caplog.text
    if place == "payload":
        assert "3 records of range 9 from sequence 4 on" in caplog.text


def test_without_checksums_a_flipped_bit_goes_unseen(tmp_path, caplog, monkeypatch):
    """The safeguard off: another text is returned for true."""
    part = RUN.part(9, 1, 2)
    with open_store(f"journal:{tmp_path}/j") as store:
        store.write([part])
        path = Path(store.path)
        data = path.read_bytes()
        path.write_bytes(data.replace(b"#", b"!"))
        assert list(store.query()) == []
        monkeypatch.setattr(segments.zlib, "crc32", lambda octets, start=0: 0)
        store.write([RUN.part(9, 2, 3)])
        path.write_bytes(path.read_bytes().replace(b"#", b"!"))
        assert [r.text for r in store.query()][-1:] != [RUN.part(9, 2, 3).records[0].text]


def test_a_file_larger_than_what_is_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_WINDOW", 100)
    parts = RUN.parts(5)
    with open_store(f"journal:{tmp_path}/j?max_bytes=0") as store:
        store.write([as_received(part) for part in parts])
        check_whole(store)
        assert sorted(entries(store)) == sorted(r.key for r in stored(parts))
        assert len(list(store.query(Filter(level=13, limit=3)))) == 3


def test_its_files_are_in_the_folder_that_it_makes(tmp_path):
    with open_store(f"journal:{tmp_path}/a/b") as store:
        assert isinstance(store, JournalStore)
        assert store.url == f"journal:{tmp_path}/a/b"
        store.write([RUN.part(9, 1, 2)])
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["frames", "frames.sidecar"]

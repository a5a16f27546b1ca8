"""Each safeguard of a node's journal on disk turned off, one at a time: what it promises must then be seen to fail."""

import contextlib
import fcntl
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from zlog.agent.disk import LOOK_NS, DiskJournal
from zlog.agent.kept import Kept, Segments, folder_name, segment_of
from zlog.core import segments
from zlog.core.batches import Batch, Cutter, Run
from zlog.core.holdings import Holdings
from zlog.core.journal import Journal
from zlog.core.sync import RunKey
from zlog.record import Record, encode
from zlog.report import Once


class Node:
    """What an agent has around its journal on disk."""

    def __init__(self, folder: Path) -> None:
        self.run = Run(uuid.uuid4(), 1_763_625_600_000_000_000)
        self.holdings = Holdings(self.run, Journal(1 << 20))
        self.disk = DiskJournal(str(folder), self.holdings, 1 << 24, 3600.0, Once("test"))
        self.path = folder / folder_name(self.holdings.key)

    def log(self, count: int) -> list[Batch]:
        """Batches of two records."""
        cutter, batches = Cutter(self.run, "host", "name", 1), list[Batch]()
        for _ in range(count):
            for _ in range(2):
                ordinal, sequence = self.run.number(9)
                record = encode(Record(ordinal, 1000 + ordinal, 9, "app", f"text {ordinal}"))
                batches += cutter.add(9, sequence, ordinal, 1000 + ordinal, record, 1)
            batches += cutter.flush()
        for batch in batches:
            self.holdings.journal.append(batch, 1)
            self.disk.pump(1)
        return batches


@contextlib.contextmanager
def node_in(folder: Path) -> Iterator[Node]:
    node = Node(folder)
    try:
        yield node
    finally:
        node.disk.close(1)


def harms(data: bytes) -> Iterator[bytes]:
    """What a file may be after a machine has died, or a disk has forgotten a bit."""
    for at in range(len(data)):
        yield data[:at]
        yield data[:at] + bytes(len(data) - at)  # its length was written, and not what is in it
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def lies(folder: Path) -> int:
    """How often a harmed segment answers with something that never was, or doesn't answer."""
    with node_in(folder) as node:
        logged = {batch.sequence: batch for batch in node.log(3)}
    (segment,) = [path for path in node.path.iterdir() if segment_of(path.name)]
    found = 0
    for data in harms(segment.read_bytes()):
        segment.write_bytes(data)
        kept = Kept(str(node.path), RunKey(node.run.node, node.run.epoch), Segments())
        kept.read()
        at = 1
        while at < 7:
            item = kept.at(9, at)
            if item is None or item.stop <= at or (isinstance(item, Batch) and logged.get(item.sequence) != item):
                found += 1
                break
            at = item.stop
    return found


class _Sums:
    """`zlib` as the entries' module uses it, without the sums of heads or without those of payloads."""

    def __init__(self, *, heads: bool) -> None:
        self._heads = heads

    def crc32(self, octets: Any, start: int = 0) -> int:
        is_head = len(octets) == segments.HEAD_SIZE - 4
        return 0 if is_head == self._heads else zlib.crc32(octets, start)


@pytest.mark.parametrize("heads", [False, True], ids=["checksum of a payload", "checksum of a head"])
def test_a_torn_or_changed_segment_shows_which_checksum_is_off(heads: bool, tmp_path: Path) -> None:
    assert lies(tmp_path / "on") == 0
    with mock.patch.object(segments, "zlib", _Sums(heads=heads)):
        assert lies(tmp_path / "off") > 0


def holders(folder: Path) -> int:
    """How many hold a run while its process lives, and when it has died."""
    with node_in(folder) as one, node_in(folder) as two:
        with node_in(folder) as owner:
            owner.log(1)
            assert not one.disk.look(LOOK_NS, often=True)
        for node in (one, two):
            node.disk.look(3 * LOOK_NS, often=True)
        return sum(owner.holdings.key in node.holdings.earlier for node in (one, two))


def test_a_run_with_two_holders_shows_that_the_lock_is_off(tmp_path: Path) -> None:
    assert holders(tmp_path / "on") == 1
    with mock.patch.object(fcntl, "flock", return_value=None):
        with pytest.raises(AssertionError):  # it is taken from who writes it
            holders(tmp_path / "off")
        with node_in(tmp_path / "two") as one, node_in(tmp_path / "two") as two:
            with node_in(tmp_path / "two") as owner:
                owner.log(1)
            assert one.disk.look(LOOK_NS, often=True)
            assert two.disk.look(LOOK_NS, often=True)

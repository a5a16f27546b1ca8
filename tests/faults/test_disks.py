"""A disk that is full for a while: under the collector's stores, under a node's journal."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.audit import read
from support.disks import SmallDisk

from .conftest import MakeScene
from .scene import KINDS, side_by_side

MakeDisk = Callable[[int], SmallDisk]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[MakeDisk]:
    """Makes disks of so many octets."""
    with contextlib.ExitStack() as stack:

        def make(size: int) -> SmallDisk:
            folder = tmp_path / f"disk-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(contextlib.closing(SmallDisk(folder, size)))

        yield make


def octets_in(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*.seg"))


def test_full_disks(scene: MakeScene, small: MakeDisk) -> None:
    def of_the_collector() -> None:
        here, disk = collecting, stores_disk
        apart = here.url("sqlite", here.folder)
        full = [here.url(kind, disk.folder) for kind in KINDS]
        collector = here.collector(urls=[*full, apart], prefix=disk.prefix)
        here.node(rate=500)
        here.wait_sent(1000)
        disk.fill()
        here.wait_sent(2000)
        here.recover(urls=[apart])  # the one that has room goes on
        here.recovery_s.clear()
        here.wait_sent(2000)
        before = disk.call(lambda: [read(url) for url in full])
        here.wait_sent(1000)
        assert disk.call(lambda: [read(url) for url in full]) == before
        here.over()
        disk.free()
        disk.call(lambda: here.recover(urls=[*full, apart]))
        here.end_nodes()
        assert collector.terminate(60) == 0
        disk.call(lambda: here.account(urls=full))
        here.fault = "the same, a store that had room"
        here.recovery_s.clear()
        here.account(urls=[apart])

    def of_the_node() -> None:
        here, disk = logging, journal_disk
        journal = str(disk.folder / "journal")
        collector = here.collector()
        node = here.node(rate=1000, journal=journal, prefix=disk.prefix)
        here.wait_sent(1000)
        disk.fill()
        here.wait_sent(1000)
        collector.kill()
        before = disk.call(lambda: octets_in(journal))
        here.wait_sent(2000)
        assert disk.call(lambda: octets_in(journal)) == before
        here.over()
        disk.free()
        collector = here.collector()
        here.recover()
        here.wait_sent(2000)
        here.kill(node)
        here.over()
        here.node(journal=journal, prefix=disk.prefix)
        here.recover()
        here.finish(collector)

    def of_a_collector_that_dies() -> None:
        here, disk = dying, dying_disk
        full = [here.url(kind, disk.folder) for kind in KINDS]
        collector = here.collector(urls=full, prefix=disk.prefix)
        here.node(rate=500)
        here.wait_sent(1000)
        disk.fill()
        here.wait_sent(1000)
        collector.kill()
        collector = here.collector(urls=full, prefix=disk.prefix)
        for kind in KINDS:
            collector.expect(f"{kind}:.* can't be written", timeout_s=30)
        assert collector.terminate(60) == 1
        collector.expect("can't be written")  # why it is 1
        here.over()
        disk.free()
        collector = here.collector(urls=full, prefix=disk.prefix)
        disk.call(lambda: here.recover(urls=full))
        here.end_nodes()
        assert collector.terminate(60) == 0
        disk.call(lambda: here.account(urls=full))

    def of_a_node_that_dies() -> None:
        here, disk = lonely, lonely_disk
        journal = str(disk.folder / "journal")
        collector = here.collector()
        node = here.node(rate=1000, journal=journal, prefix=disk.prefix)
        here.wait_sent(1000)
        here.wait_stored()
        collector.kill()
        here.wait_sent(1000)
        disk.fill()
        here.wait_sent(1000)
        here.kill(node)
        here.over()
        disk.free()
        collector = here.collector()
        here.node(journal=journal, prefix=disk.prefix)
        here.recover()
        here.finish(collector)

    collecting, stores_disk = scene("disk of the collector full"), small(64 << 20)
    dying, dying_disk = scene("disk of the collector full, and collector kill -9"), small(64 << 20)
    logging, journal_disk = scene("disk of a node's journal full, then node kill -9"), small(4 << 20)
    lonely, lonely_disk = scene("disk of a node's journal full, no collector, node kill -9"), small(4 << 20)
    side_by_side(of_the_collector, of_a_collector_that_dies, of_the_node, of_a_node_that_dies)

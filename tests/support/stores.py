"""What the tests of stores share: runs to log, an independent reading of what is stored, disks that fail and die."""

import errno
import os
import random
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from zlog import severity
from zlog.collector.stores import Filter, Key, Part, Store
from zlog.collector.stores.disk import Disk
from zlog.collector.stores.model import GAP
from zlog.core.intervals import Intervals
from zlog.record import Record, Stored

NODES = [bytes([number]) * 16 for number in (0x3A, 0xB1, 0x07)]
NS = 1_000_000_000
START_NS = 1_763_625_600 * NS
TEXT_FORMAT = "{node}%20{epoch}%20{severity}%20{sequence}%20{text}"  # of `file:`, so that a test can read it back


class Run:
    """A run's records: of several ranges, with a clock that also goes back, ordinals and sequences as protocol 7.7."""

    def __init__(self, node: bytes, epoch: int, size: int, seed: int = 0) -> None:
        rng = random.Random(f"{node.hex()} {epoch} {seed}")
        self.node, self.epoch = node, epoch
        self.name = f"node-{node[0]:02x}"
        self.streams: dict[int, list[Record]] = {}
        time_ns = START_NS + rng.randrange(10 * NS)
        for ordinal in range(1, size + 1):
            time_ns += rng.choice([0, 1, 1000, NS // 10, -NS // 2, -5 * NS if not ordinal % 17 else 7])
            number = rng.choice([5, 9, 9, 10, 13, 17, 22])
            record = Record(
                ordinal=ordinal,
                time_ns=time_ns,
                severity=number,
                logger=rng.choice(["arm.joint", "arm", "web"]),
                text=rng.choice(["ready", "° ünïcode \U0001f916", "two\nlines", "nul\0 and \x1b[31m", ""])
                + f" #{ordinal}",
                event=rng.choice([0, 0, 3]),
                peer=rng.choice([None, NODES[0]]),
                attributes=rng.choice([{}, {"joint": ordinal, "deep": {"list": [1, 2.5, None, "x", True]}}]),
            )
            self.streams.setdefault(severity.range_of(number), []).append(record)

    def part(self, range_: int, start: int, stop: int) -> Part:
        """The sequences [start, stop) as they would come in a BATCH."""
        records = self.streams[range_][start - 1 : stop - 1]
        return Part(self.node, self.epoch, range_, start, records, "host", self.name, 4711, START_NS + start)

    def parts(self, size: int = 7) -> list[Part]:
        """All of it, in batches of that size."""
        return [
            self.part(range_, start, min(start + size, len(records) + 1))
            for range_, records in self.streams.items()
            for start in range(1, len(records) + 1, size)
        ]


def stored(parts: Iterable[Part]) -> list[Stored]:
    """The parts' records, as a store should give them back."""
    return [record for part in parts for record in part.stored()]


def expected(records: Iterable[Stored], wanted: Filter = Filter()) -> list[Stored]:  # noqa: B008 - it is frozen
    """What a query should return, worked out the plain way."""
    chosen = [record for record in records if wanted.matches(record)]
    if wanted.limit is not None:
        chosen.sort(key=lambda r: (r.time_ns, r.node, r.epoch, r.ordinal))
        chosen = chosen[len(chosen) - min(wanted.limit, len(chosen)) :]
    runs: dict[tuple[str, int], list[Stored]] = {}
    for record in chosen:
        runs.setdefault((record.node, record.epoch), []).append(record)
    keyed = []
    for run, members in runs.items():
        latest = 0
        for place, record in enumerate(sorted(members, key=lambda r: r.ordinal)):
            latest = max(latest, record.time_ns)
            keyed.append(((latest, run, place), record))
    return [record for _, record in sorted(keyed, key=lambda pair: pair[0])]


Entry = tuple[str, int, int, int]


def entries(store: Store) -> list[Entry]:
    """Keys of all records in it: node, epoch, range, sequence; from its lines if it can't be queried."""
    if store.scheme != "file":
        return [record.key for record in store.query()]
    matches = (re.match(r"([0-9a-f]{32}) (\d+) (\d+) (\d+) ", line) for line in text_lines(store.path))
    return [(m[1], int(m[2]), severity.range_of(int(m[3])), int(m[4])) for m in matches if m]


def text_lines(path: str) -> Iterator[str]:
    for file in sorted(Path(path).parent.glob(Path(path).name + "*")):
        if not file.name.endswith((".sidecar", ".new")):
            data = file.read_text()
            assert not data or data.endswith("\n"), "a torn line"
            yield from data.splitlines()


def check_whole(store: Store) -> dict[Key, Intervals]:
    """What the store holds, after checking that each sequence is one record or one loss. It holds no gaps."""
    found: dict[Key, Intervals] = {}
    gaps: dict[Key, Intervals] = {}
    for node, epoch, range_, sequence in entries(store):
        seen = found.setdefault((bytes.fromhex(node), epoch, range_), Intervals())
        assert sequence not in seen, "a record is there twice"
        seen.add(sequence, sequence + 1)
    for loss in store.losses():
        for intervals in (found, gaps) if loss.cause == GAP else (found,):
            seen = intervals.setdefault(loss.key, Intervals())
            assert seen.missing(loss.start, loss.stop) == [(loss.start, loss.stop)], (
                "a loss that is stored, or lost twice"
            )
        (gaps if loss.cause == GAP else found)[loss.key].add(loss.start, loss.stop)
    found = {key: intervals for key, intervals in found.items() if intervals}
    assert found == store.held()
    return found


class Died(BaseException):
    """The process ends here."""


class FaultyDisk(Disk):
    """A disk whose n-th change fails, or is the last thing the process does; it remembers what a power failure keeps.

    Args:
        at: number of the change, from 1; 0 for none.
        error: errno that it fails with; None to die.
        seed: decides how much of that change is still made, and what the power failure keeps.
        count: how many changes fail from there on.
    """

    def __init__(self, at: int = 0, error: int | None = None, seed: int = 0, count: int = 1) -> None:
        self.at, self.error, self.count = at, error, count
        self.changes = 0
        self._rng = random.Random(seed)
        self._paths: dict[int, str] = {}
        self._durable: dict[str, bytes] = {}  # by path, what was synced
        self._names: list[tuple[str, str, bytes | None]] = []  # renames since the folder was synced
        self._dead = False

    def _change(self) -> bool:
        """Whether this change fails."""
        if self._dead:
            raise Died
        self.changes += 1
        return bool(self.at) and self.at <= self.changes < self.at + self.count

    def _fail(self) -> None:
        if self.error is None:
            self._dead = True
            raise Died
        raise OSError(self.error, os.strerror(self.error))

    def open(self, path: str, *, create: bool = False, write: bool = True) -> int:
        if create and self._change():
            self._fail()
        descriptor = super().open(path, create=create, write=write)
        self._paths[descriptor] = path
        if create:
            self._durable[path] = b""
        elif write:
            self._durable.setdefault(path, Path(path).read_bytes())
        return descriptor

    def write(self, descriptor: int, data: bytes, offset: int) -> None:
        if self._change():
            super().write(descriptor, data[: self._rng.randint(0, len(data))], offset)
            self._fail()
        super().write(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        if self._change():
            self._fail()
        path = self._paths[descriptor]
        self._durable[path] = Path(path).read_bytes()

    def cut(self, descriptor: int, length: int) -> None:
        if self._change():
            self._fail()
        super().cut(descriptor, length)

    def rename(self, old: str, new: str) -> None:
        if self._change():
            self._fail()
        before = self._durable.get(new, Path(new).read_bytes() if os.path.exists(new) else None)
        super().rename(old, new)
        self._names.append((old, new, before))
        self._durable[new] = self._durable.pop(old)
        self._paths = {number: new if path == old else path for number, path in self._paths.items()}

    def remove(self, path: str) -> None:
        if self._change():
            self._fail()
        super().remove(path)
        self._durable.pop(path, None)

    def sync_folder(self, path: str) -> None:
        if self._change():
            self._fail()
        self._names.clear()

    def lose_power(self) -> None:
        """Leaves on disk what a power failure might: of what wasn't synced anything, in any mixture."""
        for path, durable in self._durable.items():
            if os.path.exists(path):
                Path(path).write_bytes(self._mixture(durable, Path(path).read_bytes()))
        for old, new, before in reversed(self._names[self._rng.randint(0, len(self._names)) :]):
            if before is None and os.path.exists(old):
                os.unlink(old)  # made after the rename
            if before is None:
                shutil.move(new, old)
            else:
                Path(new).write_bytes(before)

    def _mixture(self, durable: bytes, current: bytes) -> bytes:
        if durable == current or self._rng.random() < 0.2:
            return durable
        length = self._rng.randint(min(len(durable), len(current)), max(len(durable), len(current)))
        old, new, none = (data.ljust(length, b"\0")[:length] for data in (durable, current, b""))
        mixed = b"".join(self._rng.choice([old, new, none])[start : start + 16] for start in range(0, length, 16))
        kept = min(len(durable), len(current))
        return bytes(
            o if place < kept and o == n else m for place, (o, n, m) in enumerate(zip(old, new, mixed, strict=True))
        )


DISK_FULL = errno.ENOSPC

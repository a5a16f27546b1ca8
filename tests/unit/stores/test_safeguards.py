"""Each safeguard of the stores turned off, one at a time: what they promise must then be seen to fail.

Intervals, sidecar, checksum and lock; resume is the session's, in `simulation/safeguards.py`. What is here dies at each
change of a disk, or has each octet of a file changed, as in `test_crash.py`; where that shows nothing with a safeguard
off, nobody would notice that it is gone.
"""

import contextlib
import itertools
import logging
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from support.crashes import RUN, WRITES, Death, empty, expected_spans, held_spans, survives, write
from support.stores import TEXT_FORMAT, FaultyDisk, check_whole, stored
from zlog.collector.stores import Part, Store, open_store
from zlog.collector.stores import sidecar as sidecars
from zlog.collector.stores.files import FileStore
from zlog.collector.stores.sidecar import SUFFIX, Sidecar
from zlog.collector.stores.sqlite import SQLiteStore
from zlog.core import segments
from zlog.core.intervals import Intervals
from zlog.errors import StoreError

URLS = {
    "jsonl": "jsonl:{}/log.jsonl",
    "jsonl-rotated": "jsonl:{}/log.jsonl?max_bytes=4k",
    "file": "file:{}/log.txt?format=" + TEXT_FORMAT,
    "file-rotated": "file:{}/log.txt?max_bytes=500&format=" + TEXT_FORMAT,
    "journal": "journal:{}/log",
    "journal-rotated": "journal:{}/log?max_bytes=4k",
}
Patch = tuple[object, str, Any]


@contextlib.contextmanager
def patched(patches: Sequence[Patch]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for owner, name, changed in patches:
            stack.enter_context(mock.patch.object(owner, name, changed))
        yield


# --- crashes ----------------------------------------------------------------------------------------------------------


def _everything_is_new(self: Store, changed: dict[Any, Intervals], key: Any, start: int, stop: int) -> Any:
    changed.setdefault(key, (self._held.get(key) or Intervals()).copy()).add(start, stop)
    return [(start, stop)] if start < stop else []


def _knows_only_the_length(real: Callable[..., None]) -> Callable[..., None]:
    def apply(self: Sidecar, entry: dict[str, Any]) -> None:
        real(self, {name: value for name, value in entry.items() if name not in ("held", "lost")})

    return apply


def _sidecar_first(self: FileStore, parts: Any, losses: Any, changed: Any) -> None:
    data = self._encode(parts, losses)
    at = self._sidecar.length
    self._sidecar.append([(part.key, part.sequence, part.stop) for part in parts], losses, at + len(data), 1)
    self._disk.write(self._descriptor, data, at)
    self._disk.sync(self._descriptor)


def _without(name: str, where: Callable[[str], bool]) -> Patch:
    """Of a disk: one kind of change isn't made in some files."""
    real = getattr(FaultyDisk, name)

    def change(self: FaultyDisk, file: Any, *rest: Any) -> None:
        if not where(self._paths[file] if isinstance(file, int) else file):
            real(self, file, *rest)

    return FaultyDisk, name, change


def _is_sidecar(path: str) -> bool:
    return SUFFIX in path


def _is_data(path: str) -> bool:
    return SUFFIX not in path


#: What is turned off, by the name of what it guards: how, where it is seen, whether it takes a power failure, and
#: whether the disk has to fail before.
CRASHES: dict[str, tuple[list[Patch], tuple[str, ...], bool, bool]] = {
    "intervals: a store takes only what it lacks":
        ([(Store, "_take", _everything_is_new)], ("jsonl", "file", "journal"), False, False),
    "sidecar: at the start, it says what is held":
        ([(Sidecar, "_apply", _knows_only_the_length(Sidecar._apply))], ("jsonl", "file", "journal"), False, False),
    "sidecar: it is written after the data":
        ([(FileStore, "_put", _sidecar_first)], ("jsonl", "file", "journal"), False, False),
    "sidecar: the data is synced before":
        ([_without("sync", _is_data)], ("jsonl", "file", "journal"), True, False),
    "sidecar: a line is synced":
        ([_without("sync", _is_sidecar)], ("jsonl", "file", "journal"), True, False),
    "sidecar: what is beyond its length is cut off":
        ([_without("cut", _is_data)], ("file", "file-rotated", "jsonl-rotated"), False, False),
    "sidecar: a line that may come back is cut off before data is written":
        ([_without("cut", _is_sidecar)], ("jsonl", "file", "journal"), False, True),
    "sidecar: a rename is synced":
        ([_without("sync_folder", lambda path: True)],
         ("jsonl", "jsonl-rotated", "file-rotated", "journal-rotated"), True, False),
    "sidecar: a rename that wasn't synced is, before anything is written":
        ([(Sidecar, "repair", None)], ("jsonl", "file", "journal"), True, True),
}  # fmt: skip


def _repair_the_lines_only(self: Sidecar) -> None:
    self._renamed = False
    _repair(self)


_repair = Sidecar.repair
CRASHES["sidecar: a rename that wasn't synced is, before anything is written"][0][0] = (
    Sidecar, "repair", _repair_the_lines_only,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, (_, kinds, _, _) in CRASHES.items() for kind in kinds]
)
def test_a_crash_shows_what_is_off(name, kind, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(sidecars, "SPARE_BYTES", 300)
    patches, _, power, fails = CRASHES[name]
    url = URLS[kind].replace("{}", str(tmp_path), 1)

    def fares(death: Death) -> str | None:
        """What was wrong after it; None for nothing, "over" where there was no such change."""
        empty(tmp_path)
        try:
            return None if survives(url, death) else "over"
        except (AssertionError, StoreError) as problem:
            return str(problem)

    deaths = [Death(at, power, seed, fails) for seed in range(1, 40) for at in range(5, 90, 1 if seed < 3 else 7)]
    with patched(patches):
        found = next((death for death in deaths if fares(death) not in (None, "over")), None)
    assert found is not None, f"{len(deaths)} deaths do without this: {name}"
    assert fares(found) in (None, "over")


# --- checksums --------------------------------------------------------------------------------------------------------


class _Sums:
    """`zlib` as the entries' module uses it, without the sums of heads or without those of payloads."""

    def __init__(self, *, heads: bool) -> None:
        self._heads = heads

    def crc32(self, octets: Any, start: int = 0) -> int:
        is_head = len(octets) == segments.HEAD_SIZE - 4
        return 0 if is_head == self._heads else zlib.crc32(octets, start)


def _any_line_will_do(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        entry = msgspec.json.decode(line[9:-1], type=dict)
        return entry if line[-1:] == b"\n" else None
    return None


#: What is turned off, and how.
SUMS: dict[str, tuple[Patch, str]] = {
    "checksum: of an entry's payload": ((segments, "zlib", _Sums(heads=False)), "journal"),
    "checksum: of an entry's head": ((segments, "zlib", _Sums(heads=True)), "journal"),
    "checksum: of a line of the sidecar": ((sidecars, "_parse", _any_line_will_do), "sidecar"),
}


def lies_in_the_data(folder: Path) -> int:
    """How many changes of an octet let a journal say something that never was."""
    parts = [RUN.part(9, 1, 4), RUN.part(9, 4, 6), RUN.part(13, 1, 3)]
    true = {record.key: record for record in stored(parts)}
    lies = 0
    with open_store(f"journal:{folder}/j") as store:
        for part in parts:
            store.write([part])
        path = Path(store.path)
        data = path.read_bytes()
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
            try:
                found = list(store.query())
                lies += len({record.key for record in found if true.get(record.key) == record}) < len(found)
            except Exception:  # noqa: BLE001 - nothing is to be raised, whatever the file has
                lies += 1
    return lies


def lies_in_the_sidecar(folder: Path) -> int:
    """How many changes of an octet let a store hold what it doesn't, unsaid. The last line may be a torn one."""
    lies = 0
    url = f"jsonl:{folder}/j"
    with open_store(url) as store:
        for what in WRITES[:4]:
            write(store, what)
        held, losses = store.held(), store.losses()
    path = Path(store.path + SUFFIX)
    data = path.read_bytes()
    for at in range(data.rindex(b"\n", 0, -1)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with contextlib.suppress(StoreError, TypeError, ValueError), open_store(url).open(read_only=True) as store:
            lies += (store.held(), store.losses()) != (held, losses)
    return lies


@pytest.mark.parametrize("name", SUMS)
def test_a_changed_octet_shows_which_checksum_is_off(name, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    patch, where = SUMS[name]
    lies = {"journal": lies_in_the_data, "sidecar": lies_in_the_sidecar}[where]
    for folder in ("on", "off"):
        (tmp_path / folder).mkdir()
    assert not lies(tmp_path / "on")
    with patched([patch]):
        assert lies(tmp_path / "off")


# --- the lock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jsonl", "file", "journal"])
def test_two_writers_show_that_the_lock_is_off(kind, tmp_path):
    url = URLS[kind].replace("{}", str(tmp_path), 1)

    def second_writer() -> None:
        with open_store(url) as one:
            one.write([RUN.part(9, 1, 4)])
            with open_store(url) as two:
                for part in RUN.parts(5):
                    two.write([part])
                one.write([RUN.part(9, 4, 9)])
        with open_store(url) as store:
            check_whole(store)

    with pytest.raises(StoreError, match="in use by another process"):
        second_writer()
    empty(tmp_path)
    with patched([(sidecars.Disk, "lock", lambda self, descriptor: None)]), pytest.raises((AssertionError, StoreError)):
        second_writer()


# --- SQLite -----------------------------------------------------------------------------------------------------------


def _in_two_transactions(self: SQLiteStore, parts: list[Part], losses: list[Any], changed: Any) -> None:
    _put(self, parts, losses, {})
    self._database.execute("COMMIT")
    self._database.execute("BEGIN IMMEDIATE")
    _put(self, [], [], changed)


_put = SQLiteStore._put


def survives_in_sqlite(folder: Path, at: int) -> bool:
    """As `survives`: a process is killed before a statement; what it wrote so far is there, as the kernel has it."""
    url = f"sqlite:{folder}/log.db"
    left = folder / "left"
    left.mkdir()
    done = statements = 0

    def step(statement: str) -> None:
        nonlocal statements
        statements += 1
        if statements == at:
            for path in folder.glob("log.db*"):
                if not path.name.endswith("-shm"):
                    shutil.copy(path, left / path.name)
            raise_at_the_end.append(statement)

    raise_at_the_end: list[str] = []
    with open_store(url) as store:
        assert isinstance(store, SQLiteStore)
        store._database.set_trace_callback(step)
        for what in WRITES:
            write(store, what)
            if raise_at_the_end:
                break
            done += 1
    if not raise_at_the_end:
        return False
    with open_store(f"sqlite:{left}/log.db") as store:
        assert held_spans(store) in (expected_spans(WRITES[:done]), expected_spans(WRITES[: done + 1]))
        check_whole(store)
        for what in WRITES:
            write(store, what)
        assert held_spans(store) == expected_spans(WRITES)
        check_whole(store)
    return True


def test_a_kill_at_every_statement_shows_whether_intervals_are_in_the_records_transaction(tmp_path):
    def fares(folder: Path, at: int) -> bool | None:
        folder.mkdir()
        try:
            return survives_in_sqlite(folder, at)
        except (AssertionError, StoreError, sqlite3.Error):
            return None

    on = list(
        itertools.takewhile(
            lambda well: well is not False, (fares(tmp_path / f"on{at}", at) for at in range(1, 999, 3))
        )
    )
    assert len(on) > 20
    assert None not in on
    with patched([(SQLiteStore, "_put", _in_two_transactions)]):
        assert any(fares(tmp_path / f"off{at}", at) is None for at in range(1, 200))

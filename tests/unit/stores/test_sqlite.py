"""What only SQLite has: a schema for people with SQL, and other databases that aren't ours."""

import contextlib
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from support.stores import NODES, Run, stored
from zlog.collector.stores import Filter, Part, Store, open_store
from zlog.collector.stores.sqlite_query import Query
from zlog.core.intervals import Intervals
from zlog.errors import StoreError

RUN = Run(NODES[0], 7, 60)


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:{tmp_path}/log.db") as opened:
        yield opened


def sql(store: Store, statement: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(store.path)) as database:
        rows = database.execute(statement).fetchall()
        database.commit()
    return rows


def test_the_view_has_it_all(store):
    store.write(RUN.parts())
    rows = sql(
        store,
        "SELECT node, epoch, range, sequence, ordinal, time_ns, severity, logger, text, name, host, pid, received_ns"
        " FROM log ORDER BY ordinal",
    )
    assert rows == [
        (*r.key, r.ordinal, r.time_ns, r.severity, r.logger, r.text, r.name, r.host, r.pid, r.received_ns)
        for r in sorted(stored(RUN.parts()), key=lambda r: r.ordinal)
    ]
    [(time, joint)] = sql(store, "SELECT time, attributes ->> 'joint' FROM log WHERE attributes NOT NULL LIMIT 1")
    assert str(time).startswith("2025-11-20T0")
    assert str(time).endswith("Z")
    assert isinstance(joint, int)


def test_missing_by_sql(store):
    """Stored, lost and missing, as the documentation of a user would reckon it."""
    store.write([RUN.part(9, 1, 5), RUN.part(9, 8, 10)])
    store.gone((RUN.node, RUN.epoch, 9), 5, 7, 1, 0)
    assert sql(store, "SELECT start, stop FROM intervals ORDER BY start") == [(1, 7), (8, 10)]
    assert sql(store, "SELECT sum(stop - start) FROM losses") == [(2,)]
    assert sql(store, "SELECT max(stop) - 1 - sum(stop - start) FROM intervals") == [(1,)]


def test_parts_that_cross_a_segment(store):
    start = (1 << 32) - 2
    part = Part(RUN.node, 1, 9, start, RUN.part(9, 1, 6).records)
    store.write([part])
    assert [record.sequence for record in store.query()] == list(range(start, start + 5))
    assert [record.sequence for record in store.query(Filter(limit=4))] != []
    assert store.held() == {part.key: Intervals([(start, start + 5)])}


@pytest.mark.parametrize("wanted", [Filter(), Filter(level=17), Filter(since_ns=5), Filter(until_ns=1 << 62, level=2)])
def test_a_query_sorts_nothing(store, wanted):
    """It is read in order: the first record comes at once, however many there are."""
    store.write(RUN.parts())
    plans: list[str] = []
    with contextlib.closing(sqlite3.connect(store.path)) as database:
        statements: list[str] = []
        database.set_trace_callback(statements.append)
        list(Query(database, wanted).all())
        database.set_trace_callback(None)
        for statement in statements:
            if "records" in statement:
                plans += [row[3] for row in database.execute("EXPLAIN QUERY PLAN " + statement)]
    assert plans
    assert not [step for step in plans if "TEMP B-TREE" in step or step.startswith("SCAN")]


def test_the_newest_are_found_without_reading_all(store):
    run = Run(NODES[1], 1, 3000)
    for part in run.parts(50):
        store.write([part])
    reads = 0

    def count(statement: str) -> None:
        nonlocal reads
        reads += "records" in statement

    with contextlib.closing(sqlite3.connect(store.path)) as database:
        database.set_trace_callback(count)
        assert len(list(Query(database, Filter(limit=5)).newest(5))) == 5
    assert reads < 20


def test_other_databases_are_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE mine (a)")
        database.commit()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="is a database, but none of zlog's"):
            open_store(f"sqlite:{path}").open(read_only=read_only)
    assert path.read_bytes() == before


def test_no_database(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 1000)
    with pytest.raises(StoreError, match="file is not a database; name another file"):
        open_store(f"sqlite:{path}").open()
    assert path.read_text() == "hello " * 1000


def test_a_later_schema(store):
    sql(store, "PRAGMA user_version = 9")
    store.close()
    with pytest.raises(StoreError, match="schema version 9; this release knows 1"):
        store.open()


def test_a_damaged_database_is_a_clear_error(store):
    store.write([part for node in NODES for part in Run(node, 1, 2000).parts(100)])
    store.close()
    path = Path(store.path)
    data = bytearray(path.read_bytes())
    data[8192 * 3 :] = bytes(len(data) - 8192 * 3)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="malformed"):  # noqa: PT012 - which step notices is SQLite's affair
        store.open()
        list(store.query())


def test_power_failures_are_met(tmp_path):
    for options, synchronous in (("", 2), ("?sync=normal", 1)):
        with open_store(f"sqlite:{tmp_path}/log.db{options}") as store:
            assert store._database.execute("PRAGMA synchronous").fetchone() == (synchronous,)
            assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_strange_paths(tmp_path):
    path = f"{tmp_path}/a b#c%41 ü.db"
    with open_store(f"sqlite:{path}") as store:
        store.write(RUN.parts())
        assert len(list(store.query())) == 60
    assert Path(path).exists()


READ_THERE = """
import sys
from zlog.collector.stores import Filter, open_store
from zlog.errors import StoreError
try:
    with open_store("sqlite:" + sys.argv[1]).open(read_only=True) as store:
        print(len(list(store.query())), len(list(store.query(Filter(limit=3)))), len(store.held()), store.losses())
except StoreError as problem:
    print(problem)
"""
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$4"'


def test_where_nothing_may_be_written_it_can_be_read(tmp_path, mounts):
    folder = tmp_path / "other"
    folder.mkdir()
    with open_store(f"sqlite:{tmp_path}/log.db") as store:
        store.write(RUN.parts())
        held = len(store.held())
        for suffix in ("", "-wal"):
            shutil.copy(f"{tmp_path}/log.db{suffix}", f"{folder}/log.db{suffix}")
    arguments = [str(folder), sys.executable, READ_THERE, f"{folder}/log.db"]
    found = mounts(READ_ONLY, arguments)
    assert "log.db can't be read: what was written last is in" in found.stdout, found
    assert found.stdout.endswith("; copy both to a directory of yours, and name that\n")
    Path(f"{folder}/log.db-wal").unlink()
    shutil.copy(f"{tmp_path}/log.db", f"{folder}/log.db")
    found = mounts(READ_ONLY, arguments)
    assert found.stdout == f"60 3 {held} []\n", found

"""Records in SQLite: `sqlite:PATH`. The default: one file, every query, readers beside the writer.

The schema, version 1; the view `log` has it all in one table, with times as text:

- `streams`: one run and range each, cut where its sequences reach a multiple of 2^32.
- `records`: `id` is the stream's id, shifted left by 32 bits, plus the low 32 bits of the sequence. So no record can be
  there twice, and those of a stream lie side by side in order, without an index that would cost a third of the speed.
- `parts`: what the records of one BATCH share: who sent it, when it came, from when to when its records are, its range.
  It is the index for time, node and severity: one entry for up to 1,024 records.
- `intervals`: per run and range, what is stored or gone. It changes in the transaction of the records.
- `losses`: what was named as lost; with cause 255 what was missing, and may have come since: `intervals` tells.

`epoch` and sequences are unsigned 64 bits in the protocol and signed in SQLite: from 2^63 on they are negative there.

WAL and `synchronous=FULL`: what was written is there after a power failure too. A writer and readers may each have a
connection of their own, in as many threads and processes as they like; several writers take turns.
"""

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Set
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

import msgspec

from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.record import Stored
from zlog.wire.rows import Rows

from .base import EVERYTHING, GAP, Filter, Held, Key, Loss, Part, Store, Streams
from .options import Option, choice
from .sqlite_query import SEGMENT, SEGMENT_BITS, Query, Row, unsigned

APPLICATION_ID = 0x5A4C4F47  # "ZLOG", so that `file` and this module know what it is
VERSION = 1
BUSY_S = 10.0
"""How long a writer waits for another one."""

SCHEMA = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, epoch INTEGER NOT NULL, range INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    UNIQUE (node, epoch, range, segment)
);
CREATE TABLE records (
    id INTEGER PRIMARY KEY, ordinal INTEGER NOT NULL, time_ns INTEGER NOT NULL, severity INTEGER NOT NULL,
    logger TEXT NOT NULL, text TEXT NOT NULL, event INTEGER NOT NULL, peer TEXT, attributes TEXT
);
CREATE TABLE parts (
    id INTEGER PRIMARY KEY, count INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
    range INTEGER NOT NULL, host TEXT NOT NULL, name TEXT NOT NULL, pid INTEGER NOT NULL, received_ns INTEGER NOT NULL
);
CREATE INDEX parts_by_time ON parts (last_ns, first_ns, range);
CREATE TABLE intervals (
    node TEXT NOT NULL, epoch INTEGER NOT NULL, range INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
    PRIMARY KEY (node, epoch, range, start)
) WITHOUT ROWID;
CREATE TABLE losses (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, epoch INTEGER NOT NULL, range INTEGER NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, cause INTEGER NOT NULL, at_ns INTEGER NOT NULL
);
CREATE VIEW log AS SELECT
    strftime('%Y-%m-%dT%H:%M:%S', r.time_ns / 1000000000, 'unixepoch')
        || printf('.%06dZ', r.time_ns / 1000 % 1000000) AS time,
    r.severity, p.name, p.host, p.pid, r.logger, r.text, r.event, r.peer, r.attributes, s.node, s.epoch, s.range,
    s.segment << 32 | r.id & 4294967295 AS sequence, r.ordinal, r.time_ns, p.received_ns
FROM parts p JOIN records r ON r.id BETWEEN p.id AND p.id + p.count - 1 JOIN streams s ON s.id = r.id >> 32;
"""

_TOGETHER: Final = 32
"""Rows of `records` in one statement: a quarter faster than one by one, and more of them gain nothing."""
_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT: Final = f"INSERT INTO records VALUES {_ROW}"
_INSERT_TOGETHER: Final = _INSERT + f", {_ROW}" * (_TOGETHER - 1)

_to_json = msgspec.json.Encoder().encode


def signed(number: int) -> int:
    """An unsigned number of 64 bits as SQLite can have it."""
    return number - (1 << 64) if number >> 63 else number


class SQLiteStore(Store):
    """A database file; see the module."""

    scheme = "sqlite"
    options: ClassVar[Mapping[str, Option]] = {
        "sync": Option(choice("full", "normal"), "full", "normal: a power failure may take the last writes back"),
    }

    def __init__(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, options)
        self._connection: sqlite3.Connection | None = None
        self._streams: dict[tuple[Key, int], int] = {}
        self._seen = -1  # the version of the data that `_held` and `_streams` are of; -1 for none

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self.url} is not open")
        return self._connection

    def _start(self) -> None:
        with self._errors("opened"):
            try:
                self._connection = self._connect(write=not self.read_only)
                if not self.read_only:
                    self._make_schema()
                self._check_schema()
                with self._transaction("DEFERRED"):
                    self._load()
            except BaseException:
                self._stop()
                raise

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._seen = -1

    def _connect(self, *, write: bool) -> sqlite3.Connection:
        uri = f"file:{quote(str(Path(self.path).absolute()))}?mode={'rwc' if write else 'ro'}"
        try:
            return _connection(uri)
        except sqlite3.OperationalError as problem:
            is_denied = problem.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            if write or not is_denied or not os.access(self.path, os.R_OK):
                raise
            if _octets(f"{self.path}-wal"):
                raise StoreError(
                    f"{self.url} can't be read: what was written last is in {self.path}-wal, and to read that, "
                    "files are made beside it, which isn't permitted here",
                    "copy both to a directory of yours, and name that",
                ) from problem
            return _connection(f"{uri}&immutable=1")  # nobody has it open: the last one removes what is beside it

    def _make_schema(self) -> None:
        database = self._database
        if database.execute("PRAGMA user_version").fetchone()[0] == 0:
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise self._foreign()
            database.execute("PRAGMA page_size = 8192")
            database.execute("PRAGMA journal_mode = WAL")
            with self._transaction("IMMEDIATE"):
                if not database.execute("PRAGMA user_version").fetchone()[0]:  # nobody else was faster
                    for statement in SCHEMA.split(";"):
                        database.execute(statement)
                    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {self.settings['sync'].upper()}")

    def _check_schema(self) -> None:
        if self._database.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise self._foreign()
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise StoreError(f"{self.path} has schema version {version}", f"this release knows {VERSION}")

    def _foreign(self) -> StoreError:
        return StoreError(f"{self.path} is a database, but none of zlog's", "name another file")

    def _load(self) -> None:
        """Reads what is held. Call it in a transaction."""
        database = self._database
        self._seen = self._version()
        self._held = {}
        for node, epoch, range_, start, stop in database.execute(
            "SELECT node, epoch, range, start, stop FROM intervals"
        ):
            key = bytes.fromhex(node), unsigned(epoch), range_
            self._held.setdefault(key, Intervals()).add(unsigned(start), unsigned(stop))
        self._gaps = {}
        for node, epoch, range_, start, stop in database.execute(
            "SELECT node, epoch, range, start, stop FROM losses WHERE cause = ?", (GAP,)
        ):
            key = bytes.fromhex(node), unsigned(epoch), range_
            self._gaps.setdefault(key, Intervals()).add(unsigned(start), unsigned(stop))
        self._streams = {
            ((bytes.fromhex(node), unsigned(epoch), range_), segment): id_
            for id_, node, epoch, range_, segment in database.execute(
                "SELECT id, node, epoch, range, segment FROM streams"
            )
        }

    def _refresh(self) -> None:
        with self._errors("read"):
            if self._version() != self._seen:
                with self._transaction("DEFERRED"):
                    self._load()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._errors("written"):
            try:
                with self._transaction("IMMEDIATE"):
                    if self._version() != self._seen:
                        self._load()
                    yield
            except BaseException:
                self._seen = -1  # what we know may be of what was rolled back
                raise

    def _version(self) -> int:
        """Changes when another connection has written."""
        version: int = self._database.execute("PRAGMA data_version").fetchone()[0]
        return version

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        database = self._database
        database.execute(f"BEGIN {kind}")
        try:
            yield
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # some errors have ended it already
                database.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as problem:
            raise StoreError(f"{self.url} can't be {done}: {problem}", _HINTS.get(str(problem), "")) from problem

    def _put(self, parts: list[Part], losses: list[Loss], changed: Held) -> None:
        database = self._database
        pieces = sorted((self._id(piece), piece) for part in parts for piece in _segments(part))
        rows = [row for first, piece in pieces for row in _rows(first, piece)]
        whole = len(rows) - len(rows) % _TOGETHER
        database.executemany(_INSERT_TOGETHER, _joined(rows[:whole]))
        database.executemany(_INSERT, rows[whole:])
        database.executemany(
            "INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (_part_row(first, piece) for first, piece in pieces)
        )
        database.executemany(
            "INSERT INTO losses VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    loss.node,
                    signed(loss.epoch),
                    loss.range,
                    signed(loss.start),
                    signed(loss.stop),
                    loss.cause,
                    loss.at_ns,
                )
                for loss in losses
            ],
        )
        keys = {key: (key[0].hex(), signed(key[1]), key[2]) for key in changed}
        database.executemany("DELETE FROM intervals WHERE node = ? AND epoch = ? AND range = ?", keys.values())
        database.executemany(
            "INSERT INTO intervals VALUES (?, ?, ?, ?, ?)",
            ((*keys[key], signed(start), signed(stop)) for key, pairs in changed.items() for start, stop in pairs),
        )

    def _id(self, piece: Part) -> int:
        """The id of its first record; makes its stream if it is new."""
        segment, low = divmod(piece.sequence, SEGMENT)
        stream = self._streams.get((piece.key, segment))
        if stream is None:
            made = self._database.execute(
                "INSERT INTO streams VALUES (NULL, ?, ?, ?, ?)",
                (piece.node.hex(), signed(piece.epoch), piece.range, segment),
            )
            stream = self._streams[piece.key, segment] = made.lastrowid or 0
        return stream << SEGMENT_BITS | low

    def losses(self) -> list[Loss]:
        with self._lock, self._errors("read"):
            self._check(writes=False)
            with self._transaction("DEFERRED"):
                if self._version() != self._seen:
                    self._load()
                rows = self._database.execute(
                    "SELECT node, epoch, range, start, stop, cause, at_ns FROM losses ORDER BY id"
                ).fetchall()
            return self._standing(
                Loss(node, unsigned(epoch), range_, unsigned(start), unsigned(stop), cause, at_ns)
                for node, epoch, range_, start, stop, cause, at_ns in rows
            )

    def query(self, wanted: Filter = EVERYTHING) -> Generator[Stored, None, None]:
        self._check(writes=False)
        return self._query(wanted)

    def _query(self, wanted: Filter) -> Generator[Stored, None, None]:
        """With a connection of its own, so that it sees one moment, however long it is read."""
        with self._errors("read"), contextlib.closing(self._connect(write=False)) as database:
            database.execute("BEGIN")
            query = Query(database, wanted)
            yield from query.all() if wanted.limit is None else query.newest(wanted.limit)

    @contextlib.contextmanager
    def streams(self, wanted: Filter = EVERYTHING) -> Generator[Streams, None, None]:
        self._check(writes=False)
        with self._errors("read"), contextlib.closing(self._connect(write=False)) as database:
            database.execute("BEGIN")
            yield Query(database, wanted).streams()

    def at(self, sequences: Mapping[Key, Set[int]]) -> Iterator[Stored]:
        self._check(writes=False)
        with self._errors("read"), contextlib.closing(self._connect(write=False)) as database:
            database.execute("BEGIN")
            yield from Query(database, EVERYTHING).at(sequences)


def _connection(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA cache_size = -65536")  # KiB: the pages that a thousand streams append to
        connection.execute("PRAGMA schema_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _octets(path: str) -> int:
    """The size of a file, 0 where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _segments(part: Part) -> list[Part]:
    """The part, in two where it crosses a multiple of 2^32."""
    border = (part.sequence // SEGMENT + 1) * SEGMENT
    if part.stop <= border:
        return [part]
    return [part.cut(part.sequence, border), *_segments(part.cut(border, part.stop))]


def _rows(first: int, part: Part) -> list[Row]:
    records = part.records
    if isinstance(records, Rows) and records.rows is not None:
        return [
            (id_, ordinal, time_ns, number, logger, text, event, peer.hex() if peer is not None else None, attributes)
            for id_, (ordinal, time_ns, number, logger, text, event, peer, _), attributes in zip(
                range(first, first + len(records)), records.rows, records.attributes, strict=True
            )
        ]
    return [
        (
            id_,
            record.ordinal,
            record.time_ns,
            record.severity,
            record.logger,
            record.text,
            record.event,
            record.peer.hex() if record.peer is not None else None,
            _to_json(record.attributes).decode() if record.attributes else None,
        )
        for id_, record in enumerate(part.records, first)
    ]


def _joined(rows: list[Row]) -> Iterator[Row]:
    """So many rows at a time as one."""
    return (tuple(chain.from_iterable(rows[at : at + _TOGETHER])) for at in range(0, len(rows), _TOGETHER))


def _part_row(first: int, part: Part) -> Row:
    records = part.records
    if isinstance(records, Rows) and records.rows is not None:
        times = [row[1] for row in records.rows]
    else:
        times = [record.time_ns for record in records]
    return first, len(times), min(times), max(times), part.range, part.host, part.name, part.pid, part.received_ns


_HINTS = {
    "database or disk is full": "make space and it goes on",
    "file is not a database": "name another file",
    "database is locked": "another process writes it",
}

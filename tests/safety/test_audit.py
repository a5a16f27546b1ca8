"""The account of records finds what is missing, there twice, named twice or in another's place, in each store."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from support.audit import GAP, TEXT_OPTION, audit
from support.counts import Count
from support.stores import NODES
from zlog.collector.stores import Part, open_store
from zlog.record import Record

RUN = NODES[0].hex(), 7
WHOLE = Count({9: 30}, {9: 30}, whole=True)
URLS = {
    "sqlite": "sqlite:{}/log.db",
    "jsonl": "jsonl:{}/log.jsonl",
    "file": "file:{}/log.txt",
    "journal": "journal:{}/frames",
}


def part(start: int, stop: int, shift: int = 0) -> Part:
    records = [
        Record(ordinal=n, time_ns=n, severity=9, logger="app", text=f"9 {n + shift} ...") for n in range(start, stop)
    ]
    return Part(bytes.fromhex(RUN[0]), RUN[1], 9, start, records, "host", "app", 1, 1)


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return URLS[request.param].format(tmp_path) + (TEXT_OPTION if request.param == "file" else "")


def fill(url: str, *parts: Part, gone: tuple[int, int, int] | None = None) -> None:
    with open_store(url) as store:
        for each in parts:
            store.write([each])
        if gone is not None:
            store.gone((bytes.fromhex(RUN[0]), RUN[1], 9), *gone, 1)


def problems(url: str, count: Count = WHOLE, **options) -> str:
    return "\n".join(audit([url], {RUN: count}, **options).problems)


def test_all_is_there(url):
    fill(url, part(1, 11), part(11, 21), gone=(21, 31, 3))
    result = audit([url], {RUN: WHOLE}).check()
    (sums,) = result.sums().values()
    assert sums == {"sent": 30, "stored": 20, "twice": 0, "unnamed": 0, "unheard": 0, "not_asked": 0, "dropped": 10}
    assert "10 dropped" in result.table()


def test_a_hole(url):
    fill(url, part(1, 11), part(21, 31))
    assert "10 of 30 are missing without a name: [(11, 21)]" in problems(url)
    with pytest.raises(AssertionError, match="missing without a name"):
        audit([url], {RUN: WHOLE}).check()


def test_the_end_is_missing(url):
    fill(url, part(1, 11))
    assert "the last 20 of 30 are missing without a name" in problems(url)
    assert "the last 20" in problems(url, replace(WHOLE, whole=False, journal=True))
    killed = replace(WHOLE, whole=False)
    assert not problems(url, killed)
    assert "knows of 10, but was told of 15" in problems(url, killed, heard={RUN: {9: 15}})


def test_a_gap_has_a_name_until_it_is_filled(url):
    fill(url, part(1, 11), gone=(11, 31, GAP))
    fill(url, part(11, 21))
    (row,) = audit([url], {RUN: WHOLE}).check().rows
    assert (row.stored, row.named) == (20, {GAP: 10})


def test_what_was_not_asked_for(url):
    fill(url, part(11, 31), gone=(1, 11, 0))
    assert "10 were not asked for" in problems(url)
    assert not problems(url, late=True)


def test_more_than_was_logged_and_who_was_not_counted(url):
    fill(url, part(1, 41))
    assert "knows of sequence 40, but only 30 were logged" in problems(url)
    assert "a run that nobody counted" in "\n".join(audit([url], {}).problems)


def test_another_record_in_its_place(url):
    fill(url, part(1, 11), part(11, 31, shift=1))
    assert "20 records stand where another one belongs" in problems(url)


def test_there_twice(url, tmp_path):
    fill(url, part(1, 31))
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
            database.execute("UPDATE records SET text = '9 7 ...' WHERE text = '9 8 ...'")
    else:
        file = tmp_path / {"jsonl": "log.jsonl", "file": "log.txt", "journal": "frames/frames"}[url.partition(":")[0]]
        data = file.read_bytes()
        file.write_bytes(data + (data if url.startswith("journal") else data.splitlines(keepends=True)[6]))
    assert f"{30 if url.startswith('journal') else 1} stored twice" in problems(url)


def test_named_twice(url, tmp_path):
    fill(url, part(1, 21), gone=(21, 31, 3))
    other = f"{url.partition(':')[0]}:{tmp_path}/other{TEXT_OPTION if url.startswith('file') else ''}"
    fill(other, gone=(15, 31, 1))
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
            database.execute("INSERT INTO losses SELECT NULL, node, epoch, range, 15, 31, 1, 1 FROM losses")
    else:
        name = {"jsonl": "log.jsonl", "file": "log.txt", "journal": "frames/frames"}[url.partition(":")[0]]
        source = tmp_path / "other" / "frames" if url.startswith("journal") else tmp_path / "other"
        with (tmp_path / name).open("ab") as file:
            file.write(source.read_bytes())
    assert "[15, 31) is named as lost (evicted)" in problems(url) or "[21, 31) is named as lost" in problems(url)

"""Stores in plain files: rotation, the sidecar and what becomes of it, lines for people."""

import json
from pathlib import Path

import pytest

from support.stores import NODES, NS, START_NS, Run, check_whole, entries, expected, stored
from zlog.collector.stores import Filter, Part, open_store
from zlog.collector.stores import sidecar as sidecars
from zlog.collector.stores.text import escape, utc
from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.record import Record, Stored

RUN = Run(NODES[0], 7, 60)
KEY = RUN.node, RUN.epoch, 9


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def part_of(text: str, severity: int = 9, *, received_ns: int = 0, sequence: int = 1, **more: object) -> Part:
    record = Record(1, START_NS + 1_234_567, severity, "arm", text, **more)
    return Part(NODES[1], 1, (severity - 1) // 4 * 4 + 1, sequence, [record], "kitchen", "robot", 42, received_ns)


# --- rotation


@pytest.mark.parametrize("scheme", ["jsonl", "journal"])
def test_a_file_that_is_gone_is_an_error_where_its_sidecar_remains(tmp_path, scheme):
    with open_store(f"{scheme}:{tmp_path}/log") as store:
        store.write([RUN.part(9, 1, 4)])
    (tmp_path / "log" / "frames" if scheme == "journal" else tmp_path / "log").unlink()
    with (
        open_store(f"{scheme}:{tmp_path}/log").open(read_only=True) as store,
        pytest.raises(StoreError, match="is gone"),
    ):
        list(store.query())


def test_rotates_by_size(tmp_path):
    with open_store(f"jsonl:{tmp_path}/log?max_bytes=3k") as store:
        for part in RUN.parts(3):
            store.write([part])
        sizes = [path.stat().st_size for path in tmp_path.glob("log*") if path.suffix != ".sidecar"]
        assert len(sizes) > 3
        assert max(sizes) <= 3 * 1024
        assert list(store.query()) == expected(stored(RUN.parts(3)))


def test_rotates_by_time(tmp_path):
    day = 86_400 * NS
    times = [START_NS, START_NS + NS, START_NS + day, START_NS + day - NS, START_NS + 3 * day]  # one from the past
    with open_store(f"file:{tmp_path}/log?every=day&format={{text}}") as store:
        for sequence, time in enumerate(times, 1):
            store.write([part_of(str(sequence), received_ns=time, sequence=sequence)])
    assert names(tmp_path) == ["log", "log.1", "log.2", "log.sidecar"]
    assert [(tmp_path / name).read_text() for name in ("log.1", "log.2", "log")] == ["1\n2\n", "3\n4\n", "5\n"]


def test_keeps_as_many_as_asked_for(tmp_path):
    (tmp_path / "log.old").write_text("not ours")
    (tmp_path / "log.007").write_text("not ours")
    with open_store(f"jsonl:{tmp_path}/log?max_bytes=1&keep=2") as store:
        for part in RUN.parts(10):
            store.write([part])
        count = len(RUN.parts(10))
        assert names(tmp_path) == [
            "log", "log.007", f"log.{count - 2}", f"log.{count - 1}", "log.old", "log.sidecar"
        ]  # fmt: skip
        assert len(entries(store)) == len(stored(RUN.parts(10)[-3:]))
        store.write(RUN.parts())  # what was removed isn't taken again
        assert len(entries(store)) == len(stored(RUN.parts(10)[-3:]))


def test_options_may_change(tmp_path):
    for options in ("", "?max_bytes=1k", "", "?max_bytes=100k&keep=1"):
        with open_store(f"jsonl:{tmp_path}/log{options}") as store:
            store.write(RUN.parts())
            assert len(entries(store)) == len(stored(RUN.parts()))


# --- the sidecar


def test_the_sidecar_is_written_anew_when_it_has_grown(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecars, "SPARE_BYTES", 500)
    with open_store(f"jsonl:{tmp_path}/log") as store:
        for part in RUN.parts(1):
            store.write([part])
            assert (tmp_path / "log.sidecar").stat().st_size < 4_000
        store.gone(KEY, 1000, 1010, 3, 0)
    assert names(tmp_path) == ["log", "log.sidecar"]
    with open_store(f"jsonl:{tmp_path}/log") as store:
        check_whole(store)


def test_without_its_sidecar_jsonl_is_read_again(tmp_path):
    url = f"jsonl:{tmp_path}/log?max_bytes=3k"
    with open_store(url) as store:
        store.write(RUN.parts()[:4])
        store.gone(KEY, 500, 600, 3, START_NS)
        store.write(RUN.parts())
        before = store.held(), store.losses(), list(store.query())
    (tmp_path / "log.sidecar").unlink()
    with (tmp_path / "log").open("ab") as file:
        file.write(b'{"node":"3a3a')  # torn
    with open_store(url).open(read_only=True) as store:
        assert (store.held(), store.losses(), list(store.query())) == before
    assert not (tmp_path / "log.sidecar").exists()
    with open_store(url) as store:
        assert (store.held(), store.losses(), list(store.query())) == before
        store.write([part_of("more")])
        check_whole(store)


@pytest.mark.parametrize("content", ["some notes\n", "{}\n", "no end", '{"node":"3a","epoch":1}\n{"lost":1}\n'])
def test_other_peoples_files_are_left_alone(file_url, content):
    path = Path(open_store(file_url).path)
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(StoreError, match=r"none of ours; name another|but its sidecar doesn't: what"):
        open_store(file_url).open()
    assert path.read_text() == content
    assert names(path.parent) == [path.name]


def test_a_torn_last_line_never_happened(file_url):
    with open_store(file_url) as store:
        store.write([RUN.part(9, 1, 4)])
        store.write([RUN.part(9, 4, 6)])
        path = Path(store.path)
    sidecar = Path(f"{path}.sidecar")
    whole = sidecar.read_bytes()
    for torn in (whole[:-1], whole[:-20], whole[:-20] + b"\0" * 20, whole + b"12345678 {", whole + b"\0" * 9):
        sidecar.write_bytes(torn)
        with open_store(file_url) as store:
            last = 4 if len(torn) <= len(whole) else 6
            assert store.held() == {KEY: Intervals([(1, last)])}
            check_whole(store)
            store.write([RUN.part(9, 1, 6)])
            check_whole(store)
        sidecar.write_bytes(whole)
        with open_store(file_url) as store:
            check_whole(store)


def test_a_damaged_sidecar_is_an_error(file_url):
    with open_store(file_url) as store:
        for part in RUN.parts():
            store.write([part])
        path = Path(store.path)
    sidecar = Path(f"{path}.sidecar")
    whole = sidecar.read_bytes()
    data = path.read_bytes()
    middle = len(whole) // 2
    for damaged, said in [
        (whole[:middle] + b"?" + whole[middle + 1 :], "is damaged in line"),
        (b"?" + whole[1:], "its first line is damaged"),
        (b"hello\n", "is no sidecar of zlog"),
        (whole.replace(b'"held"', b'"hold"', 1), "is damaged in line"),
    ]:
        sidecar.write_bytes(damaged)
        for read_only in (False, True):
            with pytest.raises(StoreError, match=said) as caught:
                open_store(file_url).open(read_only=read_only)
            assert "move it" in caught.value.hint
        assert (sidecar.read_bytes(), path.read_bytes()) == (damaged, data)


def test_a_sidecar_of_another_kind_or_version(tmp_path, monkeypatch):
    with open_store(f"jsonl:{tmp_path}/log") as store:
        store.write(RUN.parts())
    with pytest.raises(StoreError, match="belongs to a jsonl: store"):
        open_store(f"file:{tmp_path}/log").open()
    monkeypatch.setattr(sidecars, "VERSION", 2)
    with pytest.raises(StoreError, match="has version 1; this release reads 2"):
        open_store(f"jsonl:{tmp_path}/log").open()


def test_a_file_that_became_shorter_is_an_error(file_url):
    with open_store(file_url) as store:
        store.write([RUN.part(9, 1, 3)])
        path = Path(store.path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(StoreError, match=r"octets, but \d+ were stored; bring it back"):
        open_store(file_url).open()


# --- jsonl


def test_lines_are_json(tmp_path):
    with open_store(f"jsonl:{tmp_path}/log") as store:
        store.write([part_of("two\nlines", attributes={"joint": 3})])
        store.gone(KEY, 5, 7, 1, 99)
    first, second = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert first["text"] == "two\nlines"
    assert first["attributes"] == {"joint": 3}
    assert second == {
        "lost": {"node": NODES[0].hex(), "epoch": 7, "range": 9, "start": 5, "stop": 7, "cause": 1, "at_ns": 99}
    }


def test_a_line_that_is_no_record_is_a_clear_error(tmp_path):
    with open_store(f"jsonl:{tmp_path}/log") as store:
        store.write(RUN.parts())
        path = Path(store.path)
        path.write_bytes(b"X" + path.read_bytes()[1:])
        with pytest.raises(StoreError, match="/log:1 is no record: "):
            list(store.query())


# --- lines for people


def lines(tmp_path: Path, options: str, *parts: Part) -> list[str]:
    with open_store(f"file:{tmp_path}/log{options}") as store:
        store.write(parts)
        store.gone((NODES[1], 1, 17), 1, 4, 1, START_NS)
    return (tmp_path / "log").read_text().splitlines()


def test_the_usual_format(tmp_path):
    node = NODES[1].hex()
    assert lines(tmp_path, "", part_of("ready °")) == [
        "2025-11-20T08:00:00.001234Z INFO  robot@kitchen[42] arm: ready °",
        f"2025-11-20T08:00:00.000000Z LOST  3 ERROR records of node {node} (run 1, sequences 1 to 3): evicted",
    ]


def test_a_format_for_each_range(tmp_path):
    options = "?format={level}+{text:>4}&format.warn=%25+{peer}+{event}+{attributes}"
    warn = part_of("w", 14, peer=NODES[0], event=3, attributes={"a": 1, "b": "x\ny"})
    assert lines(tmp_path, options, part_of("i"), warn)[:2] == ["INFO    i", f"% {NODES[0].hex()} 3 a=1 b=x\\ny"]


def test_a_record_can_neither_forge_a_line_nor_speak_to_a_terminal(tmp_path):
    text = "bad\n2025-11-20T08:00:00Z INFO forged\r\x1b[2J\u2028\x9b\u202e\ttab"
    trace = {"exception.stacktrace": "Traceback:\n  File\x1b\n"}
    assert lines(tmp_path, "?format={name}:{text}", part_of(text, attributes=trace))[:-1] == [
        "robot:bad",
        "    | 2025-11-20T08:00:00Z INFO forged\\r\\x1b[2J\\u2028\\x9b\\u202e\ttab",
        "    | Traceback:",
        "    |   File\\x1b",
    ]
    assert escape("a\nb") == "a\\nb"


def test_times_no_calendar_has():
    assert utc(0) == "1970-01-01T00:00:00.000000Z"
    assert utc(2**63 - 1).startswith("2262-")
    assert utc(10**21) == "1000000000000.000000"


def test_it_can_not_be_queried(tmp_path):
    with open_store(f"file:{tmp_path}/log") as store, pytest.raises(StoreError, match="collect into sqlite: or jsonl:"):
        store.query(Filter())


# --- memory


def test_memory_keeps_the_last_to_arrive():
    with open_store("memory:?max_records=10") as store:
        store.write(RUN.parts())
        assert len(list(store.query())) == 10
        assert sum(intervals.count() for intervals in store.held().values()) == 60
        assert isinstance(next(store.query()), Stored)


# --- a line that is damaged


@pytest.mark.parametrize("options", ["", "?max_bytes=2k"])
@pytest.mark.parametrize("has_sidecar", [True, False])
def test_who_only_reads_leaves_out_a_line_that_is_damaged(tmp_path, caplog, options, has_sidecar):
    url = f"jsonl:{tmp_path}/log{options}"
    with open_store(url) as store:
        for part in RUN.parts(3):
            store.write([part])
        before = list(store.query())
    path = min(tmp_path.glob("log*"), key=lambda each: (each.suffix == ".sidecar", each.suffix != ".1"))
    lines = path.read_bytes().splitlines(keepends=True)
    lost = Stored.from_json(lines[2])
    lines[2] = b"?" + lines[2][1:]
    path.write_bytes(b"".join(lines))
    if not has_sidecar:
        (tmp_path / "log.sidecar").unlink()
    rest = [record for record in before if record.key != lost.key]
    with open_store(url).open(read_only=True) as store:
        assert list(store.query()) == rest
        assert list(store.query(Filter(limit=1000))) == rest
        [record] = store.at({KEY: {4}, (NODES[1], 1, 9): {1}})
        assert record.key == (RUN.node.hex(), RUN.epoch, 9, 4)
    [told] = caplog.messages
    assert told.startswith(f"{path}:3 is no record, and is left out: ")


def test_who_writes_is_told_of_a_line_that_is_damaged(tmp_path):
    with open_store(f"jsonl:{tmp_path}/log") as store:
        store.write(RUN.parts())
        path = Path(store.path)
        lines = path.read_bytes().splitlines(keepends=True)
        lines[2] = b"?" + lines[2][1:]
        path.write_bytes(b"".join(lines))
        with pytest.raises(StoreError, match=f"{path}:3 is no record: "):
            list(store.query())
    Path(f"{path}.sidecar").unlink()
    with pytest.raises(StoreError, match="has no sidecar, and its line 3 is none of ours"):
        open_store(f"jsonl:{path}").open()
    path.write_text("some notes\nmore\n")
    with pytest.raises(StoreError, match="line 1 is none of ours"):
        open_store(f"jsonl:{path}").open(read_only=True)

"""A process or a machine that dies at any moment leaves a store that opens, with whole records, each once."""

import os
import random
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.crashes import (
    RUN,
    WRITES,
    Death,
    check_what_is_left,
    empty,
    expected_spans,
    held_spans,
    store_on,
    survives,
    write,
)
from support.stores import DISK_FULL, NODES, TEXT_FORMAT, FaultyDisk, Run, check_whole, entries, stored
from zlog.collector.stores import Part, open_store
from zlog.collector.stores import files as file_stores
from zlog.collector.stores import sidecar as sidecars
from zlog.errors import StoreError


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-failure"])
@pytest.mark.parametrize("seed", range(2))
def test_death_at_every_change(file_url, seed, power, monkeypatch, tmp_path):
    """Each system call that changes something is the last, once, with a part of it done."""
    monkeypatch.setattr(sidecars, "SPARE_BYTES", 300)  # written anew often
    at = 1
    while survives(file_url, Death(at, power, seed)):
        empty(tmp_path)
        at += 1
    assert at > 30


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-failure"])
def test_death_on_a_disk_that_fails(file_url, power, monkeypatch, tmp_path):
    """What was taken back when a change failed stays taken back."""
    monkeypatch.setattr(sidecars, "SPARE_BYTES", 300)
    for seed in range(60):
        survives(file_url, Death(5 + 3 * seed, power, seed, fails=True))
        empty(tmp_path)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_failure_at_every_change(file_url, count, monkeypatch, tmp_path):
    """Each change fails with a full disk: a clear error or none at all, nothing half done, and on it goes."""
    monkeypatch.setattr(sidecars, "SPARE_BYTES", 300)
    at = failed = 0
    said: set[str] = set()
    while True:
        at += 1
        empty(tmp_path)
        disk = FaultyDisk(at, DISK_FULL, seed=at, count=count)
        store = store_on(file_url, disk)
        for _ in range(count + 1):
            try:
                store.open()
                break
            except StoreError as problem:
                said.add(str(problem))
                failed += 1
        for place, what in enumerate(WRITES):
            for _ in range(count + 1):
                try:
                    write(store, what)
                    break
                except StoreError as problem:
                    said.add(str(problem))
                    failed += 1
                    assert held_spans(store) == expected_spans(WRITES[:place])
            assert held_spans(store) == expected_spans(WRITES[: place + 1])
        store.close()
        with store_on(file_url, FaultyDisk()) as store:
            assert held_spans(store) == expected_spans(WRITES)
            check_what_is_left(store)
        if disk.changes < at:
            break
    assert failed > 20
    assert {text for text in said if "No space left" not in text} == set()


CHILD = """
    import os, sys
    from support.stores import NODES, Run
    from zlog.collector.stores import open_store
    runs = [Run(node, 7, 4000) for node in NODES]
    parts = [part for run in runs for part in run.parts(40)]
    with open_store(sys.argv[1]) as store:
        os.write(1, b"+")
        for start in range(0, len(parts), 3):
            store.write(parts[start:start + 3])
            os.write(1, b".")
        os.write(1, b"!")
        os.read(0, 1)
"""


@pytest.mark.parametrize(
    "scheme",
    ["sqlite:{}/log.db", "jsonl:{}/log.jsonl?max_bytes=200k", "file:{}/log.txt", "journal:{}/log?max_bytes=200k"],
)
def test_kill_9_again_and_again(scheme, tmp_path):
    """A child that writes the same records from the beginning is killed in the middle, until it has come to the end."""
    url = scheme.format(tmp_path) + (f"?format={TEXT_FORMAT}" if "file" in scheme else "")
    rng = random.Random(url)
    parts = [part for run in (Run(node, 7, 4000) for node in NODES) for part in run.parts(40)]
    acknowledged = kills = 0
    while True:
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as child:
            assert child.stdout is not None
            quota = 1 + acknowledged + rng.randint(0, 25) if kills < 8 else 1 << 30
            seen = b""
            while len(seen) < quota and not seen.endswith(b"!"):
                select.select([child.stdout], [], [], 30)
                more = os.read(child.stdout.fileno(), quota - len(seen))
                assert more, "the child ended by itself"
                seen += more
            for _ in range(rng.randint(0, 20_000)):  # somewhere within the next write
                pass
            child.send_signal(signal.SIGKILL)
        acknowledged = max(acknowledged, seen.count(b"."))
        kills += 1
        with open_store(url) as store:
            check_whole(store)
            keys = set(entries(store))
            assert keys >= {record.key for record in stored(parts[: acknowledged * 3])}
        if b"!" in seen:
            break
    assert kills > 3
    assert keys == {record.key for record in stored(parts)}


FULL = """
    import sys
    from support.stores import NODES, Run, check_whole, entries, stored
    from zlog.collector.stores import open_store
    from zlog.errors import StoreError
    from pathlib import Path
    url, ballast = sys.argv[1], Path(sys.argv[2])
    parts = Run(NODES[0], 7, 20000).parts(100)
    ballast.write_bytes(bytes(200_000))
    store = open_store(url).open()
    full = 0
    for part in parts:
        try:
            store.write([part])
        except StoreError as problem:
            assert "full" in str(problem) or "No space left" in str(problem), problem
            full += 1
            check_whole(store)
            if full == 3:
                break
    assert full, "the disk was not full"
    store.close()
    store.open()
    check_whole(store)
    before = len(entries(store))
    ballast.unlink()
    for part in parts[:before // 100 + 3]:
        store.write([part])
    check_whole(store)
    assert len(entries(store)) > before
    store.close()
    print("went on")
"""


@pytest.mark.parametrize("scheme", ["sqlite:{}/log.db", "jsonl:{}/log.jsonl", "file:{}/log.txt", "journal:{}/log"])
def test_a_full_disk(scheme, tmp_path, mounts):
    """A real one: a small tmpfs."""
    url = scheme.format(tmp_path) + (f"?format={TEXT_FORMAT}" if "file" in scheme else "")
    done = mounts(
        f'mount -t tmpfs -o size=900k none {tmp_path} && exec "$@"',
        [sys.executable, "-c", textwrap.dedent(FULL), url, str(tmp_path / "ballast")],
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr


def test_one_writer_only(file_url):
    with open_store(file_url) as store, pytest.raises(StoreError, match="in use by another process"):
        open_store(file_url).open()
    with open_store(file_url):
        assert not store._open


def test_several_writers_take_turns_in_sqlite(tmp_path):
    url = f"sqlite:{tmp_path}/log.db"
    parts = RUN.parts(3)
    with open_store(url) as one, open_store(url) as two:
        for place, part in enumerate(parts):
            (one if place % 2 else two).write([part])
            (two if place % 2 else one).write([part, parts[place // 2]])
        assert one.held() == two.held()
        check_whole(one)
        assert len(entries(two)) == len(stored(parts))


def test_a_warning_when_the_file_was_taken_away(file_url, caplog):
    with open_store(file_url) as store:
        store.write(RUN.parts())
        held = store.held()
    Path(store.path).unlink()
    with open_store(file_url) as store:
        assert "was gone; it begins anew" in caplog.text
        assert store.held() == held
        store.write(RUN.parts())
        store.write([Part(NODES[1], 1, 9, 1, RUN.part(9, 1, 3).records)])
    assert file_stores.log.name == "zlog.stores"

"""A small disk is full for those who see it, a clock is set for those who have it, and who is to die in a call does."""

import errno
import subprocess
import sys
from contextlib import closing

import pytest

from support import preload
from support.disks import SmallDisk

NOW = "import sys, time; print(time.time(), flush=True); sys.stdin.readline(); print(time.time(), time.monotonic())"
WRITES = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for number in range(5):
    os.pwrite(file, b"0123456789", 10 * number)
    os.fsync(file)
os.rename(sys.argv[1], sys.argv[1] + "-done")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return preload.build(tmp_path_factory.mktemp("preload"))


def test_a_small_disk_is_full_and_has_room_again(tmp_path):
    file = tmp_path / "file"
    with closing(SmallDisk(tmp_path, 100_000)) as disk:
        disk.call(lambda: file.write_bytes(bytes(10_000)))
        assert not file.exists()  # for us
        disk.fill()
        with pytest.raises(OSError, match="No space left") as caught:
            disk.call(lambda: (tmp_path / "more").write_bytes(b"x"))
        assert caught.value.errno == errno.ENOSPC
        disk.free()
        script = "import pathlib, sys; print(pathlib.Path(sys.argv[1]).write_bytes(bytes(50_000)))"
        done = subprocess.run([*disk.prefix, sys.executable, "-c", script, file], capture_output=True, text=True)
        assert done.stdout == "50000\n", done.stderr
        assert disk.call(file.stat).st_size == 50_000
    assert not list(tmp_path.iterdir())


def test_a_clock_is_set_while_a_program_runs(start, library, tmp_path):
    clock = preload.Clock(library, tmp_path / "clock")
    plain, changed = (start([sys.executable, "-c", NOW], env=env) for env in (None, clock.environment))
    before = [float(program.expect(r"^\d")) for program in (plain, changed)]
    assert abs(before[0] - before[1]) < 60
    clock.step(-3600)
    for program in (plain, changed):
        program.send("")
    (now, up), (changed_now, changed_up) = (
        [float(x) for x in each.expect(r"^\d").split()] for each in (plain, changed)
    )
    assert 3540 < now - changed_now < 3660
    assert abs(up - changed_up) < 60


@pytest.mark.parametrize(
    ("call", "octets"), [("write", 25), ("before-sync", 30), ("after-sync", 30), ("rename", 50), ("renamed", 50)]
)
def test_a_program_dies_in_a_call(library, tmp_path, call, octets):
    path = tmp_path / "victim"
    environment = preload.dying(library, call, 1 if "rename" in call else 3, "victim")
    done = subprocess.run([sys.executable, "-c", WRITES, path], env=environment)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name == ("victim-done" if call == "renamed" else "victim")
    assert left.stat().st_size == octets

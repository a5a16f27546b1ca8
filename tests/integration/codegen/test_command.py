"""The installed command ``zlog``, as a process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.codecs import MODELS

BAD = MODELS.parent / "bad_models"
GOOD = str(MODELS / "everything.xml")


def test_the_installed_command(tmp_path: Path) -> None:
    command = shutil.which("zlog", path=str(Path(sys.executable).parent))
    assert command, "zlog is not installed beside this Python"
    bad = subprocess.run(
        [command, "codegen", str(BAD / "doctype.xml"), "-o", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.endswith("a document type declaration (DTD) is not allowed in a model; take it out\n")
    assert len(bad.stderr.splitlines()) == 1
    closed = subprocess.run(
        f"{command} codegen {GOOD} -o {tmp_path} | true", shell=True, capture_output=True, text=True, check=False
    )
    assert closed.stderr == ""


def run(*arguments: str | bytes, **options: Any) -> "subprocess.CompletedProcess[str]":
    """The command as a module."""
    command = [sys.executable, "-m", "zlog", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize(
    "arguments", [["codegen", "--list"], ["codegen", "--list", "--json"], ["--help"], ["--version"]]
)
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = run(*arguments, stdout=full)
    assert (done.returncode, done.stderr) == (1, "zlog: output: No space left on device\n")


def test_a_terminal_that_cannot_show_all(tmp_path: Path) -> None:
    for name in ("everything.py", "everything_socket.py", "runtime.py"):
        (tmp_path / name).write_text("é…\n" * 100)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("codegen", GOOD, "-o", str(tmp_path), "--check", stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "\\u2026" in done.stdout


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    model = os.fsencode(tmp_path) + b'/\xff*"""\n.xml'
    shutil.copy(MODELS / "plain.xml", model)
    done = run("codegen", model, "-o", tmp_path / "out", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    first = (tmp_path / "out" / "plain.py").read_text().splitlines()[0]
    assert first == "# Generated from ??????.xml by zlog codegen, do not edit."
    done = run("codegen", os.fsencode(tmp_path) + b"/\xfe.xml", "-o", tmp_path / "out", stdout=subprocess.PIPE)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.xml")
    (tmp_path / "model.xml").write_text('<class name = "m"><include filename = "fifo.xml" /></class>')
    for name in ("fifo.xml", "model.xml", "/dev/zero"):
        done = run("codegen", tmp_path / name, "-o", tmp_path / "out", stdout=subprocess.PIPE)
        assert done.returncode == 2
        assert "can't be read: it is no regular file" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_start_is_light() -> None:
    code = "import sys; from zlog.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"zmq", "jinja2", "msgspec", "asyncio", "logging", "pyre", "dataclasses", "zlog_codegen"}

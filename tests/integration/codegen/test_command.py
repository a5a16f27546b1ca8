"""The installed command ``zlog``, as a process."""

import shutil
import subprocess
import sys
from pathlib import Path

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


def test_the_start_is_light() -> None:
    code = "import sys; from zlog.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"zmq", "jinja2", "msgspec", "asyncio", "logging", "pyre", "dataclasses", "zlog_codegen"}

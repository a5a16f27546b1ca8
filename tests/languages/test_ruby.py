"""Ruby: generated code under its interpreter's warnings, its linter and minitest; sockets; the example."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from languages.conftest import MODELS, Collector
from languages.echo import answers, check_records, exchange, hostile, run, shown
from support.programs import Program
from support.tools import require_tool
from zlog_codegen import languages, load
from zlog_codegen.render import render

HERE = Path(__file__).parent / "ruby"
ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "protocol" / "vectors"


@pytest.fixture
def ruby() -> str:
    return require_tool("ruby", "apt-get install ruby libzmq5")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the codecs of all models, and the tests' own files."""
    folder = tmp_path_factory.mktemp("ruby")
    files = render([load(path) for path in MODELS], languages.find("ruby"), conformance=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copy(HERE / ".rubocop.yml", folder)
    (folder / "own").mkdir()
    for path in [*HERE.glob("*.rb"), ROOT / "examples" / "ruby" / "send.rb"]:
        shutil.copy(path, folder / "own")
    return folder


def test_warnings(ruby: str, generated: Path) -> None:
    for path in sorted(generated.rglob("*.rb")):
        assert run(ruby, "-wc", path, cwd=generated) == "Syntax OK\n", path


def test_linter(generated: Path) -> None:
    rubocop = require_tool("rubocop", "apt-get install rubocop")
    run(rubocop, "--cache", "false", "--fail-level", "info", ".", cwd=generated)


def test_minitest(ruby: str, generated: Path) -> None:
    said = run(ruby, "-w", "own/test_codec.rb", cwd=generated, CODECS=str(generated), ZLOG_VECTORS=str(VECTORS))
    assert " 0 failures, 0 errors, 0 skips" in said
    assert "warning" not in said


def test_anything_can_have_any_name(ruby: str, tmp_path: Path) -> None:
    models, questions = hostile(tmp_path)
    for name, text in render([load(path) for path in models], languages.find("ruby"), conformance=True).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = answers([ruby, "-w", "conformance_driver.rb"], questions, tmp_path)
    assert len(found) == len(questions)
    assert [answer for answer in found if not answer.startswith("ok ")] == []


def test_sockets(ruby: str, generated: Path, tmp_path: Path, start: Callable[..., Program]) -> None:
    peer = start([ruby, "-w", HERE / "socket_peer.rb", generated, "3"])
    assert exchange(peer, tmp_path) == [
        "EMPTY: truncated at offset 3 from python",
        "a ROUTER needs the identity of the peer to send to",
        "Resource temporarily unavailable",
        "true HALT tö",
        "false",
    ]


def test_example(ruby: str, tmp_path: Path, collector: Collector) -> None:
    folder = tmp_path / "example"
    shutil.copytree(ROOT / "examples" / "ruby", folder, ignore=shutil.ignore_patterns("wire"))
    run(sys.executable, "-m", "zlog", "codegen", "zre_log_msg.xml", "--lang", "ruby", "-o", "wire", cwd=folder)
    said = run(ruby, "-w", "send.rb", collector.live, cwd=folder)
    assert said == f"sent 10 records to {collector.live}\n"
    check_records(collector, "ruby-example")


def test_what_the_readme_shows(ruby: str, tmp_path: Path) -> None:
    (tmp_path / "snippet.rb").write_text(shown("ruby", tmp_path), encoding="utf-8")
    said = run(ruby, "-w", "snippet.rb", cwd=tmp_path)
    assert said == "48\n-3.5\ntruncated 3 READING\ntime -1 is not in 0 to 18446744073709551615\n"

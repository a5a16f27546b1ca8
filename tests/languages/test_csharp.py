"""C#: what is generated compiles without a warning, is laid out as usual, and does what it should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from languages import exchange, names, questions
from languages.conftest import MODELS
from support.tools import require_tool, unavailable
from zlog.cli import main
from zlog_codegen import languages, load
from zlog_codegen.render import render

HERE = Path(__file__).parent / "csharp"
REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "codegen" / "README.md"
EXAMPLE = REPOSITORY / "examples" / "csharp"
#: What the compiler may not have anything to say about.
STRICT = ("-langversion:6", "-warn:4", "-warnaserror")
NUNIT = Path("/usr/lib/cli/nunit.framework-2.6.3/nunit.framework.dll")
#: The layout, for the formatter; it breaks no lines, so their length is looked at besides.
LAYOUT = (
    *("--mode=cs", "--style=allman", "--indent=spaces=4", "--indent-namespaces", "--indent-switches"),
    *("--keep-one-line-blocks", "--max-continuation-indent=120", "--project=none", "--options=none"),
)
WIDTH = 120


def run(*command: Any, cwd: Path | None = None, **environment: str) -> str:
    """What a program says. It must end well, and say nothing on stderr."""
    result = subprocess.run(
        list(map(str, command)), cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert not result.stderr, result.stderr
    return result.stdout


def compiled(target: Path, *sources: Path, options: tuple[str, ...] = ()) -> Path:
    """A program or library, compiled without a warning."""
    assert run("mcs", *STRICT, *options, f"-out:{target}", *sources) == ""
    return target


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The codecs of all models, with the conformance driver."""
    require_tool("mcs", "apt-get install mono-mcs")
    require_tool("mono", "apt-get install mono-runtime")
    folder = tmp_path_factory.mktemp("csharp")
    for name, text in render([load(path) for path in MODELS], languages.find("csharp"), conformance=True).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def ordinary(folder: Path) -> list[Path]:
    """What `zlog codegen` writes."""
    return [path for path in sorted(folder.glob("*.cs")) if path.stem != "ConformanceDriver"]


def test_everything_public_is_documented(generated: Path, tmp_path: Path) -> None:
    options = ("-target:library", f"-doc:{tmp_path / 'wire.xml'}")
    compiled(tmp_path / "wire.dll", *ordinary(generated), options=options)
    assert "One log record of the historic protocol" in (tmp_path / "wire.xml").read_text(encoding="utf-8")


def test_the_codec_alone_needs_nothing_else(generated: Path, tmp_path: Path) -> None:
    codecs = [path for path in ordinary(generated) if not path.stem.endswith("Socket")]
    compiled(tmp_path / "wire.dll", *codecs, options=("-target:library",))


def test_the_formatter_has_nothing_to_change(generated: Path) -> None:
    astyle = require_tool("astyle", "apt-get install astyle")
    sources = [*ordinary(generated), *HERE.glob("*.cs"), *EXAMPLE.glob("*.cs")]
    assert run(astyle, *LAYOUT, "--dry-run", "--formatted", *sources) == ""
    for source in sources:
        text = source.read_text(encoding="utf-8")
        assert text.endswith("\n")
        for number, line in enumerate(text.split("\n"), 1):
            where = f"{source}:{number}"
            assert "\t" not in line, where
            assert line == line.rstrip(), where
            assert len(line) <= WIDTH, where


@pytest.mark.usefixtures("generated")
def test_no_name_gets_in_the_way(tmp_path: Path) -> None:
    for name, text in render([load(path) for path in names.write(tmp_path)], languages.find("csharp")).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    compiled(tmp_path / "names.dll", *tmp_path.glob("*.cs"), options=("-target:library",))


def test_units_and_vectors(generated: Path, tmp_path: Path) -> None:
    nunit = require_tool("nunit-console", "apt-get install nunit-console")
    if not NUNIT.is_file():
        unavailable(f"needs {NUNIT}", "install it: apt-get install libnunit-framework2.6.3-cil")
    vectors = questions.write(tmp_path / "vectors.tsv")
    options = ("-target:library", f"-r:{NUNIT}")
    compiled(tmp_path / "tests.dll", *generated.glob("*.cs"), HERE / "CodecTest.cs", options=options)
    said = run(nunit, "-nologo", "-noshadow", "-nodots", "-noxml", "tests.dll", cwd=tmp_path, VECTORS=str(vectors))
    found = re.search(r"Tests run: (\d+), Errors: 0, Failures: 0, Inconclusive: 0", said)
    assert found is not None, said
    assert int(found[1]) > vectors.read_text(encoding="utf-8").count("\n")
    assert "Not run: 0, Invalid: 0, Ignored: 0, Skipped: 0" in said


def test_an_exchange_by_socket_helper(generated: Path, tmp_path: Path, start: Callable[..., Any]) -> None:
    program = compiled(tmp_path / "peer.exe", *ordinary(generated), HERE / "SocketPeer.cs")
    shutil.copy(EXAMPLE / "SendRecords.exe.config", tmp_path / "peer.exe.config")
    messages = exchange.frames_of_everything(tmp_path)
    peer = start(["mono", program, str(len(messages))])
    exchange.exchange(peer, messages)
    assert peer.wait() == 0


def test_the_example_sends_records(generated: Path, tmp_path: Path, start: Callable[..., Any], collector: Any) -> None:
    folder = tmp_path / "csharp"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build"))
    zlog = shutil.which("zlog", path=str(Path(sys.executable).parent)) or "zlog"
    example = start([folder / "run", collector.live], env=os.environ | {"ZLOG": zlog})
    exchange.check_records(collector.records(10, timeout_s=60))
    example.expect("^sent 10 records$")
    assert example.wait() == 0


def test_what_the_readme_shows(generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = README.read_text(encoding="utf-8")
    (model,) = re.findall(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", text, re.DOTALL)
    (snippet,) = re.findall(r"<!-- run csharp -->\n```csharp\n(.*?)```", text, re.DOTALL)
    imports = "".join(line for line in snippet.splitlines(keepends=True) if line.startswith("using "))
    statements = snippet.removeprefix(imports)
    (tmp_path / "weather.xml").write_text(model, encoding="utf-8")
    (tmp_path / "Snippet.cs").write_text(
        f"{imports}class Snippet {{ static void Main() {{\n{statements}}} }}\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["codegen", "weather.xml", "--lang", "csharp", "-o", "wire"]) == 0
    compiled(tmp_path / "snippet.exe", *tmp_path.glob("wire/*.cs"), tmp_path / "Snippet.cs", options=("-d:DEBUG",))
    assert run("mono", tmp_path / "snippet.exe") == "48\n3\nValues must not be null\n"

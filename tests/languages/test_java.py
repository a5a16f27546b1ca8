"""Java: what is generated compiles without a warning, is laid out as usual, and does what it should."""

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
from languages.conftest import MODELS, built
from support.tools import require_tool
from zlog.cli import main
from zlog_codegen import languages, load
from zlog_codegen.render import render

JDK = "apt-get install openjdk-17-jdk-headless"
HERE = Path(__file__).parent / "java"
REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "codegen" / "README.md"
EXAMPLE = REPOSITORY / "examples" / "java"
#: Lines that the compiler may not have anything to say about.
STRICT = ("--release", "17", "-encoding", "UTF-8", "-Xlint:all", "-Xdoclint:all,-missing", "-Werror")


class Java:
    """The codecs of all models, compiled with the conformance driver, and what was got beforehand."""

    def __init__(self, folder: Path, jars: Path) -> None:
        self.folder, self.jars = folder, jars
        self.sources = folder / "wire"
        self.classes = folder / "classes"
        self.sources.mkdir()
        self.classes.mkdir()
        files = render([load(path) for path in MODELS], languages.find("java"), conformance=True)
        for name, text in files.items():
            (self.sources / name).write_text(text, encoding="utf-8")
        self.compile(self.classes, *self.sources.glob("*.java"))

    def jar(self, name: str) -> Path:
        """The jar of something, whatever its version."""
        (path,) = self.jars.glob(f"{name}-*.jar")
        return path

    def path(self, *more: Path) -> str:
        """A class path of the codecs, JeroMQ and more."""
        return os.pathsep.join(map(str, (self.classes, *self.jars.glob("j[en][ra]*.jar"), *more)))

    def compile(self, target: Path, *sources: Path, more: tuple[Path, ...] = ()) -> None:
        """Compile without a warning."""
        run("javac", *STRICT, "-cp", self.path(*more), "-d", target, *sources)


def run(*command: Any, cwd: Path | None = None, **environment: str) -> str:
    """What a program says. It must end well, and say nothing on stderr."""
    result = subprocess.run(
        list(map(str, command)), cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert not result.stderr, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> Java:
    require_tool("javac", JDK)
    return Java(tmp_path_factory.mktemp("java"), built("java") / "jars")


def test_the_formatter_has_nothing_to_change(java: Java) -> None:
    exports = [
        f"--add-exports=jdk.compiler/com.sun.tools.javac.{part}=ALL-UNNAMED"
        for part in ("api", "code", "file", "parser", "tree", "util")
    ]
    generated = [path for path in java.sources.glob("*.java") if path.stem != "ConformanceDriver"]
    own = [*HERE.glob("*.java"), *EXAMPLE.glob("*.java")]
    changed = run(
        *("java", *exports, "-jar", java.jar("google-java-format"), "--dry-run", "--skip-reflowing-long-strings"),
        *generated,
        *own,
    )
    assert changed == ""


def test_the_codec_alone_needs_nothing_else(java: Java, tmp_path: Path) -> None:
    codecs = [path for path in java.sources.glob("*.java") if not path.stem.endswith("Socket")]
    run("javac", *STRICT, "-d", tmp_path, *codecs)


def test_no_name_gets_in_the_way(java: Java, tmp_path: Path) -> None:
    models = [load(path) for path in names.write(tmp_path)]
    for name, text in render(models, languages.find("java"), conformance=True).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    java.compile(tmp_path / "classes", *tmp_path.glob("*.java"))


def test_units_and_vectors(java: Java, tmp_path: Path) -> None:
    launcher = java.jar("junit-platform-console-standalone")
    java.compile(tmp_path / "tests", HERE / "CodecTest.java", HERE / "VectorsTest.java", more=(launcher,))
    vectors = questions.write(tmp_path / "vectors.tsv")
    said = run(
        *("java", f"-Dvectors={vectors}", "-jar", launcher, "execute", "--disable-banner", "--fail-if-no-tests"),
        *("-cp", java.path(tmp_path / "tests"), "--scan-class-path", tmp_path / "tests", "--details=summary"),
    )
    found = re.search(r"(\d+) tests successful", said)
    assert found is not None
    assert int(found[1]) > vectors.read_text(encoding="utf-8").count("\n")
    assert "0 tests failed" in said


def test_an_exchange_by_socket_helper(java: Java, tmp_path: Path, start: Callable[..., Any]) -> None:
    java.compile(tmp_path / "peer", HERE / "SocketPeer.java")
    messages = exchange.frames_of_everything(tmp_path)
    peer = start(["java", "-cp", java.path(tmp_path / "peer"), "SocketPeer", str(len(messages))])
    exchange.exchange(peer, messages)
    assert peer.wait() == 0


def test_the_example_sends_records(java: Java, tmp_path: Path, start: Callable[..., Any], collector: Any) -> None:
    folder = tmp_path / "java"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build"))
    (folder / "build").mkdir()
    (folder / "build" / "lib").symlink_to(java.jars)  # what the script would get
    zlog = shutil.which("zlog", path=str(Path(sys.executable).parent)) or "zlog"
    example = start([folder / "run", collector.live], env=os.environ | {"ZLOG": zlog})
    records = collector.records(10, timeout_s=60)
    exchange.check_records(records)
    example.expect("^sent 10 records$")
    assert example.wait() == 0


def test_what_the_readme_shows(java: Java, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = README.read_text(encoding="utf-8")
    (model,) = re.findall(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", text, re.DOTALL)
    (snippet,) = re.findall(r"<!-- run java -->\n```java\n(.*?)```", text, re.DOTALL)
    imports = "".join(line for line in snippet.splitlines(keepends=True) if line.startswith("import "))
    statements = snippet.removeprefix(imports)
    (tmp_path / "weather.xml").write_text(model, encoding="utf-8")
    (tmp_path / "Snippet.java").write_text(
        f"{imports}class Snippet {{ public static void main(String[] a) throws Exception {{\n{statements}}} }}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    assert main(["codegen", "weather.xml", "--lang", "java", "-o", "wire"]) == 0
    java.compile(tmp_path / "classes", *tmp_path.glob("wire/*.java"), tmp_path / "Snippet.java")
    run("java", "-ea", "-cp", tmp_path / "classes", "Snippet")


def test_what_a_record_cannot_hold_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fields = "".join(f'<field name = "f{number}" type = "number" size = "8" />' for number in range(128))
    (tmp_path / "big.xml").write_text(f'<class name = "big"><message name = "BIG">{fields}</message></class>')
    assert main(["codegen", str(tmp_path / "big.xml"), "--lang", "java", "-o", str(tmp_path / "wire")]) == 2
    assert "the fields of BIG are too many for a record" in capsys.readouterr().err
    assert not (tmp_path / "wire").exists()

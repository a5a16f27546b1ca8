"""C++: generated headers are content to compilers, formatter and analyzer, and do what they should under sanitizers."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from languages import echo, exchange, questions
from languages.conftest import MODELS
from languages.sorted_hashes import frames_of_everything
from languages.test_c import README, REPOSITORY, ZLOG, require_library, run, write
from support.tools import require_tool
from zlog.cli import main
from zlog_codegen import languages

HERE = Path(__file__).parent / "cpp"
STYLE = Path(__file__).parent / "c" / ".clang-format"
EXAMPLE = REPOSITORY / "examples" / "cpp"
WARNINGS = (
    *(
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wconversion",
        "-Wshadow",
        "-Wcast-align",
        "-Wcast-qual",
        "-Wundef",
    ),
    *("-Wold-style-cast", "-Wnon-virtual-dtor", "-Woverloaded-virtual", "-Wvla", "-Werror"),
)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the codecs of all models, those of C and the conformance driver included."""
    folder = tmp_path_factory.mktemp("cpp")
    write(folder, MODELS, "cpp")
    everything = "".join(f'#include "{path.name}"\n' for path in sorted(folder.glob("*.hpp")))
    (folder / "all.cpp").write_text(everything)
    return folder


@pytest.fixture(scope="module")
def built(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a target of the tests' Makefile, and what it needs, once; returns what make says."""
    folder = tmp_path_factory.mktemp("build")
    make, cxx = require_tool("make", "apt-get install make"), require_tool("g++", "apt-get install g++")

    def built(target: str) -> str:
        require_library("libzmq", "apt-get install libzmq3-dev")
        return run(make, "-j2", "-f", HERE / "Makefile", f"CXX={cxx}", f"GENERATED={generated}", target, cwd=folder)

    built.folder = folder  # type: ignore[attr-defined]
    return built


def test_names_are_those_of_c() -> None:
    c, cpp = languages.find("c"), languages.find("cpp")
    assert c.reserved["field"] == cpp.reserved["field"]
    assert c.reserved["file"] == cpp.reserved["file"]
    assert c.reserved["message"] | {"Message"} == cpp.reserved["message"]
    assert (c.suffix, c.styles["field"], c.styles["file"]) == (cpp.suffix, cpp.styles["field"], cpp.styles["file"])


def test_c_is_written_too(tmp_path: Path) -> None:
    assert main(["codegen", str(MODELS[0]), "--lang", "cpp", "-o", str(tmp_path / "both")]) == 0
    assert main(["codegen", str(MODELS[0]), "--lang", "c", "-o", str(tmp_path / "c")]) == 0
    both = {path.name: path.read_text() for path in (tmp_path / "both").iterdir()}
    for path in (tmp_path / "c").iterdir():
        assert both.pop(path.name) == path.read_text()
    assert {Path(name).suffix for name in both} == {".hpp"}


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_warnings(generated: Path, compiler: str) -> None:
    require_library("libzmq", "apt-get install libzmq3-dev")
    cxx = require_tool(compiler, f"apt-get install {compiler.replace('clang++', 'clang')}")
    run(cxx, *WARNINGS, "-fsyntax-only", "all.cpp", cwd=generated)


def test_format(generated: Path) -> None:
    formatter = require_tool("clang-format", "apt-get install clang-format")
    files = [
        *generated.glob("*.hpp"),
        generated / "conformance_driver.cpp",
        *HERE.glob("*.cpp"),
        *EXAMPLE.glob("*.cpp"),
    ]
    run(formatter, f"--style=file:{STYLE}", "--dry-run", "--Werror", *sorted(files), cwd=generated)


def test_cppcheck(generated: Path) -> None:
    cppcheck = require_tool("cppcheck", "apt-get install cppcheck")
    checks = "--enable=warning,performance,portability"
    run(cppcheck, "-q", "--std=c++17", "--language=c++", checks, "--error-exitcode=1",
        "--suppress=missingIncludeSystem", "all.cpp", cwd=generated)  # fmt: skip


def test_units_under_sanitizers(built: Any) -> None:
    assert built("check").endswith("0 failures\n")


def test_vectors_under_sanitizers(built: Any, tmp_path: Path) -> None:
    built("driver")
    cases = [line.split("\t") for line in questions.write(tmp_path / "vectors").read_text().splitlines()]
    said = echo.answers([built.folder / "driver"], [question for _, question, _ in cases], tmp_path)
    assert len(said) == len(cases)
    for answer, (name, _, right) in zip(said, cases, strict=True):
        assert answer == right or (right.startswith("ok ") and answer.startswith(f"{right} ")), name


def test_anything_can_have_any_name(tmp_path: Path) -> None:
    cxx = require_tool("g++", "apt-get install g++")
    models, _ = echo.hostile(tmp_path)
    write(tmp_path, models, "cpp", conformance=False)
    headers = sorted(path.name for path in tmp_path.glob("*.hpp") if not path.stem.endswith("_socket"))
    (tmp_path / "all.cpp").write_text("".join(f'#include "{name}"\n' for name in headers))
    run(cxx, *WARNINGS, "-fsyntax-only", "all.cpp", cwd=tmp_path)


def test_an_exchange_by_socket_helper(built: Any, tmp_path: Path, start: Callable[..., Any]) -> None:
    built("peer")
    messages = frames_of_everything(tmp_path)
    peer = start([built.folder / "peer", str(len(messages))])
    exchange.exchange(peer, messages)
    assert peer.wait() == 0


def test_the_example_sends_records(tmp_path: Path, start: Callable[..., Any], collector: Any) -> None:
    require_library("libzmq", "apt-get install libzmq3-dev")
    folder = tmp_path / "cpp"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("wire", "send"))
    environment = os.environ | {"ZLOG": ZLOG, "CC": "gcc -Werror", "CXX": "g++ -Werror"}
    example = start([folder / "run", collector.live], env=environment)
    exchange.check_records(collector.records(10, timeout_s=60))
    example.expect("^sent 10 records")
    assert example.wait() == 0


def test_what_the_readme_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcc, cxx = require_tool("gcc", "apt-get install gcc"), require_tool("g++", "apt-get install g++")
    text = README.read_text(encoding="utf-8")
    (model,) = re.findall(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", text, re.DOTALL)
    (snippet,) = re.findall(r"<!-- run cpp -->\n```cpp\n(.*?)```", text, re.DOTALL)
    (tmp_path / "weather.xml").write_text(model, encoding="utf-8")
    (tmp_path / "main.cpp").write_text(snippet)
    monkeypatch.chdir(tmp_path)
    assert main(["codegen", "weather.xml", "--lang", "cpp", "-o", "wire"]) == 0
    run(gcc, "-std=c99", "-c", "wire/weather.c", "wire/zcodec.c", cwd=tmp_path)
    run(cxx, *WARNINGS, "-o", "example", "main.cpp", "weather.o", "zcodec.o", cwd=tmp_path)
    run(tmp_path / "example", cwd=tmp_path)

"""Rust: what is generated is content to Rust's own tools, and does what it should."""

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

from languages import exchange, hostile, questions
from languages.conftest import MODELS, built
from languages.setups import rust as setup
from languages.sorted_hashes import frames_of_everything
from support.tools import require_tool
from zlog.cli import main
from zlog_codegen import languages, load
from zlog_codegen.render import render

RUST = "https://rustup.rs"
HERE = Path(__file__).parent / "rust"
README = Path(__file__).parents[2] / "codegen" / "README.md"
EXAMPLE = Path(__file__).parents[2] / "examples" / "rust"
#: What the linter may not have anything to say about.
STRICT = ("--", "-D", "warnings", "-W", "clippy::pedantic")


class Rust:
    """The codecs of all models with the conformance driver, and the files of the folder `rust` beside this one."""

    def __init__(self, folder: Path, got: Path) -> None:
        self.folder, self.got = folder, got
        self.wire = folder / "src" / "wire"
        copy(HERE, folder)
        self.wire.mkdir()
        files = render([load(path) for path in MODELS], languages.find("rust"), conformance=True)
        for name, text in files.items():
            (self.wire / name).write_text(text, encoding="utf-8")

    def environment(self) -> dict[str, str]:
        return os.environ | setup.environment(self.got) | {"CARGO_NET_OFFLINE": "true", "CARGO_TERM_COLOR": "never"}

    def run(self, *command: str | Path, cwd: Path | None = None, **environment: str) -> str:
        """What a program says. It must end well."""
        result = subprocess.run(
            list(map(str, command)),
            cwd=cwd or self.folder,
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
        return result.stdout + result.stderr


def copy(source: Path, target: Path) -> None:
    """Copy a package as new files: Cargo goes by their times, and all packages here are compiled into one folder."""
    ignored = shutil.ignore_patterns("wire", "target")
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored, copy_function=shutil.copy)


@pytest.fixture(scope="module")
def rust(tmp_path_factory: pytest.TempPathFactory) -> Rust:
    require_tool("cargo", RUST)
    # Cargo compiles all crates anew when their folder has another name: resolved, so that `.build` can be a link.
    return Rust(tmp_path_factory.mktemp("rust"), built("rust").resolve())


def test_rustfmt_has_nothing_to_change(rust: Rust) -> None:
    for path in (rust.wire / "main.rs", rust.wire / "socket.rs", *HERE.glob("tests/c*.rs"), *HERE.glob("src/bin/*.rs")):
        rust.run("rustfmt", "--check", "--edition", "2021", path)


def test_clippy_has_nothing_to_say(rust: Rust) -> None:
    rust.run("cargo", "clippy", "--quiet", "--locked", "--features=zmq", "--all-targets", *STRICT)


def test_the_codec_alone_needs_nothing_else(rust: Rust, tmp_path: Path) -> None:
    assert main(["codegen", *map(str, MODELS), "--lang", "rust", "-o", str(tmp_path / "wire")]) == 0
    check_alone(rust, tmp_path)


def test_units_and_vectors(rust: Rust, tmp_path: Path) -> None:
    vectors = questions.write(tmp_path / "vectors.tsv")
    said = rust.run("cargo", "test", "--locked", "--features=zmq", VECTORS=str(vectors))
    assert "every_vector_is_read_as_it_should ... ok" in said
    assert re.search(r"test result: ok\. \d\d? passed; 0 failed", said)


def test_an_exchange_by_socket_helper(rust: Rust, tmp_path: Path, start: Callable[..., Any]) -> None:
    rust.run("cargo", "build", "--quiet", "--locked", "--features=zmq", "--bin=socket_peer")
    messages = frames_of_everything(tmp_path)
    peer = start([rust.got / "target" / "debug" / "socket_peer", str(len(messages))])
    exchange.exchange(peer, messages)
    assert peer.wait() == 0


def test_the_example_sends_records(rust: Rust, tmp_path: Path, start: Callable[..., Any], collector: Any) -> None:
    folder = tmp_path / "rust"
    copy(EXAMPLE, folder)
    zlog = shutil.which("zlog", path=str(Path(sys.executable).parent)) or "zlog"
    example = start([folder / "run", collector.live], env=rust.environment() | {"ZLOG": zlog})
    exchange.check_records(collector.records(10, timeout_s=60))
    example.expect("^sent 10 records$")
    assert example.wait() == 0
    rust.run("cargo", "clippy", "--quiet", "--locked", *STRICT, cwd=folder)


def test_what_the_readme_shows(rust: Rust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = README.read_text(encoding="utf-8")
    (model,) = re.findall(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", text, re.DOTALL)
    (snippet,) = re.findall(r"<!-- run rust -->\n```rust\n(.*?)```", text, re.DOTALL)
    (tmp_path / "weather.xml").write_text(model, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["codegen", "weather.xml", "--lang", "rust", "-o", "wire"]) == 0
    (tmp_path / "main.rs").write_text(snippet)
    rust.run("rustfmt", "--check", "--edition", "2021", "main.rs", cwd=tmp_path)
    rust.run("rustc", "--edition", "2021", "-D", "warnings", "main.rs", cwd=tmp_path)
    rust.run(tmp_path / "main")


@pytest.mark.parametrize("pubsub", [False, True])
def test_anything_can_have_such_a_name(rust: Rust, tmp_path: Path, pubsub: bool) -> None:
    path = hostile.model(tmp_path, pubsub=pubsub)
    assert main(["codegen", str(path), "--lang", "rust", "-o", str(tmp_path / "wire")]) == 0
    rust.run("rustfmt", "--check", "--edition", "2021", tmp_path / "wire" / "mod.rs")
    check_alone(rust, tmp_path)


def test_a_module_can_have_any_name(rust: Rust, tmp_path: Path) -> None:
    paths = []
    for name in ("type", "mod", "self", "std", "core", "runtime", "socket", "zmq", "main", "lib", "crate"):
        paths.append(tmp_path / f"{name}.xml")
        text = '<message name = "A"><field name = "b" type = "hash" /></message>'
        paths[-1].write_text(f'<class name = "{name}">{text}</class>')
    assert main(["codegen", *map(str, paths), "--lang", "rust", "-o", str(tmp_path / "wire")]) == 0
    check_alone(rust, tmp_path)


def check_alone(rust: Rust, folder: Path) -> None:
    """The folder `wire` is a part of a program that has nothing else, without a warning."""
    (folder / "main.rs").write_text("mod wire;\nfn main() {}\n")
    rust.run("rustc", "--edition", "2021", "-D", "warnings", "--emit", "metadata", "main.rs", cwd=folder)

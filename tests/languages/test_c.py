"""C: generated code is content to compilers, formatter and analyzers, and does what it should under sanitizers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from languages import echo, exchange, questions
from languages.conftest import MODELS
from support.tools import require_tool, unavailable
from zlog.cli import main
from zlog.wire import zre_log_msg
from zlog_codegen import languages, load
from zlog_codegen.render import render

HERE = Path(__file__).parent / "c"
REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "codegen" / "README.md"
EXAMPLE = REPOSITORY / "examples" / "c"
ZLOG = shutil.which("zlog", path=str(Path(sys.executable).parent)) or "zlog"
WARNINGS = (
    *(
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wconversion",
        "-Wshadow",
        "-Wcast-align",
        "-Wcast-qual",
        "-Wundef",
    ),
    *("-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Werror"),
)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a program says. It must end well."""
    words = list(map(str, command))
    result = subprocess.run(words, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout + result.stderr


def require_library(name: str, install: str) -> None:
    """Skip the test, or fail in CI, where a library's headers are missing."""
    pkg_config = require_tool("pkg-config", "apt-get install pkg-config")
    if subprocess.run([pkg_config, "--exists", name]).returncode:
        unavailable(f"needs {name}", f"install it: {install}")


def write(folder: Path, paths: list[Path] | tuple[Path, ...], language: str, *, conformance: bool = True) -> None:
    """Generate the codecs of models."""
    files = render([load(path) for path in paths], languages.find(language), conformance=conformance)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the codecs of all models, and the conformance driver."""
    folder = tmp_path_factory.mktemp("c")
    write(folder, MODELS, "c")
    return folder


@pytest.fixture(scope="module")
def built(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes a target of the tests' Makefile, and what it needs, once; returns what make says."""
    folder = tmp_path_factory.mktemp("build")
    make, gcc = require_tool("make", "apt-get install make"), require_tool("gcc", "apt-get install gcc")
    vectors = questions.write(folder / "vectors.tsv")

    def built(target: str) -> str:
        require_library("libzmq", "apt-get install libzmq3-dev")
        return run(make, "-j2", "-f", HERE / "Makefile", f"CC={gcc}", f"GENERATED={generated}", f"VECTORS={vectors}",
                   target, cwd=folder)  # fmt: skip

    built.folder = folder  # type: ignore[attr-defined]
    return built


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_warnings(generated: Path, compiler: str) -> None:
    require_library("libzmq", "apt-get install libzmq3-dev")
    cc = require_tool(compiler, f"apt-get install {compiler}")
    run(cc, *WARNINGS, "-fsyntax-only", *sorted(generated.glob("*.c")), cwd=generated)


def test_the_codec_alone_includes_nothing_but_its_own_and_the_library(generated: Path) -> None:
    allowed = {"stdbool.h", "stddef.h", "stdint.h", "stdlib.h", "string.h"}
    for path in [*generated.glob("*.h"), *generated.glob("*.c")]:
        if "_socket" not in path.name and path.name != "conformance_driver.c":
            assert set(re.findall("#include <(.*)>", path.read_text())) <= allowed, path


def test_format(generated: Path) -> None:
    formatter = require_tool("clang-format", "apt-get install clang-format")
    own = [*HERE.glob("*.[ch]"), *EXAMPLE.glob("*.[ch]")]
    style = f"--style=file:{HERE / '.clang-format'}"
    run(formatter, style, "--dry-run", "--Werror", *sorted(generated.glob("*.[ch]")), *own, cwd=generated)


def test_cppcheck(generated: Path) -> None:
    cppcheck = require_tool("cppcheck", "apt-get install cppcheck")
    checks = "--enable=warning,style,performance,portability"
    run(cppcheck, "-q", "--std=c99", checks, "--error-exitcode=1", "--inline-suppr", "--suppress=missingIncludeSystem",
        *sorted(generated.glob("*.c")), cwd=generated)  # fmt: skip


def test_clang_tidy(generated: Path) -> None:
    tidy = require_tool("clang-tidy", "apt-get install clang-tidy")
    checks = "-*,bugprone-*,clang-analyzer-*,cert-*,misc-*"
    # buffers of a size that was checked, and pairs of arguments of one type, are what a codec is made of
    for check in (
        *("bugprone-easily-swappable-parameters", "cert-err33-c", "misc-include-cleaner", "misc-no-recursion"),
        "clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling",
    ):
        checks += f",-{check}"
    files = [generated / f"{name}.c" for name in ("zcodec", "zcodec_socket", "everything")]
    run(tidy, "--quiet", f"--checks={checks}", "--warnings-as-errors=*", *files, "--", "-std=c99", cwd=generated)


def test_units_and_vectors_under_sanitizers(built: Callable[..., str]) -> None:
    said = built("check")
    assert said.count(" 0 failures") + said.count("\n0 failures") == 2
    assert re.search(r"^[0-9]{4,} vectors, 0 failures$", said, re.MULTILINE)


def test_anything_can_have_any_name(tmp_path: Path) -> None:
    gcc = require_tool("gcc", "apt-get install gcc")
    models, _ = echo.hostile(tmp_path)
    write(tmp_path, models, "c")
    codecs = [path for path in tmp_path.glob("*.c") if not path.stem.endswith("_socket")]
    run(gcc, *WARNINGS, "-fsyntax-only", *sorted(codecs), cwd=tmp_path)


def test_an_exchange_by_socket_helper(built: Any, tmp_path: Path, start: Callable[..., Any]) -> None:
    built("peer")
    messages = exchange.frames_of_everything(tmp_path)
    peer = start([built.folder / "peer", str(len(messages))])
    exchange.exchange(peer, messages)
    assert peer.wait() == 0


def test_the_example_sends_records_and_a_log(tmp_path: Path, start: Callable[..., Any], collector: Any) -> None:
    require_library("libzmq", "apt-get install libzmq3-dev")
    folder = tmp_path / "c"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("wire", "send"))
    example = start([folder / "run", collector.live], env=os.environ | {"ZLOG": ZLOG, "CC": "gcc -Werror"})
    exchange.check_records(collector.records(10, timeout_s=60))
    (log,) = collector.logs(1)
    assert log.data == "Good morning from C"
    example.expect("^sent 10 records and a LOG")
    assert example.wait() == 0


COLLECTOR = """
import sys, zmq
from zlog.zre import Pyre

with zmq.Context() as context, context.socket(zmq.SUB) as sub:
    for marker in (b"\\xaa\\xa2\\x01", b"\\xaa\\xa2\\x02", b"\\xaa\\xa2\\xff" + bytes(16)):
        sub.subscribe(marker)
    port = sub.bind_to_random_port("tcp://" + sys.argv[1])
    node = Pyre("collector", interface="eth0", port=int(sys.argv[2]))
    node.set_header("X-ZRELOG", f"tcp://{sys.argv[1]}:{port}")
    node.set_header("X-ZRELOG-PROTO", "2")
    node.join("ZYRE-LOGGER")
    with node:
        for _ in range(11):
            print(sub.recv().hex(), flush=True)
"""


def test_the_example_discovers_a_collector(tmp_path: Path, network: Callable[..., Any], zre_port: int) -> None:
    require_library("libczmq", "apt-get install libczmq-dev")
    folder = tmp_path / "c"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("wire", "send"))
    lan = network(hosts=2)
    taker = lan[0].python(COLLECTOR, lan[0].ip, str(zre_port))
    environment = os.environ | {"ZLOG": ZLOG, "CC": "gcc -Werror"}
    sender = lan[1].popen([folder / "run", "--discover", "eth0", str(zre_port)], env=environment)
    frames = [bytes.fromhex(taker.expect("^aaa2", timeout_s=60)) for _ in range(11)]
    messages = [zre_log_msg.decode(frame) for frame in frames]
    exchange.check_records(messages[:10])
    assert isinstance(messages[10], zre_log_msg.Log)
    assert isinstance(messages[0], zre_log_msg.Record)
    assert messages[0].node != uuid.UUID(int=0)
    sender.expect("^sent 10 records and a LOG")
    assert sender.wait() == 0


def test_what_the_readme_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcc = require_tool("gcc", "apt-get install gcc")
    text = README.read_text(encoding="utf-8")
    (model,) = re.findall(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", text, re.DOTALL)
    (snippet,) = re.findall(r"<!-- run c -->\n```c\n(.*?)```", text, re.DOTALL)
    (tmp_path / "weather.xml").write_text(model, encoding="utf-8")
    (tmp_path / "main.c").write_text(snippet)
    monkeypatch.chdir(tmp_path)
    assert main(["codegen", "weather.xml", "--lang", "c", "-o", "wire"]) == 0
    run(gcc, *WARNINGS, "-fsanitize=address,undefined", "-o", "example", "main.c", "wire/weather.c", "wire/zcodec.c",
        cwd=tmp_path)  # fmt: skip
    run(tmp_path / "example", cwd=tmp_path)

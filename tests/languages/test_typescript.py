"""TypeScript: generated code under its formatter, linter, compiler and test runner; sockets; the example."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from languages.conftest import MODELS, Collector, built
from languages.echo import answers, check_records, exchange, hostile, run, shown
from support.netns import Network
from support.programs import Program
from support.tools import require_tool
from zlog_codegen import languages, load
from zlog_codegen.render import render

HERE = Path(__file__).parent / "typescript"
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "typescript"

#: A collector that is found by ZRE: prints the texts of the records that it gets.
COLLECTOR = """
import sys, uuid, zmq
from zlog.wire import zre_log_msg
from zlog.zre import Pyre

interface, ip, port = sys.argv[1:]
with zmq.Context() as context, context.socket(zmq.SUB) as socket:
    for subscription in (b"\\xaa\\xa2\\x01", b"\\xaa\\xa2\\x02", b"\\xaa\\xa2\\x03"):
        socket.subscribe(subscription)
    socket.subscribe(b"\\xaa\\xa2\\xff" + uuid.uuid4().bytes)
    live = f"tcp://{ip}:{socket.bind_to_random_port(f'tcp://{ip}')}"
    node = Pyre("collector", interface=interface, port=int(port))
    node.set_header("X-ZRELOG", live)
    node.set_header("X-ZRELOG-PROTO", "2")
    with node:
        node.join("ZYRE-LOGGER")
        print("listening", flush=True)
        for _ in range(10):
            print(zre_log_msg.decode(socket.recv()).text, flush=True)
"""

#: Loads a codec into a context with nothing of Node.js in it.
ELSEWHERE = """
import vm from "node:vm";
import { readFileSync } from "node:fs";
const context = vm.createContext({ TextEncoder, TextDecoder }); // the rest is the language's own
const modules = new Map();
function load(name) {
  const text = readFileSync(`built/${name}`, "utf8");
  if (!modules.has(name)) modules.set(name, new vm.SourceTextModule(text, { context, identifier: name }));
  return modules.get(name);
}
const codec = load("zre-log-msg.js");
await codec.link((name) => load(name.slice(2)));
await codec.evaluate();
const { Log, decode } = codec.namespace;
console.log(decode(new Log({ level: 3, data: "Good morning" }).encode()).toString());
const frame = new Log({ level: 3, data: "x".repeat(100) }).encode();
console.log(decode(Buffer.from(frame)).data.length);
"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder of npm's packages."""
    require_tool("node", "install Node.js 20 or newer: https://nodejs.org")
    return built("typescript") / "node_modules"


@pytest.fixture(scope="module")
def project(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the codecs of all models and the tests in TypeScript."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "src").mkdir()
    (folder / "node_modules").symlink_to(packages)
    for name in ("package.json", "tsconfig.json", "eslint.config.js", ".prettierrc"):
        shutil.copy(HERE / name, folder)
    for path in HERE.glob("*.ts"):
        shutil.copy(path, folder / "src")
    files = render([load(path) for path in MODELS], languages.find("typescript"), conformance=True)
    for name, text in files.items():
        if name.endswith(".ts"):
            (folder / "src" / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def compiled(project: Path) -> Path:
    """The project, compiled with every strict option of the compiler."""
    run("node_modules/.bin/tsc", "-p", ".", "--pretty", "false", cwd=project)
    return project / "built"


def test_formatter(project: Path) -> None:
    run("node_modules/.bin/prettier", "--check", ".", "!built", cwd=project)


def test_linter(project: Path) -> None:
    run("node_modules/.bin/eslint", "--max-warnings", "0", ".", cwd=project)


def test_of_node(compiled: Path) -> None:
    vectors = str(ROOT / "protocol" / "vectors")
    said = run("node", "--test", "built/codec.test.js", cwd=compiled.parent, ZLOG_VECTORS=vectors)
    assert "# fail 0" in said
    assert "# skipped 0" in said


def test_codecs_run_where_there_is_no_node(compiled: Path) -> None:
    """As in a browser: nothing is imported but the runtime, and no global is used that only Node.js has."""
    command = ["node", "--no-warnings", "--experimental-vm-modules", "--input-type=module", "-e", ELSEWHERE]
    said = run(*command, cwd=compiled.parent)
    assert said == 'Log { level: 3, event: 0, nodeId: 0, peerId: 0, time: 0n, data: "Good morning" }\n100\n'


def test_anything_can_have_any_name(packages: Path, tmp_path: Path) -> None:
    models, questions = hostile(tmp_path)
    (tmp_path / "src").mkdir()
    for name, text in render([load(path) for path in models], languages.find("typescript"), conformance=True).items():
        if name.endswith(".ts") and not name.endswith("-socket.ts"):  # sockets need half of the compiler's time
            (tmp_path / "src" / name).write_text(text, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(packages)
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(HERE / name, tmp_path)
    run("node_modules/.bin/tsc", "-p", ".", "--pretty", "false", cwd=tmp_path)
    found = answers(["node", "built/conformance-driver.js"], questions, tmp_path)
    assert len(found) == len(questions)
    assert [answer for answer in found if not answer.startswith("ok ")] == []


def test_sockets(compiled: Path, tmp_path: Path, start: Callable[..., Program]) -> None:
    peer = start(["node", compiled / "socket-peer.js", "3"])
    assert exchange(peer, tmp_path) == [
        "EMPTY: truncated at offset 3 from python",
        "TypeError: a ROUTER needs the identity of the peer to send to",
        "true HALT tö",
        "false",
    ]


@pytest.fixture(scope="module")
def example(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built by its own command."""
    folder = tmp_path_factory.mktemp("example") / "typescript"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("built", "node_modules", "wire"))
    (folder / "node_modules").symlink_to(packages)
    zlog = folder / "bin" / "zlog"  # the one that is tested, whatever is installed
    zlog.parent.mkdir()
    zlog.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zlog "$@"\n')
    zlog.chmod(0o755)
    path = f"{zlog.parent}:{os.environ['PATH']}"
    run("npm", "run", "build", cwd=folder, PATH=path, npm_config_update_notifier="false")
    return folder


def test_example_is_formatted(packages: Path) -> None:
    paths = [*EXAMPLE.glob("src/*.ts"), *EXAMPLE.glob("*.json")]
    run(packages / ".bin" / "prettier", "--config", HERE / ".prettierrc", "--check", *paths, cwd=HERE)


def test_example(example: Path, collector: Collector) -> None:
    said = run("node", "built/send.js", collector.live, cwd=example)
    assert said == f"sent 10 records to {collector.live}\n"
    check_records(collector, "typescript-example")


def test_example_with_discovery(example: Path, hosts: Network, zre_port: int) -> None:
    here, there = hosts
    collector = here.python(COLLECTOR, here.interface, here.ip, str(zre_port))
    collector.expect("^listening$")
    send = example / "built" / "send.js"
    program = there.popen(["node", send, "--discover", there.interface, str(zre_port)])
    program.expect("^sent 10 records to tcp://10.36.0.1:", timeout_s=30)
    for number in range(1, 11):
        collector.expect(f"^record {number} of 10, at 12.5 °C$")


def test_what_the_readme_shows(packages: Path, tmp_path: Path) -> None:
    snippet = shown("typescript", tmp_path)
    shutil.copytree(tmp_path / "wire", tmp_path / "src" / "wire")
    (tmp_path / "src" / "snippet.ts").write_text(snippet, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(packages)
    for name in ("package.json", "tsconfig.json", ".prettierrc"):
        shutil.copy(HERE / name, tmp_path)
    run("node_modules/.bin/prettier", "--check", "src", cwd=tmp_path)
    run("node_modules/.bin/tsc", "-p", ".", "--pretty", "false", cwd=tmp_path)
    said = run("node", "built/snippet.js", cwd=tmp_path)
    assert said == "48 true\ntruncated 3 READING\ntime -1 is not in 0 to 18446744073709551615\n"

"""What encoding and decoding cost in each language: generated codecs beside zproto's own C codec and protobuf.

    python tests/bench/bench_languages.py [--lang LANGUAGE …] [--count N] [--json]
    ZPROTO=/path/to/zproto python tests/bench/bench_languages.py        with zproto's C codec, made from our XML

LOG and RECORD with 100 octets of text, as in bench_codec.py; ns per message, the best of several batches of 20,000
after one to warm up. Encoding is from a value to new octets, decoding from octets to a new value. All run one after the
other: compare ratios of one run, and run it while nothing else does. Then the lines that are generated for zre_log_msg.

The peers have the same fields (`peers/zre_log.proto`):

- **protobuf in Python**: the package from PyPI, in C (`pip install protobuf`), and protoc (Debian: protobuf-compiler).
  Decoding makes Python's values of the fields only when one looks at them, which is not in the figures.
- **protobuf in C++**: protoc and its library (Debian: libprotobuf-dev).
- **zproto in C**: a checkout of https://github.com/zeromq/zproto in ZPROTO, gsl (Debian: generator-scripting-language)
  and CZMQ (Debian: libczmq-dev). It reads and writes CZMQ's messages, whose making is in the figures, as nobody can do
  without. Values are put into the message before.

TypeScript's compiler is that of tests/languages/setup.py, if it isn't in PATH.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench_codec import LOG, RECORD, TEXT

from zlog.wire import zre_log_msg
from zlog_codegen import languages
from zlog_codegen.bundled import protocol_folder
from zlog_codegen.conformance import bench, drivers
from zlog_codegen.conformance.bench import Cost
from zlog_codegen.conformance.protocol import Protocol
from zlog_codegen.loader import load

PEERS: Final = Path(__file__).parent / "peers"
PROTO: Final = "zre_log.proto"
TSC: Final = Path(__file__).parents[1] / "languages" / ".build" / "typescript" / "node_modules" / ".bin" / "tsc"

Costs = dict[str, Cost]


class MissingError(Exception):
    """A peer can't be measured here: what it needs."""


def tool(name: str, package: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None:
        raise MissingError(f"needs `{name}` (Debian: {package})")
    return path


def command(*words: str | Path, cwd: Path) -> str:
    """Run a program, and return what it says."""
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"`{' '.join(map(str, words))}`: {(done.stdout + done.stderr).strip()[-500:]}")
    return done.stdout


def flags(library: str, package: str) -> list[str]:
    """What a compiler needs for a library."""
    tool("pkg-config", "pkg-config")
    done = subprocess.run(["pkg-config", "--cflags", "--libs", library], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"needs the library {library} (Debian: {package})")
    return done.stdout.split()


def read(said: str) -> Costs:
    """The lines ``MESSAGE ENCODE DECODE`` of a peer."""
    rows = (line.split() for line in said.splitlines())
    return {name: Cost(int(encode), int(decode)) for name, encode, decode in rows}


def protobuf_python(folder: Path, count: int) -> Costs:
    """protobuf as Python has it."""
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.protobuf") is None:
        raise MissingError("needs protobuf: pip install protobuf")
    command(tool("protoc", "protobuf-compiler"), f"-I{PEERS}", f"--python_out={folder}", PROTO, cwd=folder)
    spec = importlib.util.spec_from_file_location("zre_log_pb2", folder / "zre_log_pb2.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {
        name: Cost(
            best(message.SerializeToString, count),
            best(partial(type(message).FromString, message.SerializeToString()), count),
        )
        for name, message in (
            ("LOG", module.Log(**LOG)),
            ("RECORD", module.Record(**(RECORD | {"node": RECORD["node"].bytes}))),
        )
    }


def best(call: Callable[[], object], count: int) -> int:
    """ns for one call."""
    found = []
    for _ in range(6):
        began = time.perf_counter_ns()
        for _ in range(count):
            call()
        found.append((time.perf_counter_ns() - began) // count)
    return min(found[1:])


def protobuf_cpp(folder: Path, count: int) -> Costs:
    """protobuf as C++ has it."""
    command(tool("protoc", "protobuf-compiler"), f"-I{PEERS}", f"--cpp_out={folder}", PROTO, cwd=folder)
    libraries = flags("protobuf", "libprotobuf-dev")
    sources = (PEERS / "protobuf.cpp", "zre_log.pb.cc")
    command(tool("c++", "g++"), "-std=c++17", "-O2", "-I.", *sources, "-o", "peer", *libraries, cwd=folder)
    return read(command("./peer", str(count), TEXT, cwd=folder))


def zproto_c(folder: Path, count: int) -> Costs:
    """zproto's C codec."""
    checkout = os.environ.get("ZPROTO")
    if not checkout:
        raise MissingError("set ZPROTO to a checkout of https://github.com/zeromq/zproto")
    gsl = tool("gsl", "generator-scripting-language")
    libraries = flags("libczmq", "libczmq-dev")
    for part in ("src", "include"):
        (folder / part).mkdir()
    for source in (*protocol_folder().glob("*.xml"), *Path(checkout, "src").glob("zproto_*.gsl")):
        shutil.copy(source, folder / "src")
    model = folder / "src" / "zre_log_msg.xml"
    model.write_text(model.read_text().replace("<class", '<class virtual = "1"', 1))
    said = command(gsl, "-q", "-script:zproto_codec_c.gsl", "zre_log_msg.xml", cwd=folder / "src")
    if not (folder / "src" / "zre_log_msg.c").exists():
        raise MissingError(f"gsl makes no codec: {said}")
    sources = (PEERS / "zproto.c", "src/zre_log_msg.c")
    command(tool("cc", "gcc"), "-O2", "-w", "-Iinclude", *sources, "-o", "peer", *libraries, cwd=folder)
    return read(command("./peer", str(count), TEXT, cwd=folder))


CONTENDERS: Final[dict[str, Callable[[Path, int], Costs]]] = {
    "protobuf in Python": protobuf_python,
    "protobuf in C++": protobuf_cpp,
    "zproto in C": zproto_c,
}


def run(names: list[str], count: int) -> tuple[dict[str, Costs], dict[str, dict[str, int]], dict[str, str]]:
    """Costs by contender, lines by language and file, and why others are missing."""
    model = Protocol(load(protocol_folder() / "zre_log_msg.xml"))
    frames = [zre_log_msg.Log(**LOG).encode(), zre_log_msg.Record(**RECORD).encode()]  # type: ignore[arg-type]
    samples = {"LOG": (model, [frames[0]]), "RECORD": (model, [frames[1]])}
    chosen = [
        one for one in languages.available().values() if drivers.takes_part(one) and one.name in (names or [one.name])
    ]
    costs: dict[str, Costs] = {}
    lines: dict[str, dict[str, int]] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        found = bench.measure(chosen, [model], Path(folder), samples=samples, iterations=5 * count)
        for name, figures in found.items():
            if figures.why:
                missing[name] = figures.why
            else:
                costs[name], lines[name] = figures.costs, figures.lines
        for number, (name, contender) in enumerate(CONTENDERS.items()):
            place = Path(folder, str(number))
            place.mkdir()
            try:
                costs[name] = contender(place, count)
            except MissingError as error:
                missing[name] = str(error)
    return costs, lines, missing


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What encoding and decoding cost in each language.")
    parser.add_argument("--lang", action="append", default=[], help="only this language and the peers; may be repeated")
    parser.add_argument("--count", type=int, default=20_000, help="messages in a batch (default: 20000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if shutil.which("tsc") is None and TSC.exists():
        os.environ.setdefault("ZLOG_TSC", str(TSC))
    costs, lines, missing = run(args.lang, args.count)
    if args.json:
        shown = {
            name: {kind: [cost.encode_ns, cost.decode_ns] for kind, cost in by.items()} for name, by in costs.items()
        }
        print(json.dumps({"ns": shown, "lines": lines, "missing": missing}, indent=2))
        return
    print(f"ns per message, the best of batches of {args.count}; Python {sys.version.split()[0]}\n")
    print(f"{'':<20}{'LOG encode':>12}{'LOG decode':>12}{'RECORD encode':>15}{'RECORD decode':>15}{'lines':>8}")
    for name, by in costs.items():
        count = sum(lines[name].values()) if name in lines else ""
        log, record = by["LOG"], by["RECORD"]
        print(f"{name:<20}{log.encode_ns:>12}{log.decode_ns:>12}{record.encode_ns:>15}{record.decode_ns:>15}{count:>8}")
    for name, why in missing.items():
        print(f"\nwithout {name}: {why}")


if __name__ == "__main__":
    main()

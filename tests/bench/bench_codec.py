"""What encoding and decoding cost: ours, packed by hand, and zproto's own Python template.

    python tests/bench/bench_codec.py [--rounds N] [--json]
    ZPROTO=/path/to/zproto python tests/bench/bench_codec.py        with zproto's, generated from our XML by its gsl

LOG and RECORD with 100 octets of text. Contenders take turns in every round, so that a noisy machine is noisy for all;
the figures are medians over the rounds in ns per message, the spread is half the distance of the quartiles, in percent.
Compare ratios, not figures of different runs.

- **by hand** is what one writes for just this message: one Struct, a class with slots, the same checks.
- **zproto** can't do without a socket, so it gets an object that looks like one and costs next to nothing. Its module
  forgets to import uuid, which is put right first, and it can't read lengths of 128 octets and more.

zproto's needs a checkout (https://github.com/zeromq/zproto) in ZPROTO, and gsl (Debian: generator-scripting-language).
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from struct import Struct
from typing import Any, Final

from zlog.wire import zre_log_msg
from zlog_codegen.bundled import protocol_folder

TEXT: Final = "x" * 100
NODE: Final = uuid.UUID("3a60e6850a1e4cc15f3bfd4b42bc6b3e")
FIELDS: Final = {"code.file.path": "arm.py", "code.line.number": "42"}
LOG: Final = {"level": 3, "event": 3, "node_id": 5521, "peer_id": 2448, "time": 1_402_411_893, "data": TEXT}
RECORD: Final[dict[str, Any]] = {
    "severity": 17,
    "event": 0,
    "node": NODE,
    "epoch": 1_763_625_600_000_000_000,
    "sequence": 42,
    "time": 1_763_625_607_123_456_789,
    "host": "rover-2",
    "name": "arm",
    "logger": "arm.joint",
    "text": TEXT,
    "fields": FIELDS,
}

Action = Callable[[], object]


class HandLog:
    """LOG, by hand."""

    __slots__ = tuple(LOG)
    HEAD = Struct(">3sBBHHQB")

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def encode(self: Any) -> bytes:
        data: bytes = self.data.encode()
        head: bytes = self.HEAD.pack(
            b"\xaa\xa2\x01", self.level, self.event, self.node_id, self.peer_id, self.time, len(data)
        )
        return head + data

    @classmethod
    def decode(cls, frame: bytes) -> Any:
        if len(frame) < 18:
            raise ValueError("truncated")
        self: Any = cls.__new__(cls)
        start, self.level, self.event, self.node_id, self.peer_id, self.time, size = cls.HEAD.unpack_from(frame)
        if start != b"\xaa\xa2\x01" or len(frame) < 18 + size:
            raise ValueError("not a LOG")
        self.data = frame[18 : 18 + size].decode()
        return self


class HandRecord:
    """RECORD, by hand."""

    __slots__ = tuple(RECORD)
    HEAD = Struct(">3sBB16sQQQB")
    U32 = Struct(">I")

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def encode(self: Any) -> bytes:
        host, name, logger, text = self.host.encode(), self.name.encode(), self.logger.encode(), self.text.encode()
        u32 = self.U32.pack
        head = self.HEAD.pack(
            b"\xaa\xa2\x02",
            self.severity,
            self.event,
            self.node.bytes,
            self.epoch,
            self.sequence,
            self.time,
            len(host),
        )
        parts = [head, host, bytes((len(name),)), name, bytes((len(logger),)), logger, u32(len(text)), text]
        parts.append(u32(len(self.fields)))
        for key, value in self.fields.items():
            key_octets, value_octets = key.encode(), value.encode()
            parts += [bytes((len(key_octets),)), key_octets, u32(len(value_octets)), value_octets]
        return b"".join(parts)

    @classmethod
    def decode(cls, frame: bytes) -> Any:
        if len(frame) < 46:
            raise ValueError("truncated")
        self: Any = cls.__new__(cls)
        start, self.severity, self.event, node, self.epoch, self.sequence, self.time, size = cls.HEAD.unpack_from(frame)
        if start != b"\xaa\xa2\x02":
            raise ValueError("not a RECORD")
        self.node = uuid.UUID(bytes=node)
        u32 = cls.U32.unpack_from
        try:
            at = 46 + size
            self.host = frame[46:at].decode()
            end = at + 1 + frame[at]
            self.name = frame[at + 1 : end].decode()
            at, end = end, end + 1 + frame[end]
            self.logger = frame[at + 1 : end].decode()
            at, end = end, end + 4 + u32(frame, end)[0]
            self.text = frame[at + 4 : end].decode()
            (count,) = u32(frame, end)
            at = end + 4
            fields = {}
            for _ in range(count):
                end = at + 1 + frame[at]
                key = frame[at + 1 : end].decode()
                at, end = end, end + 4 + u32(frame, end)[0]
                fields[key] = frame[at + 4 : end].decode()
                at = end
        except Exception as error:
            raise ValueError("truncated") from error
        if len(frame) < at:
            raise ValueError("truncated")
        self.fields = fields
        return self


class Pipe:
    """What zproto's code takes for a socket."""

    type = -1
    frame = b""

    def send(self, frame: bytes, flags: int = 0) -> None:
        self.frame = frame

    def recv_multipart(self) -> list[bytes]:
        return [self.frame]


def ours() -> dict[str, Action]:
    """Our generated codec."""
    log, record = zre_log_msg.Log(**LOG), zre_log_msg.Record(**RECORD)  # type: ignore[arg-type] # one dict, many types
    log_frame, record_frame, decode = log.encode(), record.encode(), zre_log_msg.decode
    return {
        "LOG encode": log.encode,
        "LOG decode": lambda: decode(log_frame),
        "RECORD encode": record.encode,
        "RECORD decode": lambda: decode(record_frame),
    }


def by_hand() -> dict[str, Action]:
    """What one would write for just these two."""
    log, record = HandLog(**LOG), HandRecord(**RECORD)
    log_frame, record_frame = log.encode(), record.encode()
    assert log_frame == zre_log_msg.Log(**LOG).encode()  # type: ignore[arg-type] # one dict, many types
    assert record_frame == zre_log_msg.Record(**RECORD).encode()
    return {
        "LOG encode": log.encode,
        "LOG decode": lambda: HandLog.decode(log_frame),
        "RECORD encode": record.encode,
        "RECORD decode": lambda: HandRecord.decode(record_frame),
    }


def zproto() -> dict[str, Action] | str:
    """zproto's own, or why it isn't there."""
    checkout = os.environ.get("ZPROTO")
    if not checkout:
        return "set ZPROTO to a checkout of https://github.com/zeromq/zproto"
    gsl = shutil.which("gsl")
    if gsl is None:
        return "gsl is missing; Debian has it in generator-scripting-language"
    with tempfile.TemporaryDirectory() as folder:
        for source in (*protocol_folder().glob("*.xml"), *Path(checkout, "src").glob("zproto_*.gsl")):
            shutil.copy(source, folder)
        command = [gsl, "-q", "-script:zproto_codec_python.gsl", "zre_log_msg.xml"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode or "E:" in done.stdout + done.stderr:
            return f"gsl doesn't accept our XML: {(done.stdout + done.stderr).strip()}"
        path = Path(folder, "python", "zproto", "ZreLogMsg.py")
        spec = importlib.util.spec_from_file_location("ZreLogMsg", path)
        assert spec is not None
        assert spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    module.uuid = uuid
    actions: dict[str, Action] = {}
    for name, values in (("LOG", LOG), ("RECORD", RECORD)):
        message, reader, pipe = module.ZreLogMsg(getattr(module.ZreLogMsg, name)), module.ZreLogMsg(), Pipe()
        for field, value in values.items():
            getattr(message, f"set_{field}")(value)
        message.send(pipe)
        expected = {"LOG": zre_log_msg.Log, "RECORD": zre_log_msg.Record}[name](**values)
        assert pipe.frame == expected.encode(), f"zproto writes {name} otherwise"
        reader.recv(pipe)
        assert all(getattr(reader, f"_{field}") == value for field, value in values.items())
        actions[f"{name} encode"] = partial(message.send, pipe)
        actions[f"{name} decode"] = partial(reader.recv, pipe)
    return actions


def measure(action: Action, count: int) -> float:
    """ns for one call."""
    began = time.perf_counter_ns()
    for _ in range(count):
        action()
    return (time.perf_counter_ns() - began) / count


def run(rounds: int, count: int) -> tuple[dict[str, dict[str, dict[str, float]]], str]:
    """Median and spread of each contender for each action, and why zproto's is missing, if it is."""
    contenders: dict[str, dict[str, Action]] = {"ours": ours(), "by hand": by_hand()}
    theirs = zproto()
    if not isinstance(theirs, str):
        contenders["zproto"] = theirs
    samples: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for action in contenders["ours"]:
            for contender, actions in contenders.items():
                samples.setdefault(action, {}).setdefault(contender, []).append(measure(actions[action], count))
    result: dict[str, dict[str, dict[str, float]]] = {}
    for action, by_contender in samples.items():
        for contender, times in by_contender.items():
            low, median, high = statistics.quantiles(times, n=4)
            spread = 100 * (high - low) / 2 / median
            result.setdefault(action, {})[contender] = {"ns": median, "spread_percent": spread}
    return result, theirs if isinstance(theirs, str) else ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What encoding and decoding cost.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds to take the median of (default: 15)")
    parser.add_argument("--count", type=int, default=5000, help="messages per round and contender (default: 5000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if args.rounds < 2 or args.count < 1:
        parser.error("at least 2 rounds of 1 message")
    noise = io.StringIO()
    with contextlib.redirect_stdout(noise):
        result, missing = run(args.rounds, args.count)
    if args.json:
        print(json.dumps({"results": result, "zproto_missing": missing}, indent=2))
        return
    print(f"Python {sys.version.split()[0]}, {args.rounds} rounds of {args.count}; ns per message, median ± spread\n")
    contenders = list(next(iter(result.values())))
    print(f"{'':<15}" + "".join(f"{name:>16}" for name in contenders) + f"{'ours / by hand':>17}" + (
        f"{'zproto / ours':>16}" if not missing else ""))  # fmt: skip
    for action, figures in result.items():
        cells = "".join(
            f"{figures[name]['ns']:>9.0f} ±{figures[name]['spread_percent']:>3.0f}%" + " " for name in contenders
        )
        ratio = f"{figures['ours']['ns'] / figures['by hand']['ns']:>16.2f}"
        theirs = f"{figures['zproto']['ns'] / figures['ours']['ns']:>16.2f}" if not missing else ""
        print(f"{action:<15}{cells} {ratio}{theirs}")
    if missing:
        print(f"\nwithout zproto's own template: {missing}")


if __name__ == "__main__":
    main()

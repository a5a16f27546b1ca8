"""The vectors as questions to a driver, for test runners of languages without JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zlog.wire import zre_log_msg

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"


def write(target: Path) -> Path:
    """Each vector on a line: name, question and answer, with tabs between. The answer is without the encoding."""
    lines: list[str] = []
    for path in sorted(VECTORS.glob("conformance_*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            expect = case["expect"]
            if "error" in expect:
                reason, offset, message = expect["error"]
                answer = f"error {reason} {offset} {message or '-'}"
            else:
                answer = f"ok {expect['message']} {expect['dump']}"
            lines.append(f"{case['name']}\tdecode {case['model']} {','.join(case['frames'])}\t{answer}\n")
    for path in sorted(VECTORS.glob("refusals_*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            question = f"encode {case['model']} {case['message']} {case['dump']}"
            lines.append(f"{case['name']}\t{question}\trefused {case['refused']}\n")
    lines += _legacy()
    assert len(lines) > 1000
    target.write_text("".join(lines), encoding="utf-8")
    return target


def _legacy() -> Iterator[str]:
    """LOG as the historic C code wrote it, and what it didn't take; text that isn't UTF-8 is refused besides."""
    for case in json.loads((VECTORS / "log_v1.json").read_text(encoding="utf-8")):
        numbers = (case[name] for name in ("level", "event", "node", "peer", "time"))
        frame = bytes.fromhex(case["frame_hex"])
        try:
            bytes.fromhex(case["data_hex"]).decode()
        except UnicodeDecodeError as error:
            answer = f"error utf8 {18 + error.start} LOG"
        else:
            answer = f"ok LOG {_dump(*numbers, case['data_hex'])}"
        yield f"C: {case['data_hex'][:40]}\tdecode zre_log_msg {frame.hex()}\t{answer}\n"
    for case in json.loads((VECTORS / "log_v1_malformed.json").read_text(encoding="utf-8")):
        frames = [bytes.fromhex(frame) for frame in case["frames_hex"]]
        try:
            log = zre_log_msg.decode(frames[0], frames[1:])
        except zre_log_msg.DecodeError as error:
            answer = f"error {error.reason} {error.offset} {error.message or '-'}"
        else:
            assert case["c_result"].startswith("OK")
            assert isinstance(log, zre_log_msg.Log)
            answer = (
                f"ok LOG {_dump(log.level, log.event, log.node_id, log.peer_id, log.time, log.data.encode().hex())}"
            )
        yield f"C: {case['case']}\tdecode zre_log_msg {','.join(case['frames_hex'])}\t{answer}\n"


def _dump(level: int, event: int, node: int, peer: int, time: int, data: str) -> str:
    return f"level={level};event={event};node_id={node};peer_id={peer};time={time};data={data};"

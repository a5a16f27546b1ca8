"""LOG as the C code of 2014 wrote and read it: `protocol/vectors/`."""

import json
from pathlib import Path
from typing import Any

import pytest

from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError

VECTORS = Path(__file__).parents[3] / "protocol" / "vectors"


def read(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    assert cases
    return cases


@pytest.mark.parametrize("case", read("log_v1.json"), ids=lambda case: f"{case['level']}-{case['time']}")
def test_what_c_wrote(case: dict[str, Any]) -> None:
    frame = bytes.fromhex(case["frame_hex"])
    data = bytes.fromhex(case["data_hex"])
    message = zre_log_msg.decode(frame, errors="surrogateescape")
    assert message == zre_log_msg.Log(
        level=case["level"],
        event=case["event"],
        node_id=case["node"],
        peer_id=case["peer"],
        time=case["time"],
        data=data.decode("utf-8", "surrogateescape"),
    )
    try:
        data.decode()
    except UnicodeDecodeError:
        with pytest.raises(DecodeError, match="utf8"):
            zre_log_msg.decode(frame)
    else:
        assert message.encode() == frame


@pytest.mark.parametrize("case", read("log_v1_malformed.json"), ids=lambda case: case["case"])
def test_what_c_refuses(case: dict[str, Any]) -> None:
    first, *rest = (bytes.fromhex(frame) for frame in case["frames_hex"])
    if case["c_result"] == "NULL":
        with pytest.raises(DecodeError):
            zre_log_msg.decode(first, rest)
        return
    message = zre_log_msg.decode(first, rest)
    assert isinstance(message, zre_log_msg.Log)
    size = len(message.data.encode())
    shown = (
        f"OK id={message.ID} level={message.level} event={message.event} node={message.node_id} "
        f"peer={message.peer_id} time={message.time} data[{size}]='{message.data}'"
    )
    assert shown == case["c_result"]

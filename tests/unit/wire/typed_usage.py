"""How applications use the codecs. `mypy --strict` must be content with all of it."""

from typing import assert_type
from uuid import UUID

import zmq

from zlog.wire import zre_log_msg, zre_log_msg_socket, zre_msg
from zlog.wire.runtime import DecodeError, EncodeError
from zlog.wire.zre_log_msg import EVENT_JOIN, MESSAGES, SIGNATURE, Log, Record


def describe(frame: bytes) -> str:
    """One line about a message."""
    try:
        message = zre_log_msg.decode(frame)
    except DecodeError as error:
        assert_type(error.reason, str)
        assert_type(error.offset, int)
        assert_type(error.message, str | None)
        return f"not a message: {error}"
    match message:
        case Log(level=level, data=data):
            assert_type(level, int)
            return f"{level} {data}"
        case Record():
            assert_type(message.node, UUID)
            assert_type(message.fields, dict[str, str])
            return message.text
        case _:
            return message.NAME


def build() -> list[bytes]:
    """Frames to send."""
    log = Log(level=3, event=EVENT_JOIN, node_id=1, peer_id=2, time=1_402_411_893, data="Good morning")
    shout = zre_msg.Shout(sequence=1, group="CHAT", content=[b"hello"])
    assert_type(log.encode(), bytes)
    assert_type(shout.frames(), list[bytes])
    shout.content.append(SIGNATURE)
    log.level += 1
    try:
        return [log.encode(), *shout.frames()]
    except EncodeError as error:
        assert_type(error.field, str | None)
        raise


def kinds() -> dict[int, str]:
    """The name of each message."""
    return {number: cls.NAME for number, cls in MESSAGES.items()}


def serve(router: zmq.Socket[bytes]) -> None:
    """Answer a PING on a ROUTER."""
    message, identity = zre_log_msg_socket.receive(router, flags=zmq.DONTWAIT)
    assert_type(identity, bytes | None)
    if isinstance(message, zre_log_msg.Ping):
        pong = zre_log_msg.Pong(clock=message.clock)
        zre_log_msg_socket.send(router, pong, identity=identity)

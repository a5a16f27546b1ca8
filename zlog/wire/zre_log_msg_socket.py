# Generated from zre_log_msg.xml by zlog codegen, do not edit.
#
# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.
"""Messages of zre_log_msg on ZeroMQ sockets (pyzmq).

With asyncio, send ``message.frames()``, and give what ``recv_multipart`` returned to `split` and then to ``decode``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import zmq

from . import zre_log_msg as _codec
from .runtime import DecodeError

__all__ = ["Received", "receive", "send", "split"]


class Received(NamedTuple):
    """A message and, from a ROUTER, the identity of the peer that sent it."""

    message: _codec.Message
    identity: bytes | None


def send(
    socket: zmq.Socket[bytes],
    message: _codec.Message,
    *,
    identity: bytes | None = None,
    flags: int = 0,
) -> None:
    """Send all frames of ``message``; on a ROUTER, to the peer with this ``identity``.

    Raises:
        EncodeError: a field doesn't fit its type. Nothing was sent.
        ValueError: a ROUTER without an identity. Nothing was sent.
        zmq.ZMQError: as ``send_multipart``.
    """
    frames = message.frames()
    if identity is not None:
        frames.insert(0, identity)
    elif socket.type == zmq.ROUTER:
        raise ValueError("a ROUTER needs the identity of the peer to send to")
    socket.send_multipart(frames, flags)


def receive(socket: zmq.Socket[bytes], *, flags: int = 0, errors: str = "strict") -> Received:
    """Receive one message.

    Raises:
        DecodeError: what came is not one; on a ROUTER, ``identity`` says whose it is. The next call goes on behind it.
        zmq.ZMQError: as ``recv_multipart``; `zmq.Again` when ``flags`` have DONTWAIT and there is nothing.
    """
    identity, frames = split(socket.recv_multipart(flags), router=socket.type == zmq.ROUTER)
    try:
        return Received(_codec.decode(frames[0], frames[1:], errors=errors), identity)
    except DecodeError as error:
        error.identity = identity
        raise


def split(frames: Sequence[bytes], *, router: bool) -> tuple[bytes | None, Sequence[bytes]]:
    """The identity of the sender, from a ROUTER, and the frames of the message, of which there is at least one."""
    if not router:
        return None, frames
    return frames[0], frames[1:] or [b""]

"""One ZRE peer driven over stdin and stdout: published ``pyre.Pyre`` or our drop-in.

Usage: ``python pyre_peer.py pyre|zlog``. The line protocol is in ``tests/interop/README.md``. Everything runs in one
thread, because published pyre's API is not safe in two.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from typing import Any

import zmq


def emit(event: str, **values: object) -> None:
    """Write one event as a JSON line."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


class Driver:
    """Carries out commands on one node and reports what it receives."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.node: Any = None
        self.done = False
        self.flooded = 0

    def start(self, command: dict[str, Any]) -> None:
        if self.kind == "zlog":
            from zlog import zre

            self.node = zre.Pyre(command["name"])
            self.node.set_timing(zre.Timing(**command["options"]))
            self.node.set_interface(command["interface"])
            self.node.set_port(command["port"])
        else:  # published pyre takes the first interface, and hangs on any port or interval
            import pyre
            from pyre.pyre_peer import PyrePeer

            for constant, value in command["options"].items():
                setattr(PyrePeer, constant, value)
            self.node = pyre.Pyre(command["name"])
        for key, value in command["headers"].items():
            self.node.set_header(key, value)
        for group in command["groups"]:
            self.node.join(group)
        self.node.start()
        emit("STARTED", uuid=self.node.uuid().hex, name=self.node.name())

    def obey(self, command: dict[str, Any]) -> None:
        """Carry out one command."""
        match command["do"]:
            case "start":
                self.start(command)
            case "join":
                self.node.join(command["group"])
            case "leave":
                self.node.leave(command["group"])
            case "whisper":
                frames = [bytes.fromhex(frame) for frame in command["frames"]]
                self.node.whisper(uuid.UUID(command["peer"]), frames)
            case "shout":
                self.node.shout(command["group"], [bytes.fromhex(frame) for frame in command["frames"]])
            case "flood":
                peer = uuid.UUID(command["peer"])
                for number in range(command["first"], command["last"] + 1):
                    self.node.whisper(peer, b"flood %d %d" % (number, command["last"]))
            case "stop":
                self.node.stop()
                self.done = True

    def report(self) -> None:
        """Read one message from the node and report it."""
        frames = self.node.recv()
        kind, peer, name = frames[0].decode(), frames[1].hex(), frames[2].decode("utf-8", "backslashreplace")
        match kind:
            case "ENTER":
                emit(kind, peer=peer, name=name, headers=json.loads(frames[3]), address=frames[4].decode())
            case "JOIN" | "LEAVE":
                emit(kind, peer=peer, name=name, group=frames[3].decode())
            case "WHISPER" if frames[3:] and frames[3].startswith(b"flood "):
                self.count_flood(*map(int, frames[3].split()[1:]))
            case "WHISPER":
                emit(kind, peer=peer, name=name, frames=[frame.hex() for frame in frames[3:]])
            case "SHOUT":
                emit(kind, peer=peer, name=name, group=frames[3].decode(), frames=[frame.hex() for frame in frames[4:]])
            case _:
                emit(kind, peer=peer, name=name)

    def count_flood(self, number: int, last: int) -> None:
        """Report a number that is out of its turn, and the end of a flood; the thousands between are only counted."""
        if number != self.flooded + 1:
            emit("FLOOD GAP", expected=self.flooded + 1, got=number)
        self.flooded = number
        if number == last:
            emit("FLOODED", through=number)

    def run(self) -> None:
        """Serve commands and events until told to stop, or until stdin ends."""
        pending = b""
        poller = zmq.Poller()
        poller.register(sys.stdin.fileno(), zmq.POLLIN)
        while not self.done:
            ready = dict(poller.poll())
            if self.node is not None and self.node.socket() in ready:
                self.report()
            if sys.stdin.fileno() in ready:
                data = os.read(sys.stdin.fileno(), 65536)
                if not data:
                    os._exit(2)  # the test is gone; a pyre node that was not stopped would hang here
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    fresh = self.node is None
                    self.obey(json.loads(line))
                    if fresh and self.node is not None:
                        poller.register(self.node.socket(), zmq.POLLIN)


if __name__ == "__main__":
    Driver(sys.argv[1]).run()

"""A node under the storm of test_storm.py: `storm_node.py NAME PORT [DESCRIPTORS]`, on the loopback.

It reads its events, counts them by kind, and prints what it logs. A line on stdin is a command: `state`, `whisper UUID
TEXT`, `stop`. It answers on stdout: a word and JSON.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import threading
from collections import Counter
from pathlib import Path
from uuid import UUID

import zmq

from zlog.zre import Pyre, PyreEvent, Timing

TIMING = Timing(evasive=2.0, expired=8.0)
"""Quicker than a node usually is, so that a peer whose place was stolen is back within seconds."""


def say(word: str, what: object) -> None:
    os.write(1, f"{word} {json.dumps(what)}\n".encode())  # at once: two threads speak


class Shown(logging.Handler):
    """Prints each record: level, format, text."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            say("LOG", [record.levelname, str(record.msg), record.getMessage(), bool(record.exc_info)])
        except Exception:  # noqa: BLE001 - a record that can't be shown must not pass unseen
            say("LOG", ["BROKEN", str(record.msg), "", True])


def memory_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def main(name: str, port: str, descriptors: str = "") -> None:
    if descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(descriptors), int(descriptors)))
    logger = logging.getLogger("zlog.zre")
    logger.setLevel(logging.INFO)
    logger.addHandler(Shown())
    node = Pyre(name, interface="lo", port=int(port))
    node.set_timing(TIMING)
    node.start()
    say("UP", {"uuid": str(node.uuid()), "endpoint": node.endpoint()})
    counts: Counter[str] = Counter()
    poller = zmq.Poller()
    poller.register(node.socket(), zmq.POLLIN)
    poller.register(0, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if node.socket() in ready:
            event = PyreEvent(node)
            counts[event.type] += 1
            if event.type == "WHISPER" and event.msg[0].startswith(b"honest "):
                say("HEARD", event.msg[0].decode())
        if 0 in ready:
            for command in os.read(0, 4096).decode().splitlines():
                if command == "stop":
                    node.stop()
                    return
                if command == "state":
                    say("STATE", {
                        "events": counts,
                        "counters": node.counters(),
                        "peers": {str(peer): node.get_peer_name(peer) for peer in node.peers()},
                        "pending": node._engine.ask(lambda core: core.table.pending),
                        "waiting": len(node._engine.outlet.inbox),
                        "memory_kib": memory_kib(),
                        "descriptors": len(os.listdir("/proc/self/fd")),
                        "threads": threading.active_count(),
                    })  # fmt: skip
                else:
                    _, uuid, text = command.split(" ", 2)
                    node.whispers(UUID(uuid), "%s", text)


if __name__ == "__main__":
    main(*sys.argv[1:])

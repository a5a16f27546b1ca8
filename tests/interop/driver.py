"""Peers of several implementations of ZRE, each in a process on a host, spoken to in one language.

The language of lines is described in README.md beside this file; the programs that speak it are in `peers`.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from interop import setup
from support.netns import Host
from support.programs import python_args
from support.tools import unavailable

PORT = 5670  # published pyre can't be told another one; each test has a network of its own anyway
BATCH = 500  # messages under way at once in a flood: fewer than any implementation's smallest queue, 1,000


@dataclass(frozen=True)
class Kind:
    """An implementation, and what it can do."""

    name: str
    part: str | None
    """What setup.py must have made."""
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    quick_expiry: Mapping[str, object] | None = None
    """Options that make it give up a silent peer in about 3 s; None if it has none, and doesn't need any."""
    non_ascii: bool = True
    """Sends names and headers that aren't ASCII as they are."""
    multi_frame: bool = True
    """Sends and delivers contents of several frames."""
    aborts_at_stop: bool = False
    """Its libzmq may abort while it stops, after its last beacon, whoever its peers are."""
    wraps_at: int = 65536
    """The sequence number that it never sends nor takes, because 0 stands in its place."""


_PYRE_PEER = setup.PEERS / "pyre_peer.py"

KINDS = {
    kind.name: kind
    for kind in (
        Kind("zlog", None, python_args(_PYRE_PEER, "zlog"), quick_expiry={"expired": 3.0, "evasive": 1.5}),
        Kind(
            "pyre",
            None,
            python_args(_PYRE_PEER, "pyre"),
            quick_expiry={"PEER_EXPIRED": 3, "PEER_EVASIVE": 1.5},
            non_ascii=False,
            wraps_at=65535,
        ),
        Kind(
            "zyre.js",
            "javascript",
            ["node", setup.PEERS / "zyre_peer.js"],
            environment={"NODE_PATH": str(setup.NODE_MODULES)},
            quick_expiry={"expired": 3000, "evasive": 1500},
            multi_frame=False,
            aborts_at_stop=True,
            wraps_at=65535,
        ),
        Kind("go", "go", [setup.GO_PEER], multi_frame=False),
    )
}


def require(kind: Kind) -> None:
    """Skip the test, or in CI fail it, if the implementation isn't there."""
    if kind.part is not None:
        require_part(kind.part, kind.name)


def require_part(part: str, name: str) -> None:
    """Skip the test, or in CI fail it, if setup.py hasn't made a part."""
    if part in setup.left_out():
        pytest.skip(f"ZLOG_INTEROP_WITHOUT leaves {name} out")
    problem = setup.problem(part)
    if problem is not None:
        unavailable(f"{name}: {problem}", "run: python tests/interop/setup.py")


class Peer:
    """One peer on a host."""

    def __init__(self, kind: Kind, host: Host) -> None:
        self.kind, self.host = kind, host
        self.program = host.popen(kind.command, env=os.environ | kind.environment)
        self.uuid = ""
        """Hexadecimal digits, lower case; empty until known."""
        self.name = ""
        self.headers: dict[str, str] = {}
        self.groups: list[str] = []
        self.flooded = 0
        self._expected: Counter[str] = Counter()

    def start(
        self,
        name: str,
        headers: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
        *,
        quick_expiry: bool = False,
    ) -> Peer:
        """Start the node on the host's eth0, in these groups."""
        self.name, self.headers, self.groups = name, dict(headers or {}), list(groups)
        options = dict(self.kind.quick_expiry or {}) if quick_expiry else {}
        self.do(
            "start",
            name=name,
            headers=self.headers,
            groups=self.groups,
            interface=self.host.interface,
            port=PORT,
            options=options,
        )
        self.uuid = self.expect("STARTED")["uuid"] or ""
        return self

    def do(self, what: str, **values: object) -> None:
        self.program.send(json.dumps({"do": what, **values}))

    def join(self, group: str) -> None:
        self.do("join", group=group)

    def leave(self, group: str) -> None:
        self.do("leave", group=group)

    def whisper(self, peer: Peer, *frames: bytes) -> None:
        self.do("whisper", peer=peer.uuid, frames=[frame.hex() for frame in frames])

    def shout(self, group: str, *frames: bytes) -> None:
        self.do("shout", group=group, frames=[frame.hex() for frame in frames])

    def stop(self) -> None:
        """Stop the node as its users would; its process ends."""
        self.do("stop")
        code = self.program.wait()
        assert code == 0 or self.aborted, self.program.lines.all

    def restart(self) -> bool:
        """Stop the node and start it again, with the UUID it has; return False if it aborted instead."""
        self.do("restart")
        try:
            self.expect("STARTED")
        except AssertionError:
            if not self.aborted:
                raise
            return False
        return True

    @property
    def aborted(self) -> bool:
        """Whether the process died of what is known to kill its kind."""
        return self.kind.aborts_at_stop and self.program.process.poll() == -signal.SIGABRT

    def kill(self) -> None:
        """End the process without a word to anybody."""
        self.program.kill()

    def flood(self, peer: Peer, count: int) -> None:
        """Whisper `count` numbered messages, as fast as the other takes them, and wait until all were counted there.

        Raises:
            AssertionError: one is missing or out of order.
        """
        end = self.flooded + count
        while self.flooded < end:
            last = min(self.flooded + BATCH, end)
            self.do("flood", peer=peer.uuid, first=self.flooded + 1, last=last)
            peer.expect("FLOODED", through=last)
            self.flooded = last
        peer.expect_nothing_of("FLOOD GAP")

    def expect(self, event: str, timeout_s: float = 10.0, **fields: object) -> dict[str, Any]:
        """The next event of this type with these values; events of other kinds may come before and stay."""
        wanted = {"event": event, **fields}

        def matches(line: str) -> bool:
            values = _event(line)
            return wanted.items() <= values.items()

        matches.__name__ = json.dumps(wanted, ensure_ascii=False)
        self._expected[event] += 1
        return _event(self.program.expect(matches, timeout_s))

    def expect_nothing_of(self, event: str) -> None:
        """No such event has come that was not expected before."""
        came = [line for line in self.program.lines.all if _event(line).get("event") == event]
        assert len(came) == self._expected[event], came

    def expect_entry(self, other: Peer) -> dict[str, Any]:
        """Wait until this peer knows the other; learns the other's UUID, if it doesn't know it itself."""
        fields: dict[str, Any] = {"peer": other.uuid} if other.uuid else {}
        entry = self.expect("ENTER", name=other.name, **fields)
        other.uuid = entry["peer"]
        return entry


def meet(*peers: Peer) -> None:
    """Wait until each of two started peers knows the other."""
    one, two = peers
    for here, there in ((one, two), (two, one)):
        here.expect_entry(there)


def _event(line: str) -> dict[str, Any]:
    """The values of an event line; nothing for what a program prints beside."""
    if not line.startswith("{"):
        return {}
    values: dict[str, Any] = json.loads(line)
    return values

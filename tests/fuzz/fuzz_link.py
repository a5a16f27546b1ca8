"""Fuzzing a node's side of a link: a collector that sends anything, in any order.

    python tests/fuzz/fuzz_link.py                          until it finds something
    python tests/fuzz/fuzz_link.py -max_total_time=20       for 20 seconds
    python tests/fuzz/fuzz_link.py CRASH-FILE               one input again

An input is a conversation: one octet for what happens, one for how many octets belong to it, then those. So mutations
of the octets are mutations of messages, of their order, and of time.

The properties:

- Nothing is raised, whatever comes.
- What goes out can be decoded, and is a message that a node may send.
- No frame is longer than its bound; control messages don't pile up; no record is sent that wasn't logged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import runner

with runner.instrumented(__name__):
    from zlog import limits
    from zlog.core.batches import Cutter, Run
    from zlog.core.discovery import Target
    from zlog.core.holdings import Holdings
    from zlog.core.journal import Journal
    from zlog.core.link import Link, Own
    from zlog.core.sync import Resume, pack_resume
    from zlog.record import encode_values
    from zlog.severity import RANGES
    from zlog.wire import zre_log_msg as wire

NODE, COLLECTOR = UUID(int=1), UUID(int=2)
EPOCH: Final = 77
SYNC: Final = "tcp://10.0.0.7:5002"
TARGETS: Final = (
    Target(COLLECTOR.hex, COLLECTOR, "c", 2, "tcp://10.0.0.7:5001", SYNC),
    Target(SYNC, None, "", 2, None, SYNC, True),
    Target(COLLECTOR.hex, COLLECTOR, "old", 1, "tcp://10.0.0.7:5001", None, True),
)
MAY_SEND: Final = (wire.Offer, wire.Gone, wire.Status, wire.Pong)
_TICK: Final = 300_000_000


def steps(data: bytes) -> Iterator[tuple[int, bytes]]:
    """What happens, and the octets that belong to it."""
    at = 1
    while at + 1 < len(data):
        size = data[at + 1]
        yield data[at], data[at + 2 : at + 2 + size]
        at += 2 + size


def one_input(data: bytes) -> bool:
    """Check the properties; whether records were sent."""
    run = Run(NODE, EPOCH)
    holdings = Holdings(run, Journal(4096))
    cutter = Cutter(run, "host", "node", 1)
    link = Link(TARGETS[(data or b"\0")[0] % len(TARGETS)], holdings, Own("host", "node", 1, 0), 0, lambda: 5)
    now = sent = 0
    for what, octets in steps(data):
        kind = what % 8
        if kind == 0:
            link.connected(now)
        elif kind == 1:
            link.disconnected()
        elif kind == 2:
            link.subscription(octets)
        elif kind in (3, 4):
            link.sync(octets, now)
        elif kind == 5:
            now += (what >> 3) * _TICK
            link.tick(now)
        elif kind == 6:
            for _ in range(1 + (what >> 4)):
                severity = 1 + len(octets) % 24
                ordinal, sequence = run.number(severity)
                encoded = encode_values(ordinal, 1, severity, "app", "text", 0, None, {})
                for batch in cutter.add(severity, sequence, ordinal, 1, encoded, now) + cutter.flush():
                    holdings.journal.append(batch, now)
        else:
            link.closing(now)
        sent += _send(link, run)
        for frame in link.control:
            message = wire.decode(frame)
            _check(isinstance(message, MAY_SEND), "a node may send that")
        _check(len(link.control) <= limits.MAX_CONTROL + 2_000, "control doesn't pile up")
        if kind != 7:
            link.control.clear()
        link.events.clear()
        link.summary()
        link.waiting()
        link.due()
    return sent > 0


def _send(link: Link, run: Run) -> int:
    count = 0
    for peek, sent in ((link.peek, link.sent), (link.peek_answer, link.sent_answer)):
        while (frame := peek()) is not None and count < 10_000:
            message = wire.decode(frame)
            _check(len(frame) <= limits.MAX_FRAME_BYTES, "the frame has its bound")
            if isinstance(message, wire.Batch):
                index = RANGES.index(message.severity)
                _check(message.sequence + message.count <= run.next[index], "it was logged")
            else:
                _check(isinstance(message, wire.Record | wire.Log), "it is a record")
            sent()
            count += 1
        _check(count < 10_000, "sending ends")
    return count


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(f"not so: {what}")


def _step(what: int, octets: bytes = b"") -> bytes:
    return bytes((what, len(octets))) + octets


def _conversations() -> list[bytes]:
    """Good ones."""
    run = Holdings(Run(NODE, EPOCH), Journal(4096)).key
    resume = pack_resume(Resume(run, first, 1) for first in RANGES)
    welcome = wire.Welcome(version=2, collector=COLLECTOR, durable=1, port=5001, severity=5, resume=resume).encode()
    marker = b"\x01\xaa\xa2\xff" + COLLECTOR.bytes
    fetch = wire.Fetch(node=NODE, epoch=EPOCH, severity=9, start=1, stop=0, credit=1000).encode()
    messages = [
        fetch,
        wire.Fetch(node=NODE, epoch=1, severity=9, start=1, stop=9, credit=1).encode(),
        wire.Demand(severity=1, logger="a", seconds=1).encode(),
        wire.Commit(node=NODE, epoch=EPOCH, severity=9, through=3).encode(),
        wire.Ping(clock=9).encode(),
        wire.Refused(code=3, reason="x").encode(),
    ]
    found = []
    for target in range(3):
        start = bytes((target,)) + _step(0) + _step(3, welcome) + _step(2, b"\x01\xaa\xa2\x03") + _step(2, marker)
        log = b"".join(_step(6 | 0x30, bytes(severity)) for severity in (8, 8, 16, 4))
        found.append(start + log + _step(5 | 0x20))
        found += [start + log + _step(3, message) + log + _step(5 | 0x40) + _step(7) for message in messages]
        found.append(start + _step(3, welcome) + log + _step(1) + log + _step(0) + _step(3, welcome) + log)
    return found


SEEDS: Final = _conversations()


def _fuzz(data: bytes) -> None:
    one_input(data)


if __name__ == "__main__":
    runner.main("link", _fuzz, SEEDS, max_len=2048)

"""Fuzzing a collector's session: a conversation of several nodes, strangers among them, in any octets and any order.

    python tests/fuzz/fuzz_session.py                          until it finds something
    python tests/fuzz/fuzz_session.py -max_total_time=20       for 20 seconds
    python tests/fuzz/fuzz_session.py CRASH-FILE               one input again

An input is a list of steps: an octet that says what happens, an octet that says how long a frame follows, the frame. A
frame whose first octet is 0 stands for one of the good ones, the second octet says which.

The properties:

- Nothing is raised.
- No record is stored twice, in any store, and none that was named as gone.
- What the session lends by FETCH is bounded, and so is what it keeps.
- Every effect can be carried out: messages decode, sinks are there, intervals aren't empty.
"""

from __future__ import annotations

import random
import sys
import uuid
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import runner

with runner.instrumented(__name__):
    from support.nodes import EPOCH, batch
    from support.sessions import COLLECTOR, SECOND, Collecting, FakeStore
    from zlog import limits
    from zlog.core.session import Demand
    from zlog.core.sync import Held, LinkStatus, RangeStatus, RunKey, pack_held, pack_links, pack_path, pack_ranges
    from zlog.severity import RANGES
    from zlog.wire import zre_log_msg

_IDENTITIES: Final = [b"\0\0\0\0" + bytes([number]) for number in range(3)]
_NODES: Final = [uuid.UUID(int=number) for number in range(1, 4)]


def _good() -> list[bytes]:
    """What nodes may say, and collectors."""
    made: list[Any] = []
    for node in _NODES:
        for nexts in (1, 20):
            held = [Held(RunKey(node, EPOCH), ((1, nexts),) * 6), Held(RunKey(node, 5), ((3, 9),) * 6)]
            made += [
                zre_log_msg.Offer(version=2, node=node, epoch=EPOCH, age=age, clock=EPOCH, runs=pack_held(held))
                for age in (0, 10**18)
            ]
            ranges = [RangeStatus(first, nexts, 0, lag) for first, lag in zip(RANGES, (0, 3, 0, 0, 2, 0), strict=True)]
            links = [LinkStatus(COLLECTOR, 9, True, False, 1, 2, 3)]
            made += [
                zre_log_msg.Status(
                    node=node, epoch=EPOCH, closing=closing, ranges=pack_ranges(ranges), links=pack_links(links)
                )
                for closing in (0, 1)
            ]
        for start, stop in ((1, 4), (4, 9), (2, 7), (15, 20), (10, 11)):
            made.append(batch(node, EPOCH, 9, start, stop))
            made.append(batch(node, EPOCH, 9, start, stop, body=b"\xc1"))
            made.append(batch(node, 5, 17, start, stop))
            made.append(zre_log_msg.Gone(node=node, epoch=EPOCH, severity=9, start=start, stop=stop, cause=1))
            made.append(zre_log_msg.Gone(node=node, epoch=5, severity=17, start=start, stop=0, cause=5))
        made.append(zre_log_msg.Record(severity=17, node=node, epoch=EPOCH, sequence=2, time=1, text="x"))
    made += [
        zre_log_msg.Offer(version=1, node=_NODES[0], epoch=EPOCH, runs=made[0].runs),
        zre_log_msg.Offer(version=2, node=_NODES[0], epoch=EPOCH, runs=made[0].runs, path=pack_path([COLLECTOR])),
        zre_log_msg.Log(level=3, node_id=7, time=1, data="x"),
        zre_log_msg.Ping(clock=1),
        zre_log_msg.Pong(clock=1, received=2, sent=3),
        *(kind() for kind in zre_log_msg.MESSAGES.values()),
    ]
    return [one if isinstance(one, bytes) else one.encode() for one in made]


GOOD: Final = _good()


class _Stores(FakeStore):
    """Checks what it is given."""

    def write(self, item: Any) -> Any:
        before = dict(self.times)
        written = super().write(item)
        _check(all(count == 1 for count in self.times.values()), "a record is stored once")
        _check(len(self.times) >= len(before), "nothing is forgotten")
        return written


def one_input(data: bytes) -> bool:
    """Hold a conversation; whether a record was stored."""
    options = {"port": data[0] & 1, "since": [None, "start", EPOCH + 5][data[0] % 3]} if data else {}
    collecting = Collecting([_Stores(), _Stores(), _Stores(durable=False, keeps=False)], options, writes=False)
    at = 1
    while at + 1 < len(data):
        what, size = data[at], data[at + 1]
        frame = data[at + 2 : at + 2 + size]
        at += 2 + size
        if frame[:1] == b"\0" and len(frame) > 1:
            frame = _changed(GOOD[frame[1] % len(GOOD)], frame[2:])
        _step(collecting, what, frame)
        _check_bounds(collecting)
    collecting.write()
    return any(store.times for store in collecting.stores)


def _changed(frame: bytes, change: bytes) -> bytes:
    """The frame with an octet replaced for every two of the change."""
    octets = bytearray(frame)
    for place, value in zip(change[::2], change[1::2], strict=False):
        octets[place % len(octets)] = value
    return bytes(octets)


def _step(collecting: Collecting, what: int, frame: bytes) -> None:
    number = what >> 4
    match what & 15:
        case 0 | 1 | 2 | 3:
            collecting.live(frame)
        case 4 | 5 | 6 | 7 | 8 | 9:
            collecting.sync(_IDENTITIES[number % 3], frame)
        case 10:
            collecting.after(number / 4)
        case 11:
            collecting.write(number % 2)
        case 12:
            collecting.stores[number % 2].room = number // 2 % 3
        case 13:
            for sink in range(2):
                collecting.stores[sink].room = 10**9
                collecting.carry_out(collecting.session.ready(sink, collecting.now))
        case 14:
            node = [None, *_NODES][number % 4]
            collecting.carry_out(collecting.session.demand(Demand(1 + number, "", number % 3), node, collecting.now))
        case _:
            collecting.carry_out(collecting.session.unreachable(_IDENTITIES[number % 3], collecting.now))


def _check_bounds(collecting: Collecting) -> None:
    session = collecting.session
    _check(0 <= session._repair.lent <= limits.COLLECTOR_CREDIT_BYTES, "credit is bounded")
    _check(len(session.links) <= len(_IDENTITIES), "one link for each connection")
    _check(session.due <= collecting.now + 2 * SECOND, "it wants to be called again")
    for run in session.runs.values():
        _check(run.link is None or session.links.get(run.link.identity) is run.link, "a run's link is there")
        _check(all(holder.identity in session.links for holder in run.holders), "its holders are there")
        for stream in run.streams:
            if stream is not None:
                _check(stream.base >= 1 and 1 <= stream.seen <= stream.next, "numbers that fit together")
                for share in stream.shares:
                    _check(len(share.has) <= limits.MAX_INTERVALS, "intervals are bounded")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def random_input(source: random.Random) -> bytes:
    """A conversation of mostly good frames: for runs without atheris."""
    data = bytearray([source.randrange(256)])
    for _ in range(source.randrange(40)):
        if source.random() < 0.9:
            frame = bytes([0, source.randrange(256), *source.randbytes(2 * source.choice([0, 0, 0, 1, 2]))])
        else:
            frame = source.randbytes(source.randrange(40))
        data += bytes([source.randrange(256), len(frame)]) + frame
    return bytes(data)


def seeds() -> list[bytes]:
    """Good inputs: a node that says OFFER and streams, one over sync, one that is refused."""
    numbers = {frame: number for number, frame in enumerate(GOOD)}
    offer = numbers[GOOD[0]]
    made = []
    for first in (b"\0", b"\1", b"\2", b"\3"):
        steps = [bytes([4, 2, 0, offer])]
        steps += [bytes([source, 2, 0, number]) for number in range(offer, len(GOOD)) for source in (0, 4)]
        steps += [bytes([10 | 0x40, 0]), bytes([11, 0])]
        made.append(first + b"".join(steps[:40]))
        made.append(first + steps[0] + b"".join(steps[40:100]))
    return made


SEEDS: Final = seeds()


if __name__ == "__main__":
    runner.main("session", one_input, SEEDS)

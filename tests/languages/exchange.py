"""An exchange with the socket helpers of a language, whose `socket_peer` does its part in each.

The peer binds a ROUTER and an XPUB and prints their endpoints. On the ROUTER it sends back the messages of the model
`everything` that it gets, as many as it was told, prints what is none, and sends the last one again. On the XPUB it
prints a subscription to the model `feed`, sends a HALT with its topic and a TICK with a longer one, and prints the end
of the subscription.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import zmq

from support.codecs import Codec, example
from support.programs import Program

MODELS = Path(__file__).parents[1] / "unit" / "codegen" / "models"


def frames_of_everything(folder: Path) -> list[list[bytes]]:
    """The frames of each message of the model, with the model's test values."""
    codec = Codec(MODELS / "everything.xml", folder)
    return [example(codec.module, message).frames() for message, _ in codec.cases()]


def exchange(peer: Program, messages: list[list[bytes]]) -> None:
    """Talk with a peer that was told to take as many messages, and one more."""
    router, xpub = peer.expect("^tcp://.* tcp://").split()
    with zmq.Context() as context:
        with context.socket(zmq.DEALER) as dealer:
            _prepare(dealer, router)
            dealer.routing_id = b"me"
            dealer.connect(router)
            for frames in messages:
                dealer.send_multipart(frames)
                assert dealer.recv_multipart() == frames
            dealer.send_multipart([b"\xaa\xae\x07", b"more"])
            peer.expect(r"^refused EMPTY: truncated at offset 3 from 6d65$")
            assert dealer.recv_multipart() == messages[-1]
        with context.socket(zmq.SUB) as sub:
            _prepare(sub, xpub)
            sub.connect(xpub)
            sub.subscribe(b"\x01pri")
            peer.expect("^subscribe TICK pri$")
            assert sub.recv_multipart() == [b"\x01price\0" + (1 << 63).to_bytes(8, "big") + b"\x03ZMQ"]
            sub.unsubscribe(b"\x01pri")
            peer.expect("^unsubscribe TICK pri$")
    peer.expect("^done$")


def _prepare(socket: Any, endpoint: str) -> None:
    socket.linger = 0
    socket.rcvtimeo = socket.sndtimeo = 20_000


def check_records(records: list[Any]) -> None:
    """What an example sent: ten records of one run, with severities, and sequences that count for each range."""
    assert len(records) == 10
    assert len({(record.node, record.epoch) for record in records}) == 1
    assert records[0].node.int
    times = [record.time for record in records]
    assert times == sorted(times)
    assert abs(time.time_ns() - times[-1]) < 60 * 10**9
    assert 0 < times[0] - records[0].epoch < 60 * 10**9
    counts: dict[int, int] = {}
    for record in records:
        first = (record.severity - 1) // 4 * 4 + 1
        counts[first] = counts.get(first, 0) + 1
        assert record.sequence == counts[first]
        assert record.host
        assert record.logger
        assert record.text
    assert len(counts) > 1
    assert any("°" in record.text for record in records)
    assert all(record.fields for record in records)

"""One hostile sender of test_storm.py: `storm_sender.py KIND SEED SECONDS RATE TARGETS`, all on the loopback.

KIND is "beacons", "frames" or "octets". RATE is the most it does in a second. TARGETS is JSON: the UDP port of the
beacons, and name, uuid and endpoint of the victim and of an honest node. What it sends follows from the seed, up to the
timing. At the end it prints how much of what it sent.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import zmq

from zlog.wire import zre_msg
from zlog.zre.beacon import Beacon

BROADCAST = "127.255.255.255"
MOST_CONNECTIONS = 40


class Sender:
    """What all kinds share: chances out of the seed, and the rate."""

    def __init__(self, seed: int, rate: float, targets: dict) -> None:
        self.chance = random.Random(seed)
        self.rate = rate
        self.port = targets["port"]
        self.victim = UUID(targets["victim"]["uuid"])
        self.honest = UUID(targets["honest"]["uuid"])
        self.endpoint = targets["victim"]["endpoint"]
        self.honest_endpoint = targets["honest"]["endpoint"]
        self.strangers = [UUID(bytes=self.chance.randbytes(16)) for _ in range(300)]
        self.counts: Counter[str] = Counter()
        listener = socket.create_server(("127.0.0.1", 0))  # takes connections and never says a word
        self.listener, self.mute_port = listener, listener.getsockname()[1]
        self.closed_port = _closed_port()

    def close(self) -> None:
        self.listener.close()

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        due = time.monotonic()
        while (now := time.monotonic()) < end:
            if now < due:
                time.sleep(due - now)
            due = max(due + 1 / self.rate, now - 0.05)
            with contextlib.suppress(OSError, zmq.ZMQError):  # full buffers, refused connections
                self.counts[self.one()] += 1

    def one(self) -> str:
        """Do one hostile thing; return its name."""
        raise NotImplementedError


class Beacons(Sender):
    """Datagrams, from several addresses of the loopback."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.sockets = []
        for address in ("127.0.0.1", "127.0.0.2", "127.99.0.1"):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.bind((address, 0))
            self.sockets.append(sock)

    def close(self) -> None:
        super().close()
        for sock in self.sockets:
            sock.close()

    def one(self) -> str:
        chance = self.chance
        kind = chance.choice(["length", "octets", "curve", "version", *["stranger"] * 6, "goodbye", "victim", "honest",
                              "honest goodbye", "mutated"])  # fmt: skip
        stranger = chance.choice(self.strangers) if chance.random() < 0.5 else UUID(bytes=chance.randbytes(16))
        port = chance.choice([self.mute_port, self.closed_port, chance.randrange(1, 65_536), 1, 65_535])
        match kind:
            case "length":
                data = (b"ZRE\x01" + chance.randbytes(300))[: chance.randrange(300)]
            case "octets":
                data = chance.randbytes(chance.randrange(1_400))
            case "curve":
                data = b"ZRE\x03" + chance.randbytes(50)
            case "version":
                data = b"ZRE" + bytes([chance.randrange(256)]) + chance.randbytes(18)
            case "stranger":
                data = Beacon(stranger, port).encode()
            case "goodbye":
                data = Beacon(stranger, 0).encode()
            case "victim":
                data = Beacon(self.victim, chance.choice([0, port])).encode()
            case "honest":
                data = Beacon(self.honest, port).encode()
            case "honest goodbye":
                data = Beacon(self.honest, 0).encode()
            case _:
                mutated = bytearray(Beacon(stranger, port).encode())
                mutated[chance.randrange(22)] = chance.randrange(256)
                data = bytes(mutated)
        chance.choice(self.sockets).sendto(data, (BROADCAST, self.port))
        return kind


class Frames(Sender):
    """ZeroMQ messages to the victim's mailbox, by DEALERs with good and bad identities."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.context = zmq.Context()
        self.dealers: list[tuple[zmq.Socket, int, bytes]] = []
        self.made = [bytearray(frames[0]) for frames in self._samples()]

    def close(self) -> None:
        super().close()
        self.context.destroy(linger=0)

    def _samples(self) -> Iterator[list[bytes]]:
        for message in zre_msg.MESSAGES.values():
            yield message(sequence=1).frames()

    def _dealer(self) -> tuple[zmq.Socket, int, bytes]:
        """A random connection; now and then an old one is closed for a new one."""
        if len(self.dealers) >= MOST_CONNECTIONS:
            if self.chance.random() < 0.9:
                return self.chance.choice(self.dealers)
            self.dealers.pop(self.chance.randrange(len(self.dealers)))[0].close(linger=0)
        identity = self.chance.choice([
            b"\x01" + self.chance.choice(self.strangers).bytes, b"\x01" + self.chance.choice(self.strangers).bytes,
            b"\x01" + self.honest.bytes, b"\x01" + self.victim.bytes, b"\x02" + self.chance.randbytes(16), b"", b"x",
            self.chance.randbytes(254).lstrip(b"\0"),
        ])  # fmt: skip
        sock = self.context.socket(zmq.DEALER)
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.SNDHWM, 50)
        if identity:
            sock.setsockopt(zmq.IDENTITY, identity)
        sock.connect(self.endpoint)
        self.dealers.append((sock, 0, identity))
        return self.dealers[-1]

    def one(self) -> str:
        chance = self.chance
        dealer = self._dealer()
        sock, sequence, identity = dealer
        kind = chance.choice([
            "hello", "hello", "hostile hello", "message", "message", "message", "gap", "mutated", "octets", "short",
            "counts", "huge", "frames",
        ])  # fmt: skip
        sequence = (sequence + 1) % 65_536
        group = chance.choice(["", "G", "ä" * 127, "\0", "x" * 255])
        match kind:
            case "hello":
                sequence = 1
                frames = self._hello(chance.choice([f"tcp://127.0.0.1:{self.mute_port}",
                                                    f"tcp://127.0.0.1:{self.closed_port}"])).frames()  # fmt: skip
            case "hostile hello":
                sequence = 1
                frames = self._hello(chance.choice(self._hostile_endpoints())).frames()
            case "message" | "gap":
                if kind == "gap":
                    sequence = chance.randrange(65_536)
                content = [chance.randbytes(chance.randrange(2_000)) for _ in range(chance.randrange(4))]
                frames = chance.choice([
                    zre_msg.Whisper(sequence=sequence, content=content), zre_msg.Ping(sequence=sequence),
                    zre_msg.Shout(sequence=sequence, group=group, content=content), zre_msg.PingOk(sequence=sequence),
                    zre_msg.Join(sequence=sequence, group=group, status=chance.randrange(256)),
                    zre_msg.Leave(sequence=sequence, group=group, status=chance.randrange(256)),
                    zre_msg.Goodbye(sequence=sequence), zre_msg.Elect(sequence=sequence, group=group),
                ]).frames()  # fmt: skip
            case "mutated":
                octets = bytearray(chance.choice(self.made))
                for _ in range(chance.randrange(1, 4)):
                    octets[chance.randrange(len(octets))] = chance.randrange(256)
                frames = [bytes(octets[: chance.randrange(1, len(octets) + 1)])]
            case "octets":
                frames = [chance.randbytes(chance.randrange(300)) for _ in range(chance.randrange(1, 5))]
            case "short":
                frames = [zre_msg.SIGNATURE[: chance.randrange(3)] + chance.randbytes(chance.randrange(2))]
            case "counts":
                head = b"\xaa\xa1\x01\x02\0\1\0"
                frames = [head + chance.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1\0\0"]) + bytes(20)]
            case "huge":
                frames = [zre_msg.SIGNATURE + bytes(chance.choice([300_000, 1_000_000]))]
            case _:
                frames = [b"\xaa\xa1\x02\x02\0\2"] + [b""] * chance.randrange(2_000)
        sock.send_multipart(frames, zmq.DONTWAIT)
        with contextlib.suppress(ValueError):
            self.dealers[self.dealers.index(dealer)] = (sock, sequence, identity)
        return kind

    def _hello(self, endpoint: str) -> zre_msg.Hello:
        many = self.chance.choice([0, 1, 1, 1, 1, 30, 1_500])
        return zre_msg.Hello(
            sequence=1,
            endpoint=endpoint,
            groups=[f"g{number}" for number in range(many)],
            status=self.chance.randrange(256),
            name=self.chance.choice(["", "storm", "ä" * 127, "\x1b[31m"]),
            headers={f"X-{number}": "ö" * self.chance.randrange(20) for number in range(many)},
        )

    def _hostile_endpoints(self) -> list[str]:
        return [
            "", "foo", "tcp://", "tcp://*:5555", "tcp://0.0.0.0:1", "tcp://localhost:1", "tcp://127.0.0.1:0",
            "tcp://127.0.0.1:99999", "tcp://[::1]:9", "tcp://[fe80::1%lo]:9", "tcp://255.255.255.255:9", "tcp://10.1.2.3:9",
            "tcp://[127.0.0.1]:9", "tcp://::1:9", "ipc:///etc/passwd", "inproc://zre", "udp://127.0.0.1:9", "\0" * 255,
            "tcp://127.0.0.1:1;127.0.0.1:2", self.endpoint, self.honest_endpoint, f"tcp://127.7.7.7:{self.mute_port}",
        ]  # fmt: skip


class Octets(Sender):
    """TCP connections to the victim's mailbox that speak no ZMTP, or only so much of it."""

    GREETING = b"\xff" + bytes(7) + b"\x01\x7f\x03\x01NULL" + bytes(48)
    READY = b"\x04\x26\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"

    def __init__(self, *args) -> None:
        super().__init__(*args)
        host, _, port = self.endpoint[6:].rpartition(":")
        self.address = (host, int(port))
        self.open: list[socket.socket] = []

    def close(self) -> None:
        super().close()
        for sock in self.open:
            sock.close()

    def one(self) -> str:
        chance = self.chance
        if len(self.open) >= MOST_CONNECTIONS:
            self.open.pop(chance.randrange(len(self.open))).close()
        sock = socket.create_connection(self.address, timeout=1)
        sock.setblocking(False)
        self.open.append(sock)
        kind = chance.choice(["nothing", "octets", "http", "half a greeting", "greeting", "ready", "giant", "endless"])
        match kind:
            case "nothing":
                data = b""
            case "octets":
                data = chance.randbytes(chance.randrange(5_000))
            case "http":
                data = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            case "half a greeting":
                data = self.GREETING[: chance.randrange(64)]
            case "greeting":
                data = self.GREETING + chance.randbytes(chance.randrange(200))
            case "ready":
                data = self.GREETING + self.READY + chance.randbytes(chance.randrange(200))
            case "giant":
                data = self.GREETING + self.READY + b"\x02" + (2**62).to_bytes(8, "big") + bytes(100)
            case _:  # a frame of 60 MiB that never gets further than its start
                data = self.GREETING + self.READY + b"\x02" + (60 * 2**20).to_bytes(8, "big") + bytes(1_000)
        sock.send(data)
        if chance.random() < 0.3:
            self.open.remove(sock)
            sock.close()
        return kind


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


KINDS = {"beacons": Beacons, "frames": Frames, "octets": Octets}

if __name__ == "__main__":
    kind, seed, seconds, rate, targets = sys.argv[1:]
    sender = KINDS[kind](int(seed), float(rate), json.loads(targets))
    try:
        print("READY", flush=True)
        sender.run(float(seconds))
    finally:
        sender.close()
    print(f"DONE {sum(sender.counts.values())} {dict(sender.counts)}", flush=True)

"""What bench_zre.py runs on its hosts: `zre_programs.py ROLE …`. Commands are lines of stdin, answers lines of JSON.

CONTENDER is "ours" or "pyre"; both find their interface by themselves, as a host has only one beside the loopback.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pyre
import zmq

from zlog.wire import zre_msg
from zlog.zre import Pyre
from zlog.zre.beacon import Beacon

PORT = 5670
ACK_EVERY = 500  # messages in flight at most: pyre gives a peer up at 3,000


def make(contender: str, name: str, interface: str | None = None) -> Any:
    if contender == "pyre":
        return pyre.Pyre(name)
    return Pyre(name, interface=interface)


def answer(**what: object) -> None:
    print(json.dumps(what), flush=True)


def usage() -> dict[str, float]:
    memory = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return {
        "cpu_s": time.process_time(),
        "at_s": time.monotonic(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "memory_mib": int(memory.split()[1]) / 1024,
    }


def await_event(node: Any, kind: bytes) -> list[bytes]:
    while True:
        frames = node.recv()
        if frames[0] == kind:
            return frames


def node(contender: str, name: str, count: str = "1", interface: str = "") -> None:
    """Idle nodes in one process, read by a thread each. Commands: `usage`, `peers`."""
    nodes = [make(contender, f"{name} {number}", interface or None) for number in range(int(count))]

    def read(it: Any) -> None:
        while True:
            frames = it.recv()
            if frames[0] == b"WHISPER" and frames[3] in (b"echo", b"ack"):
                it.whisper(UUID(bytes=frames[1]), frames[3])

    for it in nodes:
        it.start()
        threading.Thread(target=read, args=(it,), daemon=True).start()
    answer(up=True)
    for line in sys.stdin:
        match line.strip():
            case "usage":
                answer(**usage())
            case "peers":
                answer(peers=[len(it.peers()) for it in nodes])
    os._exit(0)


def crowd(count: str, address: str, broadcast: str) -> None:
    """Peers that beacon every second and say HELLO to whoever does to them: a mailbox and UUID each, one process."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 10_000)
    poller = zmq.Poller()
    peers = {}
    for number in range(int(count)):
        mailbox = context.socket(zmq.ROUTER)
        mailbox.linger = 0
        port = mailbox.bind_to_random_port(f"tcp://{address}")
        poller.register(mailbox, zmq.POLLIN)
        peers[mailbox] = (UUID(int=(1 << 100) + number), port)
    beacons = [Beacon(uuid, port).encode() for uuid, port in peers.values()]
    dealers: dict[tuple[UUID, str], zmq.Socket] = {}
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    udp.bind((address, 0))
    answer(up=True)
    due, turn = time.monotonic(), 0
    while True:
        for mailbox, _ in poller.poll(max(0.0, due - time.monotonic()) * 1000):
            _, command, *rest = mailbox.recv_multipart()
            message = zre_msg.decode(command, rest)
            if isinstance(message, zre_msg.Hello):
                uuid, port = peers[mailbox]
                old = dealers.pop((uuid, message.endpoint), None)
                if old is not None:
                    old.close(linger=0)
                dealer = dealers[uuid, message.endpoint] = context.socket(zmq.DEALER)
                dealer.linger = 0
                dealer.setsockopt(zmq.IDENTITY, b"\x01" + uuid.bytes)
                dealer.connect(message.endpoint)
                dealer.send(zre_msg.Hello(sequence=1, endpoint=f"tcp://{address}:{port}", name=f"{port}").encode())
        while time.monotonic() >= due:
            udp.sendto(beacons[turn], (broadcast, PORT))
            turn = (turn + 1) % len(beacons)
            due += 1 / len(beacons)


def talker(contender: str, interface: str = "") -> None:
    """Commands: `enter`, the time from start() to ENTER; `latency N` and `messages N` whispered to the peer."""
    it = peer = None
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        count = int(number or 0)
        if word == "enter":
            if it is not None:
                it.stop()
            it = make(contender, "talker", interface or None)
            began = time.perf_counter()
            it.start()
            peer = UUID(bytes=await_event(it, b"ENTER")[1])
            answer(seconds=time.perf_counter() - began)
        elif word == "latency":
            times = []
            for _ in range(count):
                began = time.perf_counter()
                it.whisper(peer, b"echo")
                await_event(it, b"WHISPER")
                times.append(time.perf_counter() - began)
            answer(seconds=sorted(times)[count // 2])
        elif word == "messages":
            data = bytes(100)
            began, cpu = time.perf_counter(), time.process_time()
            for done in range(1, count + 1):
                it.whisper(peer, b"ack" if done % ACK_EVERY == 0 else data)
                if done % ACK_EVERY == 0:
                    await_event(it, b"WHISPER")
            answer(seconds=time.perf_counter() - began, cpu_s=time.process_time() - cpu)
    os._exit(0)


def leave(contender: str, how: str) -> None:
    """Meets a peer, and then ends: after stop(), or without. The last line is when it began to."""
    it = make(contender, "leaver")
    it.start()
    await_event(it, b"ENTER")
    answer(at_s=time.monotonic())
    if how == "stop":
        it.stop()


ROLES = {role.__name__: role for role in (node, crowd, talker, leave)}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])

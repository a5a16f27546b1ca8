"""Captures of traffic: recorded on the suite's own loopback, or written from octets; and what tshark says of them."""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from support.tools import require_tool

#: Of a pcap file: magic, version 2.4, and 262144 octets at most of a packet.
HEADER: Final = struct.Struct("<IHHiIII")
PACKET: Final = struct.Struct("<IIII")
MAGIC: Final = 0xA1B2C3D4
RAW_IP: Final = 101
#: The most octets that one segment of a written capture carries.
SEGMENT: Final = 1400


class Recording:
    """Everything on loopback from the time this is made to `stop`, in a file.

    It starts and ends without waiting for a time: the file's header is written when capturing has begun, and the end
    is a datagram that is sent then and looked for.
    """

    def __init__(self, path: Path) -> None:
        dumpcap = require_tool("dumpcap", "apt-get install tshark")
        self._path = path
        self._data = bytearray()
        self._news = threading.Condition()
        self._ended = False
        self._end = os.urandom(16)
        self._process = subprocess.Popen(
            [dumpcap, "-q", "-i", "lo", "-P", "-B", "16", "-w", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, name="recording")
        self._reader.start()
        try:
            self._await(lambda: len(self._data) >= HEADER.size)
        except AssertionError:
            self._close()
            raise

    def stop(self) -> Path:
        """The file, with all that was sent before."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.sendto(self._end, receiver.getsockname())
            try:
                self._await(lambda: self._end in self._data)
            finally:
                self._close()
        self._path.write_bytes(self._data)
        return self._path

    def _await(self, reached: Any) -> None:
        with self._news:
            done = self._news.wait_for(lambda: self._ended or reached(), timeout=20)
        assert done, "dumpcap records nothing"
        assert reached(), self._process.stderr and self._process.stderr.read().decode()

    def _read(self) -> None:
        assert self._process.stdout
        while octets := os.read(self._process.stdout.fileno(), 1 << 20):
            with self._news:
                self._data += octets
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            with contextlib.suppress(AttributeError):
                stream.close()  # type: ignore[union-attr]


class Connection:
    """A TCP connection in a written capture: a client (side 0) and a server (side 1)."""

    def __init__(self, port: int, client: int = 50_000) -> None:
        self.packets: list[bytes] = []
        self._ports = (client, port)
        self._next = [1000, 2000]
        self._packet(0, b"", 0x02)
        self._packet(1, b"", 0x12)
        self._packet(0, b"", 0x10)

    def send(self, side: int, octets: bytes, segment: int = SEGMENT) -> "Connection":
        """From one side to the other, in segments of so many octets."""
        for start in range(0, len(octets), segment):
            self._packet(side, octets[start : start + segment], 0x18)
        return self

    def _packet(self, side: int, octets: bytes, flags: int) -> None:
        acknowledged = self._next[1 - side] if flags & 0x10 else 0
        ports = self._ports if side == 0 else self._ports[::-1]
        tcp = struct.pack(">HHIIBBHHH", *ports, self._next[side], acknowledged, 0x50, flags, 65535, 0, 0)
        addresses = (bytes((127, 0, 0, 1 + side)), bytes((127, 0, 0, 2 - side)))
        size = 20 + len(tcp) + len(octets)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, len(self.packets) & 0xFFFF, 0x4000, 64, 6, 0, *addresses)
        self.packets.append(ip + tcp + octets)
        self._next[side] = (self._next[side] + len(octets) + (flags & 0x02 != 0)) & 0xFFFFFFFF


def write(path: Path, connections: Iterable[Connection], captured: int = 262_144) -> Path:
    """A capture of connections, one after the other, of whose packets so many octets are captured."""
    with path.open("wb") as file:
        file.write(HEADER.pack(MAGIC, 2, 4, 0, 0, captured, RAW_IP))
        for number, packet in enumerate(packet for connection in connections for packet in connection.packets):
            kept = packet[:captured]
            file.write(PACKET.pack(1_000_000 + number // 1000, number % 1000 * 1000, len(kept), len(packet)) + kept)
    return path


# -- tshark

Layer = list[tuple[str, Any]]


class Dissected:
    """What tshark makes of a capture: for each packet its protocols, in order, each with its fields, in order."""

    def __init__(self, capture: Path, scripts: Sequence[Path], *options: str) -> None:
        self.packets: list[list[tuple[str, Layer]]] = []
        text = tshark(capture, scripts, "-T", "json", *options)
        for packet in json.loads(text, object_pairs_hook=list):
            layers = dict(dict(packet)["_source"])["layers"]
            self.packets.append([(name, list(flat(fields))) for name, fields in layers if isinstance(fields, list)])

    def layers(self, name: str) -> list[Layer]:
        """The fields of each message of a protocol, whatever packet it is in."""
        return [fields for packet in self.packets for layer, fields in packet if layer == name]


def flat(fields: Layer) -> Iterator[tuple[str, str]]:
    """Names and values, those inside others behind them. A name can be there several times."""
    for name, value in fields:
        if isinstance(value, list):
            yield from flat(value)
        else:
            yield name, value


def tshark(capture: Path, scripts: Sequence[Path], *options: str) -> str:
    """What tshark prints. What a script complains about is an error."""
    command: list[str | Path] = [require_tool("tshark", "apt-get install tshark"), *options, "-n", "-r", capture]
    for script in scripts:
        command += ["-X", f"lua_script:{script}"]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(capture.parent / "wireshark"), "LANG": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    complaints = [line for line in done.stderr.decode().splitlines() if "Running as user" not in line]
    assert not complaints, complaints
    assert done.returncode == 0
    text = done.stdout.decode("utf-8", "replace")
    assert not (error := re.search(r"Lua Error: .*|_ws\.lua\.error\": .*", text)), error[0]
    return text

"""The socket of the beacons: UDP broadcast on one interface, kept apart from all others.

Bound to any address and filtered by the interface a datagram came in by (IP_PKTINFO), so that the loopback stays
apart from a LAN and a link that flaps needs no new socket.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator

from zlog import limits
from zlog.zre.interfaces import Interface

_BEACON_MAX = 255
# socket.IP_PKTINFO came with Python 3.14; the number is Linux's.
_PKTINFO: int | None = getattr(socket, "IP_PKTINFO", 8 if sys.platform == "linux" else None)
_PKTINFO_LAYOUT = struct.Struct("=I4s4s")
_CONTROL_SIZE = socket.CMSG_SPACE(_PKTINFO_LAYOUT.size) if hasattr(socket, "CMSG_SPACE") else 0


class BeaconSocket:
    """Sends beacons on an interface and receives those of its network.

    Args:
        port: UDP port, shared with every other ZRE node of this host.
        interface: where to send, and where from to receive; None while there is no network.

    Raises:
        OSError: the port is taken by a program that doesn't share it.
    """

    def __init__(self, port: int, interface: Interface | None = None) -> None:
        self.port = port
        self.use(interface)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if _PKTINFO is not None:
                self._socket.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
            self._socket.bind(("", port))
        except OSError as error:
            self._socket.close()
            text = f"UDP port {port} of the ZRE beacons can't be shared: {error.strerror}"
            raise OSError(error.errno, text) from error

    def use(self, interface: Interface | None) -> None:
        """Go on with this interface, or with its address of today."""
        self.interface = interface
        if interface is not None:
            self._index = interface.index
            self._mask = int(interface.network.netmask)
            self._network = int(interface.network.network_address)
            self._target = (str(interface.broadcast), self.port)

    def fileno(self) -> int:
        """The descriptor, for polling."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it. Harmless twice."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Broadcast once.

        Raises:
            OSError: the network is down or unreachable; it may come back.
        """
        if self.interface is not None:
            self._socket.sendto(data, self._target)

    def receive(self) -> Iterator[tuple[bytes, str]]:
        """Yield the datagrams that wait and came from the interface's network, each with its source address."""
        for _ in range(limits.ZRE_READS_PER_TURN):
            try:
                data, control, _, source = self._socket.recvmsg(_BEACON_MAX, _CONTROL_SIZE)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier send, told here
            if self._is_ours(control, source[0]):
                yield data, source[0]

    def _is_ours(self, control: list[tuple[int, int, bytes]], source: str) -> bool:
        if self.interface is None:
            return False
        for level, kind, value in control:
            if level == socket.IPPROTO_IP and kind == _PKTINFO and len(value) >= _PKTINFO_LAYOUT.size:
                index, _, _ = _PKTINFO_LAYOUT.unpack_from(value)
                if self._index not in (0, index):
                    return False
        return int.from_bytes(socket.inet_aton(source), "big") & self._mask == self._network

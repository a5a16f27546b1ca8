"""Network interfaces: which there are, and which one ZRE uses.

The choice (`choose`) is pure. Without a wish it is the default route's interface, never a container bridge; where
there is no network at all it is the loopback, and the node moves when a network comes (zlog/zre/engine.py asks again).
"""

from __future__ import annotations

import fnmatch
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

VIRTUAL: Final = ("docker*", "br-*", "veth*", "virbr*", "cni*", "podman*")
"""Names of interfaces that join containers, never a network of machines: not chosen unless asked for by name."""

# A documentation address (RFC 5737): connecting a UDP socket there sends nothing, and tells the source address.
_ELSEWHERE: Final = ("203.0.113.1", 9)


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that is up and has an IPv4 address.

    Attributes:
        name: as the system names it, such as ``eth0``.
        index: the system's number for it, 0 when unknown.
        address: its IPv4 address.
        network: its IPv4 network.
        broadcast: where beacons go. On a loopback 127.255.255.255, as CZMQ does.
    """

    name: str
    index: int
    address: ipaddress.IPv4Address
    network: ipaddress.IPv4Network
    broadcast: ipaddress.IPv4Address

    @property
    def is_loopback(self) -> bool:
        """Whether it joins this host to itself only."""
        return self.address.is_loopback


def make(name: str, index: int, address: str, netmask: str, broadcast: str | None = None) -> Interface:
    """Return an interface from texts as the system gives them; a missing broadcast address is derived."""
    ip = ipaddress.IPv4Interface(f"{address}/{netmask}")
    derived = ip.network.broadcast_address
    if broadcast in (None, "", "0.0.0.0") or ip.ip.is_loopback:
        return Interface(name, index, ip.ip, ip.network, derived)
    return Interface(name, index, ip.ip, ip.network, ipaddress.IPv4Address(broadcast))


def choose(interfaces: Iterable[Interface], wanted: str | None, default_address: str | None) -> Interface | None:
    """Choose the interface for ZRE.

    Args:
        interfaces: those that are up.
        wanted: a name or an IPv4 address of one of them, or None for no wish.
        default_address: this host's address on its default route, or None.

    Returns:
        the interface. None when the wanted one isn't there, or when there is none at all.
    """
    found = list(interfaces)
    if wanted is not None:
        return next((i for i in found if wanted in (i.name, str(i.address))), None)
    real = [i for i in found if not i.is_loopback and not any(fnmatch.fnmatch(i.name, v) for v in VIRTUAL)]
    by_route = [i for i in real if str(i.address) == default_address]
    by_network = [i for i in real if i.network.prefixlen < 31]
    loopback = [i for i in found if i.is_loopback]
    return next(iter(by_route + by_network + loopback), None)


def follow(
    current: Interface, interfaces: Iterable[Interface], wanted: str | None, default_address: str | None
) -> Interface:
    """Return the interface to go on with: the current one, with its address of today, or another.

    A link that goes down for a while is no reason to move: its peers are found again there when it is back. A node
    moves when its interface has a new address, when it was on the loopback for want of a network and one came, or
    when its interface is down and the default route now leaves by another.
    """
    found = list(interfaces)
    if wanted is not None:
        return choose(found, wanted, None) or current
    now = next((i for i in found if i.name == current.name), None)
    better = choose(found, None, default_address)
    if now is not None and (not now.is_loopback or better is None):
        return now
    if better is not None and not better.is_loopback:
        return better
    return current


def default_address() -> str | None:
    """Return this host's IPv4 address on its default route; None without one. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        return str(probe.getsockname()[0])


if sys.platform == "linux":
    import fcntl

    # Requests of netdevice(7). They answer in microseconds, so that an address can be looked up with every beacon.
    _GET_FLAGS, _SET_FLAGS, _GET_ADDRESS, _GET_BROADCAST, _GET_NETMASK = 0x8913, 0x8914, 0x8915, 0x8919, 0x891B
    _FLAG_UP = 0x1

    def _ask(sock: socket.socket, request: int, name: str) -> bytes:
        ifreq = struct.pack("16s24x", name.encode()[:15])
        return fcntl.ioctl(sock.fileno(), request, ifreq)[16:]

    def lookup(name: str, sock: socket.socket) -> Interface | None:
        """Return the interface of that name; None when it is missing, down or without an IPv4 address."""
        try:
            index = socket.if_nametoindex(name)
            (flags,) = struct.unpack_from("=H", _ask(sock, _GET_FLAGS, name))
            if not flags & _FLAG_UP:
                return None
            address, netmask, broadcast = (
                socket.inet_ntoa(_ask(sock, request, name)[4:8])
                for request in (_GET_ADDRESS, _GET_NETMASK, _GET_BROADCAST)
            )
        except OSError:
            return None
        return make(name, index, address, netmask, broadcast)

    def bring_up(name: str) -> None:
        """Bring an interface up, such as ``lo`` in a fresh network namespace, where it is down.

        Raises:
            OSError: there is none of that name, or this process may not.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            (flags,) = struct.unpack_from("=H", _ask(sock, _GET_FLAGS, name))
            fcntl.ioctl(sock.fileno(), _SET_FLAGS, struct.pack("16sH22x", name.encode()[:15], flags | _FLAG_UP))

    def names() -> list[str]:
        """Return the names of all interfaces, up or not."""
        return [name for _, name in socket.if_nameindex()]

    def find_all() -> list[Interface]:
        """Return the interfaces that are up and have an IPv4 address, in the system's order."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            found = [lookup(name, sock) for name in names()]
        return [interface for interface in found if interface is not None]

else:
    from pyre import zhelper

    def bring_up(name: str) -> None:
        """Not done on this system."""
        raise OSError(f"can't bring {name} up on this system")

    def names() -> list[str]:
        """Return the names of the interfaces that have an IPv4 address."""
        return [interface.name for interface in find_all()]

    def find_all() -> list[Interface]:
        """Return the interfaces that have an IPv4 address, in the system's order (by pyre's helper)."""
        found = []
        for entry in zhelper.get_ifaddrs() or []:
            for name, families in entry.items():
                ipv4 = families.get(socket.AF_INET, {})
                if "addr" in ipv4 and "netmask" in ipv4:
                    try:
                        index = socket.if_nametoindex(name)
                    except (OSError, AttributeError):
                        index = 0
                    found.append(make(name, index, ipv4["addr"], ipv4["netmask"], ipv4.get("broadcast")))
        return found

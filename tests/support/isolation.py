"""Moves the test session into a network namespace of its own, with a trap that counts whatever would have left it.

In the namespace there is `lo`, and `trap0`: an interface like a real one, with an address, a broadcast address and
the default route. A test that lets anything out (a socket, libzmq, a child process) sends it through `trap0`, whose
cable ends in `trap1` beside it, where nobody reads. The packets are counted, and kept for the failure message.
"""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from support import linux

_ETH_P_IP = 0x0800  # linux/if_ether.h

TRAP, TRAP_END = "trap0", "trap1"
TRAP_ADDRESS, TRAP_BROADCAST = "198.51.100.1", "198.51.100.255"  # TEST-NET-2, RFC 5737

ADVICE = (
    "The tests run in a network namespace of their own, so that none can send on a real interface. Run them on Linux "
    "as root, as a user who may make user namespaces (sysctl kernel.unprivileged_userns_clone=1 or "
    "kernel.apparmor_restrict_unprivileged_userns=0), or in a container without network (docker run --network=none)."
)


class IsolationError(Exception):
    """The process can't leave the machine's network; says why and what to do."""


def enter() -> None:
    """Leave the machine's network for a namespace with only `lo`, up.

    Acts on the calling thread and what it starts later: call it before there are threads.

    Raises:
        IsolationError: not on Linux, or not permitted.
    """
    if sys.platform != "linux":
        raise IsolationError(f"network namespaces need Linux, this is {sys.platform}. {ADVICE}")
    try:
        _unshare()
    except OSError as error:
        if linux.interfaces() != ["lo"]:
            raise IsolationError(f"{error}. {ADVICE}") from error
    if not linux.is_up("lo"):
        linux.bring_up("lo")


def _unshare() -> None:
    try:
        linux.unshare(linux.CLONE_NEWNET)
    except PermissionError:
        linux.become_user_namespace_owner()


class Trap:
    """The interface that nothing may leave through.

    Raises:
        IsolationError: it can't be made (no iproute2, no CAP_NET_ADMIN, no veth in the kernel).
    """

    def __init__(self) -> None:
        if shutil.which("ip") is None:
            raise IsolationError("no `ip` command (apt-get install iproute2)")
        try:
            linux.disable_ipv6_on_new_interfaces()
        except OSError as error:
            raise IsolationError(str(error)) from error
        commands = (
            f"link add {TRAP} type veth peer name {TRAP_END}",
            f"addr add {TRAP_ADDRESS}/24 broadcast {TRAP_BROADCAST} dev {TRAP}",
            f"link set {TRAP} arp off",  # unicast leaves at once, without an ARP request that is repeated later
            f"link set {TRAP_END} up",
            f"link set {TRAP} up",
            f"route add default dev {TRAP}",
        )
        result = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), capture_output=True, text=True)
        if result.returncode:
            raise IsolationError(f"ip: {result.stderr.strip()}")
        self._seen = self._count()
        self._far_end = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
        self._far_end.bind((TRAP_END, _ETH_P_IP))
        self._far_end.setblocking(False)

    def sprung(self) -> str | None:
        """What left since the last call, for people; None if nothing did."""
        count = self._count()
        new, self._seen = count - self._seen, count
        packets = self._drain()
        if not new:
            return None
        shown = "".join(f"\n  {packet}" for packet in packets[:5])
        return f"sent {new} packet{'s' if new > 1 else ''} to a real interface; use -i lo or the `hosts` fixture{shown}"

    def close(self) -> None:
        self._far_end.close()

    @staticmethod
    def _count() -> int:
        """Packets sent by the trap so far. /proc/thread-self, as /sys shows the namespace it was mounted in."""
        for line in Path("/proc/thread-self/net/dev").read_text().splitlines():
            name, _, figures = line.partition(":")
            if name.strip() == TRAP:
                return int(figures.split()[9])
        raise IsolationError(f"{TRAP} is gone: a test changed the namespace of the suite")

    def _drain(self) -> list[str]:
        packets = []
        while True:
            try:
                packets.append(_describe(self._far_end.recv(2048)))
            except BlockingIOError:
                return packets


def _describe(packet: bytes) -> str:
    """One line on an IPv4 packet: addresses, ports, size and the start of what UDP carries."""
    header = (packet[0] & 15) * 4
    source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    protocol = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP"}.get(packet[9], f"protocol {packet[9]}")
    if protocol in ("TCP", "UDP"):
        source += f":{int.from_bytes(packet[header : header + 2])}"
        target += f":{int.from_bytes(packet[header + 2 : header + 4])}"
    payload = f" {packet[header + 8 : header + 40]!r}" if protocol == "UDP" else ""
    return f"{protocol} {source} -> {target}, {len(packet)} bytes{payload}"

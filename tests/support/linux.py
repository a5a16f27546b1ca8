"""Linux calls that the test network needs and Python 3.11 lacks: namespaces, capabilities, interface flags."""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

CLONE_FS = 0x200
CLONE_NEWNS = 0x20000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

# What `ip`, `nsenter` and raw sockets need of a user who is root only in a namespace (linux/capability.h).
_NETWORK_CAPABILITIES = (10, 12, 13, 18, 21)  # NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_CHROOT, SYS_ADMIN

_MS_REC, _MS_PRIVATE = 0x4000, 0x40000  # linux/mount.h
_CAPABILITY_VERSION_3 = 0x20080522
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move the calling thread into fresh namespaces (unshare(2)); threads and processes it starts later follow it."""
    _check(_libc.unshare(flags), "unshare")


def setns(namespace_fd: int, kind: int = CLONE_NEWNET) -> None:
    """Move the calling thread into an existing namespace, of networks or of another kind (setns(2))."""
    _check(_libc.setns(namespace_fd, kind), "setns")


def mount_alone(path: str, size: int) -> None:
    """Move the calling thread into a mount namespace of its own, and mount a tmpfs of so many octets there."""
    unshare(CLONE_NEWNS)
    _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")
    _check(_libc.mount(b"none", path.encode(), b"tmpfs", 0, f"size={size}".encode()), "mount")


def open_own_network_namespace() -> int:
    """A descriptor of the calling thread's network namespace; it keeps the namespace alive."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def become_user_namespace_owner() -> None:
    """Enter fresh user and network namespaces as the same user, who may administer networks there and nothing more.

    The user keeps its own id (not 0), so file permissions mean what they mean outside. Ambient capabilities reach
    the programs that tests start. Only a process with a single thread can do this.
    """
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    mask = sum(1 << capability for capability in _NETWORK_CAPABILITIES)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable; then their upper halves
    _check(_libc.capset(header, data), "capset")
    for capability in _NETWORK_CAPABILITIES:
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl")


def interfaces() -> list[str]:
    """Names of the interfaces in the calling thread's namespace."""
    return [name for _, name in socket.if_nameindex()]


def is_up(interface: str) -> bool:
    return bool(_flags(interface) & _IFF_UP)


def bring_up(interface: str) -> None:
    """`ip link set INTERFACE up`, for machines without iproute2."""
    flags = _flags(interface)
    if not flags & _IFF_UP:
        _flags(interface, flags | _IFF_UP)


def _flags(interface: str, new: int | None = None) -> int:
    request = struct.pack("16sH14x", interface.encode(), 0 if new is None else new)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS if new is None else _SIOCSIFFLAGS, request)
    return int(struct.unpack("16sH14x", answer)[1])


def disable_ipv6_on_new_interfaces() -> None:
    """No router solicitations, MLD or DAD from interfaces made after this: a silent interface stays silent."""
    switch = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")  # per namespace of the reader
    if switch.exists():
        switch.write_text("1")

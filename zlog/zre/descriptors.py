"""File descriptors of this process: whether some are left, and which connections use them up.

libzmq leaks one when a ROUTER with ROUTER_HANDOVER gives an identity to a new connection and the old one still sends
(libzmq issues 3238, 4407): that connection is closed only with its ROUTER. Without ROUTER_HANDOVER a peer that was cut
off couldn't come back. So when descriptors run out, the engine counts, and makes itself a new mailbox if that helps.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

if sys.platform != "win32":
    import resource

SPARE = 16
"""Left to the application."""

_MOST = 65_536  # descriptors looked at; a process whose limit is higher has other troubles


def check_room(descriptor: int) -> None:
    """Pass if a few are left; `descriptor` is any open one.

    Raises:
        OSError: EMFILE or ENFILE.
    """
    spare: list[int] = []
    try:
        spare.extend(os.dup(descriptor) for _ in range(SPARE))
    finally:
        for number in spare:
            os.close(number)


def count_connections(port: int) -> int:
    """How many TCP connections this process has at its own port, whoever in it holds them. Uses no descriptor."""
    if sys.platform == "win32":
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 0
    for number in range(min(_MOST, soft if soft > 0 else _MOST)):
        with contextlib.suppress(OSError):  # not open, or no socket
            count += _is_connection(number, port)
    return count


def _is_connection(number: int, port: int) -> bool:
    sock = socket.socket(fileno=number)
    try:
        return (
            sock.type == socket.SOCK_STREAM
            and sock.family in (socket.AF_INET, socket.AF_INET6)
            and sock.getsockname()[1] == port
            and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        )
    finally:
        sock.detach()

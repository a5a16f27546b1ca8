"""The ZRE beacon (RFC 36, "Beacon Format"): 22 octets ``Z R E %x01``, the node's UUID, its mailbox port. Pure.

A port of 0 says that the node leaves. Zyre nodes with CURVE (RFC 43) send version 3, 54 octets: the same followed by
a public key; they can't be talked to without that key, so they are told apart only for a better log line.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from uuid import UUID

PREFIX = b"ZRE"
VERSION = 1
SIZE = 22
CURVE_SIZE = 54

_LAYOUT = struct.Struct(">3sB16sH")


class Beacon(NamedTuple):
    """A decoded beacon.

    Attributes:
        uuid: the node that sent it.
        port: TCP port of its mailbox, 0 when it leaves.
    """

    uuid: UUID
    port: int

    def encode(self) -> bytes:
        """Return the 22 octets."""
        return _LAYOUT.pack(PREFIX, VERSION, self.uuid.bytes, self.port)


def decode(data: bytes) -> Beacon | str:
    """Decode one UDP datagram.

    Returns:
        the beacon, or the cause why it is discarded: one of the words in ``zlog.zre.causes``.
    """
    if data[:3] != PREFIX:
        return "beacon-foreign"
    if len(data) == CURVE_SIZE and data[3] == 3:
        return "beacon-curve"
    if len(data) != SIZE:
        return "beacon-length"
    _, version, uuid, port = _LAYOUT.unpack(data)
    if version != VERSION:
        return "beacon-version"
    return Beacon(UUID(bytes=uuid), port)

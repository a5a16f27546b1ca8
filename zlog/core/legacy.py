"""The 16-bit ids that LOG has for nodes and peers. Pure.

protocol/README.md, section 8.3.
"""

from __future__ import annotations

__all__ = ["id_of"]


def id_of(text: str) -> int:
    """The id of a peer with this endpoint, such as ``tcp://10.77.0.2:49152``; 0 for the empty text. Ids collide."""
    value = 0
    for octet in text.encode("utf-8", "surrogateescape"):
        value = (33 * value & 0xFFFF) ^ ((octet - 256 if octet > 127 else octet) & 0xFFFF)
    return value

"""`PyreEvent`, pyre's own class, with the types that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from typing import Any

    class PyreEvent:
        """An event, read from a node when it is made.

        Attributes:
            type: ENTER, EXIT, JOIN, LEAVE, WHISPER, SHOUT or STOP.
            peer_uuid_bytes, peer_name: of the peer that it is about, or of the node itself for STOP.
            headers: of the peer, with ENTER.
            peer_addr: its endpoint, with ENTER.
            group: with JOIN, LEAVE and SHOUT.
            msg: the frames, with WHISPER and SHOUT.
        """

        type: str
        peer_uuid_bytes: bytes
        peer_name: str
        headers: dict[str, str]
        peer_addr: str
        group: str
        msg: list[bytes]

        def __init__(self, node: Any) -> None: ...

        def header(self, name: str) -> str | None:
            """The value of a header, with ENTER."""

        @property
        def peer_uuid(self) -> UUID:
            """UUID of the peer."""

else:
    from pyre import PyreEvent

__all__ = ["PyreEvent"]

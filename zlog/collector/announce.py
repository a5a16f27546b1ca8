"""How nodes find a collector: a ZRE node of its own with headers, or the application's node with ADVERT.

protocol/README.md, sections 4.1 to 4.4. Events of the node are handed to the core's thread; nothing here waits in the
node's.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import pyre

from zlog import report
from zlog.collector import local
from zlog.core.endpoint import host_of
from zlog.wire import zre_log_msg
from zlog.zre import Observation, Pyre, interfaces, observe

__all__ = ["Announcer", "address_of", "headers_of"]

log: Final = logging.getLogger("zlog.collector")

COLLECTORS: Final = "ZYRE-LOGGER"
AGENTS: Final = "ZYRE-LOGNODE"


def headers_of(live: str, sync: str, pool: str | None) -> dict[str, str]:
    """The headers of a collector (section 4.2)."""
    headers = {"X-ZRELOG": live, "X-ZRELOG-PROTO": str(zre_log_msg.VERSION), "X-ZRELOG-SYNC": sync}
    return headers | ({"X-ZRELOG-POOL": pool} if pool else {})


def address_of(interface: str | None) -> str:
    """The address that a ZRE node with this wish for an interface will use now; empty while there is none."""
    default = interfaces.default_address() if interface is None else None
    chosen = interfaces.choose(interfaces.find_all(), interface, default)
    return "" if chosen is None else str(chosen.address)


class Announcer:
    """A collector's ZRE node.

    Args:
        node: the application's; None for one of its own.
        name, interface, port: of a node of its own.
        call: hands a call to the core's thread.
        on_peer: called there with UUID, name and endpoint of a peer.
        on_left: called there with the UUID of a peer that left.

    Attributes:
        node: the ZRE node.
        peers: UUIDs of its peers, and its own; changed and read in the core's thread.
    """

    def __init__(
        self,
        node: pyre.Pyre | None,
        name: str,
        interface: str | None,
        port: int,
        call: Callable[[Callable[[], object]], object],
        on_peer: Callable[[UUID, str, str], None],
        on_left: Callable[[UUID], None],
    ) -> None:
        self._is_own = node is None
        self.node: pyre.Pyre = Pyre(name, interface=interface, port=port) if node is None else node
        self.peers = {self.uuid}
        self._call = call
        self._on_peer = on_peer
        self._on_left = on_left
        self._headers: dict[str, str] = {}
        self._whispers = not self._is_own
        self._joined = False
        self._started = False
        self._observation: Observation | None = None

    @property
    def uuid(self) -> UUID:
        return _uuid(self.node.uuid())

    @property
    def name(self) -> str:
        return str(self.node.name())

    @property
    def follows(self) -> bool:
        """Whether the node's address may change: those of published nodes don't."""
        return self._started and isinstance(self.node, Pyre)

    def address(self) -> str:
        """The node's address; empty while it has none."""
        endpoint = self.node.endpoint()
        return host_of(endpoint if isinstance(endpoint, str) else "")

    def watch(self) -> None:
        """Watch the node, before anything else: from here on several threads may use a published one too."""
        self._observation = observe(self.node, self._event, _hide if self._is_own else None)

    def start(self) -> None:
        """Start a node of its own, with what `announce` said before; or look who is there already.

        Raises:
            OSError: the UDP port is taken.
        """
        self._started = True
        if self._is_own:
            self.node.start()
            return
        for uuid in self.node.peers() or []:
            peer = _uuid(uuid)
            self._enter(peer, str(self.node.get_peer_name(peer) or ""), str(self.node.peer_address(peer) or ""))

    def announce(self, headers: Mapping[str, str]) -> None:
        """Tell the nodes these headers, which are new; all must be ready for them. Before `start` too."""
        self._headers = dict(headers)
        if self._is_own:
            for key, value in headers.items():
                self.node.set_header(key, value)
            if not self._started:
                return
            self._whispers = True  # who has met the node knows the old ones
        if not self._joined:
            self._joined = True
            self.node.join(COLLECTORS)
        if self._whispers:
            for uuid in self.node.peers_by_group(AGENTS) or []:
                self._advert(_uuid(uuid))
        local.register(self.uuid, self.name, headers)

    def ready(self) -> None:
        """The node of its own has started with its headers: it is a collector now."""
        if self._headers and not self._joined:
            self._joined = True
            self.node.join(COLLECTORS)
            local.register(self.uuid, self.name, self._headers)

    def leave(self) -> None:
        """Be no collector any more. Harmless twice."""
        local.unregister(self.uuid)
        if self._joined:
            self._joined = False
            with contextlib.suppress(Exception):  # the application may have stopped its node
                self.node.leave(COLLECTORS)

    def stop(self) -> None:
        """Give the node back, or end it."""
        self.leave()
        if self._observation is not None:
            self._observation.close()
            self._observation = None
        if self._is_own:
            assert isinstance(self.node, Pyre)
            self.node.stop()
            self.node.close()

    # --- the node's thread, or that of who reads a published node -----------------------------------------------------

    def _event(self, frames: Sequence[bytes]) -> None:
        kind = frames[0]
        if len(frames) < 3 or kind not in (b"ENTER", b"EXIT", b"JOIN"):
            return
        peer = UUID(bytes=frames[1])
        if kind == b"ENTER":
            name, endpoint = frames[2].decode("utf-8", "replace"), frames[4].decode("utf-8", "replace")
            self._call(lambda: self._enter(peer, name, endpoint))
        elif kind == b"EXIT":
            self._call(lambda: self._exit(peer))
        elif frames[3] == AGENTS.encode():
            self._call(lambda: self._greet(peer))

    def _enter(self, peer: UUID, name: str, endpoint: str) -> None:
        self.peers.add(peer)
        self._on_peer(peer, name, endpoint)

    def _exit(self, peer: UUID) -> None:
        self.peers.discard(peer)
        self._on_left(peer)

    def _greet(self, peer: UUID) -> None:
        if self._joined and self._whispers:
            self._advert(peer)

    def _advert(self, peer: UUID) -> None:
        try:
            self.node.whisper(peer, zre_log_msg.Advert(headers=self._headers).encode())
        except Exception as error:  # noqa: BLE001 - the application's node may be stopping
            report.log(logging.DEBUG, "no ADVERT to %s: %s", peer, error, to=log)


def _hide(frames: Sequence[bytes]) -> list[bytes]:
    """Nobody reads the node's events."""
    return []


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(bytes=bytes(value))

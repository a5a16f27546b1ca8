"""The agent's view of ZRE: a node of its own, or one that belongs to the application.

Events of the node become calls into the agent's thread. Of an application's node they can also be logged, with the UUID
of the peer, so that what two nodes log of each other fits together (protocol, section 7.6).
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import pyre

from zlog import report
from zlog.config import Settings
from zlog.core.discovery import AGENTS, COLLECTORS
from zlog.core.legacy import id_of
from zlog.handler import Sink
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import EVENT_ENTER, EVENT_EXIT, EVENT_JOIN, EVENT_LEAVE, EVENT_RECV, EVENT_SEND
from zlog.zre import Observation, Pyre, checks, observe

__all__ = ["Network", "is_advert"]

log: Final = logging.getLogger("zlog.agent")

ADVERT: Final = b"\xaa\xa2\x04"
_INFO: Final = 9
_DEBUG: Final = 5
#: Calls of a node that say something to the network.
_CALLS: Final = ("join", "leave", "whisper", "whispers", "shout", "shouts")


def is_advert(frames: Sequence[bytes]) -> bool:
    """Whether a node's event is a WHISPER with ADVERT: nothing that an application understands."""
    return len(frames) > 3 and frames[0] == b"WHISPER" and frames[3].startswith(ADVERT)


class Network:
    """ZRE as the agent sees it. Its callbacks come from the node's thread, or from whoever reads a published node.

    Args:
        settings: name, interface and port of a node of its own.
        uuid: of that node.
        node: the application's node; None to start one.
        sink: where the events of the application's node are logged; None not to log them.
        on_enter: UUID, name, headers, endpoint.
        on_join, on_leave: UUID, group.
        on_exit: UUID.
        on_advert: UUID, headers.
    """

    def __init__(
        self,
        settings: Settings,
        uuid: UUID,
        node: pyre.Pyre | None,
        sink: Sink | None,
        *,
        on_enter: Callable[[UUID, str, dict[str, str], str], None],
        on_join: Callable[[UUID, str], None],
        on_leave: Callable[[UUID, str], None],
        on_exit: Callable[[UUID], None],
        on_advert: Callable[[UUID, dict[str, str]], None],
    ) -> None:
        self.node: pyre.Pyre | None = node
        self.endpoints: dict[UUID, str] = {}
        self._settings = settings
        self._uuid = uuid
        self._is_own = node is None
        self._sink = sink
        self._on_enter = on_enter
        self._on_join = on_join
        self._on_leave = on_leave
        self._on_exit = on_exit
        self._on_advert = on_advert
        self._observation: Observation | None = None
        self._wrapped: list[str] = []

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch; start the node if it is the agent's own. A network that can't be used is reported."""
        try:
            if self.node is None:
                self._start_own()
            else:
                self._attach(self.node)
        except Exception as error:  # noqa: BLE001 - without a network the application still has to run, and to log
            report.log(logging.WARNING, "no collector can be found by beacons: %s", error, to=log)

    def stop(self) -> None:
        """Stop to watch; stop the node if it is the agent's own."""
        node, observation = self.node, self._observation
        self._observation = None
        if observation is not None:
            observation.close()
        if node is None:
            return
        if self._is_own:
            node.stop()
            if isinstance(node, Pyre):
                node.close()
            self.node = None
            return
        for name in self._wrapped:
            vars(node).pop(name, None)
        self._wrapped.clear()
        with contextlib.suppress(Exception):  # it may have been stopped by its owner
            node.leave(AGENTS)

    def uuid(self) -> UUID | None:
        """The node's UUID; None while there is no node."""
        return self.node.uuid() if self.node is not None else None

    def legacy_id(self, peer: bytes | None) -> int:
        """The 16-bit id of a peer, 0 if it isn't known; None stands for the node itself."""
        if peer is not None:
            return id_of(self.endpoints.get(UUID(bytes=peer), ""))
        node = self.node
        return id_of(node.endpoint()) if isinstance(node, Pyre) else 0

    def _start_own(self) -> None:
        settings = self._settings
        node = Pyre(settings.name, interface=settings.interface, port=settings.port, uuid=self._uuid)
        node.join(AGENTS)
        self._observation = observe(node, self._event, hide=lambda frames: [])
        self.node = node
        node.start()

    def _attach(self, node: pyre.Pyre) -> None:
        node.join(AGENTS)
        self._observation = observe(node, self._event, hide=_hide_advert)
        if self._sink is not None:
            self._wrap(node)
        for uuid in node.peers():
            peer = _uuid(uuid)
            headers = node.peer_headers(peer) or {}
            self._enter(peer, str(node.get_peer_name(peer) or ""), dict(headers), str(node.peer_address(peer) or ""))
        for uuid in node.peers_by_group(COLLECTORS) or []:
            self._on_join(_uuid(uuid), COLLECTORS)

    # --- events -------------------------------------------------------------------------------------------------------

    def _event(self, frames: Sequence[bytes]) -> None:
        kind = frames[0]
        if kind == b"STOP" or len(frames) < 3:
            for peer in list(self.endpoints):
                self._exit(peer)
            return
        peer, name = UUID(bytes=frames[1]), frames[2].decode("utf-8", "replace")
        if kind == b"ENTER":
            headers = json.loads(frames[3])
            endpoint = frames[4].decode("utf-8", "replace")
            self._enter(peer, name, headers, endpoint)
            self._tell(_INFO, f"ENTER {name}", EVENT_ENTER, peer, {"zre.peer": name, "zre.endpoint": endpoint})
        elif kind == b"EXIT":
            self._exit(peer)
            self._tell(_INFO, f"EXIT {name}", EVENT_EXIT, peer, {"zre.peer": name})
        elif kind in (b"JOIN", b"LEAVE"):
            group = frames[3].decode("utf-8", "replace")
            joins = kind == b"JOIN"
            (self._on_join if joins else self._on_leave)(peer, group)
            word, event = ("JOIN", EVENT_JOIN) if joins else ("LEAVE", EVENT_LEAVE)
            self._tell(_INFO, f"{word} {group} by {name}", event, peer, {"zre.peer": name, "zre.group": group})
        elif is_advert(frames):
            with contextlib.suppress(DecodeError):
                message = zre_log_msg.decode(frames[3])
                if isinstance(message, zre_log_msg.Advert):
                    self._on_advert(peer, message.headers)
        elif kind in (b"WHISPER", b"SHOUT"):
            group = frames[3].decode("utf-8", "replace") if kind == b"SHOUT" else ""
            content = frames[4:] if group else frames[3:]
            found = {"zre.peer": name, "zre.frames": len(content), "zre.bytes": sum(map(len, content))}
            text = f"RECV {kind.decode()} from {name}" + (f" to {group}" if group else "")
            self._tell(_DEBUG, text, EVENT_RECV, peer, found | ({"zre.group": group} if group else {}))

    def _enter(self, peer: UUID, name: str, headers: dict[str, str], endpoint: str) -> None:
        self.endpoints[peer] = endpoint
        self._on_enter(peer, name, headers, endpoint)

    def _exit(self, peer: UUID) -> None:
        self.endpoints.pop(peer, None)
        self._on_exit(peer)

    def _tell(self, severity: int, text: str, event: int, peer: UUID | None, attributes: dict[str, Any]) -> None:
        if self._sink is not None:
            octets = peer.bytes if peer is not None else None
            self._sink.record(severity, time.time_ns(), "zre", text, attributes, event, octets)

    # --- what the application sends -----------------------------------------------------------------------------------

    def _wrap(self, node: pyre.Pyre) -> None:
        inside = threading.local()
        names = [name for name in _CALLS if not (name.endswith("s") and isinstance(node, Pyre))]  # ours call the others
        for name in names:
            if name in vars(node) and isinstance(node, Pyre):
                continue  # somebody else's already
            vars(node)[name] = self._wrapper(getattr(node, name), name, inside)
            if isinstance(node, Pyre):
                self._wrapped.append(name)

    def _wrapper(self, method: Callable[..., Any], name: str, inside: threading.local) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            if getattr(inside, "depth", 0):  # one calls another
                return method(*args, **kwargs)
            inside.depth = 1
            try:
                result = method(*args, **kwargs)
            finally:
                inside.depth = 0
            with contextlib.suppress(Exception):  # it was sent; that it can't be described is no matter
                self._sent(name, args)
            return result

        return call

    def _sent(self, name: str, args: tuple[Any, ...]) -> None:
        to, content = args[0], args[1] if len(args) > 1 else b""
        if name in ("whispers", "shouts"):
            content = checks.formatted(str(content), args[2:])
        if name in ("join", "leave"):
            event = EVENT_JOIN if name == "join" else EVENT_LEAVE
            self._tell(_INFO, f"{name.upper()} {to}", event, None, {"zre.group": to})
            return
        octets = content.encode() if isinstance(content, str) else content
        frames = [octets] if isinstance(octets, bytes | bytearray | memoryview) else list(octets)
        if frames and bytes(frames[0][:3]) == ADVERT:
            return
        found = {"zre.frames": len(frames), "zre.bytes": sum(map(len, frames))}
        if name.startswith("whisper"):
            self._tell(_DEBUG, f"SEND WHISPER to {to}", EVENT_SEND, _uuid(to), found)
        else:
            self._tell(_DEBUG, f"SEND SHOUT to {to}", EVENT_SEND, None, found | {"zre.group": to})


def _hide_advert(frames: Sequence[bytes]) -> list[bytes] | None:
    """What stands for ADVERT when an application was promised an event: its sender's WHISPER, empty."""
    return [*frames[:3], b""] if is_advert(frames) else None


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(bytes=bytes(value))

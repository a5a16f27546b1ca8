"""The sockets of one link of a node, driven as `zlog.agent.wires` does it, and what is checked of every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zlog.core.link import CloseLive, Event, Link, OpenLive
from zlog.severity import range_of
from zlog.wire import zre_log_msg as wire

from .network import Socket
from .world import MS, Violation

if TYPE_CHECKING:
    from .nodes import Node

#: Frames of one link in a row.
_TURN: Final = 64


class Wires:
    """The sockets of one link: `zlog.agent.wires.Wires`."""

    def __init__(self, node: Node, link: Link) -> None:
        self.node = node
        self.link = link
        self.target = link.target
        self.live: Socket | None = None
        self.sync: Socket | None = None
        self._wait_ns = 0
        self._blocked_until: int | None = None
        self._allowed: dict[tuple[bytes, int, int], int] = {}  # credit by run and range, as FETCH gave it
        if self.target.sync is not None:
            self.sync = self._socket(self.target.sync, "sync")
        if self.target.live is not None:
            self._open_live(self.target.live)

    def due(self) -> int | None:
        return min((at for at in (self._blocked_until, self.link.due()) if at is not None), default=None)

    def pump(self, now: int) -> list[Event]:
        link = self.link
        link.tick(now)
        if self._blocked_until is None or now >= self._blocked_until:
            self._blocked_until = None
            full = not self._send_control(now)
            full = not self._send_live(now) or full
            full = not self._send_answers(now) or full
            full = not self._send_control(now) or full
            if not full:
                self._wait_ns = 0
        events: list[Event] = []
        while link.events:
            event = link.events.popleft()
            if isinstance(event, OpenLive):
                self._open_live(event.endpoint)
            elif isinstance(event, CloseLive):
                if self.live is not None:
                    self.live.close(False)
                self.live = None
            else:
                events.append(event)
        return events

    def close(self, linger: bool) -> None:
        for socket in (self.live, self.sync):
            if socket is not None:
                socket.close(linger)
        self.live = self.sync = None

    # --- parts --------------------------------------------------------------------------------------------------------

    def _socket(self, endpoint: str, kind: str) -> Socket:
        node = self.node
        on_frame = self._on_sync if kind == "sync" else self._on_live
        up, down = (self._up, self._down) if kind == "sync" else (node.wake, node.wake)
        return Socket(node.scene.network, node.name, node.host, endpoint, kind, up, down, on_frame, node.is_paused)

    def _open_live(self, endpoint: str) -> None:
        if self.live is not None:
            self.live.close(False)
        self.live = self._socket(endpoint, "live")

    def _up(self) -> None:
        self._allowed.clear()
        self._blocked_until = None
        self.link.connected(self.node.world.now)
        self.node.wake()

    def _down(self) -> None:
        self.link.disconnected()
        self.node.wake()

    def _on_live(self, frame: bytes) -> None:
        self.link.subscription(frame)
        self.node.wake()

    def _on_sync(self, frame: bytes) -> None:
        node = self.node
        if node.world.tell:
            node.world.trace(node.name, f"gets {shown(frame)}")
        self._blocked_until = None
        message = wire.decode(frame)
        if isinstance(message, wire.Fetch):
            self._allowed[message.node.bytes, message.epoch, message.severity] = message.credit
        node.take_records()
        self.link.sync(frame, node.world.now)
        if isinstance(message, wire.Demand | wire.Welcome):
            node.scene.truth.look_node(node)
        node.wake()

    def _send_control(self, now: int) -> bool:
        control = self.link.control
        while control and self.sync is not None:
            if self.sync.connection is None or not self.sync.send(control[0]):
                return self._block(now)
            control.popleft()
        return True

    def _send_live(self, now: int) -> bool:
        for _ in range(_TURN):
            frame = self.link.peek() if self.live is not None else None
            if frame is None or self.live is None:
                return True
            self._check_live(frame)
            if not self.live.send(frame):
                return self._block(now)
            self.link.sent()
        self._blocked_until = now
        return True

    def _send_answers(self, now: int) -> bool:
        for _ in range(_TURN):
            frame = self.link.peek_answer() if self.sync is not None else None
            if frame is None or self.sync is None:
                return True
            if not self._send_control(now):  # GONE, for what is before
                return False
            if self.sync.connection is None or not self.sync.send(frame):
                return self._block(now)
            self._check_credit(frame)
            self.link.sent_answer()
        self._blocked_until = now
        return True

    def _block(self, now: int) -> bool:
        self._wait_ns = min(max(self._wait_ns * 2, MS), 20 * MS)
        self._blocked_until = now + self._wait_ns
        return False

    def _check_live(self, frame: bytes) -> None:
        """Sections 5.3 and 6.5: to whom it was promised, and what was demanded."""
        connection = self.live.connection if self.live is not None else None
        link = self.link
        if connection is not None and connection.alive:
            owner = connection.listener.owner
            meant = link.target.collector or link.collector
            if meant is None or owner != meant.bytes:
                raise Violation(f"{self.node.name} streams to {owner.hex()[:8]} what was meant for {meant}")
        if link.demand is not None and frame[3] < range_of(min(link.demand.severity, 24)):
            raise Violation(f"{self.node.name} sends {shown(frame)} to who wants {link.demand}")

    def _check_credit(self, frame: bytes) -> None:
        """Section 6.4, rule 4."""
        message = wire.decode(frame)
        assert isinstance(message, wire.Batch)
        key = message.node.bytes, message.epoch, message.severity
        left = self._allowed.get(key, 0)
        if left <= 0:
            raise Violation(f"{self.node.name} answers with {shown(frame)} beyond its credit")
        self._allowed[key] = left - len(frame)


def shown(frame: bytes) -> str:
    """A frame in the trace."""
    message = wire.decode(frame)
    if isinstance(message, wire.Batch):
        return f"BATCH {message.severity} [{message.sequence}, {message.sequence + message.count})"
    if isinstance(message, wire.Fetch | wire.Gone):
        kind = "FETCH" if isinstance(message, wire.Fetch) else "GONE"
        return f"{kind} {message.node.hex[:4]} {message.severity} [{message.start}, {message.stop or ''})"
    if isinstance(message, wire.Commit):
        return f"COMMIT {message.node.hex[:4]} {message.severity} through {message.through}"
    if isinstance(message, wire.Welcome | wire.Demand):
        return f"{message.NAME} severity {message.severity} for {message.seconds} s"
    return str(message.NAME)

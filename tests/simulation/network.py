"""TCP as ZeroMQ uses it: sockets that connect, again and again, and listeners. Frames keep their order on a connection.

What can go wrong: frames take long, and longer where packets are lost; a path is cut, and what was sent stalls until it
heals, or until the connecting side notices by keep-alive; a connection breaks, and what was on its way is lost,
before either side knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final

from zlog.wire import zre_log_msg as wire

from .world import MS, SECOND, Violation, World

#: Frames on their way on one connection; then the sender has to wait. Small, so that it happens.
HIGH_WATER: Final = 24
_BATCH: Final = b"\xaa\xa2\x03"


class Connection:
    """An established one.

    Attributes:
        identity: names it to the listener.
        alive: frames arrive. Each side learns later that it isn't.
        prefixes: what the listener subscribed to, as far as it came over (live only).
    """

    def __init__(self, network: Network, socket: Socket, listener: Listener) -> None:
        self.network = network
        self.socket = socket
        self.listener = listener
        self.identity = network.next_identity()
        self.alive = True
        self.prefixes: dict[bytes, None] = {}
        random = network.world.random
        self._latency = network.world.between(50 * 1_000, network.slowest)
        self._up: deque[tuple[int, bytes]] = deque()
        self._down: deque[tuple[int, bytes]] = deque()
        self._jitter = random.random()

    @property
    def is_cut(self) -> bool:
        return (self.socket.host, self.listener.host) in self.network.cuts

    @property
    def is_full(self) -> bool:
        return len(self._up) >= HIGH_WATER

    def send_up(self, frame: bytes) -> None:
        """From the connecting side."""
        self._send(self._up, frame, self._pump_up)

    def send_down(self, frame: bytes) -> None:
        """From the listener."""
        self._send(self._down, frame, self._pump_down)

    def resume(self) -> None:
        """What stalled can go on."""
        self.network.world.after(0, self._pump_up)
        self.network.world.after(0, self._pump_down)

    def breaks(self, client_after: int, server_after: int) -> None:
        """What is on its way is lost; the two sides notice so much later."""
        if not self.alive:
            return
        self.alive = False
        world = self.network.world
        if world.tell:
            lost = len(self._up) + len(self._down)
            world.trace(self.socket.name, f"{self.socket.kind} {self.identity.hex()} breaks, {lost} frames are lost")
        self._up.clear()
        self._down.clear()
        world.after(client_after, self.socket.went_down, self)
        world.after(server_after, self.listener.went_down, self)

    def _send(self, pipe: deque[tuple[int, bytes]], frame: bytes, pump: Callable[[], None]) -> None:
        if not self.alive:
            return  # into the void
        world = self.network.world
        delay = int(self._latency * (1 + self._jitter * world.random.random()))
        if self.network.loss:
            delay += self._lose(world.random)
        at = world.now + delay
        if pipe:
            at = max(at, pipe[-1][0])
        pipe.append((at, frame))
        world.after(at - world.now, pump)

    def _lose(self, random: Random) -> int:
        """How much later a frame comes, whose packet may have to be sent again."""
        late = 0
        wait = 200 * MS
        while random.random() < self.network.loss:
            late += wait
            wait *= 2
            if late >= 3 * SECOND:
                self.network.world.after(late, self.breaks, 0, self.network.world.between(MS, 25 * SECOND))
                break
        return late

    def _pump_up(self) -> None:
        while self.alive and self._up and self._up[0][0] <= self.network.world.now:
            if self.is_cut or self.listener.is_paused():
                return
            _, frame = self._up.popleft()
            chance = self.network.world.random.random() if self.listener.kind == "live" else 1.0
            if chance < self.network.spoiled:
                frame = _spoil(frame)
            self.listener.on_frame(self, frame)
            if chance > 1 - self.network.twice and chance < 1:
                self.listener.on_frame(self, frame)

    def _pump_down(self) -> None:
        while self.alive and self._down and self._down[0][0] <= self.network.world.now:
            if self.is_cut or self.socket.is_paused():
                return
            self.socket.came(self, self._down.popleft()[1])


class Listener:
    """A bound socket.

    Args:
        host, endpoint, kind: where, and "live" or "sync".
        owner: UUID of the collector.
        on_accept, on_frame, on_gone: called with the connection.
        is_paused: nothing is read.
    """

    def __init__(
        self,
        network: Network,
        host: str,
        endpoint: str,
        kind: str,
        owner: bytes,
        on_accept: Callable[[Connection], None],
        on_frame: Callable[[Connection, bytes], None],
        is_paused: Callable[[], bool],
    ) -> None:
        self.network = network
        self.host = host
        self.endpoint = endpoint
        self.kind = kind
        self.owner = owner
        self.on_accept = on_accept
        self.on_frame = on_frame
        self.is_paused = is_paused
        self.connections: dict[bytes, Connection] = {}
        if endpoint in network.listeners:
            raise Violation(f"{endpoint} is taken")
        network.listeners[endpoint] = self

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send to a connection; False when it is known to be gone."""
        connection = self.connections.get(identity)
        if connection is None:
            return False
        connection.send_down(frame)
        return True

    def resume(self) -> None:
        for connection in self.connections.values():
            connection.resume()

    def went_down(self, connection: Connection) -> None:
        self.connections.pop(connection.identity, None)

    def close(self) -> None:
        del self.network.listeners[self.endpoint]
        for connection in list(self.connections.values()):
            connection.breaks(*self.network.noticed(connection))


class Socket:
    """A connecting socket, with IMMEDIATE and keep-alive.

    Args:
        name, host: whose it is.
        endpoint, kind: where to, and "live" or "sync".
        on_up, on_down: called when a connection is there, and when it is found to be gone.
        on_frame: called with what comes: sync messages, or as of an XPUB: 01 or 00, and a prefix.
        is_paused: nothing is read.
    """

    def __init__(
        self,
        network: Network,
        name: str,
        host: str,
        endpoint: str,
        kind: str,
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        on_frame: Callable[[bytes], None],
        is_paused: Callable[[], bool],
    ) -> None:
        self.network = network
        self.name = name
        self.host = host
        self.endpoint = endpoint
        self.kind = kind
        self.is_paused = is_paused
        self.connection: Connection | None = None
        self.closed = False
        self._on_up = on_up
        self._on_down = on_down
        self._on_frame = on_frame
        self._wait = 100 * MS
        network.world.after(network.world.between(100_000, 5 * MS), self._try)

    def send(self, frame: bytes) -> bool:
        """Send, unless it would have to wait. An XPUB drops what nobody subscribed to."""
        connection = self.connection
        if connection is None:
            return self.kind == "live"
        if connection.is_full and connection.alive:
            return False
        if self.kind == "live" and connection.alive and not any(map(frame.startswith, connection.prefixes)):
            raise Violation(f"{self.name} sends {frame[:4].hex()} to {self.endpoint}, where nobody subscribed to it")
        connection.send_up(frame)
        return True

    def close(self, linger: bool) -> None:
        """Give it back. What is on its way arrives, if it may linger and nothing holds it up."""
        self.closed = True
        connection, self.connection = self.connection, None
        if connection is not None:
            world = self.network.world
            delay = self.network.slowest * 4 if linger else 0
            world.after(delay, connection.breaks, 0, self.network.noticed(connection)[1])

    def came(self, connection: Connection, frame: bytes) -> None:
        if self.connection is not connection or self.closed:
            return
        if self.kind == "live":
            if frame[0]:
                connection.prefixes[frame[1:]] = None
            else:
                connection.prefixes.pop(frame[1:], None)
        self._on_frame(frame)

    def went_down(self, connection: Connection) -> None:
        if self.connection is not connection:
            return
        self.connection = None
        if self.kind == "live":
            for prefix in list(connection.prefixes):
                self._on_frame(b"\x00" + prefix)
        self._on_down()
        self._wait = 100 * MS
        self.network.world.after(self._wait, self._try)

    def _try(self) -> None:
        if self.closed or self.connection is not None:
            return
        network = self.network
        listener = network.listeners.get(self.endpoint)
        hidden = self.kind == "live" and self.host in network.behind_nat
        if listener is None or hidden or (self.host, listener.host) in network.cuts or listener.is_paused():
            network.world.after(self._wait, self._try)
            self._wait = min(2 * self._wait, 2 * SECOND)
            return
        connection = self.connection = Connection(network, self, listener)
        listener.connections[connection.identity] = connection
        if network.world.tell:
            network.world.trace(self.name, f"{self.kind} {connection.identity.hex()} is connected to {self.endpoint}")
        listener.on_accept(connection)
        self._on_up()


class Network:
    """All of it.

    Attributes:
        cuts: pairs of hosts, the connecting one first, between which nothing goes.
        behind_nat: hosts that can't reach live endpoints.
        slowest: the longest delay of a frame on a quiet path.
        loss: how many of the packets are lost: TCP sends them again, later and later, and in the end gives up.
        twice: how likely a live frame comes twice.
        spoiled: how likely the body of a live frame can't be decoded.
        listeners: by endpoint.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.cuts: dict[tuple[str, str], None] = {}
        self.behind_nat: set[str] = set()
        self.slowest = 2 * MS
        self.loss = 0.0
        self.twice = 0.0
        self.spoiled = 0.0
        self.listeners: dict[str, Listener] = {}
        self._identities = 0

    def next_identity(self) -> bytes:
        self._identities += 1
        return self._identities.to_bytes(5, "big")

    def connections(self) -> list[Connection]:
        return [each for listener in self.listeners.values() for each in listener.connections.values() if each.alive]

    def noticed(self, connection: Connection) -> tuple[int, int]:
        """How long it takes both sides to notice that the other one is gone."""
        world = self.world
        if connection.is_cut:
            return world.between(SECOND, 3 * SECOND), world.between(SECOND, 25 * SECOND)
        return world.between(100_000, 20 * MS), world.between(100_000, 20 * MS)

    def cut(self, client: str, server: str) -> None:
        """Nothing goes between two hosts any more."""
        self.cuts[client, server] = None
        for connection in self.connections():
            if (connection.socket.host, connection.listener.host) == (client, server):
                self.world.after(self.world.between(2 * SECOND, 3 * SECOND), self._time_out, connection)

    def heal(self, client: str, server: str) -> None:
        self.cuts.pop((client, server), None)
        for connection in self.connections():
            if (connection.socket.host, connection.listener.host) == (client, server):
                connection.resume()

    def _time_out(self, connection: Connection) -> None:
        if connection.is_cut:
            connection.breaks(0, self.world.between(SECOND, 25 * SECOND))


def _spoil(frame: bytes) -> bytes:
    """A BATCH with a body that means nothing."""
    message = wire.decode(frame)
    if isinstance(message, wire.Batch):
        message.body = b"\xc1" * len(message.body)
        return message.encode()
    return frame

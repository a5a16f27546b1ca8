"""The sockets of a collector, and the one thread that receives.

It does nothing else, and takes nothing apart: a bound SUB passes its subscriptions on only while somebody polls it.
When what was received waits for too long it stops to read, so that TCP makes the nodes wait; but it still asks the SUB
for its events, so that nodes which connect meanwhile get the subscriptions.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import zmq

from zlog import limits
from zlog.errors import CollectorError
from zlog.zre.calls import Calls

__all__ = ["Receiver"]

#: Messages of one node that libzmq, which counts no octets, keeps; then TCP holds it up.
_RECEIVE_HIGH_WATER_MARK: Final = 64
#: Connections that wait to be accepted: all nodes come at once when a collector starts, and who is turned away by TCP
#: waits for seconds.
_BACKLOG: Final = 1_000
#: What is read from one socket before the other has its turn.
_READS: Final = 256
#: While small sync messages keep coming, such as STATUS of many nodes, they gather so long: what costs is to wake up.
_GATHER_MS: Final = 20
_SMALL_BYTES: Final = 1_000
#: How often the SUB is asked for its events while it isn't read.
_HELD_MS: Final = 20
#: How long closing waits for the last messages to nodes.
_LINGER_MS: Final = 300
_PREFIXES: Final = (b"\xaa\xa2\x01", b"\xaa\xa2\x02", b"\xaa\xa2\x03")
_NOW: Final = int(zmq.DONTWAIT)
_MORE: Final = int(zmq.RCVMORE)
_READY: Final = b"\xaa\xa2\xff"


class Receiver:
    """Receives live and sync frames, and sends sync frames.

    Args:
        uuid: of the collector, for the ready marker.
        wake: called, in its thread, when frames have come.
        unreachable: called, in its thread, with the routing id of a node that is gone.

    Attributes:
        live: frames of the live link.
        sync: routing id and frame.
        live_bytes, sync_bytes: octets that were put in.
        live_taken, sync_taken: octets that were taken out; set by who does it.
        unsent: sync messages that were not taken by a node that doesn't read.
    """

    def __init__(self, uuid: UUID, wake: Callable[[], None], unreachable: Callable[[bytes], None]) -> None:
        self.live: deque[bytes] = deque()
        self.sync: deque[tuple[bytes, bytes]] = deque()
        self.live_bytes = self.live_taken = 0
        self.sync_bytes = self.sync_taken = 0
        self.unsent = 0
        self._uuid = uuid
        self._wake = wake
        self._unreachable = unreachable
        self._out: deque[tuple[bytes, bytes]] = deque()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sub: zmq.Socket[bytes] | None = None
        self._router: zmq.Socket[bytes] | None = None
        self._calls = Calls()
        self._stopping = False
        self._ending = False
        self._thread: threading.Thread | None = None

    # --- for any thread -----------------------------------------------------------------------------------------------

    def open(self, host: str, sync_port: int, live_port: int) -> tuple[int, int]:
        """Bind, before `start`; return the ports of sync and live.

        Args:
            host: address, or ``*``.
            sync_port, live_port: 0 for any.

        Raises:
            CollectorError: that can't be had.
        """
        router, sub = self._make(zmq.ROUTER, host), self._make(zmq.SUB, host)
        try:
            ports = _bind(router, host, sync_port), _bind(sub, host, live_port)
        except CollectorError:
            router.close(0)
            sub.close(0)
            raise
        for prefix in _PREFIXES:
            sub.subscribe(prefix)
        sub.subscribe(_READY + self._uuid.bytes)  # last: who has it has all of them
        old = (self._router, self._sub)
        self._router, self._sub = router, sub
        for socket in old:
            if socket is not None:
                socket.close(0)
        return ports

    def reopen(self, host: str, sync_port: int, live_port: int) -> tuple[int, int]:
        """The same while it runs: at another address. Nodes on the old one are cut off."""
        done: list[tuple[int, int] | CollectorError] = []
        ended = threading.Event()

        def call() -> None:
            try:
                done.append(self.open(host, sync_port, live_port))
            except CollectorError as error:
                done.append(error)
            finally:
                ended.set()

        self._calls.put(call, timeout_s=None)
        while not ended.wait(0.5):
            if self._thread is None or not self._thread.is_alive():
                raise CollectorError("the collector has stopped")
        if isinstance(done[0], CollectorError):
            raise done[0]
        return done[0]

    def start(self, name: str) -> None:
        """Begin to receive."""
        self._thread = threading.Thread(target=self._run, name=f"{name}-receive", daemon=True)
        self._thread.start()

    def send(self, identity: bytes, frame: bytes) -> None:
        """Have a message sent soon; call `flush` after some of them."""
        self._out.append((identity, frame))

    def flush(self) -> None:
        """Send what waits to be sent."""
        if self._out:
            self._calls.ring()

    def stop_live(self) -> None:
        """Read nothing more from the live link: what comes stays with the nodes."""
        self._ending = True

    def stop(self) -> None:
        """Send what waits, close the sockets and end the thread."""
        self._stopping = True
        self._calls.ring()
        if self._thread is not None:
            self._thread.join()
        self.close()

    def close(self) -> None:
        """Give everything back, when the thread has ended or was never started."""
        for socket in (self._router, self._sub):
            if socket is not None:
                socket.close()
        self._context.term()
        self._calls.close()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            with contextlib.suppress(zmq.ZMQError):
                self._serve()
        with contextlib.suppress(zmq.ZMQError):
            self._send_all()

    def _serve(self) -> None:
        """Serve one pair of sockets, or none, until it is replaced or all is over."""
        sub, router = self._sub, self._router
        poller = zmq.Poller()
        poller.register(self._calls, zmq.POLLIN)
        reads: dict[zmq.Socket[bytes], bool] = {}
        read_at = gather_until = 0.0
        while not self._stopping and sub is self._sub:
            for socket, waiting in (
                (router, self.sync_bytes - self.sync_taken),
                (sub, self.live_bytes - self.live_taken),
            ):
                if socket is None:  # there is no network yet
                    continue
                reads_now = waiting < limits.COLLECTOR_RECEIVE_BYTES and not (socket is router and gather_until)
                reads_now = reads_now and not (socket is sub and self._ending)
                if reads_now != reads.get(socket):
                    reads[socket] = reads_now
                    poller.modify(socket, zmq.POLLIN if reads_now else 0)
            ready = dict(poller.poll(None if all(reads.values()) else _HELD_MS))
            now = time.monotonic()
            if gather_until <= now:
                gather_until = 0.0
            if self._calls.fileno() in ready:
                for call in self._calls.take():
                    call()
                self._send_all()
                if sub is not self._sub:
                    return
            for socket, is_read in reads.items():
                if not is_read:
                    socket.getsockopt(zmq.EVENTS)  # it passes its subscriptions on meanwhile
            if router is not None and router in ready:
                small = self._read_sync(router)
                gather_until = now + _GATHER_MS / 1e3 if small and now - read_at < _GATHER_MS / 1e3 else 0.0
                read_at = now
            if sub is not None and sub in ready and not self._ending:
                self._read_live(sub)
            if router in ready or sub in ready:
                self._wake()

    def _read_live(self, sub: zmq.Socket[bytes]) -> None:
        live = self.live
        for _ in range(_READS):
            try:
                frame = sub.recv(_NOW)
            except zmq.Again:
                return
            _skip_rest(sub)
            live.append(frame)
            self.live_bytes += len(frame)

    def _read_sync(self, router: zmq.Socket[bytes]) -> bool:
        """Read what there is; whether all of it was small."""
        small = True
        for _ in range(_READS):
            try:
                identity = router.recv(_NOW)
            except zmq.Again:
                return small
            frame = router.recv(_NOW) if router.getsockopt(_MORE) else b""
            _skip_rest(router)
            self.sync.append((identity, frame))
            self.sync_bytes += len(frame)
            small = small and len(frame) < _SMALL_BYTES
        return False

    def _send_all(self) -> None:
        router = self._router
        while self._out and router is not None:
            identity, frame = self._out.popleft()
            try:
                router.send_multipart((identity, frame), zmq.DONTWAIT)
            except zmq.Again:
                self.unsent += 1
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                self._unreachable(identity)

    def _make(self, kind: int, host: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.set(zmq.LINGER, _LINGER_MS)
        socket.set(zmq.MAXMSGSIZE, limits.MAX_FRAME_BYTES)
        socket.set(zmq.RCVHWM, _RECEIVE_HIGH_WATER_MARK)
        socket.set(zmq.BACKLOG, _BACKLOG)
        # No heartbeats: libzmq 4.3.5 aborts when a socket that has them is full and its peer dies.
        socket.set(zmq.TCP_KEEPALIVE, 1)
        socket.set(zmq.TCP_KEEPALIVE_IDLE, 10)
        socket.set(zmq.TCP_KEEPALIVE_INTVL, 5)
        socket.set(zmq.TCP_KEEPALIVE_CNT, 3)
        socket.set(zmq.IPV6, int(":" in host))
        if kind == zmq.ROUTER:
            socket.set(zmq.ROUTER_MANDATORY, 1)
        return socket


def _skip_rest(socket: zmq.Socket[bytes]) -> None:
    """Read over further frames of a message."""
    while socket.getsockopt(_MORE):
        socket.recv(_NOW)


def _bind(socket: zmq.Socket[Any], host: str, port: int) -> int:
    """Bind; return the port. Raises CollectorError."""
    try:
        socket.bind(f"tcp://{host}:{port or '*'}")
    except zmq.ZMQError as error:
        raise CollectorError(f"can't bind tcp://{host}:{port or '*'}: {error}", "choose another with --bind") from None
    return int(str(socket.getsockopt_string(zmq.LAST_ENDPOINT)).rstrip("\0").rpartition(":")[2])

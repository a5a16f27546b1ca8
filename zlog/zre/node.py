"""`Pyre`: the API of zeromq-pyre, on an engine that survives the network."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn, Self
from uuid import UUID, uuid4

import pyre
import zmq

from zlog import report
from zlog.errors import NodeStoppedError
from zlog.zre import checks
from zlog.zre.core import Core, Timing
from zlog.zre.engine import Engine
from zlog.zre.events import PyreEvent
from zlog.zre.outlet import Outlet

EXIT_TIMEOUT_S: Final = 2.0
"""How long the interpreter's exit waits for all nodes that were never stopped."""

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Pyre(pyre.Pyre):
    """A ZRE node with the API of `pyre.Pyre`; ``isinstance(node, pyre.Pyre)`` and `PyreEvent` work with it.

    What it does better than the node it stands in for is in ``zlog/zre/README.md``. Nothing is sent before `start`.

    Args:
        name: public name, at most 255 octets; by default the first six digits of the UUID.
        ctx: ZeroMQ context to make the sockets of the network in; by default one of its own.
        interface: network interface by name or address, such as ``"eth0"`` or ``"lo"``; by default the default
            route's.
        port: UDP port of the beacons.
        uuid: of the node; a new one if none is given. No two nodes of a network may have the same.

    Attributes:
        inbox: the socket that `recv` reads, for polling.

    Raises:
        ValueError: a name over 255 octets, here and wherever one is set.
    """

    inbox: zmq.Socket[bytes]

    # pyre's own constructor isn't called: it starts the engine that this class stands in for.
    def __init__(
        self,
        name: str | None = None,
        ctx: zmq.Context[Any] | None = None,
        *,
        interface: str | None = None,
        port: int = 5670,
        uuid: UUID | None = None,
    ) -> None:
        core = Core(uuid or uuid4(), None if not name else checks.short("name", name))
        wanted = None if interface is None else checks.text("interface", interface)
        checked = checks.port(port)
        self._engine = Engine(core, ctx)
        self._engine.wanted = wanted
        self._engine.port = checked
        self._outlet = self._engine.outlet
        self.inbox = self._outlet.socket
        self._over = False
        self._finalizer = weakref.finalize(self, _dispose, self._engine, self._outlet)
        self._finalizer.atexit = False  # see _stop_all: with one bound for all nodes
        _engines.add(self._engine)

    def __repr__(self) -> str:
        core = self._engine.core
        return f"<{type(self).__module__}.{type(self).__name__} {core.name} {core.uuid}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a node can be neither copied nor pickled")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- settings, before start ---------------------------------------------------------------------------------------

    def set_name(self, name: str) -> None:
        """Set the public name, at most 255 octets. Peers that know the node already keep the old one."""
        checked = checks.short("name", name)
        self._engine.tell(lambda core: setattr(core, "name", checked))

    def set_header(self, key: str, value: str) -> None:
        """Set a header that peers get in ENTER; those that know the node already don't get it.

        Raises:
            ValueError: the name is over 255 octets, or all headers and groups together are too much for one HELLO.
        """
        checks.short("header name", key)
        checks.text("header value", value)
        self._engine.ask(lambda core: checks.fits(core, headers={key: value}))
        self._engine.tell(lambda core: core.headers.__setitem__(key, value))

    def set_verbose(self) -> None:
        """Log all traffic and events, at INFO, on the logger ``zlog.zre``."""
        self.verbose = True

    @property
    def verbose(self) -> bool:
        """Whether all traffic is logged."""
        return self._engine.verbose

    @verbose.setter
    def verbose(self, on: bool) -> None:
        self._engine.verbose = bool(on)

    def set_port(self, port_nbr: int | str) -> None:
        """Set the UDP port of the beacons, 5670 by default. Has no effect after `start`.

        Raises:
            ValueError: not a port from 1 to 65535.
        """
        port = checks.port(port_nbr)
        self._only_before_start("set_port")
        self._engine.port = port

    def set_interval(self, interval: float | str) -> None:
        """Set the interval of the beacons in milliseconds, 1000 by default.

        Raises:
            ValueError: not a number of 10 or more.
        """
        seconds = checks.interval(interval)
        self._engine.tell(lambda core: setattr(core, "timing", core.timing._replace(beacon=seconds)))

    def set_interface(self, value: str) -> None:
        """Set the network interface by name or IPv4 address; ``"lo"`` finds the nodes of this host and sends nothing
        to any network. By default the one of the default route is used. Has no effect after `start`."""
        self._only_before_start("set_interface")
        self._engine.wanted = checks.text("interface", value)

    def set_timing(self, timing: Timing) -> None:
        """Set all intervals (`zlog.zre.Timing`)."""
        self._engine.tell(lambda core: setattr(core, "timing", timing))

    def set_endpoint(self, format: str, *args: object) -> None:
        """Not supported, as in pyre: it would switch to gossip discovery. Logs a warning."""
        text = "node %s: set_endpoint() needs gossip discovery, which isn't supported"
        report.logger.warning(text, self._engine.core.name)

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin discovery. When it returns the node has its endpoint and its first beacon is out.

        Raises:
            OSError: the UDP port is taken by a program that doesn't share it.
            RuntimeError: it was started before.
        """
        self._engine.start()

    def stop(self) -> None:
        """Tell the peers, and end. Harmless twice, and before `start`.

        It waits until the peers have the last messages: a round trip, 0.5 s when one of them doesn't answer, 5 s at
        most. Events that wait can still be read; the last one is STOP.
        """
        self._engine.stop()

    def close(self) -> None:
        """Stop, and give back what waits to be read too. Garbage collection does the same."""
        self._engine.stop()
        self._finalizer()

    # --- talking ------------------------------------------------------------------------------------------------------

    def recv(self) -> list[bytes]:
        """Return the next event: type, UUID of the peer, its name, and what the type carries. Waits for it.

        ENTER carries headers as JSON and endpoint; JOIN and LEAVE a group; WHISPER frames; SHOUT a group and frames.
        The last event of a node is STOP, with its own UUID and name.

        Raises:
            NodeStoppedError: the node has stopped, and all its events were read.
        """
        with self._outlet.reading:
            if self._over or (self._engine.ended and not self._more()):
                raise NodeStoppedError(f"node {self._engine.core.name} has stopped")
            frames = self.inbox.recv_multipart()
            self._over = frames[0] == b"STOP"
            if self._engine.ended:
                self._more()
            return frames

    def _more(self) -> bool:
        """When the node's thread has ended: move events from the queue to the socket; return whether some wait."""
        if self.inbox.closed:
            return False
        self._outlet.flush(time.monotonic())
        return bool(self.inbox.poll(0))

    def events(self) -> Iterator[PyreEvent]:
        """Yield events until the node has stopped; the last one is STOP."""
        while True:
            try:
                yield PyreEvent(self)
            except NodeStoppedError:
                return

    def recent_events(self) -> Iterator[PyreEvent]:
        """Yield the events that wait now."""
        while not self.inbox.closed and self.inbox.poll(0):
            yield PyreEvent(self)

    def socket(self) -> zmq.Socket[bytes]:
        """The socket that `recv` reads, for polling."""
        return self.inbox

    def get_socket(self) -> zmq.Socket[bytes]:
        """The same, by the name that pyre's README has for it."""
        return self.inbox

    def join(self, group: str) -> None:
        """Join a group.

        Raises:
            ValueError: its name is over 255 octets, or all groups and headers together are too much for one HELLO.
        """
        checks.short("group", group)
        self._engine.ask(lambda core: checks.fits(core, group=group))
        self._engine.tell(lambda core: core.join(group))

    def leave(self, group: str) -> None:
        """Leave a group."""
        checks.short("group", group)
        self._engine.tell(lambda core: core.leave(group))

    def whisper(self, peer: UUID, msg_p: bytes | Sequence[bytes]) -> None:
        """Send a message of one or more frames to a peer. Nothing happens if it has left.

        Raises:
            TypeError: the peer is no UUID, or a frame is no bytes.
            ValueError: a frame is over 64 MiB.
        """
        uuid, frames = checks.peer(peer), checks.frames(msg_p)
        self._engine.tell(lambda core: core.whisper(uuid, frames))

    def shout(self, group: str, msg_p: bytes | Sequence[bytes]) -> None:
        """Send a message of one or more frames to the peers in a group. Raises as `whisper` does."""
        checks.short("group", group)
        frames = checks.frames(msg_p)
        self._engine.tell(lambda core: core.shout(group, frames))

    def whispers(self, peer: UUID, format: str, *args: object) -> None:
        """Send a text to a peer."""
        self.whisper(peer, checks.formatted(format, args))

    def shouts(self, group: str, format: str, *args: object) -> None:
        """Send a text to the peers in a group."""
        self.shout(group, checks.formatted(format, args))

    # --- asking -------------------------------------------------------------------------------------------------------

    def uuid(self) -> UUID:
        """This node's UUID."""
        return self._engine.core.uuid

    def name(self) -> str:
        """This node's public name."""
        return self._engine.core.name

    def endpoint(self) -> str:
        """This node's endpoint, ``tcp://address:port``; empty while it isn't running and while there is no network."""
        return self._engine.core.endpoint

    def peers(self) -> list[UUID]:
        """The peers that have entered."""
        return self._engine.ask(lambda core: [peer.uuid for peer in core.peers()])

    def peers_by_group(self, group: str) -> list[UUID]:
        """The peers in a group."""
        return self._engine.ask(lambda core: [peer.uuid for peer in core.peers() if group in peer.groups])

    def own_groups(self) -> list[str]:
        """The groups this node is in."""
        return self._engine.ask(lambda core: list(core.own_groups))

    def peer_groups(self) -> list[str]:
        """The groups that peers are in."""
        return self._engine.ask(lambda core: list(dict.fromkeys(g for peer in core.peers() for g in peer.groups)))

    def get_peer_name(self, peer: UUID) -> str:
        """A peer's name; empty if it isn't there."""
        return str(self._of(peer, "name", ""))

    def peer_address(self, peer: UUID) -> str:
        """A peer's endpoint; empty if it isn't there."""
        return str(self._of(peer, "endpoint", ""))

    def peer_headers(self, peer: UUID) -> dict[str, str]:
        """A peer's headers; empty if it isn't there."""
        return dict(self._of(peer, "headers", {}))

    def peer_header_value(self, peer: UUID, name: str) -> str:
        """The value of a peer's header; empty if the peer or the header isn't there."""
        return self.peer_headers(peer).get(name, "")

    def counters(self) -> dict[str, int]:
        """What was discarded or dropped so far, by cause (`zlog.zre.CAUSES`, and ``inbox`` for dropped events)."""
        counted = self._engine.ask(lambda core: dict(core.counters))
        if self._outlet.inbox.dropped:
            counted["inbox"] = self._outlet.inbox.dropped
        return counted

    def interface(self) -> str:
        """The name of the network interface in use; empty while it isn't running and while there is none."""
        return self._engine.interface

    def _of(self, peer: UUID, attribute: str, default: Any) -> Any:
        uuid = checks.peer(peer)

        def question(core: Core) -> Any:
            peer = core.peer(uuid)
            return default if peer is None else getattr(peer, attribute)

        return self._engine.ask(question)

    def _only_before_start(self, what: str) -> None:
        if self._engine.running:
            report.logger.warning("node %s: %s() has no effect after start()", self._engine.core.name, what)


# --- the end of those that nobody stopped -----------------------------------------------------------------------------


def _dispose(engine: Engine, outlet: Outlet) -> None:
    """The node was collected, or closed. This may run in any thread and must not wait."""
    engine.signal()
    outlet.release()


def _stop_all() -> None:
    deadline = time.monotonic() + EXIT_TIMEOUT_S
    engines = list(_engines)
    for engine in engines:
        engine.signal()
    for engine in engines:
        engine.stop(timeout_s=max(0.0, deadline - time.monotonic()))
        if not engine.running:
            engine.outlet.close()
    report.flush(timeout_s=0.5)


def _abandon_all() -> None:
    for engine in list(_engines):
        engine.abandon()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)

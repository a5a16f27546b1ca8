"""`Pyre`: the API of zeromq-pyre, on an engine that survives the network."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import pyre
import zmq

from zlog import limits
from zlog.zre.core import Core, Timing
from zlog.zre.engine import Engine

logger = logging.getLogger("zlog.zre")

STRING_MAX: Final = 255
"""Octets of a name, a group or a header's name: ZRE counts them in one octet."""

EXIT_TIMEOUT_S: Final = 2.0
"""How long the interpreter's exit waits for all nodes that were never stopped."""

_INBOX_HIGH_WATER_MARK = 500
_MAX_SOCKETS = 2 * limits.ZRE_MAX_PEERS
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Pyre(pyre.Pyre):
    """A ZRE node with the API of `pyre.Pyre`; ``isinstance(node, pyre.Pyre)`` and `PyreEvent` work with it.

    What it does better than the node it stands in for is in ``zlog/zre/README.md``. Nothing is sent before `start`.

    Args:
        name: public name, at most 255 octets; by default the first six digits of the UUID.
        ctx: ZeroMQ context to make the sockets in; by default one of its own.
        interface: network interface by name or address, such as ``"eth0"`` or ``"lo"``; by default the default
            route's.
        port: UDP port of the beacons.

    Raises:
        ValueError: a name over 255 octets, here and wherever one is set.
    """

    inbox: zmq.Socket[bytes]

    # pyre's own constructor isn't called: it starts the engine that this class stands in for.
    def __init__(
        self,
        name: str | None = None,
        ctx: zmq.Context[zmq.Socket[bytes]] | None = None,
        *,
        interface: str | None = None,
        port: int = 5670,
    ) -> None:
        core = Core(uuid4(), None if not name else _short("name", name))
        wanted = None if interface is None else _text("interface", interface)
        checked = _port(port)
        context = _make_context() if ctx is None else ctx
        self._ctx = context
        self.inbox, outbox = _make_pipe(context)
        self._recv_lock = threading.Lock()
        self._engine = Engine(core, context, outbox)
        self._engine.wanted = wanted
        self._engine.port = checked
        own = context if ctx is None else None
        self._finalizer = weakref.finalize(self, _dispose, self._engine, self.inbox, outbox, own)
        self._finalizer.atexit = False  # see _stop_all: with one bound for all nodes
        _engines.add(self._engine)

    def __repr__(self) -> str:
        core = self._engine.core
        return f"<{type(self).__module__}.{type(self).__name__} {core.name} {core.uuid}>"

    def __enter__(self) -> Pyre:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- settings, before start ---------------------------------------------------------------------------------------

    def set_name(self, name: str) -> None:
        """Set the public name, at most 255 octets. Peers that know the node already keep the old one."""
        checked = _short("name", name)
        self._engine.tell(lambda core: setattr(core, "name", checked))

    def set_header(self, key: str, value: str) -> None:
        """Set a header that peers get in ENTER; those that know the node already don't get it."""
        header = _short("header name", key)
        _text("header value", value)
        self._engine.tell(lambda core: core.headers.__setitem__(header, value))

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
        port = _port(port_nbr)
        self._only_before_start("set_port")
        self._engine.port = port

    def set_interval(self, interval: float | str) -> None:
        """Set the interval of the beacons in milliseconds, 1000 by default.

        Raises:
            ValueError: not a positive number.
        """
        seconds = float(interval) / 1000
        if not 0 < seconds < float("inf"):
            raise ValueError(f"beacon interval {interval} ms is not possible; use a positive number")
        self._engine.tell(lambda core: setattr(core, "timing", core.timing._replace(beacon=seconds)))

    def set_interface(self, value: str) -> None:
        """Set the network interface by name or IPv4 address; ``"lo"`` finds the nodes of this host and sends nothing
        to any network. By default the one of the default route is used. Has no effect after `start`."""
        self._only_before_start("set_interface")
        self._engine.wanted = _text("interface", value)

    def set_timing(self, timing: Timing) -> None:
        """Set all intervals (`zlog.zre.Timing`)."""
        self._engine.tell(lambda core: setattr(core, "timing", timing))

    def set_endpoint(self, format: str, *args: object) -> None:
        """Not supported, as in pyre: it would switch to gossip discovery. Logs a warning."""
        logger.warning("node %s: set_endpoint() needs gossip discovery, which isn't supported", self._engine.core.name)

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin discovery. When it returns the node has its endpoint and its first beacon is out.

        Raises:
            OSError: the UDP port is taken by a program that doesn't share it.
            RuntimeError: it was started before.
        """
        self._engine.start()

    def stop(self) -> None:
        """Tell the peers, and end. Harmless twice, and before `start`; events that wait can still be read."""
        self._engine.stop()

    # --- talking ------------------------------------------------------------------------------------------------------

    def recv(self) -> list[bytes]:
        """Return the next event: type, UUID of the peer, its name, and what the type carries. Waits for it.

        ENTER carries headers as JSON and endpoint; JOIN and LEAVE a group; WHISPER frames; SHOUT a group and frames.
        """
        with self._recv_lock:
            return self.inbox.recv_multipart()

    def socket(self) -> zmq.Socket[bytes]:
        """The socket that `recv` reads, for polling."""
        return self.inbox

    def get_socket(self) -> zmq.Socket[bytes]:
        """The same, by the name that pyre's README has for it."""
        return self.inbox

    def join(self, group: str) -> None:
        """Join a group."""
        name = _short("group", group)
        self._engine.tell(lambda core: core.join(name))

    def leave(self, group: str) -> None:
        """Leave a group."""
        name = _short("group", group)
        self._engine.tell(lambda core: core.leave(name))

    def whisper(self, peer: UUID, msg_p: bytes | Sequence[bytes]) -> None:
        """Send a message of one or more frames to a peer. Nothing happens if it has left."""
        frames = _frames(msg_p)
        self._engine.tell(lambda core: core.whisper(peer, frames))

    def shout(self, group: str, msg_p: bytes | Sequence[bytes]) -> None:
        """Send a message of one or more frames to the peers in a group."""
        name, frames = _short("group", group), _frames(msg_p)
        self._engine.tell(lambda core: core.shout(name, frames))

    def whispers(self, peer: UUID, format: str, *args: object) -> None:
        """Send a text to a peer."""
        self.whisper(peer, _format(format, args))

    def shouts(self, group: str, format: str, *args: object) -> None:
        """Send a text to the peers in a group."""
        self.shout(group, _format(format, args))

    # --- asking -------------------------------------------------------------------------------------------------------

    def uuid(self) -> UUID:
        """This node's UUID."""
        return self._engine.core.uuid

    def name(self) -> str:
        """This node's public name."""
        return self._engine.core.name

    def endpoint(self) -> str:
        """This node's endpoint, ``tcp://address:port``; empty before `start` and while there is no network."""
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
        inbox = self._engine.inbox
        counted = self._engine.ask(lambda core: dict(core.counters))
        if inbox.dropped:
            counted["inbox"] = inbox.dropped
        return counted

    def interface(self) -> str:
        """The name of the network interface in use; empty before `start` and while there is none."""
        chosen = self._engine.interface
        return chosen.name if chosen is not None else ""

    def _of(self, uuid: UUID, attribute: str, default: Any) -> Any:
        def question(core: Core) -> Any:
            peer = core.peer(uuid)
            return default if peer is None else getattr(peer, attribute)

        return self._engine.ask(question)

    def _only_before_start(self, what: str) -> None:
        if self._engine.running:
            logger.warning("node %s: %s() has no effect after start()", self._engine.core.name, what)


# --- checks of what the application hands in --------------------------------------------------------------------------


def _text(what: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} {value!r} can't be sent as UTF-8: {error.reason}") from None
    return value


def _short(what: str, value: str) -> str:
    octets = len(_text(what, value).encode())
    if octets > STRING_MAX:
        raise ValueError(f"{what} has {octets} octets in UTF-8, ZRE allows {STRING_MAX}: {value[:40]!r}…")
    return value


def _port(value: int | str) -> int:
    port = int(value)
    if not 0 < port < 65_536:
        raise ValueError(f"UDP port {value} is not possible; use 1 to 65535")
    return port


def _frames(message: bytes | Sequence[bytes]) -> list[bytes]:
    frames = [message] if isinstance(message, bytes | bytearray | memoryview) else message
    if isinstance(frames, str) or not all(isinstance(frame, bytes | bytearray | memoryview) for frame in frames):
        raise TypeError("a message must be bytes or a list of bytes; for text use whispers() or shouts()")
    return [bytes(frame) for frame in frames]


def _format(text: str, args: tuple[object, ...]) -> bytes:
    return (text % args if args else text).encode()


# --- sockets, and the end of those that nobody stopped ----------------------------------------------------------------


def _make_context() -> zmq.Context[zmq.Socket[bytes]]:
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, min(_MAX_SOCKETS, context.get(zmq.SOCKET_LIMIT)))
    return context


def _make_pipe(context: zmq.Context[zmq.Socket[bytes]]) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
    inbox, outbox = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    for end in (inbox, outbox):
        end.setsockopt(zmq.LINGER, 0)
        end.set_hwm(_INBOX_HIGH_WATER_MARK)
    endpoint = f"inproc://zre-{uuid4().hex}"
    inbox.bind(endpoint)
    outbox.connect(endpoint)
    return inbox, outbox


def _dispose(
    engine: Engine,
    inbox: zmq.Socket[bytes],
    outbox: zmq.Socket[bytes],
    context: zmq.Context[zmq.Socket[bytes]] | None,
) -> None:
    """The node was collected: end its thread and give its sockets back."""
    if engine.is_current_thread:  # the collector ran there: it can't wait for itself
        threading.Thread(target=_dispose, args=(engine, inbox, outbox, context), daemon=True).start()
        return
    engine.stop()
    with contextlib.suppress(zmq.ZMQError):
        inbox.close(linger=0)
        outbox.close(linger=0)
        if context is not None:
            context.term()


def _stop_all() -> None:
    deadline = time.monotonic() + EXIT_TIMEOUT_S
    engines = list(_engines)
    for engine in engines:
        engine.stop(timeout_s=0)
    for engine in engines:
        engine.stop(timeout_s=max(0.0, deadline - time.monotonic()))


def _abandon_all() -> None:
    for engine in list(_engines):
        engine.abandon()


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)

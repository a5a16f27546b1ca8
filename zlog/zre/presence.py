"""Where a node is in the network: its interface, the socket of its beacons, its mailbox."""

from __future__ import annotations

import contextlib
import logging
from typing import Final

import zmq

from zlog import limits, report
from zlog.report import Once
from zlog.zre import descriptors, interfaces
from zlog.zre.interfaces import Interface
from zlog.zre.udp import BeaconSocket

LOOK_INTERVAL: Final = 2.0
"""Seconds between two looks at the host's interfaces (0.1 ms each)."""

DEAD_CONNECTIONS: Final = 64
"""Connections of nobody at which the mailbox is renewed when descriptors have run out (zlog/zre/descriptors.py)."""

RENEW_INTERVAL: Final = 30.0
"""Seconds between two such renewals at least."""

_MAILBOX_HIGH_WATER_MARK: Final = 16
"""Messages of one peer that libzmq, which counts no octets, keeps for a busy node; then TCP holds it up."""

_BACKLOG: Final = 1_000
"""Peers that connect while the node is busy: a crowd that starts at once does so within a moment."""


class Presence:
    """The sockets of a node that the network sees.

    Args:
        name: of the node, for log lines.
        context: where the mailbox is made.
        port: UDP port of the beacons.
        wanted: name or address of the interface, None to choose.

    Attributes:
        udp: the socket of the beacons.
        mailbox: the ROUTER that peers connect to; None while there is no interface.
        interface: the one in use; None while there is none.

    Raises:
        OSError: the UDP port is taken by a program that doesn't share it.
    """

    def __init__(
        self, name: str, context: zmq.Context[zmq.Socket[bytes]], port: int, wanted: str | None, once: Once
    ) -> None:
        self.udp = BeaconSocket(port)
        self.mailbox: zmq.Socket[bytes] | None = None
        self.interface: Interface | None = None
        self._name = name
        self._context = context
        self._wanted = wanted
        self._once = once
        self._renew_due = 0.0

    def look(self) -> Interface | None:
        """Return the interface to move to; None to stay.

        Raises:
            OSError: there are no descriptors left to look with.
        """
        descriptors.check_room(self.udp.fileno())
        found = interfaces.find_all()
        default = interfaces.default_address() if self._wanted is None else None
        if self.interface is None:
            chosen = interfaces.choose(found, self._wanted, default)
        else:
            chosen = interfaces.follow(self.interface, found, self._wanted, default)
        if chosen is None:
            wish = f"interface {self._wanted} is not up" if self._wanted else "no interface is up"
            self._once.warn("interface", "waits: %s (there are: %s)", wish, ", ".join(interfaces.names()) or "none")
            return None
        self._once.again("interface")
        return None if chosen == self.interface and self.mailbox is not None else chosen

    def open_mailbox(self, chosen: Interface) -> zmq.Socket[bytes] | None:
        """Return a new mailbox at the interface's address; None when that can't be had, which it says."""
        mailbox = self._context.socket(zmq.ROUTER)
        try:
            mailbox.setsockopt(zmq.LINGER, 0)
            mailbox.setsockopt(zmq.ROUTER_HANDOVER, 1)
            mailbox.setsockopt(zmq.RCVHWM, _MAILBOX_HIGH_WATER_MARK)
            mailbox.setsockopt(zmq.BACKLOG, _BACKLOG)
            mailbox.setsockopt(zmq.MAXMSGSIZE, limits.ZRE_MAX_FRAME_BYTES)
            mailbox.bind(f"tcp://{chosen.address}:*")
        except zmq.ZMQError as error:
            mailbox.close()
            if error.errno in (zmq.ETERM, zmq.ENOTSOCK):
                raise
            self._once.warn(f"bind-{error.errno}", "can't bind %s: %s", chosen.address, error)
            return None
        return mailbox

    def settle(self, chosen: Interface, mailbox: zmq.Socket[bytes]) -> str:
        """Go on with this interface and mailbox; return the endpoint."""
        if chosen != self.interface:
            self._announce(chosen)
        self.close_mailbox()
        self.interface, self.mailbox = chosen, mailbox
        self.udp.use(chosen)
        return str(mailbox.getsockopt_string(zmq.LAST_ENDPOINT)).rstrip("\0")

    def dead_connections(self, endpoint: str, alive: int, now: float) -> int:
        """When descriptors have run out: how many connections at the mailbox nobody accounts for, 0 if it is few.

        Args:
            endpoint: of the mailbox.
            alive: how many there may be.
            now: the time, in seconds of the node's clock.
        """
        if self.mailbox is None or now < self._renew_due:
            return 0
        dead = descriptors.count_connections(int(endpoint.rpartition(":")[2])) - alive
        if dead < DEAD_CONNECTIONS:
            return 0
        self._renew_due = now + RENEW_INTERVAL
        return dead

    def close_mailbox(self) -> None:
        """Close the mailbox, if there is one."""
        if self.mailbox is not None:
            self.mailbox.close()
            self.mailbox = None

    def close(self) -> None:
        """Give all sockets back."""
        self.udp.close()
        with contextlib.suppress(zmq.ZMQError):
            self.close_mailbox()
        self.interface = None

    def _announce(self, chosen: Interface) -> None:
        verb = "moves to" if self.interface is not None else "uses"
        how = "as asked" if self._wanted else "choose another with set_interface() or -i"
        level = logging.WARNING if chosen.is_loopback and self._wanted is None else logging.INFO
        only = ": only nodes of this host will find it" if chosen.is_loopback else ""
        text = "node %s %s interface %s (%s), %s%s"
        report.log(level, text, self._name, verb, chosen.name, chosen.address, how, only)

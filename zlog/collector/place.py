"""Where a collector is reached: it binds there, tells the network, and follows its node to another address."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Callable
from typing import Final

from zlog import report
from zlog.collector.announce import Announcer, address_of, headers_of
from zlog.collector.sockets import Receiver
from zlog.core.session import Session
from zlog.errors import CollectorError

__all__ = ["Place", "parse_bind"]

log: Final = logging.getLogger("zlog.collector")

_BIND: Final = re.compile(
    r"tcp://(?P<host>\*|\[[0-9A-Fa-f:.]+\]|[0-9.]+|[A-Za-z][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}|\*))?"
)
_EVERYWHERE: Final = ("*", "0.0.0.0", "[::]")


class Place:
    """The endpoints of a collector.

    Args:
        wish: host, or ``*``, and port of sync; None for the address of the ZRE node, and any ports.
        pool: the collector's.
        announcer: its ZRE node; None when it has none.
        receiver, session: of it.
        call: hands a call to the core's thread.

    Attributes:
        live, sync: the endpoints; empty while there is no network.
    """

    def __init__(
        self,
        wish: tuple[str, int] | None,
        pool: str | None,
        announcer: Announcer | None,
        receiver: Receiver,
        session: Session,
        call: Callable[[Callable[[], object]], object],
    ) -> None:
        self.live = self.sync = ""
        self._wish = wish
        self._pool = pool
        self._announcer = announcer
        self._receiver = receiver
        self._session = session
        self._call = call
        self._ports = (0, 0)

    def bind(self, address: str, again: bool = False) -> None:
        """Bind where the collector is to be reached; nothing is bound while there is no address.

        Raises:
            CollectorError: that can't be had.
        """
        wish = self._wish
        host, port = wish or (address, 0)
        if not host:
            report.log(logging.WARNING, "waits: there is no network to be found in", to=log)
            return
        sync_port, live_port = (port, port + 1 if port else 0) if wish else self._ports
        open_ = self._receiver.reopen if again else self._receiver.open
        try:
            sync_port, live_port = open_(host, sync_port, live_port)
        except CollectorError:
            if wish or not any(self._ports):
                raise
            sync_port, live_port = open_(host, 0, 0)  # somebody has these ports there
        self._ports = sync_port, live_port
        self._session.port = live_port
        shown = address or address_of(None) or "127.0.0.1" if host in _EVERYWHERE else _numeric(host)
        self.sync, self.live = f"tcp://{shown}:{sync_port}", f"tcp://{shown}:{live_port}"

    def tell(self) -> None:
        """Have the node announce the endpoints, if there are any."""
        if self._announcer is not None and self.live:
            self._announcer.announce(headers_of(self.live, self.sync, self._pool))

    def look(self) -> None:
        """Follow the node to another address. In the core's thread."""
        announcer = self._announcer
        if announcer is None or not announcer.follows:
            return
        address = announcer.address()
        shown = self.sync.removeprefix("tcp://").rpartition(":")[0]
        moved = address and address != shown and (self._wish is None or self._wish[0] in _EVERYWHERE)
        if not moved:
            return
        if self._wish is None:
            threading.Thread(target=self._move, args=(address,), name="zlog-move", daemon=True).start()
        else:
            sync_port, live_port = self._ports
            self.sync, self.live = f"tcp://{address}:{sync_port}", f"tcp://{address}:{live_port}"
            self._moved()

    def _move(self, address: str) -> None:
        """Bind at another address; not in the core's thread, as it waits for the receiver's."""
        try:
            self.bind(address, again=True)
        except CollectorError as error:
            report.log(logging.WARNING, "%s; it goes on trying", error, to=log)
            return
        self._call(self._moved)

    def _moved(self) -> None:
        report.log(logging.INFO, "is at %s now", self.sync, to=log)
        self.tell()


def parse_bind(bind: str | None) -> tuple[str, int] | None:
    """Host and port of ``tcp://HOST:PORT``, port 0 for any. Raises CollectorError."""
    if bind is None:
        return None
    match = _BIND.fullmatch(bind)
    port = match["port"] if match else None
    number = int(port) if port and port != "*" else 0
    if match is None or number > 65_534:
        raise CollectorError(f"{bind!r} is no address to bind", "write tcp://HOST:PORT, and * for all addresses")
    return match["host"], number


def _numeric(host: str) -> str:
    """The address of a host, as headers have to have it."""
    if host.startswith("["):
        return host
    with contextlib.suppress(OSError):
        return socket.gethostbyname(host)
    return host

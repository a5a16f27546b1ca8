"""Care of sync connections: nodes that fall silent, nodes that can't reach the live endpoint, clocks. Pure.

protocol/README.md, sections 4.7, 6.5 and 6.7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from zlog.core.book import Book
from zlog.core.contact import Contact
from zlog.core.demands import Demands
from zlog.core.nodes import Link
from zlog.core.repair import Repair
from zlog.wire import zre_log_msg

__all__ = ["SILENT_NS", "Watch"]

_SECOND: Final = 1_000_000_000
#: Links are looked at so often.
LINKS_NS: Final = _SECOND // 2
#: A node that says nothing for so long is taken for gone, ...
SILENT_NS: Final = 5 * _SECOND
#: ... and its connection is forgotten after so long.
FORGET_NS: Final = 60 * _SECOND
#: A node has so long to reach the live endpoint; it may end within a second after that, and have much to deliver.
TUNNEL_NS: Final = 2 * _SECOND
#: A node is sent PING so often, and where there are more than fifty, five of them a second.
PING_NS: Final = 10 * _SECOND
PING_EACH_NS: Final = _SECOND // 5


class Watch:
    """The links of a collector, as time passes.

    Args:
        uuid: of the collector.
        now: the time.
        book, contact, demands, repair: what else is known, and done.
        send: called with the identity and the frame of each message.
    """

    def __init__(
        self,
        uuid: UUID,
        now: int,
        book: Book,
        contact: Contact,
        demands: Demands,
        repair: Repair,
        send: Callable[[bytes, bytes], None],
    ) -> None:
        self._uuid = uuid
        self._looked = now
        self._book = book
        self._contact = contact
        self._demands = demands
        self._repair = repair
        self._send = send

    def heard(self, link: Link, now: int) -> None:
        """A message of the node has come."""
        link.heard = now
        self._demands.let_end(link, now)
        if link.silent:
            link.silent = False
            for run_id in link.offer:
                run = self._book.runs.get(run_id)
                if run is not None:
                    self._repair.again(run)
            self._book.version += 1

    def fell_silent(self, link: Link) -> None:
        """The node is taken for gone."""
        if not link.silent:
            link.silent = True
            self._contact.fell_silent(link)
            self._book.version += 1

    def look(self, now: int, *, behind: bool, paused: bool) -> None:
        """See to all links, now and then.

        Args:
            now: the time.
            behind: live frames wait to be looked at.
            paused: this process was stopped: nobody was silent.
        """
        if paused or now >= self._looked + LINKS_NS:
            self._looked = now
            for link in list(self._contact.links.values()):
                self._check(link, now, behind, paused)

    def ping(self, link: Link, now: int, wall_ns: int) -> None:
        """Ask a node's clock."""
        link.pinged = now
        link.pong = wall_ns
        self._send(link.identity, zre_log_msg.Ping(clock=wall_ns).encode())

    def ping_all(self, now: int, wall_ns: int, *, everybody: bool) -> None:
        """Ask the clocks of those whose turn it is, or of everybody."""
        links = self._contact.links
        pause = -1 if everybody else max(PING_NS, len(links) * PING_EACH_NS)
        for link in links.values():
            if link.is_open and now - link.pinged > pause:
                self.ping(link, now, wall_ns)

    def _check(self, link: Link, now: int, behind: bool, paused: bool) -> None:
        self._demands.let_end(link, now)
        if paused:
            link.heard = now
        if now - link.heard > FORGET_NS:
            self._contact.drop(link)
            return
        if now - link.heard > SILENT_NS:
            self.fell_silent(link)
        if not behind and self._needs_tunnel(link, now):
            link.tunnel = True
            for stream in link.run.streams:
                if stream is not None:
                    self._repair.check(stream)

    def _needs_tunnel(self, link: Link, now: int) -> bool:
        """Whether the node has tried the live endpoint in vain (section 4.7, rule 3)."""
        return (
            not link.tunnel
            and not link.live_frames
            and now - link.welcomed > TUNNEL_NS
            and any(stream is not None and stream.lag for stream in link.run.streams)
            and not any(status.collector == self._uuid and status.live for status in link.run.links)
        )

"""What a collector knows of nodes: their runs, and the sync connections they have to it. Pure."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from zlog.core.streams import Stream
from zlog.core.sync import Held, LinkStatus
from zlog.severity import RANGES
from zlog.wire.zre_log_msg import Offer

__all__ = ["Clock", "Link", "Run", "RunId"]

RunId = tuple[bytes, int]
"""UUID of the node (16 octets) and epoch."""

_SAMPLES: Final = 8


class Clock:
    """How far a node's clock is ahead of ours, from PING and PONG (section 6.7).

    Attributes:
        offset_ns: that; None before the first PONG.
        error_ns: it is wrong by at most so much.
    """

    __slots__ = ("_samples", "error_ns", "offset_ns")

    def __init__(self) -> None:
        self.offset_ns: int | None = None
        self.error_ns = 0
        self._samples: list[tuple[int, int]] = []

    def pong(self, asked: int, received: int, sent: int, came: int) -> None:
        """Take a PONG in: when PING went, when it came there, when PONG went there, when it came."""
        delay = (came - asked) - (sent - received)
        if delay < 0 or came < asked:  # a clock was set meanwhile, or somebody made it up
            return
        self._samples = [*self._samples[1 - _SAMPLES :], (delay, ((received - asked) + (sent - came)) // 2)]
        delay, self.offset_ns = min(self._samples)
        self.error_ns = delay // 2


class Run:
    """One life of a node, as far as the collector knows it.

    Attributes:
        id: node and epoch.
        name, host, pid: of the node.
        streams: by index of the range; None where nothing is known.
        link: the connection of the node whose current run it is.
        holders: connections that offer it, that one included.
        offered: some connection has offered it: what is missing can be asked for.
        legacy: the collector made it up for LOG.
        known: a store had some of it when it was first met, or its node has been connected.
        closed: the node's last STATUS said that it ends the link.
        status_ns: when the last STATUS came, nanoseconds since 1970-01-01 00:00 UTC; 0 for never.
        links: the node's links, as in its last STATUS.
        clock: of the node.
    """

    __slots__ = (
        "clock",
        "closed",
        "holders",
        "host",
        "id",
        "known",
        "legacy",
        "link",
        "links",
        "name",
        "offered",
        "pid",
        "status_ns",
        "streams",
    )

    def __init__(self, run_id: RunId) -> None:
        self.id = run_id
        self.name = ""
        self.host = ""
        self.pid = 0
        self.streams: list[Stream | None] = [None] * len(RANGES)
        self.link: Link | None = None
        self.holders: list[Link] = []
        self.offered = False
        self.legacy = False
        self.known = False
        self.closed = False
        self.status_ns = 0
        self.links: list[LinkStatus] = []
        self.clock = Clock()

    @property
    def uuid(self) -> UUID:
        return UUID(bytes=self.id[0])


class Link:
    """A node's sync connection.

    Attributes:
        identity: the routing id.
        run: the node's current run.
        offer: what the node holds, by run.
        said: the OFFER that was welcomed.
        welcomed: when it was.
        heard: when a message last came.
        pinged: when PING last went.
        pong: the clock in the PING that was not answered yet; 0 for none.
        silent: nothing came for so long that the node is taken for gone.
        closing: the node ends the link.
        live_frames: frames of the current run that came on the live link.
        tunnel: there is no live link; the stream comes as answers to open-ended FETCH.
        severity: the lowest that is demanded now; None for nothing.
        until: when that ends; None for never.
        welcome_severity, welcome_until: of the demand in WELCOME, which holds again then.
        starting: indexes of ranges that a DEMAND added; where they begin, STATUS says.
        status: the last STATUS without its clock, to know when nothing is new.
    """

    __slots__ = (
        "closing",
        "heard",
        "identity",
        "live_frames",
        "offer",
        "pinged",
        "pong",
        "run",
        "said",
        "severity",
        "silent",
        "starting",
        "status",
        "tunnel",
        "until",
        "welcome_severity",
        "welcome_until",
        "welcomed",
    )

    def __init__(self, identity: bytes, run: Run, now: int) -> None:
        self.identity = identity
        self.run = run
        self.offer: dict[RunId, Held] = {}
        self.said: Offer | None = None
        self.welcomed = now
        self.heard = now
        self.pinged = 0
        self.pong = 0
        self.silent = False
        self.closing = False
        self.live_frames = 0
        self.tunnel = False
        self.severity: int | None = None
        self.until: int | None = None
        self.welcome_severity: int | None = None
        self.welcome_until: int | None = None
        self.starting: set[int] = set()
        self.status = b""

    @property
    def is_open(self) -> bool:
        """Whether the node is neither silent nor has said its last word."""
        return not self.silent and not self.closing

    def wants(self, index: int) -> bool:
        """Whether the range of this index is demanded."""
        return self.severity is not None and RANGES[index] + 3 >= self.severity

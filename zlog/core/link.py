"""A node's side of one link: what goes to a collector, live and on sync, and what its messages change. Pure.

protocol/README.md, chapters 5 and 6. The edge feeds what arrives, with the time, and then asks, for as long as there is
something:

- `events`: what the edge has to do, such as opening the live socket;
- `control`: sync messages that have to go;
- `peek` and `sent`: the next frame of the live stream;
- `peek_answer` and `sent_answer`: the next frame that answers a FETCH, BATCH or GONE. Live frames should have passed
  before.

The stream is in `zlog.core.live`, what answers FETCH in `zlog.core.answers`, what is due and committed in
`zlog.core.dues`, OFFER and STATUS in `zlog.core.reports`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from zlog import limits
from zlog.core.answers import Answers
from zlog.core.discovery import Target
from zlog.core.dues import Dues
from zlog.core.holdings import Holdings
from zlog.core.intervals import Intervals
from zlog.core.link_effects import CloseLive, Demand, Event, OpenLive, Own, Refused, Welcomed, Wrong
from zlog.core.live import Live
from zlog.core.reports import offer, status
from zlog.core.sync import LinkStatus, RunKey, unpack_resume
from zlog.severity import RANGES, range_index, range_of
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import VERSION

__all__ = ["CloseLive", "Demand", "Event", "Link", "OpenLive", "Own", "Refused", "Welcomed", "Wrong"]

_SECOND: Final = 1_000_000_000
#: A live endpoint that WELCOME named must answer so soon (section 4.7, rule 3).
LIVE_NS: Final = 2 * _SECOND
#: STATUS is sent so often.
STATUS_NS: Final = _SECOND

#: A collector says something at least every 10 s; one that is silent for so long may have forgotten us.
SILENCE_NS: Final = 30 * _SECOND

_MAX_PREFIX: Final = 64  # octets; a subscription that means something has at most 19


class Link:
    """One link of a node.

    Args:
        target: the collector.
        holdings: what the node holds.
        own: who the node is.
        now: nanoseconds of a clock that never jumps.
        clock: nanoseconds since 1970-01-01 00:00 UTC.
        others: `LinkStatus` of all links of the node, for STATUS.
        legacy_id: the 16-bit id of a peer, or with None of the node itself, for LOG.

    Attributes:
        control: sync frames to send, in order.
        events: what the edge has to do, in order.
        ready: the live link is: the collector's subscriptions are here.
        collector, durable: from WELCOME.
        is_known: WELCOME has come at least once, or never will: whether it is durable is decided.
        records_sent: of the current run, live or on sync.
        discarded: frames that meant nothing.
    """

    def __init__(
        self,
        target: Target,
        holdings: Holdings,
        own: Own,
        now: int,
        clock: Callable[[], int],
        others: Callable[[], list[LinkStatus]] = list,
        legacy_id: Callable[[bytes | None], int] = lambda peer: 0,
    ) -> None:
        self.target = target
        self.control: deque[bytes] = deque()
        self.events: deque[Event] = deque()
        self.ready = False
        self.collector = target.collector
        self.name = target.name
        self.durable = False
        self.is_known = target.sync is None
        self.records_sent = 0
        self.discarded = 0
        self._holdings = holdings
        self._own = own
        self._clock = clock
        self._others = others
        self._welcomed = False
        self._endpoint: str | None = None  # the live one that WELCOME named, while it is open
        self._live_by: int | None = None  # when the live link must be ready
        self._over_sync = False
        self._asked: Demand | None = None  # WELCOME's
        self._dues = Dues()
        self._answers = Answers(holdings, self.control)
        self._live = Live(
            holdings, self._answers if target.sync is not None else None, legacy_id if self.is_legacy else None
        )
        self._status_at: int | None = None
        self._heard = now
        if target.sync is None:
            nexts = [1] * len(RANGES) if target.early else list(holdings.run.next)
            self._begin(Demand(1, "", None), dict(zip(RANGES, nexts, strict=True)))

    # --- what arrives -------------------------------------------------------------------------------------------------

    def connected(self, now: int) -> None:
        """The sync connection is there, again maybe: OFFER comes first."""
        self.control.clear()
        self._answers.clear()
        self._status_at = None
        self._welcomed = False
        self.control.append(self._offer(now))

    def disconnected(self) -> None:
        """The sync connection is gone. What it asked for ends; records wait until WELCOME.

        The live one leads to the same host: where it hasn't ended by itself it may be as dead, and is made anew.
        """
        self.control.clear()
        self._answers.clear()
        self._status_at = None
        self._welcomed = False
        endpoint = self._endpoint or self.target.live
        if self.ready and endpoint is not None:
            self._live.unsubscribe_all()
            self.ready = False
            self.events.append(OpenLive(endpoint))

    def greet(self, now: int) -> None:
        """Send OFFER again."""
        if self.target.sync is not None and len(self.control) < limits.MAX_CONTROL:
            self.control.append(self._offer(now))

    def subscription(self, frame: bytes) -> None:
        """What an XPUB receives: 01 and a prefix, or 00 and one that ends."""
        prefix = frame[1:]
        if not frame or frame[0] > 1 or len(prefix) > _MAX_PREFIX:
            self.discarded += 1
            return
        if frame[0] == 0:
            if self._live.unsubscribe(prefix):
                self.ready = False
        elif not self._live.subscribe(prefix):
            self.discarded += 1
        elif self.is_legacy:
            self.ready = True
        elif (collector := self._live.marker(prefix)) is not None:
            self._marked(collector)

    def sync(self, frame: bytes, now: int) -> None:
        """A message of the collector. Whatever it is, nothing is raised. One that takes no answers gets no more."""
        self._heard = now
        if len(self.control) >= limits.MAX_CONTROL:
            self.discarded += 1
            return
        try:
            message = zre_log_msg.decode(frame)
            handle = self._HANDLERS.get(type(message))
            if handle is None:
                raise DecodeError("value", 2, None)
            handle(self, message, now)
        except DecodeError:
            self.discarded += 1

    def tick(self, now: int) -> None:
        """Whatever time brings: STATUS, the end of a demand, of waiting for the live link."""
        if self._live_by is not None and now >= self._live_by:
            self._live_by = None
            if not self.ready:
                self._over_sync = True
                self._forget_live()
                self.events.append(CloseLive())
                self._status(now)
        demand = self._dues.demand
        if demand is not None and demand.until is not None and now >= demand.until:
            asked = self._asked
            over = asked is None or (asked.until is not None and now >= asked.until)
            self._want(Demand(24 + 1, "", None) if asked is None or over else asked)
            self._status(now)
        if self._status_at is not None and now >= self._status_at:
            self._status(now)
            if now >= self._heard + SILENCE_NS:  # somebody may have taken our place there
                self._heard = now
                self.greet(now)

    def due(self) -> int | None:
        """When `tick` has something to do."""
        demand = self._dues.demand
        until = demand.until if demand is not None else None
        return min((at for at in (self._live_by, until, self._status_at) if at is not None), default=None)

    # --- what goes ----------------------------------------------------------------------------------------------------

    @property
    def streams(self) -> bool:
        """Whether live frames may go."""
        return self.ready and self._live.begun and (self._welcomed or self.target.sync is None)

    def peek(self) -> bytes | None:
        """The next frame of the live stream; None when there is none, or nobody to have it."""
        if not self.streams or len(self.control) >= limits.MAX_CONTROL:
            return None
        return self._live.peek()

    def sent(self) -> None:
        """The frame that `peek` gave was sent."""
        self.records_sent += self._live.sent()

    def peek_answer(self) -> bytes | None:
        """The next frame that answers a FETCH, within its credit. GONE goes to `control`, which has to
        be sent before that frame: answers come in the order of the sequences."""
        return self._answers.peek()

    def sent_answer(self) -> None:
        """The frame that `peek_answer` gave was sent."""
        self.records_sent += self._answers.sent()

    def closing(self, now: int, nexts: Sequence[int] | None = None) -> None:
        """The link is to end in order: the last STATUS is in `control`.

        Args:
            nexts: the sequences, from TRACE to FATAL, before which everything was due to this link; by default all that
                was logged. What was logged since, and not sent, is nothing that the collector misses.
        """
        if self._welcomed:
            self._status(now, closing=True, nexts=nexts)
            self._status_at = None

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def demand(self) -> Demand | None:
        """What the collector wants now; None for a legacy one, and before WELCOME."""
        return self._dues.demand if self._welcomed and self.target.sync is not None else None

    @property
    def is_legacy(self) -> bool:
        return self.target.version < VERSION

    @property
    def serves(self) -> bool:
        """Whether records reach the collector, live or on sync."""
        if self.streams or not self._welcomed:
            return self.streams
        return self._over_sync or bool(self._answers.streams())

    def lag(self, first_severity: int) -> int:
        """Records of the current run that have still to be sent."""
        index = range_index(first_severity)
        return self._lag(index, self._holdings.run.next[index])

    def _lag(self, index: int, following: int) -> int:
        if not self._dues.has_base(index):
            return 0
        return max(0, following - self._position(index))

    def waiting(self) -> int:
        """Records of the current run, due to a durable collector, that it has not committed."""
        return self._dues.waiting(self._holdings.run.next) if self.durable else 0

    def has_committed(self, nexts: list[int]) -> bool:
        """Whether the collector holds all that is due to it of the records before these, from TRACE to FATAL."""
        return not self._dues.waiting(nexts)

    def has_sent(self, nexts: list[int]) -> bool:
        """Whether all that is due to the collector of the records before these was sent."""
        return not self._live.frames and all(
            self._position(index) >= following for index, following in enumerate(nexts) if self._dues.has_base(index)
        )

    def summary(self) -> LinkStatus:
        """For STATUS."""
        demand = self._dues.demand
        severity = demand.severity if demand is not None else 9 if self.is_legacy else 1
        return LinkStatus(
            self.collector or UUID(int=0),
            min(severity, 24),
            self.durable,
            self.streams,
            self.records_sent,
            sum(map(self.lag, RANGES)),
            self.waiting(),
        )

    # --- messages -----------------------------------------------------------------------------------------------------

    def _on_welcome(self, message: zre_log_msg.Welcome, now: int) -> None:
        points = {
            point.severity: point.next
            for point in unpack_resume(message.resume)
            if point.run == self._holdings.key and point.next > 0
        }
        severity = self._check_severity(message.severity)
        if not self._is_meant(message.collector):
            self._welcomed = False
            self.events.append(Wrong())
            return
        self._welcomed = True
        self.ready = self.ready and message.collector == self.collector
        self.collector = message.collector
        self.name = message.name or self.name
        self.durable = bool(message.durable)
        self.is_known = True
        self._asked = Demand(severity, message.logger, now + message.seconds * _SECOND if message.seconds else None)
        self._begin(self._asked, points)
        self.events.append(Welcomed(message.collector))
        if self.target.live is None:
            self._name_live(message.port, now)
        for collector in self._live.markers():  # one may have come before the UUID was known
            self._marked(collector)
        self._status(now)

    def _on_fetch(self, message: zre_log_msg.Fetch, now: int) -> None:
        before = self._answers.position(message.severity)
        changed = self._answers.fetch(message)
        if not changed or not self._live.begun or RunKey(message.node, message.epoch) != self._holdings.key:
            return
        index = range_index(message.severity)
        if before is not None and self._dues.is_due(index):
            self._live.seek(message.severity, before)
        if message.stop > message.start and self._dues.has_base(index):  # what it lacks is due to it, too
            self._dues.bases[index] = min(self._dues.bases[index], message.start)
        if self._answers.position(message.severity) is not None:
            self._live.hold(message.severity)
            self._live.restart()
            self._dues.bases[index] = self._dues.bases[index] or message.start

    def _on_demand(self, message: zre_log_msg.Demand, now: int) -> None:
        severity = self._check_severity(message.severity)
        self._want(Demand(severity, message.logger, now + message.seconds * _SECOND if message.seconds else None))
        self._status(now)

    def _on_commit(self, message: zre_log_msg.Commit, now: int) -> None:
        further = Intervals.decode(message.intervals)
        if message.severity not in RANGES or RunKey(message.node, message.epoch) != self._holdings.key:
            return
        self._dues.commit(range_index(message.severity), message.through, further)

    def _on_ping(self, message: zre_log_msg.Ping, now: int) -> None:
        received = self._clock()
        if len(self.control) < limits.MAX_CONTROL:
            self.control.append(zre_log_msg.Pong(clock=message.clock, received=received, sent=received).encode())

    def _on_pong(self, message: zre_log_msg.Pong, now: int) -> None:
        pass  # nodes don't ask

    def _on_refused(self, message: zre_log_msg.Refused, now: int) -> None:
        self._welcomed = False
        self.events.append(Refused(message.code, message.reason))

    _HANDLERS: Final[dict[type, Callable[..., None]]] = {
        zre_log_msg.Welcome: _on_welcome,
        zre_log_msg.Fetch: _on_fetch,
        zre_log_msg.Demand: _on_demand,
        zre_log_msg.Commit: _on_commit,
        zre_log_msg.Ping: _on_ping,
        zre_log_msg.Pong: _on_pong,
        zre_log_msg.Refused: _on_refused,
    }

    # --- parts --------------------------------------------------------------------------------------------------------

    def _check_severity(self, severity: int) -> int:
        if not 1 <= severity <= 24:
            raise DecodeError("value", 0, None)
        return severity

    def _marked(self, collector: UUID) -> None:
        """The ready marker came."""
        if not self._is_meant(collector):
            self.events.append(Wrong())
            return
        if collector != self.collector:
            return  # it is known by its address only: WELCOME says who it is, now that it is another one
        self.ready = True
        self._live_by = None
        self._over_sync = False

    def _is_meant(self, collector: UUID) -> bool:
        """Whether it may be the collector that the link leads to: another process may have its address by now."""
        return self.target.collector is None or collector == self.target.collector

    def _name_live(self, port: int, now: int) -> None:
        """WELCOME named the live endpoint, the one that is open already or another one, or none."""
        assert self.target.sync is not None
        endpoint = f"{self.target.sync.rpartition(':')[0]}:{port}" if port else None
        if endpoint != self._endpoint:
            had = self._endpoint
            self._forget_live()
            self._endpoint = endpoint
            if endpoint is not None:
                self.events.append(OpenLive(endpoint))
            elif had is not None:
                self.events.append(CloseLive())
        self._over_sync = endpoint is None
        self._live_by = now + LIVE_NS if endpoint is not None and not self.ready else None

    def _forget_live(self) -> None:
        """The live socket is closed: its subscriptions went with it."""
        self._endpoint = None
        self._live.unsubscribe_all()
        self.ready = False

    def _begin(self, demand: Demand, points: dict[int, int]) -> None:
        """Stream the current run from these points on."""
        self._dues.begin(demand)
        self._live.begin(demand, points)
        for index, first in enumerate(RANGES):
            due = first >= range_of(min(demand.severity, 24))
            self._dues.bases[index] = self._live.position(first) if due else 0

    def _want(self, demand: Demand) -> None:
        """Another demand: ranges that weren't sent begin with their next record."""
        if self._live.begun:
            self._live.select(demand)
            for first in self._answers.streams():
                self._live.hold(first)
        self._dues.want(demand, self._holdings.run.next)

    def _position(self, index: int) -> int:
        """The sequence that is sent next."""
        position = self._answers.position(RANGES[index])
        return self._live.position(RANGES[index]) if position is None else position

    def _offer(self, now: int) -> bytes:
        return offer(self._own, self._holdings, now, self._clock())

    def _status(self, now: int, *, closing: bool = False, nexts: Sequence[int] | None = None) -> None:
        if not self._welcomed:
            return
        self._status_at = now + STATUS_NS
        if len(self.control) >= limits.MAX_CONTROL and not closing:
            return  # nobody takes what there is
        following = self._holdings.run.next
        if nexts is not None:
            following = [max(each, self._position(index)) for index, each in enumerate(nexts)]
        links = self._others()
        self.control.append(status(self._holdings, self._clock(), following, self._lag, links, closing=closing))

"""A node's side of one link: what goes to a collector, live and on sync, and what its messages change. Pure.

protocol/README.md, chapters 5 and 6. The edge feeds what arrives, with the time, and then asks, for as long as there is
something:

- `events`: what the edge has to do, such as opening the live socket;
- `control`: sync messages that have to go;
- `peek` and `sent`: the next frame of the live stream;
- `peek_answer` and `sent_answer`: the next frame that answers a FETCH, BATCH or GONE. Live frames should have passed
  before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from zlog import limits
from zlog.core.batches import Batch
from zlog.core.discovery import Target
from zlog.core.expand import logs_of, wire_records_of
from zlog.core.holdings import Holdings
from zlog.core.intervals import Intervals
from zlog.core.journal import Cursor, Gone
from zlog.core.sync import LinkStatus, RangeStatus, RunKey, pack_held, pack_links, pack_ranges, unpack_resume
from zlog.severity import RANGES, range_index, range_of
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import CAUSE_UNKNOWN, VERSION

__all__ = ["CloseLive", "Demand", "Link", "OpenLive", "Own", "Refused", "Welcomed", "Wrong"]

_SECOND: Final = 1_000_000_000
#: A live endpoint that WELCOME named must answer so soon (section 4.7, rule 3).
LIVE_NS: Final = 2 * _SECOND
#: STATUS is sent so often.
STATUS_NS: Final = _SECOND

#: A collector says something at least every 10 s; one that is silent for so long may have forgotten us.
SILENCE_NS: Final = 30 * _SECOND

_BATCH: Final = b"\xaa\xa2\x03"
_READY: Final = b"\xaa\xa2\xff"
_UUID_SIZE: Final = 16
_MAX_PREFIX: Final = 64  # octets; a subscription that means something has at most 19


class Own(NamedTuple):
    """Who the node is.

    Attributes:
        host, name, pid: of the node.
        began: when its run began, by the clock of ``now``.
    """

    host: str
    name: str
    pid: int
    began: int


class Demand(NamedTuple):
    """What a collector wants: the lowest severity, the logger (empty: all), and until when (None: while linked)."""

    severity: int
    logger: str
    until: int | None


class OpenLive(NamedTuple):
    """WELCOME named the live endpoint. It takes the place of the one before."""

    endpoint: str


class CloseLive(NamedTuple):
    """The live endpoint can't be reached; the stream goes over sync."""


class Welcomed(NamedTuple):
    """The collector is known now."""

    collector: UUID


class Refused(NamedTuple):
    """The collector doesn't want this link: it must be closed."""

    code: int
    reason: str


class Wrong(NamedTuple):
    """Another process has the live endpoint: the link must be closed."""


Event = OpenLive | CloseLive | Welcomed | Refused | Wrong


class _Fetch:
    """A FETCH that is being answered. ``stop`` is None when it is open-ended."""

    __slots__ = ("asked", "credit", "position", "stop")

    def __init__(self, position: int, asked: int, stop: int | None, credit: int) -> None:
        self.position = position
        self.asked = asked  # `stop` as it came
        self.stop = stop
        self.credit = credit


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
        self._legacy_id = legacy_id
        self._subscriptions: set[bytes] = set()
        self._cursor: Cursor | None = None
        self._frames: deque[bytes] = deque()  # of the batch before the cursor, where it isn't sent as it is
        self._frames_of: Batch | None = None
        self._welcomed = False
        self._live: str | None = None  # the endpoint that WELCOME named, while it is open
        self._live_by: int | None = None  # when the live link must be ready
        self._over_sync = False
        self._asked: Demand | None = None  # WELCOME's
        self._demand: Demand | None = None
        self._bases = [0] * len(RANGES)  # the first sequence due to the collector, 0 for none
        self._through = [0] * len(RANGES)
        self._further: dict[int, Intervals] = {}
        self._fetches: dict[tuple[RunKey, int], _Fetch] = {}
        self._status_at: int | None = None
        self._heard = now
        if target.sync is None:
            nexts = [1] * len(RANGES) if target.early else list(holdings.run.next)
            self._begin(Demand(1, "", None), dict(zip(RANGES, nexts, strict=True)))

    # --- what arrives -------------------------------------------------------------------------------------------------

    def connected(self, now: int) -> None:
        """The sync connection is there, again maybe: OFFER comes first."""
        self.control.clear()
        self._fetches.clear()
        self._status_at = None
        self._welcomed = False
        self.control.append(self._offer(now))

    def disconnected(self) -> None:
        """The sync connection is gone. What it asked for ends; records wait until WELCOME."""
        self.control.clear()
        self._fetches.clear()
        self._status_at = None
        self._welcomed = False

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
            self._subscriptions.discard(prefix)
            if prefix[:3] == _READY or not self._subscriptions:
                self.ready = False
            return
        if len(self._subscriptions) >= limits.MAX_SUBSCRIPTIONS:
            self.discarded += 1
            return
        self._subscriptions.add(prefix)
        if self.target.version < VERSION:
            self.ready = True
        elif prefix[:3] == _READY and len(prefix) == 3 + _UUID_SIZE:
            self._marked(UUID(bytes=prefix[3:]))

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
        demand = self._demand
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
        until = self._demand.until if self._demand is not None else None
        return min((at for at in (self._live_by, until, self._status_at) if at is not None), default=None)

    # --- what goes ----------------------------------------------------------------------------------------------------

    @property
    def streams(self) -> bool:
        """Whether live frames may go."""
        return self.ready and self._cursor is not None and (self._welcomed or self.target.sync is None)

    def peek(self) -> bytes | None:
        """The next frame of the live stream; None when there is none, or nobody to have it."""
        cursor = self._cursor
        if not self.streams or cursor is None or len(self.control) >= limits.MAX_CONTROL:
            return None
        while True:
            if self._frames:
                return self._frames[0]
            item = cursor.peek()
            if item is None:
                return None
            if isinstance(item, Gone):
                cursor.take()
                if self.target.sync is not None:
                    self._gone(self._holdings.key, item)
                continue
            if self._kind is None:
                return item.frame
            self._frames.extend(self._kind(item))
            self._frames_of = item
            if not self._frames:
                self._taken(item)

    def sent(self) -> None:
        """The frame that `peek` gave was sent."""
        if self._frames:
            self._frames.popleft()
            if self._frames:
                return
        item = self._frames_of if self._frames_of is not None else self._cursor.peek() if self._cursor else None
        if isinstance(item, Batch):
            self._taken(item)

    def _taken(self, item: Batch) -> None:
        assert self._cursor is not None
        self._frames_of = None
        self._cursor.seek(item.range, item.stop)
        self.records_sent += item.count

    def peek_answer(self) -> bytes | None:
        """The next frame that answers a FETCH, within its credit. GONE goes to `control`, which has to
        be sent before that frame: answers come in the order of the sequences."""
        for (run, first), fetch in list(self._fetches.items()):
            while fetch.credit > 0 and (fetch.stop is None or fetch.position < fetch.stop):
                if len(self.control) >= limits.MAX_CONTROL:
                    return None
                item = self._holdings.at(run, first, fetch.position)
                if item is None:
                    break
                if isinstance(item, Batch):
                    return item.frame
                stop = item.stop if fetch.stop is None else min(item.stop, fetch.stop)
                self._gone(run, Gone(first, fetch.position, stop, item.cause))
                fetch.position = stop
            if fetch.stop is not None and fetch.position >= fetch.stop:
                del self._fetches[run, first]
        return None

    def sent_answer(self) -> None:
        """The frame that `peek_answer` gave was sent."""
        for (run, first), fetch in list(self._fetches.items()):
            if fetch.credit <= 0:
                continue
            item = self._holdings.at(run, first, fetch.position)
            if not isinstance(item, Batch):
                continue
            fetch.position = item.stop
            fetch.credit -= len(item.frame)
            if run == self._holdings.key and fetch.stop is None:
                self.records_sent += item.count
            del self._fetches[run, first]  # and to the end: all have their turn
            if fetch.stop is None or fetch.position < fetch.stop:
                self._fetches[run, first] = fetch
            return

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
        return self._demand if self._welcomed and self.target.sync is not None else None

    @property
    def is_legacy(self) -> bool:
        return self.target.version < VERSION

    @property
    def serves(self) -> bool:
        """Whether records reach the collector, live or on sync."""
        if self.streams or not self._welcomed:
            return self.streams
        return self._over_sync or any(self._is_open(run, fetch) for (run, _), fetch in self._fetches.items())

    def lag(self, first_severity: int) -> int:
        """Records of the current run that have still to be sent."""
        index = range_index(first_severity)
        return self._lag(index, self._holdings.run.next[index])

    def _lag(self, index: int, following: int) -> int:
        if not self._bases[index] or not self._is_due(index):
            return 0
        return max(0, following - self._position(index))

    def waiting(self) -> int:
        """Records of the current run, due to a durable collector, that it has not committed."""
        if not self.durable:
            return 0
        total = 0
        for index, base in enumerate(self._bases):
            following = self._holdings.run.next[index]
            if base and self._is_due(index) and following > base:
                total += following - base - self._committed(index, base, following)
        return total

    def has_committed(self, nexts: list[int]) -> bool:
        """Whether the collector holds all that is due to it of the records before these, from TRACE to FATAL."""
        return all(
            self._committed(index, base, nexts[index]) >= nexts[index] - base
            for index, base in enumerate(self._bases)
            if base and self._is_due(index) and nexts[index] > base
        )

    def has_sent(self, nexts: list[int]) -> bool:
        """Whether all that is due to the collector of the records before these was sent."""
        return not self._frames and all(
            self._position(index) >= nexts[index]
            for index, base in enumerate(self._bases)
            if base and self._is_due(index)
        )

    def summary(self) -> LinkStatus:
        """For STATUS."""
        severity = self._demand.severity if self._demand is not None else 9 if self.is_legacy else 1
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
        for prefix in list(self._subscriptions):  # the marker may have come before the UUID was known
            if prefix[:3] == _READY and len(prefix) == 3 + _UUID_SIZE:
                self._marked(UUID(bytes=prefix[3:]))
        self._status(now)

    def _on_fetch(self, message: zre_log_msg.Fetch, now: int) -> None:
        if message.severity not in RANGES or not message.start or (message.stop and message.stop < message.start):
            raise DecodeError("value", 0, "FETCH")
        run = RunKey(message.node, message.epoch)
        key = run, message.severity
        following = self._holdings.next(run, message.severity)
        if following is None:
            self._gone(run, Gone(message.severity, message.start, message.stop, CAUSE_UNKNOWN))
            return
        running = self._fetches.get(key)
        if running is not None and running.asked == message.stop and message.stop != message.start:
            running.credit = message.credit
            return
        if running is not None:
            self._end(key, running)
        if message.stop == message.start:
            return
        if len(self._fetches) >= limits.MAX_RUNS:
            raise DecodeError("value", 0, "FETCH")
        if run == self._holdings.key:
            stop = min(message.stop, following) if message.stop else None
        else:  # a run that ended: nothing comes any more, and what is asked for beyond its end is gone
            stop = message.stop or following
        if stop is not None and stop <= message.start:
            return
        self._fetches[key] = _Fetch(message.start, message.stop, stop, message.credit)
        if stop is None and run == self._holdings.key and self._cursor is not None:
            self._cursor.hold(message.severity)
            index = range_index(message.severity)
            self._bases[index] = self._bases[index] or message.start
            self._frames.clear()
            self._frames_of = None

    def _on_demand(self, message: zre_log_msg.Demand, now: int) -> None:
        severity = self._check_severity(message.severity)
        self._want(Demand(severity, message.logger, now + message.seconds * _SECOND if message.seconds else None))
        self._status(now)

    def _on_commit(self, message: zre_log_msg.Commit, now: int) -> None:
        further = Intervals.decode(message.intervals)
        if message.severity not in RANGES or RunKey(message.node, message.epoch) != self._holdings.key:
            return
        self._through[range_index(message.severity)] = message.through
        self._further[range_index(message.severity)] = further

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
        if endpoint != self._live:
            had = self._live
            self._forget_live()
            self._live = endpoint
            if endpoint is not None:
                self.events.append(OpenLive(endpoint))
            elif had is not None:
                self.events.append(CloseLive())
        self._over_sync = endpoint is None
        self._live_by = now + LIVE_NS if endpoint is not None and not self.ready else None

    def _forget_live(self) -> None:
        """The live socket is closed: its subscriptions went with it."""
        self._live = None
        self._subscriptions.clear()
        self.ready = False

    @property
    def _kind(self) -> Callable[[Batch], list[bytes]] | None:
        """What makes frames of a batch; None for the batch's own (section 5.4)."""
        if self.is_legacy:
            return partial(logs_of, id_of=self._legacy_id)
        if any(_BATCH.startswith(prefix) or prefix.startswith(_BATCH) for prefix in self._subscriptions):
            return None
        return wire_records_of

    def _begin(self, demand: Demand, points: dict[int, int]) -> None:
        """Stream the current run from these points on."""
        nexts = self._holdings.run.next
        self._demand = demand
        self._frames.clear()
        self._frames_of = None
        self._through = [0] * len(RANGES)
        self._further.clear()
        self._cursor = Cursor(self._holdings.journal, min(demand.severity, 24), points, nexts)
        for index, first in enumerate(RANGES):
            due = first >= range_of(min(demand.severity, 24))
            self._bases[index] = self._cursor.position(first) if due else 0

    def _want(self, demand: Demand) -> None:
        """Another demand: ranges that weren't sent begin with their next record."""
        self._demand = demand
        nexts = self._holdings.run.next
        if self._cursor is not None:
            held = [first for (run, first), fetch in self._fetches.items() if self._is_open(run, fetch)]
            self._cursor.select(min(demand.severity, 24), nexts)
            for first in RANGES if demand.severity > 24 else held:
                self._cursor.hold(first)
        for index in range(len(RANGES)):
            if not self._is_due(index):
                self._bases[index] = 0
            elif not self._bases[index]:
                self._bases[index] = nexts[index]
                self._through[index] = 0
                self._further.pop(index, None)

    def _is_due(self, index: int) -> bool:
        """Whether the collector wants the range."""
        return self._demand is not None and self._demand.severity <= RANGES[index] + 3

    def _is_open(self, run: RunKey, fetch: _Fetch) -> bool:
        return run == self._holdings.key and fetch.stop is None

    def _position(self, index: int) -> int:
        """The sequence that is sent next."""
        fetch = self._fetches.get((self._holdings.key, RANGES[index]))
        if fetch is not None and fetch.stop is None:
            return fetch.position
        return self._cursor.position(RANGES[index]) if self._cursor is not None else 1

    def _committed(self, index: int, base: int, following: int) -> int:
        """How many of [base, following) are committed."""
        through = min(self._through[index] + 1, following)
        count = max(0, through - base)
        for start, stop in self._further.get(index, ()):
            count += max(0, min(stop, following) - max(start, base, through))
        return count

    def _end(self, key: tuple[RunKey, int], fetch: _Fetch) -> None:
        """A FETCH is over; one that stood in for the live stream gives it back."""
        del self._fetches[key]
        if self._is_open(key[0], fetch) and self._cursor is not None and self._is_due(range_index(key[1])):
            self._cursor.seek(key[1], fetch.position)

    def _offer(self, now: int) -> bytes:
        own, run = self._own, self._holdings.run
        return zre_log_msg.Offer(
            version=VERSION,
            node=run.node,
            epoch=run.epoch,
            age=max(0, now - own.began),
            clock=self._clock(),
            host=own.host,
            name=own.name,
            pid=own.pid,
            path=b"",
            runs=pack_held(self._holdings.held()[: limits.MAX_RUNS]),
        ).encode()

    def _gone(self, run: RunKey, gone: Gone) -> None:
        self.control.append(
            zre_log_msg.Gone(
                node=run.node, epoch=run.epoch, severity=gone.range, start=gone.start, stop=gone.stop, cause=gone.cause
            ).encode()
        )

    def _status(self, now: int, *, closing: bool = False, nexts: Sequence[int] | None = None) -> None:
        if not self._welcomed:
            return
        self._status_at = now + STATUS_NS
        if len(self.control) >= limits.MAX_CONTROL and not closing:
            return  # nobody takes what there is
        holdings = self._holdings
        if nexts is None:
            nexts = holdings.run.next
        else:
            nexts = [max(each, self._position(index)) for index, each in enumerate(nexts)]
        ranges = [
            RangeStatus(first, nexts[index], holdings.dropped[index], self._lag(index, nexts[index]))
            for index, first in enumerate(RANGES)
            if nexts[index] > 1
        ]
        self.control.append(
            zre_log_msg.Status(
                node=holdings.run.node,
                epoch=holdings.run.epoch,
                clock=self._clock(),
                closing=int(closing),
                ranges=pack_ranges(ranges),
                links=pack_links(self._others()[: limits.MAX_LINKS]),
            ).encode()
        )

"""Asks nodes for what sinks of a collector lack: FETCH, with credit. Pure.

protocol/README.md, sections 6.3 and 6.4. One FETCH is answered at a time for each run and range. All of them together
are bounded by their credit; who has none waits for its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from zlog import limits
from zlog.core.nodes import Link, Run
from zlog.core.streams import Fetch, Stream
from zlog.severity import range_index
from zlog.wire import zre_log_msg

__all__ = ["Repair"]

_SECOND: Final = 1_000_000_000
#: A FETCH without answer is sent again after so long, ...
PATIENCE_NS: Final = 5 * _SECOND
#: ... so often, ...
TRIES: Final = 3
#: ... and then not for so long.
PAUSE_NS: Final = 60 * _SECOND
#: Most and least credit of an open-ended FETCH, which never ends and so can't wait for its turn.
_OPEN_MOST: Final = 256 * 1024
_OPEN_LEAST: Final = 4 * 1024


class Repair:
    """The FETCHes of a collector.

    Args:
        sinks: how many there are.
        run_of: the run of a stream.
        send: called with the identity and the frame of each message.

    Attributes:
        on_alone: called with a stream that may lack something, and nobody is there to be asked.
        lent: octets of credit that are out for bounded FETCHes.
        fetching: streams that wait for an answer.
    """

    def __init__(self, sinks: int, run_of: Callable[[Stream], Run], send: Callable[[bytes, bytes], None]) -> None:
        self.lent = 0
        self.fetching: dict[Stream, None] = {}
        self.on_alone: Callable[[Stream], None] = lambda stream: None
        self._run_of = run_of
        self._send = send
        self._ready = [True] * sinks
        self._hungry: dict[Stream, None] = {}  # may lack something that can be asked for now
        self._parked: dict[Stream, None] = {}  # wait for a sink, or for better times
        self._opened = 0

    # --- what changes -------------------------------------------------------------------------------------------------

    def check(self, stream: Stream) -> None:
        """Something of a stream may be missing."""
        if stream.fetch is None or stream.fetch.stop == 0:
            self._hungry[stream] = None

    def again(self, run: Run) -> None:
        """Somebody who holds the run is there, or there again: who asked in vain before needn't wait any longer."""
        for stream in run.streams:
            if stream is not None and stream.begun:
                stream.wait_until = 0
                self.check(stream)

    def busy(self, sink: int, stream: Stream) -> None:
        """A sink had no room. Nothing is asked for on its behalf until it has."""
        self._ready[sink] = False
        self._parked[stream] = None

    def ready(self, sink: int) -> None:
        """A sink has room again."""
        self._ready[sink] = True
        self._wake()

    @property
    def is_hungry(self) -> bool:
        """Whether `plan` has something to do."""
        return bool(self._hungry)

    def is_ready(self, sink: int) -> bool:
        return self._ready[sink]

    def forget(self, stream: Stream) -> None:
        """The stream is no longer kept."""
        self._end(stream)
        self._hungry.pop(stream, None)
        self._parked.pop(stream, None)

    def released(self, link: Link, run: Run) -> None:
        """A connection doesn't hold a run any more, and won't answer what it was asked of it."""
        for stream in run.streams:
            if stream is not None and stream.fetch is not None and stream.fetch.identity == link.identity:
                self._end(stream)
                self.check(stream)

    def close(self, stream: Stream, now: int) -> None:
        """An open-ended FETCH is no longer wanted."""
        fetch = stream.fetch
        if fetch is not None and not fetch.stop:
            fetch.start = fetch.stop = max(fetch.position, 1)
            self._ask(stream, fetch, now)
            fetch.stop = 0
            self._end(stream)

    def arrived(self, stream: Stream, identity: bytes, start: int, stop: int, size: int, now: int) -> None:
        """An answer came: a frame of this size, or GONE with 0, for the sequences [start, stop)."""
        fetch = stream.fetch
        if fetch is None or fetch.identity != identity or (fetch.stop and start >= fetch.stop):
            return  # or it answers the FETCH before this one
        fetch.used += size
        fetch.position = max(fetch.position, stop)
        fetch.moved = now
        fetch.tries = 0
        if fetch.is_over:
            self._end(stream)
            self.check(stream)
        elif fetch.used * 2 >= fetch.credit:
            self._ask(stream, fetch, now)

    # --- what follows -------------------------------------------------------------------------------------------------

    def plan(self, now: int) -> None:
        """Ask for what can be asked for."""
        if not self._hungry:
            return
        ready = [sink for sink, is_ready in enumerate(self._ready) if is_ready]
        for stream in list(self._hungry):
            if not self._consider(stream, ready, now):
                break

    def _consider(self, stream: Stream, ready: list[int], now: int) -> bool:
        """See what a stream lacks; False when there is no credit for it."""
        if stream.fetch is not None and stream.fetch.stop:
            del self._hungry[stream]  # its end brings it back
            return True
        run = self._run_of(stream)
        link = _who(run)
        hole = stream.missing(stream.seen, ready) if link is not None else None
        if hole is not None and now < stream.wait_until:
            hole = None
        if link is None or hole is None:
            del self._hungry[stream]
            stream.settle()
            if link is None or link.silent:
                self.on_alone(stream)
            if link is None:
                return True  # an OFFER brings it back
            if not stream.is_whole(stream.seen):
                self._parked[stream] = None
            elif stream.fetch is None and self._is_open(stream, run):
                self._open(stream, run.holders[0] if run.link is None else run.link, now)
            return True
        if self.lent + limits.COLLECTOR_FETCH_BYTES > limits.COLLECTOR_CREDIT_BYTES:
            return False
        del self._hungry[stream]
        self._end(stream)  # an open-ended one
        start, stop = hole
        fetch = stream.fetch = Fetch(link.identity, start, stop, limits.COLLECTOR_FETCH_BYTES, now)
        self.fetching[stream] = None
        self.lent += fetch.credit
        self._ask(stream, fetch, now)
        return True

    def tick(self, now: int) -> None:
        """Once in a while: ask again, or give up."""
        self._wake()
        for stream in list(self.fetching):
            fetch = stream.fetch
            if fetch is None or now - fetch.moved < PATIENCE_NS or (fetch.stop == 0 and not stream.lag):
                continue
            fetch.tries += 1
            if fetch.tries <= TRIES:
                self._ask(stream, fetch, now)
            else:
                self._end(stream)
                stream.wait_until = now + PAUSE_NS
                self.check(stream)

    def _wake(self) -> None:
        self._hungry.update(self._parked)
        self._parked.clear()

    def _is_open(self, stream: Stream, run: Run) -> bool:
        """Whether the stream comes as the answer to an open-ended FETCH."""
        link = run.link
        return link is not None and link.tunnel and stream.begun and link.wants(range_index(stream.key[2]))

    def _open(self, stream: Stream, link: Link, now: int) -> None:
        self._opened += 1
        credit = max(_OPEN_LEAST, min(_OPEN_MOST, limits.COLLECTOR_CREDIT_BYTES // self._opened))
        fetch = stream.fetch = Fetch(link.identity, stream.seen, 0, credit, now)
        self.fetching[stream] = None
        self._ask(stream, fetch, now)

    def _ask(self, stream: Stream, fetch: Fetch, now: int) -> None:
        node, epoch, severity = stream.key
        fetch.used = 0
        fetch.moved = now
        message = zre_log_msg.Fetch(
            node=UUID(bytes=node),
            epoch=epoch,
            severity=severity,
            start=fetch.start,
            stop=fetch.stop,
            credit=fetch.credit,
        )
        self._send(fetch.identity, message.encode())

    def _end(self, stream: Stream) -> None:
        fetch, stream.fetch = stream.fetch, None
        self.fetching.pop(stream, None)
        if fetch is not None:
            if fetch.stop:
                self.lent -= fetch.credit
            else:
                self._opened -= 1


def _who(run: Run) -> Link | None:
    """Who is asked for a run: the node itself, or who else holds it; who is silent only if nobody else does."""
    links = [link for link in [run.link, *run.holders] if link is not None and not link.closing]
    return next((link for link in links if not link.silent), next(iter(links), None))

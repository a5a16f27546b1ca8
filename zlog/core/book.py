"""The runs that a collector keeps track of, and what its sinks have of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from zlog import limits
from zlog.core.intervals import Intervals
from zlog.core.nodes import Run, RunId
from zlog.core.parcels import Key
from zlog.core.session_effects import NOT_ASKED, Effect, Name, Report
from zlog.core.streams import Stream
from zlog.severity import RANGES

__all__ = ["Book", "Sink"]


class Sink(NamedTuple):
    """Where records go.

    Attributes:
        required: it is durable, and counts in COMMIT.
        keeps: it is a store, and is to have what the others have. A view begins with what comes.
        known: what it holds of a run and range already.
        gaps: what it has noted as gaps of them.
    """

    required: bool
    keeps: bool
    known: Callable[[Key], Intervals | None]
    gaps: Callable[[Key], Intervals | None] = lambda key: None


class Book:
    """Runs, their streams, and what has to be done about them.

    Args:
        sinks: where records go.
        skipped, lost: what stores have noted as not asked for, and as gone, by cause.

    Attributes:
        runs, streams: all that are known.
        stores, view, required: numbers of the sinks that are stores, that is a view, and that count in COMMIT.
        effects: what has to be done.
        discarded: how often something was discarded, by cause.
        version: changes whenever something did that a status shows.
        on_new: called with a stream that the sinks know something of.
        on_alone: called with a run that somebody doesn't hold any more.
        on_forgotten: called with a stream that is no longer kept.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        skipped: Mapping[Key, Intervals] | None,
        lost: Mapping[Key, Mapping[int, Intervals]] | None,
    ) -> None:
        self.runs: dict[RunId, Run] = {}
        self.streams: dict[Key, Stream] = {}
        self.stores: Final = [index for index, sink in enumerate(sinks) if sink.keeps]
        self.view: Final = next((index for index, sink in enumerate(sinks) if not sink.keeps), None)
        self.required: Final = [index for index, sink in enumerate(sinks) if sink.required]
        self.effects: list[Effect] = []
        self.discarded: dict[str, int] = {}
        self.version = 0
        self.on_new: Callable[[Stream], None] = lambda stream: None
        self.on_alone: Callable[[Run], None] = lambda run: None
        self.on_forgotten: Callable[[Stream], None] = lambda stream: None
        self._sinks = sinks
        self._skipped = dict(skipped or {})
        self._lost = dict(lost or {})
        self._full = False

    def run_of(self, stream: Stream) -> Run:
        """The run that a stream is of."""
        return self.runs[stream.key[:2]]

    def is_known(self, run_id: RunId) -> bool:
        """Whether it is kept track of, or a store has something of it."""
        return run_id in self.runs or any(sink.known((*run_id, first)) for sink in self._sinks for first in RANGES)

    def run(self, run_id: RunId) -> Run | None:
        """The run, new if need be; None when there are too many."""
        run = self.runs.get(run_id)
        if run is not None:
            return run
        if not self._has_room() and not self._full:
            self._make_room()
        if not self._has_room():
            self._full = True  # until `look_again`: not for each stranger
            self.discard("streams", "records of new runs: there are too many already")
            return None
        run = self.runs[run_id] = Run(run_id)
        self.version += 1
        for index, first in enumerate(RANGES):
            if any(sink.known((*run_id, first)) for sink in self._sinks):
                run.known = True
                self.stream(run, index)
        return run

    def look_again(self) -> None:
        """There may be room again."""
        self._full = False

    def stream(self, run: Run, index: int) -> Stream:
        """A range of a run, with what the sinks know of it."""
        stream = run.streams[index]
        if stream is not None:
            return stream
        key = (*run.id, RANGES[index])
        stream = run.streams[index] = self.streams[key] = Stream(key, len(self._sinks))
        for sink, share in zip(self._sinks, stream.shares, strict=True):
            if not sink.keeps:
                share.done = share.has
            held = sink.known(key)
            if held:
                share.has, share.done = held.copy(), held.copy()
                share.gaps = (sink.gaps(key) or Intervals()).subtract(held)
                stream.begun = True
                stream.seen = stream.next = max(stream.seen, held.stop)
        if stream.begun:
            stream.skipped = self._skipped.get(key, Intervals()).copy()
            stream.named = {cause: intervals.copy() for cause, intervals in self._lost.get(key, {}).items()}
            self._skip(stream, stream.skipped.first_missing(1))  # not where they begin: what is before may be missing
            if self.view is not None:
                stream.shares[self.view].has.add(1, stream.seen)
            self.on_new(stream)
        return stream

    def begin(self, stream: Stream, base: int) -> None:
        """Want a stream from this sequence on."""
        stream.begun = stream.demanded = True
        self._skip(stream, base)

    def _skip(self, stream: Stream, base: int) -> None:
        """What is before was never asked for."""
        stream.base = base
        self.name(stream, 1, base, NOT_ASKED)
        stream.seen = max(stream.seen, base)

    def name(self, stream: Stream, start: int, stop: int, cause: int) -> None:
        """Note records as gone, or as not asked for, where they aren't had."""
        if start >= stop:
            return
        known = stream.skipped if cause == NOT_ASKED else stream.named.setdefault(cause, Intervals())
        for first, after in stream.lacking(start, stop):
            if known.fits(first, after, 2 * limits.MAX_INTERVALS):
                known.add(first, after)
        sinks = stream.name(start, stop)
        if sinks:
            self.effects.append(Name(stream.key, start, stop, cause, sinks))
            self.version += 1

    def discard(self, cause: str, text: str) -> None:
        """Count something that means nothing; report the first."""
        count = self.discarded.get(cause, 0)
        self.discarded[cause] = count + 1
        if not count:
            self.effects.append(Report(cause, text))

    def _has_room(self) -> bool:
        most = limits.COLLECTOR_STREAMS
        return len(self.streams) + len(RANGES) <= most and len(self.runs) < most

    def _make_room(self) -> None:
        """Leave runs to the stores that ended and are stored."""
        for run_id, run in list(self.runs.items()):
            streams = [stream for stream in run.streams if stream is not None]
            settled = all(stream.is_settled(self.stores) for stream in streams)
            if settled and run.link is None and not run.holders and not run.legacy:
                for stream in streams:
                    self.on_forgotten(stream)
                    del self.streams[stream.key]
                del self.runs[run_id]
            most = limits.COLLECTOR_STREAMS * 3 // 4
            if len(self.streams) < most and len(self.runs) < most:
                return

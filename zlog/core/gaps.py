"""Names what is missing when nobody is left who could answer for it. Pure.

protocol/README.md, section 6.3. A gap is no answer: it is named to sinks, once, but doesn't count as had. So whoever
offers the run later is asked for it, and what comes, or what a node says of it, takes the gap's place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from zlog.core.book import Book, Sink
from zlog.core.intervals import Intervals
from zlog.core.nodes import Link, Run
from zlog.core.parcels import Key
from zlog.core.session_effects import GAP, Name
from zlog.core.streams import Stream
from zlog.severity import RANGES

__all__ = ["Gaps"]

_SECOND: Final = 1_000_000_000
#: Nobody who is connected has held a run for so long, and some of it is missing: that is a gap.
ALONE_NS: Final = 10 * _SECOND
#: Who is there when a collector starts has offered what it holds after so long, also a node that was refused before.
NOBODY_NS: Final = 60 * _SECOND
#: Streams are looked at so often.
LOOK_NS: Final = _SECOND


class Gaps:
    """The gaps of a collector.

    Args:
        now: the time.
        book: what is known.
        sinks: where records go.
        holes: of which runs and ranges some store has holes from before.
    """

    def __init__(self, now: int, book: Book, sinks: Sequence[Sink], holes: Collection[Key]) -> None:
        self._book = book
        self._sinks = sinks
        self._watched: dict[Stream, None] = {}
        self._unmet = dict.fromkeys(holes)
        self._unmet_at = now + NOBODY_NS
        self._looked = now

    # --- what changes -------------------------------------------------------------------------------------------------

    def alone(self, run: Run) -> None:
        """Perhaps nobody who is connected holds this run any more."""
        for stream in run.streams:
            if stream is not None and stream.begun:
                self.look_at(stream)

    def left(self, link: Link) -> None:
        """A node is silent, or has said its last word."""
        for run_id in link.offer:
            run = self._book.runs.get(run_id)
            if run is not None:
                self.alone(run)

    def look_at(self, stream: Stream) -> None:
        """Something of a stream may be missing, and nobody be there for it."""
        self._watched[stream] = None

    def forget(self, stream: Stream) -> None:
        """The stream is left to the stores."""
        if stream.begun:
            self._name(stream, self._end(stream))
        self._watched.pop(stream, None)
        self._unmet.pop(stream.key, None)

    # --- what follows -------------------------------------------------------------------------------------------------

    def tick(self, now: int, *, paused: bool) -> None:
        """Once in a while: name what has been missing for long enough.

        Args:
            now: the time.
            paused: this process was stopped: nobody could come.
        """
        if paused:
            for stream in self._watched:
                stream.gap_at = None
            self._unmet_at = max(self._unmet_at, now + ALONE_NS)
        if now < self._looked + LOOK_NS:
            return
        self._looked = now
        for stream in list(self._watched):
            self._look(stream, now)
        if self._unmet and now >= self._unmet_at:
            self._name_unmet()

    def end(self) -> None:
        """The collector ends: all that is still missing is a gap."""
        for stream in self._book.streams.values():
            if stream.begun:
                self._name(stream, self._end(stream), durable=True)
        self._name_unmet()

    def _look(self, stream: Stream, now: int) -> None:
        end = self._end(stream)
        if self.is_held(self._book.run_of(stream)) or not any(self._new(stream, end)):
            del self._watched[stream]  # who leaves brings it back, or who sends more
            stream.gap_at = None
        elif stream.gap_at is None:
            stream.gap_at, stream.gap_end = now + ALONE_NS, end
        elif now >= stream.gap_at:
            stream.gap_at = None
            self._name(stream, min(end, stream.gap_end))

    def _end(self, stream: Stream) -> int:
        """The sequence after the last that may be a gap: none, where nothing but the OFFER of another node tells of the
        run. Anybody can offer what never was."""
        return stream.end if stream.came or self._book.run_of(stream).known else 1

    def is_held(self, run: Run) -> bool:
        """Whether somebody who is connected holds the run."""
        return any(link.is_open for link in run.holders)

    def _new(self, stream: Stream, end: int, *, durable: bool = False) -> list[list[tuple[int, int]]]:
        """What each sink misses that wasn't named to it.

        Args:
            stream: of which.
            end: of what is looked at.
            durable: what a sink was given, but doesn't hold yet, is missing too.
        """
        found = []
        for share in stream.shares:
            missing = (share.done if durable else share.has).missing(stream.base, end)
            named = share.gaps
            found.append([pair for hole in missing for pair in named.missing(*hole)] if named else missing)
        return found

    def _name(self, stream: Stream, end: int, *, durable: bool = False) -> None:
        spans: dict[tuple[int, int], list[int]] = {}
        for sink, missing in enumerate(self._new(stream, end, durable=durable)):
            share = stream.shares[sink]
            if missing:
                share.gaps = share.gaps.subtract(share.has)
            for start, stop in missing:
                share.gaps.add(start, stop)
                spans.setdefault((start, stop), []).append(sink)
        self._tell(stream.key, spans)

    def _name_unmet(self) -> None:
        """Nobody has come who holds what stores lack."""
        for key in self._unmet:
            if key in self._book.streams:
                continue
            had = [sink.known(key) or Intervals() for sink in self._sinks]
            end = max(held.stop for held in had)
            spans: dict[tuple[int, int], list[int]] = {}
            for number, (sink, held) in enumerate(zip(self._sinks, had, strict=True)):
                if sink.keeps and _knows(sink.known, key):
                    named = sink.gaps(key) or Intervals()
                    for hole in held.missing(1, end):
                        for pair in named.missing(*hole):
                            spans.setdefault(pair, []).append(number)
            self._tell(key, spans)
        self._unmet.clear()

    def _tell(self, key: Key, spans: dict[tuple[int, int], list[int]]) -> None:
        for (start, stop), sinks in sorted(spans.items()):
            self._book.effects.append(Name(key, start, stop, GAP, tuple(sinks)))
            self._book.version += 1


def _knows(known: Callable[[Key], Intervals | None], key: Key) -> bool:
    """Whether a store has something of this run: else it began later, and isn't to be told of all that was before."""
    return any(known((*key[:2], first)) for first in RANGES)

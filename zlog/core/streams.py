"""What a collector knows of one range of one run: which sinks have what, what is missing, what it has asked for. Pure.

protocol/README.md, sections 6.2 to 6.6. A *sink* is a store or a view of the collector. Each has its own intervals, so
that a slow one is served later, by FETCH, and slows none of the others.

Everything that was never asked for (before the first contact, or below the demand) counts as had: a stream that is
whole is one interval that begins with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from zlog.core.intervals import Intervals
from zlog.core.parcels import Key
from zlog.limits import MAX_INTERVALS

__all__ = ["Fetch", "Share", "Stream"]

#: Intervals of a sink that had to refuse something: it then gets what is missing in order, rather than ever new holes.
BEHIND_INTERVALS: Final = 16
#: Two holes that are closer than this are asked for together.
_NEAR: Final = 256


class Share:
    """What one sink has of a stream.

    Attributes:
        has: what it was given, or was told as gone.
        done: what of that it holds, if need be after a crash.
        gaps: what it was told as missing, and is to have if it comes.
        behind: it had to refuse something, and isn't whole yet.
    """

    __slots__ = ("behind", "done", "gaps", "has")

    def __init__(self) -> None:
        self.has = Intervals()
        self.done = Intervals()
        self.gaps = Intervals()
        self.behind = False


class Fetch:
    """A FETCH that is being answered.

    Attributes:
        identity: of the connection that answers.
        start, stop: what was asked for; ``stop`` is 0 when it is open-ended.
        credit: what the node was given.
        used: how much of it has come back.
        position: behind the last sequence that was answered.
        moved: when something last came, or it was sent.
        tries: how often it was sent again because nothing came.
    """

    __slots__ = ("credit", "identity", "moved", "position", "start", "stop", "tries", "used")

    def __init__(self, identity: bytes, start: int, stop: int, credit: int, now: int) -> None:
        self.identity = identity
        self.start = start
        self.stop = stop
        self.credit = credit
        self.used = 0
        self.position = start
        self.moved = now
        self.tries = 0

    @property
    def is_over(self) -> bool:
        return self.stop != 0 and self.position >= self.stop


class Stream:
    """One range of one run.

    Args:
        key: which one.
        sinks: how many there are.

    Attributes:
        begun: the collector has wanted it; before, nothing is missing.
        demanded: it still does.
        came: a record of it came, or GONE.
        next: the sequence after the last that is known to exist.
        seen: the sequence after the last that came or was named; what is missing before it will not come by itself.
        skipped: what was never asked for.
        named: what was named as gone, by cause.
        base: the first sequence that was asked for.
        lag, dropped: as the node's last STATUS has them.
        moved: when something last came.
        gap_at: when what is missing before `gap_end` is a gap, if still nobody is there who has it; None for not yet.
        tail_at: when what is between `seen` and `next` counts as missing; None while it may still come.
        wait_until: nothing is asked for before.
        bad: whose body could not be decoded once.
        since_ns, since_before: records before that time are not wanted if their sequence is below the other.
    """

    __slots__ = (
        "bad",
        "base",
        "begun",
        "came",
        "demanded",
        "dropped",
        "fetch",
        "gap_at",
        "gap_end",
        "key",
        "lag",
        "moved",
        "named",
        "next",
        "seen",
        "shares",
        "since_before",
        "since_ns",
        "skipped",
        "tail_at",
        "wait_until",
    )

    def __init__(self, key: Key, sinks: int) -> None:
        self.key = key
        self.shares = [Share() for _ in range(sinks)]
        self.begun = False
        self.demanded = False
        self.came = False
        self.base = 1
        self.next = 1
        self.seen = 1
        self.skipped = Intervals()
        self.named: dict[int, Intervals] = {}
        self.lag = 0
        self.dropped = 0
        self.moved = 0
        self.gap_at: int | None = None
        self.gap_end = 0
        self.tail_at: int | None = None
        self.wait_until = 0
        self.fetch: Fetch | None = None
        self.bad: Intervals | None = None
        self.since_ns = 0
        self.since_before = 0

    @property
    def lost(self) -> Intervals:
        """What was named as gone, whatever the cause."""
        lost = Intervals()
        for intervals in self.named.values():
            lost = lost.union(intervals)
        return lost

    @property
    def end(self) -> int:
        """The sequence after the last that is known to exist and was asked for."""
        return self.next if self.demanded else self.seen

    # --- what comes ---------------------------------------------------------------------------------------------------

    def take(self, start: int, stop: int) -> tuple[int, ...]:
        """Records came: the sinks that are to have them. The others have them, or have too many holes already."""
        self.came = True
        takers = []
        for sink, share in enumerate(self.shares):
            has = share.has
            if has.covers(start, stop):
                continue
            most = max(len(has), BEHIND_INTERVALS) if share.behind else MAX_INTERVALS
            if not has.fits(start, stop, most):
                share.behind = True
                continue
            has.add(start, stop)
            takers.append(sink)
        self._saw(stop)
        return tuple(takers)

    def name(self, start: int, stop: int) -> tuple[int, ...]:
        """Records are gone, or not wanted: the sinks that lack some of them, and have now heard."""
        lacking = []
        for sink, share in enumerate(self.shares):
            if not share.has.covers(start, stop) and share.has.fits(start, stop):
                share.has.add(start, stop)
                lacking.append(sink)
        if start <= self.seen:
            self._saw(stop)
        else:  # what is before may still be on its way on the live link
            self.next = max(self.next, stop)
        return tuple(lacking)

    def lacking(self, start: int, stop: int) -> Intervals:
        """What of [start, stop) some sink lacks."""
        found = Intervals()
        for share in self.shares:
            for pair in share.has.missing(start, stop):
                found.add(*pair)
        return found

    def _saw(self, stop: int) -> None:
        if stop > self.seen:
            self.seen = stop
            if stop > self.next:
                self.next = stop

    def refuse(self, sink: int, start: int, stop: int) -> None:
        """A sink couldn't take what it was given."""
        share = self.shares[sink]
        share.has.remove(start, stop)
        for held in share.done:  # it may have had a part of it before
            share.has.add(*held)
        share.behind = True

    # --- what is missing ----------------------------------------------------------------------------------------------

    def is_whole(self, stop: int) -> bool:
        """Whether every sink has everything up to ``stop``. Quick."""
        for share in self.shares:
            has = share.has
            if len(has) != 1:
                if len(has) or stop > 1:
                    return False
            elif has.start > 1 or has.stop < stop:
                return False
        return True

    def missing(self, stop: int, sinks: Sequence[int]) -> tuple[int, int] | None:
        """The first hole of these sinks before ``stop``, with those near behind it; None if there is none."""
        low: tuple[int, int] | None = None
        for sink in sinks:
            has = self.shares[sink].has
            start = has.first_missing(1)
            if start >= stop or (low is not None and low[0] <= start):
                continue
            end = 0
            for first, after in has.missing(start, stop):
                if end and first > end + _NEAR:
                    break
                end = after
            low = (start, end)
        return low

    def settle(self) -> None:
        """Forget that sinks were behind which have caught up."""
        for share in self.shares:
            if share.behind and len(share.has) == 1 and share.has.stop >= self.seen:
                share.behind = False

    def settled(self, sinks: Sequence[int]) -> Intervals:
        """What all of these sinks hold."""
        result = self.shares[sinks[0]].done
        for sink in sinks[1:]:
            result = result.intersection(self.shares[sink].done)
        return result

    def is_settled(self, sinks: Sequence[int]) -> bool:
        """Whether these sinks hold all that they were given, so that they know all that is known here."""
        return self.fetch is None and all(self.shares[sink].has == self.shares[sink].done for sink in sinks)

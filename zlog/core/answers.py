"""A node's answers to FETCH: batches of its runs on sync, within the credit that the collector gave. Pure.

protocol/README.md, section 6.4. An open-ended FETCH of the current run stands in for the live stream of its range:
`zlog.core.link` sees to it that only one of them sends.
"""

from __future__ import annotations

from collections import deque

from zlog import limits
from zlog.core.batches import Batch
from zlog.core.holdings import Holdings
from zlog.core.journal import Gone
from zlog.core.sync import RunKey
from zlog.severity import RANGES
from zlog.wire import zre_log_msg
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import CAUSE_UNKNOWN

__all__ = ["Answers"]


class _Fetch:
    """A FETCH that is being answered. ``stop`` is None when it is open-ended."""

    __slots__ = ("asked", "credit", "position", "stop")

    def __init__(self, position: int, asked: int, stop: int | None, credit: int) -> None:
        self.position = position
        self.asked = asked  # `stop` as it came
        self.stop = stop
        self.credit = credit


class Answers:
    """What one collector has asked for.

    Args:
        holdings: what the node holds.
        control: where GONE goes, in the order of the sequences.
    """

    def __init__(self, holdings: Holdings, control: deque[bytes]) -> None:
        self._holdings = holdings
        self._key = holdings.key
        self._control = control
        self._fetches: dict[tuple[RunKey, int], _Fetch] = {}
        self._head: tuple[RunKey, int, Batch] | None = None  # what `peek` gave

    def clear(self) -> None:
        """The connection is another one: what was asked for on the one before ends."""
        self._fetches.clear()
        self._head = None

    def fetch(self, message: zre_log_msg.Fetch) -> bool:
        """Take a FETCH.

        Returns:
            Whether it took the place of what was being answered of that run and range; else it only set the credit.

        Raises:
            DecodeError: it means nothing, or there are too many.
        """
        if message.severity not in RANGES or not message.start or (message.stop and message.stop < message.start):
            raise DecodeError("value", 0, "FETCH")
        run = RunKey(message.node, message.epoch)
        key = run, message.severity
        following = self._holdings.next(run, message.severity)
        if following is None:
            self.gone(run, Gone(message.severity, message.start, message.stop, CAUSE_UNKNOWN))
            return False
        running = self._fetches.get(key)
        if running is not None and running.asked == message.stop and message.stop != message.start:
            running.credit = message.credit
            return False
        self._fetches.pop(key, None)
        self._head = None
        if message.stop == message.start:
            return True
        if len(self._fetches) >= limits.MAX_RUNS:
            raise DecodeError("value", 0, "FETCH")
        if run == self._key:
            stop = min(message.stop, following) if message.stop else None
        else:  # a run that ended: nothing comes any more, and what is asked for beyond its end is gone
            stop = message.stop or following
        if stop is None or stop > message.start:
            self._fetches[key] = _Fetch(message.start, message.stop, stop, message.credit)
        return True

    def peek(self) -> bytes | None:
        """The next frame, within its credit. GONE goes to `control`, which has to be sent before that frame: answers
        come in the order of the sequences."""
        self._head = None
        for (run, first), fetch in list(self._fetches.items()):
            while fetch.credit > 0 and (fetch.stop is None or fetch.position < fetch.stop):
                if len(self._control) >= limits.MAX_CONTROL:
                    return None
                item = self._holdings.at(run, first, fetch.position)
                if item is None:
                    break
                if isinstance(item, Batch):
                    self._head = run, first, item
                    return item.frame
                stop = item.stop if fetch.stop is None else min(item.stop, fetch.stop)
                self.gone(run, Gone(first, fetch.position, stop, item.cause))
                fetch.position = stop
            if fetch.stop is not None and fetch.position >= fetch.stop:
                del self._fetches[run, first]
        return None

    def sent(self) -> int:
        """The frame that `peek` gave was sent. Returns how many records of the current run's stream it had."""
        if self._head is None:
            return 0
        (run, first, item), self._head = self._head, None
        fetch = self._fetches.pop((run, first))
        fetch.position = item.stop
        fetch.credit -= len(item.frame)
        if fetch.stop is None or fetch.position < fetch.stop:
            self._fetches[run, first] = fetch  # to the end: all have their turn
        return item.count if run == self._key and fetch.stop is None else 0

    def streams(self) -> list[int]:
        """The ranges of the current run whose stream goes here."""
        return [first for (run, first), fetch in self._fetches.items() if fetch.stop is None and run == self._key]

    def position(self, first_severity: int) -> int | None:
        """Which sequence of the current run is sent next, if the stream of that range goes here."""
        fetch = self._fetches.get((self._key, first_severity))
        return fetch.position if fetch is not None and fetch.stop is None else None

    def gone(self, run: RunKey, gone: Gone) -> None:
        """Say that records are gone."""
        self._control.append(
            zre_log_msg.Gone(
                node=run.node, epoch=run.epoch, severity=gone.range, start=gone.start, stop=gone.stop, cause=gone.cause
            ).encode()
        )

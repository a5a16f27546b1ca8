"""Where records enter the agent: the application's threads put them in, the agent's thread takes them out in batches.

A call that logs does one thing here: it appends to a deque, which is atomic. A record's place in that order is its
number: the agent's thread gives ordinals and sequences as it takes records out, and what didn't fit is given numbers as
well, so that each loss is a gap. Values that can't change any more are encoded by the agent's thread, 256 at a time in
one call of msgspec: that is four times faster than one by one, and none of it in the application's call.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import floor
from typing import Any, Final

import msgspec

from zlog import limits
from zlog.core.batches import Batch, Cutter, Run
from zlog.handler import MAX_PLAIN
from zlog.limits import MAX_RECORD_BYTES
from zlog.plain import text_of
from zlog.record import Site, encode_values
from zlog.severity import LEAST, MOST

__all__ = ["Intake"]

#: An ordinal that takes nine octets in MessagePack, in place of one that isn't known yet.
_PLACEHOLDER: Final = 1 << 62
#: Octets of an encoded record up to the end of that ordinal.
_HEAD: Final = 10

_encode: Final = msgspec.msgpack.Encoder().encode


#: What a receiver takes (protocol, section 7.2).
_LATEST: Final = (1 << 63) - 1
_LATEST_S: Final = 9.2e9
_OCTET: Final = 255
_UUID_SIZE: Final = 16


def _time_of(time: Any) -> int:
    """Nanoseconds of what should be seconds; 0 for what isn't a time."""
    try:
        return min(max(floor(float(time) * 1e9), 0), _LATEST)
    except (TypeError, ValueError, OverflowError):
        return 0


class _Encoded:
    """A record whose values could change, or are large: encoded in the application's call, but for its ordinal."""

    __slots__ = ("octets", "severity", "time_ns")

    def __init__(self, severity: int, time_ns: int, octets: bytes) -> None:
        self.severity = severity
        self.time_ns = time_ns
        self.octets = octets


_Fields = tuple[int, float, str, str, msgspec.Raw, int, bytes | None]
_Item = _Fields | _Encoded


class Intake:
    """Records on their way from the application's threads to batches.

    Args:
        wake: called when the agent's thread sleeps and records came that it has to look at.
        tally: where records are counted before anything else is done with them (`zlog.agent.tally`).

    Attributes:
        waiting, limit, tally: `zlog.handler.Queue`.
    """

    def __init__(self, wake: Callable[[], None], tally: list[Callable[[], object]] | None = None) -> None:
        self.waiting: deque[_Item] = deque()
        self.tally = tally
        self._asleep = False
        self._wake = wake
        self._lock = threading.Lock()
        self._octets = 0
        self._dropped: dict[int, int] = {}  # by severity
        self.limit = 0
        self.awake()

    def sleep(self, patient: int) -> bool:
        """The agent's thread is about to sleep, and is to be woken when more than so many records wait.

        Returns:
            Whether it may; else there are as many already.
        """
        self._asleep = True
        self.limit = patient + 1
        return len(self.waiting) <= patient

    def awake(self) -> None:
        """The agent's thread looks by itself."""
        self._asleep = False
        self.limit = min(limits.INTAKE_CROWDED, limits.INTAKE_RECORDS)

    def over(self) -> None:
        """See `zlog.handler.Queue`."""
        if self._asleep:
            self.awake()
            self._wake()
        waiting = len(self.waiting)
        if waiting >= limits.INTAKE_RECORDS:
            with suppress(IndexError), self._lock:
                item = self.waiting.pop()  # the last one, whoever put it there
                severity = item.severity if isinstance(item, _Encoded) else item[0]
                self._dropped[severity] = self._dropped.get(severity, 0) + 1
        elif waiting >= limits.INTAKE_CROWDED:
            time.sleep(limits.INTAKE_YIELD_S)

    def __len__(self) -> int:
        return len(self.waiting)

    def record(
        self,
        severity: int,
        time_ns: int,
        logger: str,
        text: str,
        attributes: Mapping[str, Any],
        event: int = 0,
        peer: bytes | None = None,
    ) -> None:
        """Take one record: `zlog.handler.Sink`. What isn't possible is made possible, or it would spoil its batch."""
        if not (type(severity) is int and LEAST <= severity <= MOST):
            severity = min(max(int(severity), LEAST), MOST)
        if not (type(time_ns) is int and 0 <= time_ns <= _LATEST):
            time_ns = min(max(int(time_ns), 0), _LATEST)
        if type(logger) is not str or type(text) is not str:
            logger, text = text_of(logger), text_of(text)
        if not (type(event) is int and 0 <= event <= _OCTET):
            event = 0
        if peer is not None and not (type(peer) is bytes and len(peer) == _UUID_SIZE):
            peer = None
        if type(attributes) is Site and len(text) < MAX_PLAIN:
            item: _Item | None = (severity, time_ns, logger, text, attributes.packed, event, peer)
        elif self._octets < limits.INTAKE_BYTES:
            octets = encode_values(_PLACEHOLDER, time_ns, severity, logger, text, event, peer, attributes)
            self._octets += len(octets)  # another thread may do so at the same time: the bound is no exact one
            item = _Encoded(severity, time_ns, octets)
        else:
            item = None
        if self.tally is not None:
            self.tally[severity]()
        if item is not None:
            self.waiting.append(item)
        else:
            with self._lock:
                self._dropped[severity] = self._dropped.get(severity, 0) + 1
        if len(self.waiting) >= self.limit:
            self.over()

    def clear(self) -> None:
        """Forget what waits: in a child process, whose parent has it too."""
        self.waiting.clear()
        self._dropped.clear()
        self._octets = 0
        self._lock = threading.Lock()

    # --- the agent's thread -------------------------------------------------------------------------------------------

    def drain(self, run: Run, cutter: Cutter, now: int) -> tuple[list[Batch], dict[int, int]]:
        """Number and cut what waits.

        Returns:
            The batches that had to be closed, and how many records were dropped by severity. Those have their numbers.
        """
        count = len(self.waiting)
        dropped: dict[int, int] = {}
        if self._dropped:
            with self._lock:
                dropped, self._dropped = self._dropped, {}
        batches = _Numbers(run, cutter, now).take(self.waiting, count) if count else []
        if count and not self.waiting:
            self._octets = 0
        for severity, number in dropped.items():  # they came when the queue was full
            run.skip(severity, number)
        return batches, dropped


class _Numbers:
    """One go through what waits: numbers it, encodes it by range, and hands it to the cutter in order."""

    def __init__(self, run: Run, cutter: Cutter, now: int) -> None:
        self._run = run
        self._cutter = cutter
        self._now = now
        self._lanes: list[list[tuple[Any, ...]]] = [[] for _ in run.next]
        self._rooms = [cutter.room(index) for index in range(len(run.next))]
        self._closed: list[Batch] = []

    def take(self, waiting: deque[_Item], count: int) -> list[Batch]:
        run, lanes, rooms, pop = self._run, self._lanes, self._rooms, waiting.popleft
        for _ in range(count):
            item = pop()
            if not isinstance(item, _Encoded):
                severity, seconds, logger, text, packed, event, peer = item
                if type(seconds) is int:  # it is nanoseconds
                    time_ns = seconds
                elif type(seconds) is float and 0.0 <= seconds < _LATEST_S and type(logger) is str:
                    time_ns = floor(seconds * 1e9)
                else:  # a LogRecord that somebody made of anything
                    time_ns, logger = _time_of(seconds), text_of(logger)
                index = (severity - 1) >> 2
                lane = lanes[index]
                lane.append((run.ordinal, time_ns, severity, logger, text, event, peer, packed))
                run.ordinal += 1
                if len(lane) >= rooms[index]:
                    self._flush()
            else:
                self._flush()
                self._add_encoded(item)
        self._flush()
        return self._closed

    def _flush(self) -> None:
        """Encode what was numbered, the range with the lowest ordinal first."""
        used = [index for index, lane in enumerate(self._lanes) if lane]
        if len(used) > 1:
            used.sort(key=lambda index: int(self._lanes[index][0][0]))
        run, cutter = self._run, self._cutter
        for index in used:
            lane = self._lanes[index]
            self._lanes[index] = []
            count = len(lane)
            try:
                octets = _encode(lane)
            except (TypeError, ValueError, OverflowError, UnicodeError):  # such as a lone surrogate in a text
                octets = b""
            if octets and len(octets) <= MAX_RECORD_BYTES:
                body = octets[1:] if count < 16 else octets[3:]
                sequence = run.next[index]
                run.next[index] = sequence + count
                self._closed += cutter.add_many(index, sequence, lane[0][0], lane[0][1], count, body, self._now)
            else:
                for ordinal, time_ns, severity, logger, text, event, peer, packed in lane:
                    attributes = msgspec.msgpack.decode(packed)
                    octets = encode_values(ordinal, time_ns, severity, logger, text, event, peer, attributes)
                    self._add(severity, ordinal, time_ns, octets)
            self._rooms[index] = cutter.room(index)
        if self._closed:
            self._rooms = [cutter.room(index) for index in range(len(self._rooms))]

    def _add_encoded(self, item: _Encoded) -> None:
        ordinal = self._run.ordinal
        self._run.ordinal = ordinal + 1
        self._add(item.severity, ordinal, item.time_ns, b"\x98" + _encode(ordinal) + item.octets[_HEAD:])
        index = (item.severity - 1) >> 2
        self._rooms[index] = self._cutter.room(index)

    def _add(self, severity: int, ordinal: int, time_ns: int, octets: bytes) -> None:
        index = (severity - 1) >> 2
        sequence = self._run.next[index]
        self._run.next[index] = sequence + 1
        self._closed += self._cutter.add(severity, sequence, ordinal, time_ns, octets, self._now)

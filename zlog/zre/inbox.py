"""The events that wait for an application that doesn't read, within bounds. Pure.

WHISPER and SHOUT beyond the bounds are dropped and counted. ENTER, EXIT, JOIN and LEAVE never are: when too many wait,
they are merged into the difference between what the application was told and what is true now, so that whoever reads
again after an hour of flapping peers gets a handful of events which add up to the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from zlog import limits

Frames = list[bytes]


@dataclass(slots=True)
class _Known:
    """A peer as told by ENTER and JOIN: the frames to tell it again."""

    enter: Frames
    groups: dict[bytes, Frames] = field(default_factory=dict)
    told: _Known | None = None  # when replaying: what the application knows of the same stay of this peer


class Inbox:
    """A bounded queue of events, first in, first out.

    Args:
        max_events: how many may wait before the bounds act.
        max_bytes: the same in octets of all their frames.

    Attributes:
        dropped: WHISPER and SHOUT that were dropped.
        merged: how often the waiting ENTER, EXIT, JOIN and LEAVE were merged.
    """

    def __init__(self, max_events: int = limits.ZRE_INBOX_EVENTS, max_bytes: int = limits.ZRE_INBOX_BYTES) -> None:
        self.dropped = 0
        self.merged = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._merge_at = max_events
        self._bytes = 0
        self._queue: deque[tuple[Frames, int, bool]] = deque()
        self._told: dict[bytes, _Known] = {}

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def crowded(self) -> bool:
        """Whether half of the room is used."""
        return 2 * len(self._queue) > self._max_events or 2 * self._bytes > self._max_bytes

    @property
    def roomy(self) -> bool:
        """Whether a little less than half of the room is used."""
        return 64 * len(self._queue) <= 31 * self._max_events and 64 * self._bytes <= 31 * self._max_bytes

    def push(self, event: Frames, droppable: bool) -> bool:
        """Append an event; return False if it was dropped."""
        size = sum(map(len, event))
        if droppable and (len(self._queue) >= self._max_events or self._bytes + size > self._max_bytes):
            self.dropped += 1
            return False
        self._queue.append((event, size, droppable))
        self._bytes += size
        if not droppable and len(self._queue) > 2 * self._merge_at:
            self._merge()
        return True

    def peek(self) -> Frames:
        """Return the event that is next; there must be one."""
        return self._queue[0][0]

    def pop(self) -> None:
        """The next event was handed to the application."""
        event, size, _ = self._queue.popleft()
        self._bytes -= size
        _replay(self._told, event)
        if not self._queue:
            self._merge_at = self._max_events

    def _merge(self) -> None:
        """Put the difference between what was told and what the queue amounts to in the queue's place."""
        true: dict[bytes, _Known] = {
            uuid: _Known(known.enter, dict(known.groups), told=known) for uuid, known in self._told.items()
        }
        last: list[Frames] = []
        for event, _, droppable in self._queue:
            if droppable:
                self.dropped += 1
            elif not _replay(true, event):
                last.append(event)
        merged: list[Frames] = []
        for uuid, known in self._told.items():
            now = true.get(uuid)
            if now is None or now.told is not known:
                merged.append([b"EXIT", *known.enter[1:3]])
            else:
                merged.extend([b"LEAVE", *known.enter[1:3], group] for group in known.groups if group not in now.groups)
        for now in true.values():
            told = now.told
            if told is None:
                merged.append(now.enter)
            merged.extend(join for group, join in now.groups.items() if told is None or group not in told.groups)
        merged.extend(last)
        self._queue = deque((event, sum(map(len, event)), False) for event in merged)
        self._bytes = sum(size for _, size, _ in self._queue)
        self._merge_at = max(self._max_events, len(self._queue))  # a thousand peers are a thousand events: no livelock
        self.merged += 1


def _replay(known: dict[bytes, _Known], event: Frames) -> bool:
    """Apply an event to what is known; return False for events that change nothing of it."""
    match event[0]:
        case b"ENTER":
            known[event[1]] = _Known(event)
        case b"EXIT":
            known.pop(event[1], None)
        case b"JOIN":
            if event[1] in known:
                known[event[1]].groups[event[3]] = event
        case b"LEAVE":
            if event[1] in known:
                known[event[1]].groups.pop(event[3], None)
        case _:
            return False
    return True

"""When a collector tells nodes what it has stored, and what. Pure.

protocol/README.md, sections 3.11 and 6.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from zlog.core.intervals import Intervals
from zlog.core.nodes import Run
from zlog.core.streams import Stream
from zlog.wire import zre_log_msg

__all__ = ["Commits"]

_SECOND: Final = 1_000_000_000
#: COMMIT goes at most so often, ...
COMMIT_NS: Final = _SECOND // 10
#: ... and for each stream beyond a hundred that has something to commit, so much later; but at least once a second.
COMMIT_EACH_NS: Final = _SECOND // 1_000


class Commits:
    """The COMMITs of a collector.

    Args:
        sinks: what all of these hold is committed. Where none is durable, it is a receipt.
        run_of: the run of a stream.
        send: called with the identity and the frame of each message.
    """

    def __init__(
        self, sinks: Sequence[int], run_of: Callable[[Stream], Run], send: Callable[[bytes, bytes], None]
    ) -> None:
        self._sinks = sinks
        self._run_of = run_of
        self._send = send
        self._dirty: dict[Stream, None] = {}
        self._sent_at = -_SECOND

    def changed(self, stream: Stream, sink: int | None = None) -> None:
        """A sink, or each of them, may hold more than before."""
        if self._sinks and (sink is None or sink in self._sinks):
            self._dirty[stream] = None

    def forget(self, stream: Stream) -> None:
        """The stream is no longer kept."""
        self._dirty.pop(stream, None)

    @property
    def due(self) -> int | None:
        """When `send` has something to do."""
        if not self._dirty:
            return None
        return self._sent_at + min(_SECOND, max(COMMIT_NS, len(self._dirty) * COMMIT_EACH_NS))

    def send(self, now: int) -> None:
        """Tell the nodes, if it is time."""
        due = self.due
        if due is None or now < due:
            return
        self._sent_at = now
        for stream in self._dirty:
            self._commit(stream)
        self._dirty.clear()

    def _commit(self, stream: Stream) -> None:
        run = self._run_of(stream)
        link = run.link or next(iter(run.holders), None)
        held = stream.settled(self._sinks)
        if link is None or held.stop <= stream.base:
            return  # nothing yet, or nobody to be told
        through = max(held.through(stream.base), stream.base - 1)  # what is before was never asked for
        further = Intervals((start, stop) for start, stop in held if start > max(through, stream.base))
        message = zre_log_msg.Commit(
            node=run.uuid, epoch=run.id[1], severity=stream.key[2], through=through, intervals=further.encode()
        )
        self._send(link.identity, message.encode())

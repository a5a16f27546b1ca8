"""Watch a node that belongs to an application: ours, or a published `pyre.Pyre`.

An observer sees each event before the application does, and may keep one from it. With our node it is called from the
node's thread, whether the application reads or not. A published node gives no such place; it gets

- one lock around the methods of its API, because two threads that use them at once mix up each other's answers, and
- a tap on `recv`, so that its events are seen as the application reads them, and not before.

Only the one object is changed, and `Observation.close` changes it back. An application that reads a published node's
``inbox`` socket by itself passes the tap: nothing is observed then.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyre
import zmq

from zlog import report
from zlog.zre.node import Pyre

OnEvent = Callable[[Sequence[bytes]], None]
Hide = Callable[[Sequence[bytes]], list[bytes] | None]

_LOCKED: Final = (
    "uuid", "name", "set_name", "set_header", "set_verbose", "set_port", "set_interval", "set_endpoint", "start",
    "stop", "join", "leave", "whisper", "whispers", "shout", "shouts", "peers", "peers_by_group", "endpoint",
    "get_peer_name", "peer_address", "peer_header_value", "peer_headers", "own_groups", "peer_groups",
)  # fmt: skip


class Observation:
    """An observer at work; ends with `close`, or as a context manager."""

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo: Callable[[], None] | None = undo

    def close(self) -> None:
        """Stop observing and give the node back as it was. Harmless twice."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()

    def __enter__(self) -> Observation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def observe(node: pyre.Pyre, on_event: OnEvent, hide: Hide | None = None) -> Observation:
    """Observe a node.

    Args:
        node: ours, or a published one.
        on_event: called with the frames of each event, as `recv` returns them, in a list of its own. It must be quick
            and must not wait; what it raises is logged once and goes no further.
        hide: called with the same; returns None to leave the event to the application. To hide it, it returns what a
            published node's `recv` gives instead when no other event waits: that call can't wait for the next one, as
            the application may have been promised an event by a poll.

    Raises:
        TypeError: the object is no node.
    """
    watch = _Watch(on_event, hide)
    if isinstance(node, Pyre):
        observers = node._engine.outlet.observers
        observers.append(watch.hides)
        return Observation(functools.partial(observers.remove, watch.hides))
    if isinstance(node, pyre.Pyre):
        tap = vars(node).get("_zlog_tap") or _Tap(node)
        tap.watches.append(watch)
        return Observation(functools.partial(tap.remove, watch))
    raise TypeError(f"a pyre.Pyre node is needed, not {type(node).__name__}")


class _Watch:
    """One observer, with what it raises kept from everybody else."""

    def __init__(self, on_event: OnEvent, hide: Hide | None) -> None:
        self._on_event = on_event
        self._hide = hide
        self._failed = False

    def instead(self, frames: list[bytes]) -> list[bytes] | None:
        """Show an event; return None, or what stands for it when it is hidden."""
        try:
            self._on_event(list(frames))
            return self._hide(list(frames)) if self._hide is not None else None
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - it must end neither the node's thread nor the application's recv()
            if not self._failed:
                self._failed = True
                report.log(logging.ERROR, "an observer of a node failed (told once)", exc_info=sys.exception())
            return None

    def hides(self, frames: list[bytes]) -> bool:
        return self.instead(frames) is not None


class _Tap:
    """What a published node is given for as long as somebody observes it."""

    def __init__(self, node: pyre.Pyre) -> None:
        self.watches: list[_Watch] = []
        self._node = node
        self._recv = node.recv
        lock = threading.RLock()
        self._replaced: dict[str, Any] = {name: _locked(getattr(node, name), lock) for name in _LOCKED}
        self._replaced["recv"] = self.recv
        self._replaced["_zlog_tap"] = self
        vars(node).update(self._replaced)

    def recv(self) -> list[bytes]:
        while True:
            frames: list[bytes] = self._recv()
            hidden = [event for watch in list(self.watches) if (event := watch.instead(frames)) is not None]
            if not hidden:
                return frames
            if not self._node.socket().getsockopt(zmq.EVENTS) & zmq.POLLIN:
                return hidden[0]

    def remove(self, watch: _Watch) -> None:
        self.watches.remove(watch)
        if not self.watches:
            for name in self._replaced:
                vars(self._node).pop(name, None)


def _locked(method: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return method(*args, **kwargs)

    return call

"""Collectors on the ZRE nodes of this process, for agents on the same nodes: ZRE never announces a node to itself."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from uuid import UUID

__all__ = ["on_node", "register", "subscribe", "unregister", "unsubscribe"]

Changed = Callable[[UUID], None]

_lock = threading.Lock()
_collectors: dict[UUID, tuple[str, dict[str, str]]] = {}
_callbacks: list[Changed] = []


def on_node(node: UUID) -> dict[UUID, tuple[str, dict[str, str]]]:
    """Name and headers of the collectors that are ready on this node, by UUID, which is the node's: one at most."""
    with _lock:
        found = _collectors.get(node)
        return {} if found is None else {node: (found[0], dict(found[1]))}


def register(node: UUID, name: str, headers: Mapping[str, str]) -> None:
    """A collector on this node is ready, or has other headers than before."""
    with _lock:
        _collectors[node] = (name, dict(headers))
    _tell(node)


def unregister(node: UUID) -> None:
    """The collector on this node takes nothing more."""
    with _lock:
        if _collectors.pop(node, None) is None:
            return
    _tell(node)


def subscribe(callback: Changed) -> None:
    """Have this called with a node's UUID whenever `on_node` changes for it. It must be quick, and must not raise."""
    with _lock:
        _callbacks.append(callback)


def unsubscribe(callback: Changed) -> None:
    """Not any more. Harmless twice."""
    with _lock, contextlib.suppress(ValueError):
        _callbacks.remove(callback)


def _tell(node: UUID) -> None:
    with _lock:
        callbacks = list(_callbacks)
    for callback in callbacks:
        with contextlib.suppress(Exception):
            callback(node)


def _in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _collectors.clear()
    _callbacks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

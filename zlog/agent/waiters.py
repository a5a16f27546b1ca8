"""Who waits for the agent's thread, and for what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zlog.agent.engine import Engine

__all__ = ["Flush", "Waiter"]


class Waiter:
    """Somebody waits until something is true of the agent.

    Args:
        is_true: asked in the agent's thread after each of its turns.

    Attributes:
        done: set when it is, and when the agent ends.
    """

    def __init__(self, is_true: Callable[[Engine], bool]) -> None:
        self.is_true = is_true
        self.done = threading.Event()


class Flush(Waiter):
    """Somebody waits until the records so far are where they should be.

    Args:
        receipt: where no collector stores records, that one has received them is enough.

    Attributes:
        committed: every durable collector that has ever answered has them.
        received: there is none of those, and one that stores nothing has them.
        undecided: a collector is linked that has not answered yet: it may be durable, or dead.
        nobody: there is no collector.
    """

    def __init__(self, receipt: bool = False) -> None:
        super().__init__(self._look)
        self.committed = False
        self.received = False
        self.undecided = False
        self.nobody = True
        self.nexts: list[int] = []
        self._receipt = receipt

    def _look(self, engine: Engine) -> bool:
        links = [wires.link for wires in engine.links()]
        durable = [link for link in links if link.durable]
        viewers = [link for link in links if link.serves and not link.durable] if self._receipt and not durable else []
        self.undecided = not all(link.is_known for link in links)
        self.nobody = not any(link.serves for link in links)
        self.committed = bool(durable) and all(link.has_committed(self.nexts) for link in durable)
        self.received = any(link.has_committed(self.nexts) or link.is_legacy for link in viewers)
        hopeless = bool(links) and not durable and not self._receipt
        return not self.undecided and (self.committed or self.received or hopeless)

"""Logging overlay for peer-to-peer networks: processes log as usual, any peer becomes a collector on demand."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zlog.agent import Agent as Agent
    from zlog.agent.process import attach as attach
    from zlog.agent.process import flush as flush
    from zlog.agent.process import settings as settings
    from zlog.agent.process import shutdown as shutdown
    from zlog.agent.process import start as start
    from zlog.collector import Collector as Collector
    from zlog.collector.stores import Filter as Filter
    from zlog.collector.stores import open_store as open_store
    from zlog.config import Settings as Settings
    from zlog.handler import Handler as Handler
    from zlog.record import Record as Record
    from zlog.record import Stored as Stored

__all__ = [
    "Agent",
    "Collector",
    "Filter",
    "Handler",
    "Record",
    "Settings",
    "Stored",
    "__version__",
    "attach",
    "flush",
    "open_store",
    "settings",
    "shutdown",
    "start",
]

__version__ = "0.1.0.dev0"

_HOME = {
    "Agent": "zlog.agent",
    "Collector": "zlog.collector",
    "Filter": "zlog.collector.stores",
    "Handler": "zlog.handler",
    "Record": "zlog.record",
    "Settings": "zlog.config",
    "Stored": "zlog.record",
    "attach": "zlog.agent.process",
    "flush": "zlog.agent.process",
    "open_store": "zlog.collector.stores",
    "settings": "zlog.agent.process",
    "shutdown": "zlog.agent.process",
    "start": "zlog.agent.process",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used: ``zlog --help`` needs none of them."""
    if name not in _HOME:
        raise AttributeError(f"module 'zlog' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

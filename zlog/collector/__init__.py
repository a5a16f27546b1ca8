"""Collectors: peers that take records from nodes and keep them in stores."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zlog.collector.server import Collector as Collector
    from zlog.collector.status import CollectorStatus as CollectorStatus
    from zlog.collector.status import Missing as Missing
    from zlog.collector.status import NodeStatus as NodeStatus
    from zlog.collector.status import RangeView as RangeView
    from zlog.collector.status import StoreStatus as StoreStatus

__all__ = ["Collector", "CollectorStatus", "Missing", "NodeStatus", "RangeView", "StoreStatus"]


def __getattr__(name: str) -> Any:
    """Import names when they are first used: a store can be read without sockets."""
    if name == "Collector":
        from zlog.collector.server import Collector

        return Collector
    if name in __all__:
        from zlog.collector import status

        return getattr(status, name)
    raise AttributeError(f"module 'zlog.collector' has no attribute {name!r}")

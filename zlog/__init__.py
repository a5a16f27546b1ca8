"""Logging overlay for peer-to-peer networks. So far: ``zlog.zre`` (discovery) and ``zlog.wire`` (codecs)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zlog.handler import Handler as Handler

__all__ = ["Handler", "__version__"]

__version__ = "0.1.0.dev0"


def __getattr__(name: str) -> Any:
    """Import public names when they are first used: ``zlog --help`` needs none of them."""
    if name == "Handler":
        from zlog.handler import Handler

        return Handler
    raise AttributeError(f"module 'zlog' has no attribute {name!r}")

"""Logging overlay for peer-to-peer networks. So far: ``zlog.zre`` (discovery) and ``zlog.wire`` (codecs)."""

__all__ = ["__version__"]

__version__ = "0.1.0.dev0"

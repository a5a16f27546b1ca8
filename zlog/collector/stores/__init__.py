"""Where a collector keeps records: one module for each kind of store, `open_store` for all of them."""

from .base import Filter, Key, Loss, Part, Store, open_store

__all__ = ["Filter", "Key", "Loss", "Part", "Store", "open_store"]

"""The gate: a collector lowers the level of a logger, and no other handler notices.

A gate stands on a logger that holds our Handler. `Gate.lower` installs a LogRecord factory and then sets the logger's
level; `Gate.restore` sets the level back first. Three small objects keep the promise that other handlers see no record
that only a collector asked for:

- `Demanded`, the level number of such a record. It compares as -1, so `Logger.callHandlers` skips each handler but ours
  (whose level is -2), also one added later, and carries the true number.
- `Lowered`, the level on the logger. It carries what the application had set, so that a level which somebody saved
  while it was lowered and puts back later (`caplog.at_level`, `assertLogs`) is known as ours: it counts as the
  application's as soon as the demand has ended.
- `_Asked`, what `Logger.isEnabledFor` finds in its cache for a level below the application's. At each such call it
  puts our factory on top again, if somebody has replaced it meanwhile.

So a call below the application's level costs what it always costs while nobody asks: nothing of ours is on its way. The
factory stays a moment longer than the level, for the threads that had passed `isEnabledFor` when the demand ended, and
is taken out by `refresh`; while it is there, an enabled call costs some 3 % more.

A logger is found by the name in its record. One that was made with `logging.Logger(name)` outside the tree, under the
name of a logger inside, is taken for that one.

Tried and worse: a subclass of Logger, methods on the instance, filters on foreign handlers, `Manager.disable`, writing
to `Logger._cache`. Each of them either misses handlers added later or costs something while nobody asks.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Hashable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeGuard, cast

__all__ = ["OUR_LEVEL", "Demanded", "Gate", "Lowered", "application_level", "refresh"]

OUR_LEVEL = -2
"""Level of our Handler: below `Demanded`, which is below everything else."""

SETTLE_S = 1.0
"""How long the factory stays after the level is back: far longer than a thread can be between the two."""

lock: AbstractContextManager[object] = vars(logging)["_lock"]
"""The lock of `logging`, reentrant, and taken care of at fork. `Logger.setLevel` takes it, and `dictConfig` holds it
while it closes handlers: with a lock of our own beside it, the two could wait for each other."""

_NO_LEVEL_IS_ABOVE = 1 << 62


class Factory(Protocol):
    """What `logging.setLogRecordFactory` takes."""

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord: ...


class Demanded(int):
    """Level number of a record that only a collector asked for: -1 to whoever compares it.

    Attributes:
        level: the number that the application gave.
    """

    level: int

    def __new__(cls, level: int) -> Demanded:
        self = super().__new__(cls, -1)
        self.level = level
        return self


class Lowered(int):
    """A level that a gate put on its logger. Elsewhere and later it acts as the application's level does.

    Attributes:
        gate: who put it there.
        application: what it stands in for; 0 (NOTSET) means the level of the parent.
    """

    gate: Gate
    application: int

    def __new__(cls, level: int, gate: Gate, application: int) -> Lowered:
        self = super().__new__(cls, level)
        self.gate = gate
        self.application = application
        return self

    def __le__(self, level: int) -> bool:
        # `level >= self.getEffectiveLevel()` in Logger.isEnabledFor ends here: Python asks a subclass of int first.
        # The answer goes into that logger's cache.
        if level >= _resolve(self.application, self.gate.logger.parent):
            return True
        if self is not self.gate.current or not int.__le__(self, level):
            return False
        return cast(bool, _ASKED)


class _Asked(int):
    """True, and sees to it that the record about to be made goes through our factory."""

    def __bool__(self) -> bool:
        if logging.getLogRecordFactory() is not _outermost:
            _install()
        return True


_ASKED = _Asked(1)
_demanded: dict[int, Demanded] = {}  # one per level in use
_gates: dict[logging.Logger, Gate] = {}  # those that somebody asks, or asked a moment ago
_outermost: object = None  # the factory that has to be in place while a gate is open
_ceiling = 0  # no record at this level or above is made by demand


class Gate:
    """The gate of one logger. Get it by `Gate.of(logger)`: there is one, whoever asks.

    Any thread may call it. It takes the lock of `logging` as `Logger.setLevel` does, so it waits while another thread
    configures logging.

    Attributes:
        logger: whose gate it is.
        current: what it has put on the logger; None while it is closed.
        lowest: the lowest level that a record made by demand may have: what is asked, or was a moment ago.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self.current: Lowered | None = None
        self.lowest = _NO_LEVEL_IS_ABOVE
        self._asked: dict[Hashable, int] = {}
        self._changed_at = -math.inf  # when it was opened, closed or moved last; time.monotonic()

    @classmethod
    def of(cls, logger: logging.Logger) -> Gate:
        """The gate of this logger."""
        with lock:
            return _gates.get(logger) or cls(logger)

    @property
    def application(self) -> int:
        """The level that the application set on the logger, 0 (NOTSET) where it set none."""
        found = self.logger.level
        return found.application if _is_lowered(found) and found.gate is self else found

    def lower(self, level: int, owner: Hashable = None) -> None:
        """Let through what is at `level` or above, for as long as an owner asks for it.

        At or above the application's level this changes nothing: the application's level is never raised.

        Args:
            level: a level number of `logging`, at least 1.
            owner: who asks; asking again replaces what it asked before.
        """
        with lock:
            _gates[self.logger] = self
            self._asked[owner] = max(level, 1)
            self.refresh()

    def restore(self, owner: Hashable = None) -> None:
        """This owner asks no more. With the last one, the logger has the application's level back at once."""
        with lock:
            self._asked.pop(owner, None)
            self.refresh()

    def refresh(self) -> None:
        """Make the logger's level what it should be, adopting what the application has set meanwhile."""
        with lock:
            application = self.application
            resolved = _resolve(application, self.logger.parent)
            level = min(self._asked.values(), default=resolved)
            if level < resolved:
                self._open(level, application)
            else:
                self._close(application)

    def _open(self, level: int, application: int) -> None:
        current = self.current
        if current is not None and current is self.logger.level and int(current) == level:
            if self._settled():
                self.lowest = level
            return
        self._changed_at = time.monotonic()
        self.lowest = min(self.lowest, level)
        self.current = Lowered(level, self, application)
        _reckon()
        _install()
        logging.Logger.setLevel(self.logger, self.current)

    def _close(self, application: int) -> None:
        if self.current is not None:
            self.current = None
            self._changed_at = time.monotonic()
        if self.logger.level is not application:
            logging.Logger.setLevel(self.logger, application)
        if self._settled():
            self.lowest = _NO_LEVEL_IS_ABOVE
            if not self._asked:
                _gates.pop(self.logger, None)
        _reckon()

    def _settled(self) -> bool:
        """Whether no thread can still be between isEnabledFor and the factory since the last change."""
        return time.monotonic() - self._changed_at >= SETTLE_S

    def _forget(self) -> None:
        self._asked.clear()
        self.refresh()


def refresh() -> None:
    """`Gate.refresh` for all gates; takes the factory out when none has been open for a while. Call it each second."""
    with lock:
        for gate in list(_gates.values()):
            gate.refresh()


def application_level(logger: logging.Logger) -> int:
    """What `logger.getEffectiveLevel()` would be if nobody had lowered anything."""
    return _resolve(logger.level, logger.parent)


def _is_lowered(level: int) -> TypeGuard[Lowered]:
    return type(level) is Lowered


def _resolve(level: int, parent: logging.Logger | None) -> int:
    """The application's effective level, from a logger's own `level` upwards."""
    while True:
        if _is_lowered(level):  # maybe one that was copied from another logger
            parent = level.gate.logger.parent
            level = level.application
        elif level or parent is None:
            return level
        else:
            level, parent = parent.level, parent.parent


def _is_demanded(name: str, levelno: int) -> bool:
    """Whether a record exists only because a gate is open, or was when the call began."""
    manager = logging.Logger.manager
    logger = manager.root if name == manager.root.name else manager.loggerDict.get(name)
    if not isinstance(logger, logging.Logger):  # outside the tree
        return False
    lowest = _NO_LEVEL_IS_ABOVE
    node: logging.Logger | None = logger
    while node is not None:
        level: int = node.level
        gate = level.gate if isinstance(level, Lowered) else _gates.get(node)
        if gate is not None and gate.lowest < lowest:
            lowest = gate.lowest
        if level:
            break
        node = node.parent
    return lowest <= levelno < application_level(logger)


def _reckon() -> None:
    """Set the ceiling, and take the factory out once it has become 0: no gate open, nor a moment ago."""
    global _ceiling
    opened = [gate for gate in _gates.values() if gate.lowest < _NO_LEVEL_IS_ABOVE]
    # a logger without a level of its own follows its parent, which can change at any time
    levels = [_resolve(gate.application, None) or _NO_LEVEL_IS_ABOVE for gate in opened]
    _ceiling = max(levels, default=0)
    if not opened and _outermost is not None:
        _uninstall()


def _wrap(previous: Factory) -> Factory:
    def factory(
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,
        exc_info: Any,
        func: str | None = None,
        sinfo: str | None = None,
        **kwargs: Any,
    ) -> logging.LogRecord:
        record = previous(name, level, pathname, lineno, msg, args, exc_info, func, sinfo, **kwargs)
        try:
            if level < _ceiling and _is_demanded(name, level):
                record.levelno = _demanded.get(level) or _demanded.setdefault(level, Demanded(level))
        except TypeError:  # logging.makeLogRecord gives neither name nor level
            pass
        return record

    factory.zlog_previous = previous  # type: ignore[attr-defined]  # how ours are known, and taken out again
    return factory


def _install() -> None:
    """Make a factory of ours the outermost one. It is harmless if two threads do: a record is marked twice."""
    global _outermost
    factory = logging.getLogRecordFactory()
    if not hasattr(factory, "zlog_previous"):
        factory = _wrap(factory)
        logging.setLogRecordFactory(factory)
    _outermost = factory


def _uninstall() -> None:
    """Take our factory out if it is the outermost. One that another factory calls stays, and passes records on."""
    global _outermost
    _outermost = None
    factory = logging.getLogRecordFactory()
    while hasattr(factory, "zlog_previous"):
        factory = factory.zlog_previous
        logging.setLogRecordFactory(factory)


def _after_fork() -> None:
    """A child has no links, so nobody asks it. The lock is free: `logging` holds it during a fork."""
    for gate in list(_gates.values()):
        gate._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""`Handler`: what an application puts into `logging`, and `Sink`: what takes its records.

The handler makes text and attributes in the caller's thread and hands them on: no Formatter runs, no lock is taken
here, nothing is sent. It raises nothing into the application but what filters raise that the application gave it.

Which records arrive: those at or above the application's level, always. Those below, while a collector asks for them:
`ask` opens the gates (`zlog.gate`) of the loggers that hold a handler. They are looked up each time, so that a handler
which was added, removed or replaced by `dictConfig` meanwhile is noticed. A handler that no logger of the tree holds
(behind a QueueListener or a MemoryHandler) has no gate.

`zlog`, `pyre` and `zmq` log about shipping records: theirs are taken when the application's own level lets them
through, never because a collector asked, or each record shipped would make another one.
"""

from __future__ import annotations

import logging
import os
from _thread import get_ident
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from math import floor
from typing import Any, Final, Protocol
from weakref import WeakSet

from zlog import gate
from zlog.gate import OUR_LEVEL, Demanded, Gate
from zlog.record import Site, attributes_of, text_of
from zlog.severity import LEVELS

__all__ = ["Handler", "Sink", "ask", "provide"]

ABOUT_SHIPPING: Final = frozenset({"zlog", "pyre", "zmq"})
"""Loggers, with all below them, whose records may come from shipping a record."""

MAX_WAITING: Final = 1_000
"""Records of one thread that can wait while the sink has the one before; it has it for a few microseconds."""

MAX_SITES: Final = 4_096
"""Lines of code times threads whose attributes are remembered, some 500 octets each; then it begins anew."""

_NOBODY: Final = 1 << 62  # above all levels


class Sink(Protocol):
    """What takes records: an agent."""

    def record(
        self,
        severity: int,
        time_ns: int,
        logger: str,
        text: str,
        attributes: Mapping[str, Any],
        event: int = 0,
        peer: bytes | None = None,
    ) -> None:
        """Take one record. Called from any thread, by several at once. Never raises, never blocks.

        What it logs itself, and what is logged in the same thread meanwhile (by a destructor, a signal handler), does
        not come back before it has returned.

        Args:
            severity: 1 to 24.
            time_ns: nanoseconds since 1970-01-01 00:00 UTC.
            logger: name of the logger.
            text: the message.
            attributes: as `zlog.record.attributes_of` makes them; maybe shared between records, not to be changed.
            event: one of the ``EVENT_`` constants, 0 for none.
            peer: UUID of the peer that the event is about, 16 octets.
        """


_Take = Callable[[int, int, str, str, Mapping[str, Any]], None]
_Waiting = list[Callable[[], None]]

_handlers: WeakSet[Handler] = WeakSet()
_start: Callable[..., Sink] | None = None
_inside: dict[int, _Waiting | None] = {}  # by thread that is inside a sink; None until something waits
_DELIVERING: Final[_Waiting] = []  # stands for: what waited is being handed on; what is logged meanwhile is dropped


def provide(start: Callable[..., Sink] | None) -> None:
    """Say where handlers get their sink that were made without: ``start(**options)``, at their first record."""
    global _start
    _start = start


def ask(agent: Sink, level: int | None) -> None:
    """What collectors ask of the handlers of this agent. Call it at each change, and each second while the agent runs.

    Args:
        agent: the sink.
        level: the lowest level of `logging` that anybody asks for, not below the floor; None when nobody asks.
    """
    with gate.lock:
        handlers = list(_handlers)
    for handler in handlers:
        if handler.agent is agent:
            handler.ask(level)
    gate.refresh()


class _Sites:
    """The attributes of lines of code, found by three looks into dicts: half the time of `attributes_of`.

    Attributes:
        by_place: by name of the thread, file and line: name of the function, and what `attributes_of` gave.
    """

    def __init__(self) -> None:
        self.by_place: dict[str | None, dict[str, dict[int, tuple[str | None, dict[str, Any]]]]] = {}
        self._count = 0

    def attributes_of(self, record: logging.LogRecord) -> dict[str, Any]:
        """As `zlog.record.attributes_of`, and remembered if other records can share it."""
        attributes = attributes_of(record)
        if type(attributes) is Site:
            self._count += 1
            if self._count > MAX_SITES:
                self.by_place.clear()
                self._count = 1
            with suppress(Exception):  # a LogRecord of others' making can be of anything
                files = self.by_place.setdefault(record.threadName, {})
                files.setdefault(record.pathname, {})[record.lineno] = record.funcName, attributes
        return attributes


_sites: Final = _Sites()
_by_place: Final = _sites.by_place
_LogRecord: Final = logging.LogRecord
_OWN_COUNT: Final = len(_LogRecord("", 0, "", 0, "", None, None).__dict__)  # without fields of the application's


class Handler(logging.Handler):
    """Hands records to the agent.

    In `logging`, its level is below everything else, for `logging` has to hand it records that no other handler may
    see. What the application set with `setLevel` is `minimum`.

    Args:
        agent: what takes the records. Without it, the process's own agent is started at the first record.
        level: as of any handler: the application wants no record below in its journal. A collector may ask for more.
        options: for the agent that is started, if none was given: the arguments of `zlog.start`.

    Attributes:
        agent: what takes the records; None until there is one.
        minimum: the handler's level as the application set it.
        dropped: records that were not taken: logged by the sink itself, or by it or the agent failing.
    """

    def __init__(self, agent: Sink | None = None, level: int | str = logging.NOTSET, **options: Any) -> None:
        super().__init__(level)
        self.minimum = max(self.level, 0)
        self.level = OUR_LEVEL
        self.agent = agent
        self.dropped = 0
        self._options = options
        self._take: _Take = agent.record if agent is not None else self._take_first
        self._asked = _NOBODY
        self._gates: dict[logging.Logger, Gate] = {}
        with gate.lock:
            _handlers.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({logging.getLevelName(self.minimum)})>"

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """None is needed: the sink is called by several threads at once."""
        self.lock = None

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - logging's name
        """Set `minimum`."""
        super().setLevel(level)
        self.minimum = max(self.level, 0)
        self.level = OUR_LEVEL

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit. Returns whether the filters let it through."""
        if record.levelno < self.minimum:
            return self._handle_asked(record)
        if self.filters:
            passed: bool | logging.LogRecord = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):  # from Python 3.12 on, a filter may replace it
                record = passed
        self.emit(record)
        return True

    def _handle_asked(self, record: logging.LogRecord) -> bool:
        """A record below the minimum, or one that exists by demand: then it shows its true level, but only here."""
        mark = record.levelno
        level = mark.level if isinstance(mark, Demanded) else mark
        if level < self._asked or record.name.partition(".")[0] in ABOUT_SHIPPING:
            return False
        record.levelno = level
        try:
            passed: bool | logging.LogRecord = self.filter(record)
            if passed:
                self.emit(passed if isinstance(passed, logging.LogRecord) else record)
            return bool(passed)
        finally:
            record.levelno = mark

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record to the sink. A sink that fails is reported as `logging.raiseExceptions` says."""
        thread = get_ident()
        if thread in _inside:
            self._wait(_inside[thread], thread, record)
            return
        waiting = None
        try:
            # All attributes before the first look at __dict__: in CPython that makes each later one slower.
            text: Any = record.msg
            severity, time_ns, name = LEVELS[record.levelno], floor(record.created * 1e9), record.name
            if record.args or type(text) is not str or type(record) is not _LogRecord:
                text = text_of(record)
            try:
                function, attributes = _by_place[record.threadName][record.pathname][record.lineno]
                shared = function == record.funcName and not record.exc_info and not record.exc_text
                if not shared or record.stack_info or len(record.__dict__) != _OWN_COUNT:
                    attributes = attributes_of(record)
            except (KeyError, TypeError, AttributeError):
                attributes = _sites.attributes_of(record)
            try:
                _inside[thread] = None
                self._take(severity, time_ns, name, text, attributes)
            finally:
                waiting = _inside.pop(thread, None)
        except Exception:  # noqa: BLE001 - whatever it is, logging must not break the application
            self._fail(record)
        if waiting:
            self._deliver(thread, waiting)

    def _wait(self, waiting: _Waiting | None, thread: int, record: logging.LogRecord) -> None:
        """Logged while this thread is inside a sink: by the sink, or by what may interrupt any code."""
        if record.name.partition(".")[0] in ABOUT_SHIPPING or waiting is _DELIVERING:
            self.dropped += 1
            return
        if waiting is None:
            waiting = _inside[thread] = []
        if len(waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        severity, time_ns = LEVELS[record.levelno], floor(record.created * 1e9)
        take = partial(self._take, severity, time_ns, record.name, text_of(record), attributes_of(record))
        waiting.append(partial(self._try, take, record))

    def _deliver(self, thread: int, waiting: _Waiting) -> None:
        _inside[thread] = _DELIVERING
        try:
            for deliver in waiting:
                deliver()
        finally:
            _inside.pop(thread, None)

    def _try(self, take: Callable[[], None], record: logging.LogRecord) -> None:
        try:
            take()
        except Exception:  # noqa: BLE001 - as in emit
            self._fail(record)

    def _fail(self, record: logging.LogRecord) -> None:
        self.dropped += 1
        with suppress(Exception):  # near the end of the stack, reporting fails too
            self.handleError(record)

    def _take_first(self, *values: Any) -> None:
        """Stands in for the sink until there is one."""
        if _start is None:
            self.dropped += 1
            return
        try:
            agent = _start(**self._options)
        except Exception:
            self._take = self._take_none  # once is enough
            raise
        self.agent, self._take = agent, agent.record
        agent.record(*values)

    def _take_none(self, *values: Any) -> None:
        self.dropped += 1

    def ask(self, level: int | None) -> None:
        """See the function `ask`; of one handler."""
        if level is None and not self._gates:
            self._asked = _NOBODY
            return
        with gate.lock:
            holders = [] if level is None else _holders(self)
            for logger in [logger for logger in self._gates if logger not in holders]:
                self._gates.pop(logger).restore(self)
            self._asked = _NOBODY if level is None else level
            for logger in holders:
                opened = self._gates[logger] = Gate.of(logger)
                opened.lower(self._asked, self)

    def close(self) -> None:
        """Give the loggers their levels back. What is in the agent stays there: see `zlog.flush`."""
        self.ask(None)
        super().close()


def _holders(handler: Handler) -> list[logging.Logger]:
    """The loggers of the tree that hold this handler."""
    manager = logging.Logger.manager
    loggers = [manager.root, *list(manager.loggerDict.values())]
    return [logger for logger in loggers if isinstance(logger, logging.Logger) and handler in logger.handlers]


def _after_fork() -> None:
    """A child has the gates closed (`zlog.gate` saw to that), and of the threads only this one."""
    _inside.clear()
    for handler in list(_handlers):
        handler.ask(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

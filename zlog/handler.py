"""`Handler`: what an application puts into `logging`, and `Sink`: what takes its records.

The handler makes text and attributes in the caller's thread and hands them on: no Formatter runs, no lock is taken
here, nothing is sent. It raises nothing into the application but what filters raise that the application gave it.

Which records arrive: those at or above the application's level, always. Those below, while a collector asks for them:
`ask` opens the gates (`zlog.gate`) of the loggers that hold a handler. They are looked up each time, so that a handler
which was added, removed or replaced by `dictConfig` meanwhile is noticed. A handler that no logger of the tree holds
(behind a QueueListener or a MemoryHandler) has no gate.

`pyre` and `zmq` log about shipping records: theirs are taken when the application's own level lets them through, never
because a collector asked, or each record shipped would make another one. What `zlog` says about itself is for the
application's other handlers: it is never shipped.
"""

from __future__ import annotations

import logging
import os
from _thread import get_ident
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from math import floor
from types import MethodType
from typing import Any, Final, Protocol
from weakref import WeakSet

from zlog import gate
from zlog.config import Settings
from zlog.errors import SettingsError
from zlog.gate import OUR_LEVEL, Demanded, Gate
from zlog.record import Site, attributes_of, text_of
from zlog.severity import LEVELS

__all__ = ["Handler", "Queue", "Sink", "adopt", "ask", "provide", "release"]

OURSELVES: Final = "zlog"
"""The top of our own loggers."""

ABOUT_SHIPPING: Final = frozenset({"zlog", "pyre", "zmq"})
"""Loggers, with all below them, whose records may come from shipping a record."""

MAX_WAITING: Final = 1_000
"""Records of one thread that can wait while the sink has the one before; it has it for a few microseconds."""

MAX_PLAIN: Final = 1_000
"""Characters of a text that nobody needs to look at before it is sent."""

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


class Queue(Protocol):
    """Where a sink may have a handler put plain records itself: `Sink.queue`, if it has one.

    Attributes:
        waiting: takes (severity, time in seconds, logger, text, attributes encoded, 0, None). Appending is atomic, so
            that no lock is needed, and nothing happens there that could log.
        limit: who finds so many waiting after appending calls `over`.
        tally: by severity what has to be called before a record is appended; None where there is nothing to call.
    """

    waiting: deque[Any]
    limit: int
    tally: list[Callable[[], object]] | None

    def over(self) -> None:
        """Wakes the sink if it sleeps; yields to it for a moment where many wait; drops a record where too many do.

        Never raises, and waits for nobody.
        """


_Take = Callable[[int, int, str, str, Mapping[str, Any]], None]
_Waiting = list[Callable[[], None]]

_handlers: WeakSet[Handler] = WeakSet()
_start: Callable[..., Sink] | None = None
_current: Sink | None = None
_inside: dict[int, _Waiting | None] = {}  # by thread that is inside a sink; None until something waits
_DELIVERING: Final[_Waiting] = []  # stands for: what waited is being handed on; what is logged meanwhile is dropped


def provide(start: Callable[..., Sink] | None) -> None:
    """Say where handlers get their sink that were made without: ``start(**options)``, at their first record."""
    global _start
    _start = start


def ask(agent: Sink, level: int | None, wanted: Sequence[tuple[int, str]] = ()) -> None:
    """What collectors ask of the handlers of this agent. Call it at each change, and each second while somebody asks.

    Args:
        agent: the sink.
        level: the lowest level of `logging` that anybody asks for, not below the floor; None when nobody asks.
        wanted: level and logger of each demand, where some are for one logger and those below it only; "" is all.
    """
    with gate.lock:
        handlers = list(_handlers)
    for handler in handlers:
        if handler.agent is agent:
            handler.ask(level, wanted)
    gate.refresh()


def adopt(agent: Sink) -> None:
    """This is the process's agent now: of all handlers that were made without one, and will be."""
    global _current
    with gate.lock:
        _current = agent
        handlers = list(_handlers)
    for handler in handlers:
        handler._adopt(agent)


def release(agent: Sink) -> None:
    """The process's agent has ended: its handlers get the next one at their next record."""
    global _current
    with gate.lock:
        _current = None if _current is agent else _current
        handlers = list(_handlers)
    for handler in handlers:
        if handler.agent is agent:
            handler._detach()


class _Sites:
    """The attributes of lines of code, found by three looks into dicts: half the time of `attributes_of`.

    Attributes:
        by_place: by name of the thread, file and line: name of the function, and what `attributes_of` gave.
    """

    def __init__(self) -> None:
        self.by_place: dict[str | None, dict[str, dict[int, tuple[str | None, Site]]]] = {}
        self._count = 0

    def attributes_of(self, record: logging.LogRecord) -> dict[str, Any]:
        """As `zlog.record.attributes_of`, and remembered if other records can share it."""
        attributes = attributes_of(record)
        if isinstance(attributes, Site) and record.name.partition(".")[0] != OURSELVES:
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

    Raises:
        SettingsError: an option isn't possible.

    Attributes:
        agent: what takes the records; None until there is one.
        minimum: the handler's level as the application set it.
        dropped: records that were not taken: logged by the sink itself, or by it or the agent failing.
    """

    def __init__(self, agent: Sink | None = None, level: int | str = logging.NOTSET, **options: Any) -> None:
        super().__init__(level)
        self.minimum = max(self.level, 0)
        self.level = OUR_LEVEL
        self.dropped = 0
        if options:
            Settings.read(options)  # now, and not when the first record comes
        self._options = options
        self._given = agent is not None
        self.agent: Sink | None
        self._take: _Take
        self._asked = _NOBODY
        self._wanted: tuple[tuple[int, str], ...] = ()  # empty where the level says it all
        self._gates: dict[logging.Logger, Gate] = {}
        if agent is None and _start is None:
            # Now: it provides `_start`. At the first record a fork in another thread could leave a child with a lock
            # of the import that nobody gives back.
            import_module("zlog.agent.process")
        with gate.lock:
            _handlers.add(self)
            self._use(agent if agent is not None else _current)

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
        try:
            if record.name.partition(".")[0] == OURSELVES:
                return False
            below = record.levelno < self.minimum
        except (AttributeError, TypeError):  # somebody made a LogRecord of anything
            self._fail(record)
            return False
        if below:
            return self._handle_asked(record)
        if self.filters:
            passed: bool | logging.LogRecord = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):  # from Python 3.12 on, a filter may replace it
                record = passed
        self.emit(record)
        return True

    def _short_way(self, queue: Queue) -> Callable[[logging.LogRecord], bool]:
        """`handle` for an agent with a queue: most records are plain, and need half the time."""
        waiting, tally, levels, by_place = queue.waiting, queue.tally, LEVELS, _by_place
        long_way: Callable[[logging.LogRecord], bool] = MethodType(Handler.handle, self)

        def handle(record: logging.LogRecord) -> bool:
            # All attributes before the look at __dict__: in CPython that makes each later one slower.
            text: Any = record.msg
            level = record.levelno
            if record.args or type(text) is not str or self.filters or type(level) is not int or level < self.minimum:
                return long_way(record)
            try:
                function, site = by_place[record.threadName][record.pathname][record.lineno]
                created = record.created
                values = levels[level], created, record.name, text, site.packed, 0, None
                plain = (
                    function == record.funcName
                    and not (record.exc_info or record.exc_text or record.stack_info)
                    and type(record) is _LogRecord
                    and type(created) is float
                    and len(text) < MAX_PLAIN
                    and len(record.__dict__) == _OWN_COUNT
                )
            except (KeyError, TypeError, AttributeError):  # the first of its place, or not quite a LogRecord
                return long_way(record)
            if not plain:
                return long_way(record)
            if tally is not None:
                tally[values[0]]()
            waiting.append(values)
            if len(waiting) >= queue.limit:
                queue.over()
            return True

        return handle

    def _use(self, agent: Sink | None) -> None:
        """Hand records to this agent from now on; without one, start the process's at the next record."""
        self.agent = agent
        self._take = agent.record if agent is not None else self._take_first
        queue = getattr(agent, "queue", None)
        kind = type(self)
        vars(self).pop("handle", None)
        if queue is not None and kind.emit is Handler.emit and kind.handle is Handler.handle:
            self.handle = self._short_way(queue)  # type: ignore[method-assign, assignment]

    def _handle_asked(self, record: logging.LogRecord) -> bool:
        """A record below the minimum, or one that exists by demand: then it shows its true level, but only here."""
        mark = record.levelno
        level = mark.level if isinstance(mark, Demanded) else mark
        if level < self._asked or record.name.partition(".")[0] in ABOUT_SHIPPING:
            return False
        if self._wanted and not _is_wanted(self._wanted, level, record.name):
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
                function, site = _by_place[record.threadName][record.pathname][record.lineno]
                attributes: dict[str, Any] = site
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
        try:
            assert _start is not None
            agent = _start(**self._options)
        except SettingsError as problem:  # such as a variable with a value that isn't possible
            self._take = self._take_none
            self.dropped += 1
            logging.getLogger(OURSELVES).error("nothing is shipped: %s", problem)
            return
        except Exception:
            self._take = self._take_none  # once is enough
            raise
        self._use(agent)
        agent.record(*values)

    def _adopt(self, agent: Sink) -> None:
        """See the function `adopt`; of one handler."""
        if not self._given:
            self._use(agent)

    def _detach(self) -> None:  # not `release`: that is the one of logging's own lock
        """See the function `release`; of one handler. One that was made with an agent keeps it."""
        if not self._given:
            self.ask(None)
            self._use(None)

    def _take_none(self, *values: Any) -> None:
        self.dropped += 1

    def ask(self, level: int | None, wanted: Sequence[tuple[int, str]] = ()) -> None:
        """See the function `ask`; of one handler."""
        self._wanted = () if any(lowest == level and not logger for lowest, logger in wanted) else tuple(wanted)
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


def _is_wanted(wanted: Sequence[tuple[int, str]], level: int, name: str) -> bool:
    """Whether a demand covers the logger: ``arm`` covers ``arm`` and ``arm.joint``, not ``army``."""
    return any(
        level >= lowest and (not logger or name == logger or name.startswith(f"{logger}.")) for lowest, logger in wanted
    )


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

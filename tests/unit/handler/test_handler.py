"""What the handler hands to its sink, and what can't break it."""

import contextlib
import logging
import logging.handlers
import queue
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from zlog import handler
from zlog.handler import MAX_WAITING, Handler

from .conftest import Printed, Recorder

root = logging.getLogger()


@pytest.fixture
def log(ours: Handler) -> logging.Logger:
    return logging.getLogger("app.db")


def test_a_record(log: logging.Logger, sink: Recorder) -> None:
    before = time.time_ns()
    log.warning("disk %s is at %d %%", "sda", 93)
    after = time.time_ns()
    taken = sink.taken[0]
    assert (taken.severity, taken.logger, taken.text) == (13, "app.db", "disk sda is at 93 %")
    assert before - 1_000 <= taken.time_ns <= after + 1_000  # LogRecord.created is a float
    assert taken.attributes["code.function.name"] == "test_a_record"
    assert taken.attributes["code.file.path"] == __file__
    assert taken.attributes["thread.name"] == "MainThread"


def test_extra_fields(log: logging.Logger, sink: Recorder) -> None:
    log.error("x", extra={"user": "eva", "count": 3})
    attributes = sink.taken[0].attributes
    assert (attributes["user"], attributes["count"]) == ("eva", 3)
    assert not [key for key in attributes if key in ("levelno", "msg", "args", "levelname")]


def test_what_formatters_of_others_leave_on_a_record_does_not_travel(printed: Printed, sink: Recorder) -> None:
    printed.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root.addHandler(Handler(sink))  # behind the other
    logging.getLogger("app").error("x", extra={"user": "eva"})
    assert not {"message", "asctime"} & sink.taken[0].attributes.keys()
    assert sink.taken[0].attributes["user"] == "eva"


def test_an_exception(log: logging.Logger, sink: Recorder) -> None:
    try:
        raise ValueError("no such disk")
    except ValueError:
        log.exception("failed")
    attributes = sink.taken[0].attributes
    assert attributes["exception.type"] == "ValueError"
    assert attributes["exception.message"] == "no such disk"
    assert "test_an_exception" in attributes["exception.stacktrace"]


def test_an_exception_without_traceback(log: logging.Logger, sink: Recorder) -> None:
    log.error("failed", exc_info=KeyError("k"))
    assert sink.taken[0].attributes["exception.type"] == "KeyError"
    log.exception("nothing was raised")
    assert "exception.type" not in sink.taken[1].attributes
    assert sink.taken[1].text == "nothing was raised"


def test_an_exception_that_only_a_collector_asked_for(
    log: logging.Logger, sink: Recorder, demand: Callable[[int | None], None]
) -> None:
    demand(logging.DEBUG)
    log.debug("failed", exc_info=ValueError("x"), stack_info=True, extra={"user": "eva"})
    attributes = sink.taken[0].attributes
    assert (attributes["exception.message"], attributes["user"]) == ("x", "eva")
    assert "test_handler.py" in attributes["code.stacktrace"]


@pytest.mark.parametrize(("message", "args"), [("%d", ("x",)), ("%s %s", (1,)), ("%", (1,)), ("%(a)s", ({"b": 1},))])
def test_a_bad_format_string(
    message: str, args: tuple[Any, ...], log: logging.Logger, sink: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    log.warning(message, *args)
    assert message in sink.texts[0]
    assert "bad log call" in sink.texts[0]
    assert capsys.readouterr().err == ""


def test_arguments_that_raise(log: logging.Logger, sink: Recorder) -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError("boom")

    log.warning("%s", Bad())
    log.warning(Bad())
    log.warning("x", extra={"bad": Bad()})
    assert "boom" in sink.texts[0]
    assert len(sink.taken) == 3


def test_messages_that_are_no_text(log: logging.Logger, sink: Recorder) -> None:
    log.warning(ValueError("an error"))
    log.warning(None)
    log.warning({"a": 1})
    log.warning("%s per cent", {"a": 1})
    assert sink.texts == ["an error", "None", "{'a': 1}", "{'a': 1} per cent"]


def test_lone_surrogates_and_long_texts(log: logging.Logger, sink: Recorder) -> None:
    log.warning("name \udc80 %s", "\ud800")
    log.warning("x" * 1_000_000)
    assert sink.texts[0].startswith("name ")
    assert len(sink.taken) == 2


def test_arguments_that_log(log: logging.Logger, sink: Recorder) -> None:
    class Talkative:
        def __str__(self) -> str:
            log.error("inner")
            return "outer"

    log.warning("%s", Talkative())
    assert sink.texts == ["inner", "outer"]


# --- levels and filters ----------------------------------------------------------------------------------------------


def test_a_level_of_the_handler_is_the_applications(
    sink: Recorder, printed: Printed, demand: Callable[[int | None], None], ours: Handler
) -> None:
    root.setLevel(logging.DEBUG)
    ours.setLevel("ERROR")
    log = logging.getLogger("app")
    log.debug("quiet")
    log.error("loud")
    demand(logging.INFO)
    log.debug("quiet")
    log.info("asked")
    logging.getLogger("zmq").info("about shipping")
    demand(None)
    log.info("quiet")
    assert sink.texts == ["loud", "asked"]
    assert len(printed.lines) == 6
    assert ours.minimum == logging.ERROR
    assert repr(ours) == "<Handler (ERROR)>"


def test_filters_of_ours_see_the_true_level(
    sink: Recorder, ours: Handler, printed: Printed, demand: Callable[[int | None], None]
) -> None:
    seen = []

    def even(record: logging.LogRecord) -> bool:
        seen.append((record.levelno, record.levelname))
        return record.args != (1,)

    ours.addFilter(even)
    demand(logging.DEBUG)
    for number in range(3):
        logging.getLogger("app").debug("%d", number)
    logging.getLogger("app").error("%d", 1)
    assert sink.texts == ["0", "2"]
    assert seen == [(10, "DEBUG")] * 3 + [(40, "ERROR")]
    assert len(printed.lines) == 1


def test_filters_that_add_to_a_record(sink: Recorder, ours: Handler, demand: Callable[[int | None], None]) -> None:
    def add(record: logging.LogRecord) -> bool:
        record.request = 7
        return True

    ours.addFilter(add)
    demand(logging.DEBUG)
    logging.getLogger("app").debug("x")
    logging.getLogger("app").error("x")
    assert [taken.attributes["request"] for taken in sink.taken] == [7, 7]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="filters replace records from Python 3.12 on")
def test_filters_that_replace_a_record(sink: Recorder, ours: Handler, demand: Callable[[int | None], None]) -> None:
    def replace(record: logging.LogRecord) -> Any:
        made = logging.makeLogRecord(record.__dict__)
        made.msg = "replaced"
        return made

    ours.addFilter(replace)
    demand(logging.DEBUG)
    logging.getLogger("app").debug("x")
    logging.getLogger("app").error("x")
    assert sink.texts == ["replaced"] * 2
    assert [taken.severity for taken in sink.taken] == [5, 17]


def test_a_subclass_may_override_emit(sink: Recorder) -> None:
    class Prefixed(Handler):
        def emit(self, record: logging.LogRecord) -> None:
            record.msg = f"> {record.msg}"
            super().emit(record)

    root.addHandler(Prefixed(sink))
    logging.getLogger("app").error("x")
    assert sink.texts == ["> x"]


def test_behind_a_queue(sink: Recorder) -> None:
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sender = logging.handlers.QueueHandler(records)
    root.addHandler(sender)
    listener = logging.handlers.QueueListener(records, Handler(sink))  # type: ignore[arg-type]  # typeshed: Queue only
    listener.start()
    logging.getLogger("app").error("x %d", 1, extra={"user": "eva"})
    listener.stop()
    assert sink.texts == ["x 1"]
    assert sink.taken[0].attributes["user"] == "eva"
    assert sink.taken[0].attributes["thread.name"] == "MainThread"


# --- sinks that fail or log ------------------------------------------------------------------------------------------


class Failing(Recorder):
    def record(self, *values: Any, **keywords: Any) -> None:
        raise OSError("the sink is broken")


def test_a_sink_that_raises_is_reported_as_logging_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Handler(Failing())
    root.addHandler(ours)
    logging.getLogger("app").error("x")
    assert "the sink is broken" in capsys.readouterr().err
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("app").error("x")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(sys, "stderr", None)
    logging.getLogger("app").error("x")
    assert ours.dropped == 3


def test_at_the_end_of_the_stack() -> None:
    """Neither the RecursionError nor what comes of reporting it reaches the application."""

    class Deep(Recorder):
        def record(self, *values: Any, **keywords: Any) -> None:
            self.record(*values, **keywords)

    ours = Handler(Deep())
    root.addHandler(ours)
    with contextlib.redirect_stderr(None):
        logging.getLogger("app").error("x")
    assert ours.dropped == 1


class Chatty(Recorder):
    """A sink that logs about each record it takes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.log = logging.getLogger(name)
        self.depth = 0

    def record(self, severity: int, time_ns: int, logger: str, text: str, attributes: Any, *more: Any) -> None:
        assert not self.depth, "entered twice by one thread"
        self.depth += 1
        self.log.error("took %r", text)
        super().record(severity, time_ns, logger, text, attributes)
        self.depth -= 1


@pytest.mark.parametrize("name", ["zlog", "zlog.agent", "pyre", "zmq.auth"])
def test_a_sink_that_logs_about_itself(name: str, printed: Printed) -> None:
    sink = Chatty(name)
    ours = Handler(sink)
    root.addHandler(ours)
    logging.getLogger("app").error("x")
    assert sink.texts == ["x"]
    assert ours.dropped == (0 if name.startswith("zlog") else 1)  # zlog's own isn't shipped in any case
    assert len(printed.lines) == 2  # others see it


def test_a_sink_that_logs_under_another_name() -> None:
    """It could be the application's: taken, after the first; but what that one causes is not."""
    sink = Chatty("elsewhere")
    ours = Handler(sink)
    root.addHandler(ours)
    for _ in range(3):
        logging.getLogger("app").error("x")
    assert sink.texts == ["x", "took 'x'"] * 3
    assert ours.dropped == 3


def test_what_interrupts_a_sink_is_not_lost() -> None:
    """A destructor or a signal handler that logs while the sink has its lock, even by demand."""

    class Interrupted(Recorder):
        def record(self, severity: int, time_ns: int, logger: str, text: str, attributes: Any, *more: Any) -> None:
            if text == "x":
                for number in range(3):
                    logging.getLogger("asyncio").debug("was never retrieved %d", number)
            super().record(severity, time_ns, logger, text, attributes)

    sink = Interrupted()
    root.addHandler(Handler(sink))
    handler.ask(sink, logging.DEBUG)
    logging.getLogger("app").error("x")
    assert sink.texts == ["x", *(f"was never retrieved {number}" for number in range(3))]
    assert [taken.severity for taken in sink.taken] == [17, 5, 5, 5]


def test_a_sink_that_logs_without_end_is_bounded() -> None:
    class Endless(Recorder):
        def record(self, severity: int, time_ns: int, logger: str, text: str, attributes: Any, *more: Any) -> None:
            super().record(severity, time_ns, logger, text, attributes)
            for _ in range(MAX_WAITING + 5 if text == "x" else 0):
                logging.getLogger("elsewhere").error("y")

    sink = Endless()
    ours = Handler(sink)
    root.addHandler(ours)
    logging.getLogger("app").error("x")
    assert len(sink.taken) == 1 + MAX_WAITING
    assert ours.dropped == 5


def test_two_handlers_whose_sinks_log() -> None:
    sinks = [Chatty("one"), Chatty("two")]
    for each in sinks:
        root.addHandler(Handler(each))
    logging.getLogger("app").error("x")
    for each in sinks:
        assert each.texts.count("x") == 1
        assert len(each.taken) <= 4


def test_a_sink_that_fails_while_others_wait(capsys: pytest.CaptureFixture[str]) -> None:
    class Half(Recorder):
        def record(self, severity: int, time_ns: int, logger: str, text: str, attributes: Any, *more: Any) -> None:
            if text in ("x", "y0"):
                if text == "x":
                    for number in range(3):
                        logging.getLogger("elsewhere").error(f"y{number}")
                raise OSError("broken")
            super().record(severity, time_ns, logger, text, attributes)

    sink = Half()
    ours = Handler(sink)
    root.addHandler(ours)
    logging.getLogger("app").error("x")
    logging.getLogger("app").error("z")
    assert sink.texts == ["y1", "y2", "z"]
    assert ours.dropped == 2


def test_an_interrupt_passes_and_leaves_nothing_behind(sink: Recorder) -> None:
    class Interrupted(Recorder):
        def record(self, severity: int, time_ns: int, logger: str, text: str, attributes: Any, *more: Any) -> None:
            if text == "x":
                raise KeyboardInterrupt
            super().record(severity, time_ns, logger, text, attributes)

    sink = Interrupted()
    root.addHandler(Handler(sink))
    with pytest.raises(KeyboardInterrupt):
        logging.getLogger("app").error("x")
    logging.getLogger("app").error("y")
    assert sink.texts == ["y"]


# --- without an agent ------------------------------------------------------------------------------------------------


def test_the_agent_is_started_at_the_first_record(sink: Recorder) -> None:
    started: list[Mapping[str, Any]] = []

    def start(**options: Any) -> Recorder:
        started.append(options)
        return sink

    handler.provide(start)
    ours = Handler(name="robot", floor="debug")
    root.addHandler(ours)
    logging.getLogger("app").debug("not enabled")
    assert not started
    for _ in range(2):
        logging.getLogger("app").error("x")
    assert started == [{"name": "robot", "floor": "debug"}]
    assert ours.agent is sink
    assert sink.texts == ["x", "x"]
    handler.ask(sink, logging.DEBUG)
    logging.getLogger("app").debug("asked")
    assert sink.texts[2:] == ["asked"]


def test_an_agent_that_logs_while_it_starts(sink: Recorder) -> None:
    def start() -> Recorder:
        logging.getLogger("app").error("starting")
        return sink

    handler.provide(start)
    root.addHandler(Handler())
    logging.getLogger("app").error("x")
    assert sink.texts == ["x", "starting"]


def test_an_agent_that_does_not_start_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    def start() -> Recorder:
        raise OSError("no network")

    handler.provide(start)
    ours = Handler()
    root.addHandler(ours)
    for _ in range(3):
        logging.getLogger("app").error("x")
    assert capsys.readouterr().err.count("OSError: no network") == 1
    assert ours.dropped == 3


def test_a_variable_that_is_not_possible_costs_one_line(monkeypatch: pytest.MonkeyPatch, printed: Printed) -> None:
    from zlog.agent import process

    monkeypatch.setenv("ZLOG_FLOOR", "loud")
    monkeypatch.setattr(process, "_agent", None)
    handler.provide(lambda **options: process.start(**options))
    ours = Handler()
    root.addHandler(ours)
    for _ in range(3):
        logging.getLogger("app").error("x")
    assert ours.dropped == 3
    (line,) = [line for line in printed.lines if "nothing is shipped" in line]
    assert "ZLOG_FLOOR" in line

"""The gate's promise: a collector gets what it asks for, and nobody else notices. Each trap of it is a test."""

import io
import logging
import logging.config
import unittest
from collections.abc import Callable
from typing import Any

import pytest

from zlog import gate, handler
from zlog.gate import Gate, Lowered, application_level
from zlog.handler import Handler

from .conftest import Printed, Recorder

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
Demand = Callable[[int | None], None]
root = logging.getLogger()


def log_all(name: str = "app.db", text: str = "x") -> None:
    log = logging.getLogger(name)
    for level in (5, DEBUG, INFO, WARNING, ERROR):
        log.log(level, "%s %d", text, level)


def test_a_demand_brings_what_is_below_the_level_and_ends(sink: Recorder, demand: Demand) -> None:
    log_all()
    assert sink.texts == ["x 30", "x 40"]
    demand(DEBUG)
    log_all(text="asked")
    assert sink.texts[2:] == ["asked 10", "asked 20", "asked 30", "asked 40"]
    assert [taken.severity for taken in sink.taken[2:]] == [5, 9, 13, 17]
    demand(None)
    log_all(text="after")
    assert sink.texts[6:] == ["after 30", "after 40"]


def test_the_logger_has_its_own_level_back_at_once(demand: Demand) -> None:
    demand(DEBUG)
    assert root.level == DEBUG
    demand(None)
    assert root.level == WARNING
    assert type(root.level) is int
    assert not root.isEnabledFor(INFO)


def test_the_factory_is_taken_out_later(demand: Demand, settle: Callable[[], None]) -> None:
    factory = logging.getLogRecordFactory()
    demand(DEBUG)
    demand(None)
    assert logging.getLogRecordFactory() is not factory  # for threads that have passed isEnabledFor
    settle()
    assert logging.getLogRecordFactory() is factory
    assert not gate._gates


def test_nothing_of_ours_is_on_the_way_of_a_call_below_the_level(demand: Demand, settle: Callable[[], None]) -> None:
    """What costs a disabled level is a look into the logger's cache, which finds a plain False."""
    log = logging.getLogger("app")
    demand(DEBUG)
    assert log.isEnabledFor(DEBUG)
    demand(None)
    assert log.isEnabledFor(DEBUG) is False
    assert log._cache == {DEBUG: False}  # type: ignore[attr-defined]
    settle()
    assert log._cache == {DEBUG: False}  # type: ignore[attr-defined]


def test_a_demand_can_change_both_ways(sink: Recorder, demand: Demand) -> None:
    demand(INFO)
    log_all()
    assert sink.texts == ["x 20", "x 30", "x 40"]
    demand(DEBUG)
    log_all()
    assert len(sink.taken) == 3 + 4
    demand(INFO)
    log_all()
    assert len(sink.taken) == 3 + 4 + 3


def test_a_demand_never_raises_the_level(sink: Recorder, demand: Demand) -> None:
    demand(ERROR)
    log_all()
    assert sink.texts == ["x 30", "x 40"]
    assert type(root.level) is int


def test_every_handler_gets_what_it_got_before(printed: Printed, demand: Demand) -> None:
    log_all()
    before = printed.lines
    demand(1)
    log_all()
    assert printed.lines == before * 2
    demand(None)
    log_all()
    assert printed.lines == before * 3


@pytest.mark.parametrize("on", ["", "app", "app.db"])
@pytest.mark.parametrize("level", [logging.NOTSET, DEBUG, WARNING])
def test_also_one_that_is_added_later(on: str, level: int, sink: Recorder, demand: Demand) -> None:
    demand(DEBUG)
    later = Printed()
    later.setLevel(level)
    logging.getLogger(on).addHandler(later)
    log_all()
    assert later.lines == ["WARNING 30 app.db x 30", "ERROR 40 app.db x 40"]
    assert len(sink.taken) == 4


def test_a_handler_before_ours_and_one_behind(sink: Recorder) -> None:
    first, last = Printed(), Printed()
    for each in (first, Handler(sink), last):
        root.addHandler(each)
    handler.ask(sink, DEBUG)
    log_all()
    assert first.lines == last.lines == ["WARNING 30 app.db x 30", "ERROR 40 app.db x 40"]


def test_a_logger_with_a_level_of_its_own_is_left_alone(sink: Recorder, printed: Printed, demand: Demand) -> None:
    logging.getLogger("app").setLevel(INFO)
    demand(DEBUG)
    log_all()
    assert logging.getLogger("app").level == INFO
    assert sink.texts == ["x 20", "x 30", "x 40"]
    assert printed.lines == ["INFO 20 app.db x 20", "WARNING 30 app.db x 30", "ERROR 40 app.db x 40"]


def test_a_logger_that_is_more_talkative_by_itself_prints_as_before(printed: Printed, demand: Demand) -> None:
    """Its records are below the root's level, yet the application's, not the collector's."""
    logging.getLogger("app").setLevel(DEBUG)
    demand(DEBUG)
    log_all("app.db")
    assert printed.lines[0] == "DEBUG 10 app.db x 10"
    assert len(printed.lines) == 4


def test_logging_disable_wins(sink: Recorder, demand: Demand) -> None:
    logging.disable(INFO)
    demand(DEBUG)
    log_all()
    assert sink.texts == ["x 30", "x 40"]
    logging.disable(logging.NOTSET)
    log_all()
    assert len(sink.texts) == 2 + 4


def test_a_disabled_logger_stays_so(sink: Recorder, demand: Demand) -> None:
    logging.getLogger("app.db").disabled = True
    demand(DEBUG)
    log_all()
    assert not sink.taken


def test_a_subtree_that_does_not_propagate(sink: Recorder, demand: Demand) -> None:
    log, its_own = logging.getLogger("app"), Printed()
    log.propagate = False
    log.addHandler(its_own)
    log_all()
    before = its_own.lines
    demand(DEBUG)
    log_all()
    assert its_own.lines == before * 2
    assert not sink.taken  # the application keeps it from our handler, as before


def test_a_subtree_that_does_not_propagate_and_holds_our_handler(sink: Recorder, printed: Printed) -> None:
    log, its_own = logging.getLogger("app"), Printed()
    log.propagate = False
    log.addHandler(its_own)
    log.addHandler(Handler(sink))
    handler.ask(sink, DEBUG)
    log_all()
    assert len(its_own.lines) == 2
    assert len(sink.taken) == 4
    assert type(root.level) is int
    assert log.level == DEBUG
    handler.ask(sink, None)
    assert log.level == logging.NOTSET
    assert not printed.lines


def test_a_logger_without_a_level_follows_its_parent_while_it_is_lowered(sink: Recorder, printed: Printed) -> None:
    logging.getLogger("app").addHandler(Handler(sink))
    handler.ask(sink, DEBUG)
    root.setLevel(ERROR)
    log_all()
    assert printed.lines == ["ERROR 40 app.db x 40"]
    assert len(sink.taken) == 4
    assert application_level(logging.getLogger("app.db")) == ERROR
    root.setLevel(INFO)
    log_all()
    assert len(printed.lines) == 1 + 3
    handler.ask(sink, None)
    assert application_level(logging.getLogger("app.db")) == INFO


def test_two_handlers_of_two_agents_on_one_logger(printed: Printed) -> None:
    talkative, quiet = Recorder(), Recorder()
    root.addHandler(Handler(talkative))
    root.addHandler(Handler(quiet))
    for _ in range(3):
        handler.ask(talkative, DEBUG)
        handler.ask(quiet, INFO)
    log_all()
    assert len(talkative.taken) == 4
    assert len(quiet.taken) == 3
    handler.ask(talkative, None)
    log_all()
    assert len(talkative.taken) == 4 + 2
    assert len(quiet.taken) == 3 + 3
    assert root.level == INFO
    handler.ask(quiet, None)
    assert type(root.level) is int
    assert len(printed.lines) == 4


def test_two_gates_one_below_the_other(printed: Printed) -> None:
    above, below = Recorder(), Recorder()
    root.addHandler(Handler(above))
    logging.getLogger("app").addHandler(Handler(below))
    handler.ask(above, INFO)
    handler.ask(below, DEBUG)
    handler.ask(above, INFO)
    log_all()
    assert len(above.taken) == 3
    assert len(below.taken) == 4
    handler.ask(above, None)
    log_all()
    assert len(above.taken) == 3 + 2
    assert len(below.taken) == 4 + 4
    handler.ask(below, None)
    assert logging.getLogger("app").level == logging.NOTSET
    assert len(printed.lines) == 4


# --- levels that the application sets meanwhile ----------------------------------------------------------------------


@pytest.mark.parametrize("level", [DEBUG, INFO, ERROR])
def test_what_the_application_sets_while_lowered_is_its_level(
    level: int, sink: Recorder, printed: Printed, demand: Demand
) -> None:
    demand(DEBUG)
    root.setLevel(level)  # also the very level that it was lowered to
    demand(DEBUG)  # the agent's next second
    log_all()
    assert [line for line in printed.lines if int(line.split()[1]) < level] == []
    assert len(printed.lines) == len([each for each in (5, DEBUG, INFO, WARNING, ERROR) if each >= level])
    assert len(sink.taken) == 4
    demand(None)
    assert root.level == level
    assert type(root.level) is int


def test_it_counts_from_the_moment_it_is_set(printed: Printed, demand: Demand) -> None:
    demand(DEBUG)
    log_all()
    root.setLevel(INFO)
    log_all()
    assert len(printed.lines) == 2 + 3


def test_a_level_raised_later_under_a_standing_demand(sink: Recorder, printed: Printed, demand: Demand) -> None:
    root.setLevel(DEBUG)
    demand(DEBUG)
    assert type(root.level) is int  # nothing to lower
    root.setLevel(ERROR)
    demand(DEBUG)
    log_all()
    assert printed.lines == ["ERROR 40 app.db x 40"]
    assert len(sink.taken) == 4


def test_caplog_puts_a_lowered_value_back_after_the_demand_has_ended(
    caplog: pytest.LogCaptureFixture, sink: Recorder, printed: Printed, demand: Demand
) -> None:
    demand(DEBUG)
    with caplog.at_level(ERROR):
        demand(None)
        assert root.level == ERROR
    assert isinstance(root.level, Lowered)  # it saved ours
    assert not root.isEnabledFor(INFO)
    log_all()
    assert printed.lines == ["WARNING 30 app.db x 30", "ERROR 40 app.db x 40"]
    assert sink.texts == ["x 30", "x 40"]
    demand(DEBUG)
    demand(None)
    assert root.level == WARNING
    assert type(root.level) is int


def test_caplog_within_a_demand(
    caplog: pytest.LogCaptureFixture, sink: Recorder, printed: Printed, demand: Demand
) -> None:
    demand(DEBUG)
    with caplog.at_level(INFO):
        log_all()
    assert len(printed.lines) == 3
    log_all()
    assert len(printed.lines) == 3 + 2
    assert len(sink.taken) == 3 + 4
    demand(None)
    assert type(root.level) is int
    assert root.level == WARNING


def test_caplog_puts_a_value_of_an_earlier_demand_back_into_a_later_one(
    caplog: pytest.LogCaptureFixture, sink: Recorder, printed: Printed, demand: Demand
) -> None:
    demand(DEBUG)
    with caplog.at_level(ERROR):
        demand(None)
        demand(INFO)
    assert root.level == DEBUG
    log_all()
    assert len(printed.lines) == 2
    demand(INFO)
    log_all()
    assert len(printed.lines) == 2 + 2
    assert sink.texts[-3:] == ["x 20", "x 30", "x 40"]
    demand(None)
    assert root.level == WARNING


def test_assert_logs_while_lowered(sink: Recorder, printed: Printed, demand: Demand) -> None:
    """It replaces the logger's handlers and level, and puts both back."""
    demand(DEBUG)
    with unittest.TestCase().assertLogs(level=INFO) as seen:
        log_all()
        demand(DEBUG)
        log_all()
    assert len(seen.output) == 6
    demand(DEBUG)
    log_all()
    assert len(sink.taken) == 4
    assert len(printed.lines) == 2
    demand(None)
    assert type(root.level) is int
    assert root.level == WARNING


def test_assert_logs_that_outlives_the_demand(printed: Printed, demand: Demand) -> None:
    demand(DEBUG)
    with unittest.TestCase().assertLogs(level=INFO):
        log_all()
        demand(None)
    log_all()
    assert len(printed.lines) == 2


def test_a_lowered_level_that_was_copied_to_other_places(sink: Recorder, printed: Printed, demand: Demand) -> None:
    """As in ``log.setLevel(logging.getLogger().level)``: it means what the root's level means, also afterwards."""
    demand(DEBUG)
    copied = logging.getLogger("app")
    copied.setLevel(root.level)
    log_all()
    assert len(printed.lines) == 2
    assert len(sink.taken) == 4
    demand(None)
    log_all()
    assert len(printed.lines) == 2 + 2
    assert len(sink.taken) == 4 + 2
    assert not copied.isEnabledFor(INFO)


def test_levels_of_the_applications_own(sink: Recorder, printed: Printed, demand: Demand) -> None:
    root.setLevel(25)
    demand(15)
    log = logging.getLogger("app")
    for level in (14, 15, 24, 25, 1000):
        log.log(level, "x")
    assert [line.split()[2] for line in printed.lines] == ["25", "1000"]
    assert [taken.severity for taken in sink.taken] == [7, 11, 11, 24]


# --- handlers that come and go ---------------------------------------------------------------------------------------


def test_dict_config_takes_our_handler_away(sink: Recorder, printed: Printed, demand: Demand) -> None:
    demand(DEBUG)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}})
    assert root.level == WARNING  # the configuration does not say; it is what it was
    assert type(root.level) is int
    demand(DEBUG)
    assert type(root.level) is int
    root.addHandler(printed)
    log_all()
    assert len(printed.lines) == 2
    assert not sink.taken


def test_dict_config_puts_a_new_one_in_under_a_standing_demand(sink: Recorder, demand: Demand) -> None:
    demand(DEBUG)
    handlers = {"zlog": {"()": lambda: Handler(sink)}}
    logging.config.dictConfig({"version": 1, "handlers": handlers, "root": {"handlers": ["zlog"], "level": "ERROR"}})
    demand(DEBUG)
    log_all("other")
    assert len(sink.taken) == 4
    demand(None)
    assert root.level == ERROR


def test_a_handler_that_is_removed(ours: Handler, printed: Printed, demand: Demand) -> None:
    demand(DEBUG)
    root.removeHandler(ours)
    log_all()
    assert len(printed.lines) == 2
    demand(DEBUG)
    assert root.level == WARNING
    assert type(root.level) is int


def test_a_handler_that_moves(ours: Handler, sink: Recorder, demand: Demand) -> None:
    demand(DEBUG)
    root.removeHandler(ours)
    logging.getLogger("app").addHandler(ours)
    demand(DEBUG)
    assert type(root.level) is int
    log_all()
    log_all("elsewhere")
    assert len(sink.taken) == 4


def test_no_handler_at_all_says_nothing(ours: Handler, demand: Demand, capsys: pytest.CaptureFixture[str]) -> None:
    demand(DEBUG)
    root.removeHandler(ours)
    logging.getLogger("app").debug("not to the last resort")
    assert capsys.readouterr().err == ""


def test_close_gives_the_level_back(ours: Handler, demand: Demand) -> None:
    demand(DEBUG)
    ours.close()
    assert root.level == WARNING
    assert type(root.level) is int


# --- factories of others ---------------------------------------------------------------------------------------------


class Tagged(logging.LogRecord):
    pass


def plain_factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
    return Tagged(*args, **kwargs)


def chained(previous: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = previous(*args, **kwargs)
        record.request = 7
        return record

    return factory


def test_a_factory_set_before_makes_the_records(sink: Recorder, printed: Printed, demand: Demand) -> None:
    logging.setLogRecordFactory(chained(plain_factory))
    demand(DEBUG)
    log_all()
    assert [taken.attributes["request"] for taken in sink.taken] == [7] * 4
    assert len(printed.lines) == 2


@pytest.mark.parametrize("warm", [False, True])
def test_a_factory_set_after_that_calls_ours(
    warm: bool, sink: Recorder, printed: Printed, demand: Demand, settle: Callable[[], None]
) -> None:
    demand(DEBUG)
    if warm:
        log_all()
    foreign = chained(logging.getLogRecordFactory())
    logging.setLogRecordFactory(foreign)
    log_all()
    assert len(printed.lines) == 2 + 2 * warm
    assert [taken.attributes["request"] for taken in sink.taken[-4:]] == [7] * 4
    demand(None)
    settle()
    assert logging.getLogRecordFactory() is foreign
    log_all()
    assert len(printed.lines) == 4 + 2 * warm


@pytest.mark.parametrize("warm", [False, True])
def test_a_factory_set_after_that_does_not_call_ours(
    warm: bool, sink: Recorder, printed: Printed, demand: Demand, settle: Callable[[], None]
) -> None:
    """Not one record escapes: isEnabledFor looks whether ours is still there, also when its answer is cached."""
    demand(DEBUG)
    if warm:
        log_all()
    logging.setLogRecordFactory(plain_factory)
    log_all()
    assert len(printed.lines) == 2 + 2 * warm
    assert len(sink.taken) == 4 + 4 * warm
    demand(None)
    settle()
    assert logging.getLogRecordFactory() is plain_factory


def test_a_factory_that_is_put_back_after_the_demand(
    sink: Recorder, printed: Printed, demand: Demand, settle: Callable[[], None]
) -> None:
    demand(DEBUG)
    saved = logging.getLogRecordFactory()  # ours
    logging.setLogRecordFactory(plain_factory)
    demand(None)
    settle()
    logging.setLogRecordFactory(saved)
    log_all()
    demand(DEBUG)
    assert logging.getLogRecordFactory() is saved  # and not wrapped once more
    log_all()
    assert len(printed.lines) == 4
    assert len(sink.taken) == 2 + 4


def test_factories_do_not_pile_up(demand: Demand, settle: Callable[[], None]) -> None:
    demand(DEBUG)
    foreign = chained(logging.getLogRecordFactory())
    logging.setLogRecordFactory(foreign)
    for _ in range(50):
        demand(DEBUG)
        logging.getLogger("app").debug("x")
        demand(None)
        settle()
    assert logging.getLogRecordFactory() is foreign


def test_our_factory_may_be_called_as_log_record_is(demand: Demand) -> None:
    demand(DEBUG)
    factory = logging.getLogRecordFactory()
    record = factory(name="app", level=ERROR, pathname="p", lineno=1, msg="m", args=(), exc_info=None)
    assert record.levelno == ERROR
    made = logging.makeLogRecord({"levelno": DEBUG, "msg": "from a socket"})
    assert (made.levelno, made.getMessage()) == (DEBUG, "from a socket")


def test_a_record_from_a_socket_goes_to_all_handlers(sink: Recorder, printed: Printed, demand: Demand) -> None:
    """Logger.handle asks no level; so it was without a demand."""
    made = {"name": "far", "levelno": DEBUG, "levelname": "DEBUG", "msg": "from a socket"}
    demand(DEBUG)
    logging.getLogger("far").handle(logging.makeLogRecord(made))
    assert printed.lines == ["DEBUG 10 far from a socket"]
    assert sink.texts == ["from a socket"]


def test_a_logger_outside_the_tree(printed: Printed, demand: Demand) -> None:
    demand(DEBUG)
    log = logging.Logger("of its own")  # some libraries do
    log.addHandler(printed)
    log.debug("x")
    assert printed.lines == ["DEBUG 10 of its own x"]


def test_a_subclass_of_logger_with_set_level_of_its_own(sink: Recorder) -> None:
    class Loud(logging.Logger):
        def setLevel(self, level: int | str) -> None:  # noqa: N802
            super().setLevel(level)
            for each in self.handlers:
                each.setLevel(level)

    logging.setLoggerClass(Loud)
    try:
        log = logging.getLogger("loud")
    finally:
        logging.setLoggerClass(logging.Logger)
    foreign = Printed()
    log.addHandler(foreign)
    log.addHandler(Handler(sink))
    log.setLevel(WARNING)
    handler.ask(sink, DEBUG)
    log_all("loud")
    handler.ask(sink, None)
    assert foreign.level == WARNING
    assert len(sink.taken) == 4
    assert len(foreign.lines) == 2


# --- filters and look-ups


def test_filters_of_the_logger_still_decide(sink: Recorder, demand: Demand) -> None:
    logging.getLogger("app.db").addFilter(lambda record: "20" not in record.getMessage())
    demand(DEBUG)
    log_all()
    assert sink.texts == ["x 10", "x 30", "x 40"]


def test_is_enabled_for_says_yes_while_somebody_asks(demand: Demand) -> None:
    """So that ``if log.isEnabledFor(DEBUG): log.debug(expensive())`` works for the collector too."""
    log = logging.getLogger("app")
    assert not log.isEnabledFor(DEBUG)
    demand(DEBUG)
    assert log.isEnabledFor(DEBUG)
    assert log.isEnabledFor(DEBUG) == True  # noqa: E712 - somebody writes this
    assert log.isEnabledFor(WARNING) is True
    assert log.isEnabledFor(5) is False
    assert log.getEffectiveLevel() == DEBUG


def test_adapters(sink: Recorder, printed: Printed, demand: Demand) -> None:
    demand(DEBUG)
    logging.LoggerAdapter(logging.getLogger("app"), {"user": "eva"}).debug("x")
    assert sink.taken[0].attributes["user"] == "eva"
    assert not printed.lines


def test_records_about_shipping_are_no_answer_to_a_demand(sink: Recorder, printed: Printed, demand: Demand) -> None:
    demand(DEBUG)
    for name in ("zlog", "zlog.agent", "pyre", "pyre.node", "zmq.auth"):
        log_all(name)
    assert {taken.severity for taken in sink.taken} == {13, 17}  # the application's level lets these through
    log_all("zlogger")
    assert len(sink.taken) == 6 + 4  # of those of zlog itself, none


def test_what_zlog_says_about_itself_is_not_shipped(sink: Recorder, printed: Printed) -> None:
    log_all("zlog.agent")
    assert sink.taken == []
    assert len(printed.lines) == 2  # WARNING and ERROR, as the application's level has it


def test_the_gate_alone(sink: Recorder) -> None:
    app = Gate.of(logging.getLogger("app"))
    app.lower(DEBUG)
    assert Gate.of(logging.getLogger("app")) is app
    assert app.application == logging.NOTSET
    assert app.logger.isEnabledFor(DEBUG)
    app.lower(0, owner="somebody else")
    assert app.logger.level == 1
    app.restore("somebody else")
    assert app.logger.level == DEBUG
    app.restore()
    app.restore()
    assert app.logger.level == logging.NOTSET


def test_the_last_resort_is_as_before(
    sink: Recorder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our handler alone on a lower logger; the root has none."""
    monkeypatch.setattr(root, "handlers", [])
    logging.getLogger("app").addHandler(Handler(sink))
    handler.ask(sink, DEBUG)
    logging.getLogger("elsewhere").warning("to the last resort")
    logging.getLogger("app").warning("to us")
    assert capsys.readouterr().err == "to the last resort\n"


def test_stream_handlers_print_the_same_bytes(demand: Demand) -> None:
    """With a demand and without, over all levels, with handlers of many levels on many loggers."""

    def run() -> bytes:
        stream = io.StringIO()
        added = []
        for name, level in (("", 0), ("", 20), ("app", 10), ("app.db", 0), ("app.db", 40), ("other", 35)):
            each = logging.StreamHandler(stream)
            each.setLevel(level)
            each.setFormatter(logging.Formatter(f"{name}/{level} %(levelname)s %(name)s %(message)s"))
            logging.getLogger(name).addHandler(each)
            added.append((name, each))
        for name in ("app", "app.db", "app.db.rows", "other", "root", "zlog.x"):
            for level in range(0, 60):
                logging.getLogger(name).log(level, "record %d", level)
        for name, each in added:
            logging.getLogger(name).removeHandler(each)
        return stream.getvalue().encode()

    logging.getLogger("app.db").setLevel(22)
    without = run()
    demand(1)
    assert run() == without
    demand(None)
    assert run() == without

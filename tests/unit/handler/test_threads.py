"""Threads that log while demands come and go, and processes that fork."""

import asyncio
import io
import logging
import logging.config
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zlog import gate, handler
from zlog.gate import Gate
from zlog.handler import Handler

from .conftest import Printed, Recorder

root = logging.getLogger()
ROUNDS = 300


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def run_all(threads: list[threading.Thread]) -> None:
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
        assert not each.is_alive()


@pytest.mark.usefixtures("eager_switching")
def test_no_record_by_demand_escapes_while_demands_come_and_go(sink: Recorder, ours: Handler, printed: Printed) -> None:
    """In particular not one whose thread had passed isEnabledFor when the demand ended."""
    done = threading.Event()
    counts = []

    def work(name: str) -> None:
        log, count = logging.getLogger(name), 0
        while not done.is_set():
            log.debug("asked")
            log.warning("always")
            count += 1
        counts.append(count)

    def ask() -> None:
        for _ in range(ROUNDS):
            handler.ask(sink, logging.DEBUG)
            handler.ask(sink, logging.INFO)
            handler.ask(sink, None)
        done.set()

    run_all(
        [*(threading.Thread(target=work, args=(f"app.{number}",)) for number in range(3)), threading.Thread(target=ask)]
    )
    levels = [line.split()[0] for line in printed.lines]
    assert set(levels) == {"WARNING"}
    assert len(levels) == sum(counts)
    assert sink.texts.count("always") == sum(counts)
    assert root.level == logging.WARNING


@pytest.mark.usefixtures("eager_switching")
def test_configuring_and_asking_do_not_wait_for_each_other(sink: Recorder) -> None:
    """dictConfig closes handlers with logging's lock held; asking sets levels, which takes it."""
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"ours": {"()": lambda: Handler(sink)}},
        "root": {"handlers": ["ours"], "level": "WARNING"},
    }

    def configure() -> None:
        for _ in range(ROUNDS):
            logging.config.dictConfig(config)

    def ask() -> None:
        for number in range(ROUNDS):
            handler.ask(sink, (logging.DEBUG, None)[number % 2])

    def work() -> None:
        for _ in range(ROUNDS):
            logging.getLogger("app").debug("x")

    run_all([threading.Thread(target=target) for target in (configure, ask, work)])
    handler.ask(sink, None)
    assert root.level == logging.WARNING
    assert type(root.level) is int


def test_each_thread_in_order_and_by_name(sink: Recorder, ours: Handler) -> None:
    def work() -> None:
        for number in range(ROUNDS):
            logging.getLogger("app").error("%d", number)

    run_all([threading.Thread(target=work, name=f"worker {number}") for number in range(4)])
    for number in range(4):
        mine = [taken.text for taken in sink.taken if taken.attributes["thread.name"] == f"worker {number}"]
        assert mine == [str(each) for each in range(ROUNDS)]


def test_a_thread_inside_the_sink_does_not_hold_up_others() -> None:
    inside, leave = threading.Event(), threading.Event()

    class Slow(Recorder):
        def record(self, severity: int, time_ns: int, logger: str, text: str, attributes: Any, *more: Any) -> None:
            if text == "slow":
                inside.set()
                assert leave.wait(60)
            super().record(severity, time_ns, logger, text, attributes)

    sink = Slow()
    root.addHandler(Handler(sink))
    slow = threading.Thread(target=logging.getLogger("app").error, args=("slow",))
    slow.start()
    assert inside.wait(60)
    logging.getLogger("app").error("fast")
    assert sink.texts == ["fast"]
    leave.set()
    slow.join(60)
    assert sink.texts == ["fast", "slow"]


def test_asyncio(sink: Recorder, ours: Handler, demand: Callable[[int | None], None]) -> None:
    async def work(name: str) -> None:
        for number in range(10):
            logging.getLogger(name).debug("%d", number)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work(f"app.{number}") for number in range(5)))

    demand(logging.DEBUG)
    asyncio.run(main())
    assert len([taken for taken in sink.taken if taken.logger.startswith("app")]) == 50


# --- fork ------------------------------------------------------------------------------------------------------------


def in_child(check: Callable[[], None]) -> None:
    """Run it in a forked child; what it raises fails the test."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            check()
        except BaseException as error:  # noqa: BLE001 - reported by the parent
            os.write(writing, (repr(error) or "error").encode()[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        problem = pipe.read().decode()
    os.waitpid(pid, 0)
    assert not problem


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
def test_nobody_asks_a_forked_child(sink: Recorder, ours: Handler, demand: Callable[[int | None], None]) -> None:
    demand(logging.DEBUG)

    def check() -> None:
        assert root.level == logging.WARNING
        assert type(root.level) is int
        stream = io.StringIO()
        root.addHandler(logging.StreamHandler(stream))
        logging.getLogger("app").debug("x")
        logging.getLogger("app").error("y")
        assert sink.texts == ["y"]
        assert stream.getvalue() == "y\n"
        handler.ask(sink, logging.INFO)  # but its own agent may
        logging.getLogger("app").info("z")
        assert sink.texts == ["y", "z"]

    in_child(check)
    assert root.level == logging.DEBUG  # the parent's is as it was
    logging.getLogger("app").debug("x")
    assert sink.texts == ["x"]


@needs_fork
def test_a_gate_without_handler_in_a_forked_child() -> None:
    Gate.of(root).lower(logging.DEBUG)

    def check() -> None:
        assert type(root.level) is int
        assert not Gate.of(root)._asked

    in_child(check)
    Gate.of(root).restore()


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_is_inside_the_sink() -> None:
    """The child has no such thread: one that gets its number must not be taken for it."""
    inside, leave = threading.Event(), threading.Event()

    class Slow(Recorder):
        def record(self, severity: int, time_ns: int, logger: str, text: str, attributes: Any, *more: Any) -> None:
            if text == "slow":
                inside.set()
                assert leave.wait(60)
            super().record(severity, time_ns, logger, text, attributes)

    sink = Slow()
    root.addHandler(Handler(sink))
    slow = threading.Thread(target=logging.getLogger("app").error, args=("slow",))
    slow.start()
    assert inside.wait(60)

    def check() -> None:
        assert not handler._inside
        logging.getLogger("app").error("in the child")
        assert sink.texts == ["in the child"]

    in_child(check)
    leave.set()
    slow.join(60)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forks_while_another_thread_asks(sink: Recorder, ours: Handler) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            handler.ask(sink, logging.DEBUG)
            handler.ask(sink, None)

    asking = threading.Thread(target=ask)
    asking.start()

    def check() -> None:
        assert type(root.level) is int
        logging.getLogger("app").error("x")
        assert sink.texts[-1] == "x"
        assert not gate._gates or all(each.current is None for each in gate._gates.values())

    try:
        for _ in range(20):
            in_child(check)
    finally:
        done.set()
        asking.join(60)

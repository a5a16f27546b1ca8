"""The handler in dictConfig and fileConfig, by its public path."""

import io
import logging
import logging.config
from typing import Any

import pytest

import zlog
from zlog import handler

from .conftest import Recorder

root = logging.getLogger()


@pytest.fixture
def options(sink: Recorder) -> list[dict[str, Any]]:
    """What agents were started with."""
    started: list[dict[str, Any]] = []

    def start(**given: Any) -> Recorder:
        started.append(given)
        return sink

    handler.provide(start)
    return started


def test_dict_config(sink: Recorder, options: list[dict[str, Any]]) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "filters": {"no passwords": {"()": lambda: lambda record: "password" not in record.getMessage()}},
            "formatters": {"ignored": {"format": "%(message)s"}},
            "handlers": {
                "network": {
                    "class": "zlog.Handler",
                    "level": "INFO",
                    "formatter": "ignored",
                    "filters": ["no passwords"],
                    "floor": "debug",
                    "collectors": ["tcp://192.0.2.1:5670"],
                }
            },
            "root": {"handlers": ["network"], "level": "DEBUG"},
        }
    )
    log = logging.getLogger("app")
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        log.log(level, "level %d", level)
    log.error("password 1234")
    assert sink.texts == ["level 20", "level 40"]
    assert options == [{"floor": "debug", "collectors": ["tcp://192.0.2.1:5670"]}]
    assert isinstance(root.handlers[-1], zlog.Handler)
    assert root.handlers[-1].name == "network"


def test_incremental(sink: Recorder, options: list[dict[str, Any]]) -> None:
    handlers = {"network": {"class": "zlog.Handler"}}
    logging.config.dictConfig({"version": 1, "handlers": handlers, "root": {"handlers": ["network"], "level": "INFO"}})
    logging.getLogger("app").info("x")
    logging.config.dictConfig({"version": 1, "incremental": True, "handlers": {"network": {"level": "ERROR"}}})
    logging.getLogger("app").info("y")
    assert sink.texts == ["x"]


def test_file_config(sink: Recorder, options: list[dict[str, Any]]) -> None:
    logging.config.fileConfig(
        io.StringIO(
            """
[loggers]
keys=root
[handlers]
keys=network
[formatters]
keys=
[logger_root]
level=DEBUG
handlers=network
[handler_network]
class=zlog.Handler
level=INFO
kwargs={"name": "robot"}
"""
        ),
        disable_existing_loggers=False,
    )
    logging.getLogger("app").debug("x")
    logging.getLogger("app").info("y")
    assert sink.texts == ["y"]
    assert options == [{"name": "robot"}]


def test_basic_config(sink: Recorder) -> None:
    logging.basicConfig(handlers=[zlog.Handler(sink)], level=logging.INFO, force=True)
    logging.getLogger("app").info("x")
    assert sink.texts == ["x"]
    logging.shutdown()  # flushes and closes; the handler goes on, as others do
    logging.getLogger("app").info("y")
    assert sink.texts == ["x", "y"]

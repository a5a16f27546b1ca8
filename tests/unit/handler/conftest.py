"""What the tests of gate and handler share: a sink that keeps what it gets, and `logging` put back as it was."""

import io
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from zlog import gate, handler
from zlog.handler import Handler


@dataclass
class Taken:
    """One record as a sink gets it."""

    severity: int
    time_ns: int
    logger: str
    text: str
    attributes: dict[str, Any]


@dataclass(eq=False)
class Recorder:
    """A sink that keeps what it gets."""

    taken: list[Taken] = field(default_factory=list)

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
        self.taken.append(Taken(severity, time_ns, logger, text, dict(attributes)))

    @property
    def texts(self) -> list[str]:
        return [taken.text for taken in self.taken]


class Printed(logging.StreamHandler[io.StringIO]):
    """A handler of somebody else's."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(logging.Formatter("%(levelname)s %(levelno)s %(name)s %(message)s"))

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Without pytest's own handlers on the root logger: they format each record, and raise where it can't be."""
    root = logging.getLogger()
    theirs = [each for each in root.handlers if type(each).__module__ == "_pytest.logging"]
    for each in theirs:
        root.removeHandler(each)
    try:
        return (yield)
    finally:
        for each in theirs:
            root.addHandler(each)


@pytest.fixture(autouse=True)
def plain_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`logging` as a fresh process has it, and as it was afterwards. No gate may outlive its test."""
    root, manager = logging.getLogger(), logging.Logger.manager
    ours = logging.getLogger("zlog")  # there now, or a dictConfig could disable it for good
    saved = root.level, root.handlers[:], dict(manager.loggerDict), logging.getLogRecordFactory(), manager.disable
    disabled = {name: each.disabled for name, each in saved[2].items() if isinstance(each, logging.Logger)}
    handlers = logging._handlers.copy(), logging._handlerList[:]  # type: ignore[attr-defined]  # dictConfig clears them
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    kept = ours.propagate, ours.handlers[:], ours.level  # a command that ran here has taken its lines to stderr
    ours.propagate, ours.handlers[:] = True, []
    ours.setLevel(logging.NOTSET)
    yield
    ours.propagate, ours.handlers[:] = kept[0], kept[1]
    ours.setLevel(kept[2])
    for left in list(handler._handlers):
        left.close()
    monkeypatch.setattr(gate, "SETTLE_S", 0.0)
    gate.refresh()
    assert not gate._gates
    root.handlers[:] = saved[1]
    logging.setLogRecordFactory(saved[3])
    logging.disable(saved[4])
    for name in manager.loggerDict.keys() - saved[2].keys():
        del manager.loggerDict[name]
    for name, was in disabled.items():  # dictConfig disables those that exist
        logging.getLogger(name).disabled = was
    root.setLevel(saved[0])
    handler.provide(None)
    logging._handlers.update(handlers[0])  # type: ignore[attr-defined]
    logging._handlerList[:] = handlers[1]  # type: ignore[attr-defined]


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


@pytest.fixture
def ours(sink: Recorder) -> Handler:
    """Our handler on the root logger, whose level is WARNING."""
    ours = Handler(sink)
    logging.getLogger().addHandler(ours)
    return ours


@pytest.fixture
def printed() -> Printed:
    """Somebody else's handler on the root logger."""
    foreign = Printed()
    logging.getLogger().addHandler(foreign)
    return foreign


@pytest.fixture
def demand(sink: Recorder, ours: Handler) -> Callable[[int | None], None]:
    """``demand(level)``: a collector asks for it; ``demand(None)``: it is gone."""
    return lambda level: handler.ask(sink, level)


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the moment pass after which the factory is taken out."""

    def passed() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(gate, "SETTLE_S", 0.0)
            gate.refresh()

    return passed

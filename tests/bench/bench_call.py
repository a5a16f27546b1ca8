"""What a call that logs costs the application: ours beside what there is.

    python tests/bench/bench_call.py [--rounds N] [--count N] [--only TEXT]... [--json]

100 octets of text. Contenders take turns in every round, so that a noisy machine is noisy for all. Figures are medians
over the rounds in ns per call. A ratio is the median of the ratios within each round, to the first contender of its
group; the spread is half the distance of the ratios' quartiles, in percent. Compare ratios, not figures of different
runs.

- **below**: calls below the logger's level. "after a demand" means that a collector had asked for them and is gone.
- **enabled**: calls at the level. Ours with a **null** sink is the handler alone; **journal only** is a whole agent
  that nobody listens to, **one collector** one that streams to a collector in another process. Both have a thread in
  this process, whose work counts as far as it takes the interpreter's lock from the calls. The factory is that of the
  gate, which is there while a collector asks, and counts for every handler of the process.
- **args**: the same with arguments to be formatted, which NullHandler and a disabled level never do.

SocketHandler sends to a process on the loopback, PUBHandler has nobody. The others take part where
they are installed: `pip install picologging structlog loguru opentelemetry-sdk fluent-logger`. No beacon is sent.
"""

import argparse
import contextlib
import importlib
import json
import logging
import logging.handlers
import queue
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from zlog import gate, handler
from zlog.agent import Agent
from zlog.config import Settings
from zlog.handler import Handler

TEXT: Final = "The quick brown fox jumps over the lazy dog while 1234567 bottles of beer stand on the wall of shame."[
    :100
]
ARGS: Final = (
    "The quick brown fox %s over the lazy dog while %d bottles of beer stand on the wall",
    "jumps",
    1_234_567,
)
GOALS: Final = {
    "ours, nobody asks": 1.1,
    "ours, after a demand": 1.1,
    "ours, journal only": 1.2,
    "ours, one collector": 1.25,
}

DISCARD: Final = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
while connection.recv(1 << 20):
    pass
"""


@dataclass
class Contender:
    """One way to log.

    Attributes:
        group: contenders of one group are compared with its first.
        call: what is measured.
        args: of the call.
        around: entered for each turn, outside of the measurement.
    """

    group: str
    name: str
    call: Callable[..., object]
    args: tuple[Any, ...] = (TEXT,)
    around: Callable[[], AbstractContextManager[object]] = nullcontext


class NullSink:
    """Takes records and does nothing."""

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
        """See `zlog.handler.Sink`."""


COLLECT: Final = """
import sys, zlog
with zlog.Collector(discover=False, bind="tcp://127.0.0.1:*", view=True) as collector:
    print(collector.sync, flush=True)
    sys.stdin.read()
"""


@contextmanager
def delivered(agent: Agent) -> Iterator[None]:
    """The next contender doesn't pay for what this one left to do."""
    yield
    agent.deliver(10)


def make_logger(name: str, each: logging.Handler, level: int = logging.INFO) -> logging.Logger:
    """A logger with just this handler."""
    log = logging.getLogger(f"bench.{name}")
    log.propagate = False
    log.setLevel(level)
    log.addHandler(each)
    return log


def settle() -> None:
    """Let the moment pass after which the gate takes its factory out."""
    kept, gate.SETTLE_S = gate.SETTLE_S, 0.0
    gate.refresh()
    gate.SETTLE_S = kept


def below() -> Iterator[Contender]:
    """Calls below the level."""
    yield Contender("below", "disabled level", make_logger("disabled", logging.NullHandler()).debug)
    yield Contender("below", "ours, nobody asks", make_logger("idle", Handler(NullSink())).debug)
    sink = NullSink()
    log = make_logger("after", Handler(sink))
    handler.ask(sink, logging.DEBUG)
    log.debug(TEXT)
    handler.ask(sink, None)
    settle()
    yield Contender("below", "ours, after a demand", log.debug)


def at_the_level(stack: ExitStack) -> Iterator[Contender]:
    """Calls at the level."""
    asked = NullSink()
    elsewhere = make_logger("elsewhere", Handler(asked))

    @contextmanager
    def demand() -> Iterator[None]:
        handler.ask(asked, logging.DEBUG)
        yield
        handler.ask(asked, None)
        settle()

    null = make_logger("null", logging.NullHandler())
    ours = make_logger("ours.null", Handler(NullSink()))
    alone = stack.enter_context(Agent(Settings(name="bench", discover=False, exit_timeout_s=1)))
    journaling = make_logger("ours.journal", Handler(alone))
    process = subprocess.Popen(
        [sys.executable, "-c", COLLECT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stack.callback(process.kill)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    linked = stack.enter_context(Agent(Settings(name="bench", discover=False, collectors=(address,))))
    if not linked.wait_link(10):
        raise SystemExit("the collector was not linked")
    sending = make_logger("ours.sending", Handler(linked))
    arrive = partial(delivered, linked)
    yield Contender("enabled", "NullHandler", null.info)
    yield Contender("enabled", "NullHandler, with the factory", null.info, around=demand)
    yield Contender("enabled", "ours, null sink", ours.info)
    yield Contender("enabled", "ours, journal only", journaling.info)
    yield Contender("enabled", "ours, one collector", sending.info, around=arrive)
    yield Contender("enabled", "ours, asked by a collector", elsewhere.debug, around=demand)
    yield from standard(stack)
    yield from installed(stack)
    yield Contender("args", "NullHandler", null.info, ARGS)
    yield Contender("args", "ours, null sink", ours.info, ARGS)
    yield Contender("args", "ours, journal only", journaling.info, ARGS)


def standard(stack: ExitStack) -> Iterator[Contender]:
    """What the standard library and pyzmq have."""
    records: queue.SimpleQueue[object] = queue.SimpleQueue()

    @contextmanager
    def drain() -> Iterator[None]:
        yield
        while not records.empty():
            records.get()

    queued = logging.handlers.QueueHandler(records)
    yield Contender("enabled", "QueueHandler", make_logger("queue", queued).info, around=drain)

    command = [sys.executable, "-c", DISCARD]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    assert process.stdout is not None
    sender = logging.handlers.SocketHandler("127.0.0.1", int(process.stdout.readline()))
    stack.callback(sender.close)
    yield Contender("enabled", "SocketHandler", make_logger("socket", sender).info)

    from zmq import PUB, Context
    from zmq.log.handlers import PUBHandler

    context = stack.enter_context(Context())
    publisher = stack.enter_context(context.socket(PUB))
    publisher.bind_to_random_port("tcp://127.0.0.1")
    yield Contender("enabled", "pyzmq PUBHandler, nobody", make_logger("pub", PUBHandler(publisher)).info)

    discard = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    discard.bind(("127.0.0.1", 0))  # what nobody reads is dropped
    syslog = logging.handlers.SysLogHandler(discard.getsockname())
    stack.callback(syslog.close)
    yield Contender("enabled", "SysLogHandler, UDP", make_logger("syslog", syslog).info)

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    to_file = logging.FileHandler(Path(folder, "log"))
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    stack.callback(to_file.close)
    yield Contender("enabled", "FileHandler", make_logger("file", to_file).info)


def installed(stack: ExitStack) -> Iterator[Contender]:
    """What is installed of the rest."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    with contextlib.suppress(ImportError):
        picologging: Any = importlib.import_module("picologging")
        to_file = picologging.FileHandler(str(Path(folder, "picologging")))
        to_file.setFormatter(picologging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        stack.callback(to_file.close)
        log = picologging.Logger("bench", picologging.INFO)
        log.addHandler(to_file)
        yield Contender("enabled", "picologging, file", log.info)
    with contextlib.suppress(ImportError):
        structlog: Any = importlib.import_module("structlog")
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(),
            structlog.processors.JSONRenderer(),
        ]
        output = Path(folder, "structlog").open("w", encoding="utf-8")  # noqa: SIM115 - closed by the stack
        stack.callback(output.close)
        log = structlog.wrap_logger(structlog.WriteLogger(output), processors=processors).bind()
        yield Contender("enabled", "structlog, JSON to a file", log.info)
    with contextlib.suppress(ImportError):
        loguru: Any = importlib.import_module("loguru")
        loguru.logger.remove()
        loguru.logger.add(Path(folder, "loguru"), level="INFO")
        stack.callback(loguru.logger.remove)
        yield Contender("enabled", "loguru, file", loguru.logger.info)
    yield from otel(stack)
    yield from fluentd(stack)


def otel(stack: ExitStack) -> Iterator[Contender]:
    """OpenTelemetry's SDK, in batches, to an exporter that drops them."""
    with contextlib.suppress(ImportError):
        logs: Any = importlib.import_module("opentelemetry.sdk._logs")
        export: Any = importlib.import_module("opentelemetry.sdk._logs.export")

        class Drop(export.LogExporter):  # type: ignore[misc]
            def export(self, batch: Any) -> Any:
                return export.LogExportResult.SUCCESS

            def shutdown(self) -> None:
                pass

            def force_flush(self, timeout_millis: int = 0) -> bool:
                return True

        provider = logs.LoggerProvider()
        provider.add_log_record_processor(export.BatchLogRecordProcessor(Drop()))
        stack.callback(provider.shutdown)
        yield Contender(
            "enabled",
            "OpenTelemetry SDK, batches",
            make_logger("otel", logs.LoggingHandler(logger_provider=provider)).info,
        )


def fluentd(stack: ExitStack) -> Iterator[Contender]:
    """fluent-logger's handler with a thread, to a process that drops all."""
    with contextlib.suppress(ImportError):
        fluent: Any = importlib.import_module("fluent.asynchandler")
        process = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", DISCARD], stdout=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        handler = fluent.FluentHandler("bench", host="127.0.0.1", port=port, queue_maxsize=10_000, queue_circular=True)
        stack.callback(handler.close)
        yield Contender("enabled", "fluent-logger, async", make_logger("fluent", handler).info)


def measure(contender: Contender, count: int) -> float:
    """ns for one call."""
    call = contender.call
    with contender.around():
        if contender.args == (TEXT,):
            text = TEXT
            began = time.perf_counter_ns()
            for _ in range(count):
                call(text)
        else:
            message, word, number = contender.args
            began = time.perf_counter_ns()
            for _ in range(count):
                call(message, word, number)
        return (time.perf_counter_ns() - began) / count


def run(rounds: int, count: int, only: list[str]) -> list[dict[str, Any]]:
    """A row for each contender."""
    with ExitStack() as stack:
        contenders = [*below(), *at_the_level(stack)]
        first = {each.group: each for each in reversed(contenders)}
        contenders = [
            each
            for each in contenders
            if each is first[each.group] or not only or any(word in each.name for word in only)
        ]
        samples: dict[int, list[float]] = {id(each): [] for each in contenders}
        for number in range(rounds + 1):
            for each in contenders:
                taken = measure(each, count * 10 if each.group == "below" else count)
                if number:  # the first is for warming up
                    samples[id(each)].append(taken)
    rows = []
    for each in contenders:
        times = samples[id(each)]
        base = samples[id(first[each.group])]
        low, ratio, high = statistics.quantiles([ours / theirs for ours, theirs in zip(times, base, strict=True)], n=4)
        rows.append(
            {
                "group": each.group,
                "name": each.name,
                "ns": statistics.median(times),
                "ratio": ratio,
                "spread_percent": 100 * (high - low) / 2 / ratio,
                "goal": GOALS.get(each.name) if each.group != "args" else None,
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a call that logs costs the application.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds to take the median of (default: 15)")
    parser.add_argument(
        "--count", type=int, default=5_000, help="calls per round, tenfold below the level (default: 5000)"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="contenders with this in their name"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if args.rounds < 2 or args.count < 1:
        parser.error("at least 2 rounds of 1 call")
    rows = run(args.rounds, args.count, args.only)
    if args.json:
        python = sys.version.split()[0]
        print(json.dumps({"python": python, "rounds": args.rounds, "count": args.count, "results": rows}, indent=2))
        return
    print(f"Python {sys.version.split()[0]}, {args.rounds} rounds of {args.count}; ns per call, ratio in the group")
    group = ""
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            print(f"\n{group}")
        goal = f"  goal ≤ {row['goal']}" if row["goal"] else ""
        print(f"  {row['name']:<32}{row['ns']:>9.0f}{row['ratio']:>8.2f} ±{row['spread_percent']:>3.0f}%{goal}")


if __name__ == "__main__":
    main()

"""What a record costs on its way: from a LogRecord to a batch in the journal, and from a BATCH to records.

    python tests/bench/bench_record.py [--rounds N] [--json]

Text of 100 octets, the places of 20 lines of code. All steps take turns in every round, so that a noisy machine is
noisy for all; the figures are medians over the rounds in ns per record, the spread is half the distance of the
quartiles, in percent. Compare ratios, not figures of different runs.

- **a disabled level** and **NullHandler** are what `logging` itself costs: the yardsticks.
- **in the call** is what a handler adds for `zlog`: attributes, text, numbers, encoding.
- **by json** is what a handler without us would do: the same fields as a dict, by json.dumps.
"""

import argparse
import json
import logging
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from zlog.core.batches import Batch, Cutter, Run
from zlog.core.intervals import Intervals
from zlog.core.journal import Cursor, Journal
from zlog.record import Record, attributes_of, encode_values, text_of
from zlog.severity import LEVELS
from zlog.wire import body, zre_log_msg

COUNT: Final = 2_560
TIME_NS: Final = 1_763_625_607_123_456_789
NODE: Final = uuid.UUID("3a60e6850a1e4cc15f3bfd4b42bc6b3e")
ARGUMENTS: Final = ("10.0.0.7", 12, 0.25)
MESSAGE: Final = "request of %s for /api/v1/joints/%d/positions answered in %.3f seconds, cache was cold, user is alice"

Action = Callable[[], object]


class Keep(logging.Handler):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def handle(self, record: logging.LogRecord) -> bool:
        self.seen.append(record)
        return True


def log_records() -> list[logging.LogRecord]:
    """What `logging` makes of calls."""
    logger, keep = logging.Logger("arm.joint"), Keep()
    logger.addHandler(keep)
    for number in range(COUNT):
        logger.info(MESSAGE, *ARGUMENTS)
        keep.seen[-1].lineno = number % 20
    return keep.seen


def encode_all(records: list[logging.LogRecord]) -> list[bytes]:
    """What is done in the application's call."""
    run = Run(NODE, 1)
    made = []
    for record in records:
        severity = LEVELS[record.levelno]
        ordinal, _ = run.number(severity)
        made.append(
            encode_values(ordinal, TIME_NS, severity, record.name, text_of(record), 0, None, attributes_of(record))
        )
    return made


def cut_all(encoded: list[bytes]) -> list[Batch]:
    """What the agent's thread does."""
    cutter = Cutter(Run(NODE, 1), "rover-2", "arm", 4711)
    made: list[Batch] = []
    for number, octets in enumerate(encoded, 1):
        made += cutter.add(9, number, number, TIME_NS, octets, 0)
    return made + cutter.flush()


def journal_all(batches: list[Batch]) -> None:
    """Append each batch to a journal that is full, and read it by a cursor."""
    journal = Journal(40_000)
    cursor = Cursor(journal)
    for batch in batches:
        journal.append(batch, 0)
        assert cursor.take() is batch


def by_json(records: list[logging.LogRecord]) -> list[str]:
    """The same fields, without us."""
    return [
        json.dumps(
            {
                "time": record.created,
                "level": record.levelname,
                "logger": record.name,
                "text": record.getMessage(),
                "path": record.pathname,
                "line": record.lineno,
                "function": record.funcName,
                "thread": record.threadName,
            }
        )
        for record in records
    ]


def steps() -> dict[str, Action]:
    """Each step, for COUNT records."""
    records = log_records()
    plain = [encode_values(n + 1, TIME_NS + n, 9, "arm.joint", "x" * 100, 0, None, {}) for n in range(COUNT)]
    encoded = encode_all(records)
    batches = cut_all(encoded)
    messages: list[Any] = [zre_log_msg.decode(batch.frame) for batch in batches]
    disabled, null = logging.Logger("a", logging.ERROR), logging.Logger("b")
    null.addHandler(logging.NullHandler())

    def calls(logger: logging.Logger) -> None:
        info = logger.info
        for _ in range(COUNT):
            info(MESSAGE, *ARGUMENTS)

    def intervals() -> None:
        held = Intervals()
        for number in range(1, COUNT):
            held.missing(number, number + 1)
            held.add(number, number + 1)

    def values(attributes: dict[str, Any]) -> Action:
        def action() -> None:
            for number in range(1, COUNT):
                encode_values(number, TIME_NS, 9, "arm.joint", "x" * 100, 0, None, attributes)

        return action

    def unpack_plain(codec_and_body: tuple[int, bytes]) -> Action:
        return lambda: [body.unpack(*codec_and_body, 256) for _ in range(COUNT // 256)]

    def structs() -> list[Record]:
        return [Record(n + 1, TIME_NS, 9, "arm.joint", "text", 0, None, {}) for n in range(COUNT)]

    return {
        "a disabled level": lambda: calls(disabled),
        "NullHandler": lambda: calls(null),
        "in the call": lambda: encode_all(records),
        "  attributes_of": lambda: [attributes_of(record) for record in records],
        "  text_of": lambda: [text_of(record) for record in records],
        "  encode, shared attributes": values(attributes_of(records[0])),
        "  encode, no attributes": values({}),
        "encode, four attributes": values({"a": 1, "b": "text", "c": 0.5, "d": None}),
        "encode, a nested attribute": values({"a": [1, 2, {"k": "v"}]}),
        "by json": lambda: by_json(records),
        "cut and compress": lambda: cut_all(encoded),
        "journal and cursor": lambda: journal_all(batches),
        "unpack": lambda: [body.records_of(message) for message in messages],
        "unpack, no attributes": unpack_plain(body.pack(plain[:256])),
        "make a Record": structs,
        "intervals, one by one": intervals,
    }


def run(rounds: int) -> dict[str, dict[str, float]]:
    """Median and spread of each step."""
    actions = steps()
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, action in actions.items():
            began = time.perf_counter_ns()
            action()
            samples.setdefault(name, []).append((time.perf_counter_ns() - began) / COUNT)
    result = {}
    for name, times in samples.items():
        low, median, high = statistics.quantiles(times, n=4)
        result[name] = {"ns": median, "spread_percent": 100 * (high - low) / 2 / median}
    return result


def sizes() -> dict[str, float]:
    """Octets per record: text, encoded, and in a frame."""
    records = log_records()
    encoded = encode_all(records)
    frames = sum(batch.size for batch in cut_all(encoded))
    text = sum(len(record.getMessage()) for record in records)
    return {"text": text / COUNT, "encoded": sum(map(len, encoded)) / COUNT, "frame": frames / COUNT}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a record costs on its way.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds to take the median of (default: 15)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if args.rounds < 2:
        parser.error("at least 2 rounds")
    result, octets = run(args.rounds), sizes()
    if args.json:
        print(json.dumps({"results": result, "octets": octets}, indent=2))
        return
    print(f"Python {sys.version.split()[0]}, {args.rounds} rounds of {COUNT}; ns per record, median ± spread\n")
    null = result["NullHandler"]["ns"]
    for name, figures in result.items():
        share = figures["ns"] / null
        print(f"{name:<30}{figures['ns']:>8.0f} ±{figures['spread_percent']:>3.0f}%{share:>8.2f} of NullHandler")
    print("\noctets per record: " + ", ".join(f"{name} {value:.0f}" for name, value in octets.items()))


if __name__ == "__main__":
    main()

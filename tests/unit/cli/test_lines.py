"""Records as lines: aligned, escaped, coloured or not."""

import re
from datetime import UTC
from typing import Any

import pytest

from zlog.cli.lines import Lines, Paint, attributes_of
from zlog.collector.stores import Loss
from zlog.record import Stored

NS = 1_000_000_000
T0 = 1_763_625_607 * NS + 123_456_789  # 2025-11-20 08:00:07


def record(**fields: Any) -> Stored:
    given = {
        "node": "3a" * 16,
        "epoch": 1,
        "range": 9,
        "sequence": 1,
        "ordinal": 1,
        "time_ns": T0,
        "severity": 9,
        "logger": "arm.joint",
        "text": "ready",
        "host": "rover",
        "name": "arm",
    }
    return Stored(**(given | fields))


def lines(**options: Any) -> Lines:
    return Lines(Paint(options.pop("colors", False)), host="rover", zone=UTC, **options)


def test_a_line() -> None:
    line = lines().record(record(attributes={"joint": 3, "note": "two words", "code.line.number": 12}))
    assert line == '2025-11-20 08:00:07.123 INFO   arm         arm.joint     ready  joint=3 note="two words"'


def test_columns_grow_and_stay() -> None:
    printer = lines(dates=False)
    printer.record(record(name="a-rather-long-name", logger="a.rather.long.logger"))
    second = printer.record(record())
    assert second == "08:00:07.123 INFO   arm                 arm.joint             ready"
    printer.record(record(name="n" * 100, logger="l" * 100))
    assert printer.record(record()).index("ready") < 90


def test_a_record_of_another_host_says_so() -> None:
    assert " arm@base " in lines().record(record(host="base"))
    assert " 3a3a3a3a " in lines().record(record(name=""))


def test_a_new_day_has_a_line_of_its_own() -> None:
    printer = lines(dates=False)
    assert printer.record(record()).startswith("08:00:07.123")
    assert printer.record(record(time_ns=T0 + NS)).startswith("08:00:08.123")
    assert printer.record(record(time_ns=T0 + 86_400 * NS)).startswith("── 2025-11-21 ──\n08:00:07.123")


@pytest.mark.parametrize("time_ns", [0, 2**63 - 1])
def test_times_that_no_calendar_has(time_ns: int) -> None:
    assert "ready" in lines().record(record(time_ns=time_ns))


def test_nothing_in_a_record_reaches_the_terminal_as_a_command() -> None:
    bad = "\x1b[2J\x07\x9b31m\u202e\r\x00"
    line = lines().record(
        record(
            text=bad, logger=bad, name=bad, host=bad, attributes={bad: bad, "list": [bad], "exception.stacktrace": bad}
        )
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", line)


def test_further_lines_are_set_off() -> None:
    shown = lines().record(record(text="one\ntwo", attributes={"exception.stacktrace": "Traceback\n  File\n"}))
    assert shown.split("\n")[1:] == [" " * 13 + each for each in ("│ two", "│ Traceback", "│   File")]


def test_colors() -> None:
    shown = lines(colors=True).record(record(severity=17, attributes={"joint": 3}))
    assert "\x1b[31;1mERROR\x1b[0m" in shown
    assert "\x1b[2mjoint=3\x1b[0m" in shown
    assert re.sub("\x1b\\[[0-9;]*m", "", shown) == lines().record(record(severity=17, attributes={"joint": 3}))
    assert lines(colors=True).record(record()).count("\x1b[0m") == 4


def test_verbose_shows_all() -> None:
    shown = lines(verbose=True).record(record(attributes={"code.line.number": 12}, pid=4711))
    assert shown.endswith(f"code.line.number=12 host=rover pid=4711 node={'3a' * 16}")


def test_values() -> None:
    attributes = {"text": "plain", "empty": "", "quoted": 'a"b', "number": 1.5, "none": None, "yes": True, "raw": b"\1"}
    attributes |= {"list": [1, "two"], "equals": "a=b"}
    assert " ".join(attributes_of(attributes)) == (
        'text=plain empty="" quoted="a\\"b" number=1.5 none=null yes=true raw=0x01 list=[1, "two"] equals="a=b"'
    )


def test_losses() -> None:
    loss = Loss("3a" * 16, 1, 9, 10, 22, 1, T0)
    assert lines().loss(loss, "arm") == (
        "2025-11-20 08:00:07.123 LOST  12 INFO records of arm: evicted sequence 10 to 21"
    )
    assert lines(dates=False).loss(Loss("3a" * 16, 1, 17, 10, 11, 99, T0)) == (
        f"08:00:07.123 LOST  1 ERROR record of {'3a' * 16}: cause 99 sequence 10"
    )

"""Severities against the text of protocol/README.md, section 7.5."""

import logging

import pytest

from zlog import severity


def by_the_text(level: int) -> int:
    if level < 10:
        return 1
    base = max(b for b in (10, 20, 30, 40, 50) if b <= level)
    d = level - base
    plus = 0 if d == 0 else 1 if d <= 3 else 2 if d <= 6 else 3
    return {10: 5, 20: 9, 30: 13, 40: 17, 50: 21}[base] + plus


def test_from_level_is_the_rule_of_the_text():
    for level in range(-100, 2000):
        assert severity.from_level(level) == by_the_text(level), level


def test_the_table_does_not_grow():
    size = len(severity.LEVELS)
    assert severity.from_level(10**9) == 24
    assert severity.from_level(-(10**30)) == 1
    assert len(severity.LEVELS) == size


def test_levels_that_are_no_ints_have_a_severity_too():
    assert severity.from_level(20.0) == 9  # type: ignore[arg-type] # a LogRecord can have it
    assert severity.from_level(25.5) == 11  # type: ignore[arg-type]
    assert severity.from_level(True) == 1


@pytest.mark.parametrize(
    ("level", "name"),
    [(0, "TRACE"), (10, "DEBUG"), (20, "INFO"), (25, "INFO3"), (30, "WARN"), (40, "ERROR"), (50, "FATAL")],
)
def test_names_of_levels(level, name):
    assert severity.name(severity.from_level(level)) == name


def test_every_severity_from_5_on_has_a_level_of_its_own():
    for number in range(5, 25):
        assert severity.from_level(severity.to_level(number)) == number
    levels = [severity.to_level(number) for number in range(1, 25)]
    assert levels == sorted(set(levels))
    assert [severity.to_level(first) for first in severity.RANGES[1:]] == [10, 20, 30, 40, 50]


def test_ranges():
    for number in range(1, 25):
        first = severity.range_of(number)
        assert first in severity.RANGES
        assert first <= number < first + 4
        assert severity.RANGES[severity.range_index(number)] == first
        assert severity.name(number).startswith(severity.NAMES[severity.range_index(number)])


@pytest.mark.parametrize("number", [0, 25, -1, 255])
@pytest.mark.parametrize("function", ["range_of", "range_index", "name", "to_level", "to_log_level"])
def test_what_is_no_severity(function, number):
    with pytest.raises(ValueError, match=f"{number} is no severity"):
        getattr(severity, function)(number)


def test_levels_of_log():
    assert [severity.to_log_level(first) for first in severity.RANGES] == [0, 0, 3, 2, 1, 1]
    assert severity.to_log_level(20) == 1
    assert [severity.from_log_level(level) for level in range(6)] == [9, 17, 13, 9, 9, 9]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("info", 9),
        ("INFO", 9),
        (" Info4 ", 12),
        ("warn", 13),
        ("warning", 13),
        ("WARN2", 14),
        ("error", 17),
        ("critical", 21),
        ("fatal", 21),
        ("fatal4", 24),
        ("trace", 1),
        ("notset", 1),
        ("17", 17),
        ("1", 1),
        ("24", 24),
    ],
)
def test_parse(text, number):
    assert severity.parse(text) == number


@pytest.mark.parametrize("text", ["", "0", "25", "30", "-1", "loud", "info5", "1.5", "٣", "9" * 10_000])
def test_parse_says_what_is_possible(text):
    with pytest.raises(ValueError, match=r"is no level; possible are trace, debug, info, warn, error, fatal .*1 to 24"):
        severity.parse(text)


def test_parse_knows_the_levels_that_an_application_added(monkeypatch):
    monkeypatch.setitem(logging._nameToLevel, "NOTICE", 25)
    assert severity.parse("notice") == 11

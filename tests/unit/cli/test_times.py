"""Times as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from zlog.cli.times import parse_seconds, parse_time

NS = 1_000_000_000
NOW = datetime(2026, 11, 21, 14, 30, 15, 250_000, tzinfo=UTC)
NOW_NS = int(NOW.replace(microsecond=0).timestamp()) * NS + 250_000_000
EAST = timezone(timedelta(hours=2))


def ns(*fields: int) -> int:
    at = datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type, misc]
    return int(at.replace(microsecond=0).timestamp()) * NS + at.microsecond * 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW_NS),
        ("10m", NOW_NS - 600 * NS),
        ("2h", NOW_NS - 7200 * NS),
        ("1h30m", NOW_NS - 5400 * NS),
        ("1h 30m ago", NOW_NS - 5400 * NS),
        ("-10s", NOW_NS - 10 * NS),
        ("1.5s", NOW_NS - 1_500_000_000),
        ("250ms", NOW_NS - 250_000_000),
        ("1d", NOW_NS - 86_400 * NS),
        ("1w", NOW_NS - 604_800 * NS),
        ("99999w", 0),
        ("today", ns(2026, 11, 21)),
        ("Yesterday", ns(2026, 11, 20)),
        ("08:30", ns(2026, 11, 21, 8, 30)),
        ("8:30", ns(2026, 11, 21, 8, 30)),
        ("23:59:59.5", ns(2026, 11, 20, 23, 59, 59, 500_000)),
        ("2026-11-21", ns(2026, 11, 21)),
        ("20261121", ns(2026, 11, 21)),
        ("2026-11-21 08:30", ns(2026, 11, 21, 8, 30)),
        ("2026-11-21T08:30:07.123456Z", ns(2026, 11, 21, 8, 30, 7, 123_456)),
        ("2026-11-21T08:30:07+02:00", ns(2026, 11, 21, 6, 30, 7)),
        (" 2026-11-21T08:30 ", ns(2026, 11, 21, 8, 30)),
        ("1763625607", 1_763_625_607 * NS),
        ("1763625607.5", 1_763_625_607_500_000_000),
        ("1763625607123", 1_763_625_607_123_000_000),
        ("1763625607123456", 1_763_625_607_123_456_000),
        ("1763625607123456789", 1_763_625_607_123_456_789),
        ("1900-01-01T00:00Z", 0),
    ],
)
def test_times(text: str, expected: int) -> None:
    assert parse_time(text, NOW_NS, UTC) == expected


def test_a_time_without_offset_is_local() -> None:
    assert parse_time("2026-11-21T08:30", NOW_NS, EAST) == ns(2026, 11, 21, 6, 30)
    assert parse_time("today", NOW_NS, EAST) == ns(2026, 11, 20, 22)
    assert parse_time("08:30", NOW_NS, EAST) == ns(2026, 11, 21, 6, 30)
    assert parse_time("2026-11-21T08:30Z", NOW_NS, EAST) == ns(2026, 11, 21, 8, 30)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "10", "10x", "m", "1m2", "25:00", "8:60", "2026-13-01", "2026-11-31", "9999999999999999999"),
        *("1" * 30, "٣m", "2026-11-21T08:30+99:00", "\0", "start", "2026-11-21x08:30"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; write 10m, 2h"):
        parse_time(text, NOW_NS, UTC)


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("1.5", 1.5), ("0", 0), ("10m", 600), ("1h30m", 5400), ("20ms", 0.02)]
)
def test_seconds(text: str, expected: float) -> None:
    assert parse_seconds(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e99", "ten", "10 x"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no length of time"):
        parse_seconds(text)

"""Records: what `logging` becomes, and what is made of any values (protocol/README.md, sections 7.2 to 7.4)."""

import copy
import enum
import logging
import pickle
import sys
import threading
from collections import OrderedDict, UserDict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zlog import plain
from zlog import record as record_module
from zlog.limits import MAX_RECORD_BYTES
from zlog.record import Record, Stored, attributes_of, encode, encode_values, text_of
from zlog.wire import body


def through(attributes, text="text", **more):
    """What a receiver has of a record that was made so."""
    encoded = encode(Record(1, 2, 9, "logger", text, attributes=attributes, **more))
    assert len(encoded) <= MAX_RECORD_BYTES
    (record,) = body.unpack(0, b"\x91" + encoded, 1)
    return record


def value(thing):
    return through({"k": thing}).attributes["k"]


# --- encoding --------------------------------------------------------------------------------------------------------


class Level(enum.IntEnum):
    HIGH = 3


class Color(enum.StrEnum):
    RED = "red"


class Bad:
    def __str__(self):
        raise ZeroDivisionError

    __repr__ = __str__


class BadClass(type):
    def __repr__(cls):
        raise ZeroDivisionError


class VeryBad(metaclass=BadClass):
    def __str__(self):
        raise ZeroDivisionError


class NoText:
    def __str__(self):
        return 5


class BadMap(UserDict):
    def items(self):
        raise ZeroDivisionError


class EndlessMap(UserDict):
    def items(self):
        while True:
            yield 1, 1


class EndlessList(list):
    def __iter__(self):
        while True:
            yield 1


ENDLESS = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (0.5, 0.5),
        ("text", "text"),
        ("\udc80x", "\\udc80x"),
        (b"\0\xff", b"\0\xff"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        ([1, "a", None], [1, "a", None]),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (frozenset({3}), [3]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        ({1: 2, None: 3}, {"1": 2, "None": 3}),
        ({"\udc80": "\ud800"}, {"\\udc80": "\\ud800"}),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Level.HIGH, 3),
        (Color.RED, "red"),
        (type("F", (float,), {})(1.5), 1.5),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (PurePosixPath("/a/b"), "/a/b"),
        (ValueError("bad"), "bad"),
        (1j, "1j"),
        (int, "<class 'int'>"),
        (range(3), "range(0, 3)"),
        (Bad(), f"<class '{__name__}.Bad'>"),
        (VeryBad(), f"<class '{__name__}.VeryBad'>"),
        (NoText(), f"<class '{__name__}.NoText'>"),
        (BadMap(a=1), f"<class '{__name__}.BadMap'>"),
        (10**5000, "<class 'int'>"),  # Python refuses to write so long numbers
        ({"a": Bad()}, {"a": f"<class '{__name__}.Bad'>"}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_values(given, arrives):
    assert value(given) == arrives
    assert type(value(given)) is type(arrives)
    assert value([given]) == [arrives]


def test_arrays_and_maps_nest_eight_deep_and_what_is_deeper_is_text():
    nested = "bottom"
    for _ in range(20):
        nested = [nested]
    got = value(nested)
    for _ in range(7):  # the attributes are the first level
        (got,) = got
    assert isinstance(got, str)
    assert got.startswith("[[[[")
    seven = [[[[[[[]]]]]]]
    assert value(seven) == seven


def test_what_is_shared_or_endless_costs_no_more_than_it_may():
    shared = []
    for _ in range(200):
        shared = [shared, shared]
    assert value(shared)
    assert value(ENDLESS)
    assert isinstance(value(EndlessMap()), dict | str)
    assert isinstance(value(EndlessList()), list | str)


def test_text_and_logger_are_made_fit_too():
    (record,) = body.unpack(0, b"\x91" + encode_values(1, -5, 9, "l\ud800", "é\udcff", 0, None, {}), 1)
    assert (record.time_ns, record.logger, record.text) == (0, "l\\ud800", "é\\udcff")
    (record,) = body.unpack(0, b"\x91" + encode_values(1, 5, 9, "l", Color.RED, 0, b"p" * 16, {}), 1)
    assert (record.text, record.peer) == ("red", b"p" * 16)


def test_the_map_itself_may_be_anything():
    assert through(MappingProxyType({"a": 1})).attributes == {"a": 1}
    assert through({1: 2}).attributes == {"1": 2}
    assert through(BadMap()).attributes == {"BadMap": f"<class '{__name__}.BadMap'>"}
    assert through({}).attributes == {}


def test_the_fast_way_and_the_careful_one_agree():
    attributes = {"a": 1, "b": "x", "c": None, "d": 2.5, "e": b"o", "f": True}
    values = [1, 2, 9, "logger", "text", 0, None]
    assert encode_values(*values, attributes) == plain.encode_within(values, attributes, MAX_RECORD_BYTES)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes() | st.uuids(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.none(), inner, max_size=3),
    max_leaves=8,
)
surrogates = st.text(st.characters(exclude_categories=()))


@given(st.dictionaries(surrogates | st.integers(), anything | surrogates, max_size=4), surrogates)
def test_anything_arrives(attributes, text):
    record = through(attributes, text)
    assert record.text == text.encode("utf-8", "backslashreplace").decode()
    assert set(record.attributes) == {str(key).encode("utf-8", "backslashreplace").decode() for key in attributes}


# --- cutting ---------------------------------------------------------------------------------------------------------


def test_the_longest_texts_are_cut_first():
    record = through({"long": "l" * 100_000, "short": "s" * 1000, "n": 5, "octets": b"o" * 70_000}, "é" * 50_000)
    assert record.attributes["short"] == "s" * 1000
    assert record.attributes["n"] == 5
    assert record.attributes["zlog.truncated"] is True
    assert 20_000 < len(record.attributes["long"]) == len(record.attributes["octets"]) < 25_000
    assert record.text == "é" * len(record.text)
    assert len(record.text.encode()) in (len(record.attributes["long"]), len(record.attributes["long"]) - 1)


@pytest.mark.parametrize("length", [65_400, 65_500, 65_536, 66_000])
def test_a_record_is_cut_only_if_it_must_be(length):
    bare = len(encode(Record(1, 2, 9, "logger", "x" * 60_000, attributes={}))) - 60_000
    record = through({}, "x" * length)
    fits = length + bare <= MAX_RECORD_BYTES
    assert record.attributes == ({} if fits else {"zlog.truncated": True})
    if not fits:
        assert len(encode(record)) == MAX_RECORD_BYTES


@pytest.mark.parametrize(
    "attributes",
    [
        {"list": list(range(100_000)), "kept": "yes"},
        {"map": {str(n): n for n in range(100_000)}, "kept": "yes"},
        {"kept": "yes"} | {str(n): n for n in range(100_000)},
        {"kept": "yes"} | {"k" * 1000 + str(n): n for n in range(1000)},
        {"k" * 100_000: 1, "kept": "yes"},
        {"texts": ["t" * 100] * 10_000, "kept": "yes"},
    ],
    ids=["list", "map", "many", "long-keys", "long-key", "texts"],
)
def test_too_much_of_anything_is_cut(attributes):
    record = through(attributes)
    assert record.attributes["zlog.truncated"] is True
    assert record.attributes["kept"] == "yes"
    assert record.text == "text"


@given(st.text(st.characters(exclude_categories=())), st.integers(0, 40))
def test_cut_text(text, most):
    cut = plain.cut_text(text, most)
    shown = text.encode("utf-8", "backslashreplace").decode()
    assert len(cut.encode("utf-8", "surrogatepass")) <= most or cut == text
    assert shown.startswith(cut) or text == cut
    rest = shown[len(cut) :]
    assert not rest or len((cut + rest[0]).encode()) > most or cut == text


# --- from logging ----------------------------------------------------------------------------------------------------


def made(**more):
    return logging.makeLogRecord({"name": "app", "msg": "hello", "levelno": 20} | more)


@pytest.fixture
def logged(request):
    """Log through a real logger: returns it and what it handled."""
    seen = []

    class Keep(logging.Handler):
        def emit(self, log_record):
            seen.append(log_record)

    logger = logging.Logger("app")
    logger.addHandler(Keep())
    return logger, seen


def test_where_it_was_logged(logged):
    logger, seen = logged
    logger.info("x")
    line = sys._getframe().f_lineno - 1
    assert attributes_of(seen[0]) == {
        "code.file.path": __file__,
        "code.line.number": line,
        "code.function.name": "test_where_it_was_logged",
        "thread.name": threading.current_thread().name,
    }


def test_a_line_shares_its_attributes_and_their_encoding(logged):
    logger, seen = logged
    for number in range(2):
        logger.info("x %d", number)
    assert attributes_of(seen[0]) is attributes_of(seen[1])
    shared, own = attributes_of(seen[0]), dict(attributes_of(seen[0]))
    assert encode_values(1, 2, 9, "l", "t", 0, None, shared) == encode_values(1, 2, 9, "l", "t", 0, None, own)


def test_the_shared_ones_are_bounded(monkeypatch):
    monkeypatch.setattr(record_module, "_sites", sites := {})
    for number in range(10_000):
        assert attributes_of(made(lineno=number))["code.line.number"] == number
    assert len(sites) <= 4096


def test_a_place_that_is_none(monkeypatch):
    assert attributes_of(made(pathname="a\udc80", lineno=None, funcName=[1], threadName=None)) == {
        "code.file.path": "a\\udc80",
        "code.function.name": [1],
    }


def test_extra_fields(logged):
    logger, seen = logged
    logger.info("x", extra={"joint": 3, "object": Bad()})
    attributes = attributes_of(seen[0])
    assert attributes["joint"] == 3
    assert isinstance(attributes["object"], Bad)
    assert list(attributes)[-2:] == ["joint", "object"]
    assert "joint" not in attributes_of(made())


def test_extra_fields_whose_names_are_no_text(logged):
    logger, seen = logged
    logger.info("x", extra={5: "five", None: 1})
    assert attributes_of(seen[0])[5] == "five"
    assert through(attributes_of(seen[0])).attributes["None"] == 1


@pytest.mark.parametrize("change", [lambda r: r, copy.copy, lambda r: pickle.loads(pickle.dumps(r))])
def test_extra_fields_of_records_that_were_copied(change):
    assert attributes_of(change(made(joint=3)))["joint"] == 3


def test_what_other_handlers_left_is_no_extra_field():
    log_record = made(joint=3)
    logging.Formatter("%(asctime)s %(message)s").format(log_record)
    assert {"message", "asctime"} <= set(log_record.__dict__)
    log_record._zlog_level = 10
    assert set(attributes_of(log_record)) == set(attributes_of(made())) | {"joint"}


class Before(logging.LogRecord):
    def __init__(self, *args):
        self.mine = 1
        super().__init__(*args)


def test_fields_that_a_class_of_log_records_sets_first():
    log_record = Before("app", 20, "f.py", 1, "x", (), None)
    assert attributes_of(log_record)["mine"] == 1
    log_record.joint = 3
    assert {"mine", "joint"} <= set(attributes_of(log_record))


def test_an_exception(logged):
    logger, seen = logged
    try:
        raise KeyError("gone\udc80")
    except KeyError:
        logger.exception("x")
    attributes = attributes_of(seen[0])
    assert attributes["exception.type"] == "KeyError"
    assert attributes["exception.message"] == "'gone\\udc80'"
    assert attributes["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert "test_an_exception" in attributes["exception.stacktrace"]
    assert through(attributes).attributes["exception.type"] == "KeyError"
    assert seen[0].exc_text is None  # other handlers' Formatters make their own


class BadError(Exception):
    def __str__(self):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("exc_info", "expected"),
    [
        ((None, None, None), None),
        (BadError(), f"{__name__}.BadError"),
        ((BadError, BadError(), None), f"{__name__}.BadError"),
        (5, None),
        ((1, 2), None),
    ],
)
def test_any_exc_info(exc_info, expected):
    attributes = attributes_of(made(exc_info=exc_info))
    assert attributes.get("exception.type") == expected
    through(attributes)


def test_an_exception_that_came_as_text():
    assert attributes_of(made(exc_text="Traceback ..."))["exception.stacktrace"] == "Traceback ..."


def test_stack_info(logged):
    logger, seen = logged
    logger.info("x", stack_info=True)
    assert attributes_of(seen[0])["code.stacktrace"].startswith("Stack (most recent call last):")


@pytest.mark.parametrize(
    ("message", "arguments", "text"),
    [
        ("plain", (), "plain"),
        ("100%", (), "100%"),
        ("%s is %d", ("x", 3), "x is 3"),
        ("%(a)s", ({"a": 1},), "1"),
        (ValueError("object"), (), "object"),
        (5, (), "5"),
        ("%d", ("x",), "%d ('x',) [bad log call: TypeError: %d format: a real number is required, not str]"),
        ("%s %s", (1,), "%s %s (1,) [bad log call: TypeError: not enough arguments for format string]"),
        ("%s", (Bad(),), "%s <class 'tuple'> [bad log call: ZeroDivisionError: ]"),
        (Bad(), (), f"<class '{__name__}.Bad'> () [bad log call: ZeroDivisionError: ]"),
        (Color.RED, (), "red"),
    ],
)
def test_text_of(message, arguments, text):
    log_record = logging.LogRecord("app", 20, "f.py", 1, message, arguments, None)
    assert text_of(log_record) == text
    assert type(text_of(log_record)) is str


# --- what a store gives back -----------------------------------------------------------------------------------------


def test_stored_as_json():
    stored = Stored(
        "ab" * 16, 2**63, 9, 5, 7, 10**18, 10, "l", "é\n\u2028", 3, "cd" * 16, {"a": [1.5, None]}, "h", "n", 4, 9
    )
    line = stored.to_json()
    assert b"\n" not in line
    assert Stored.from_json(line) == stored
    assert Stored.from_json(line.decode()).key == ("ab" * 16, 2**63, 9, 5)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"node": 1}', b"\xff", "x"])
def test_json_that_is_no_record(line):
    with pytest.raises((ValueError, msgspec.DecodeError)):
        Stored.from_json(line)

"""Octets into lines, however they come."""

from hypothesis import given
from hypothesis import strategies as st

from zlog.cli.splitter import MOST, LineSplitter, text_of


@given(st.lists(st.text("ab\n\r\0é").map(str.encode)))
def test_lines_are_those_of_the_whole(pieces: list[bytes]) -> None:
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)] + splitter.rest()
    *whole, last = b"".join(pieces).split(b"\n")
    assert lines == whole + ([last] if last else [])


def test_a_line_that_never_ends_is_kept_to_a_bound() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * 50_000) == []
    assert splitter.feed(b"y\nnext\nla") == [b"x" * MOST, b"next"]
    assert splitter.rest() == [b"la"]
    assert splitter.rest() == []
    assert splitter.feed(b"z" * (MOST + 5) + b"\n") == [b"z" * MOST]


def test_lines_are_text_whatever_they_are() -> None:
    assert text_of(b"plain") == "plain"
    assert text_of("Grüße ☃".encode()) == "Grüße ☃"
    assert text_of(b"\xff\xfe\0") == "\\xff\\xfe\0"
    assert text_of(b"windows\r") == "windows"
    assert text_of(b"50%\r100%") == "50%\r100%"

"""Fields that a later version appended (``since``): old and new programs understand each other, both ways."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from support import codecs
from support.codecs import Codec
from zlog_codegen import languages, load
from zlog_codegen.render import render

START = '<field name = "number" type = "number" size = "2" /><field name = "text" type = "string" />'
SECOND = """<field name = "small" type = "number" since = "2" /><field name = "place" type = "position" since = "2" />
    <field name = "mark" type = "number" value = "7" since = "2" /><field name = "table" type = "hash" since = "2" />"""
THIRD = """<field name = "list" type = "strings" since = "3" /><field name = "key" type = "uuid" since = "3" />
    <field name = "block" type = "octets" size = "3" since = "3" /><field name = "body" type = "chunk" since = "3" />"""
FRAMES = '<field name = "page" type = "frame" /><field name = "rest" type = "msg" />'
TYPE = '<type name = "position"><field name = "x" type = "number" /><field name = "name" type = "longstr" /></type>'
NEW: dict[str, dict[str, Any]] = {
    "small": {"small": 3, "place.x": 4, "place.name": "é", "table": {"a": "b"}},
    "list": {"list": ["a", ""], "key": uuid.UUID(int=5), "block": b"abc", "body": b"body"},
}


def message(name: str, version: int, *, start: str = START, frames: str = "") -> str:
    fields = start + (SECOND if version > 1 else "") + (THIRD if version > 2 else "") + frames
    return f'<message name = "{name}">{fields}</message>'


def model(folder: Path, version: int, *, pubsub: bool) -> Path:
    path = folder / f"v{version}.xml"
    appended = "".join(
        (
            message("PLAIN", version),
            message("FRAMES", version, frames=FRAMES),
            message("EMPTY", version, start=""),
            message("SHORT", version, start='<field name = "one" type = "number" />'),
        )
    )
    path.write_text(f'<class name = "v{version}" pubsub = "{int(pubsub)}">{appended}{TYPE}</class>')
    return path


@pytest.fixture(scope="module", params=[False, True], ids=["signature", "pubsub"])
def versions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Codec]:
    """The codec of each version of a protocol."""
    folder = tmp_path_factory.mktemp("versions")
    return {version: Codec(model(folder, version, pubsub=request.param), folder) for version in (1, 2, 3)}


def samples(codec: Codec) -> list[Any]:
    """A message of each kind with a value in every field."""
    found = []
    for cls in codec.module.MESSAGES.values():
        instance = cls()
        values = {"number": 1, "text": "t", "one": 2, "page": b"p", "rest": [b"r"]} | NEW["small"] | NEW["list"]
        for path in cls.KINDS:
            if path != "topic":
                codecs.set_path(instance, path, values[path])
        found.append(instance)
    return found


@pytest.mark.parametrize("old", [1, 2, 3])
@pytest.mark.parametrize("new", [1, 2, 3])
def test_both_ways(versions: dict[int, Codec], old: int, new: int) -> None:
    for sent in samples(versions[old]):
        first, *rest = sent.frames()
        taken = versions[new].module.decode(first, rest)
        zero = type(taken)()
        for path in taken.KINDS:
            origin = sent if path in sent.KINDS else zero
            assert codecs.get_path(taken, path) == codecs.get_path(origin, path), path
        assert taken.frames()[1:] == rest


def test_ending_anywhere_else_is_an_error(versions: dict[int, Codec]) -> None:
    newest = versions[3]
    for number, whole in enumerate(samples(newest)):
        first, *rest = whole.frames()
        ends = {len(samples(versions[version])[number].encode()) for version in (1, 2, 3)}
        good = set()
        for size in range(len(first) + 1):
            error = None
            try:
                newest.module.decode(first[:size], rest)
            except newest.runtime.DecodeError as caught:
                error = caught
            if error is None:
                good.add(size)
            else:
                assert error.reason == "truncated"
                assert 0 <= error.offset <= size
        assert good == ends


def test_what_is_appended_is_checked(versions: dict[int, Codec]) -> None:
    plain = samples(versions[2])[0]
    frame = plain.encode()
    place = frame.index(b"\x03\x04\0\0\0\x02\xc3\xa9\x07") + 8
    for changed, reason in ((frame[:place] + b"\x08" + frame[place + 1 :], "value"), (frame[:-1] + b"\xff", "utf8")):
        with pytest.raises(versions[3].runtime.DecodeError, match=reason):
            versions[3].module.decode(changed)
    page, *_ = [item for item in samples(versions[1]) if item.NAME == "FRAMES"]
    with pytest.raises(versions[3].runtime.DecodeError, match="frames"):
        versions[3].module.decode(page.encode())


def test_zeros_are_not_shared(versions: dict[int, Codec]) -> None:
    frame = samples(versions[1])[0].encode()
    versions[3].module.decode(frame).list.append("x")
    assert versions[3].module.decode(frame).list == []


def test_octets_are_those_of_the_plain_reading(versions: dict[int, Codec]) -> None:
    for codec in versions.values():
        for spec, instance in zip(codec.model.messages, samples(codec), strict=True):
            assert instance.frames() == codecs.spec_frames(codec.model, spec, instance)


def test_grammar(tmp_path: Path) -> None:
    (text,) = render([load(model(tmp_path, 3, pubsub=False))], languages.find("abnf")).values()
    flat = " ".join(text.split())
    appended = "[ small place mark table [ list key block body ] ]"
    assert f"PLAIN = signature %x01 number text {appended} ;" in flat
    assert f"FRAMES = signature %x02 number text {appended} page rest ;" in flat


def test_documentation(versions: dict[int, Codec]) -> None:
    assert "small: number-1. Since version 2, zero in messages of earlier ones." in " ".join(
        versions[3].module.Plain.__doc__.split()
    )

"""What a good model becomes."""

import uuid
from pathlib import Path

import pytest

from support.codecs import MODELS, sample_value
from zlog_codegen import Model, load
from zlog_codegen.bundled import protocol_folder, resolve


@pytest.fixture(scope="module")
def everything() -> Model:
    return load(MODELS / "everything.xml")


def test_class(everything: Model) -> None:
    assert (everything.name, everything.signature, everything.pubsub) == ("everything", 14, False)
    assert everything.title == "Every construct of the grammar"
    assert everything.file == "everything.xml"
    assert everything.license == "Free for every use.\n  This line is indented."
    assert everything.grammar.splitlines()[1] == "counting    = NUMBERS / EXTREME_NUMBERS"


def test_loose_text_is_documentation(everything: Model) -> None:
    assert everything.docs.split("\n\n") == [
        "A protocol nobody speaks, with each construct once. Text like this is documentation, wherever it stands.",
        "* Items of a list\n* stay on lines of their own",
        'A "quote", a back\\slash and """three quotes""" must survive, and so must é, € and 🐍.',
        "Text between elements, too.",
    ]


def test_ids_are_explicit_or_the_position(everything: Model) -> None:
    assert [(message.name, message.id) for message in everything.messages] == [
        ("NUMBERS", 1),
        ("TEXTS", 20),
        ("BLOBS", 3),
        ("CLIENTS", 4),
        ("PARCEL", 5),
        ("FIXED", 6),
        ("EMPTY", 7),
        ("extreme-numbers", 255),
    ]


def test_header_comes_first_in_every_message(everything: Model) -> None:
    for message in everything.messages:
        assert [field.name for field in message.fields][:2] == ["version", "sequence"]
        assert [field.in_header for field in message.fields][:3] in ([True, True], [True, True, False])


def test_fields(everything: Model) -> None:
    numbers, texts, blobs, clients = everything.messages[:4]
    assert [(field.name, field.size) for field in numbers.fields[2:]] == [
        ("tiny", 1),
        ("small", 2),
        ("medium", 4),
        ("large", 8),
    ]
    assert [field.value for field in texts.fields] == [3, None, None, "MÜ", None, "", None, None]
    assert texts.fields[2].docs == "At most 255 octets"
    assert (texts.role, blobs.role, numbers.role) == ("server", "client", None)
    person = clients.fields[2].composite
    assert person is not None
    assert person.docs == "Somebody"
    assert [field.type for field in person.fields] == ["string", "number", "place", "strings"]
    assert clients.fields[2].where.line > 0


def test_defines_with_those_of_included_files(everything: Model) -> None:
    assert {define.name: define.value for define in everything.defines} == {
        "INCLUDED": 77,
        "VERSION": 3,
        "limit hex": 255,
        "below zero": -1,
        "greeting": 'hello "you"',
        "bare word": "tcp",
    }
    included = everything.defines[0]
    assert included.docs == "From an included file of an included file"
    assert Path(included.where.file).name == "define.xml"


def test_test_values(everything: Model) -> None:
    found = {
        field.name: sample_value(field) for message in everything.messages for field in message.fields if field.tests
    }
    assert found["small"] == 0xFFFE
    assert found["long"] == "  blanks stay  "
    assert found["many"] == ["one", "", "drei ß"]
    assert found["table"] == {"key": "value", "empty": ""}
    assert found["flags"] == b"\x01\x02\xff\xfe"
    assert found["key"] == b"abc"
    assert found["body"] == b"\x00\xff\x80"
    assert found["remark"] == b"text, not hex"
    assert found["id"] == uuid.UUID("3a60e6850a1e4cc15f3bfd4b42bc6b3e")
    assert found["content"] == [b"\xde\xad"]
    assert found["client"] == {"forename": "Ada", "born": 1815}


def test_defaults() -> None:
    plain = load(MODELS / "plain.xml")
    assert (plain.title, plain.signature, plain.pubsub, plain.license, plain.grammar) == ("plain", 0, False, "", "")


def test_models_of_this_project_are_found() -> None:
    for name in ("zre_msg.xml", "zre_log_msg.xml", "license.xml"):
        assert (protocol_folder() / name).is_file()
    assert resolve("zre_msg") == resolve("zre_msg.xml") == str(protocol_folder() / "zre_msg.xml")
    assert resolve("no_such_model") == "no_such_model"
    assert resolve("dir/zre_msg") == "dir/zre_msg"


def test_encodings(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="{}"?><class name="m" title="é"><message name="A">ü</message></class>'
    for encoding in ("utf-8", "iso-8859-1", "utf-16"):
        path = tmp_path / "m.xml"
        path.write_bytes(text.format(encoding).encode(encoding))
        found = load(path)
        assert (found.title, found.messages[0].docs) == ("é", "ü")

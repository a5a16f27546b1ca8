"""The generated Python codecs: every type, every message, every octet, against a plain reading of the model."""

import array
import ast
import pickle
import random
import sys
import tracemalloc
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import codecs
from support.codecs import Codec
from zlog_codegen import languages
from zlog_codegen.render import render

REASONS = {"signature", "id", "truncated", "value", "utf8", "frames"}
with_fixture = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


def decode(codec: Codec, frames: list[bytes], **options: str) -> Any:
    return codec.module.decode(frames[0], frames[1:], **options)


def decoding_fails(codec: Codec, frames: list[bytes]) -> Any:
    """The DecodeError, or None; any other exception comes through."""
    error = None
    try:
        decode(codec, frames)
    except codec.runtime.DecodeError as caught:
        error = caught
    if error is not None:
        assert error.reason in REASONS
        assert 0 <= error.offset <= len(frames[0])
        assert error.message is None or error.message in {message.name for message in codec.model.messages}
        assert error.reason in str(error)
    return error


class Bait:
    """Has what values of other types have, and raises what nobody expects."""

    bytes = b"abc"

    def encode(self) -> bytes:
        return b"not text"

    def __index__(self) -> int:
        raise RuntimeError("no number")


# -- what is on the wire


def test_test_values_are_encoded_as_the_model_says(codec: Codec) -> None:
    for message, _ in codec.cases():
        instance = codecs.example(codec.module, message)
        frames = instance.frames()
        assert frames == codecs.spec_frames(codec.model, message, instance)
        assert frames[0] == instance.encode()
        assert decode(codec, frames) == instance


@with_fixture
@given(data=st.data())
def test_any_values_survive(codec: Codec, data: st.DataObject) -> None:
    instance = data.draw(codecs.messages(codec.module))
    frames = instance.frames()
    message = next(message for message in codec.model.messages if message.id == instance.ID)
    assert frames == codecs.spec_frames(codec.model, message, instance)
    decoded = decode(codec, frames)
    assert decoded == instance
    assert type(decoded) is type(instance)
    assert decoded.frames() == frames


def test_zero_defaults(codec: Codec) -> None:
    for message, cls in codec.cases():
        instance = cls()
        assert message.name == cls.NAME
        assert message.id == cls.ID
        frames = instance.frames()
        if len(frames) == 1:
            assert decode(codec, frames) == instance
        for path, kind in cls.KINDS.items():
            value = codecs.get_path(instance, path)
            expected = bytes(int(kind[7:])) if kind.startswith("octets") else uuid.UUID(int=0) if kind == "uuid" else 0
            assert value == expected or not value


def test_octets_by_hand(everything: Codec) -> None:
    wire = everything.module
    numbers = wire.Numbers(sequence=1, tiny=2, small=3, medium=4, large=5)
    assert numbers.encode().hex() == "aaae01" + "03" + "0001" + "02" + "0003" + "00000004" + "0000000000000005"
    fixed = wire.Fixed(sequence=0xFFFF)
    assert fixed.encode().hex() == "aaae06" + "03" + "ffff" + "deadbeef" + "00000002c3a9"
    texts = wire.Texts(short="é", long="ab", many=["x", ""], table={"k": "v"})
    assert texts.encode().hex() == (
        "aaae14030000"
        + "02c3a9"  # short: octets are counted, not characters
        + "034dc39c"  # marker, a constant
        + "000000026162"
        + "00000000"  # void, a constant
        + "00000002" + "0000000178" + "00000000"
        + "00000001" + "016b" + "0000000176"
    )  # fmt: skip


def test_pubsub_octets_by_hand(feed: Codec) -> None:
    wire = feed.module
    tick = wire.Tick(topic="stocks/é", price=1, symbol="Z")
    assert tick.encode() == b"\x01" + "stocks/é".encode() + b"\0" + bytes(7) + b"\x01" + b"\x01Z"
    assert wire.SIGNATURE == b""
    assert wire.subscription(wire.Tick, "stocks/") == b"\x01stocks/"
    assert wire.subscription(wire.Halt) == b"\x03"
    assert tick.encode().startswith(wire.subscription(wire.Tick, "stocks/"))
    assert wire.decode(wire.Halt(topic="").encode()) == wire.Halt(topic="")


@pytest.mark.parametrize("octets", [255, 256])
def test_a_string_has_at_most_255_octets(everything: Codec, octets: int) -> None:
    for value in ("x" * octets, "é" * 127 + "x" * (octets - 254)):
        message = everything.module.Texts(short=value)
        if octets > 255:
            with pytest.raises(everything.runtime.EncodeError, match=r"TEXTS\.short: 256 octets are more than 255"):
                message.encode()
        else:
            assert everything.module.decode(message.encode()).short == value


def test_long_values(everything: Codec) -> None:
    wire = everything.module
    texts = wire.Texts(long="ä" * 70_000, many=["y" * 70_000] * 3, table={"n" * 255: "v" * 70_000})
    assert wire.decode(texts.encode()) == texts
    blobs = wire.Blobs(body=bytes(range(256)) * 300)
    assert decode(everything, blobs.frames()) == blobs


# -- frames


def test_frames(everything: Codec) -> None:
    wire = everything.module
    blobs = wire.Blobs(address=b"a", label=b"", content=[b"1", b"", b"3"])
    assert blobs.frames()[1:] == [b"a", b"", b"1", b"", b"3"]
    assert decode(everything, blobs.frames()) == blobs
    assert wire.decode(blobs.encode(), [b"a", b""]).content == []
    for rest in ([], [b"a"]):
        with pytest.raises(everything.runtime.DecodeError) as caught:
            wire.decode(blobs.encode(), rest)
        assert (caught.value.reason, caught.value.message) == ("frames", "BLOBS")


def test_further_frames_and_octets_are_ignored(everything: Codec) -> None:
    empty = everything.module.Empty(sequence=3)
    assert everything.module.decode(empty.encode() + b"more", [b"frame", b"frame"]) == empty


# -- what is not a message


def test_truncation_at_every_octet(codec: Codec) -> None:
    for message, _ in codec.cases():
        first, *rest = codecs.example(codec.module, message).frames()
        for size in range(len(first)):
            error = decoding_fails(codec, [first[:size], *rest])
            assert error, f"{message.name} of {size} octets"
            assert error.reason == "truncated"
            assert error.message == (message.name if size > len(codec.module.SIGNATURE) else None)


def test_every_octet_changed(codec: Codec) -> None:
    for message, _ in codec.cases():
        first, *rest = codecs.example(codec.module, message).frames()
        for position in range(len(first)):
            for octet in {0, 1, 0x7F, 0x80, 0xC3, 0xFF, first[position] ^ 1}:
                decoding_fails(codec, [first[:position] + bytes([octet]) + first[position + 1 :], *rest])


def test_random_octets(codec: Codec) -> None:
    generator = random.Random(20_240_607)
    starts = [b"", codec.module.SIGNATURE] + [codecs.example(codec.module, m).encode() for m in codec.model.messages]
    for _ in range(20_000):
        start = generator.choice(starts)
        frame = start[: generator.randrange(len(start) + 1)] + generator.randbytes(generator.randrange(64))
        decoding_fails(codec, [frame, *([b"x"] * generator.randrange(4))])


@with_fixture
@given(frame=st.binary(max_size=100), rest=st.lists(st.binary(max_size=3), max_size=3))
def test_any_octets(codec: Codec, frame: bytes, rest: list[bytes]) -> None:
    decoding_fails(codec, [frame, *rest])
    decoding_fails(codec, [codec.module.SIGNATURE + frame, *rest])


@pytest.mark.parametrize(
    ("frame", "reason", "offset", "message"),
    [
        ("", "truncated", 0, None),
        ("aa", "truncated", 1, None),
        ("aaae", "truncated", 2, None),
        ("ab", "signature", 0, None),
        ("aaaf01030000", "signature", 0, None),
        ("aaae00030000", "id", 2, None),
        ("aaaefe030000", "id", 2, None),
        ("aaae07", "truncated", 3, "EMPTY"),
        ("aaae070300", "truncated", 3, "EMPTY"),
        ("aaae07020000", "value", 3, "EMPTY"),
        ("aaae06030000deadbeee00000002c3a9", "value", 6, "FIXED"),
        ("aaae06030000deadbeef00000003c3a9", "value", 10, "FIXED"),
        ("aaae1403000002c328", "utf8", 7, "TEXTS"),
        ("aaae14030000024142034dc39d00000000", "value", 9, "TEXTS"),
    ],
)
def test_reasons(everything: Codec, frame: str, reason: str, offset: int, message: str | None) -> None:
    octets = bytes.fromhex(frame)
    if reason in {"utf8", "value"} and message == "TEXTS":
        octets += bytes(30)
    error = decoding_fails(everything, [octets])
    assert (error.reason, error.offset, error.message, error.identity) == (reason, offset, message, None)


def test_where_text_is_not_utf8(everything: Codec) -> None:
    wire = everything.module
    good = wire.Texts(short="s", long="l" * 5, many=["m" * 5], table={"k" * 5: "v" * 5}).encode()
    for letter in (b"s", b"l", b"m", b"k", b"v"):
        position = good.rindex(letter)
        error = decoding_fails(everything, [good[:position] + b"\xff" + good[position + 1 :]])
        assert (error.reason, error.offset) == ("utf8", position)


def test_errors_says_what_to_do_with_bad_text(everything: Codec) -> None:
    wire = everything.module
    frame = wire.Texts(short="s", many=["m"], table={"k": "v"}).encode()
    frame = frame.replace(b"s", b"\xff").replace(b"m", b"\xfe").replace(b"k", b"\xfd").replace(b"v", b"\xfc")
    texts = wire.decode(frame, errors="backslashreplace")
    assert (texts.short, texts.many, texts.table) == (r"\xff", [r"\xfe"], {r"\xfd": r"\xfc"})
    assert wire.decode(frame, errors="replace").short == "\N{REPLACEMENT CHARACTER}"


def test_repeated_names_in_a_hash(feed: Codec) -> None:
    frame = b"\x04\0" + b"\0\0\0\2" + b"\1k\0\0\0\1a" + b"\1k\0\0\0\1b"
    assert feed.module.decode(frame).table == {"k": "b"}


@pytest.mark.parametrize("count", [1 << 32, 1 << 31, 1 << 24, 100])
def test_huge_counts_and_lengths_cost_nothing(everything: Codec, count: int) -> None:
    octets = (count - 1).to_bytes(4, "big")
    start = bytes.fromhex("aaae1403000000034dc39c")
    frames = [
        start + octets,  # long
        start + bytes(8) + octets + bytes(40),  # many: 10 empty texts, then the end
        start + bytes(12) + octets + bytes(50),  # table
    ]
    tracemalloc.start()
    try:
        for frame in frames:
            error = decoding_fails(everything, [frame])
            assert error.reason == "truncated"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000


# -- local misuse


@pytest.mark.parametrize(
    ("name", "path", "value", "problem"),
    [
        ("Numbers", "tiny", 256, "256 is not in 0 to 255"),
        ("Numbers", "small", -1, "-1 is not in 0 to 65535"),
        ("Numbers", "medium", 1 << 32, "4294967296 is not in 0 to 4294967295"),
        ("Numbers", "large", 1 << 64, "18446744073709551616 is not in 0 to 18446744073709551615"),
        ("Numbers", "large", 1.0, "must be an int, not float"),
        ("Numbers", "large", None, "must be an int, not NoneType"),
        ("Numbers", "sequence", "1", "must be an int, not str"),
        ("Texts", "short", b"s", "must be str, not bytes"),
        ("Texts", "short", None, "must be str, not NoneType"),
        ("Texts", "short", "\ud800", "can't be encoded in UTF-8: surrogates not allowed"),
        ("Texts", "long", 5, "must be str, not int"),
        ("Texts", "many", "word", "must be a list of str"),
        ("Texts", "many", None, "must be a list of str"),
        ("Texts", "many", ["a", 1], "must be str, not int"),
        ("Texts", "table", [("a", "b")], "must be a dict of str to str"),
        ("Texts", "table", {"a": 1}, "must be str, not int"),
        ("Texts", "table", {"k" * 256: ""}, "256 octets are more than 255"),
        ("Blobs", "flags", b"123", "must be 4 bytes"),
        ("Blobs", "flags", b"12345", "must be 4 bytes"),
        ("Blobs", "flags", None, "must be 4 bytes"),
        ("Blobs", "body", "text", "must be bytes or bytearray, not str"),
        ("Blobs", "body", array.array("I", [1]), "must be bytes or bytearray, not array"),
        ("Blobs", "body", memoryview(b"x"), "must be bytes or bytearray, not memoryview"),
        ("Blobs", "id", bytes(16), "must be a UUID, not bytes"),
        ("Blobs", "address", "text", "must be bytes, not str"),
        ("Blobs", "content", b"frame", "must be a list of bytes"),
        ("Blobs", "content", ["frame"], "must be a list of bytes"),
        ("Clients", "supplier.born", 70_000, "70000 is not in 0 to 65535"),
        ("Clients", "client.home.grid", b"", "must be 2 bytes"),
        ("Texts", "long", Bait(), "must be str, not Bait"),
        ("Texts", "many", {"a"}, "must be a list of str"),
        ("Texts", "many", [Bait()], "must be str, not Bait"),
        ("Texts", "table", {"a": Bait()}, "must be str, not Bait"),
        ("Blobs", "id", Bait(), "must be a UUID, not Bait"),
        ("Numbers", "large", Bait(), "can't be read: RuntimeError('no number')"),
        (
            "Clients",
            "client.home",
            None,
            "can't be read: AttributeError(\"'NoneType' object has no attribute 'street'\")",
        ),
    ],
)
def test_encode_errors(everything: Codec, name: str, path: str, value: object, problem: str) -> None:
    message = getattr(everything.module, name)()
    codecs.set_path(message, path, value)
    with pytest.raises(everything.runtime.EncodeError) as caught:
        message.frames()
    error = caught.value
    assert error.message == message.NAME
    assert error.field == path or error.field.startswith(path)
    assert error.problem == problem
    assert str(error) == f"{message.NAME}.{error.field}: {problem}"
    assert isinstance(error, ValueError)


def test_a_message_is_no_text(everything: Codec) -> None:
    wire = everything.module
    with pytest.raises(everything.runtime.EncodeError, match=r"TEXTS\.short: must be str, not Empty"):
        wire.Texts(short=wire.Empty()).encode()


def test_memory_that_runs_out_is_nobodys_mistake(everything: Codec) -> None:
    class Large:
        def __index__(self) -> int:
            raise MemoryError

    with pytest.raises(MemoryError):
        everything.module.Numbers(large=Large()).encode()


def test_wrong_arguments_of_decode(codec: Codec) -> None:
    (message, _), *_ = codec.cases()
    first, *rest = codecs.example(codec.module, message).frames()
    for frame in (bytearray(first), memoryview(first), "text", None):
        with pytest.raises(TypeError, match=f"a frame must be bytes, not {type(frame).__name__}"):
            codec.module.decode(frame, rest)
    with pytest.raises(LookupError, match="typo"):
        codec.module.decode(first, rest, errors="typo")


def test_what_no_topic_is(feed: Codec) -> None:
    wire = feed.module
    for frame, reason, offset in ((b"\x01abc", "truncated", 1), (b"\x01a\xff\0", "utf8", 2)):
        error = decoding_fails(feed, [frame])
        assert (error.reason, error.offset, error.message) == (reason, offset, "TICK")
    with pytest.raises(feed.runtime.EncodeError, match=r"TICK\.topic: must not contain a zero"):
        wire.subscription(wire.Tick, "a\0b")
    with pytest.raises(feed.runtime.EncodeError, match=r"TICK\.topic: must be str, not bytes"):
        wire.subscription(wire.Tick, b"a")


def test_classes_that_inherit(everything: Codec) -> None:
    base = everything.module.Numbers

    class Mine(base):  # type: ignore[valid-type, misc] # made at run time
        __slots__ = ("note",)

    one, two = Mine(tiny=1), Mine(tiny=1)
    one.note, two.note = "a", "b"
    assert one == two
    assert one != Mine(tiny=2)
    assert repr(one).startswith("Mine(sequence=0, tiny=1")
    assert everything.module.decode(one.encode()) == base(tiny=1)


def test_a_topic_has_no_zero(feed: Codec) -> None:
    with pytest.raises(feed.runtime.EncodeError, match=r"TICK\.topic: must not contain a zero"):
        feed.module.Tick(topic="a\0b").encode()


def test_values_that_count_as_the_type(everything: Codec) -> None:
    wire = everything.module
    assert wire.decode(wire.Numbers(tiny=True).encode()).tiny == 1
    blobs = wire.Blobs(body=bytearray(b"x"))
    assert decode(everything, blobs.frames()).body == b"x"


# -- classes


def test_names_stay_out_of_the_way_of_the_language(everything: Codec) -> None:
    message = everything.module.ExtremeNumbers(class_=1, str="2", bytes=b"3", len="4", encode_={"5": "6"}, public_key=7)
    assert everything.module.decode(message.encode()) == message
    assert everything.module.__all__ == sorted(
        everything.module.__all__, key=lambda n: (not n.isupper(), n.islower(), n)
    )


def test_constants(everything: Codec) -> None:
    wire = everything.module
    assert (wire.VERSION, wire.LIMIT_HEX, wire.BELOW_ZERO, wire.INCLUDED) == (3, 255, -1, 77)
    assert (wire.GREETING, wire.BARE_WORD, wire.SIGNATURE) == ('hello "you"', "tcp", b"\xaa\xae")
    assert wire.MESSAGES[20] is wire.Texts


def test_documentation(everything: Codec) -> None:
    wire = everything.module
    assert wire.__doc__.splitlines()[0] == "Every construct of the grammar."
    assert 'A "quote", a back\\slash and """three quotes"""' in wire.__doc__
    assert "é, € and 🐍" in wire.__doc__
    assert "short: At most 255 octets." in wire.Texts.__doc__


def test_equality_printing_and_the_rest(codec: Codec) -> None:
    for message, cls in codec.cases():
        one, two = codecs.example(codec.module, message), codecs.example(codec.module, message)
        assert one == two
        assert one != message
        assert one != object()
        with pytest.raises(TypeError, match="unhashable"):
            hash(one)
        with pytest.raises(AttributeError):
            one.no_such_field = 1
        with pytest.raises(TypeError, match="argument"):
            cls(1)
        assert repr(one).startswith(f"{cls.__name__}(")
        assert pickle.loads(pickle.dumps(one)) == one
        for path, kind in cls.KINDS.items():
            codecs.set_path(two, path, {"number": 77, "uuid": uuid.UUID(int=9)}.get(kind.partition("-")[0], "other"))
            assert one != two
            codecs.set_path(two, path, codecs.get_path(one, path))


def test_defaults_are_not_shared(everything: Codec) -> None:
    wire = everything.module
    wire.Texts().many.append("x")
    wire.Clients().client.notes.append("x")
    assert wire.Texts().many == []
    assert wire.Clients().client.notes == []


def test_only_the_standard_library_is_imported(codec: Codec) -> None:
    for path in codec.folder.glob("*.py"):
        if path.stem.endswith("_socket"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names)


def test_output_is_deterministic(codec: Codec) -> None:
    for language in languages.available().values():
        first = render([codec.model], language)
        assert render([codec.model], language) == first
        assert list(first) == sorted(first)
        for name, text in first.items():
            if name.endswith("go.sum"):
                continue  # can't have comments
            assert "by zlog codegen, do not edit." in "".join(text.splitlines()[:4]), name
            assert text.endswith("\n")
            assert not text.endswith("\n\n")
            assert "\r" not in text

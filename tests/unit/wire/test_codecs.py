"""The committed codecs: up to date, and faithful to the models."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zlog.wire
from support import codecs
from zlog.cli import main
from zlog.wire import runtime, zre_log_msg, zre_msg
from zlog_codegen import Model, load
from zlog_codegen.bundled import protocol_folder

MODULES = {"zre_msg": zre_msg, "zre_log_msg": zre_log_msg}
MODELS = {name: load(protocol_folder() / f"{name}.xml") for name in MODULES}
CASES = [(name, message) for name, model in MODELS.items() for message in model.messages]
each_message = pytest.mark.parametrize(("name", "message"), CASES, ids=lambda value: getattr(value, "name", value))
each_codec = pytest.mark.parametrize("name", MODULES)


def decode_error(module: Any, frames: list[bytes]) -> runtime.DecodeError | None:
    """The DecodeError, or None; any other exception comes through."""
    try:
        module.decode(frames[0], frames[1:])
    except runtime.DecodeError as error:
        return error
    return None


def test_they_are_what_the_generator_makes_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(zlog.wire.__file__).parent
    assert main(["codegen", "zre_msg.xml", "zre_log_msg.xml", "--lang", "python", "-o", str(folder), "--check"]) == 0
    assert capsys.readouterr().out.count(": unchanged\n") == 5


@each_message
def test_test_values(name: str, message: Any) -> None:
    module: Any = MODULES[name]
    assert all(field.tests for field in message.fields if field.value is None), "every field has a test value"
    instance = codecs.example(module, message)
    frames = instance.frames()
    assert frames == codecs.spec_frames(MODELS[name], message, instance)
    assert module.decode(frames[0], frames[1:]) == instance


@each_message
def test_truncation_at_every_octet(name: str, message: Any) -> None:
    module: Any = MODULES[name]
    first, *rest = codecs.example(module, message).frames()
    earlier = {len(first) - 12} if message.name == "OFFER" else set()  # without its appended field it is whole too
    for size in range(len(first)):
        error = decode_error(module, [first[:size], *rest])
        assert (error is None) == (size in earlier)
        assert error is None or error.reason == "truncated"


@each_message
def test_appended_octets_are_ignored(name: str, message: Any) -> None:
    module: Any = MODULES[name]
    instance = codecs.example(module, message)
    first, *rest = instance.frames()
    assert module.decode(first + b"a field of a later version", rest) == instance


@each_codec
@settings(deadline=None)
@given(data=st.data())
def test_any_values_survive(name: str, data: st.DataObject) -> None:
    module: Any = MODULES[name]
    instance = data.draw(codecs.messages(module))
    frames = instance.frames()
    message = next(message for message in MODELS[name].messages if message.id == instance.ID)
    assert frames == codecs.spec_frames(MODELS[name], message, instance)
    assert module.decode(frames[0], frames[1:]) == instance


@each_codec
@settings(deadline=None)
@given(number=st.integers(0, 255), tail=st.binary(max_size=80), rest=st.lists(st.binary(max_size=3), max_size=2))
def test_any_octets(name: str, number: int, tail: bytes, rest: list[bytes]) -> None:
    module: Any = MODULES[name]
    decode_error(module, [tail, *rest])
    decode_error(module, [module.SIGNATURE + bytes([number]) + tail, *rest])


def test_one_does_not_read_the_other() -> None:
    error = decode_error(zre_msg, [zre_log_msg.Ping().encode()])
    assert error is not None
    assert error.reason == "signature"


def test_zre_msg_is_version_2() -> None:
    frame = bytearray(zre_msg.Ping(sequence=7).encode())
    assert frame.hex() == "aaa106020007"
    frame[3] = 3
    error = decode_error(zre_msg, [bytes(frame)])
    assert error is not None
    assert (error.reason, error.offset, error.message) == ("value", 3, "PING")


def test_a_subscription_can_filter_by_message_and_severity() -> None:
    # design: severity stands right behind the id, so that AA A2 03 11 is "batches of errors"
    assert zre_log_msg.Batch(severity=17).encode().startswith(bytes.fromhex("aaa20311"))
    assert zre_log_msg.Record(severity=17).encode().startswith(bytes.fromhex("aaa20211"))


def test_lengths_count_octets_not_characters() -> None:
    hello = zre_msg.Hello(endpoint="tcp://[::1]:1", groups=["gruß"], name="Zoë 🐍", headers={"ключ": "值"})
    frame = hello.encode()
    assert zre_msg.decode(frame) == hello
    assert b"\x09Zo\xc3\xab \xf0\x9f\x90\x8d" in frame
    assert b"\0\0\0\x05gru\xc3\x9f" in frame


def test_models_have_what_the_design_promises(  # ids are the contract with other implementations
) -> None:
    model: Model = MODELS["zre_log_msg"]
    assert {message.name: message.id for message in model.messages} == {
        "LOG": 1,
        "RECORD": 2,
        "BATCH": 3,
        "ADVERT": 4,
        "OFFER": 5,
        "WELCOME": 6,
        "FETCH": 7,
        "GONE": 8,
        "COMMIT": 9,
        "DEMAND": 10,
        "STATUS": 11,
        "PING": 12,
        "PONG": 13,
        "REFUSED": 14,
    }


@each_codec
def test_codecs_need_no_zmq(name: str) -> None:
    module: ModuleType = MODULES[name]
    assert "zmq" not in vars(module)
    assert "zmq" not in vars(runtime)

"""The dissectors for Wireshark, by tshark: on recorded traffic of libzmq, and on captures made of octets."""

import json
import random
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from support import pcap
from support.codecs import MODELS, Codec, example, get_path, set_path, spec_frames
from support.pcap import Connection, Dissected
from support.tools import require_tool
from zlog_codegen import languages, layout, load, model, naming
from zlog_codegen.bundled import protocol_folder
from zlog_codegen.model import Message
from zlog_codegen.render import render

LANGUAGE = languages.find("wireshark")
PATHS = {path.stem: path for path in (*protocol_folder().glob("*_msg.xml"), *MODELS.glob("*.xml"))}
VECTORS = protocol_folder() / "vectors"
PORT = 59_999
ON_PORT = ("-o", f"zmtp.ports:{PORT}")
MORE, LONG, COMMAND = 1, 2, 4
GREETING = b"\xff" + bytes(7) + b"\x01\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Codec]:
    """The Python codecs, which say what is right."""
    return {name: Codec(path, tmp_path_factory.mktemp(name)) for name, path in sorted(PATHS.items())}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Path]]:
    """The dissectors of these models, in this order, with that of ZMTP last."""
    folder = tmp_path_factory.mktemp("lua")
    for name, text in render([load(path) for path in PATHS.values()], LANGUAGE).items():
        (folder / name).write_text(text, encoding="utf-8")
    return lambda *names: [folder / f"{name}.lua" for name in (*names, "zmtp")]


def zmtp_frame(octets: bytes, flags: int = 0) -> bytes:
    if len(octets) > 255:
        return bytes((flags | LONG,)) + len(octets).to_bytes(8, "big") + octets
    return bytes((flags, len(octets))) + octets


def zmtp_message(frames: list[bytes]) -> bytes:
    return b"".join(zmtp_frame(octets, MORE) for octets in frames[:-1]) + zmtp_frame(frames[-1])


def ready(socket_type: str) -> bytes:
    value = socket_type.encode()
    return zmtp_frame(b"\x05READY\x0bSocket-Type" + len(value).to_bytes(4, "big") + value, COMMAND)


def examples(codec: Codec) -> list[tuple[Message, Any]]:
    """Each message with the model's test values, and then with values that are easy to mix up."""
    found = []
    for message, _ in codec.cases():
        found.append((message, example(codec.module, message)))
        other = example(codec.module, message)
        for path, kind in other.KINDS.items():
            set_path(other, path, _other_value(kind))
        found.append((message, other))
    return found


def _other_value(kind: str) -> Any:
    kind, _, size = kind.partition("-")
    values: dict[str, Any] = {
        "string": 'naïve "€"\\ \U0001f40d\t|',
        "longstr": "long " * 100,
        "strings": ["", "a", "ß" * 300],
        "hash": {"": "", "é": "=x", "name": "y" * 300},
        "chunk": bytes(range(256)),
        "frame": bytes(300),
        "msg": [b"", b"\x01", bytes(300)],
        "uuid": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
        "topic": "topics/é",
    }
    if kind == "number":
        return (1 << 8 * int(size)) - 1
    return b"\x80" * int(size) if kind == "octets" else values[kind]


def fields_of(codec: Codec, message: Message, value: Any) -> list[tuple[str, str]]:
    """What the dissector shows of a message: the name of each filter and its value, in the order of the wire."""
    shown: list[tuple[str, str]] = []
    paths = iter([path for path in value.KINDS if path != "topic"])
    if codec.model.pubsub:
        shown.append(("topic", value.topic))
    later: list[tuple[str, str]] = []
    for leaf in layout.leaves(message):
        name = ".".join(LANGUAGE.identifier(part.name, "field") for part in leaf.path)
        constant = leaf.field.value is not None
        content = leaf.field.value if constant else get_path(value, next(paths))
        (later if leaf.field.type in {model.FRAME, model.MSG} else shown).extend(
            (name, text) for text in _texts(content)
        )
    return shown + later


def _texts(value: Any) -> list[str]:
    match value:
        case bytes():
            return [value.hex(":")]
        case list():
            return [text for item in value for text in _texts(item)]
        case dict():
            return [f"{name}={text}" for name, text in value.items()]
        case _:
            return [str(value)]


def shown_fields(layer: pcap.Layer, name: str, wanted: set[str]) -> list[tuple[str, str]]:
    """Of a dissected message the fields that are its own."""
    own = [(path.removeprefix(f"{name}."), value) for path, value in layer]
    return [(path, value) for path, value in own if path in wanted]


def check(codec: Codec, layer: pcap.Layer, message: Message, value: Any) -> None:
    name = naming.snake(codec.model.name)
    expected = fields_of(codec, message, value)
    values = dict(layer)
    assert values[f"{name}.message"] == str(message.id)
    assert f"{name}.error" not in values
    every = {path for path, _ in fields_of(codec, message, codec.class_of(message)())} | {path for path, _ in expected}
    assert shown_fields(layer, name, every) == expected
    for path, kind in value.KINDS.items():
        if kind in {"strings", "hash"}:
            shown = ".".join(LANGUAGE.identifier(part, "field") for part in path.split("."))
            assert values[f"{name}.{shown}.count"] == str(len(get_path(value, path)))
        if kind == "hash":
            pairs = get_path(value, path).items()
            assert [text for key, text in layer if key == f"{name}.{shown}.name"] == [key for key, _ in pairs]
            assert [text for key, text in layer if key == f"{name}.{shown}.value"] == [text for _, text in pairs]


# -- recorded


class Exchange:
    """Pairs of sockets that send each other every message of every model, recorded."""

    def __init__(self, codecs: dict[str, Codec], folder: Path) -> None:
        self.ports: dict[str, int] = {}
        recording = pcap.Recording(folder / "recorded.pcap")
        context = zmq.Context()
        for name, codec in codecs.items():
            pubsub = codec.model.pubsub or name == "zre_log_msg"
            types = (zmq.XPUB, zmq.SUB) if pubsub else (zmq.ROUTER, zmq.DEALER)
            with context.socket(types[0]) as one, context.socket(types[1]) as two:
                one.rcvtimeo = two.rcvtimeo = 10_000
                one.linger = two.linger = 10_000
                self.ports[name] = one.bind_to_random_port("tcp://127.0.0.1")
                two.connect(f"tcp://127.0.0.1:{self.ports[name]}")
                self._talk(codec, one, two, pubsub)
        context.term()
        self.capture = recording.stop()

    def _talk(self, codec: Codec, one: Any, two: Any, pubsub: bool) -> None:
        if pubsub:
            two.subscribe(codec.module.SIGNATURE)
            one.recv()
        else:
            two.send(b"")
            identity, _ = one.recv_multipart()
        for number, (_, value) in enumerate(examples(codec)):
            frames = value.frames()
            if pubsub:
                one.send_multipart(frames)
                assert two.recv_multipart() == frames
            elif number % 2:
                one.send_multipart([identity, *frames])
                assert two.recv_multipart() == frames
            else:
                two.send_multipart(frames)
                assert one.recv_multipart() == [identity, *frames]
        if pubsub:
            two.unsubscribe(codec.module.SIGNATURE)
            one.recv()


@pytest.fixture(scope="module")
def exchange(codecs: dict[str, Codec], tmp_path_factory: pytest.TempPathFactory) -> Exchange:
    return Exchange(codecs, tmp_path_factory.mktemp("exchange"))


@pytest.mark.parametrize("name", sorted(PATHS))
def test_recorded(name: str, exchange: Exchange, codecs: dict[str, Codec], scripts: Any) -> None:
    codec = codecs[name]
    only = ("-Y", f"tcp.port == {exchange.ports[name]}")
    seen = Dissected(exchange.capture, scripts(name), *only)
    layers = seen.layers(name)
    sent = examples(codec)
    assert len(layers) == len(sent)
    for layer, (message, value) in zip(layers, sent, strict=True):
        check(codec, layer, message, value)
    everything = [field for layer in seen.layers("zmtp") for field in layer]
    assert [value for path, value in everything if path == "zmtp.mechanism"] == ["NULL", "NULL"]
    pubsub = codec.model.pubsub or name == "zre_log_msg"
    kinds = {value for path, value in everything if path == "zmtp.property"}
    assert {"Socket-Type=XPUB", "Socket-Type=SUB"} <= kinds if pubsub else {"Socket-Type=DEALER"} <= kinds
    subscriptions = [(path, value) for path, value in everything if path in {"zmtp.subscribe", "zmtp.cancel"}]
    prefix = codec.module.SIGNATURE.hex(":")
    assert subscriptions == ([("zmtp.subscribe", prefix), ("zmtp.cancel", prefix)] if pubsub else [])
    assert not [path for path, _ in everything if path in {"zmtp.invalid", "zmtp.malformed"}]


def test_the_list_of_packets(exchange: Exchange, scripts: Any) -> None:
    only = ("-Y", f"tcp.port == {exchange.ports['zre_log_msg']} && zmtp")
    text = pcap.tshark(exchange.capture, scripts("zre_log_msg"), *only, "-T", "fields", "-e", "_ws.col.Protocol",
                       "-e", "_ws.col.Info")  # fmt: skip
    lines = text.splitlines()
    for line in (
        "ZMTP\tgreeting NULL",
        "ZMTP\tXPUB: READY XPUB",
        "ZRE_LOG_MSG\tXPUB: RECORD",
        "ZRE_LOG_MSG\tXPUB: LOG",
    ):
        assert line in lines
    assert any(re.fullmatch(r"ZMTP\tSUB: (READY SUB, )?subscribe zre_log_msg", line) for line in lines), lines


def test_filters(exchange: Exchange, scripts: Any) -> None:
    def count(expression: str) -> int:
        return len(pcap.tshark(exchange.capture, scripts("zre_log_msg"), "-Y", expression).splitlines())

    only = f"tcp.port == {exchange.ports['zre_log_msg']} && "
    assert count(only + 'zre_log_msg.text contains "joint 3"') == 1
    assert count(only + 'zre_log_msg.message == "RECORD"') == 2
    assert count(only + "zre_log_msg.severity >= 17 && zre_log_msg.sequence == 42") == 1
    assert count(only + 'zre_log_msg.fields == "joint=3"') == 1
    command = ("-Y", only + "zre_log_msg.pid", "-T", "fields", "-e", "zre_log_msg.pid", "-e", "zre_log_msg.host")
    assert "4711\trover-2" in pcap.tshark(exchange.capture, scripts("zre_log_msg"), *command).splitlines()
    assert count(only + "zre_log_msg.node == 3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e") >= 5


# -- written


def capture(folder: Path, *connections: Connection, captured: int = 262_144) -> Path:
    return pcap.write(folder / "written.pcap", connections, captured)


#: Reason, offset and all in words.
Error = tuple[str, str, str]


def errors_in(seen: Dissected, name: str) -> list[Error | None]:
    """Of each message what is wrong with it, or None."""
    values = [dict(layer) for layer in seen.layers(name)]
    return [
        (value[f"{name}.error"], value[f"{name}.error.offset"], value["_ws.expert.message"])
        if f"{name}.error" in value
        else None
        for value in values
    ]


def mutations(frame: bytes, rng: random.Random) -> Iterator[bytes]:
    """``frame``, cut at every octet, longer, and with octets changed."""
    yield from (frame[:end] for end in range(2, len(frame) + 1))
    yield frame + b"behind"
    for _ in range(60):
        changed = bytearray(frame)
        for _ in range(rng.randint(1, 3)):
            changed[rng.randrange(2, len(frame))] = rng.choice((0, 1, 0x7F, 0x80, 0xC3, 0xED, 0xFF, rng.randrange(256)))
        yield bytes(changed)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_errors_are_those_of_the_codec(name: str, codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    codec = codecs[name]
    rng = random.Random(name)
    sent: list[list[bytes]] = []
    for message, _ in codec.cases():
        value = example(codec.module, message)
        if codec.model.pubsub:
            value.topic = "é"
        first, *rest = value.frames()
        sent += [[changed, *rest] for changed in mutations(first, rng)]
        sent += [[first, *rest[:-1]]] * bool(rest)
    expected: list[Error | None] = []
    for first, *rest in sent:
        try:
            codec.module.decode(first, rest)
            expected.append(None)
        except codec.runtime.DecodeError as error:
            if error.reason != "signature" and not codec.model.pubsub:  # without one it isn't taken for a message
                expected.append((error.reason, str(error.offset), str(error)))
    connection = Connection(PORT).send(1, GREETING + ready("PUB"))
    for frames in sent:
        connection.send(1, zmtp_message(frames))
    seen = Dissected(capture(tmp_path, connection), scripts(name), *ON_PORT)
    assert errors_in(seen, name) == expected
    assert expected.count(None) >= 1
    if not codec.model.pubsub:
        marked = [layer for layer in seen.layers(name) if "zmtp.malformed" in dict(layer)]
        assert len(marked) == len(expected) - expected.count(None)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_vectors(name: str, scripts: Any, tmp_path: Path) -> None:
    """What every codec is tested with. A frame without the signature of the protocol isn't taken for one of its."""
    spec = load(PATHS[name])
    start = b"" if spec.pubsub else bytes((0xAA, 0xA0 | spec.signature))
    ids = {message.name.replace(" ", "_"): str(message.id) for message in spec.messages}
    sent: list[list[bytes]] = []
    expected: list[tuple[str | None, str | None, str | None]] = []
    for case in json.loads((VECTORS / f"conformance_{name}.json").read_text(encoding="utf-8")):
        sent.append([bytes.fromhex(frame) for frame in case["frames"]])
        reason, offset, message = case["expect"].get("error", (None, None, case["expect"].get("message")))
        if sent[-1][0].startswith(start) and not (reason and spec.pubsub):
            expected.append((reason, None if offset is None else str(offset), ids.get(message)))
    connection = Connection(PORT).send(1, GREETING + ready("PUB"))
    for frames in sent:
        connection.send(1, zmtp_message(frames), 60_000)
    layers = Dissected(capture(tmp_path, connection), scripts(name), *ON_PORT).layers(name)
    keys = (f"{name}.error", f"{name}.error.offset", f"{name}.message")
    for layer, (reason, offset, message) in zip(layers, expected, strict=True):
        found = dict(layer)
        assert tuple(map(found.get, keys)) == (reason, offset, message if message else found.get(keys[2]))
    assert len(expected) > len(ids)


@pytest.mark.parametrize("name", ["everything", "feed"])
def test_garbage(name: str, codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    """Whatever comes, Lua has no error: `tshark` above looks for one."""
    rng = random.Random(7)
    start = codecs[name].module.SIGNATURE
    connections = []
    for number in range(150):
        connection = Connection(PORT, 40_000 + number)
        for _ in range(3):
            octets = rng.randbytes(rng.randint(1, 300))
            match number % 5:
                case 0:
                    connection.send(0, octets)
                case 1:
                    connection.send(0, GREETING + octets)
                case 2:
                    connection.send(1, bytes((rng.randrange(8), rng.randrange(256))) + octets)
                case 3:
                    message = bytes((rng.randrange(1, 21),))
                    connection.send(1, zmtp_message([start + message + octets] * rng.randint(1, 3)))
                case 4:
                    name_of = rng.choice((b"\x05READY", b"\x09SUBSCRIBE", b"\x04PING", b"\x05ERROR", b"\xffX", b""))
                    connection.send(1, zmtp_frame(name_of + octets[: rng.randint(0, 40)], COMMAND))
        connections.append(connection)
    path = capture(tmp_path, *connections)
    for options in (ON_PORT, (*ON_PORT, "-o", "tcp.desegment_tcp_streams:FALSE"), ("-2", *ON_PORT), ()):
        pcap.tshark(path, scripts(name), "-V", *options)
    seen = Dissected(path, scripts(name), *ON_PORT)
    shown = {field for layer in seen.layers("zmtp") for field, _ in layer}
    assert {"zmtp.invalid", "zmtp.malformed", "zmtp.command.name"} <= shown


@pytest.mark.parametrize("captured", [60, 97, 150, 400])
def test_a_capture_that_cuts_packets(captured: int, codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    connection = Connection(PORT).send(0, GREETING + ready("PUB"))
    for _, value in examples(codecs["zre_log_msg"]):
        connection.send(0, zmtp_message(value.frames()))
    path = capture(tmp_path, connection, captured=captured)
    for options in (ON_PORT, (*ON_PORT, "-o", "tcp.desegment_tcp_streams:FALSE"), ()):
        pcap.tshark(path, scripts("zre_log_msg"), "-V", *options)


@pytest.mark.parametrize("segment", [1, 7, 1400, 60_000])
def test_segments(segment: int, codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    """Messages begin and end anywhere in segments; frames of more than 64 KiB span many."""
    codec = codecs["everything"]
    blobs = codec.model.messages[2]
    value = example(codec.module, blobs)
    if segment > 1000:
        value.body = random.Random(1).randbytes(200_000)
        value.content = [b"", bytes(70_000), b"end"]
    sent = [(message, value if message is blobs else example(codec.module, message)) for message, _ in codec.cases()]
    stream = GREETING + ready("DEALER") + b"".join(zmtp_message(value.frames()) for _, value in sent)
    connection = Connection(PORT).send(1, GREETING + ready("ROUTER")).send(0, stream, segment)
    seen = Dissected(capture(tmp_path, connection), scripts("everything"))
    layers = seen.layers("everything")
    assert len(layers) == len(sent)
    for layer, (message, value) in zip(layers, sent, strict=True):
        check(codec, layer, message, value)


def test_an_envelope_and_commands_between(codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    codec = codecs["zre_log_msg"]
    ping = codec.module.Ping(clock=7).encode()
    heartbeat = zmtp_frame(b"\x04PING\x00\x0fcontext", COMMAND)
    stream = (
        GREETING + ready("REQ") + heartbeat + zmtp_frame(b"identity", MORE) + zmtp_frame(b"", MORE)
        + heartbeat + zmtp_frame(ping) + zmtp_frame(b"\x04PONGcontext", COMMAND)
        + zmtp_frame(b"\x05ERROR\x04busy", COMMAND)
    )  # fmt: skip
    seen = Dissected(capture(tmp_path, Connection(PORT).send(0, stream)), scripts("zre_log_msg"))
    ((layer),) = seen.layers("zre_log_msg")
    assert dict(layer)["zre_log_msg.clock"] == "7"
    fields = [field for layer in seen.layers("zmtp") for field in layer]
    assert fields.count(("zmtp.ping.ttl", "15")) == 2
    assert fields.count(("zmtp.ping.context", b"context".hex(":"))) == 3
    assert ("zmtp.error", "busy") in fields
    assert ("zmtp.frames", "3") in fields


def test_subscriptions_as_messages_and_as_commands(codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    """ZMTP 3.0 has messages for them, 3.1 commands."""
    topic = codecs["zre_log_msg"].module.SIGNATURE + b"\x02\x11"
    stream = GREETING + ready("SUB") + zmtp_frame(b"\x01" + topic) + zmtp_frame(b"\x00" + topic)
    stream += zmtp_frame(b"\x09SUBSCRIBE" + topic, COMMAND) + zmtp_frame(b"\x06CANCEL" + topic, COMMAND)
    path = capture(tmp_path, Connection(PORT).send(0, stream))
    shown = topic.hex(":")
    seen = Dissected(path, scripts("zre_log_msg"))
    fields = [field for layer in seen.layers("zmtp") for field in layer]
    kinds = [field for field in fields if field[0] in {"zmtp.subscribe", "zmtp.cancel"}]
    assert kinds == [("zmtp.subscribe", shown), ("zmtp.cancel", shown)] * 2
    assert not seen.layers("zre_log_msg")
    text = pcap.tshark(path, scripts("zre_log_msg"))
    assert "SUB: greeting NULL, READY SUB, subscribe zre_log_msg RECORD, cancel zre_log_msg RECORD" in text


def test_a_capture_that_began_later(codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    """Without a greeting, a message of a model tells; others need the preference."""
    codec = codecs["zre_log_msg"]
    message = zmtp_message(codec.module.Ping(clock=7).frames())
    path = capture(tmp_path, Connection(PORT).send(0, message + message).send(1, message))
    assert len(Dissected(path, scripts("zre_log_msg")).layers("zre_log_msg")) == 3
    path = capture(tmp_path, Connection(PORT).send(0, zmtp_frame(b"anything") + message))
    assert not Dissected(path, scripts("zre_log_msg")).layers("zmtp")
    assert len(Dissected(path, scripts("zre_log_msg"), *ON_PORT).layers("zre_log_msg")) == 1


def test_in_step_again_after_garbage(codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    message = zmtp_message(codecs["zre_log_msg"].module.Ping(clock=7).frames())
    connection = Connection(PORT).send(0, GREETING + ready("PUSH")).send(0, b"\x77 garbage").send(0, b"\x00\x05more")
    connection.send(0, message)
    for options in ((), ("-2",)):
        text = pcap.tshark(capture(tmp_path, connection), scripts("zre_log_msg"), *options)
        infos = [line for line in text.splitlines() if "ZMTP" in line or "ZRE_LOG_MSG" in line]
        assert [re.split(r"ZMTP|ZRE_LOG_MSG", line, maxsplit=1)[1].split(" ", 2)[2] for line in infos] == [
            "PUSH: greeting NULL, READY PUSH", "PUSH: [not ZMTP 3]", "PUSH: out of step", "PUSH: PING",
        ]  # fmt: skip


def test_encrypted(scripts: Any, tmp_path: Path) -> None:
    greeting = GREETING.replace(b"NULL\0", b"CURVE")
    stream = greeting + zmtp_frame(b"\x05HELLO" + bytes(194), COMMAND) + zmtp_frame(b"\x07MESSAGE" + bytes(50))
    text = pcap.tshark(capture(tmp_path, Connection(PORT).send(0, stream)), scripts("zre_log_msg"))
    assert "greeting CURVE, HELLO, encrypted message" in text


def test_text_that_is_hard_to_show(codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    """Wireshark ends text at a zero, so it is shown as its symbol. What isn't UTF-8 is shown as far as it is."""
    record = codecs["zre_log_msg"].module.Record(text="a\0b", fields={"k\0": "\0v"})
    log = codecs["zre_log_msg"].module.Log(data="cut €").encode()[:-1]
    log = log[:17] + bytes((log[17] - 1,)) + log[18:]
    stream = GREETING + ready("PUB") + zmtp_frame(record.encode()) + zmtp_frame(log)
    first, second = Dissected(capture(tmp_path, Connection(PORT).send(0, stream)), scripts("zre_log_msg")).layers(
        "zre_log_msg"
    )
    assert {"zre_log_msg.text": "a\u2400b", "zre_log_msg.fields": "k\u2400=\u2400v"}.items() <= dict(first).items()
    assert {"zre_log_msg.fields.name": "k\u2400", "zre_log_msg.fields.value": "\u2400v"}.items() <= dict(first).items()
    assert dict(second)["zre_log_msg.data"] == "cut \ufffd"
    assert dict(second)["zre_log_msg.error"] == "utf8"


def test_an_error_of_lua_is_found(scripts: Any, tmp_path: Path) -> None:
    """Or the tests on garbage would prove nothing."""
    broken = tmp_path / "broken.lua"
    broken.write_text(scripts()[0].read_text().replace("called[#called + 1] = show_command", "called.x = nothing"))
    path = capture(tmp_path, Connection(PORT).send(0, GREETING + ready("PUB")))
    for options in (("-V",), ("-T", "json")):
        with pytest.raises(AssertionError, match="nothing"):
            pcap.tshark(path, [broken], *options)


def test_what_the_readme_shows(codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    codec = codecs["zre_log_msg"]
    record = example(codec.module, codec.model.messages[1]).encode()
    subscription = zmtp_frame(b"\x09SUBSCRIBE" + record[:3], COMMAND)
    connection = Connection(PORT).send(1, GREETING + ready("SUB") + subscription).send(0, GREETING + ready("XPUB"))
    path = capture(tmp_path, connection.send(0, zmtp_frame(record)).send(0, zmtp_frame(record[:70])))
    says = {
        "list": pcap.tshark(path, scripts("zre_log_msg")),
        "tree": pcap.tshark(path, scripts("zre_log_msg"), "-O", "zmtp,zre_log_msg", "-Y", "frame.number == 6"),
    }
    assert "RECORD [truncated]" in says["list"]
    readme = (Path(__file__).parents[2] / "codegen" / "README.md").read_text(encoding="utf-8")
    for which, text in re.findall(r"<!-- tshark (list|tree) -->\n```text\n(.*?)```", readme, re.DOTALL):
        assert text in says[which]


# -- the files


def test_fields_have_the_right_types(codecs: dict[str, Codec], scripts: Any, tmp_path: Path) -> None:
    types = {
        "number-1": "FT_UINT8", "number-2": "FT_UINT16", "number-4": "FT_UINT32", "number-8": "FT_UINT64",
        "octets": "FT_BYTES", "string": "FT_STRING", "longstr": "FT_STRING", "strings": "FT_STRING",
        "hash": "FT_STRING", "chunk": "FT_BYTES", "uuid": "FT_GUID", "frame": "FT_BYTES", "msg": "FT_BYTES",
        "topic": "FT_STRING",
    }  # fmt: skip
    empty = capture(tmp_path)
    text = pcap.tshark(empty, scripts(*PATHS), "-G", "fields")
    known = {line.split("\t")[2]: line.split("\t") for line in text.splitlines() if line.startswith("F\t")}
    for name, codec in codecs.items():
        for message, _ in codec.cases():
            for leaf in layout.leaves(message):
                path = ".".join(LANGUAGE.identifier(part.name, "field") for part in leaf.path)
                kind = f"number-{leaf.field.size}" if leaf.field.type == model.NUMBER else leaf.field.type
                field = known[f"{name}.{path}"]
                assert field[3] == types[kind]
                assert field[1] == ".".join(part.name for part in leaf.path)
    assert known["zre_log_msg.text"][6:] == ["0x0", "Text of the record"]


def test_names_that_wireshark_has_already(scripts: Any, tmp_path: Path) -> None:
    path = tmp_path / "http.xml"
    path.write_text(
        '<class name = "http" signature = "5"><message name = "GET"><field name = "error" type = "number" />'
        '<field name = "topic" type = "string" /><field name = "end" type = "number" /></message></class>'
    )
    codec = Codec(path, tmp_path)
    (tmp_path / "http.lua").write_text(render([codec.model], LANGUAGE)["http.lua"])
    value = codec.module.Get(error=1, topic="x", end=3)
    connection = Connection(PORT).send(0, GREETING + zmtp_message(value.frames()))
    (layer,) = Dissected(capture(tmp_path, connection), [*scripts(), tmp_path / "http.lua"]).layers("http_model")
    assert {"http_model.error_": "1", "http_model.topic_": "x", "http_model.end": "3"}.items() <= dict(layer).items()


def test_a_dissector_of_another_version(scripts: Any, codecs: dict[str, Codec], tmp_path: Path) -> None:
    old = tmp_path / "zre_log_msg.lua"
    old.write_text(scripts("zre_log_msg")[0].read_text().replace("version = 1,", "version = 0,"))
    stream = GREETING + zmtp_frame(codecs["zre_log_msg"].module.Ping().encode())
    with pytest.raises(AssertionError, match=r"zre_log_msg\.lua and zmtp\.lua are from different versions"):
        pcap.tshark(capture(tmp_path, Connection(PORT).send(0, stream)), [*scripts(), old])


def test_all_models_at_once_and_in_any_order(exchange: Exchange, codecs: dict[str, Codec], scripts: Any) -> None:
    """Protocols that share a signature are told apart as far as messages can be read; no matter who is loaded first."""
    files = scripts(*PATHS)
    texts = [pcap.tshark(exchange.capture, order) for order in (files, files[::-1])]
    assert texts[0] == texts[1]
    only = ("-Y", f"tcp.port == {exchange.ports['everything']}")
    assert len(Dissected(exchange.capture, files, *only).layers("everything")) == len(examples(codecs["everything"]))


def test_lint(scripts: Any) -> None:
    known = "Proto ProtoField ProtoExpert Pref Field DissectorTable base expert ENC_UTF_8 DESEGMENT_ONE_MORE_SEGMENT"
    known += " report_failure"
    command = [require_tool("luacheck", "apt-get install lua-check"), "--no-color", "--quiet", "--std", "lua52"]
    command += ["--max-line-length", "120", "--read-globals", *known.split(), "--globals", "_G.zlog_models", "--"]
    done = subprocess.run([*command, *map(str, scripts(*PATHS))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_deterministic() -> None:
    models = [load(path) for path in PATHS.values()]
    assert render(models, LANGUAGE) == render(models, LANGUAGE)


def test_nothing_but_the_spec(codecs: dict[str, Codec]) -> None:
    """What the other tests take for right is what a plain reading of the model says."""
    for codec in codecs.values():
        for message, value in examples(codec):
            assert value.frames() == spec_frames(codec.model, message, value)

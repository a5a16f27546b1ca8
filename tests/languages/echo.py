"""What the tests of TypeScript and of Ruby do with programs: run them, talk to them, look at what they sent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import zmq

from languages.conftest import Collector
from support.codecs import MODELS, Codec
from support.programs import Program

README = Path(__file__).parents[2] / "codegen" / "README.md"


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a program says; it must succeed."""
    words = list(map(str, command))
    result = subprocess.run(words, cwd=cwd, env=os.environ | environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def shown(language: str, folder: Path) -> str:
    """Generates the codec of the model in the generator's README into `wire`; returns what the README shows of it."""
    text = README.read_text(encoding="utf-8")
    (model,) = re.findall(r"<!-- file: weather.xml -->\n```xml\n(.*?)```", text, re.DOTALL)
    (snippet,) = re.findall(rf"<!-- run {language} -->\n```{language}\n(.*?)```", text, re.DOTALL)
    (folder / "weather.xml").write_text(model, encoding="utf-8")
    run(sys.executable, "-m", "zlog", "codegen", "weather.xml", "--lang", language, "-o", "wire", cwd=folder)
    return str(snippet)


def exchange(peer: Program, folder: Path) -> list[str]:
    """Talks to a peer that is told to take three messages; returns the lines that it says after its endpoints.

    The peer has a ROUTER for messages of everything.xml, and an XPUB for those of feed.xml. It echoes, reports what it
    refused, tries to send without an identity, reports a subscription, publishes a TICK of another topic and a HALT,
    and reports that the subscription ended.
    """
    everything = Codec(MODELS / "everything.xml", folder)
    feed = Codec(MODELS / "feed.xml", folder)
    router, xpub = peer.expect(r"^tcp://").split()
    wire = everything.module
    sent = [
        wire.Texts(short="é", long="x" * 70_000, many=["a", ""], table={"k": "v"}),
        wire.Blobs(id=UUID(int=7), body=b"\0\xff", address=b"a", content=[b"1", b"", b"3"]),
    ]
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer, context.socket(zmq.SUB) as sub:
        for socket in (dealer, sub):
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVTIMEO, 20_000)
        dealer.setsockopt(zmq.IDENTITY, b"python")
        dealer.connect(router)
        for message in sent:
            dealer.send_multipart(message.frames())
            first, *rest = dealer.recv_multipart()
            assert wire.decode(first, rest) == message
            assert [first, *rest] == message.frames()
        dealer.send_multipart([b"\xaa\xae\x07"])
        sub.connect(xpub)
        subscription = feed.module.subscription(feed.module.Halt, "tö")
        sub.subscribe(subscription)
        (frame,) = sub.recv_multipart()
        assert feed.module.decode(frame) == feed.module.Halt(topic="tö")
        sub.unsubscribe(subscription)
        peer.lines.join(20)
        assert peer.process.wait(20) == 0
    return peer.lines.all[1:]


def check_records(collector: Collector, name: str) -> None:
    """Ten records came whole, with a sequence for each range of severities."""
    records = collector.records(10)
    assert [record.text for record in records] == [f"record {number} of 10, at 12.5 °C" for number in range(1, 11)]
    assert [record.fields for record in records] == [{"number": str(number)} for number in range(1, 11)]
    assert {record.name for record in records} == {name}
    assert len({(record.node, record.epoch) for record in records}) == 1
    assert [(record.severity, record.sequence) for record in records] == [
        ((9, 5, 13, 17)[index % 4], index // 4 + 1) for index in range(10)
    ]


#: Names that mean something to a language, to its standard library or to the templates.
HOSTILE = (
    *("zmq", "socket", "identity", "frames", "flags", "error", "errors", "send", "receive", "U32", "NIL", "UUID"),
    *("struct", "message", "received", "runtime", "new", "rest", "total", "start", "end", "exactly", "type"),
    *("bytes", "len", "fields", "name", "kinds", "id", "MESSAGES", "SIGNATURE", "decode", "encode", "equals"),
    *("constructor", "prototype", "toString", "string", "number", "bigint", "object", "symbol"),
    *("function", "map", "set", "array", "promise", "record", "partial", "reader", "writer", "init", "input"),
    *("output", "value-of", "class", "hash", "object-id", "method", "methods", "self", "next", "undef"),
    *("begin", "then", "await", "async", "of", "let", "static", "get", "arguments", "eval", "undefined"),
    *("infinity", "na-n", "json", "math", "proxy", "reflect", "format", "raise", "p", "puts", "kernel", "pack"),
    *("codec-runtime", "codec-zmq", "inspect", "to-h", "to-s", "dup", "freeze", "instance-variables"),
    *("initialize", "module", "proc", "data", "time", "random", "default", "import", "export", "delete"),
    *("typeof", "void", "with", "yield", "enum", "super", "this", "null", "true", "false", "in", "topic"),
    *("conformance-driver", "DecodeError", "read", "write", "deconstruct-keys", "respond-to"),
    *("tap", "loop", "lambda", "binding", "buffer", "process", "global", "require", "exports"),
)


def hostile(folder: Path) -> tuple[list[Path], list[str]]:
    """A model for each hostile name, with all in it called so, and questions for a driver, whose answers are all ok."""
    kinds = ("string", "uuid", "chunk", "hash", "strings", "frame")
    zeros = "00" * (1 + 16 + 4 + 4 + 4 + 4)
    models: list[Path] = []
    questions: list[str] = []
    for name in HOSTILE:
        fields = "".join(f'<field name = "{name}-{kind}" type = "{kind}" />' for kind in kinds)
        fields += f'<field name = "{name}" type = "longstr" />'
        path = folder / f"{name}.xml"
        path.write_text(
            f'<class name = "{name}"><message name = "{name}">{fields}</message><message name = "M-{name}">'
            f'<field name = "{name}-inner" type = "{name}-t" /></message>'
            f'<define name = "{name}-x" value = "1" /><type name = "{name}-t">{fields}</type></class>'
        )
        models.append(path)
        questions += [f"decode {name} aaa0{number}{zeros}," for number in ("01", "02")]
    return models, questions


def answers(command: Sequence[str | Path], questions: Sequence[str], cwd: Path) -> list[str]:
    """What a driver answers."""
    text = "".join(f"{question}\n" for question in questions)
    result = subprocess.run(list(map(str, command)), input=text, cwd=cwd, capture_output=True, text=True)
    assert not result.stderr, result.stderr
    return result.stdout.splitlines()

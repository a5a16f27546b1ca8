"""Cases that are written down: what to decode, with what must come of it, made from a model.

As JSON a list of objects, as in ``protocol/vectors``::

    {"name": "LOG: truncated to 7 octets", "model": "zre_log_msg", "frames": ["aaa20103030000"],
     "expect": {"error": ["truncated", 3, "LOG"]}}               # reason, offset, message or null
    {"name": "…", "model": "…", "frames": […], "expect": {"message": "LOG", "dump": "level=3;event=…"}}

and of values that can't be encoded, in a file of their own::

    {"name": "LOG: data of 256 octets", "model": "zre_log_msg", "message": "LOG", "dump": "…", "refused": "data"}

The dump is that of `dump.py`. As TSV, for languages that have no JSON at hand, a line for each case: model, name,
frames, and the right answer of a driver without the octets at its end.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from zlog_codegen import literals, model
from zlog_codegen.conformance import protocol, questions, reference
from zlog_codegen.conformance.dump import Value, dump, parse
from zlog_codegen.conformance.protocol import Kind, Part, Protocol
from zlog_codegen.conformance.questions import Question
from zlog_codegen.conformance.reference import Raw
from zlog_codegen.conformance.samples import BAD_UTF8

Case = dict[str, Any]

#: Text of every width of UTF-8, and characters that programs like to treat as special.
_TEXTS: Final = {
    "two octets to a character": "é\u0080\u07ff",
    "three octets to a character": "€\u0800\ud7ff\ue000\uffff",
    "four octets to a character": "🐍\U00010000\U0010ffff",
    "a zero": "a\0b",
    "a byte order mark": "\ufeffa",
    "quotes, a backslash and line ends": "\"'\\\n\r\u2028",
}
_HUGE: Final = (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x40000000, 0x33333334)


def decoding(spoken: Protocol) -> list[Case]:
    """Frames of all messages and what they mean, always the same for a model."""
    cases: dict[str, list[bytes]] = {}
    seen: set[str] = set()
    for kind in spoken.kinds:
        _message(kind, cases, seen)
    _starts(spoken, cases)
    return [_case(spoken, name, frames) for name, frames in cases.items()]


def refusals(spoken: Protocol) -> list[Case]:
    """Values of all messages that can't be encoded, and the field that is to blame."""
    found: list[Case] = []
    seen: set[str] = set()
    for kind in spoken.kinds:
        for path, part in _paths(kind.parts):
            impossible = questions.impossible_values(part)[: 2 if part.type in seen else None]
            seen.add(part.type)
            for number, bad in enumerate(impossible, 1):
                value = example(kind)
                _put(value, path, bad)
                name = f"{kind.name}: {'.'.join(path)} can't be this ({number})"
                text = dump(value, kind.parts)
                found.append(
                    {"name": name, "model": spoken.name, "message": kind.name, "dump": text, "refused": ".".join(path)}
                )
    return found


def _case(spoken: Protocol, name: str, frames: list[bytes]) -> Case:
    expect: Case
    try:
        kind, value = reference.decode(spoken, frames)
        expect = {"message": kind.name, "dump": dump(value, kind.parts)}
    except reference.MalformedError as error:
        expect = {"error": [error.reason, error.offset, error.message]}
    return {"name": name, "model": spoken.name, "frames": [frame.hex() for frame in frames], "expect": expect}


# -- what is worth a case


def _message(kind: Kind, cases: dict[str, list[bytes]], seen: set[str]) -> None:
    """The cases of one message. Of the types that were ``seen`` in another field, not all are made again."""

    def add(name: str, path: tuple[str, ...] = (), octets: Any = None) -> None:
        value = example(kind)
        if path:
            _put(value, path, octets)
            name = f"{'.'.join(path)}: {name}"
        cases[f"{kind.name}: {name}"] = reference.encode(kind, value)

    add("as in the model's tests")
    cases[f"{kind.name}: empty"] = reference.encode(kind, reference.empty_fields(kind.parts))
    for path, part in _paths(kind.parts):
        for name, octets in _values(part, BAD_UTF8[-3:-2] if part.type in seen else BAD_UTF8):
            add(name, path, octets)
        seen.add(part.type)
    first, *rest = reference.encode(kind, example(kind))
    for size in range(len(first)):
        cases[f"{kind.name}: truncated to {size} octets"] = [first[:size], *rest]
    cases[f"{kind.name}: octets behind"] = [first + b"\0\xff", *rest]
    cases[f"{kind.name}: a frame behind"] = [first, *rest, b"more"]
    for number in range(len(rest)):
        cases[f"{kind.name}: with {number} of {len(rest)} further frames"] = [first, *rest[:number]]


def _starts(spoken: Protocol, cases: dict[str, list[bytes]]) -> None:
    """Frames that are no message because of how they start."""
    first, *rest = reference.encode(spoken.kinds[0], example(spoken.kinds[0]))
    for bit in range(8 * len(spoken.signature)):
        spoiled = bytearray(first)
        spoiled[bit // 8] ^= 0x80 >> bit % 8
        cases[f"bit {bit} of the signature is wrong"] = [bytes(spoiled), *rest]
    known = set(spoken.by_id)
    for number in sorted({0, 255, *(one + 1 for one in known if one < 255)} - known):
        cases[f"unknown id {number}"] = [spoken.signature + bytes((number,)) + bytes(20)]
    cases["nothing but zeros"] = [bytes(20)]
    cases["text"] = [b"GET / HTTP/1.1\r\n\r\n"]


def _values(part: Part, all_bad: Sequence[bytes]) -> Iterator[tuple[str, Any]]:
    """Values at the limits, and octets that can't be, among them ``all_bad`` UTF-8: each with what it is."""
    if part.constant is not None:
        for at in range(len(part.constant)):
            octets = bytearray(part.constant)
            octets[at] ^= 1
            yield f"octet {at} of the constant is wrong", Raw(bytes(octets))
        return
    match part.type:
        case model.NUMBER:
            top = 1 << 8 * part.size
            for number in (0, 1, top // 2 - 1, top // 2, top - 1):
                yield str(number), number
        case model.OCTETS | model.UUID:
            yield "FF everywhere", b"\xff" * (part.size or 16)
        case model.STRING | model.LONGSTR | protocol.TOPIC:
            yield from _texts(part, all_bad)
        case model.STRINGS:
            yield "one, which is empty", [b""]
            yield "three", [b"one", b"", "drei ß".encode()]
            yield "300", [b"%d" % number for number in range(300)]
            for bad in all_bad:
                yield f"not UTF-8: {bad.hex()}", reference.raw_strings([b"good", b"ba" + bad + b"d"])
            yield from _lies(reference.raw_strings([b"one", b"two"]), 4, 2)
        case model.HASH:
            yield "an empty name and value", {b"": b""}
            yield "a name of 255 octets", {b"n" * 255: "drei ß".encode()}
            yield "not in order", {b"b": b"1", b"a": b"2", b"10": b"3", b"9": b"4"}
            yield "a name twice", reference.raw_hash([(b"a", b"first"), (b"b", b""), (b"a", b"last")])
            for bad in all_bad:
                yield f"name not UTF-8: {bad.hex()}", reference.raw_hash([(b"n" + bad + b"n", b"good")])
                yield f"value not UTF-8: {bad.hex()}", reference.raw_hash([(b"good", b"v" + bad + b"v")])
            yield from _lies(reference.raw_hash([(b"a", b"one"), (b"b", b"two")]), 4, 2)
        case model.CHUNK:
            for size in (0, 1, 255, 256, 1000):
                yield f"{size} octets", bytes(at % 256 for at in range(size))
            yield from _lies(b"\0\0\0\3abc", 4, 3)
        case model.FRAME:
            yield "an empty frame", b""
            yield "256 octets", bytes(range(256))
        case model.MSG:
            yield "no frames", []
            yield "an empty frame", [b""]
            yield "three frames", [b"one", b"", bytes(range(256))]


def _texts(part: Part, all_bad: Sequence[bytes]) -> Iterator[tuple[str, Any]]:
    topic = part.type == protocol.TOPIC
    for size in (0, 1, 127, 128, 254, 255) + ((256, 1000) if part.type != model.STRING else ()):
        yield f"{size} octets", b"x" * size
    for name, text in _TEXTS.items():
        yield name, text.replace("\0", "" if topic else "\0").encode()
    for bad in all_bad:
        yield f"not UTF-8: {bad.hex()}", reference.raw_text(part, b"ba" + bad + b"d")
        yield f"not UTF-8, at the end: {bad.hex()}", reference.raw_text(part, b"ba" + bad)
    if not topic:
        prefix = 1 if part.type == model.STRING else 4
        yield from _lies(reference.raw_text(part, b"abc"), prefix, 3)


def _lies(octets: bytes, prefix: int, true: int) -> Iterator[tuple[str, Raw]]:
    """A length or count that is not true, in front of the same octets."""
    for number in (0, true - 1, true + 1, *((255,) if prefix == 1 else _HUGE)):
        yield f"{number} in front of {true}", Raw(number.to_bytes(prefix, "big") + octets[prefix:])


# -- values


def example(kind: Kind) -> Value:
    """The value that the test values of the model make; empty where there are none."""
    value = reference.empty_fields(kind.parts)
    for part in kind.parts:
        if part.type == protocol.TOPIC:
            value[part.name] = b"topic"
        elif part.constant is None and part.spec is not None:
            tests = part.spec.tests
            inside = {one.name: one for one in part.parts}
            for test in tests if not part.parts else ():
                value[part.name] = _tested(part, test.text, test.name, value[part.name])
            for test in tests if part.parts else ():
                one = next(one for name, one in inside.items() if name == protocol.word(test.name or ""))
                value[part.name][one.name] = _tested(one, test.text, None, value[part.name][one.name])
    return value


def _tested(part: Part, text: str, name: str | None, before: Any) -> Any:
    """The value of a field after one more of its tests."""
    assert part.spec is not None
    if part.type == model.HASH:
        return {**before, (name or "").encode(): text.encode()}
    test = model.Test(text, name, part.spec.where)
    value = literals.part_value(part.spec, test)
    match part.type:
        case model.STRINGS | model.MSG:
            assert isinstance(value, list)
            return before + [item.encode() if isinstance(item, str) else item for item in value]
        case model.UUID:
            return value.bytes  # type: ignore[union-attr]
    return value.encode() if isinstance(value, str) else value


def _paths(parts: Iterable[Part], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Part]]:
    """Each field that isn't composite, constants too, and the way to it."""
    for part in parts:
        if part.parts:
            yield from _paths(part.parts, (*path, part.name))
        else:
            yield (*path, part.name), part


def _put(value: Value, path: tuple[str, ...], item: Any) -> None:
    for name in path[:-1]:
        value = value[name]
    value[path[-1]] = item


# -- as files, and as questions


def files(spoken: Iterable[Protocol]) -> dict[str, str]:
    """The files with the cases of each model, by name."""
    found: dict[str, str] = {}
    for one in spoken:
        found[f"conformance_{one.name}.json"] = to_json(decoding(one))
        found[f"refusals_{one.name}.json"] = to_json(refusals(one))
    return found


def read(path: Path, spoken: Iterable[Protocol]) -> list[Question]:
    """The cases of a file, or of a folder's files ``conformance_*.json`` and ``refusals_*.json``, as questions.

    Those of other models than ``spoken`` are left out.

    Raises:
        ValueError: a file is no list of cases.
        OSError: it can't be read.
    """
    names = {one.name: one for one in spoken}
    found: list[Question] = []
    paths = sorted([*path.glob("conformance_*.json"), *path.glob("refusals_*.json")]) if path.is_dir() else [path]
    for one in paths:
        try:
            cases = json.loads(one.read_text(encoding="utf-8"))
            if not isinstance(cases, list):
                raise TypeError(type(cases).__name__)
            found += [to_question(case, names[case["model"]]) for case in cases if case["model"] in names]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{one}: not a list of vectors: {error!r}") from None
    return found


def to_json(cases: Iterable[Case]) -> str:
    """The text of a file of cases, one on a line."""
    return "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n"


def to_tsv(cases: Iterable[Case]) -> str:
    """The same for languages without JSON: decoding only."""
    return "".join(
        "\t".join((case["model"], case["name"], ",".join(case["frames"]), answer(case))) + "\n" for case in cases
    )


def answer(case: Case) -> str:
    """What a driver has to answer, without the encoding at the end. Raises KeyError and ValueError."""
    expect = case["expect"]
    if "error" in expect:
        reason, offset, message = expect["error"]
        return f"error {reason} {offset} {message or '-'}"
    return f"ok {expect['message']} {expect['dump']}"


def to_question(case: Case, spoken: Protocol) -> Question:
    """A case as drivers are asked. Raises KeyError, ValueError and TypeError when it isn't one."""
    origin = f"vector {case['name']!r}"
    if "refused" in case:
        kind = spoken.by_name[case["message"]]
        line = f"encode {spoken.name} {kind.name} {case['dump']}"
        parse(case["dump"], kind.parts)
        return Question(spoken, kind, line, f"refused {case['refused']}", origin)
    frames = [bytes.fromhex(frame) for frame in case["frames"]]
    right = answer(case)
    kind = spoken.by_name.get(
        str(case["expect"].get("message", "")),
        spoken.by_id.get((frames[0] + bytes(3))[len(spoken.signature)], spoken.kinds[0]),
    )
    if right.startswith("ok"):
        kind = spoken.by_name[case["expect"]["message"]]
        value = parse(case["expect"]["dump"], kind.parts)
        right += f" {questions.hexadecimal(reference.encode(kind, value))}"
    return Question(spoken, kind, f"decode {spoken.name} {questions.hexadecimal(frames)}", right, origin)

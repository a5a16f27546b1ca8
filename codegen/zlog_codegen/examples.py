"""Example frames: a message with the test values of its model, as octets with what they mean."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from zlog_codegen import layout, literals, model
from zlog_codegen.model import Field, Message, Model

#: Topic of the examples for pubsub: subscribers filter by the start of one.
TOPIC: Final = "topic"
#: Octets on one line of a dump.
PER_LINE: Final = 8

#: Octets, and what is said beside them.
Part = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class Frame:
    """A ZeroMQ frame, in parts."""

    parts: tuple[Part, ...]

    @property
    def octets(self) -> bytes:
        """The whole frame."""
        return b"".join(octets for octets, _ in self.parts)


def frames(protocol: Model, message: Message) -> tuple[Frame, ...]:
    """The frames of ``message``. A field without a test value is zero or empty."""
    first: list[Part] = []
    if not protocol.pubsub:
        first.append((bytes((0xAA, 0xA0 | protocol.signature)), "signature"))
    first.append((bytes((message.id,)), f"id {message.id}, {message.name}"))
    if protocol.pubsub:
        first.append((TOPIC.encode() + b"\0", f"topic {quoted(TOPIC)}, then a zero"))
    further: list[Frame] = []
    for leaf in layout.leaves(message):
        name = ".".join(field.name for field in leaf.path)
        if leaf.field.type in {model.FRAME, model.MSG}:
            given = value_of(leaf)
            contents = given if isinstance(given, list) else [given]
            further += [Frame(((content, name),)) for content in contents if isinstance(content, bytes)]
        else:
            first += _parts(leaf, name)
    return (Frame(tuple(first)), *further)


def value_of(leaf: layout.Leaf) -> literals.Value:
    """The test value of ``leaf``; zero or empty when the model has none. Inside composite types one level has some."""
    field = leaf.field
    if field.value is not None:
        return field.value
    tests = leaf.path[0].tests
    if len(leaf.path) > 1:
        tests = tuple(test for test in tests if len(leaf.path) == 2 and test.name == field.name)
    values = [literals.part_value(field, test) for test in tests if field.type != model.HASH]
    match field.type:
        case model.HASH:
            return {test.name or "": test.text for test in tests} if len(leaf.path) == 1 else {}
        case model.STRINGS | model.MSG:
            return [item for value in values if isinstance(value, list) for item in value]  # type: ignore[return-value]
        case _:
            return values[0] if values else _zero(field)


def hexdump(frame: Frame) -> str:
    """Lines ``offset  octets  | meaning`` with at most eight octets each."""
    lines: list[str] = []
    offset = 0
    for octets, meaning in frame.parts:
        for start in range(0, len(octets), PER_LINE):
            chunk = octets[start : start + PER_LINE]
            said = "" if start else f" {meaning}"
            lines.append(f"{offset + start:04X}  {chunk.hex(' ').upper():<{PER_LINE * 3}} |{said}".rstrip())
        offset += len(octets)
    return "\n".join(lines)


def quoted(text: str) -> str:
    """``text`` in double quotes on one line: what can't be seen is escaped as in JSON."""
    inner = json.dumps(text, ensure_ascii=False)[1:-1]
    seen = (c if c.isprintable() else json.dumps(c)[1:-1] for c in inner)
    return f'"{"".join(seen)}"'


def _zero(field: Field) -> literals.Value:
    match field.type:
        case model.NUMBER:
            return 0
        case model.OCTETS:
            return bytes(field.size)
        case model.UUID:
            return uuid.UUID(int=0)
        case model.CHUNK | model.FRAME:
            return b""
        case _:
            return ""


def _parts(leaf: layout.Leaf, name: str) -> Iterator[Part]:
    """A field of the first frame."""
    field = leaf.field
    value = value_of(leaf)
    constant = " (constant)" if field.value is not None else ""
    match value:
        case int():
            yield value.to_bytes(field.size, "big"), f"{name} = {value}{constant}"
        case uuid.UUID():
            yield value.bytes, f"{name} = {value}"
        case str():
            size = layout.PREFIX_SIZES[field.type]
            yield from _sized(value.encode(), size, f"{name}{constant}", quoted(value))
        case bytes() if field.type == model.OCTETS:
            yield value, name
        case bytes():
            yield from _sized(value, layout.PREFIX_SIZES[field.type], name, "")
        case list():
            yield len(value).to_bytes(4, "big"), f"{name}: {_count(len(value), 'item')}"
            for number, item in enumerate(map(str, value), 1):
                yield from _sized(item.encode(), 4, f"item {number}", quoted(item))
        case dict():
            yield len(value).to_bytes(4, "big"), f"{name}: {_count(len(value), 'pair')}"
            for key, text in value.items():
                yield from _sized(key.encode(), 1, "name", quoted(key))
                yield from _sized(str(text).encode(), 4, "value", quoted(str(text)))


def _sized(octets: bytes, size: int, name: str, meaning: str) -> Iterator[Part]:
    """The length of ``octets`` in ``size`` octets, then them, if there are any."""
    yield len(octets).to_bytes(size, "big"), f"{name}: {_count(len(octets), 'octet')}"
    if octets:
        yield octets, meaning


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

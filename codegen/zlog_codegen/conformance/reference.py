"""What frames mean, by a plain reading of the model: the judge of every language's codec.

It shares the layout of messages with the templates, and nothing else.
"""

from collections.abc import Sequence
from typing import Any, Final

from zlog_codegen import model
from zlog_codegen.conformance import protocol
from zlog_codegen.conformance.dump import Value
from zlog_codegen.conformance.protocol import Kind, Part, Protocol, word
from zlog_codegen.layout import Leaf, Segment

U32_MAX: Final = 0xFFFFFFFF


class RefusedError(Exception):
    """A value can't be encoded: the way to the field, with points."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class MalformedError(Exception):
    """Frames are no message: the reason, octets into the first frame, and the message when it is known."""

    def __init__(self, reason: str, offset: int, message: str | None = None) -> None:
        super().__init__(reason, offset, message)
        self.reason = reason
        self.offset = offset
        self.message = message


# -- encoding


class Raw(bytes):
    """In place of a value: octets that go to the wire as they are, also in place of a constant."""


def encode(kind: Kind, value: Value) -> list[bytes]:
    """The frames of a message. Raises RefusedError."""
    out: list[bytes] = [kind.start]
    frames: list[bytes] = []
    _encode(kind.parts, value, "", out, frames)
    return [b"".join(out), *frames]


def _encode(parts: Sequence[Part], value: Value, path: str, out: list[bytes], frames: list[bytes]) -> None:
    for part in parts:
        way = path + part.name
        if isinstance(value.get(part.name), Raw):
            out.append(value[part.name])
        elif part.constant is not None:
            out.append(part.constant)
        elif part.parts:
            _encode(part.parts, value[part.name], f"{way}.", out, frames)
        elif part.type == model.FRAME:
            frames.append(value[part.name])
        elif part.type == model.MSG:
            frames.extend(value[part.name])
        else:
            out.append(_octets(part, value[part.name], way))


def _octets(part: Part, value: Any, path: str) -> bytes:
    match part.type:
        case protocol.TOPIC:
            if 0 in value:
                raise RefusedError(path)
            return _text(value, path, U32_MAX) + b"\0"
        case model.NUMBER:
            if value >> 8 * part.size:
                raise RefusedError(path)
            return int(value).to_bytes(part.size, "big")
        case model.OCTETS | model.UUID:
            if len(value) != (part.size or 16):
                raise RefusedError(path)
            return bytes(value)
        case model.STRING:
            return _sized(_text(value, path, 255), 1)
        case model.LONGSTR:
            return _sized(_text(value, path, U32_MAX), 4)
        case model.CHUNK:
            return _sized(bytes(value), 4)
        case model.STRINGS:
            return raw_strings([_text(item, path, U32_MAX) for item in value])
    pairs = ((_text(name, path, 255), _text(item, path, U32_MAX)) for name, item in value.items())
    return raw_hash(list(pairs))


def raw_strings(items: Sequence[bytes]) -> Raw:
    """The octets of a field of type strings, whatever the items are."""
    return Raw(len(items).to_bytes(4, "big") + b"".join(_sized(item, 4) for item in items))


def raw_hash(pairs: Sequence[tuple[bytes, bytes]]) -> Raw:
    """The octets of a hash, whatever names and values are: a name may be there twice."""
    octets = (_sized(name, 1) + _sized(item, 4) for name, item in pairs)
    return Raw(len(pairs).to_bytes(4, "big") + b"".join(octets))


def raw_text(part: Part, octets: bytes) -> Raw:
    """The octets of a text, be it UTF-8 or not: a topic, string or longstr."""
    if part.type == protocol.TOPIC:
        return Raw(octets + b"\0")
    return Raw(_sized(octets, 1 if part.type == model.STRING else 4))


def _text(octets: bytes, path: str, most: int) -> bytes:
    try:
        octets.decode()
    except UnicodeDecodeError:
        raise RefusedError(path) from None
    if len(octets) > most:
        raise RefusedError(path)
    return octets


def _sized(octets: bytes, size: int) -> bytes:
    return len(octets).to_bytes(size, "big") + octets


# -- decoding


def decode(spoken: Protocol, frames: Sequence[bytes]) -> tuple[Kind, Value]:
    """The message in ``frames``, and its value. Raises MalformedError."""
    frame, *rest = frames
    signature = spoken.signature
    if frame[: len(signature)] != signature[: len(frame)]:
        raise MalformedError("signature", 0)
    if len(frame) <= len(signature):
        raise MalformedError("truncated", len(frame))
    kind = spoken.by_id.get(frame[len(signature)])
    if kind is None:
        raise MalformedError("id", len(signature))
    return kind, _Reader(frame, rest, kind).read()


class _Reader:
    """Reads one message; ``at`` is where it is in the first frame."""

    def __init__(self, frame: bytes, rest: Sequence[bytes], kind: Kind) -> None:
        self.frame = frame
        self.rest = rest
        self.kind = kind
        self.at = len(kind.start)

    def malformed(self, reason: str, offset: int) -> MalformedError:
        return MalformedError(reason, offset, self.kind.name)

    def need(self, size: int) -> None:
        """There must be ``size`` more octets."""
        if len(self.frame) - self.at < size:
            raise self.malformed("truncated", self.at)

    def take(self, size: int) -> bytes:
        octets = self.frame[self.at : self.at + size]
        self.at += size
        return octets

    def text(self, size: int) -> bytes:
        begin = self.at
        octets = self.take(size)
        try:
            octets.decode()
        except UnicodeDecodeError as error:
            raise self.malformed("utf8", begin + error.start) from None
        return octets

    def read(self) -> Value:
        value = empty_fields(self.kind.parts)
        if self.kind.has_topic:
            end = self.frame.find(0, 1)
            if end < 0:
                raise self.malformed("truncated", 1)
            value["topic"] = self.text(end - 1)
            self.at += 1
        plan = self.kind.plan
        for number, segment in enumerate(plan.segments):
            if segment.since and self.at == len(self.frame):
                break  # a message of an earlier version
            following = plan.segments[number + 1] if number + 1 < len(plan.segments) else None
            self.run(value, segment)
            if segment.tail is not None:
                more = following.size if following is not None and not following.since else 0
                _put(value, segment.tail, self.tail(segment.tail.field.type, more))
        if len(self.rest) < len(plan.frames):
            raise self.malformed("frames", len(self.frame))
        for leaf, octets in zip(plan.frames, self.rest, strict=False):
            _put(value, leaf, octets)
        if plan.msg is not None:
            _put(value, plan.msg, list(self.rest[len(plan.frames) :]))
        return value

    def run(self, value: Value, segment: Segment) -> None:
        """Items of fixed size. The length or count of what follows stays to be read."""
        self.need(segment.size)
        begin = self.at
        for item in segment.items:
            if item.role == "value":
                octets = self.take(item.size)
                number = item.leaf.field.type == model.NUMBER
                _put(value, item.leaf, int.from_bytes(octets, "big") if number else octets)
            elif item.role == "constant" and self.take(item.size) != item.octets:
                raise self.malformed("value", begin + item.offset)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def tail(self, kind: str, more: int) -> Any:
        """What has a length or count in front, with room for ``more`` octets behind."""
        if kind in (model.STRINGS, model.HASH):
            found = self.items(self.number(4)) if kind == model.STRINGS else self.pairs(self.number(4))
            self.need(more)
            return found
        size = self.number(1 if kind == model.STRING else 4)
        self.need(size + more)
        return self.take(size) if kind == model.CHUNK else self.text(size)

    def items(self, count: int) -> list[bytes]:
        self.need(4 * count)  # before anything is made: a count may be a lie
        return [self.longstr() for _ in range(count)]

    def longstr(self) -> bytes:
        self.need(4)
        size = self.number(4)
        self.need(size)
        return self.text(size)

    def pairs(self, count: int) -> dict[bytes, bytes]:
        self.need(5 * count)
        found = {}
        for _ in range(count):
            self.need(1)
            size = self.number(1)
            self.need(size + 4)
            name_at = self.at
            self.at += size
            length = self.number(4)
            self.need(length)
            value_at, self.at = self.at, name_at
            name = self.text(size)
            self.at = value_at
            found[name] = self.text(length)
        return found


def _put(value: Value, leaf: Leaf, item: Any) -> None:
    for field in leaf.path[:-1]:
        value = value[word(field.name)]
    value[word(leaf.field.name)] = item


def empty_fields(parts: Sequence[Part]) -> Value:
    """The value of a message whose fields are all `empty`."""
    return {part.name: empty(part) for part in parts if part.constant is None}


def empty(part: Part) -> Any:
    """The value of a field that isn't there: zero, or nothing."""
    if part.parts:
        return empty_fields(part.parts)
    match part.type:
        case model.NUMBER:
            return 0
        case model.OCTETS | model.UUID:
            return bytes(part.size or 16)
        case model.STRINGS | model.MSG:
            return []
        case model.HASH:
            return {}
    return b""

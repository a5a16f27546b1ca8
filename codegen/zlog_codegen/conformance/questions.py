"""What drivers are asked, and what is right.

::

    decode MODEL HEX[,HEX…]      ok MESSAGE DUMP HEX[,HEX…]     the frames of the value, encoded again
                                 error REASON OFFSET MESSAGE    or - when the message isn't known
    encode MODEL MESSAGE DUMP    ok HEX[,HEX…]
                                 refused FIELD                  inside composite fields with points: client.forename
    bench MODEL HEX[,HEX…] N     bench NANOSECONDS NANOSECONDS  to encode and to decode a message

Names have ``_`` for blanks; the dump is that of `dump.py`; an empty frame is an empty text, so that a line can end in a
blank. A driver that finds a fault of its own answers ``broken WHY``, and ``bad WHY`` when it doesn't understand.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from zlog_codegen import model
from zlog_codegen.conformance import protocol, reference
from zlog_codegen.conformance.dump import Value, dump
from zlog_codegen.conformance.protocol import Kind, Part, Protocol
from zlog_codegen.conformance.reference import MalformedError, RefusedError
from zlog_codegen.conformance.samples import BAD_UTF8, Sampler, leaves


@dataclass(frozen=True, eq=False, slots=True)
class Question:
    """A line to a driver, the right answer, the message it is about, and where it comes from."""

    protocol: Protocol
    kind: Kind
    line: str
    answer: str
    origin: str


def hexadecimal(frames: Sequence[bytes]) -> str:
    """Frames as drivers read and write them."""
    return ",".join(frame.hex() for frame in frames)


def frames_of(text: str) -> list[bytes]:
    """The frames that `hexadecimal` wrote. Raises ValueError."""
    return [bytes.fromhex(frame) for frame in text.split(",")]


def decode(spoken: Protocol, kind: Kind, frames: Sequence[bytes], origin: str) -> Question:
    """What do these frames mean?"""
    return Question(spoken, kind, f"decode {spoken.name} {hexadecimal(frames)}", meaning(spoken, frames), origin)


def meaning(spoken: Protocol, frames: Sequence[bytes]) -> str:
    """The right answer to ``decode``."""
    try:
        kind, value = reference.decode(spoken, frames)
    except MalformedError as error:
        return f"error {error.reason} {error.offset} {error.message or '-'}"
    return f"ok {kind.name} {dump(value, kind.parts)} {hexadecimal(reference.encode(kind, value))}"


def encode(spoken: Protocol, kind: Kind, value: Value, origin: str) -> Question:
    """What are the frames of this value?"""
    try:
        answer = f"ok {hexadecimal(reference.encode(kind, value))}"
    except RefusedError as error:
        answer = f"refused {error.path}"
    return Question(spoken, kind, f"encode {spoken.name} {kind.name} {dump(value, kind.parts)}", answer, origin)


def is_right(question: Question, answer: str) -> bool:
    """Whether ``answer`` is right: a hash may be encoded in any order, and field names are in the language's style."""
    if answer == question.answer:
        return True
    what, _, said = answer.rpartition(" ")
    expected, _, right = question.answer.rpartition(" ")
    if what != expected:
        return False
    if what == "refused":
        return plain(said) == plain(right)
    return what.startswith("ok") and _same(question.protocol, said, right)


def plain(name: str) -> str:
    """A field's name as far as languages agree on how to write it."""
    return "".join(character for character in name.lower() if character.isalnum() or character == ".")


def _same(spoken: Protocol, said: str, right: str) -> bool:
    """Whether two encodings of a message are of the same sizes and mean the same."""
    try:
        one, other = frames_of(said), frames_of(right)
        return list(map(len, one)) == list(map(len, other)) and (
            reference.decode(spoken, one) == reference.decode(spoken, other)
        )
    except (ValueError, MalformedError):
        return False


# -- at random


def fuzz(spoken: Sequence[Protocol], seed: int, first: int, count: int) -> Iterator[Question]:
    """Questions number ``first`` and following. Each depends on the seed and its number only."""
    targets = [(one, kind) for one in spoken for kind in one.kinds]
    for number in range(first, first + count):
        one, kind = targets[number % len(targets)]
        yield ask(one, kind, random.Random(f"{seed} {number} {one.name}"), f"case {number} of seed {seed}")


def ask(spoken: Protocol, kind: Kind, chance: Random, origin: str) -> Question:
    """A question about a message: values as they are, values that can't be, and frames with faults."""
    sampler = Sampler(chance)
    choice = chance.random()
    if choice < 0.25:
        return decode(spoken, kind, reference.encode(kind, sampler.message(kind)), origin)
    if choice < 0.4:
        return encode(spoken, kind, sampler.message(kind), origin)
    if choice < 0.45:
        return encode(spoken, kind, impossible(sampler, kind), origin)
    if choice < 0.65:
        return decode(spoken, kind, reference.encode(kind, sampler.spoiled_value(kind)), origin)
    frames = reference.encode(kind, sampler.message(kind))
    return decode(spoken, kind, sampler.spoiled_frames(spoken, frames), origin)


def impossible(sampler: Sampler, kind: Kind) -> Value:
    """A value with a field that can't be encoded, where the message has a field for which there is such a value."""
    value = sampler.message(kind)
    places = [(owner, part) for owner, part in leaves(value, kind.parts) if impossible_values(part)]
    if places:
        owner, part = sampler.random.choice(places)
        owner[part.name] = sampler.random.choice(impossible_values(part))
    return value


def impossible_values(part: Part) -> list[object]:
    """Values that a field can't have."""
    if part.constant is not None:
        return []
    match part.type:
        case protocol.TOPIC:
            return [b"a\0b", *BAD_UTF8]
        case model.NUMBER:
            return [1 << 8 * part.size, (1 << 8 * part.size) + 1] if part.size < 8 else []
        case model.OCTETS:
            return [bytes(part.size - 1), bytes(part.size + 1)]
        case model.STRING:
            return [b"x" * 256, "é".encode() * 128, *BAD_UTF8]
        case model.LONGSTR:
            return [*BAD_UTF8]
        case model.STRINGS:
            return [[b"good", bad] for bad in BAD_UTF8]
        case model.HASH:
            return [{b"x" * 256: b""}, *({bad: b""} for bad in BAD_UTF8), *({b"name": bad} for bad in BAD_UTF8)]
    return []

"""Random values of messages, and frames that are nearly right. The same for the same random numbers."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from zlog_codegen import model
from zlog_codegen.conformance import protocol, reference
from zlog_codegen.conformance.dump import Value
from zlog_codegen.conformance.protocol import Kind, Part, Protocol
from zlog_codegen.conformance.reference import Raw

#: Octets that are no UTF-8: alone, too long for what they say, of surrogates, above the last, cut off.
BAD_UTF8: Final = (
    *(b"\x80", b"\xbf", b"\xfe", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x90", b"\xe2\x28\xa1", b"\xc3\xc3\xa9"),
    *(b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf"),
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80"),
)
#: Characters at the edges of what UTF-8 and other encodings do, and those that programs like to treat as special.
EDGES: Final = (
    "\0\x01\t\n\r\x1b\"'\\ \x7f\x80\x85\xff\u07ff\u0800\u2028\ud7ff\ue000\ufeff\ufffd\uffff\U00010000\U0010ffff"
)
_RANGES: Final = ((0x20, 0x7E), (0x20, 0x7E), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))
#: Names that some languages have ideas about.
_NAMES: Final = (b"", b"0", b"1", b"10", b"__proto__", b"constructor", b"a", b"A", b"\xef\xbb\xbfbom")


class Sampler:
    """Makes values of ``random``."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def message(self, kind: Kind) -> Value:
        """Any value of a message."""
        return self.fields(kind.parts)

    def fields(self, parts: Sequence[Part]) -> Value:
        """Any values for all fields."""
        return {part.name: self.field(part) for part in parts if part.constant is None}

    def field(self, part: Part) -> Any:
        """Any value of a field."""
        if part.parts:
            return self.fields(part.parts)
        match part.type:
            case model.NUMBER:
                return self.number(8 * part.size)
            case model.OCTETS | model.UUID:
                return self.octets(part.size or 16)
            case model.STRING:
                return self.text(255)
            case protocol.TOPIC:
                return self.text(300).replace(b"\0", b"")
            case model.LONGSTR:
                return self.text(70_000 if self.random.random() < 0.01 else 600)
            case model.STRINGS:
                return [self.text(300) for _ in range(self.count())]
            case model.HASH:
                return dict(self.pair() for _ in range(self.count()))
            case model.MSG:
                return [self.octets(self.size(100)) for _ in range(self.count())]
        return self.octets(self.size(600))

    def count(self) -> int:
        """How many items there are."""
        return self.random.choice((0, 1, 1, 2, 3, 5)) if self.random.random() < 0.99 else self.random.randrange(300)

    def size(self, most: int) -> int:
        """How many octets, more often at a limit."""
        choice = self.random.random()
        if choice < 0.15:
            return 0
        if choice < 0.3:
            return min(most, self.random.choice((1, 2, 127, 128, 254, 255, 256, 257)))
        return most if choice < 0.35 else self.random.randrange(min(most, 40) if choice < 0.9 else most)

    def number(self, bits: int) -> int:
        """A number, more often at a limit."""
        if self.random.random() < 0.5:
            return self.random.getrandbits(self.random.randint(1, bits))
        bit = 1 << self.random.randint(1, bits)
        return self.random.choice((0, 1, bit - 1, bit // 2, bit // 2 - 1, (1 << bits) - 1))

    def octets(self, size: int) -> bytes:
        """Octets of any kind."""
        return self.random.choice((bytes(size), b"\xff" * size)) if self.random.random() < 0.1 else self._bytes(size)

    def _bytes(self, size: int) -> bytes:
        return self.random.randbytes(size)

    def text(self, most: int) -> bytes:
        """UTF-8 of at most ``most`` octets, with characters of every width."""
        size = self.size(most)
        if size > 1000 or self.random.random() < 0.3:
            return bytes(0x20 + octet % 0x5F for octet in self._bytes(size))
        characters: list[str] = []
        room = size
        while room > 0:
            character = self.character()
            room -= len(character.encode())
            characters.append(character)
        return "".join(characters).encode()[:size].decode(errors="ignore").encode().ljust(size, b"x")

    def character(self) -> str:
        """Any character but surrogates, which no UTF-8 has."""
        if self.random.random() < 0.2:
            return self.random.choice(EDGES)
        return chr(self.random.randint(*self.random.choice(_RANGES)))

    def pair(self) -> tuple[bytes, bytes]:
        """An entry of a hash."""
        name = self.random.choice(_NAMES) if self.random.random() < 0.3 else self.text(255)
        return name, self.text(300)

    # -- nearly right

    def spoiled_value(self, kind: Kind) -> Value:
        """A value with one field that is wrong or unusual on the wire: text that isn't UTF-8, a name twice, a lie."""
        value = self.message(kind)
        places = [(owner, part) for owner, part in leaves(value, kind.parts) if part.type in _SPOILS or part.constant]
        if places:
            owner, part = self.random.choice(places)
            owner[part.name] = self.spoiled(part)
        return value

    def spoiled(self, part: Part) -> Raw:
        """Octets in place of a field that has a length or count, or is a constant."""
        if part.constant is not None:
            at = self.random.randrange(len(part.constant))
            return Raw(part.constant[:at] + self._bytes(1) + part.constant[at + 1 :])
        return _SPOILS[part.type](self, part)

    def _bad_text(self, most: int) -> bytes:
        front, back = self.text(most // 4), self.text(most // 4)
        bad = self.random.choice(BAD_UTF8) if self.random.random() < 0.9 else self._bytes(3)
        return front + bad + back

    def _spoiled_text(self, part: Part) -> Raw:
        return reference.raw_text(
            part, self._bad_text(200).replace(b"\0", b"") if part.type == protocol.TOPIC else self._bad_text(200)
        )

    def _spoiled_strings(self, part: Part) -> Raw:
        if self.random.random() < 0.3:
            return Raw(self.huge() + self._bytes(self.size(40)))
        items = [self.text(100) for _ in range(self.count())]
        items.insert(self.random.randint(0, len(items)), self._bad_text(100))
        return reference.raw_strings(items)

    def _spoiled_hash(self, part: Part) -> Raw:
        if self.random.random() < 0.2:
            return Raw(self.huge() + self._bytes(self.size(40)))
        pairs = [self.pair() for _ in range(1 + self.count())]
        choice = self.random.random()
        name = self._bad_text(100) if choice < 0.25 else self.random.choice(pairs)[0]
        item = self._bad_text(100) if 0.25 < choice < 0.5 else self.text(100)
        pairs.insert(self.random.randint(0, len(pairs)), (name, item))
        return reference.raw_hash(pairs)

    def _spoiled_chunk(self, part: Part) -> Raw:
        return Raw(self.huge() + self._bytes(self.size(40)))

    def huge(self) -> bytes:
        """A length or count of four octets that is a lie."""
        choices = (
            0xFFFFFFFF,
            0x80000000,
            0x7FFFFFFF,
            0xFFFFFFFB,
            0x40000001,
            0x33333334,
            0x00FFFFFF,
            self.random.randrange(300),
        )
        return self.random.choice(choices).to_bytes(4, "big")

    def spoiled_frames(self, spoken: Protocol, frames: Sequence[bytes]) -> list[bytes]:
        """Frames with a fault or two."""
        first, *rest = frames
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            fault = self.random.choice(_FAULTS)
            first = fault(self, first, len(spoken.signature))
        if rest and self.random.random() < 0.3:
            del rest[self.random.randrange(len(rest))]
        elif self.random.random() < 0.05:
            rest.insert(self.random.randint(0, len(rest)), self.octets(self.size(40)))
        return [first, *rest]

    def _cut(self, frame: bytes, signature: int) -> bytes:
        return frame[: self.random.randint(0, len(frame))]

    def _append(self, frame: bytes, signature: int) -> bytes:
        return frame + self._bytes(self.size(40))

    def _remove(self, frame: bytes, signature: int) -> bytes:
        at = self.random.randint(0, len(frame))
        return frame[:at] + frame[at + self.random.randint(1, 9) :]

    def _insert(self, frame: bytes, signature: int) -> bytes:
        at = self.random.randint(signature, max(signature, len(frame)))
        return frame[:at] + self._bytes(self.random.randint(1, 9)) + frame[at:]

    def _octet(self, frame: bytes, signature: int) -> bytes:
        at = self.random.randint(signature, max(signature, len(frame) - 1))
        return (
            frame[:at]
            + bytes((self.random.choice((0, 1, 0x7F, 0x80, 0xFF, self.random.randrange(256))),))
            + frame[at + 1 :]
        )

    def _start(self, frame: bytes, signature: int) -> bytes:
        at = self.random.randint(0, signature)
        return frame[:at] + self._bytes(1) + frame[at + 1 :]

    def _number(self, frame: bytes, signature: int) -> bytes:
        at = self.random.randint(signature + 1, max(signature + 1, len(frame) - 4))
        return frame[:at] + self.huge() + frame[at + 4 :]

    def _utf8(self, frame: bytes, signature: int) -> bytes:
        bad = self.random.choice(BAD_UTF8)
        at = self.random.randint(signature + 1, max(signature + 1, len(frame)))
        return frame[:at] + bad + frame[at + len(bad) :]

    def _noise(self, frame: bytes, signature: int) -> bytes:
        return frame[: self.random.choice((signature, signature + 1))] + self._bytes(self.size(60))


_SPOILS: Final[dict[str, Callable[[Sampler, Part], Raw]]] = {
    protocol.TOPIC: Sampler._spoiled_text,
    model.STRING: Sampler._spoiled_text,
    model.LONGSTR: Sampler._spoiled_text,
    model.STRINGS: Sampler._spoiled_strings,
    model.HASH: Sampler._spoiled_hash,
    model.CHUNK: Sampler._spoiled_chunk,
}
_FAULTS: Final[tuple[Callable[[Sampler, bytes, int], bytes], ...]] = (
    *(Sampler._cut, Sampler._cut, Sampler._append, Sampler._remove, Sampler._insert, Sampler._octet, Sampler._octet),
    *(Sampler._start, Sampler._number, Sampler._number, Sampler._utf8, Sampler._noise),
)


def leaves(value: Value, parts: Sequence[Part]) -> list[tuple[Value, Part]]:
    """Each field that isn't composite, with the dict that its value is in. Constants have none."""
    found: list[tuple[Value, Part]] = []
    for part in parts:
        found += leaves(value[part.name], part.parts) if part.parts else [(value, part)]
    return found

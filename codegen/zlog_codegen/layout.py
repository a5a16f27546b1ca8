"""How a message lies in its frames, worked out once for every language.

The first frame of a message is a row of segments. A segment is a run of fixed-size items that can be read or written in
one go, and then at most one part of variable size, whose length or count is the last item of the run:

    RECORD   segment 1: severity event node epoch sequence time <length of host>   | host
             segment 2: <length of name>                                            | name
             …

A run also ends where a message of an earlier version may end. So bounds need checking once per run
and once per variable part. Fields of type frame and msg are not in the first frame: they travel as further frames.
"""

from dataclasses import dataclass
from typing import Final, Literal

from zlog_codegen import model
from zlog_codegen.model import Field, Message

#: Octets of the length or count in front of a part of variable size.
PREFIX_SIZES: Final = {model.STRING: 1, model.LONGSTR: 4, model.CHUNK: 4, model.STRINGS: 4, model.HASH: 4}

Role = Literal["value", "constant", "length", "count"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field that is not composite; ``path`` is the fields that lead to it, itself last."""

    path: tuple[Field, ...]

    @property
    def field(self) -> Field:
        """The field itself."""
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Item:
    """A fixed number of octets in a run.

    ``role`` is ``value`` for a number, octets or uuid, ``constant`` for a constant (also a constant string, with its
    length in front), ``length`` for the octets of the part that follows and ``count`` for its number of entries.
    ``octets`` are those of a constant. ``offset`` counts from the start of the run.
    """

    leaf: Leaf
    role: Role
    size: int
    offset: int
    octets: bytes = b""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of ``items`` of ``size`` octets together, then the part of variable size, if any.

    ``since`` isn't 0 when the segment starts with the first field that a version of the protocol appended: a message of
    an earlier version ends right before it.
    """

    items: tuple[Item, ...]
    size: int
    tail: Leaf | None
    since: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A message: segments of the first frame, then the fields that are frames, and the msg field, if any."""

    segments: tuple[Segment, ...]
    frames: tuple[Leaf, ...]
    msg: Leaf | None


def layout(message: Message) -> Layout:
    """The layout of ``message``, after signature and id."""
    segments: list[Segment] = []
    items: list[Item] = []
    frames: list[Leaf] = []
    msg: Leaf | None = None
    offset = since = appended = 0

    def add(leaf: Leaf, role: Role, size: int, octets: bytes = b"") -> None:
        nonlocal offset
        items.append(Item(leaf, role, size, offset, octets))
        offset += size

    def end(tail: Leaf | None) -> None:
        nonlocal offset, appended
        segments.append(Segment(tuple(items), offset, tail, appended))
        items.clear()
        offset = appended = 0

    for leaf in leaves(message):
        field = leaf.field
        if leaf.path[0].since > since:
            if items:
                end(None)
            since = appended = leaf.path[0].since
        if field.value is not None:
            octets = constant_octets(field)
            add(leaf, "constant", len(octets), octets)
        elif field.type == model.FRAME:
            frames.append(leaf)
        elif field.type == model.MSG:
            msg = leaf
        elif field.type in PREFIX_SIZES:
            add(leaf, "count" if field.type in {model.STRINGS, model.HASH} else "length", PREFIX_SIZES[field.type])
            end(leaf)
        else:
            add(leaf, "value", 16 if field.type == model.UUID else field.size)
    if items:
        end(None)
    return Layout(tuple(segments), tuple(frames), msg)


def leaves(message: Message) -> tuple[Leaf, ...]:
    """The fields of ``message`` with composite ones taken apart, in the order of the wire."""

    def walk(field: Field, path: tuple[Field, ...]) -> list[Leaf]:
        here = (*path, field)
        if field.composite is None:
            return [Leaf(here)]
        return [leaf for part in field.composite.fields for leaf in walk(part, here)]

    return tuple(leaf for field in message.fields for leaf in walk(field, ()))


def constant_octets(field: Field) -> bytes:
    """The octets of a constant field, with the length in front for text."""
    if isinstance(field.value, int):
        return field.value.to_bytes(field.size, "big")
    text = str(field.value).encode()
    return len(text).to_bytes(PREFIX_SIZES[field.type], "big") + text

"""A protocol model, as loaded and checked: frozen values without behaviour beyond look-ups.

The words are zproto's. A model has messages; a message has fields; a field has a type, which is one of the built-in
kinds below or the name of a composite type of the same model. Header fields are already in front of the fields of
every message, and every message has its id.
"""

from dataclasses import dataclass
from typing import Final

#: Unsigned integers of 1, 2, 4 or 8 octets in network byte order.
NUMBER: Final = "number"
#: A block of a fixed number of octets.
OCTETS: Final = "octets"
#: UTF-8 text after a length of 1 octet.
STRING: Final = "string"
#: UTF-8 text after a length of 4 octets.
LONGSTR: Final = "longstr"
#: A count of 4 octets, then that many longstr.
STRINGS: Final = "strings"
#: A count of 4 octets, then that many pairs of a string (name) and a longstr (value).
HASH: Final = "hash"
#: Octets after a length of 4 octets.
CHUNK: Final = "chunk"
#: 16 octets.
UUID: Final = "uuid"
#: Octets in a ZeroMQ frame of their own.
FRAME: Final = "frame"
#: All further ZeroMQ frames; must be the last field.
MSG: Final = "msg"

BUILTIN_TYPES: Final = (NUMBER, OCTETS, STRING, LONGSTR, STRINGS, HASH, CHUNK, UUID, FRAME, MSG)
#: Types that a constant ``value`` is possible for.
CONSTANT_TYPES: Final = (NUMBER, STRING, LONGSTR)


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a model file: file as the user named it, line from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Test:
    """A test value as written: its text, and for hash and composite fields the name it is for."""

    text: str
    name: str | None
    where: Where


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message or of a composite type.

    ``size`` is in octets for number and octets, else 0. ``value`` is the constant: an int for a number, a str for a
    string or longstr, None for an ordinary field. ``composite`` is the definition when ``type`` names one. ``since`` is
    the version of the protocol that appended the field, 0 for a field that was there from the start.
    """

    name: str
    type: str
    size: int
    value: int | str | None
    docs: str
    tests: tuple[Test, ...]
    in_header: bool
    composite: "CompositeType | None"
    since: int
    where: Where


@dataclass(frozen=True, slots=True)
class CompositeType:
    """A type composed of other fields, which travel one after the other."""

    name: str
    fields: tuple[Field, ...]
    docs: str
    where: Where


@dataclass(frozen=True, slots=True)
class Message:
    """A message: header fields first, then its own. ``role`` is who sends it: ``client``, ``server`` or None."""

    name: str
    id: int
    fields: tuple[Field, ...]
    docs: str
    role: str | None
    where: Where


@dataclass(frozen=True, slots=True)
class Define:
    """A named constant of the protocol: an int, or text when it does not read as one."""

    name: str
    value: int | str
    docs: str
    where: Where


@dataclass(frozen=True, slots=True)
class Model:
    """A whole protocol.

    ``signature`` is 0 to 15; the first two octets of a frame are ``AA A0 | signature``, unless ``pubsub`` is set: then
    a frame starts with the id and a topic that ends in a zero octet, so that subscriptions can filter. ``file`` is the
    name of the model file without its folder. ``grammar_where`` is the place of the first grammar, or of the model.
    """

    name: str
    title: str
    signature: int
    pubsub: bool
    docs: str
    license: str
    grammar: str
    grammar_where: Where
    defines: tuple[Define, ...]
    types: tuple[CompositeType, ...]
    messages: tuple[Message, ...]
    file: str
    where: Where

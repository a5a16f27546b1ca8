"""A model as the kit looks at it: names as one word, and all that is needed often worked out once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zlog_codegen import layout, model
from zlog_codegen.model import Field, Message, Model

#: The type of the field ``topic`` that every pubsub message has in front: UTF-8 that ends in a zero.
TOPIC: Final = "topic"


def word(name: str) -> str:
    """A name of the model as one word."""
    return name.replace(" ", "_")


@dataclass(frozen=True, eq=False)
class Part:
    """A field. ``constant`` is the octets of a constant, ``parts`` are the fields of a composite type.

    ``spec`` is the field as written, None for the topic.
    """

    name: str
    type: str
    size: int
    constant: bytes | None
    parts: tuple["Part", ...]
    spec: Field | None


@dataclass(frozen=True, eq=False)
class Kind:
    """A message of the model. ``start`` is what its first frame starts with: signature and id, for pubsub the id."""

    name: str
    start: bytes
    has_topic: bool
    parts: tuple[Part, ...]
    plan: layout.Layout


class Protocol:
    """A model."""

    def __init__(self, spec: Model) -> None:
        self.spec = spec
        self.name = spec.name
        self.signature = b"" if spec.pubsub else bytes((0xAA, 0xA0 | spec.signature))
        self.kinds = tuple(self._kind(message) for message in spec.messages)
        self.by_name = {kind.name: kind for kind in self.kinds}
        self.by_id = {kind.start[-1]: kind for kind in self.kinds}

    def _kind(self, message: Message) -> Kind:
        topic = (Part(TOPIC, TOPIC, 0, None, (), None),) if self.spec.pubsub else ()
        start = self.signature + bytes((message.id,))
        parts = topic + _parts(message.fields)
        return Kind(word(message.name), start, self.spec.pubsub, parts, layout.layout(message))


def _parts(fields: Sequence[Field]) -> tuple[Part, ...]:
    return tuple(_part(field) for field in fields)


def _part(field: Field) -> Part:
    constant = layout.constant_octets(field) if field.value is not None else None
    inside = _parts(field.composite.fields) if field.composite is not None else ()
    kind = field.type if field.type in model.BUILTIN_TYPES else "composite"
    return Part(word(field.name), kind, field.size, constant, inside, field)

"""What templates see: the model with the identifiers and the type table of one language put to it.

Attributes named ``name`` are identifiers of the language; ``spec`` leads to the model as written, so ``spec.name`` is
the name there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zlog_codegen import layout, model, naming
from zlog_codegen.errors import ModelError, Problem
from zlog_codegen.languages import Language


@dataclass(frozen=True)
class FieldView:
    """A field. ``kind`` is its row in the type table, and ``row`` that row."""

    spec: model.Field
    language: Language

    @cached_property
    def name(self) -> str:
        return self.language.identifier(self.spec.name, "field")

    @property
    def docs(self) -> str:
        return self.spec.docs

    @property
    def kind(self) -> str:
        if self.spec.composite is not None:
            return "composite"
        return f"number-{self.spec.size}" if self.spec.type == model.NUMBER else self.spec.type

    @property
    def row(self) -> Mapping[str, Any]:
        return self.language.types[self.kind]

    @property
    def is_constant(self) -> bool:
        return self.spec.value is not None

    @cached_property
    def composite(self) -> "TypeView | None":
        return TypeView(self.spec.composite, self.language) if self.spec.composite is not None else None


@dataclass(frozen=True)
class TypeView:
    """A composite type."""

    spec: model.CompositeType
    language: Language

    @cached_property
    def name(self) -> str:
        return self.language.identifier(self.spec.name, "type")

    @property
    def docs(self) -> str:
        return self.spec.docs

    @cached_property
    def fields(self) -> tuple[FieldView, ...]:
        return tuple(FieldView(field, self.language) for field in self.spec.fields)


@dataclass(frozen=True)
class LeafView:
    """A field that is not composite, with the way to it: ``client.forename``."""

    spec: layout.Leaf
    language: Language

    @cached_property
    def path(self) -> tuple[FieldView, ...]:
        return tuple(FieldView(field, self.language) for field in self.spec.path)

    @property
    def field(self) -> FieldView:
        return self.path[-1]

    def joined(self, separator: str) -> str:
        """The identifiers on the way, joined: ``client.forename``, ``client_forename``, ``client->forename``."""
        return separator.join(field.name for field in self.path)


@dataclass(frozen=True)
class ItemView:
    """An item of a run: see `layout.Item`."""

    spec: layout.Item
    language: Language

    @cached_property
    def leaf(self) -> LeafView:
        return LeafView(self.spec.leaf, self.language)

    @property
    def role(self) -> str:
        return self.spec.role

    @property
    def size(self) -> int:
        return self.spec.size

    @property
    def offset(self) -> int:
        return self.spec.offset

    @property
    def octets(self) -> bytes:
        return self.spec.octets

    @property
    def row(self) -> Mapping[str, Any]:
        """The row of the type table for these octets: a length or count is a number."""
        if self.role in {"length", "count"}:
            return self.language.types[f"number-{self.size}"]
        return self.leaf.field.row


@dataclass(frozen=True)
class SegmentView:
    """A run of fixed size, then at most one part of variable size: see `layout.Segment`."""

    spec: layout.Segment
    language: Language

    @property
    def size(self) -> int:
        return self.spec.size

    @property
    def since(self) -> int:
        return self.spec.since

    @cached_property
    def items(self) -> tuple[ItemView, ...]:
        return tuple(ItemView(item, self.language) for item in self.spec.items)

    @cached_property
    def tail(self) -> LeafView | None:
        return LeafView(self.spec.tail, self.language) if self.spec.tail is not None else None


@dataclass(frozen=True)
class MessageView:
    """A message. ``fields`` are those that hold a value: constants are only in ``all_fields`` and ``segments``."""

    spec: model.Message
    language: Language

    @cached_property
    def name(self) -> str:
        return self.language.identifier(self.spec.name, "message")

    @cached_property
    def constant(self) -> str:
        """The name in the style for constants."""
        return self.language.identifier(self.spec.name, "constant")

    @cached_property
    def file(self) -> str:
        """The name in the style for files."""
        return self.language.identifier(self.spec.name, "file")

    @property
    def id(self) -> int:
        return self.spec.id

    @property
    def docs(self) -> str:
        return self.spec.docs

    @cached_property
    def all_fields(self) -> tuple[FieldView, ...]:
        return tuple(FieldView(field, self.language) for field in self.spec.fields)

    @property
    def fields(self) -> tuple[FieldView, ...]:
        return tuple(field for field in self.all_fields if not field.is_constant)

    @cached_property
    def leaves(self) -> tuple[LeafView, ...]:
        """The fields that hold a value, composite ones taken apart."""
        found = (LeafView(leaf, self.language) for leaf in layout.leaves(self.spec))
        return tuple(leaf for leaf in found if not leaf.field.is_constant)

    @cached_property
    def composites(self) -> tuple[LeafView, ...]:
        """The composite fields, also those inside others, each before those inside it."""
        found: dict[tuple[str, ...], LeafView] = {}
        for leaf in layout.leaves(self.spec):
            for depth in range(1, len(leaf.path)):
                path = leaf.path[:depth]
                found.setdefault(tuple(field.name for field in path), LeafView(layout.Leaf(path), self.language))
        return tuple(found.values())

    @cached_property
    def _layout(self) -> layout.Layout:
        return layout.layout(self.spec)

    @cached_property
    def segments(self) -> tuple[SegmentView, ...]:
        return tuple(SegmentView(segment, self.language) for segment in self._layout.segments)

    @cached_property
    def frames(self) -> tuple[LeafView, ...]:
        return tuple(LeafView(leaf, self.language) for leaf in self._layout.frames)

    @cached_property
    def msg(self) -> LeafView | None:
        return LeafView(self._layout.msg, self.language) if self._layout.msg is not None else None


@dataclass(frozen=True)
class DefineView:
    """A constant of the protocol."""

    spec: model.Define
    language: Language

    @cached_property
    def name(self) -> str:
        return self.language.identifier(self.spec.name, "constant")

    @property
    def value(self) -> int | str:
        return self.spec.value

    @property
    def docs(self) -> str:
        return self.spec.docs


@dataclass(frozen=True)
class ModelView:
    """A whole protocol."""

    spec: model.Model
    language: Language

    @cached_property
    def name(self) -> str:
        """The name of the protocol in the style for types."""
        return self.language.identifier(self.spec.name, "type")

    @cached_property
    def file(self) -> str:
        """The name of the protocol in the style for files."""
        return self.language.identifier(self.spec.name, "file")

    @property
    def signature(self) -> bytes:
        """The first octets of every frame; empty for pubsub."""
        return b"" if self.spec.pubsub else bytes((0xAA, 0xA0 | self.spec.signature))

    def start(self, message: MessageView) -> bytes:
        """The octets that ``message`` starts with: signature and id, for pubsub only the id."""
        return self.signature + bytes((message.id,))

    @cached_property
    def messages(self) -> tuple[MessageView, ...]:
        return tuple(MessageView(message, self.language) for message in self.spec.messages)

    @cached_property
    def types(self) -> tuple[TypeView, ...]:
        """Composite types, each after those it is made of."""
        ordered: dict[str, TypeView] = {}

        def visit(composite: model.CompositeType) -> None:
            for field in composite.fields:
                if field.composite is not None:
                    visit(field.composite)
            ordered.setdefault(composite.name, TypeView(composite, self.language))

        for composite in self.spec.types:
            visit(composite)
        return tuple(ordered.values())

    @cached_property
    def defines(self) -> tuple[DefineView, ...]:
        return tuple(DefineView(define, self.language) for define in self.spec.defines)

    @property
    def used(self) -> frozenset[str]:
        """The kinds of all fields that hold a value, also inside composite types, be they in a message or not."""
        leaves = (leaf for message in self.messages for leaf in message.leaves)
        found = {field.kind for leaf in leaves for field in leaf.path}
        return frozenset(found | {field.kind for composite in self.types for field in composite.fields})


def check_names(view: ModelView) -> None:
    """Names that differ in the model must differ in the language too. Raises ModelError with all that don't."""
    problems: list[Problem] = []
    language = view.language

    def unique(named: list[tuple[str, str, model.Where]]) -> None:
        seen: dict[str, str] = {}
        for identifier, element, where in named:
            other = seen.setdefault(identifier, element)
            if other != element:
                what = f"in {language.name} its name is {identifier!r}, and so is that of {other}"
                problems.append(Problem(where.file, where.line, element, what, "rename one of them"))

    top = [(message.name, f"message {message.spec.name}", message.spec.where) for message in view.messages]
    top += [(composite.name, f"type {composite.spec.name}", composite.spec.where) for composite in view.types]
    top += [(define.name, f"define {define.spec.name}", define.spec.where) for define in view.defines]
    unique(top)
    for message in view.messages:
        subject = f"message {message.spec.name}"
        unique([(f.name, f"field {f.spec.name!r} in {subject}", f.spec.where) for f in message.all_fields])
    for composite in view.types:
        subject = f"type {composite.spec.name}"
        unique([(f.name, f"field {f.spec.name!r} in {subject}", f.spec.where) for f in composite.fields])
    if problems:
        raise ModelError(problems)


def check_names_together(views: Sequence[ModelView]) -> None:
    """For a language without name spaces: what ``model_message`` names must differ over all models of a run.

    Raises ModelError with all that don't.
    """
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for view in views:
        named = [("message", message.spec.name, message.spec.where) for message in view.messages]
        named += [("type", composite.spec.name, composite.spec.where) for composite in view.types]
        for kind, name, where in named:
            identifier = naming.snake(f"{view.spec.name} {name}")
            element = f"{kind} {name}"
            owner = f"{element} of model {view.spec.name}"
            other = seen.setdefault(identifier, owner)
            if other != owner:
                what = f"in {view.language.name} its name is {identifier!r}, and so is that of {other}"
                problems.append(Problem(where.file, where.line, element, what, "generate them apart, or rename one"))
    if problems:
        raise ModelError(problems)

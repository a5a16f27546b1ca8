"""Checks and builds fields and composite types."""

from dataclasses import replace
from typing import Final

from zlog_codegen import literals, model, rules
from zlog_codegen.checks import Checks, Seen
from zlog_codegen.elements import Element
from zlog_codegen.model import CompositeType, Field, Test
from zlog_codegen.prose import paragraphs

# Types whose test values are text, to the letter. All others are read without the white space around them.
_TEXTUAL: Final = frozenset({model.STRING, model.LONGSTR, model.STRINGS, model.HASH})


def _test_name(test: Element) -> str | None:
    return test.attributes.get("name")


class FieldChecks(Checks):
    """Builds fields and composite types out of elements."""

    def __init__(self) -> None:
        super().__init__()
        self._types: dict[str, CompositeType] = {}
        self._type_elements: dict[str, Element] = {}
        self._resolving: list[str] = []
        self._depths: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def collect_types(self, root: Element) -> None:
        """Make the composite types known, for fields come before and after them."""
        names: Seen = {}
        for element in root.named("type"):
            name = self.name(element, "type")
            subject = f"type {name}" if name else "type"
            self.structure(element, subject)
            if name in model.BUILTIN_TYPES:
                self.problem(element.where, subject, "the name is that of a built-in type", "choose another name")
            elif name:
                self.unique(names, name, element.where, subject, "type")
                self._type_elements.setdefault(name, element)
            if not any(element.named("field")):
                self.problem(element.where, subject, "it has no fields", "add at least one field")

    def type(self, name: str) -> CompositeType:
        """The composite type called ``name``, built when first needed."""
        if name in self._types:
            return self._types[name]
        element = self._type_elements[name]
        subject = f"type {name}"
        self._resolving.append(name)
        fields = self.fields(element, subject, False)
        self._resolving.pop()
        seen: Seen = {}
        for field in fields:
            self.unique(seen, field.name, field.where, f"field {field.name!r} in {subject}", "field")
            if field.value is not None:
                self.problem(
                    field.where,
                    f"field {field.name!r} in {subject}",
                    "a constant is not possible in a type",
                    "make it a field of the messages, or an ordinary field",
                )
            if field.since:
                place = f"field {field.name!r} in {subject}"
                self.problem(field.where, place, "since is not possible in a type", "append a field to the messages")
        self._depths[name] = 1 + max((self._depths[field.type] for field in fields if field.composite), default=0)
        self._sizes[name] = sum(self._sizes[field.type] if field.composite else 1 for field in fields)
        result = CompositeType(name, fields, paragraphs(element.text), element.where)
        self._types[name] = result
        return result

    def fields(self, owner: Element, subject: str, in_header: bool) -> tuple[Field, ...]:
        """The fields of a message, type or header."""
        found: list[Field] = []
        total = 0
        for element in owner.named("field"):
            field = self._field(element, subject, in_header)
            total += self._sizes[field.type] if field.composite else 1
            if total > rules.MAX_FIELDS:
                what = f"it has more than {rules.MAX_FIELDS} fields, those of its types included"
                self.problem(element.where, subject, what, "use a hash or a chunk")
                break
            found.append(field)
        return tuple(found)

    def _field(self, element: Element, owner: str, in_header: bool) -> Field:
        name = self.name(element, f"field in {owner}")
        subject = f"field {name!r} in {owner}" if name else f"field in {owner}"
        self.structure(element, subject)
        kind = element.attributes.get("type", "").strip()
        composite = None
        if kind in self._resolving:
            chain = " > ".join([*self._resolving[self._resolving.index(kind) :], kind])
            self.problem(element.where, subject, f"type {kind!r} contains itself ({chain})", "use strings or a hash")
        elif kind in self._type_elements:
            composite = self._nested(element, subject, kind)
        elif kind and kind not in model.BUILTIN_TYPES:
            known = (*model.BUILTIN_TYPES, *self._type_elements)
            self.problem(
                element.where, subject, f"type {literals.shorten(kind)} is unknown", rules.suggest(kind, known, "types")
            )
        tests = tuple(
            Test(test.text if kind in _TEXTUAL else test.text.strip(), _test_name(test), test.where)
            for test in element.named("test")
        )
        field = Field(
            name=name,
            type=kind,
            size=self._size(element, subject, kind),
            value=None,
            docs=paragraphs(element.text),
            tests=tests,
            in_header=in_header,
            composite=composite,
            since=self.attribute(element, subject, "since", lambda text: rules.between(text, 1, rules.MAX_SINCE), 0),
            where=element.where,
        )
        field = replace(field, value=self._constant(element, subject, field))
        self._check_tests(field, subject)
        return field

    def _nested(self, element: Element, subject: str, kind: str) -> CompositeType | None:
        """The composite type of a field, unless too many are inside each other."""
        inside = len(self._resolving)
        composite = self.type(kind) if inside < rules.MAX_NESTING else None
        if composite is not None and inside + self._depths[kind] <= rules.MAX_NESTING:
            return composite
        what = f"more than {rules.MAX_NESTING} types are inside each other"
        self.problem(element.where, subject, what, "use a hash or a chunk")
        return None

    @property
    def type_names(self) -> tuple[str, ...]:
        """The composite types, in order."""
        return tuple(self._type_elements)

    def _size(self, element: Element, subject: str, kind: str) -> int:
        text = element.attributes.get("size")
        if kind == model.NUMBER:
            return self.attribute(element, subject, "size", rules.number_size, 1)
        if kind == model.OCTETS:
            if text is None:
                self.problem(element.where, subject, "size is missing", 'octets need one, such as size = "16"')
                return 1
            return self.attribute(element, subject, "size", lambda text: rules.between(text, 1, rules.MAX_OCTETS), 1)
        if text is not None and (kind in model.BUILTIN_TYPES or kind in self._type_elements):
            self.problem(element.where, subject, f"size has no meaning for type {kind}", "take it out")
        return 0

    def _constant(self, element: Element, subject: str, field: Field) -> int | str | None:
        text = element.attributes.get("value")
        if text is None or (field.type not in model.BUILTIN_TYPES and field.composite is None):
            return None
        if field.type not in model.CONSTANT_TYPES:
            self.problem(
                element.where,
                subject,
                f"a constant value is not possible for type {field.type}",
                f"use {rules.listing(model.CONSTANT_TYPES)}",
            )
            return None
        try:
            if field.type == model.NUMBER:
                return literals.unsigned(text, field.size)
            return literals.short_text(text) if field.type == model.STRING else text
        except ValueError as error:
            self.bad_value(element.where, subject, "value", error)
            return 0 if field.type == model.NUMBER else ""

    def _check_tests(self, field: Field, subject: str) -> None:
        many = field.type in {model.STRINGS, model.HASH} or field.composite is not None
        if field.value is not None and field.tests:
            self.problem(field.tests[0].where, subject, "a constant needs no test value", "take the test out")
            return
        if len(field.tests) > 1 and not many:
            self.problem(field.tests[1].where, subject, f"one test value is enough for type {field.type}", "")
        names: set[str] = set()
        for test in field.tests:
            named = field.type == model.HASH or field.composite is not None
            if named and test.name is None:
                self.problem(test.where, subject, "the test value has no name", 'write <test name = "…">')
            elif not named and test.name is not None and field.type in model.BUILTIN_TYPES:
                self.problem(test.where, subject, f"a test value of type {field.type} has no name", "take the name out")
            elif test.name is not None and test.name in names:
                self.problem(
                    test.where, subject, f"test value {literals.shorten(test.name)} is there twice", "take one out"
                )
            names.add(test.name or "")
            self._check_test(field, test, subject)

    def _check_test(self, field: Field, test: Test, subject: str) -> None:
        target = field
        if field.composite is not None:
            parts = {part.name: part for part in field.composite.fields}
            if test.name is None:
                return
            if test.name not in parts:
                what = f"test value {literals.shorten(test.name)}: type {field.type} has no such field"
                self.problem(test.where, subject, what, rules.suggest(test.name, parts, "fields"))
                return
            target = parts[test.name]
        elif field.type not in model.BUILTIN_TYPES:
            return
        try:
            if field.type == model.HASH:
                literals.short_text(test.name or "")
            else:
                literals.part_value(target, test)
        except ValueError as error:
            self.bad_value(test.where, subject, "test value", error)

"""The common part of checking: noting problems, and what holds for every element."""

import re
from collections.abc import Callable
from typing import TypeVar

from zlog_codegen import literals, naming, rules
from zlog_codegen.elements import Element
from zlog_codegen.errors import Problem
from zlog_codegen.model import Where

T = TypeVar("T")


#: Names by their words, as written and where.
Seen = dict[tuple[str, ...], tuple[str, Where]]


class TooManyProblemsError(Exception):
    """Enough was found."""


class Checks:
    """Notes problems on the way through a model. One use each."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._noted: set[Problem] = set()

    def problem(self, where: Where, element: str, what: str, hint: str = "") -> None:
        """Note a problem, once: header fields and types are seen in every message that has them.

        Raises:
            TooManyProblemsError: there are as many as anybody wants to read.
        """
        problem = Problem(where.file, where.line, element, what, hint)
        if problem not in self._noted:
            self._noted.add(problem)
            self.problems.append(problem)
            if len(self.problems) >= rules.MAX_PROBLEMS:
                raise TooManyProblemsError

    def structure(self, element: Element, subject: str) -> None:
        """Unknown and missing attributes, and child elements in the wrong place. Not recursive."""
        known = rules.ATTRIBUTES[element.tag]
        for attribute in element.attributes:
            if attribute not in known:
                what = f"attribute {literals.shorten(attribute)} is unknown"
                self.problem(element.where, subject, what, rules.suggest(attribute, known, "attributes"))
        for attribute, required in known.items():
            if required and not element.attributes.get(attribute, "").strip():
                if attribute == "value" and attribute in element.attributes:
                    continue  # the empty text is a value
                state = "is empty" if attribute in element.attributes else "is missing"
                self.problem(element.where, subject, f"attribute {attribute!r} {state}", f'write {attribute} = "…"')
        allowed = rules.CHILDREN.get(element.tag, ())
        for child in element.children:
            if child.tag == "include" and "include" in allowed:
                self.structure(child, "include")
            elif child.tag not in allowed:
                what = f"element {literals.shorten(child.tag)} is not possible in {element.tag}"
                self.problem(
                    child.where, literals.cut(child.tag, 40), what, rules.suggest(child.tag, allowed, "elements")
                )
            elif child.tag in {"license", "grammar", "header", "test"}:
                self.structure(child, child.tag)

    def name(self, element: Element, kind: str, pattern: re.Pattern[str] = rules.NAME) -> str:
        """The attribute ``name``, or nothing when it is bad."""
        name = element.attributes.get("name", "").strip()
        if len(name) > rules.MAX_NAME:
            what = f"name {literals.shorten(name)} is longer than {rules.MAX_NAME} characters"
            self.problem(element.where, kind, what, "use a shorter one")
            return ""
        if name and not pattern.fullmatch(name):
            between = "blanks, hyphens or underscores" if pattern is rules.NAME else "hyphens or underscores"
            self.problem(
                element.where,
                kind,
                f"name {literals.shorten(name)} is not possible",
                f"use ASCII letters and digits, beginning with a letter, with {between} between words",
            )
            return ""
        return name

    def attribute(self, element: Element, subject: str, name: str, read: Callable[[str], T], default: T) -> T:
        """An optional attribute, read by a function that raises ValueError("what; hint")."""
        text = element.attributes.get(name)
        if text is None:
            return default
        try:
            return read(text.strip())
        except ValueError as error:
            self.bad_value(element.where, subject, name, error)
            return default

    def bad_value(self, where: Where, subject: str, name: str, error: ValueError) -> None:
        """Note what a reader found wrong with a value."""
        what, _, hint = str(error).partition("; ")
        self.problem(where, subject, f"{name} {what}", hint)

    def unique(self, seen: Seen, name: str, where: Where, subject: str, kind: str) -> None:
        """Note a problem when a name with the same words was seen: PING-OK, ping_ok and PingOk are the same name."""
        if not name:
            return
        other_name, other = seen.setdefault(naming.words(name), (name, where))
        if other is not where:
            same = "" if other_name == name else f" ({other_name})"
            self.problem(
                where,
                subject,
                f"there is already a {kind} of this name{same}, line {other.line}",
                rules.DISTINCT,
            )

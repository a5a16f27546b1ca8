"""ABNF as RFC 5234 defines it (with RFC 7405's %s and %i): a checker, and what zproto's grammars need to become it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

#: Rules that RFC 5234 appendix B.1 defines for everybody, in lower case, for names of rules ignore case.
CORE_RULES: Final = frozenset(
    {
        *("alpha", "bit", "char", "cr", "crlf", "ctl", "digit", "dquote", "hexdig", "htab"),
        *("lf", "lwsp", "octet", "sp", "vchar", "wsp"),
    }
)
#: Groups and options inside each other: far more than a grammar for people has.
MAX_DEPTH: Final = 50

_RULE_START: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*(=/|=)")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_REPEAT: Final = re.compile(r"[0-9]*\*[0-9]*|[0-9]+")
_TEXT: Final = re.compile(r'(?:%[sSiI])?"[\x20-\x21\x23-\x7e]*"')
_PROSE: Final = re.compile(r"<[\x20-\x3d\x3f-\x7e]*>")
_NUMBER: Final = re.compile(
    r"%(?:[bB][01]+(?:(?:\.[01]+)+|-[01]+)?|[dD][0-9]+(?:(?:\.[0-9]+)+|-[0-9]+)?"
    r"|[xX][0-9A-Fa-f]+(?:(?:\.[0-9A-Fa-f]+)+|-[0-9A-Fa-f]+)?)"
)
_SPACE: Final = re.compile(r"(?:[ \t]|(?:;[\x20-\x7e\t]*)?\r?\n[ \t])*(?:;[\x20-\x7e\t]*)?")


@dataclass(slots=True)
class Grammar:
    """What a text defines: rules by name in lower case with the line of each, and every name that is referred to."""

    rules: dict[str, int] = field(default_factory=dict)
    references: list[tuple[str, int]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


def check(text: str) -> list[tuple[int, str]]:
    """What keeps ``text`` from being complete and valid ABNF: line and problem. Empty when nothing does."""
    grammar = parse(text)
    undefined = (
        (line, f"rule {name!r} is not defined")
        for name, line in grammar.references
        if name.lower() not in grammar.rules and name.lower() not in CORE_RULES
    )
    return sorted({*grammar.problems, *undefined})


def parse(text: str) -> Grammar:
    """The rules of ``text``; lines may end in LF or CRLF."""
    grammar = Grammar()
    for line, rule in _rules(text):
        start = _RULE_START.match(rule)
        if start is None:
            grammar.problems.append((line, f"not a rule: {rule.strip().splitlines()[0][:60]!r}"))
            continue
        name = start.group(1).lower()
        if name in grammar.rules and start.group(2) == "=":
            grammar.problems.append((line, f"rule {start.group(1)!r} is already defined in line {grammar.rules[name]}"))
        grammar.rules.setdefault(name, line)
        parser = _Elements(rule, start.end())
        try:
            parser.parse()
        except ValueError as error:
            place = line + rule.count("\n", 0, parser.position)
            grammar.problems.append((place, f"rule {start.group(1)!r}: {error}"))
        grammar.references += [(found, line + rule.count("\n", 0, at)) for found, at in parser.references]
    return grammar


def normalized(text: str) -> str:
    """A grammar as zproto's models have them, in RFC 5234's syntax.

    Names get hyphens for underscores, alternatives a slash for a bar, and the marks ``C:`` and ``S:`` for who sends a
    message, which ABNF has no place for, are left out. Literals and comments stay as they are.
    """
    pieces = re.split(r'("[^"\n]*"|;[^\n]*|<[^>\n]*>)', text)
    for index in range(0, len(pieces), 2):
        piece = re.sub(r"\b[CS]:(?=[A-Za-z])", "", pieces[index])
        piece = re.sub(r"(?<=[A-Za-z0-9])_+(?=[A-Za-z0-9])", "-", piece)
        pieces[index] = piece.replace("|", "/")
    return "".join(pieces)


def defined(text: str) -> list[str]:
    """The names of the rules in ``text``, in lower case."""
    return list(parse(text).rules)


def printable(text: str) -> str:
    """``text`` as comments may have it: lines of printable ASCII."""
    return "".join(character if " " <= character <= "~" or character == "\n" else "?" for character in text)


def _rules(text: str) -> Iterator[tuple[int, str]]:
    """Each rule with its continuation lines, and the number of its first line. Comments alone are left out."""
    current: list[str] = []
    first = 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if current and (line[:1] in {" ", "\t"}):
            current.append(line)
            continue
        if current:
            yield first, "\n".join(current)
            current = []
        if line.strip() and not line.lstrip().startswith(";"):
            current, first = [line], number
    if current:
        yield first, "\n".join(current)


class _Elements:
    """Reads the right side of one rule. ``position`` is where it is, or failed."""

    def __init__(self, text: str, position: int) -> None:
        self.position = position
        self.references: list[tuple[str, int]] = []
        self._text = text
        self._depth = 0

    def parse(self) -> None:
        self._alternation()
        self._skip()
        if self.position < len(self._text):
            raise ValueError(f"unexpected {self._text[self.position :].splitlines()[0][:20]!r}")

    def _skip(self) -> None:
        while match := _SPACE.match(self._text, self.position):
            if match.end() == self.position:
                return
            self.position = match.end()

    def _peek(self) -> str:
        self._skip()
        return self._text[self.position : self.position + 1]

    def _alternation(self) -> None:
        self._concatenation()
        while self._peek() == "/":
            self.position += 1
            self._concatenation()

    def _concatenation(self) -> None:
        if not self._repetition():
            raise ValueError("something is missing" if not self._peek() else f"unexpected {self._peek()!r}")
        while self._repetition():
            pass

    def _repetition(self) -> bool:
        self._skip()
        repeat = _REPEAT.match(self._text, self.position)
        if repeat:
            self.position = repeat.end()
        return self._element() or bool(repeat and self._fail("a repeat needs an element behind it"))

    def _element(self) -> bool:
        character = self._text[self.position : self.position + 1]
        if character in {"(", "["} and character:
            self._bracketed(")" if character == "(" else "]")
            return True
        for pattern in (_NAME, _TEXT, _NUMBER, _PROSE):
            if match := pattern.match(self._text, self.position):
                if pattern is _NAME:
                    self.references.append((match.group(), self.position))
                self.position = match.end()
                return True
        return False

    def _bracketed(self, close: str) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("too many brackets inside each other")
        self.position += 1
        self._alternation()
        if self._peek() != close:
            self._fail(f"{close!r} is missing")
        self.position += 1
        self._depth -= 1

    def _fail(self, what: str) -> bool:
        raise ValueError(what)

"""Filters for templates: text, comments and literals of the languages."""

import re
import symtable
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from zlog_codegen import abnf
from zlog_codegen.layout import constant_octets


def wrap(text: str, width: int = 100, indent: str = "", first: str | None = None) -> str:
    """Paragraphs wrapped to ``width`` columns, ``indent`` included; the first line starts with ``first`` instead."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if lines:
            lines.append("")
        for line in paragraph.split("\n"):
            hanging = "  " if line.startswith(("* ", "- ")) else ""
            lines += textwrap.wrap(
                line,
                width,
                initial_indent=indent if lines or first is None else first,
                subsequent_indent=indent + hanging,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def comment(text: str, prefix: str = "# ", width: int = 100) -> str:
    """Every line of ``text`` behind ``prefix``, as it is: use `wrap` before for running text."""
    return "\n".join(f"{prefix}{line}".rstrip() for line in text.split("\n"))


def lines(text: str) -> str:
    """What a macro gave, without the last line's end: the line it is called on has one."""
    return text.rstrip("\n")


def flat(text: str) -> str:
    """All on one line."""
    return " ".join(text.split())


def sentence(text: str) -> str:
    """With a full stop at the end, if it ends in none."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def docstring(text: str) -> str:
    """Text that is safe between triple double quotes in Python."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if escaped.startswith('"'):
        escaped = f"\\{escaped}"
    return re.sub(r'(?<!\\)((?:\\\\)*)"$', r'\1\\"', escaped)  # a quote at the end, unless it is escaped already


def python_literal(value: int | str | bytes) -> str:
    """A Python literal, with double quotes unless single ones save escapes, as formatters write them."""
    if isinstance(value, int):
        return str(value)
    text = repr(value)
    prefix, body = ("b", text[1:]) if isinstance(value, bytes) else ("", text)
    inner = re.sub(r"\\(.)", lambda match: "'" if match[1] == "'" else match[0], body[1:-1])
    quote = "'" if inner.count('"') > inner.count("'") else '"'
    return f"{prefix}{quote}{inner.replace(quote, chr(92) + quote)}{quote}"


def python_globals(text: str) -> frozenset[str]:
    """The names that Python source refers to and that aren't local where it does, wherever they come from."""
    found: set[str] = set()

    def visit(table: symtable.SymbolTable) -> None:
        module = table.get_type() == "module"
        found.update(s.get_name() for s in table.get_symbols() if s.is_referenced() and (module or s.is_global()))
        for child in table.get_children():
            visit(child)

    visit(symtable.symtable(text, "generated", "exec"))
    return frozenset(found)


def sort_names(names: Iterable[str]) -> list[str]:
    """Names as Python's tools sort them: constants, then classes, then the rest; numbers in them by value."""

    def key(name: str) -> tuple[int, list[tuple[int, str]]]:
        group = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
        return group, _natural(name)

    return sorted(names, key=key)


def is_unsorted(names: Sequence[str]) -> bool:
    """True when ``names`` are not in the order that Python's tools want for slots."""
    return sorted(names, key=_natural) != list(names)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key for sorting that takes numbers in names by value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def c_literal(value: str | bytes) -> str:
    """A string literal of C and its relatives: printable ASCII, everything else in octal."""
    octets = value.encode() if isinstance(value, str) else value
    plain = (chr(octet) if 32 <= octet < 127 and chr(octet) not in '"\\?' else f"\\{octet:03o}" for octet in octets)
    return f'"{"".join(plain)}"'


def hexadecimal(value: bytes, separator: str = "", prefix: str = "") -> str:
    """Octets as ``prefix`` and two digits each, joined: ``0xaa, 0xa2``."""
    return separator.join(f"{prefix}{octet:02x}" for octet in value)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "wrap": wrap,
    "comment": comment,
    "lines": lines,
    "flat": flat,
    "sentence": sentence,
    "docstring": docstring,
    "python_literal": python_literal,
    "python_globals": python_globals,
    "sort_names": sort_names,
    "is_unsorted": is_unsorted,
    "c_literal": c_literal,
    "hex": hexadecimal,
    "constant_octets": constant_octets,
    "abnf_normalized": abnf.normalized,
    "abnf_defined": abnf.defined,
    "abnf_printable": abnf.printable,
}

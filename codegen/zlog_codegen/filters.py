"""Filters for templates: text, comments and literals of the languages."""

import re
import symtable
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from zlog_codegen import abnf, markdown, naming, utf16
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


def js_literal(value: int | str) -> str:
    """A literal of JavaScript and TypeScript, with the quotes that formatters prefer.

    A number that their ``number`` can't hold is a bigint.
    """
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 53 else f"{value}n"
    quote = "'" if value.count('"') > value.count("'") else '"'
    return f"{quote}{''.join(_js_character(letter, quote) for letter in value)}{quote}"


def _js_character(letter: str, quote: str) -> str:
    if letter in {"\\", quote}:
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\u{{{ord(letter):x}}}"


def ruby_literal(value: int | str) -> str:
    """A Ruby literal; text in single quotes where that says the same."""
    if isinstance(value, int):
        return re.sub(r"(?<=\d)(?=(\d{3})+$)", "_", str(value))
    if value.isprintable() and "'" not in value and "\\" not in value:
        return f"'{value}'"
    escaped = re.sub(r'[\\"]|#(?=[{$@])', r"\\\g<0>", value)
    return f'"{"".join(letter if letter.isprintable() else f"{chr(92)}u{{{ord(letter):x}}}" for letter in escaped)}"'


def go_literal(value: int | str | bytes) -> str:
    """A Go literal; octets are a string, too."""
    if isinstance(value, int):
        return str(value)
    return _quoted(value, lambda code: f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def rust_literal(value: int | str | bytes) -> str:
    """A Rust literal; octets are a byte string."""
    if isinstance(value, int):
        return f"{value:_}"
    return f"{'b' if isinstance(value, bytes) else ''}{_quoted(value, lambda code: f'{chr(92)}u{{{code:x}}}')}"


def _quoted(value: str | bytes, escape: Callable[[int], str]) -> str:
    """``value`` in double quotes; what isn't printable is escaped, in text by ``escape``."""
    if isinstance(value, bytes):
        letters = [chr(octet) if 32 <= octet < 127 else f"\\x{octet:02x}" for octet in value]
    else:
        letters = [letter if letter.isprintable() else escape(ord(letter)) for letter in value]
    return '"' + "".join(f"\\{letter}" if letter in {'"', "\\"} else letter for letter in letters) + '"'


def lua_literal(value: str | bytes) -> str:
    """A string literal of Lua: printable ASCII, everything else in decimal."""
    octets = value.encode() if isinstance(value, str) else value
    plain = (chr(octet) if 32 <= octet < 127 and chr(octet) not in '"\\' else f"\\{octet:03d}" for octet in octets)
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
    "snake": naming.snake,
    "js_literal": js_literal,
    "ruby_literal": ruby_literal,
    "go_literal": go_literal,
    "rust_literal": rust_literal,
    "lua_literal": lua_literal,
    "hex": hexadecimal,
    **utf16.FILTERS,
    "constant_octets": constant_octets,
    "abnf_normalized": abnf.normalized,
    "abnf_defined": abnf.defined,
    "abnf_printable": abnf.printable,
    **markdown.FILTERS,
}

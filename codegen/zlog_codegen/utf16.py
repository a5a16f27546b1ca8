"""Literals and documentation comments of Java and C#, whose text is UTF-16."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

_ITEM: Final = ("* ", "- ")


def java_string(text: str) -> str:
    """A string literal of Java, in ASCII: compilers don't agree on the encoding of source."""
    return '"' + "".join(_unit(unit, "\\{:03o}") for unit in _units(text)) + '"'


def csharp_string(text: str) -> str:
    """A string literal of C#, in ASCII."""
    return '"' + "".join(_unit(unit, "\\u{:04x}") for unit in _units(text)) + '"'


def _units(text: str) -> Iterator[int]:
    octets = text.encode("utf-16-be")
    return (octets[index] << 8 | octets[index + 1] for index in range(0, len(octets), 2))


def _unit(unit: int, control: str) -> str:
    """One unit of UTF-16 in a literal. Java takes \\u for what it stands for even before it looks for line ends."""
    if unit < 32:
        return control.format(unit)
    if unit > 126:
        return f"\\u{unit:04x}"
    return f"\\{chr(unit)}" if chr(unit) in '"\\' else chr(unit)


def octet_characters(octets: bytes) -> str:
    """A string literal of C# with a character for each octet."""
    return csharp_string(octets.decode("latin-1"))


def java_number(value: int) -> tuple[str, str]:
    """The type that holds a constant, and its literal. A long may be unsigned."""
    if -(1 << 31) <= value < 1 << 31:
        return "int", str(value)
    return "long", f"{value}L" if value < 1 << 63 else f"0x{value:016X}L"


def csharp_number(value: int) -> tuple[str, str]:
    """The type that holds a constant, and its literal."""
    if -(1 << 31) <= value < 1 << 31:
        return "int", str(value)
    return "long" if value < 1 << 63 else "ulong", str(value)


def javadoc(text: str, indent: int = 0, tags: Sequence[tuple[str, str]] = (), width: int = 100) -> str:
    """A documentation comment of Java as google-java-format lays it out; ``tags`` are like ``("param x", "what")``."""
    prefix = " " * indent + " * "
    lines: list[str] = []
    for number, (kind, parts) in enumerate(_paragraphs(text)):
        if number:
            lines.append("")
        if kind == "list":
            lines.append("<ul>")
            for part in parts:
                lines += _fill(_java_text(part), width - len(prefix), "  <li>", " " * 6)
            lines.append("</ul>")
        else:
            lines += _fill(_java_text(parts[0]), width - len(prefix), "<p>" if number else "", "")
    for number, (tag, what) in enumerate(tags):
        if not number:
            lines.append("")
        lines += _fill(_java_text(what), width - len(prefix), f"@{tag} ", " " * 4)
    return _comment(lines, indent, width)


def plain_javadoc(text: str, indent: int = 0, width: int = 100) -> str:
    """A documentation comment of Java with one paragraph, which may have tags and entities in it."""
    return _comment(_fill(text, width - indent - 3, "", ""), indent, width)


def _comment(lines: list[str], indent: int, width: int) -> str:
    blank = " " * indent
    if len(lines) == 1 and indent + len(lines[0]) + 7 <= width:
        return f"{blank}/** {lines[0]} */"
    return "\n".join([f"{blank}/**", *(f"{blank} * {line}".rstrip() for line in lines), f"{blank} */"])


def xml_doc(text: str, indent: int = 0, element: str = "summary", width: int = 120) -> str:
    """A documentation comment of C#: one element, ``summary`` or what ``element`` says."""
    prefix = " " * indent + "/// "
    paragraphs = list(_paragraphs(text))
    name = element.split(" ")[0]
    if len(paragraphs) == 1 and paragraphs[0][0] == "text":
        whole = f"{prefix}<{element}>{_xml_text(paragraphs[0][1][0])}</{name}>"
        if len(whole) <= width:
            return whole
        return "\n".join(
            _with(
                prefix,
                [f"<{element}>", *_fill(_xml_text(paragraphs[0][1][0]), width - len(prefix), "", ""), f"</{name}>"],
            )
        )
    lines = [f"<{element}>"]
    for kind, parts in paragraphs:
        if kind == "list":
            lines.append('<list type="bullet">')
            for part in parts:
                lines += _fill(
                    f"<item><description>{_xml_text(part)}</description></item>", width - len(prefix), "", "  "
                )
            lines.append("</list>")
        else:
            lines += _fill(f"<para>{_xml_text(parts[0])}</para>", width - len(prefix), "", "")
    return "\n".join(_with(prefix, [*lines, f"</{name}>"]))


def _with(prefix: str, lines: list[str]) -> list[str]:
    return [f"{prefix}{line}".rstrip() for line in lines]


def _paragraphs(text: str) -> Iterator[tuple[str, list[str]]]:
    """``("text", [paragraph])`` and ``("list", items)``, in order. A list isn't first: its items are paragraphs."""
    for number, paragraph in enumerate(text.split("\n\n")):
        lines = [" ".join(line.split()) for line in paragraph.split("\n")]
        items = [line for line in lines if line.startswith(_ITEM)]
        running = " ".join(line for line in lines if not line.startswith(_ITEM))
        if running.strip():
            yield "text", [running]
        if items and (number or running.strip()):
            yield "list", [item[2:] for item in items]
        elif items:
            yield from (("text", [item[2:]]) for item in items)


def _fill(text: str, width: int, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _java_text(text: str) -> str:
    """Text as Javadoc takes it: nothing in it is a tag, an escape or the end of the comment."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for letter in "@{}\\":
        text = text.replace(letter, f"&#{ord(letter)};")
    return re.sub(r"\*(?=/|\*|\s|$)|(?<!\S)\*", "&#42;", text)


def _xml_text(text: str) -> str:
    """Text as it stands in XML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def refuse(why: str) -> str:
    """Give up on a model that the language can't hold. Raises ValueError with ``why``."""
    raise ValueError(why)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "refuse": refuse,
    "java_string": java_string,
    "java_number": java_number,
    "javadoc": javadoc,
    "plain_javadoc": plain_javadoc,
    "octet_characters": octet_characters,
    "csharp_string": csharp_string,
    "csharp_number": csharp_number,
    "xml_doc": xml_doc,
}

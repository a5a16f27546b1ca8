"""Text, links and diagrams for pages in GitHub's Markdown."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from zlog_codegen import examples, layout, model
from zlog_codegen.layout import Item, Leaf
from zlog_codegen.model import Message, Model

#: Columns of a diagram; only a single box may be wider.
WIDTH: Final = 100
#: The longest constant that a diagram shows octet by octet.
MAX_SHOWN: Final = 8

_SPECIAL: Final = re.compile(r"[\\`*_\[\]<>&|~$#]")
_BULLET: Final = re.compile(r"^[+=-]", re.MULTILINE)
_NUMBERED: Final = re.compile(r"^([0-9]{1,9})([.)])", re.MULTILINE)
_PLAIN: Final = re.compile(r"[A-Za-z0-9./:+_-]([ A-Za-z0-9./:+_-]*[A-Za-z0-9./:+_-])?")


def escaped(text: str) -> str:
    """``text`` on one line as it is, whatever it holds: nothing in it is markup, also in a cell of a table."""
    text = _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
    text = text.replace("://", r":\//").replace("www.", r"www\.")  # these would become links
    return _NUMBERED.sub(r"\1\\\2", _BULLET.sub(r"\\\g<0>", text))


def prose(text: str) -> str:
    """Documentation: paragraphs and lists, see `zlog_codegen.prose`; all else in it is text."""
    blocks: list[str] = []
    for paragraph in text.split("\n\n"):
        items: list[str] = []
        for line in paragraph.split("\n"):
            if line.startswith(("* ", "- ")):
                items.append(f"* {escaped(line[2:])}")
            else:
                blocks.append(escaped(line))
        if items:
            blocks.append("\n".join(items))
    return "\n\n".join(blocks)


def code(value: int | str) -> str:
    """A value in the type of code; text that a pair of backquotes can't hold everywhere is quoted besides."""
    text = str(value)
    return f"`{text}`" if _PLAIN.fullmatch(text) else f"<code>{escaped(examples.quoted(text))}</code>"


def anchor(heading: str) -> str:
    """What a link to a heading is made of, for one out of letters, digits, blanks, ``-``, ``_`` and punctuation."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def fence(text: str, language: str = "") -> str:
    """A block of code; its fence is longer than any in ``text``."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{text}\n{marks}"


@dataclass(frozen=True, slots=True)
class _Box:
    """A box of a diagram: the position above it, the lines in it; its border says when its size varies."""

    position: str
    lines: tuple[str, str]
    varies: bool = False

    @property
    def width(self) -> int:
        return max(len(self.position) - 2, *map(len, self.lines))


def diagram(protocol: Model, message: Message) -> str:
    """The octets of the first frame as boxes, with the offset of each above it; then what the further frames are."""
    where = layout.layout(message)
    legend: list[str] = []
    rows: list[list[_Box] | str] = []
    at = _Position()
    boxes: list[_Box] = []
    if not protocol.pubsub:
        boxes += [_Box(at.take(1), (f"{octet:02X}", "1")) for octet in (0xAA, 0xA0 | protocol.signature)]
    boxes.append(_Box(at.take(1), (f"{message.id:02X}", "1")))
    if protocol.pubsub:
        boxes.append(_Box(at.take(0), ("topic", "UTF-8"), varies=True))
        legend.append(at.rebase("the first zero from octet 1 on"))
        boxes.append(_Box(at.take(1), ("00", "1")))
    for segment in where.segments:
        if segment.since:
            rows += [boxes, f"A message of a version before {segment.since} ends here."]
            boxes = []
        boxes += [_fixed(item, at.take(item.size)) for item in segment.items]
        if segment.tail is not None:
            start = at.take(0)
            boxes.append(_Box(start, (_name(segment.tail), _unit(segment.tail)), varies=True))
            counted = segment.items[-1].role == "count"
            end = f"the end of {_name(segment.tail)}" if counted else f"{start} + length of {_name(segment.tail)}"
            legend.append(at.rebase(end))
    if where.segments and where.segments[-1].tail is not None:
        legend.pop()  # nothing is counted from there
    rows.append(boxes)
    lines: list[str] = []
    for row in rows:
        lines += ["", row, ""] if isinstance(row, str) else _drawn(row)
    further = [f"frame {number}: {_name(leaf)}" for number, leaf in enumerate(where.frames, 2)]
    if where.msg is not None:
        further.append(f"frame {len(where.frames) + 2} and all further ones: {_name(where.msg)}")
    blocks = ["\n".join(line.rstrip() for line in lines).strip("\n"), "\n".join(legend), "\n".join(further)]
    return "\n\n".join(block for block in blocks if block)


class _Position:
    """Where the next box is: octets from the start, or from where a part of variable size ended: ``b+4``."""

    def __init__(self) -> None:
        self._base, self._bases, self._offset = "", 0, 0

    def take(self, size: int) -> str:
        """The position, which then moves on by ``size``."""
        offset = self._offset
        self._offset += size
        return str(offset) if not self._base else f"{self._base}+{offset}" if offset else self._base

    def rebase(self, meaning: str) -> str:
        """Count from another place from here on; the line that says what it is called."""
        number, name = self._bases, ""
        while number >= 0:
            number, letter = divmod(number, 26)
            name = chr(ord("a") + letter) + name
            number -= 1
        self._base, self._offset = name, 0
        self._bases += 1
        return f"{name} = {meaning}"


def _name(leaf: Leaf) -> str:
    return ".".join(field.name for field in leaf.path)


def _unit(leaf: Leaf) -> str:
    units = {model.CHUNK: "octets", model.STRINGS: "longstr each", model.HASH: "string and longstr each"}
    return units.get(leaf.field.type, "UTF-8")


def _fixed(item: Item, position: str) -> _Box:
    name = _name(item.leaf)
    if item.role in {"length", "count"}:
        name = f"{item.role} of {name}"
    elif item.role == "constant":
        shown = f"{item.octets[:MAX_SHOWN].hex(' ').upper()}{' …' if item.size > MAX_SHOWN else ''}"
        name = f"{name} = {shown}"
    return _Box(position, (name, str(item.size)))


def _drawn(boxes: list[_Box]) -> Iterator[str]:
    """The lines of a row of boxes, continued below where it gets too wide."""
    row: list[_Box] = []
    width = 1
    for box in [*boxes, None]:
        if box is None or (row and width + box.width + 3 > WIDTH):
            if row:
                yield "".join(f"{part.position:<{part.width + 3}}" for part in row)
                border = "+".join(("~" if part.varies else "-") * (part.width + 2) for part in row)
                yield f"+{border}+"
                for line in range(2):
                    yield f"| {' | '.join(part.lines[line].ljust(part.width) for part in row)} |"
                yield f"+{border}+"
            row, width = [], 1
        if box is not None:
            row.append(box)
            width += box.width + 3


#: What templates get of this, and of the examples.
FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "markdown_escaped": escaped,
    "markdown_prose": prose,
    "markdown_code": code,
    "markdown_anchor": anchor,
    "markdown_fence": fence,
    "markdown_diagram": diagram,
    "example_frames": examples.frames,
    "hexdump": examples.hexdump,
}

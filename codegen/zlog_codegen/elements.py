"""XML as it was written, with the place of every element."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from zlog_codegen.model import Where


@dataclass(slots=True)
class Element:
    """An XML element as written: attributes, all text directly inside it, child elements, and its place."""

    tag: str
    attributes: dict[str, str]
    where: Where
    children: "list[Element]" = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text directly inside, without that of child elements."""
        return "".join(self.pieces)

    def named(self, tag: str) -> "Iterator[Element]":
        """The child elements called ``tag``, in order."""
        return (child for child in self.children if child.tag == tag)

"""Reads a model file into elements that know their file and line, then has them checked.

expat does the reading. There are no DTDs and no entities in a model, so they are refused: nothing can expand and
nothing is fetched. Text between elements is documentation, wherever it stands.
"""

import stat
import xml.parsers.expat as expat
from pathlib import Path
from typing import Final

from zlog_codegen import literals, validate
from zlog_codegen.elements import Element
from zlog_codegen.errors import ModelError, Problem
from zlog_codegen.model import Model, Where

#: Octets in one model file: the longest models in use have a hundredth of it.
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
#: Nested elements: a model needs four.
MAX_DEPTH: Final = 32
#: Files included by one model, one way or another.
MAX_INCLUDES: Final = 100


def load(path: str | Path) -> Model:
    """Load, check and return the model in ``path``.

    Raises:
        ModelError: with everything that is wrong with it.
    """
    root = parse(path)
    return validate.check(root, Path(path).name)


def parse(path: str | Path) -> Element:
    """The elements of the model in ``path``, with every ``include`` replaced by what it names. Raises ModelError."""
    source = Path(path)
    root = _parse_file(source, str(path))
    _resolve_includes(root, source, [_identity(source)], [0])
    return root


def parse_bytes(data: bytes, name: str) -> Element:
    """The elements of a model given as bytes, includes left as they are. Raises ModelError."""
    return _Builder(name).build(data)


def _parse_file(path: Path, shown: str, asked_by: Element | None = None) -> Element:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for a writer
            raise OSError(0, "Is a directory" if path.is_dir() else "it is no regular file")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        if asked_by is None:
            raise ModelError([Problem(shown, 0, "", f"can't be read: {reason}")]) from None
        where = asked_by.where
        raise ModelError(
            [
                Problem(
                    where.file,
                    where.line,
                    "include",
                    f"file {literals.shorten(asked_by.attributes['filename'])} can't be read: {reason}",
                    "file names are relative to the file that includes",
                )
            ]
        ) from None
    return parse_bytes(data, shown)


def _identity(path: Path) -> str:
    return str(path.resolve())


def _resolve_includes(root: Element, path: Path, open_files: list[str], counter: list[int]) -> None:
    """Put what each include names in its place, depth first. ``open_files`` are those now being included."""
    resolved: list[Element] = []
    for child in root.children:
        if child.tag != "include" or "filename" not in child.attributes or not child.attributes["filename"].strip():
            resolved.append(child)  # an include without a file name is reported with all the rest
            continue
        resolved.append(_included(child, path, open_files, counter))
    root.children = resolved


def _included(include: Element, path: Path, open_files: list[str], counter: list[int]) -> Element:
    """The element that an ``include`` in the file ``path`` stands for."""
    name = literals.shorten(include.attributes["filename"])
    target = path.parent / include.attributes["filename"]
    where = include.where
    counter[0] += 1
    if counter[0] > MAX_INCLUDES:
        raise ModelError([Problem(where.file, where.line, "include", f"more than {MAX_INCLUDES} files are included")])
    try:
        identity = _identity(target)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError([Problem(where.file, where.line, "include", f"can't be resolved: {error}")]) from None
    if identity in open_files:
        raise ModelError(
            [
                Problem(
                    where.file,
                    where.line,
                    "include",
                    f"file {name} includes itself, directly or through others",
                    "take one of the includes out",
                )
            ]
        )
    shown = str(Path(where.file).parent / include.attributes["filename"])
    element = _parse_file(target, shown, include)
    if element.tag == "include" and element.attributes.get("filename", "").strip():
        return _included(element, target, [*open_files, identity], counter)
    return element


class _Builder:
    """Collects expat's events into elements. One use each."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: list[Element] = []
        self._root: Element | None = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._entity

    def build(self, data: bytes) -> Element:
        if len(data) > MAX_FILE_BYTES:
            raise ModelError(
                [Problem(self._name, 0, "", f"the file is larger than {MAX_FILE_BYTES} octets", "is it a model?")]
            )
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            reason = expat.errors.messages[error.code]
            raise ModelError(
                [Problem(self._name, error.lineno, "", f"not well-formed XML: {reason}", f"see column {error.offset}")]
            ) from None
        except (ValueError, LookupError) as error:  # an encoding that expat or Python doesn't know
            raise ModelError([Problem(self._name, 1, "", f"can't be decoded: {error}", "save it as UTF-8")]) from None
        assert self._root is not None  # expat raises when there is no root element
        return self._root

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        where = Where(self._name, self._parser.CurrentLineNumber)
        if len(self._stack) >= MAX_DEPTH:
            raise ModelError([Problem(where.file, where.line, tag, "elements are nested too deeply")])
        element = Element(tag, attributes, where)
        if self._stack:
            self._stack[-1].children.append(element)
        else:
            self._root = element
        self._stack.append(element)

    def _end(self, _tag: str) -> None:
        self._stack.pop()

    def _characters(self, data: str) -> None:
        self._stack[-1].pieces.append(data)

    def _doctype(self, *_: object) -> None:
        self._refuse("a document type declaration (DTD)")

    def _entity(self, *_: object) -> None:
        self._refuse("an entity declaration")

    def _refuse(self, what: str) -> None:
        line = self._parser.CurrentLineNumber
        raise ModelError([Problem(self._name, line, "", f"{what} is not allowed in a model", "take it out")])

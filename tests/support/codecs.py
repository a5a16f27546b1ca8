"""Codecs as tests see them: generated for a model and imported, with values to put in, and a second opinion on octets.

`spec_frames` is an encoder of its own, a plain reading of the model field by field, which shares no code with the
templates: what it and a generated codec agree on is what the model says.
"""

import importlib.util
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from zlog_codegen import languages, literals, load, model
from zlog_codegen.model import Field, Message, Model
from zlog_codegen.render import render

MODELS = Path(__file__).parent.parent / "unit" / "codegen" / "models"


class Codec:
    """The Python codec of a model, generated into a package of its own."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.model = load(path)
        package = f"generated_{path.stem}"
        for name, text in render([self.model], languages.find("python")).items():
            target = folder / package / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        (folder / package / "__init__.py").touch()
        self.folder = folder / package
        self.module = import_from(self.folder, package, path.stem)
        self.runtime = sys.modules[f"{package}.runtime"]

    def class_of(self, message: Message) -> Any:
        """The class generated for a message."""
        return self.module.MESSAGES[message.id]

    def cases(self) -> Iterator[tuple[Message, Any]]:
        """Each message with its class."""
        return ((message, self.class_of(message)) for message in self.model.messages)


def import_from(folder: Path, package: str, module: str) -> ModuleType:
    """Import a module of a package that is in no path, anew."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        package, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[package] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[package])
    return importlib.import_module(f"{package}.{module}")


def set_path(value: Any, path: str, new: Any) -> None:
    """Set the attribute that ``a.b.c`` leads to."""
    *way, last = path.split(".")
    for name in way:
        value = getattr(value, name)
    setattr(value, last, new)


def get_path(value: Any, path: str) -> Any:
    """The attribute that ``a.b.c`` leads to."""
    for name in path.split("."):
        value = getattr(value, name)
    return value


def leaves(message: Message) -> list[Field]:
    """The fields of a message that hold a value, composite ones taken apart, in order."""

    def walk(field: Field) -> list[Field]:
        return [field] if field.composite is None else [leaf for part in field.composite.fields for leaf in walk(part)]

    return [leaf for field in message.fields for leaf in walk(field) if leaf.value is None]


def sample_value(field: Field) -> literals.Value | None:
    """The test value of ``field``, or None when the model has none (always for a constant)."""
    if field.value is not None or not field.tests:
        return None
    if field.composite is not None:
        return {
            part.name: literals.part_value(part, test)
            for test in field.tests
            for part in field.composite.fields
            if part.name == test.name
        }
    if field.type == model.STRINGS:
        return [test.text for test in field.tests]
    if field.type == model.HASH:
        return {literals.short_text(test.name or ""): test.text for test in field.tests}
    return literals.part_value(field, field.tests[0])


def example(module: Any, message: Message) -> Any:
    """A message with the test values of the model."""
    instance = module.MESSAGES[message.id]()
    paths = [path for path in instance.KINDS if path != "topic"]
    for field in message.fields:
        if field.value is not None:
            continue
        value = sample_value(field)
        if field.composite is None:
            path = paths.pop(0)
            if value is not None:
                set_path(instance, path, value)
            continue
        for leaf, name in _named_leaves(field):
            path = paths.pop(0)
            if isinstance(value, dict) and name in value and leaf.value is None:
                set_path(instance, path, value[name])
    assert not paths
    return instance


def _named_leaves(field: Field) -> list[tuple[Field, str]]:
    """The leaves of a composite field, with the name that a test value has for it, which only the first level has."""
    assert field.composite is not None
    result: list[tuple[Field, str]] = []
    for part in field.composite.fields:
        if part.composite is None:
            result.append((part, part.name))
        else:
            result += [(leaf, "") for leaf, _ in _named_leaves(part)]
    return result


# -- values


def text(max_octets: int = 300) -> st.SearchStrategy[str]:
    """Text of every width of UTF-8, at most so many octets."""
    characters = st.characters(exclude_categories=["Cs"])
    return st.text(characters, max_size=max_octets).filter(lambda value: len(value.encode()) <= max_octets)


def values(kind: str) -> st.SearchStrategy[Any]:
    """Values for a kind as in KINDS: ``number-4``, ``octets-16``, ``string``, …"""
    kind, _, size = kind.partition("-")
    match kind:
        case "number":
            top = (1 << 8 * int(size)) - 1
            return st.one_of(st.sampled_from([0, 1, 127, 128, 255, top >> 1, top]).map(lambda n: min(n, top)),
                             st.integers(0, top))  # fmt: skip
        case "octets":
            return st.binary(min_size=int(size), max_size=int(size))
        case "string":
            return text(255)
        case "longstr":
            return text()
        case "strings":
            return st.lists(text(), max_size=5)
        case "hash":
            return st.dictionaries(text(255), text(), max_size=5)
        case "chunk" | "frame":
            return st.binary(max_size=300)
        case "msg":
            return st.lists(st.binary(max_size=50), max_size=4)
        case "uuid":
            return st.uuids()
        case "topic":
            return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
    raise AssertionError(kind)


@st.composite
def messages(draw: st.DrawFn, module: Any) -> Any:
    """Any message of a codec, with any values."""
    instance = draw(st.sampled_from(list(module.MESSAGES.values())))()
    for path, kind in instance.KINDS.items():
        set_path(instance, path, draw(values(kind)))
    return instance


# -- a second opinion


def spec_frames(protocol: Model, message: Message, instance: Any) -> list[bytes]:
    """The frames of ``instance`` by a plain reading of the model."""
    start = bytes([message.id]) + instance.topic.encode() + b"\0" if protocol.pubsub else (
        bytes([0xAA, 0xA0 | protocol.signature, message.id])
    )  # fmt: skip
    out, more = bytearray(start), []
    paths = iter([path for path in instance.KINDS if path != "topic"])

    def longstr(value: str) -> bytes:
        octets = value.encode()
        return len(octets).to_bytes(4, "big") + octets

    def string(value: str) -> bytes:
        octets = value.encode()
        return len(octets).to_bytes(1, "big") + octets

    def put(field: Field) -> None:
        nonlocal out
        if field.composite is not None:
            for part in field.composite.fields:
                put(part)
            return
        value = field.value if field.value is not None else get_path(instance, next(paths))
        match field.type:
            case model.NUMBER:
                out += value.to_bytes(field.size, "big")
            case model.OCTETS:
                out += value
            case model.STRING:
                out += string(value)
            case model.LONGSTR:
                out += longstr(value)
            case model.STRINGS:
                out += len(value).to_bytes(4, "big") + b"".join(map(longstr, value))
            case model.HASH:
                out += len(value).to_bytes(4, "big")
                out += b"".join(string(name) + longstr(item) for name, item in value.items())
            case model.CHUNK:
                out += len(value).to_bytes(4, "big") + value
            case model.UUID:
                assert isinstance(value, uuid.UUID)
                out += value.int.to_bytes(16, "big")
            case model.FRAME:
                more.append(value)
            case model.MSG:
                more.extend(value)

    for field in message.fields:
        put(field)
    return [bytes(out), *more]

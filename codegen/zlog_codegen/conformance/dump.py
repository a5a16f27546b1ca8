"""Values of messages as plain data, and the text that all languages write them as.

A value is a dict from field names to: int for numbers; bytes for octets, uuid, chunk, frame and, as UTF-8, string and
longstr; a list of bytes for strings and msg; a dict from bytes to bytes for hash; a dict for composite types. Constants
have none. A pubsub message has its topic as ``topic``, the first of all.

As text each field is ``name=value;``: numbers in decimal, octets in hexadecimal, lists ``[.6162|.]``, hashes
``{.6162:.}`` sorted by the octets of the names, composite values ``(name=value;…)``. A message without fields is ``-``.
"""

from typing import Any

from zlog_codegen import model
from zlog_codegen.conformance.protocol import Part

Value = dict[str, Any]


def dump(value: Value, parts: tuple[Part, ...]) -> str:
    """The text of a message's value."""
    return _parts(value, parts) or "-"


def _parts(value: Value, parts: tuple[Part, ...]) -> str:
    return "".join(f"{part.name}={_part(value[part.name], part)};" for part in parts if part.constant is None)


def _part(value: Any, part: Part) -> str:
    if part.parts:
        return f"({_parts(value, part.parts)})"
    match part.type:
        case model.NUMBER:
            return str(value)
        case model.STRINGS | model.MSG:
            return "[" + "|".join("." + item.hex() for item in value) + "]"
        case model.HASH:
            return "{" + "|".join(f".{name.hex()}:.{value[name].hex()}" for name in sorted(value)) + "}"
    return str(value.hex())


def parse(text: str, parts: tuple[Part, ...]) -> Value:
    """The value that `dump` wrote. Raises ValueError."""
    value, rest = _parse("" if text == "-" else text, parts)
    if rest:
        raise ValueError(f"unexpected: {rest[:40]}")
    return value


def _parse(text: str, parts: tuple[Part, ...]) -> tuple[Value, str]:
    value: Value = {}
    for part in parts:
        if part.constant is not None:
            continue
        name, _, text = text.partition("=")
        if name != part.name:
            raise ValueError(f"{part.name} is missing before: {name[:40]}")
        if part.parts:
            value[name], text = _parse(text[1:], part.parts)
            text = text[2:]
        else:
            written, _, text = text.partition(";")
            value[name] = _read(written, part)
    return value, text


def _read(text: str, part: Part) -> Any:
    match part.type:
        case model.NUMBER:
            return int(text)
        case model.STRINGS | model.MSG:
            return [bytes.fromhex(item[1:]) for item in text[1:-1].split("|")] if text != "[]" else []
        case model.HASH:
            pairs = (pair.split(":") for pair in text[1:-1].split("|")) if text != "{}" else ()
            return {bytes.fromhex(name[1:]): bytes.fromhex(item[1:]) for name, item in pairs}
    return bytes.fromhex(text)

"""The values written in a model, read: whole numbers, octets, UUIDs, and the test values of fields.

Every function raises ValueError with a text for people: what is wrong and what would be right.
"""

import re
import uuid
from typing import Final

from zlog_codegen import model
from zlog_codegen.model import Field, Test

_INTEGER: Final = re.compile(r"[+-]?(0[xX][0-9A-Fa-f]+|[0-9]+)")
_HEX: Final = re.compile(r"[0-9A-Fa-f\s]*")
_MAX_DIGITS: Final = 40

#: A test value in Python: what a codec in Python would hold. Composite values are dicts by field name.
Value = int | str | bytes | uuid.UUID | list[str] | list[bytes] | dict[str, "Value"]


def is_integer(text: str) -> bool:
    """True when ``text`` is a whole number, decimal or hexadecimal (0x)."""
    return len(text) <= _MAX_DIGITS and _INTEGER.fullmatch(text) is not None


def integer(text: str) -> int:
    """A whole number, decimal or hexadecimal (0x)."""
    text = text.strip()
    if not is_integer(text):
        raise ValueError(f"{shorten(text)} is not a whole number; write it in decimal or as 0x…")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    return sign * (int(digits, 16) if digits[:2] in {"0x", "0X"} else int(digits, 10))


def unsigned(text: str, size: int) -> int:
    """An unsigned integer that fits ``size`` octets."""
    value = integer(text)
    if not 0 <= value < 1 << 8 * size:
        raise ValueError(f"{value} does not fit a number of size {size}; use 0 to {(1 << 8 * size) - 1}")
    return value


def short_text(text: str) -> str:
    """Text of at most 255 octets in UTF-8."""
    octets = len(text.encode())
    if octets > 255:
        raise ValueError(f"{octets} octets are too long for a string; use at most 255, or the type longstr")
    return text


def octets(text: str) -> bytes:
    """Octets, written in hexadecimal with optional white space, or else as text that stands for its UTF-8 octets."""
    if _HEX.fullmatch(text) is None:
        return text.encode()
    digits = "".join(text.split())
    if len(digits) % 2:
        raise ValueError(f"{shorten(text.strip())} has an odd number of hexadecimal digits; write two for each octet")
    return bytes.fromhex(digits)


def fixed_octets(text: str, size: int) -> bytes:
    """Exactly ``size`` octets: two hexadecimal digits for each, or text of ``size`` octets."""
    digits = "".join(text.split())
    if len(digits) == 2 * size and _HEX.fullmatch(digits):
        return bytes.fromhex(digits)
    value = text.encode()
    if len(value) != size:
        raise ValueError(
            f"{shorten(text)} is not {size} octets; write {2 * size} hexadecimal digits or text of {size} octets"
        )
    return value


def uuid_value(text: str) -> uuid.UUID:
    """A UUID: 32 hexadecimal digits, with or without hyphens."""
    digits = text.strip().replace("-", "")
    if len(digits) != 32 or not _HEX.fullmatch(digits):
        raise ValueError(f"{shorten(text.strip())} is not a UUID; write 32 hexadecimal digits")
    return uuid.UUID(digits)


def part_value(field: Field, test: Test) -> Value:
    """One ``test`` read as a value of ``field``, which is neither composite nor a constant."""
    text = test.text
    match field.type:
        case model.NUMBER:
            return unsigned(text, field.size)
        case model.OCTETS:
            return fixed_octets(text.strip(), field.size)
        case model.STRING:
            return short_text(text)
        case model.LONGSTR:
            return text
        case model.STRINGS:
            return [text]
        case model.CHUNK | model.FRAME:
            return octets(text)
        case model.MSG:
            return [octets(text)]
        case model.UUID:
            return uuid_value(text)
        case _:
            raise ValueError(f"test values of type {field.type} are not possible here; take the test out")


def written(text: str) -> str:
    """``text`` for a message: a number as it is, everything else quoted."""
    return text if is_integer(text) else shorten(text)


def shorten(text: str, limit: int = 40) -> str:
    """``text`` quoted for a message, cut when long."""
    return repr(cut(text, limit))


def cut(text: str, limit: int) -> str:
    """``text``, cut when it is longer than ``limit``."""
    return text if len(text) <= limit else text[: limit - 1] + "…"

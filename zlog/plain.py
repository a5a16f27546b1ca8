"""Any Python values made into what a record may hold: the careful way of `zlog.record`. Pure.

protocol/README.md, sections 7.3 and 7.4. No method of an application's object that is called here can harm: what it
raises is caught, and what it returns is bounded.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence, Set
from itertools import islice
from typing import Any, Final

import msgspec

from zlog.limits import MAX_DEPTH, MAX_RECORD_BYTES

__all__ = ["TRUNCATED", "convert", "cut_text", "encode_within", "is_flat", "text_of"]

#: The attribute that says that a record was cut.
TRUNCATED: Final = "zlog.truncated"

_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
_INTS: Final = range(-(2**63), 2**64)
#: Values and keys that are looked at in one record: more can't fit into 64 KiB anyway.
_MAX_VALUES: Final = MAX_RECORD_BYTES
_MAX_KEY_BYTES: Final = 256  # of a record that must be cut
_MAX_SHOWN: Final = 256  # characters of an array or map that became text because a record must be cut
_encode: Final = msgspec.msgpack.Encoder().encode

_brief: Final = reprlib.Repr()  # bounded for whatever is nested, shared or endless
_brief.maxlevel = 4
_brief.maxstring = _brief.maxother = _brief.maxlong = 1024
_brief.maxlist = _brief.maxtuple = _brief.maxdict = _brief.maxset = _brief.maxfrozenset = _brief.maxdeque = 16


def is_flat(attributes: Mapping[str, Any]) -> bool:
    """Whether msgspec may have it as it is: text to scalars. Texts and ints may still be unfit, but then it raises."""
    for key, value in attributes.items():  # noqa: SIM110 - all() with a generator takes twice as long
        if type(key) is not str or type(value) not in _SCALARS:
            return False
    return True


def text_of(value: object) -> str:
    """``str(value)``, and if that fails the ``repr`` of its type; lone surrogates are escaped. Never raises."""
    try:
        text = str(value)
        if type(text) is not str:
            text = str.__str__(text)
    except Exception:  # noqa: BLE001 - it's the application's method, it may raise anything
        text = type.__repr__(type(value))
    return _utf8(text)


def _utf8(text: str) -> str:
    """The same, and what UTF-8 can't carry as backslash escapes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def cut_text(text: str, max_bytes: int) -> str:
    """As much of the beginning as fits into so many octets of UTF-8, cut between two characters."""
    if len(text) * 4 <= max_bytes:
        return text
    octets = text[:max_bytes].encode("utf-8", "backslashreplace")
    return octets[:max_bytes].decode("utf-8", "ignore") if len(octets) > max_bytes else octets.decode()


def convert(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """The attributes as None, bool, int, float, str, bytes, list and dict, at most 8 deep. Never raises."""
    return _Converter().attributes(attributes)


class _Converter:
    """One conversion.

    Attributes:
        cut: whether something was left out because there is more than any record can hold.
    """

    def __init__(self) -> None:
        self.cut = False
        self._values = 0

    def attributes(self, attributes: Mapping[Any, Any]) -> dict[str, Any]:
        """The outermost map: what can't be read of it is text, under the name of its type."""
        made = self.value(attributes, 1)
        return made if isinstance(made, dict) else {type(attributes).__name__: made}

    def value(self, value: Any, depth: int) -> Any:
        """A value inside ``depth`` - 1 arrays and maps."""
        self._values += 1
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind in _SCALARS:
            if kind is int and value not in _INTS:
                return self._text(text_of(value))
            return self._octets(value) if kind is bytes else value
        try:
            if depth <= MAX_DEPTH:
                if kind is dict:
                    return self._map(value, depth)
                if kind is list or kind is tuple:
                    return self._array(value, depth)
            return self._other(value, depth)
        except Exception:  # noqa: BLE001 - it's the application's object, it may raise anything
            return _utf8(type.__repr__(kind))

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):  # a subclass, for example an IntEnum
            return self.value(int.__add__(value, 0), depth)
        if isinstance(value, float):
            return float.__add__(value, 0.0)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._octets(bytes(value))
        if not isinstance(value, Mapping | list | tuple | Set):
            return self._text(text_of(value))
        if depth > MAX_DEPTH:
            return self._text(text_of(_brief.repr(value)))
        if isinstance(value, Mapping):
            return self._map(value, depth)
        return self._array(value, depth)

    def _map(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        # A copy of a dict, for another thread may change it. Anything else may have no end.
        pairs = list(value.items()) if type(value) is dict else islice(value.items(), _MAX_VALUES)
        for key, item in pairs:
            # Nested values don't use up the room of the attributes that come after them.
            if (len(made) if depth == 1 else self._values) >= _MAX_VALUES:
                self.cut = True
                break
            made[self._text(key if type(key) is str else text_of(key))] = self.value(item, depth + 1)
        return made

    def _array(self, value: Sequence[Any] | Set[Any], depth: int) -> list[Any]:
        made: list[Any] = []
        for item in list(value) if type(value) is list else islice(value, _MAX_VALUES):
            if self._values >= _MAX_VALUES:
                self.cut = True
                break
            made.append(self.value(item, depth + 1))
        return made

    def _text(self, text: str) -> str:
        if len(text) > MAX_RECORD_BYTES:
            self.cut = True
            text = text[:MAX_RECORD_BYTES]
        return _utf8(text)

    def _octets(self, octets: bytes) -> bytes:
        if len(octets) > MAX_RECORD_BYTES:
            self.cut = True
        return octets[:MAX_RECORD_BYTES]


def encode_within(values: Sequence[Any], attributes: Mapping[Any, Any], max_bytes: int) -> bytes:
    """Elements of a record and its attributes, converted, and cut to ``max_bytes``: the longest texts first.

    Args:
        values: the elements in front of the attributes.
    """
    converter = _Converter()
    # Elements are scalars of known types; a text among them may still be unfit.
    head = [converter.value(value, MAX_DEPTH + 1) for value in values]
    made = converter.attributes(attributes)
    if not converter.cut:
        octets = _encode([*head, made])
        if len(octets) <= max_bytes:
            return octets
    made = {cut_text(key, _MAX_KEY_BYTES): value for key, value in made.items()} | {TRUNCATED: True}
    if not _fits(head, made, 0, max_bytes):  # not the texts are too long: there is too much of everything
        made = {
            key: cut_text(_brief.repr(value), _MAX_SHOWN) if isinstance(value, list | dict) else value
            for key, value in made.items()
        }
    while not _fits(head, made, 0, max_bytes):
        keep = len(made) // 2
        made = dict(list(made.items())[:keep]) | {TRUNCATED: True}
    low, high = 0, max_bytes  # the longest that each text may be
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(head, made, middle, max_bytes):
            low = middle
        else:
            high = middle - 1
    return _encode(_trimmed(head, made, low))


def _fits(head: list[Any], attributes: dict[str, Any], longest: int, max_bytes: int) -> bool:
    return len(_encode(_trimmed(head, attributes, longest))) <= max_bytes


def _trimmed(head: list[Any], attributes: dict[str, Any], longest: int) -> list[Any]:
    """The record with texts of at most ``longest`` octets."""
    texts = [cut_text(value, longest) if isinstance(value, str) else value for value in head]  # not the peer
    return [*texts, _trimmed_value(attributes, longest)]


def _trimmed_value(value: Any, longest: int) -> Any:
    """The same with texts of at most ``longest`` octets."""
    if isinstance(value, str):
        return cut_text(value, longest)
    if isinstance(value, dict):
        return {key: _trimmed_value(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [_trimmed_value(item, longest) for item in value]
    return value[:longest] if isinstance(value, bytes) else value

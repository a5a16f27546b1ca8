"""What the elements of a model may have, and how attributes are read.

Readers raise ValueError with a text for people: what is wrong, a semicolon, what would be right.
"""

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Final

from zlog_codegen import literals

#: Attributes of each element: True when one is required. Those of ``class`` after the first line are for zproto's own
#: generators and mean nothing to the protocol.
ATTRIBUTES: Final[Mapping[str, Mapping[str, bool]]] = {
    "class": {
        **{"name": True, "signature": False, "title": False, "pubsub": False},
        **dict.fromkeys(
            (
                *("script", "package_dir", "source_dir", "header_ext", "source_ext", "project_header", "protocol_dir"),
                *("export_macro", "export_header", "use_zmq_msg", "virtual", "state", "modifier"),
                *("package", "namespace", "module", "test_dir", "test_namespace", "test_module"),
            ),
            False,
        ),
    },
    "include": {"filename": True},
    "license": {},
    "grammar": {},
    "define": {"name": True, "value": True},
    "header": {},
    "message": {"name": True, "id": False, "role": False, "digest": False},
    "type": {"name": True},
    "field": {"name": True, "type": True, "size": False, "value": False, "since": False},
    "test": {"name": False},
}
#: Elements that may stand in each element.
CHILDREN: Final[Mapping[str, tuple[str, ...]]] = {
    "class": ("include", "license", "grammar", "define", "header", "message", "type"),
    "header": ("field",),
    "message": ("field",),
    "type": ("field",),
    "field": ("test",),
}
ROLES: Final = ("client", "server")
#: The most octets of an ``octets`` field; longer data belongs into a chunk.
MAX_OCTETS: Final = 65_535

#: The highest version that a field can be ``since``.
MAX_SINCE: Final = 65_535
#: Problems that are looked for in one model: whoever has more won't read them.
MAX_PROBLEMS: Final = 100
#: Names that a hint lists, names that are compared with a wrong one, and the longest name that is compared.
MAX_LISTED: Final = 20
MAX_COMPARED: Final = 200
MAX_COMPARED_LENGTH: Final = 60

#: Characters in a name: it becomes a part of identifiers and file names.
MAX_NAME: Final = 100
#: Composite types inside each other.
MAX_NESTING: Final = 8
#: Fields of a message or type when all composite ones are taken apart.
MAX_FIELDS: Final = 1_000

#: The hint for names that are too much alike.
DISTINCT: Final = "rename one; case, blanks, - and _ make no difference"
#: Names in a model, and the name of the model itself, which names files too.
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([ _-]+[A-Za-z0-9]+)*")
FILE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-]+[A-Za-z0-9]+)*")


def number_size(text: str) -> int:
    """The size of a number."""
    if text not in {"1", "2", "4", "8"}:
        raise ValueError(f"{literals.written(text)} is not possible; use 1, 2, 4 or 8")
    return int(text)


def between(text: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``."""
    if not literals.is_integer(text) or not low <= (value := literals.integer(text)) <= high:
        raise ValueError(f"{literals.written(text)} is not possible; use {low} to {high}")
    return value


def flag(text: str) -> bool:
    """0 or 1."""
    if text not in {"0", "1"}:
        raise ValueError(f"{literals.shorten(text)} is not possible; use 0 or 1")
    return text == "1"


def one_of(text: str, allowed: tuple[str, ...]) -> str | None:
    """One of some words."""
    if text not in allowed:
        raise ValueError(f"{literals.shorten(text)} is not possible; use {listing(allowed)}")
    return text


def listing(items: Iterable[str]) -> str:
    """``a, b or c``"""
    *first, last = items
    return f"{', '.join(first)} or {last}" if first else last


def suggest(word: str, known: Iterable[str], kind: str) -> str:
    """A hint for a word that is none of the ``known``: the closest one, or all."""
    names = [literals.cut(name, MAX_COMPARED_LENGTH) for name in itertools.islice(known, MAX_COMPARED)]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.7) if len(word) <= MAX_COMPARED_LENGTH else []
    if close:
        return f"did you mean {close[0]!r}?"
    listed = [*names[:MAX_LISTED], *(["…"] if len(names) > MAX_LISTED else [])]
    return f"possible {kind}: {', '.join(listed)}" if names else f"there are no {kind} here"

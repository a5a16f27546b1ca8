"""From names in a model to identifiers of a language: words, then a style, then out of the way of reserved words."""

import re
from collections.abc import Callable, Collection
from typing import Final

# "PING-OK" -> PING OK; "public key" -> public key; "publicKey" -> public Key; "IPAddress" -> IP Address; "IPv4" -> IPv4
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z]{2})|[A-Z]+[a-z]?[a-z0-9]*|[a-z0-9]+")


def words(name: str) -> tuple[str, ...]:
    """Split a name of a model into its words, in lower case."""
    return tuple(match.group().lower() for part in re.split(r"[^A-Za-z0-9]+", name) for match in _WORD.finditer(part))


def snake(name: str) -> str:
    """``public_key``"""
    return "_".join(words(name))


def camel(name: str) -> str:
    """``publicKey``"""
    first, *others = words(name)
    return first + "".join(word.capitalize() for word in others)


def pascal(name: str) -> str:
    """``PublicKey``"""
    return "".join(word.capitalize() for word in words(name))


def upper(name: str) -> str:
    """``PUBLIC_KEY``"""
    return snake(name).upper()


def kebab(name: str) -> str:
    """``public-key``"""
    return "-".join(words(name))


def flat(name: str) -> str:
    """``publickey``"""
    return "".join(words(name))


def cobol(name: str) -> str:
    """``PUBLIC-KEY``"""
    return kebab(name).upper()


#: Words that Go's style guide has in capitals wherever they stand in a name.
_INITIALISMS: Final = frozenset(
    {
        *(
            "acl",
            "api",
            "ascii",
            "cpu",
            "css",
            "dns",
            "eof",
            "guid",
            "html",
            "http",
            "https",
            "id",
            "ip",
            "json",
            "qps",
        ),
        *("ram", "rpc", "sla", "smtp", "sql", "ssh", "tcp", "tls", "ttl", "udp", "ui", "uid", "uri", "url", "utf8"),
        *("uuid", "vm", "xml", "xmpp", "xsrf", "xss"),
    }
)


def mixedcaps(name: str) -> str:
    """``PublicKey``, ``NodeID``: Go's exported names"""
    return "".join(word.upper() if word in _INITIALISMS else word.capitalize() for word in words(name))


STYLES: Final[dict[str, Callable[[str], str]]] = {
    "snake": snake,
    "camel": camel,
    "pascal": pascal,
    "mixedcaps": mixedcaps,
    "upper": upper,
    "kebab": kebab,
    "flat": flat,
    "cobol": cobol,
}


def identifier(name: str, style: str, reserved: Collection[str] = (), suffix: str = "_") -> str:
    """An identifier for ``name`` in ``style`` that is not one of the ``reserved`` words.

    The ``suffix`` is added until it is none, so the answer depends on nothing but the arguments.
    """
    result = STYLES[style](name)
    while result in reserved:
        result += suffix
    return result

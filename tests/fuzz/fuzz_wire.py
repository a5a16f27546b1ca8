"""Fuzzing the codecs: what holds for any octets whatever.

    python tests/fuzz/fuzz_wire.py                          until it finds something
    python tests/fuzz/fuzz_wire.py -max_total_time=20       for 20 seconds
    python tests/fuzz/fuzz_wire.py CRASH-FILE               one input again

- Decoding ends in a message or in DecodeError, and never allocates far beyond the size of its input.
- A message that was decoded encodes, to frames no longer than it came in, which decode to an equal message and encode
  to themselves. (Not where bad text was let through with ``errors``: replacements can be too long, or no text.)
"""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import runner

with runner.instrumented(__name__):
    from zlog.wire import zre_log_msg, zre_msg
    from zlog.wire.runtime import DecodeError

CODECS: Final[tuple[ModuleType, ...]] = (zre_log_msg, zre_msg)
#: How many octets decoding may allocate for each octet of input, and besides. The dearest is a hash of short names and
#: values: an entry of 5 to 7 octets becomes two str of 50 octets and a place in a dict.
MAX_FACTOR: Final = 40
MAX_EXTRA: Final = 4096


def one_input(data: bytes) -> None:
    """Any octets as frames."""
    module, frames, errors = _input(data)
    try:
        message = module.decode(frames[0], frames[1:], errors=errors)
    except DecodeError as error:
        _check(0 <= error.offset <= len(frames[0]), "the offset is in the frame")
        return
    if errors != "strict":
        return
    encoded = message.frames()
    appended = 4 if isinstance(message, zre_log_msg.Offer) and not message.ages else 0  # drafts had no `ages`
    _check(len(encoded[0]) <= len(frames[0]) + appended, "nothing is added")
    again = module.decode(encoded[0], encoded[1:])
    _check(again == message, "an encoded message decodes to an equal one")
    _check(again.frames() == encoded, "encoding is stable")


def within_bounds(data: bytes) -> None:
    """Decode any octets as frames; what it allocates is bounded by the size of the input."""
    module, frames, errors = _input(data)
    message = None
    tracemalloc.start()
    try:
        with contextlib.suppress(DecodeError):
            message = module.decode(frames[0], frames[1:], errors=errors)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    _check(peak <= MAX_EXTRA + MAX_FACTOR * len(data), f"{len(data)} octets of input allocate {peak}: {type(message)}")


def _input(data: bytes) -> tuple[Any, list[bytes], str]:
    """The codec, the frames and what to do with bad text: the first octet chooses."""
    choice = data[0] if data else 0
    module: Any = CODECS[choice & 1]
    frames = data[1:].split(b"\0\xff\0")[:4]
    if choice & 0x80:
        frames[0] = module.SIGNATURE + frames[0]  # most inputs should come past the signature
    return module, frames, "strict" if choice & 2 else "backslashreplace"


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def seeds() -> list[bytes]:
    """Good inputs to start from."""
    return [bytes([number]) + octets for number in (0, 1, 2, 3) for octets in _messages()]


def _messages() -> Iterator[bytes]:
    """Each message with a value in each field."""
    samples: dict[str, Any] = {"number": 1, "string": "né", "longstr": "text", "strings": ["a", ""], "hash": {"k": "v"}}
    samples |= {"chunk": b"\0\1", "msg": [b"x", b""]}
    for module in CODECS:
        for cls in module.MESSAGES.values():
            message = cls()
            for path, kind in cls.KINDS.items():
                sample = samples.get(kind.partition("-")[0])
                if sample is not None:
                    setattr(message, path, sample)
            yield b"\0\xff\0".join(message.frames())


SEEDS: Final = seeds()


if __name__ == "__main__":
    runner.main("wire", one_input, SEEDS)

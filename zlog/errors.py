"""The exceptions.

::

    Exception
    ├── ZlogError                  whatever this package raises on purpose
    │   └── CommandError           a command can't do what it was asked to: one line, and what to do
    └── ValueError
        ├── EncodeError            local misuse of a codec (zlog.wire.runtime)
        └── DecodeError            octets from a peer that are no message (zlog.wire.runtime)

Remote misbehaviour never reaches an application: it is counted where it arrives (`zlog.zre.Pyre.counters`).
"""

from zlog.wire.runtime import DecodeError, EncodeError

__all__ = ["CommandError", "DecodeError", "EncodeError", "ZlogError"]


class ZlogError(Exception):
    """Base of the exceptions of this package."""


class CommandError(ZlogError):
    """A command can't do what it was asked to.

    Args:
        problem: what is wrong, in one line.
        hint: what to do about it, in one line; may be empty.
        code: the exit code.
    """

    def __init__(self, problem: str, hint: str = "", code: int = 1) -> None:
        super().__init__(f"{problem}; {hint}" if hint else problem)
        self.problem = problem
        self.hint = hint
        self.code = code

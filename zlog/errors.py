"""The exceptions.

::

    Exception
    ├── ZlogError                  whatever this package raises on purpose
    │   ├── CommandError           a command can't do what it was asked to: one line, and what to do
    │   ├── NodeStoppedError       a ZRE node has stopped, and all its events were read
    │   └── StoreError             a store can't be opened, written or read: one line, and what to do
    └── ValueError
        ├── EncodeError            local misuse of a codec (zlog.wire.runtime)
        └── DecodeError            octets from a peer that are no message (zlog.wire.runtime)

Remote misbehaviour never reaches an application: it is counted where it arrives (`zlog.zre.Pyre.counters`).
"""

from zlog.wire.runtime import DecodeError, EncodeError

__all__ = ["CommandError", "DecodeError", "EncodeError", "NodeStoppedError", "StoreError", "ZlogError"]


class ZlogError(Exception):
    """Base of the exceptions of this package."""


class NodeStoppedError(ZlogError):
    """A ZRE node has stopped, and all its events were read."""


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


class StoreError(ZlogError):
    """A store can't do what it was asked to; what it held before the call it still holds, and nothing more.

    Args:
        problem: what is wrong, in one line.
        hint: what to do about it, in one line; may be empty.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem}; {hint}" if hint else problem)
        self.problem = problem
        self.hint = hint

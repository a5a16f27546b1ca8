"""The exceptions.

::

    Exception
    ├── ZlogError                  whatever this package raises on purpose
    │   ├── CollectorError         a collector can't be started as asked: one line, and what to do
    │   ├── CommandError           a command can't do what it was asked to: one line, and what to do
    │   ├── NodeStoppedError       a ZRE node has stopped, and all its events were read
    │   ├── SettingsError          an argument, a variable or a file sets what isn't possible: one line
    │   └── StoreError             a store can't be opened, written or read: one line, and what to do
    └── ValueError
        ├── EncodeError            local misuse of a codec (zlog.wire.runtime)
        └── DecodeError            octets from a peer that are no message (zlog.wire.runtime)

Remote misbehaviour never reaches an application: it is counted where it arrives (`zlog.zre.Pyre.counters`).
"""

from zlog.wire.runtime import DecodeError, EncodeError

__all__ = [
    "CollectorError",
    "CommandError",
    "DecodeError",
    "EncodeError",
    "NodeStoppedError",
    "SettingsError",
    "StoreError",
    "ZlogError",
]


class ZlogError(Exception):
    """Base of the exceptions of this package."""


class CollectorError(ZlogError):
    """A collector can't be started as it was asked to.

    Args:
        problem: what is wrong, in one line.
        hint: what to do about it, in one line; may be empty.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem}; {hint}" if hint else problem)
        self.problem = problem
        self.hint = hint


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


class SettingsError(ZlogError, ValueError):
    """A setting isn't possible.

    Args:
        problem: what is wrong and where it is from, in one line.
        hint: what to do about it, in one line; may be empty.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem}; {hint}" if hint else problem)
        self.problem = problem
        self.hint = hint


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

"""Child processes of tests: their output as lines to wait for, and their end."""

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

Expected = str | re.Pattern[str] | Callable[[str], object]


class Lines:
    """The lines of a text stream, read by a thread as they come.

    Each line answers one `expect`, in any order: wait for what must be there, not for when.
    """

    def __init__(self, stream: IO[str], name: str = "the program") -> None:
        self._stream, self._name = stream, name
        self._all: list[str] = []
        self._unmatched: list[str] = []
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, name=f"lines of {name}", daemon=True)
        self._reader.start()

    @property
    def all(self) -> list[str]:
        """Every line so far, without line ends."""
        with self._news:
            return list(self._all)

    def expect(self, what: Expected, timeout_s: float = 10.0) -> str:
        """Wait for a line that no earlier call was given and that matches: a regular expression or a predicate.

        Raises:
            AssertionError: the deadline passed, or the stream ended; shows the output so far.
        """
        matches = what if callable(what) else re.compile(what).search
        deadline = time.monotonic() + timeout_s
        checked = 0
        with self._news:
            while True:
                for index in range(checked, len(self._unmatched)):
                    if matches(self._unmatched[index]):
                        return self._unmatched.pop(index)
                checked = len(self._unmatched)
                if self._ended:
                    raise AssertionError(self._complaint(what, "ended without"))
                if not self._news.wait(deadline - time.monotonic()):
                    raise AssertionError(self._complaint(what, f"in {timeout_s:g} s did not print"))

    def join(self, timeout_s: float = 5.0) -> None:
        """Wait until the stream has ended and close it."""
        self._reader.join(timeout_s)
        if self._reader.is_alive():
            raise AssertionError(f"the output of {self._name} is still open: a child of it lives")
        self._stream.close()

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # closed while reading
            for line in self._stream:
                with self._news:
                    self._all.append(line.rstrip("\n"))
                    self._unmatched.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _complaint(self, what: Expected, how: str) -> str:
        wanted = getattr(what, "__name__", repr(what)) if callable(what) else repr(what)
        output = "".join(f"\n  {line}" for line in self._all[-40:]) or " nothing"
        return f"{self._name} {how} {wanted}; its output:{output}"


class Program:
    """A running child process; it dies with us, whatever happens to us.

    `lines` holds its output, stderr merged in. Extra keywords go to `subprocess.Popen`.
    """

    def __init__(self, args: Sequence[str | Path], *, prefix: Sequence[str] = (), name: str = "", **popen: Any) -> None:
        options: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "errors": "replace",
            "bufsize": 1,
        }
        words = [str(word) for word in args]
        # PR_SET_PDEATHSIG by a program: preexec_fn isn't safe in a process with threads.
        command = ["setpriv", "--pdeathsig", "KILL", *prefix, *words]
        self.process: subprocess.Popen[str] = subprocess.Popen(command, **(options | popen))
        self.name = name or Path(words[0]).name
        self._lines = Lines(self.process.stdout, self.name) if self.process.stdout else None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def lines(self) -> Lines:
        if self._lines is None:
            raise ValueError("started with stdout that isn't a pipe")
        return self._lines

    def expect(self, what: Expected, timeout_s: float = 10.0) -> str:
        """`lines.expect`."""
        return self.lines.expect(what, timeout_s)

    def send(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self, timeout_s: float = 10.0) -> int:
        """Its exit code, when it ended by itself.

        Raises:
            AssertionError: it still runs; shows the output so far.
        """
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            shown = "\n  ".join(["", *self._lines.all]) if self._lines else ""
            raise AssertionError(f"{self.name} still runs after {timeout_s:g} s; its output:{shown}") from None

    def terminate(self, timeout_s: float = 10.0) -> int:
        """Ask it to end (SIGTERM) and wait for it; its exit code."""
        self.process.terminate()
        return self.wait(timeout_s)

    def kill(self) -> None:
        """End it at once, if it still runs."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Kill it and give back everything held for it."""
        self.kill()
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        if self._lines:
            self._lines.join()


def python_args(code_or_file: str | Path, *args: str | Path) -> list[str]:
    """The command that runs Python code, or a file given as a Path, with this interpreter and unbuffered output."""
    script = [str(code_or_file)] if isinstance(code_or_file, Path) else ["-c", code_or_file]
    return [sys.executable, "-u", "-X", "faulthandler", *script, *map(str, args)]

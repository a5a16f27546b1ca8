"""``zlog run``: run a command, pass its output through, and log each line of it."""

from __future__ import annotations

import argparse
import array
import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

from zlog.cli import common
from zlog.cli.splitter import LineSplitter, text_of
from zlog.errors import CommandError

DESCRIPTION = """\
Run COMMAND, and log each line that it prints: stdout as INFO, stderr as WARN, with the attribute log.iostream. All that
it prints is passed through as it is, at once; stdin is COMMAND's own. Signals are passed on, and the exit code is that
of COMMAND."""

EPILOG = f"""\
examples:
  zlog run -- ./backup.sh --all
  zlog run --name pip -- python -m pip install -v requests
  zlog run --name build -- make -j4 2>&1 | less

COMMAND's output is a pipe, not a terminal: most programs then leave out colours and progress bars, and some print in
blocks. What helps with those: stdbuf -oL COMMAND, PYTHONUNBUFFERED=1, grep --line-buffered.
It ends when COMMAND has ended. What programs that COMMAND left behind print later isn't passed on.
Without a collector the output is passed through all the same, and nothing is waited for but, if COMMAND ended within
a second, the rest of that second.
exit code: that of COMMAND; 127 when there is no such command, 126 when it can't be run; 2 for wrong usage.
With --json, the last line on stderr is an object: exit, lines, delivered.

{common.NETWORK_HELP}"""

_READ: Final = 65_536
_INFO, _WARN = 9, 13
#: Lines that may wait for the agent: with the 32,768 that a read may bring they are fewer than it keeps.
_AHEAD: Final = 16_384
#: How long, at most, COMMAND is held up for it.
_PATIENCE_S: Final = 1.0
#: Passed on. Those that a terminal sends, it sends to COMMAND as well.
_SIGNALS: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.usage = "zlog run [-h] [--name N] [-i NAME] [--port N] [--collector tcp://HOST:PORT] [--json] -- COMMAND …"
    parser.add_argument("--name", metavar="N", help="name of the node (default: COMMAND's)")
    parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND …", help="what to run, and its arguments")
    common.add_network(parser)


def run(args: argparse.Namespace) -> int:
    """Run it; return its exit code, or end by the signal that ended it."""
    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    if not argv:
        raise CommandError("no command is given", "write it behind --, as in zlog run -- make", code=common.USAGE)
    name = args.name or os.path.basename(argv[0]) or argv[0]
    with _Signals() as signals:
        import zlog

        common.show_warnings()
        agent = zlog.start(name=args.name or os.environ.get("ZLOG_NAME") or name, **common.agent_options(args))
        child = _start(argv, signals)
        assert child.stdout is not None
        assert child.stderr is not None

        def log(severity: int, stream: str) -> Callable[[bytes], None]:
            attributes = {"log.iostream": stream}
            return lambda line: agent.record(severity, time.time_ns(), name, text_of(line), attributes)

        def pace() -> None:
            """Wait while lines come faster than the agent can take them; how fast collectors are plays no part."""
            deadline = time.monotonic() + _PATIENCE_S
            while len(agent.queue) > _AHEAD and time.monotonic() < deadline:
                time.sleep(0.001)

        pumps = [
            Pump(child.stdout, 1, log(_INFO, "stdout"), pace),
            Pump(child.stderr, 2, log(_WARN, "stderr"), pace),
        ]
        for pump in pumps:
            pump.start()
        code = signals.wait_for(child)
        for pump in pumps:
            pump.finish()
        delivered = zlog.shutdown(agent.settings.exit_timeout_s)
    if args.json:
        lines = sum(pump.lines for pump in pumps)
        common.say(json.dumps({"exit": code, "lines": lines, "delivered": delivered}))
    return code if code >= 0 else _end_by(-code)


def _start(argv: list[str], signals: _Signals) -> subprocess.Popen[bytes]:
    try:
        with signals.let_through():
            return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(f"{argv[0]}: {reason}", code=127 if missing else 126) from None


def _end_by(number: int) -> int:
    """End as COMMAND did, so that whoever started us sees the same."""
    sys.stdout.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number


class Pump(threading.Thread):
    """Passes a pipe through and takes its lines.

    Args:
        source: COMMAND writes to the other end of it.
        target: the descriptor where all goes at once, as it is.
        line: called with each line.
        pace: called after some lines; may wait.

    Attributes:
        lines: how many there were.
    """

    def __init__(self, source: IO[bytes], target: int, line: Callable[[bytes], None], pace: Callable[[], None]) -> None:
        super().__init__(name=f"zlog-pump-{target}", daemon=True)
        self.lines = 0
        self._source = source
        self._target = target
        self._line = line
        self._pace = pace
        self._ended, self._end = os.pipe()
        self._is_open = True

    def run(self) -> None:
        """Until the pipe ends, or COMMAND has and all is read that was in the pipe."""
        splitter = LineSplitter()
        with self._source:
            for octets in self._octets():
                self._pass_on(octets)
                self._take(splitter.feed(octets))
                if not self._is_open:
                    break
        self._take(splitter.rest())

    def finish(self) -> None:
        """COMMAND has ended: take what is in the pipe, and end, though others may have it open."""
        os.close(self._end)
        self.join()
        os.close(self._ended)

    def _octets(self) -> Iterator[bytes]:
        source = self._source.fileno()
        poller = select.poll()
        poller.register(source, select.POLLIN)
        poller.register(self._ended, select.POLLIN)
        left = None
        while left is None or left > 0:
            ready = dict(poller.poll())
            if left is None and self._ended in ready:
                left = _waiting(source)  # what others write after that is not COMMAND's
                poller.unregister(self._ended)
                continue
            octets = os.read(source, _READ if left is None else min(_READ, left))
            if not octets:
                return
            left = None if left is None else left - len(octets)
            yield octets

    def _pass_on(self, octets: bytes) -> None:
        try:
            while octets:
                octets = octets[os.write(self._target, octets) :]
        except BlockingIOError:  # whoever gave us this descriptor made it so
            select.select([], [self._target], [])
            self._pass_on(octets)
        except OSError:
            self._is_open = False  # nobody reads: COMMAND is to notice

    def _take(self, lines: list[bytes]) -> None:
        self.lines += len(lines)
        for line in lines:
            self._line(line)
        self._pace()


def _waiting(source: int) -> int:
    """How many octets are in a pipe."""
    found = array.array("i", [0])
    fcntl.ioctl(source, termios.FIONREAD, found)
    return found[0]


class _Signals:
    """While it is entered, signals are COMMAND's: passed on, unless the terminal has sent them to it as well.

    They are blocked here and waited for, as only so it is known who sent them. Threads that start meanwhile have them
    blocked, too.
    """

    def __init__(self) -> None:
        self._waited = {each for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
        self._before: dict[signal.Signals, Any] = {}
        self._early: list[int] = []
        self._mask: set[int] = set()

    def __enter__(self) -> _Signals:
        for number in self._waited:
            self._before[number] = signal.signal(number, lambda number, frame: self._early.append(number))
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, self._waited | {signal.SIGCHLD}))
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before if before is not None else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    @contextlib.contextmanager
    def let_through(self) -> Iterator[None]:
        """A child that is started inside has nothing blocked."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, self._waited | {signal.SIGCHLD})

    def wait_for(self, child: subprocess.Popen[bytes]) -> int:
        """The exit code of a child that was just started."""
        while self._early:
            child.send_signal(self._early.pop(0))
        while (code := child.poll()) is None:
            number, by_terminal = self._next()
            if number != signal.SIGCHLD and not by_terminal:
                child.send_signal(number)
        return code

    def _next(self) -> tuple[int, bool]:
        """A signal, and whether the terminal sent it, to all of its foreground."""
        if sys.platform == "linux":
            info = signal.sigwaitinfo(self._waited | {signal.SIGCHLD})
            return info.si_signo, info.si_code > 0
        number = signal.sigwait(self._waited | {signal.SIGCHLD})
        try:
            foreground = os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            foreground = False
        return number, foreground and number in (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)

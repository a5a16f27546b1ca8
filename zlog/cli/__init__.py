"""The command ``zlog``.

A command is a module of this package and one line in `COMMANDS`. The module has ``add_arguments(parser)`` and
``run(args) -> int``, may have ``DESCRIPTION`` and ``EPILOG`` for its help, and is imported only when it is asked for,
so that the start stays light. What a command can't do it says by raising `zlog.errors.CommandError`.

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted; commands may define more. A traceback is only
shown where ``ZLOG_DEBUG`` is set.
"""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import zlog

#: Every command with the line that ``zlog --help`` has for it.
COMMANDS: Final[dict[str, str]] = {
    "demo": "see programs log and a collector store it, on this computer only",
    "tail": "print the records of all nodes, as they come",
    "collect": "take the records of all nodes on the network and store them",
    "query": "print records from stores",
    "send": "log a line, or lines, from a shell",
    "run": "run a command, pass its output through, and log each line of it",
    "status": "show nodes and collectors on the network, and who asks for what",
    "codegen": "generate codecs and grammars from protocol models",
    "conform": "show that the generated codecs of all languages do the same",
}

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, without hiding that it couldn't be."""
        if file is sys.stdout:
            sys.stdout.write(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments and exit."""
        self.exit(USAGE, f"zlog: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own) and return the exit code.

    Raises:
        SystemExit: after ``--help`` and ``--version``, and for wrong arguments.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_missing_streams()
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # for file names that are no text, and terminals that can't show all
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # Whoever read our output left, or the disk it goes to is full. Python flushes stdout once more at exit: let
        # that go nowhere.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"zlog: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        return FAILED


def _open_missing_streams() -> None:
    """Where stdin, stdout or stderr is closed (``>&-``), nothing is read or written, and no file takes its number."""
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                found = os.open(os.devnull, os.O_RDWR)
                if found != descriptor:
                    os.dup2(found, descriptor)
                    os.close(found)
                setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _run(arguments: Sequence[str]) -> int:
    """Run a command, and turn what it raises on purpose into a line and an exit code."""
    parser = Parser(prog="zlog", description="Logging overlay for peer-to-peer networks.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"zlog {zlog.__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, help_line in COMMANDS.items():
        command = subparsers.add_parser(
            name, help=help_line, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == asked:
            module = importlib.import_module(f"zlog.cli.{name}")
            command.description = getattr(module, "DESCRIPTION", help_line)
            command.epilog = getattr(module, "EPILOG", None)
            command.set_defaults(run=module.run)
            module.add_arguments(command)
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    try:
        return int(args.run(args))
    except Exception as error:
        from zlog.errors import CommandError, ZlogError  # only here: it costs the codecs' import

        if isinstance(error, OSError) or (not isinstance(error, ZlogError) and os.environ.get("ZLOG_DEBUG")):
            raise
        if not isinstance(error, ZlogError):
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            print(f"zlog: {what}; this is a bug, please report it; ZLOG_DEBUG=1 shows where it is", file=sys.stderr)
            return FAILED
        for line in str(error).splitlines():
            print(f"zlog: {line}", file=sys.stderr)
        return error.code if isinstance(error, CommandError) else FAILED

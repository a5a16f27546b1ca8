"""What commands share: options, errors, what they say on stderr."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from zlog import severity
from zlog.cli.times import FORMS, parse_seconds, parse_time
from zlog.errors import CommandError

if TYPE_CHECKING:
    from zlog.cli.lines import Paint
    from zlog.collector.stores import Filter, Store

USAGE: Final = 2
ZRE_PORT: Final = 5670
LEVELS: Final = "trace, debug, info, warn, error, fatal, the names of Python's logging, or a severity from 1 to 24"

NETWORK_HELP: Final = """\
network, also by environment:
  ZLOG_INTERFACE  as --interface        ZLOG_PORT  as --port        ZLOG_COLLECTORS  as --collector"""

#: More than anybody has.
_MOST_LINES: Final = 10**15
_UUID: Final = re.compile("[0-9a-f]{32}")
_ADDRESS: Final = re.compile(r"tcp://(\[[0-9A-Fa-f:.%]+\]|[^:/\s*]+):([0-9]{1,5})")


# --- options ---------------------------------------------------------------------------------------------------------


def add_network(parser: argparse.ArgumentParser, *, collects: bool = False, used: bool = True) -> None:
    """Declare -i, --port, --collector and --json.

    Args:
        parser: of the command.
        collects: the command is a collector, so that --collector makes no sense for it.
        used: the command uses a network; one that doesn't takes the options, so that scripts may give them to all.
    """
    group = parser.add_argument_group("network") if used else parser
    quiet = None if used else argparse.SUPPRESS
    group.add_argument(
        "-i",
        "--interface",
        metavar="NAME",
        help=quiet or "network interface or its address (default: the default route's); lo for this computer only",
    )
    group.add_argument(
        "--port", type=_port, metavar="N", help=quiet or f"UDP port of ZRE's beacons (default: {ZRE_PORT})"
    )
    group.add_argument(
        "--collector",
        type=_collector,
        action="append",
        metavar="tcp://HOST:PORT",
        help=argparse.SUPPRESS
        if collects or not used
        else "a collector that beacons don't reach, by its sync address; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="JSON, one object per line")


def add_filters(parser: argparse.ArgumentParser, *, until: bool) -> None:
    """Declare which records are shown, and how."""
    group = parser.add_argument_group("which records")
    group.add_argument("-l", "--level", type=level, metavar="LEVEL", help=f"this and worse: {LEVELS}")
    group.add_argument("--node", metavar="GLOB", help="of nodes whose name or UUID matches, such as 'web*'")
    group.add_argument("--logger", metavar="GLOB", help="of loggers that match, such as 'app.db*'")
    group.add_argument("--grep", metavar="RE", help="with this regular expression in their text")
    group.add_argument("--since", metavar="TIME", help=f"from then on: start, {FORMS}")
    if until:
        group.add_argument("--until", metavar="TIME", help="before then")
    group.add_argument("-n", "--lines", type=count, metavar="N", help="the newest N only" if until else SINCE_LINES)
    look = parser.add_argument_group("how they look")
    look.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: on a terminal, unless NO_COLOR is set",
    )
    look.add_argument("--no-color", dest="color", action="store_const", const="never", help="as --color never")
    look.add_argument("--utc", action="store_true", help="times in UTC instead of local time")
    look.add_argument("-v", "--verbose", action="store_true", help="all attributes, host, process and node")


SINCE_LINES: Final = "first the newest N of what stores have and nodes still hold, then what comes"


def level(text: str) -> int:
    """An argument that is a level, as a severity."""
    found: int = _checked(severity.parse, text)
    return found


def seconds(text: str) -> float:
    """An argument that is a length of time."""
    found: float = _checked(parse_seconds, text)
    return found


def count(text: str) -> int:
    """An argument that is a whole number from 0."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) < 16 else _MOST_LINES


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) < 65_536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to 65535")
    return int(text)


def _collector(text: str) -> str:
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is no address of a collector: write tcp://host:port")
    return text


def _checked(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# --- what they mean --------------------------------------------------------------------------------------------------


def since(text: str | None) -> int | None:
    """A time, or None if there is none. Raises CommandError."""
    if text is None:
        return None
    try:
        return parse_time(text, time.time_ns())
    except ValueError as error:
        raise CommandError(str(error), code=USAGE) from None


def filter_of(args: argparse.Namespace, *, since_ns: int | None, until_ns: int | None = None) -> Filter:
    """The filter that `add_filters` declared, but for the number of lines. Raises CommandError."""
    from zlog.collector.stores import Filter

    if args.grep is not None:
        try:
            re.compile(args.grep)
        except re.error as error:
            raise CommandError(f"--grep {args.grep!r} is no regular expression: {error}", code=USAGE) from None
    return Filter(args.level, args.node, args.logger, args.grep, since_ns, until_ns)


def may_be_meant(wanted: Filter, node: str, name: str) -> bool:
    """Whether a loss is to be shown of this node: also where nobody knows its name, which may be the one that is meant.

    Args:
        wanted: what is shown.
        node: its UUID, 32 hexadecimal digits.
        name: empty if it isn't known.
    """
    if wanted.node is None or wanted.matches_node(node, name):
        return True
    return not name and _UUID.fullmatch(wanted.node.replace("-", "").lower()) is None


def names_in(stores: Iterable[Store]) -> dict[str, tuple[str, str]]:
    """Name and host of the nodes that stores have records of. Raises StoreError."""
    found: dict[str, tuple[str, str]] = {}
    for store in stores:
        for node, names in store.names().items():
            found.setdefault(node, names)
    return found


def is_colored(wish: str, stream: Any) -> bool:
    """Whether to use colours: https://no-color.org"""
    if wish != "auto":
        return wish == "always"
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint_for(args: argparse.Namespace, stream: Any = None) -> Paint:
    """Colours for stdout, or another stream."""
    from zlog.cli.lines import Paint

    return Paint(is_colored(getattr(args, "color", "auto"), stream or sys.stdout))


def collector_options(args: argparse.Namespace) -> dict[str, Any]:
    """Interface and port for a `Collector`. Raises CommandError for what makes no sense."""
    if args.collector:
        raise CommandError(
            f"zlog {args.command} is a collector itself: it can't connect to {args.collector[0]}",
            "where beacons don't reach it, start it with --bind tcp://*:PORT, and give nodes its address: "
            "ZLOG_COLLECTORS=tcp://HOST:PORT",
            code=USAGE,
        )
    return {"interface": args.interface or os.environ.get("ZLOG_INTERFACE") or None, "port": zre_port(args)}


def zre_port(args: argparse.Namespace) -> int:
    """By argument or environment. Raises CommandError."""
    if args.port is not None:
        return int(args.port)
    text = os.environ.get("ZLOG_PORT") or str(ZRE_PORT)
    try:
        return _port(text)
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"ZLOG_PORT: {error}", code=USAGE) from None


def agent_options(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `zlog.start` that the network options stand for."""
    return {"interface": args.interface, "port": args.port, "collectors": args.collector}


def open_stores(urls: list[str], *, read_only: bool) -> contextlib.AbstractContextManager[list[Store]]:
    """The stores of these URLs, open, and closed afterwards. Raises CommandError, StoreError."""
    return _open_stores(urls, read_only)


@contextlib.contextmanager
def _open_stores(urls: list[str], read_only: bool) -> Iterator[list[Store]]:
    from zlog.collector.stores import open_store
    from zlog.errors import StoreError

    try:
        stores = [open_store(url) for url in urls]
    except StoreError as error:
        raise CommandError(error.problem, error.hint, code=USAGE) from None
    with contextlib.ExitStack() as stack:
        for store in stores:
            stack.callback(store.close)
            store.open(read_only=read_only)
        yield stores


def refuse_unreadable(urls: Iterable[str]) -> None:
    """Raise CommandError where it is of the kind of store that nothing can be read from."""
    for url in urls:
        kind = url.partition(":")[0]
        if kind == "memory":
            raise CommandError(f"{url} is empty: its records ended with the process that had them", code=USAGE)
        if kind == "file":
            raise CommandError(f"{url} is for people and can't be queried", "use grep and less", code=USAGE)


@contextlib.contextmanager
def open_to_read(urls: list[str]) -> Iterator[list[Store]]:
    """The stores of these URLs, open to be queried. What can't be is told now. Raises CommandError, StoreError."""
    from zlog.collector.stores import Filter

    refuse_unreadable(urls)
    with _open_stores(urls, True) as stores:
        for store in stores:
            for _ in store.query(Filter(limit=0)):
                pass
        yield stores


@contextlib.contextmanager
def starting(what: str, port: int) -> Iterator[None]:
    """Around the start of what uses the network: its errors become one line."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{what} can't start with UDP port {port}: {error.strerror or error}", PORT_HINT) from None


PORT_HINT: Final = "another program has that port for itself; choose another one for all with --port"


# --- what they say ---------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """A line on stderr; that nobody reads it ends nothing."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def write(text: str) -> None:
    """Write to stdout at once, from any thread. A thread that waits here holds up nothing else, not even the end.

    Raises:
        OSError: nobody reads, or the disk is full.
    """
    octets = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    descriptor = sys.stdout.fileno()
    while octets:
        octets = octets[os.write(descriptor, octets) :]


def check_reader() -> None:
    """Notice that nobody reads stdout any more, without writing to it.

    Raises:
        BrokenPipeError: that is so.
    """
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)
    if any(event & select.POLLERR for _, event in poller.poll(0)):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def show_warnings() -> None:
    """Show what the package logs about itself, WARNING and worse, as lines of the command."""
    import logging

    class ToStderr(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with contextlib.suppress(Exception):
                say(f"zlog: {record.getMessage()}")
                if record.exc_info and os.environ.get("ZLOG_DEBUG"):
                    say(logging.Formatter().formatException(record.exc_info))

    logger = logging.getLogger("zlog")
    if not logger.handlers:
        logger.addHandler(ToStderr(logging.WARNING))
        logger.propagate = False


def plural(number: int, word: str) -> str:
    """``1 record``, ``2,000 records``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"

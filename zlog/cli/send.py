"""``zlog send``: log a line, or lines, from a shell."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from zlog.cli import common
from zlog.errors import CommandError

if TYPE_CHECKING:
    from zlog.agent import Agent, AgentStatus

DESCRIPTION = """\
Log TEXT, or without it each line of stdin, and wait until a collector has it."""

EPILOG = f"""\
examples:
  zlog send backup done
  zlog send -l error --logger backup -f volume=/home -f free:=1024 "no space left"
  tail -F /var/log/syslog | zlog send --name syslog --logger syslog
  zlog send --timeout 1m started || echo "nobody took it"

With -f KEY=VALUE the value is text, with -f KEY:=VALUE it is JSON.
Lines of stdin go as they come. It is delivered when each collector that stores records has said that they are safe; if
there are only viewers, when one has received them.
exit code: 0 delivered; 1 failed; 2 for wrong usage; 3 when nobody took it in time; 130 after Ctrl-C.

{common.NETWORK_HELP}"""

NOBODY: Final = 3
#: So much is read ahead of what collectors have confirmed.
AHEAD_RECORDS: Final = 20_000
AHEAD_BYTES: Final = 4 * 1024 * 1024
#: Collectors that are there answer the first beacon within milliseconds; so long one that stores is waited for.
VIEWERS_S: Final = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what to log; several are joined by blanks")
    parser.add_argument(
        "-l", "--level", type=common.level, default=9, metavar="LEVEL", help=f"info unless given: {common.LEVELS}"
    )
    parser.add_argument("--logger", default="send", metavar="NAME", help="name of the logger (default: %(default)s)")
    parser.add_argument("--name", help="name of the node (default: send)")
    parser.add_argument(
        "-f",
        "--field",
        type=_field,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an attribute; may be repeated",
    )
    parser.add_argument(
        "--timeout",
        type=common.seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to wait for a collector (default: %(default)g)",
    )
    common.add_network(parser)


def _field(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or key in ("", ":"):
        raise argparse.ArgumentTypeError(f"{text!r} is no field: write KEY=VALUE, or KEY:=JSON")
    if not key.endswith(":"):
        return key, value
    try:
        return key[:-1], json.loads(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: {value!r} is no JSON") from None


def run(args: argparse.Namespace) -> int:
    """Send, and wait for the answer."""
    import zlog

    common.show_warnings()
    agent = zlog.start(name=args.name or "send", exit_timeout_s=0, **common.agent_options(args))
    try:
        sent, delivered = _send(agent, args, dict(args.field))
    finally:
        zlog.shutdown(0.5)
    if args.json:
        print(json.dumps({"records": sent, "delivered": delivered}))
    if delivered in ("committed", "received"):
        return 0
    raise CommandError(
        f"{_WHY[delivered]} within {args.timeout:g} s",
        "is there one (zlog status), and on this network (-i)?" if delivered == "nobody" else "",
        code=NOBODY,
    )


_WHY: Final = {"nobody": "no collector was found", "late": "no collector confirmed it"}


def _send(agent: Agent, args: argparse.Namespace, fields: Mapping[str, Any]) -> tuple[int, str]:
    """Number of records, and how the last of them were delivered.

    A collector that comes later than a record needn't take it: so one has to be there before the first.
    """
    if not args.text and sys.stdin.isatty():
        common.say("zlog: each line is sent; Ctrl-D ends")
    sent = records = octets = 0
    delivered = "received"  # of nothing
    for text in [" ".join(args.text)] if args.text else lines_of_stdin():
        if not sent and not _await_collector(agent, args.timeout):
            return 0, "nobody"
        agent.record(args.level, time.time_ns(), args.logger, text, fields)
        sent, records, octets = sent + 1, records + 1, octets + len(text)
        if records >= AHEAD_RECORDS or octets >= AHEAD_BYTES:
            delivered = agent.deliver(args.timeout)
            records = octets = 0
            if delivered not in ("committed", "received"):
                break
    return sent, agent.deliver(args.timeout) if records else delivered


def _await_collector(agent: Agent, timeout_s: float) -> bool:
    """Wait for a collector; where it only shows records, a moment more for one that stores them."""
    began = time.monotonic()
    if not agent.wait_link(timeout_s):
        return False
    more = min(began + timeout_s, time.monotonic() + VIEWERS_S)
    while time.monotonic() < more and not _is_durable(agent.status()):
        time.sleep(0.02)
    return True


def _is_durable(status: AgentStatus) -> bool:
    """Whether all collectors that were found are ready, and one of them stores."""
    links = status.links
    return all(link.state != "connecting" for link in links) and any(link.durable for link in links)


def lines_of_stdin() -> Iterator[str]:
    """Lines without their ends, as text; octets that are none are escaped."""
    from zlog.cli.splitter import LineSplitter, text_of

    splitter = LineSplitter()
    while octets := os.read(sys.stdin.fileno(), 65_536):
        yield from map(text_of, splitter.feed(octets))
    yield from map(text_of, splitter.rest())

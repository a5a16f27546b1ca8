"""``zlog demo``: two peers, in two processes, find each other on the loopback and talk."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import zmq

from zlog.errors import CommandError
from zlog.zre import Pyre, PyreEvent, interfaces

DESCRIPTION = """\
Start two ZRE peers in two processes, on the loopback interface and a random UDP port, and show how they find each
other, talk and part. Nothing is sent to any network."""

GROUP = "DEMO"
_LINE = "{:>9.1f} ms   {:<7} {}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=10.0,
        metavar="N",
        help="give up after so many seconds (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="print events as JSON lines, and a summary as the last one")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0 and at most 3600")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 0 when the peers have met, talked and parted."""
    loopback = _loopback()
    port = 49_152 + secrets.randbelow(16_000)
    began = time.monotonic()
    seen: list[dict[str, Any]] = []

    def show(peer: str, text: str, **facts: Any) -> None:
        event = {"ms": round((time.monotonic() - began) * 1000, 1), "peer": peer, "text": text, **facts}
        seen.append(event)
        print(json.dumps(event) if args.json else _LINE.format(event["ms"], peer, text), flush=True)

    if not args.json:
        print(f"Two ZRE peers on {loopback}, UDP port {port}; nothing is sent to any network.\n")
    node = Pyre("studio", interface=loopback, port=port)
    node.set_header("X-ROLE", "listens")
    node.join(GROUP)
    node.start()
    show("studio", f"starts at {node.endpoint()}, process {os.getpid()}")
    command = [sys.executable, "-m", "zlog.cli.demo", loopback, str(port)]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as robot:
            try:
                met = _watch(node, robot, began + args.seconds, show)
            finally:
                robot.terminate()
    finally:
        node.stop()
    missing = [what for what in ("ENTER", "WHISPER", "SHOUT", "EXIT") if what not in met]
    if args.json:
        print(json.dumps({"peers": 2, "met": sorted(met), "missing": missing, "found_ms": met.get("ENTER")}))
    elif not missing:
        print(f"\nFound each other {met['ENTER']:.1f} ms after the second one started.")
    if missing:
        raise CommandError(f"within {args.seconds:g} s the peers saw no {', '.join(missing)}", "try --seconds 30")
    return 0


def _loopback() -> str:
    """Return the name of the loopback interface; in a fresh network namespace it has to be brought up first."""
    for _ in range(2):
        for interface in interfaces.find_all():
            if interface.is_loopback:
                return interface.name
        try:
            interfaces.bring_up("lo")
        except OSError as error:
            raise CommandError(
                f"the loopback interface is down ({error})", "bring it up: sudo ip link set lo up"
            ) from None
    raise CommandError("there is no loopback interface with an IPv4 address")


def _watch(node: Pyre, robot: subprocess.Popen[str], deadline: float, show: Callable[..., None]) -> dict[str, float]:
    """Show what both see until they have parted; return when what happened, in ms since the robot's start."""
    met: dict[str, float] = {}
    started = time.monotonic()
    for kind, event in _events(node, robot, deadline):
        if kind == "robot":
            if event["text"].startswith("starts"):
                started = time.monotonic()
            show("robot", event["text"])
            continue
        met.setdefault(event.type, round((time.monotonic() - started) * 1000, 1))
        name = event.peer_name
        match event.type:
            case "ENTER":
                show("studio", f"ENTER {name} from {event.peer_addr}, headers {event.headers}")
                node.whispers(event.peer_uuid, "Good morning, robot")
            case "WHISPER":
                show("studio", f"WHISPER from {name}: {event.msg[0].decode()}")
                node.shouts(GROUP, "Good night, everybody")
            case "JOIN" | "LEAVE":
                show("studio", f"{event.type} {event.group} by {name}")
            case "SHOUT":
                show("studio", f"SHOUT to {event.group} from {name}: {event.msg[0].decode()}")
            case "EXIT":
                show("studio", f"EXIT {name}")
                break
    return met


def _events(node: Pyre, robot: subprocess.Popen[str], deadline: float) -> Iterator[tuple[str, Any]]:
    """Yield what the robot says of itself and what the studio's node sees, until the deadline."""
    assert robot.stdout is not None
    poller = zmq.Poller()
    poller.register(node.socket(), zmq.POLLIN)
    poller.register(robot.stdout, zmq.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        ready = dict(poller.poll(int(left * 1000) + 1))
        if robot.stdout.fileno() in ready:
            line = robot.stdout.readline()
            if line:
                yield "robot", json.loads(line)
            else:
                poller.unregister(robot.stdout)
        if node.socket() in ready:
            yield "studio", PyreEvent(node)


def _be_robot(interface: str, port: int) -> None:
    """The second peer: tells its events as JSON lines, answers, and leaves after the good night."""

    def say(text: str) -> None:
        print(json.dumps({"text": text}), flush=True)

    node = Pyre("robot", interface=interface, port=port)
    node.set_header("X-ROLE", "moves")
    node.join(GROUP)
    node.start()
    say(f"starts at {node.endpoint()}, process {os.getpid()}")
    for event in node.events():
        match event.type:
            case "ENTER":
                say(f"ENTER {event.peer_name} from {event.peer_addr}, headers {event.headers}")
            case "JOIN":
                say(f"JOIN {event.group} by {event.peer_name}")
            case "WHISPER":
                say(f"WHISPER from {event.peer_name}: {event.msg[0].decode()}")
                node.whispers(event.peer_uuid, "Good morning, studio")
            case "SHOUT":
                say(f"SHOUT to {event.group} from {event.peer_name}: {event.msg[0].decode()}")
                node.shouts(GROUP, "Good night, studio")
                break
            case _:
                break
    node.stop()


if __name__ == "__main__":
    _be_robot(sys.argv[1], int(sys.argv[2]))

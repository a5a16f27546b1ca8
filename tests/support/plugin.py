"""The pytest plugin of the suite: isolation, the guard against real interfaces, leak checks, and common fixtures."""

import contextlib
import itertools
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import isolation, leaks, offline, tools
from support.netns import Network
from support.programs import Program

PURE = Path(__file__).parent.parent / "unit"  # what needs no network


class SafetyNet:
    """How far one session is isolated. Made before there are threads, as a namespace is entered thread by thread."""

    def __init__(self) -> None:
        self.problem = self.no_trap = ""
        self.trap: isolation.Trap | None = None
        try:
            isolation.enter()
        except isolation.IsolationError as error:
            self.problem = str(error)

    def lay_trap(self) -> None:
        try:
            self.trap = isolation.Trap()
        except isolation.IsolationError as error:
            self.no_trap = str(error)

    def __str__(self) -> str:
        if self.problem:
            return f"NOT ISOLATED, only tests without network run: {self.problem}"
        return f"own namespace, lo {'and a trap' if self.trap else 'only'}{self.no_trap and f': {self.no_trap}'}"


_net = pytest.StashKey[SafetyNet]()
_failed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--network",
        choices=("auto", "trap", "lo"),
        default=os.environ.get("ZLOG_TEST_NETWORK", "auto"),
        help="what is in the suite's own network namespace beside lo. trap: an interface that catches what a test "
        "sends to a real one; lo: nothing, so that sending fails; auto: trap if it can be made "
        "(default: $ZLOG_TEST_NETWORK or auto)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: children would ignore it, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    net = config.stash[_net] = SafetyNet()
    wanted = config.option.network
    if not net.problem and wanted != "lo":
        net.lay_trap()
    if (net.problem and tools.in_ci()) or (wanted == "trap" and net.trap is None):
        raise pytest.UsageError(f"network: {net}")


def pytest_unconfigure(config: pytest.Config) -> None:
    net = config.stash.get(_net, None)
    if net and net.trap:
        net.trap.close()


def pytest_report_header(config: pytest.Config) -> str:
    return f"network: {config.stash[_net]}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    problem = config.stash[_net].problem
    for item in items if problem else ():
        if PURE not in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"no isolation: {problem}"))


def _guarded(item: pytest.Item) -> Generator[None, object, object]:
    """Run a phase of a test, and fail it if a packet left meanwhile."""
    trap = item.config.stash[_net].trap
    try:
        result = yield
    except BaseException as error:
        item.stash[_failed] = True
        if trap and (message := trap.sprung()):
            error.add_note(message)
        raise
    if trap and (message := trap.sprung()):
        item.stash[_failed] = True
        pytest.fail(message, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _guarded(item))


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a thread, a descriptor or a child process behind.

    A test that failed anyway is let off: its traceback holds on to what it made.
    """
    with offline.no_network() if request.config.stash[_net].problem else contextlib.nullcontext():
        before = leaks.Snapshot()
        yield
        if not request.node.stash.get(_failed, False) and (left := leaks.since(before)):
            pytest.fail("left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture
def network(no_leaks: None) -> Iterator[Callable[..., Network]]:
    """Makes networks: `lan = network(hosts=3)`."""
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux"), ("setpriv", "util-linux")):
        tools.require_tool(tool, f"apt-get install {package}")
    with contextlib.ExitStack() as stack:

        def make(hosts: int = 2) -> Network:
            return stack.enter_context(contextlib.closing(Network(hosts)))

        yield make


@pytest.fixture
def hosts(network: Callable[..., Network]) -> Network:
    """Two hosts on one network: `hosts[0]`, `hosts[1]`."""
    return network(hosts=2)


@pytest.fixture
def start(no_leaks: None) -> Iterator[Callable[..., Program]]:
    """Starts programs beside the test, on its own loopback: `start(["zlog", "demo"])`; they end with the test."""
    tools.require_tool("setpriv", "apt-get install util-linux")
    with contextlib.ExitStack() as stack:

        def make(args: list[str | Path], **popen: Any) -> Program:
            return stack.enter_context(contextlib.closing(Program(args, **popen)))

        yield make


_ports = itertools.count(random.SystemRandom().randrange(20000, 29000))  # below Linux's range of ephemeral ports


def free_port() -> int:
    """A UDP port for beacons that nothing else uses in this session."""
    for port in _ports:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("unreachable: the count has no end")


@pytest.fixture
def zre_port() -> int:
    """A UDP port for beacons that no other test uses, so that tests don't hear each other."""
    return free_port()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """`wait_until(condition, timeout_s=5)`: for a condition that comes with no event to await."""

    def wait(condition: Callable[[], object], timeout_s: float = 5.0, what: str = "") -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not in {timeout_s:g} s: {what or condition}")
            time.sleep(0.005)

    return wait


@pytest.fixture
def require_tool() -> Callable[[str, str], str]:
    """`require_tool("go", "apt-get install golang-go")`: its path; skips, or in CI fails, where it is missing."""
    return tools.require_tool

"""Hosts on a network, inside one process: each a network namespace, joined by a bridge in one more.

A namespace lives as long as our descriptor of it and the programs in it, and those get SIGKILL when we die. So nothing
stays behind, not even after `kill -9`, and nothing is named in /run/netns. Works as root and in a user namespace.

Mind that /sys shows the interfaces of the namespace it was mounted in; getifaddrs, netlink and /proc/net don't.
"""

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, TypeVar

from support import linux, tools
from support.programs import Program, python_args

T = TypeVar("T")


class Namespace:
    """A fresh network namespace with `lo` up, and IPv6 off on whatever is plugged in later."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._programs: list[Program] = []
        self._fd = in_thread(_make_namespace)

    @property
    def path(self) -> str:
        """What `nsenter --net=` and `ip link … netns` take, in any process of ours."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in a thread inside the namespace; the sockets and threads it makes stay inside for ever."""

        def inside() -> T:
            linux.setns(self._fd)
            return function()

        return in_thread(inside)

    def popen(self, args: Sequence[str | Path], **popen: Any) -> Program:
        """Start a program inside; it is killed when the namespace is closed. Keywords are those of `Popen`."""
        name = f"{Path(args[0]).name} on {self.name}"
        program = Program(args, prefix=self._enter(), name=name, **popen)
        self._programs.append(program)
        return program

    def python(self, code_or_file: str | Path, *args: str | Path, **popen: Any) -> Program:
        """Start Python code, or a file given as a Path, inside."""
        return self.popen(python_args(code_or_file, *args), **popen)

    def run(
        self, args: Sequence[str | Path], *, check: bool = True, timeout_s: float = 30.0, **run: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end; its output is captured as text.

        Raises:
            AssertionError: it failed and `check` is true; shows its output.
        """
        words = list(map(str, args))
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": timeout_s}
        result = subprocess.run([*self._enter(), *words], **(options | run))
        if check and result.returncode:
            output = f"{result.stdout}{result.stderr}"
            raise AssertionError(f"`{' '.join(words)}` on {self.name}: exit code {result.returncode}\n{output}")
        return result

    def ip_commands(self, *commands: str) -> None:
        """Run commands of ip(8), without the word `ip`, in order."""
        self.run(["ip", "-batch", "-"], input="\n".join(commands))

    def close(self) -> None:
        """Kill what runs inside, grandchildren too, and let go of the namespace."""
        with contextlib.ExitStack() as stack:  # each step happens, whatever the others raise
            stack.callback(os.close, self._fd)
            for program in self._programs:
                program.kill()
                stack.callback(program.close)
            for pid in _processes_in(os.fstat(self._fd).st_ino):
                _kill(pid)

    def _enter(self) -> tuple[str, ...]:
        return ("nsenter", f"--net={self.path}", "--")


class Host(Namespace):
    """A machine: `lo` and, once plugged in, `eth0`."""

    interface = "eth0"

    def __init__(self, network: "Network", address: IPv4Interface) -> None:
        super().__init__(f"host {address.ip}")
        self._network, self._address = network, address

    @property
    def ip(self) -> str:
        """Address of eth0."""
        return str(self._address.ip)

    @property
    def broadcast(self) -> str:
        """Broadcast address of eth0's network."""
        return str(self._address.network.broadcast_address)

    def plug(self) -> None:
        """Lay the cable between eth0 and the switch; eth0 gets its address and is up."""
        self._network.cable(self)
        self.set_address(str(self._address))
        self.link_up()

    def set_address(self, address: str) -> None:
        """Give eth0 an address with prefix length (`10.36.0.7/24`) in place of the one it had."""
        self._address = IPv4Interface(address)
        self.ip_commands("addr flush dev eth0", f"addr add {address} broadcast {self.broadcast} dev eth0")

    def add_default_route(self) -> None:
        """Make eth0 the interface of the default route; nobody answers there."""
        self.ip_commands("route add default dev eth0")

    def link_down(self) -> None:
        """`ip link set eth0 down`: the interface is off and its routes are gone, as when Wi-Fi is switched off."""
        self.ip_commands("link set eth0 down")

    def link_up(self) -> None:
        """Undo `link_down`. The default route doesn't come back by itself."""
        self.ip_commands("link set eth0 up")

    def pull_cable(self) -> None:
        """Take the carrier away: eth0 keeps its address and routes, but nothing passes."""
        self._network.set_port(self, "down")

    def plug_back(self) -> None:
        """Undo `pull_cable`."""
        self._network.set_port(self, "up")

    def lose(self, share: float) -> None:
        """From now on lose this share of the packets that come in, and of those that go out; 0 ends that.

        Skips the test, or fails it in CI, where the kernel can't: then there is neither `cls_bpf` nor netem.
        """
        self.run(["tc", "qdisc", "del", "dev", "eth0", "clsact"], check=False)
        if not share:
            return
        tools.require_tool("tc", "apt-get install iproute2")
        # One packet each: TCP would hand over 64 KiB at once, and lose or save them together.
        self.ip_commands("link set eth0 gso_max_segs 1")
        results = [self.run(["tc", "qdisc", "add", "dev", "eth0", "clsact"], check=False)]
        for way in ("ingress", "egress"):
            drop = ["tc", "filter", "add", "dev", "eth0", way, "bpf", "da", "bytecode", _dropping(share)]
            results.append(self.run(drop, check=False))
        if said := [result.stderr.strip() for result in results if result.returncode]:
            tools.unavailable(f"tc can't lose packets: {said[0]}", "use a kernel with NET_CLS_BPF and NET_SCH_INGRESS")


class Network:
    """A switch and its hosts, 10.36.0.1/24 and on. Indexing and iteration give the hosts.

    `hosts` of them are plugged in.
    """

    def __init__(self, hosts: int = 2) -> None:
        self.hosts: list[Host] = []
        self._switch = Namespace("the switch")
        self._switch.ip_commands(
            "link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            "link set bridge up",
        )
        for _ in range(hosts):
            self.add_host()

    def __getitem__(self, index: int) -> Host:
        return self.hosts[index]

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts)

    def add_host(self, *, plugged: bool = True) -> Host:
        """One more host; if not `plugged`, it has only `lo` until `plug` is called."""
        host = Host(self, IPv4Interface(f"10.36.0.{len(self.hosts) + 1}/24"))
        self.hosts.append(host)
        if plugged:
            host.plug()
        return host

    def cable(self, host: Host) -> None:
        """A veth pair from `eth0` of the host to a port of the switch."""
        port = self._port(host)
        self._switch.ip_commands(
            f"link add {port} type veth peer name eth0 netns {host.path}",
            f"link set {port} master bridge up",
        )

    def set_port(self, host: Host, state: str) -> None:
        """Switch the host's port `up` or `down`."""
        self._switch.ip_commands(f"link set {self._port(host)} {state}")

    def close(self) -> None:
        """End everything that runs on the hosts."""
        with contextlib.ExitStack() as stack:
            for namespace in (self._switch, *self.hosts):
                stack.callback(namespace.close)

    def _port(self, host: Host) -> str:
        return f"port{self.hosts.index(host)}"


def _dropping(share: float) -> str:
    """A classic BPF program for tc that drops this share at random: netem isn't in every kernel."""
    random = (1 << 32) - 0x1000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM, linux/filter.h
    below = round((1 - share) * (1 << 32))
    program = [
        (0x20, 0, 0, random),  # A = a random number of 32 bits
        (0x35, 0, 1, below),  # A >= below?
        (0x06, 0, 0, 2),  # TC_ACT_SHOT
        (0x06, 0, 0, (1 << 32) - 1),  # TC_ACT_UNSPEC: on it goes
    ]
    return ",".join([str(len(program)), *(" ".join(map(str, step)) for step in program)])


def _make_namespace() -> int:
    linux.unshare(linux.CLONE_NEWNET)
    linux.bring_up("lo")
    linux.disable_ipv6_on_new_interfaces()
    return linux.open_own_network_namespace()


def in_thread(function: Callable[[], T]) -> T:
    """The result of a function run in a thread of its own, as entering a namespace is for good."""
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller
            errors.append(error)

    thread = threading.Thread(target=body, name="in a namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _processes_in(namespace_inode: int) -> list[int]:
    """Processes inside a network namespace that we made, which therefore all come from us."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if (entry / "ns/net").stat().st_ino == namespace_inode:
                    found.append(int(entry.name))
    return found


def _kill(pid: int) -> None:
    """End a process that isn't our child, and wait until it has ended."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [], 5)
        finally:
            os.close(process)

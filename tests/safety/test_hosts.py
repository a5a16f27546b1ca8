"""Networks of namespaces behave as networks do."""

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from support.netns import Network

PORT = 5670

LISTEN = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {PORT}))
print("ready")
while True:
    data, (ip, port) = s.recvfrom(999)
    print(ip, data.decode())
"""
SEND = f"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.sendto(sys.argv[2].encode(), (sys.argv[1], {PORT}))
"""
SLEEP = "import time; print('ready'); time.sleep(600)"


def addresses(host):
    return host.run(["ip", "-4", "-brief", "address"]).stdout


def test_a_broadcast_reaches_the_other_hosts(network):
    lan = network(hosts=3)
    listeners = [host.python(LISTEN) for host in lan.hosts[1:]]
    for listener in listeners:
        listener.expect("ready")
    assert lan[0].python(SEND, lan[0].broadcast, "hello").wait() == 0
    for listener in listeners:
        listener.expect(f"^{lan[0].ip} hello$")


def test_networks_hear_nothing_of_each_other(network):
    here, there = network(hosts=2), network(hosts=2)
    listeners = [here[1].python(LISTEN), there[1].python(LISTEN)]
    for listener in listeners:
        listener.expect("ready")
    for lan, word in ((there, "there"), (here, "here")):
        lan[0].python(SEND, lan[0].broadcast, word).wait()
    listeners[0].expect("here")
    listeners[1].expect("there")
    assert [len(listener.lines.all) for listener in listeners] == [2, 2]


def test_hosts_reach_each_other_over_tcp(hosts):
    def listen():
        return socket.create_server((hosts[0].ip, 0))

    with hosts[0].call(listen) as server:
        client = hosts[1].call(lambda: socket.create_connection(server.getsockname(), timeout=5))
        with client, server.accept()[0] as accepted:
            assert accepted.getpeername()[0] == hosts[1].ip


def test_an_interface_goes_down_and_comes_back(hosts):
    def refused():
        return "unreachable" in hosts[0].python(SEND, hosts[0].broadcast, "x").expect("Error")

    listener = hosts[1].python(LISTEN)
    listener.expect("ready")
    hosts[0].link_down()
    assert refused()
    hosts[0].link_up()
    assert hosts[0].python(SEND, hosts[0].broadcast, "back").wait() == 0
    listener.expect("back")


def test_a_pulled_cable_loses_what_is_sent(hosts):
    listener = hosts[1].python(LISTEN)
    listener.expect("ready")
    hosts[0].pull_cable()
    assert hosts[0].python(SEND, hosts[0].broadcast, "lost").wait() == 0
    hosts[0].plug_back()
    hosts[0].ip_commands("neigh flush dev eth0")
    assert hosts[0].python(SEND, hosts[0].broadcast, "found").wait() == 0
    listener.expect("found")
    assert not [line for line in listener.lines.all if "lost" in line]


def test_a_host_changes_its_address(hosts):
    hosts[0].set_address("10.36.7.9/16")
    assert hosts[0].ip == "10.36.7.9"
    assert hosts[0].broadcast == "10.36.255.255"
    assert "10.36.7.9/16" in addresses(hosts[0])
    assert "10.36.0.1" not in addresses(hosts[0])


def test_a_default_route_is_there_when_asked_for(hosts):
    assert "default" not in hosts[0].run(["ip", "route"]).stdout
    hosts[0].add_default_route()
    assert "default dev eth0" in hosts[0].run(["ip", "route"]).stdout


def test_a_host_starts_without_network_and_gets_one(network):
    lan = network(hosts=1)
    host = lan.add_host(plugged=False)
    assert host.call(socket.if_nameindex) == [(1, "lo")]
    assert "127.0.0.1/8" in addresses(host)
    host.plug()
    listener = lan[0].python(LISTEN)
    listener.expect("ready")
    assert host.python(SEND, host.broadcast, "here I am").wait() == 0
    listener.expect(f"{host.ip} here I am")


def test_a_failing_program_shows_its_output(hosts):
    with pytest.raises(AssertionError, match=r"`cat /nowhere` on host 10.36.0.1: exit code 1\n.*No such file"):
        hosts[0].run(["cat", "/nowhere"])
    assert hosts[0].run(["false"], check=False).returncode == 1


def test_closing_a_network_ends_all_that_runs_in_it(require_tool):
    require_tool("ip", "apt-get install iproute2")
    with contextlib.closing(Network(hosts=1)) as lan:
        program = lan[0].popen(["sh", "-c", "sleep 600 & echo $!; wait"])
        grandchild = int(program.expect(r"^\d+$"))
    assert not alive(program.pid)
    assert not alive(grandchild)


def test_nothing_stays_when_pytest_is_killed(tmp_path, start, wait_until, require_tool):
    """Not even SIGKILL leaves a namespace or a process behind."""
    require_tool("ip", "apt-get install iproute2")
    module = tmp_path / "test_killed.py"
    module.write_text(
        f"""
def test_killed(network, capfd):
    lan = network(hosts=2)
    programs = [host.python({SLEEP!r}) for host in lan]
    for program in programs:
        program.expect("ready")
    with capfd.disabled():
        print("pids", *(program.pid for program in programs), flush=True)
    programs[0].wait(600)
"""
    )
    tests = Path(__file__).parent.parent
    session = start(
        [sys.executable, "-m", "pytest", "-p", "support.plugin", "-p", "no:cacheprovider", module],
        env=os.environ | {"PYTHONPATH": str(tests)},
        cwd=tmp_path,
    )
    pids = [int(word) for word in session.expect("pids", timeout_s=30).split("pids")[1].split()]
    assert all(alive(pid) for pid in pids)
    os.kill(session.pid, signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in pids), what=f"{pids} ended")


def alive(pid):
    """Whether a process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_host_loses_a_share_of_what_comes_and_goes(hosts):
    def udp():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", PORT))
        sock.settimeout(0)
        return sock

    with hosts[0].call(udp) as here, hosts[1].call(udp) as there:

        def arrive(sender, receiver, host, count=400):
            found = 0
            for _ in range(count):
                sender.sendto(b"x", (host.ip, PORT))
                with contextlib.suppress(BlockingIOError):
                    found += len(receiver.recv(9))
            return found

        assert arrive(here, there, hosts[1]) == 400
        hosts[0].lose(0.3)
        assert 200 < arrive(here, there, hosts[1]) < 360
        assert 200 < arrive(there, here, hosts[0]) < 360
        hosts[0].lose(0)
        assert arrive(here, there, hosts[1]) == arrive(there, here, hosts[0]) == 400

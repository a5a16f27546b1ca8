"""Wrong tests can't reach a real interface, and are told so."""

import socket
import sys

import pytest

GUARD = "*sent * to a real interface; use -i lo or the `hosts` fixture*"

BROADCAST = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(b"beacon", ("255.255.255.255", 5670))
"""

WRONG = {
    "socket": f"def test_wrong():\n    exec({BROADCAST!r})",
    "child process": f"""
import subprocess, sys
def test_wrong():
    subprocess.run([sys.executable, "-c", {BROADCAST!r}], check=True)
""",
    "fixture that ends": f"""
import pytest
@pytest.fixture
def node():
    yield
    exec({BROADCAST!r})
def test_wrong(node):
    pass
""",
    "TCP connection": """
import socket, zmq
def test_wrong():
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect("tcp://192.0.2.9:5555")
        assert not dealer.poll(200)
""",
    "published pyre": """
import subprocess, sys
PEER = '''
import pyre, os, time
def packets_out():
    lines = open("/proc/net/dev").read().splitlines()
    return sum(int(line.split(":")[1].split()[9]) for line in lines if "trap0" in line)
node = pyre.Pyre("wrong")
node.start()
while not packets_out():
    time.sleep(0.01)
os._exit(0)
'''
def test_wrong():
    subprocess.run([sys.executable, "-c", PEER], check=True)
""",
    "multicast": """
import socket
def test_wrong():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"hello", ("239.1.2.3", 5670))
""",
}


@pytest.fixture(autouse=True)
def _needs_the_trap(require_tool):
    require_tool("ip", "apt-get install iproute2")


@pytest.mark.parametrize("how", WRONG)
def test_a_packet_to_a_real_interface_fails_the_test(how, inner_pytest):
    result = inner_pytest(WRONG[how])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([GUARD])


def test_the_message_shows_the_packet(inner_pytest):
    result = inner_pytest(WRONG["socket"])
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UDP 198.51.100.1:* -> 255.255.255.255:5670, 34 bytes b'beacon'"])


def test_only_the_test_that_sent_fails(inner_pytest):
    result = inner_pytest(WRONG["socket"] + "\n\ndef test_after():\n    pass\n")
    result.assert_outcomes(failed=1, passed=1)


def test_a_failing_test_is_told_as_well(inner_pytest):
    result = inner_pytest(WRONG["socket"] + "\n    assert not 'its own failure'\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*its own failure*", GUARD])


def test_loopback_is_free(inner_pytest):
    right = BROADCAST.replace("255.255.255.255", "127.255.255.255")
    inner_pytest(f"def test_right():\n    exec({right!r})").assert_outcomes(passed=1)


def test_with_lo_only_the_send_itself_fails(inner_pytest):
    result = inner_pytest(WRONG["socket"], "--network=lo")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Network is unreachable*"])


@pytest.mark.parametrize("network", ["trap", "lo"])
def test_the_suite_sees_no_other_interface(inner_pytest, network):
    expected = ["lo", "trap0", "trap1"] if network == "trap" else ["lo"]
    result = inner_pytest(
        f"""
import socket
def test_interfaces():
    assert sorted(name for _, name in socket.if_nameindex()) == {expected}
""",
        f"--network={network}",
    )
    result.assert_outcomes(passed=1)


def test_this_very_session_is_isolated():
    """What runs here is inside: no interface but lo and the trap's two ends."""
    assert {name for _, name in socket.if_nameindex()} <= {"lo", "trap0", "trap1"}
    assert sys.platform == "linux"

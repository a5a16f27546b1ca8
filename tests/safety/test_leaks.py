"""A test that leaves something behind fails, and one that can't be isolated does without network."""

import pytest

LEFT = {
    "descriptor * socket:*": "def test_wrong(keep):\n    keep.append(socket.socket())",
    "thread kept (daemon)*": """
def test_wrong(keep):
    event = threading.Event()
    thread = threading.Thread(target=event.wait, name="kept", daemon=True)
    thread.start()
""",
    "native thread ZMQbg*": "def test_wrong(keep):\n    keep.append(zmq.Context().socket(zmq.PAIR))",
    "child process * sleep 60": """
def test_wrong(keep):
    keep.append(subprocess.Popen(["sleep", "60"]))
    atexit.register(keep[0].wait)
    atexit.register(keep[0].kill)
""",
}

HEAD = """
import atexit, socket, subprocess, threading, pytest, zmq
KEPT = []
@pytest.fixture
def keep():
    return KEPT
"""


@pytest.mark.parametrize("line", LEFT)
def test_what_is_left_behind_fails_the_test(line, inner_pytest):
    result = inner_pytest(HEAD + LEFT[line])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["left behind:", f"  {line}"])


def test_what_a_session_fixture_holds_is_no_leak(inner_pytest):
    result = inner_pytest(
        HEAD
        + """
@pytest.fixture(scope="session")
def context():
    with zmq.Context() as context, context.socket(zmq.PAIR):
        yield context
def test_right(context):
    pass
"""
    )
    result.assert_outcomes(passed=1)


def test_an_unclosed_socket_fails_although_collected(inner_pytest):
    result = inner_pytest(HEAD + "def test_wrong():\n    socket.socket()")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ResourceWarning: unclosed*"])


def test_ports_differ_from_test_to_test(inner_pytest):
    result = inner_pytest(
        """
import pytest
seen = set()
@pytest.mark.parametrize("n", range(5))
def test_port(n, zre_port):
    assert 20000 <= zre_port < 32000 and zre_port not in seen
    seen.add(zre_port)
"""
    )
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize(("ci", "outcome"), [("", {"skipped": 1}), ("true", {"failed": 1})])
def test_a_missing_tool_skips_and_in_ci_fails(ci, outcome, inner_pytest, monkeypatch):
    monkeypatch.setenv("CI", ci)
    result = inner_pytest(
        "def test_go(require_tool):\n    require_tool('go-absent', 'apt-get install golang-go')", "-rs"
    )
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["*needs `go-absent`; install it: apt-get install golang-go*"])

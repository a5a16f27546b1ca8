"""Where no namespace can be made, nothing that could reach the network runs."""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

# A user namespace that may make no network namespaces; the host's eth0 is the real interface.
FORBIDDEN = ["unshare", "--user", "--map-root-user", "sh", "-c"]
FORBID = 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$0" "$@"'

PLUGIN = """
from pathlib import Path
from support import plugin
plugin.PURE = Path(__file__).parent / "unit"
"""
SOCKETS = """
import socket, subprocess, zmq, pytest
def test_pure():
    pass
def test_socket():
    with socket.socket():
        pass
def test_process():
    subprocess.run(["true"])
def test_zmq():
    with zmq.Context() as context, context.socket(zmq.PAIR):
        pass
"""


@pytest.fixture
def unisolated_pytest(hosts, tmp_path):
    """Runs pytest on a host that allows no namespaces; the output."""
    (tmp_path / "conftest.py").write_text(PLUGIN)
    for folder in ("unit", "integration"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"test_{folder}.py").write_text(SOCKETS)

    def run(*arguments, ci=""):
        pytest_args = [sys.executable, "-m", "pytest", "-p", "support.plugin", "-p", "no:cacheprovider", "-rs"]
        return hosts[0].run(
            [*FORBIDDEN, FORBID, *pytest_args, *arguments],
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(TESTS), "CI": ci, "ZLOG_TEST_NETWORK": "auto"},
        )

    return run


def test_what_needs_the_network_is_skipped_with_what_to_do(unisolated_pytest):
    result = unisolated_pytest("integration")
    assert result.returncode == 0
    assert "4 skipped" in result.stdout
    assert "no isolation: [Errno 28] unshare" in result.stdout
    assert "docker run --network=none" in result.stdout


def test_unit_tests_run_without_sockets(unisolated_pytest):
    result = unisolated_pytest("unit")
    assert result.returncode == 1
    assert "NOT ISOLATED" in result.stdout
    assert "3 failed, 1 passed" in result.stdout
    assert "it must do without sockets and child processes" in result.stdout


def test_in_ci_the_session_fails(unisolated_pytest):
    result = unisolated_pytest("unit", ci="true")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "NOT ISOLATED" in result.stderr


def test_a_namespace_with_only_lo_is_isolation_enough(network, tmp_path):
    """As in a container without network, where nothing more is permitted."""
    (tmp_path / "test_inside.py").write_text("def test_inside():\n    pass\n")
    host = network(hosts=0).add_host(plugged=False)
    arguments = [sys.executable, "-m", "pytest", "-p", "support.plugin", "-p", "no:cacheprovider"]
    result = host.run(
        [*FORBIDDEN, FORBID, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(TESTS), "ZLOG_TEST_NETWORK": "auto"},
    )
    assert "own namespace, lo only" in result.stdout
    assert "1 passed" in result.stdout

"""README's two commands work in a fresh clone on a machine without network.

`.ci/run` runs the second to its end; here, where that would run these tests again, pytest only collects.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import tools

ROOT = Path(__file__).parents[2]


@pytest.fixture
def wheels() -> dict[str, str]:
    """What tells pip to take wheels from a folder."""
    folder = os.environ.get("PIP_FIND_LINKS", "")
    if not list(Path(folder).glob("hatchling-*.whl")):
        tools.unavailable("needs a folder of wheels", "run .ci/wheelhouse DIR, then set PIP_FIND_LINKS=DIR")
    return {"PIP_FIND_LINKS": folder, "PIP_NO_INDEX": "1"}


@pytest.fixture
def machine(network):
    """A host with nothing but `lo`, and that is down."""
    host = network(hosts=0).add_host(plugged=False)
    host.ip_commands("link set lo down")
    return host


def readme_command(name):
    return subprocess.run(
        [ROOT / ".ci/readme-command", name], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_readme_has_the_command_on_one_line(name):
    assert readme_command(name)


def test_ci_runs_the_commands_from_readme():
    script = (ROOT / ".ci/run").read_text()
    assert 'for name in demo tests; do\n  command=$(.ci/readme-command "$name")' in script


@pytest.mark.parametrize("name", ["demo", "tests"])
@pytest.mark.parametrize("python", ["python3", "/usr/bin/python3"])
def test_the_command_works_in_a_fresh_clone(name, python, clone, machine, wheels, tmp_path):
    """With the python3 of the PATH, and with the system's, which Debian marks as externally managed."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python3").symlink_to(Path(shutil.which(python) or python))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON", "PYTEST"))}
    result = machine.run(
        ["bash", "-c", readme_command(name)],
        check=False,
        cwd=clone,
        env=environment
        | wheels
        | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTEST_ADDOPTS": "--collect-only -qq"},
        stdin=subprocess.DEVNULL,
        timeout_s=300,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-5000:]

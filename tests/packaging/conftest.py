"""Builds the distributions once, and makes environments to install them into, without network."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import tools

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"zlog|zmq_zre_log|_editable_")  # the project in an environment, installed or editable


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    def run(self, program: str, *args: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, away from the checkout."""
        command = [self.folder / "bin" / program, *args]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert not check or result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result

    def python(self, code: str) -> str:
        return self.run("python", "-c", code).stdout.strip()


@pytest.fixture(scope="session")
def tree() -> list[str]:
    """The files of the checkout that git has or would take, relative to its root."""
    tools.require_tool("git", "apt-get install git")
    if not (ROOT / ".git").exists():
        tools.unavailable("needs a git checkout", "clone the repository")
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


@pytest.fixture
def clone(tree: list[str], tmp_path: Path) -> Path:
    """What a clone of the checkout as it is now would be."""
    folder = tmp_path / "clone"
    for name in tree:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one wheel and one sdist: those that CI has built ($ZLOG_TEST_DIST), or built here."""
    given = os.environ.get("ZLOG_TEST_DIST")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("dist")
    # The sdist from the checkout, and the wheel from the sdist: so it is complete.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(dist: Path) -> Path:
    (path,) = dist.glob("*.tar.gz")
    return path


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., Environment]:
    """`install(wheel)`, `install("-e", folder)`: an environment with the project in it.

    What it depends on comes from the environment of the tests, whose own copy of the project stays out of sight.
    """

    def make(*what: str | Path) -> Environment:
        folder = tmp_path / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        environment = Environment(folder)
        site = Path(environment.python("import sysconfig; print(sysconfig.get_path('purelib'))"))
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not OURS.match(entry.name):
                (site / entry.name).symlink_to(entry)
        pip = [sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-deps", "--no-index"]
        options = ["--no-build-isolation", "--disable-pip-version-check"]
        result = subprocess.run([*pip, *options, *what], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return environment

    return make

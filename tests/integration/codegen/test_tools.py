"""What Python's own tools say of generated code: the formatter would change nothing, linter and type checker agree."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.codecs import MODELS
from support.tools import unavailable
from zlog.cli import main

CONFIGURATION = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with the codecs of all models of the tests."""
    folder = tmp_path_factory.mktemp("tools") / "generated"
    assert main(["codegen", *(str(path) for path in sorted(MODELS.glob("*.xml"))), "-o", str(folder)]) == 0
    (folder / "__init__.py").touch()
    return folder


def ruff() -> str:
    found = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    return found or unavailable("needs ruff", "install it: pip install 'zmq-zre-log[test]'")


def test_formatter(package: Path) -> None:
    command = [ruff(), "format", "--diff", "--no-cache", "--config", str(CONFIGURATION), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_linter(package: Path) -> None:
    command = [ruff(), "check", "--no-cache", "--config", str(CONFIGURATION), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_type_checker(package: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        unavailable("needs mypy", "install it: pip install 'zmq-zre-log[test]'")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(package.parent / "cache"), package.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=package.parent)
    assert done.returncode == 0, done.stdout + done.stderr

"""One fixture for all stores: `url`. The files are small, so that rotation is part of every test."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.stores import TEXT_FORMAT
from support.tools import require_tool, unavailable

URLS = {
    "memory": "memory:",
    "sqlite": "sqlite:{}/log.db",
    "jsonl": "jsonl:{}/log.jsonl",
    "jsonl-rotated": "jsonl:{}/log.jsonl?max_bytes=2k",
    "file": "file:{}/log.txt?format=" + TEXT_FORMAT,
    "journal": "journal:{}/log",
    "journal-rotated": "journal:{}/log?max_bytes=2k",
    "file-rotated": "file:{}/log.txt?max_bytes=500&format=" + TEXT_FORMAT,
}


def url_in(kind: str, folder: Path) -> str:
    return URLS[kind].replace("{}", str(folder), 1)


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each store's URL."""
    return url_in(request.param, tmp_path)


@pytest.fixture(params=[kind for kind in URLS if kind != "memory"])
def durable_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each store that outlives a process."""
    return url_in(request.param, tmp_path)


@pytest.fixture(params=[kind for kind in URLS if not kind.startswith("file")])
def query_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each store that can be queried."""
    return url_in(request.param, tmp_path)


@pytest.fixture(params=[kind for kind in URLS if not kind.startswith(("file", "memory"))])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each store that another process can query."""
    return url_in(request.param, tmp_path)


@pytest.fixture(params=[kind for kind in URLS if kind.startswith(("jsonl", "file", "journal"))])
def file_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each store in plain files."""
    return url_in(request.param, tmp_path)


Mounts = Callable[[str, list[str]], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def mounts() -> Mounts:
    """Runs a shell script, with arguments, in a mount namespace of its own, where it is root."""
    require_tool("unshare", "apt-get install util-linux")
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        unavailable("needs a mount namespace", "run it as root, or allow unprivileged user namespaces")

    def run(script: str, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*alone, "sh", "-c", script, "sh", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    return run

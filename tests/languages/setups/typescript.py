"""npm packages: compiler, formatter and linter; zeromq for the socket helper, zyre.js for the example."""

from __future__ import annotations

import shutil
from pathlib import Path

from languages.setup import HERE, require, run

VERSIONS = "by package-lock.json"
SOURCES = [HERE / "typescript" / "package.json", HERE / "typescript" / "package-lock.json"]


def make(folder: Path) -> None:
    """All by the lock file. zyre.js has a zeromq 5, which is compiled against the system's libzmq."""
    require("npm", "install Node.js 20 or newer: https://nodejs.org")
    require("c++", "apt-get install g++")
    for source in SOURCES:
        shutil.copy(source, folder)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=folder, npm_config_zmq_external="true")
    run("node", "-e", "require('zeromq'); require('zyre.js')", cwd=folder)

"""Get what the interoperability tests run against: `python tests/interop/setup.py`.

It needs the network, so it runs before the tests, which have none. Results go to `.build` beside this file:

- `pyre`: the source distribution of zeromq-pyre, for the examples in its README;
- `javascript`: zyre.js and what it depends on (Node 20, a C++ compiler, libzmq's headers);
- `go`: our driver of github.com/go-zeromq/zyre, built (Go 1.19 or later).

Each part is made once, and again when its versions or sources change. A part that fails leaves its reason for the tests
to show, and the others are made all the same; the exit code is the number of parts that failed. Parts named in the
environment variable `ZLOG_INTEROP_WITHOUT` (separated by commas) are left out, here and by the tests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
BUILD = HERE / ".build"
PYRE = "zeromq-pyre==0.3.4"

README = BUILD / "pyre" / "README.md"
NODE_MODULES = BUILD / "javascript" / "node_modules"
GO_PEER = BUILD / "go" / "zyre_peer"


class SetupError(Exception):
    """A part can't be made here: why, and what to do."""


def require(program: str, install: str) -> None:
    if shutil.which(program) is None:
        raise SetupError(f"needs `{program}`: {install}")


def run(*command: str | Path, cwd: Path, **environment: str) -> None:
    """Run a program; if it fails, its last lines are the reason."""
    words = list(map(str, command))
    result = subprocess.run(
        words, cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        raise SetupError(f"`{' '.join(words)}`: " + " / ".join(result.stdout.strip().splitlines()[-6:]))


def make_pyre(folder: Path) -> None:
    """The README that documents pyre: it is in the source distribution only."""
    run(sys.executable, "-m", "pip", "download", "--no-binary", ":all:", "--no-deps", "-d", folder, PYRE, cwd=folder)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        (name,) = [name for name in tar.getnames() if name.count("/") == 1 and name.endswith("/README.md")]
        source = tar.extractfile(name)
        assert source is not None
        README.write_bytes(source.read())


def make_javascript(folder: Path) -> None:
    """zyre.js by its lock file. Its zeromq 5 is compiled against the system's libzmq: its own download is long gone."""
    require("npm", "install Node.js 20")
    have_libzmq()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PEERS / name, folder)
    run("npm", "ci", "--no-audit", "--no-fund", cwd=folder, npm_config_zmq_external="true")
    run("node", "-e", "require('zyre.js')", cwd=folder)


def have_libzmq() -> None:
    """In CI, as root, the headers are installed; elsewhere that is the user's to do."""
    require("pkg-config", "apt install pkg-config")
    for attempt in ("look", "install"):
        if subprocess.run(["pkg-config", "--exists", "libzmq"]).returncode == 0:
            return
        if attempt == "look" and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
            run("apt-get", "update", "-q", cwd=HERE)
            run("apt-get", "install", "-q", "-y", "--no-install-recommends", "libzmq3-dev", cwd=HERE)
    raise SetupError("needs libzmq's headers: apt install libzmq3-dev")


def make_go(folder: Path) -> None:
    """Our driver with the published module; Go checks and adds the hashes that go.sum doesn't have."""
    require("go", "install Go, https://go.dev/dl/")
    source = folder / "source"
    shutil.copytree(PEERS / "go", source)
    run("go", "build", "-mod=mod", "-o", GO_PEER, ".", cwd=source)


PARTS: dict[str, tuple[Callable[[Path], None], list[Path]]] = {
    "pyre": (make_pyre, []),
    "javascript": (make_javascript, [PEERS / "package.json", PEERS / "package-lock.json"]),
    "go": (make_go, [PEERS / "go" / name for name in ("main.go", "go.mod", "go.sum")]),
}


def left_out() -> set[str]:
    """Parts that `ZLOG_INTEROP_WITHOUT` names."""
    return {word.strip() for word in os.environ.get("ZLOG_INTEROP_WITHOUT", "").split(",")} & PARTS.keys()


def fingerprint(part: str) -> str:
    """Changes when a part must be made again."""
    digest = hashlib.sha256(PYRE.encode() if part == "pyre" else b"")
    for path in PARTS[part][1]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def problem(part: str) -> str | None:
    """Why a part isn't there, or None if it is there and of this version."""
    folder = BUILD / part
    if (folder / "failed").exists():
        return (folder / "failed").read_text()
    made = folder / "made"
    return None if made.exists() and made.read_text() == fingerprint(part) else "not made yet"


def make(part: str) -> bool:
    """Make a part unless it is there; whether it is there now."""
    folder = BUILD / part
    if problem(part) is None:
        print(f"{part}: there")
        return True
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        PARTS[part][0](folder)
    except SetupError as error:
        (folder / "failed").write_text(str(error))
        print(f"{part}: failed: {error}")
        return False
    (folder / "made").write_text(fingerprint(part))
    print(f"{part}: made")
    return True


def main() -> int:
    """Make all parts; the number that failed."""
    return sum(not make(part) for part in PARTS if part not in left_out())


if __name__ == "__main__":
    sys.exit(main())

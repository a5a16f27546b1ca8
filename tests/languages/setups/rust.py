"""From crates.io: the crate zmq for the socket helper, and what it is made of, compiled."""

from __future__ import annotations

import shutil
from pathlib import Path

from languages.setup import HERE, require, run

VERSIONS = "by Cargo.lock"
SOURCES = [HERE / "rust" / "Cargo.toml", HERE / "rust" / "Cargo.lock"]


def environment(folder: Path) -> dict[str, str]:
    """Cargo with crates and what is compiled in a folder."""
    return {"CARGO_HOME": str(folder / "home"), "CARGO_TARGET_DIR": str(folder / "target"), "CARGO_INCREMENTAL": "0"}


def make(folder: Path) -> None:
    """Crates by Cargo.lock, compiled as the tests need them, with nothing of ours."""
    require("cargo", "install Rust: https://rustup.rs")
    require("pkg-config", "apt-get install pkg-config libzmq3-dev")
    sources = folder / "sources"
    (sources / "src" / "bin").mkdir(parents=True)
    for source in SOURCES:
        shutil.copy(source, sources)
    (sources / "src" / "lib.rs").touch()
    (sources / "src" / "bin" / "socket_peer.rs").write_text("fn main() {}\n")
    for command in ("build", "clippy"):
        run("cargo", command, "--locked", "--features=zmq", cwd=sources, **environment(folder))

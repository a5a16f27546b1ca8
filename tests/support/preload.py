"""A library that programs load before all others: a clock to set, death in the middle of a write. See `preload.c`."""

import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.tools import require_tool

SOURCE = Path(__file__).with_suffix(".c")


def build(folder: Path) -> Path:
    """Compile it; without a C compiler the test is skipped, or fails in CI."""
    compiler = require_tool("cc", "apt-get install gcc")
    library = folder / "preload.so"
    subprocess.run(
        [
            compiler,
            "-std=gnu11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-O1",
            "-o",
            library,
            SOURCE,
            "-ldl",
        ],
        check=True,
    )
    return library


class Clock:
    """The time of day of the programs that get its `environment`: it can be set while they run."""

    def __init__(self, library: Path, path: Path) -> None:
        self._path = path
        self.step(0)
        self.environment = {"LD_PRELOAD": str(library), "ZLOG_CLOCK": str(path)}

    def step(self, seconds: float) -> None:
        """From now on it is ahead of the machine's by so much, or behind."""
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.write(struct.pack("<q", round(seconds * 1e9)))


def dying(library: Path, call: str, number: int, path: str) -> Mapping[str, str]:
    """The environment in which a program is killed in the n-th call on a file whose path contains `path`.

    Args:
        call: `write`, of which half is done, `before-sync`, `after-sync`, `rename`, not done, or `renamed`.
    """
    return {"LD_PRELOAD": str(library), "ZLOG_DIE": f"{call}:{number}:{path}"}

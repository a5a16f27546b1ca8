"""What the fuzz targets share: instrumented imports, the corpus, and libFuzzer's arguments. See README.md beside this.

atheris is needed only when a target is run as a program: the test suite calls the same functions with seeded random
inputs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

_DEFAULTS: Final = {"-max_len": 4096, "-timeout": 60, "-rss_limit_mb": 2048}


def _atheris() -> Any:
    try:
        import atheris
    except ImportError:
        sys.exit("fuzzing needs atheris; install it: pip install 'zmq-zre-log[fuzz]'")
    return atheris


def instrumented(name: str) -> contextlib.AbstractContextManager[object]:
    """Import inside of this what is to be fuzzed: with coverage if the target is the program, else as usual.

    Args:
        name: the target's ``__name__``.
    """
    if name != "__main__":
        return contextlib.nullcontext()
    manager: contextlib.AbstractContextManager[object] = _atheris().instrument_imports(include=["zlog", "zlog_codegen"])
    return manager


def main(name: str, one_input: Callable[[bytes], None], corpus: Iterable[bytes], **defaults: int) -> None:
    """Fuzz until something is found, or as long as libFuzzer's arguments say. Doesn't return.

    Args:
        name: of the target: what is found interesting is kept in ``.cache/fuzz/NAME``, or in the folder that
            ``ZLOG_FUZZ_CORPUS`` names, unless the arguments name a folder or a file.
        one_input: raises when something doesn't hold.
        corpus: good inputs to start from.
        defaults: libFuzzer's options, such as ``max_len=8192``, unless the arguments have them.
    """
    atheris = _atheris()
    arguments = sys.argv[1:]
    options = _DEFAULTS | {f"-{key}": value for key, value in defaults.items()}
    given = {argument.partition("=")[0] for argument in arguments}
    if all(argument.startswith("-") for argument in arguments):
        folder = Path(os.environ.get("ZLOG_FUZZ_CORPUS", Path(__file__).parents[2] / ".cache" / "fuzz")) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(corpus):
            (folder / f"good-{number:03}").write_bytes(data)
        if "-artifact_prefix" not in given:
            arguments.append(f"-artifact_prefix={folder.parent}/{name}-")
        arguments.append(str(folder))
    arguments += [f"{key}={value}" for key, value in options.items() if key not in given]
    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()

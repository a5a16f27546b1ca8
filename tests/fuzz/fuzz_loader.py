"""Fuzzing the model loader: what holds for any file whatever.

    python tests/fuzz/fuzz_loader.py                          until it finds something
    python tests/fuzz/fuzz_loader.py -max_total_time=20       for 20 seconds
    python tests/fuzz/fuzz_loader.py CRASH-FILE               one input again

Loading ends in a model or in ModelError. A model renders in every language, or its names collide there, which is said;
and the Python it renders to compiles. Includes are not followed: what is fuzzed should read no files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import runner

with runner.instrumented(__name__):
    from zlog_codegen import ModelError, languages, validate
    from zlog_codegen.bundled import protocol_folder
    from zlog_codegen.loader import parse_bytes
    from zlog_codegen.render import render

LANGUAGES: Final = tuple(languages.available().values())


def one_input(data: bytes) -> None:
    """Any octets as a model file."""
    try:
        model = validate.check(parse_bytes(data, "fuzzed.xml"), "fuzzed.xml")
    except ModelError as error:
        if not error.problems or not all(problem.what for problem in error.problems):
            raise AssertionError("a refusal says why") from error
        return
    for language in LANGUAGES:
        try:
            files = render([model], language)
        except ModelError:
            continue  # names that collide in this language, or a grammar that is none
        for path, text in files.items():
            if path.endswith(".py"):
                compile(text, path, "exec")


def seeds() -> list[bytes]:
    """Good and bad models to start from."""
    folder = Path(__file__).parents[1] / "unit" / "codegen"
    files = [*folder.glob("models/**/*.xml"), *folder.glob("bad_models/*.xml"), *protocol_folder().glob("*.xml")]
    return [path.read_bytes() for path in sorted(files)]


SEEDS: Final = seeds()


if __name__ == "__main__":
    runner.main("loader", one_input, SEEDS, max_len=8192)

"""Get what the tests of generated code need from registries: `python tests/languages/setup.py [LANGUAGE …]`.

It needs the network, so it runs before the tests, which have none. Results go to `.build/LANGUAGE` beside this file. A
language that needs something has a module in `setups/`, of the language's name, with

- `VERSIONS`: what is got, and which version of it; when it changes, everything is got anew;
- `SOURCES`: files that what is made depends on (lock files, sources), if any;
- `make(folder)`: gets it into the folder, which is there and empty. `require` and `run` below are for it.

Each language is made once, and again when its versions or sources change. One that fails leaves its reason for the
tests to show, and the others are made all the same; the exit code is the number of languages that failed.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"
if __name__ == "__main__":
    sys.modules["languages.setup"] = sys.modules["__main__"]
    sys.path.insert(0, str(HERE.parent))

LANGUAGES = sorted(path.stem for path in (HERE / "setups").glob("[a-z]*.py"))


class SetupError(Exception):
    """A language's things can't be made here: why, and what to do."""


def require(program: str, install: str) -> str:
    """The path of a program."""
    path = shutil.which(program)
    if path is None:
        raise SetupError(f"needs `{program}`: {install}")
    return path


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program and return what it says; if it fails, its last lines are the reason."""
    words = list(map(str, command))
    result = subprocess.run(
        words,
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        raise SetupError(f"`{' '.join(words)}`: " + " / ".join(result.stdout.strip().splitlines()[-6:]))
    return result.stdout


def _module(language: str) -> ModuleType:
    return importlib.import_module(f"languages.setups.{language}")


def fingerprint(language: str) -> str:
    """Changes when a language's things must be made again."""
    module = _module(language)
    digest = hashlib.sha256(repr(module.VERSIONS).encode())
    for path in getattr(module, "SOURCES", ()):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def problem(language: str) -> str | None:
    """Why a language's things aren't there, or None if they are and of these versions."""
    folder = BUILD / language
    if (folder / "failed").exists():
        return (folder / "failed").read_text(encoding="utf-8")
    made = folder / "made"
    if made.exists() and made.read_text() == fingerprint(language):
        return None
    return "not made yet: run `python tests/languages/setup.py`"


def make(language: str) -> bool:
    """Make a language's things unless they are there; whether they are there now."""
    folder = BUILD / language
    if problem(language) is None:
        print(f"{language}: there")
        return True
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _module(language).make(folder)
    except SetupError as error:
        (folder / "failed").write_text(str(error), encoding="utf-8")
        print(f"{language}: failed: {error}")
        return False
    (folder / "made").write_text(fingerprint(language))
    print(f"{language}: made")
    return True


def main(arguments: list[str]) -> int:
    """Make all languages, or those named; the number that failed."""
    return sum(not make(language) for language in arguments or LANGUAGES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

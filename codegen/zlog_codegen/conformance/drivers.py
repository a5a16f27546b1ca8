"""Drivers: the program that answers for the codecs of a language, generated, built and run.

``conformance.toml``, beside the language's ``language.toml``, says how::

    [tools]                                     # programs it needs, and what installs each
    go = "install Go 1.21 or newer: https://go.dev/dl"

    [build]
    commands = [["go", "build", "-o", "driver", "."]]      # in the folder with the generated files, one after the other

    [run]
    command = ["./driver"]

    [bench]                                     # optional: what is built and run instead to measure
    build = [["go", "build", "-o", "driver", "."]]
    run = ["./driver"]

    [env]                                       # optional: environment variables of all of them
    CGO_ENABLED = "0"

Tools are looked for in PATH, unless an environment variable says otherwise: ``ZLOG_GO=/opt/go/bin/go``, or several
words: ``ZLOG_TSC="node /opt/tsc.js"``. In a command the name of a tool stands for what was found, and ``{python}`` for
the Python that is running. No driver needs a network. What it says on stderr is shown when it fails.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zlog_codegen.errors import LanguageError
from zlog_codegen.languages import Language
from zlog_codegen.model import Model
from zlog_codegen.render import render

DESCRIPTION: Final = "conformance.toml"
#: Seconds that building may take, and answering all questions.
BUILD_TIMEOUT_S: Final = 600
RUN_TIMEOUT_S: Final = 1800
#: Lines of a compiler that are shown.
_MAX_LINES: Final = 30

Command = tuple[str, ...]


class MissingToolError(Exception):
    """A language can't be tried on this machine: what is missing, and what installs it."""


class DriverError(Exception):
    """A driver can't be built or doesn't work: what happened."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build and run the driver of a language, as its ``conformance.toml`` says."""

    tools: Mapping[str, str]
    build: tuple[Command, ...]
    run: Command
    bench_build: tuple[Command, ...]
    bench_run: Command
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver that is built. ``lines`` is how many lines each generated file of the codecs has, without the driver."""

    command: Command
    folder: Path
    env: Mapping[str, str]
    lines: Mapping[str, int]


def takes_part(language: Language) -> bool:
    """Whether a language has a driver; grammars and such have none."""
    return (language.folder / DESCRIPTION).is_file()


def read(language: Language) -> Recipe:
    """How to build and run a language's driver. Raises LanguageError."""
    path = language.folder / DESCRIPTION
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LanguageError(f"{path}: {error}") from None
    unknown = set(data) - {"tools", "build", "run", "bench", "env"}
    if unknown or not all(isinstance(table, dict) for table in data.values()):
        raise LanguageError(
            f"{path}: there can be tables tools, build, run, bench and env; see zlog_codegen.conformance.drivers"
        )

    def command(words: object, where: str) -> Command:
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise LanguageError(f"{path}: {where} must be a list of words")
        return tuple(words)

    def commands(table: str, key: str) -> tuple[Command, ...]:
        found = data.get(table, {}).get(key, [])
        if not isinstance(found, list):
            raise LanguageError(f"{path}: {key} in [{table}] must be a list of commands")
        return tuple(command(words, f"each of {key} in [{table}]") for words in found)

    def texts(table: str) -> dict[str, str]:
        found = data.get(table, {})
        if not all(isinstance(value, str) for value in found.values()):
            raise LanguageError(f"{path}: [{table}] must have texts only")
        return dict(found)

    run = command(data.get("run", {}).get("command"), "command in [run]")
    bench = data.get("bench", {})
    return Recipe(
        tools=texts("tools"),
        build=commands("build", "commands"),
        run=run,
        bench_build=commands("bench", "build") if "build" in bench else commands("build", "commands"),
        bench_run=command(bench["run"], "run in [bench]") if "run" in bench else run,
        env=texts("env"),
    )


def prepare(language: Language, models: Sequence[Model], folder: Path, *, bench: bool = False) -> Driver:
    """Generate and build the driver of a language in ``folder``; what is there already isn't built again.

    Raises:
        ModelError: a model can't be expressed in the language.
        LanguageError: its folder of templates is wrong.
        MissingToolError: this machine lacks something.
        DriverError: it can't be built.
    """
    recipe = read(language)
    found = {tool: _find(tool, install) for tool, install in recipe.tools.items()}
    files = render(models, language, conformance=True)
    ordinary = render(models, language)
    build = recipe.bench_build if bench else recipe.build
    stamp = hashlib.sha256(repr((files, build, recipe.env, found)).encode()).hexdigest()
    made = folder / ".built"
    if not made.is_file() or made.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
        for words in build:
            _run(_filled(words, found), folder, recipe.env)
        made.write_text(stamp)
    lines = {path: text.count("\n") for path, text in ordinary.items()}
    command = _filled(recipe.bench_run if bench else recipe.run, found)
    if not bench and (nice := shutil.which("nice")) is not None:
        command = (nice, *command)
    return Driver(command, folder, recipe.env, lines)


def variable(tool: str) -> str:
    """The environment variable that says where a tool is."""
    return "ZLOG_" + re.sub(r"[^A-Z0-9]", "_", tool.upper())


def _find(tool: str, install: str) -> Command:
    """The words that start a tool. Raises MissingToolError."""
    name = variable(tool)
    words = shlex.split(os.environ.get(name, "")) or [tool]
    path = shutil.which(words[0])
    if path is None:
        said = f", which {name} names" if words[0] != tool else ""
        raise MissingToolError(f"needs `{words[0]}`{said}; {install}")
    return (path, *words[1:])


def _filled(words: Command, tools: Mapping[str, Command]) -> Command:
    """A command with what its tools and ``{python}`` stand for."""
    filled: list[str] = []
    for word in words:
        filled += tools.get(word, (sys.executable if word == "{python}" else word,))
    return tuple(filled)


def _run(command: Command, folder: Path, env: Mapping[str, str]) -> None:
    """Run a command of a build. Raises DriverError."""
    said = shlex.join(command)
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
        )
    except OSError as error:
        raise DriverError(f"`{said}` can't be run: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise DriverError(f"`{said}` took more than {BUILD_TIMEOUT_S} s") from None
    if result.returncode:
        raise DriverError(f"`{said}` failed with {result.returncode}:\n{_shown(result.stdout)}")


def ask(driver: Driver, questions: Path, answers: Path) -> str:
    """Give a driver a file of questions, and put what it answers into another. Returns how it ended, if not well."""
    with questions.open("rb") as asked, answers.open("wb") as answered:
        try:
            result = subprocess.run(
                driver.command,
                cwd=driver.folder,
                env={**os.environ, **driver.env},
                stdin=asked,
                stdout=answered,
                stderr=subprocess.PIPE,
                timeout=RUN_TIMEOUT_S,
            )
        except OSError as error:
            return f"can't be run: {error.strerror or error}"
        except subprocess.TimeoutExpired:
            return f"took more than {RUN_TIMEOUT_S} s"
    return f"ended with {result.returncode}:\n{_shown(result.stderr)}" if result.returncode else ""


def _shown(output: bytes) -> str:
    """The last lines of what a program said."""
    lines = output.decode("utf-8", "backslashreplace").strip().splitlines()
    return "\n".join(lines[-_MAX_LINES:])

"""``zlog codegen``: codecs and grammars from protocol models."""

import argparse
import difflib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from zlog.errors import CommandError
from zlog_codegen import bundled, languages
from zlog_codegen.errors import LanguageError, ModelError, Problem
from zlog_codegen.languages import Language
from zlog_codegen.loader import load
from zlog_codegen.model import Model
from zlog_codegen.render import render

DESCRIPTION = """\
Generate source code from protocol models, which are XML files in zproto's grammar.

All models are checked before anything is written; every problem is reported with its file and line.
A MODEL that is no file but the name of a model of this package, such as zre_msg.xml, is that."""

EPILOG = """\
examples:
  zlog codegen my_protocol.xml --lang python -o my_package/wire
  zlog codegen my_protocol.xml --lang python -o my_package/wire --check     in CI: are they up to date?
  zlog codegen my_protocol.xml --lang abnf -o doc
  zlog codegen --list"""

#: Lines of a difference that are shown of one file.
MAX_DIFF_LINES: Final = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("models", nargs="*", metavar="MODEL", help="XML file of a protocol model")
    parser.add_argument("-l", "--lang", metavar="LANGUAGE", default="python", help="what to generate (default: python)")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, help="folder for the files; made when missing")
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="what can be chosen in a language, such as package=org.example.wire for java; may be repeated",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file would change")
    parser.add_argument("--list", action="store_true", help="list the languages and exit")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--templates",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="folder with languages of your own, one sub-folder each; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Generate, compare or list; return the exit code."""
    problems: tuple[Problem, ...] = ()
    try:
        try:
            return _run(args)
        except ModelError as error:
            problems = error.problems
            raise CommandError(str(error), code=2) from None
        except LanguageError as error:
            raise CommandError(str(error), code=2) from None
    except CommandError as error:
        if args.json:
            found = {"problems": [asdict(problem) for problem in problems]} if problems else {}
            print(json.dumps({"error": str(error), **found}, indent=2))
        raise


def _run(args: argparse.Namespace) -> int:
    if args.list:
        return _list(languages.available(args.templates), args.json)
    if not args.models:
        raise CommandError("no model is given", "name at least one XML file", code=2)
    if args.output is None:
        raise CommandError("no output folder is given", "add -o DIR", code=2)
    language = languages.choose(languages.find(args.lang, args.templates), args.option)
    files = render(_load_all(args.models), language)
    try:
        states = dict(_compare(files, args.output))
        if not args.check:
            _write({path: text for path, text in files.items() if states[path] != "unchanged"}, args.output)
    except OSError as error:
        raise CommandError(f"{error.filename or args.output}: {error.strerror or error}") from None
    return _report(files, states, args)


def _load_all(paths: Sequence[str]) -> list[Model]:
    """All models, each once. Raises ModelError with the problems of all of them together."""
    models: list[Model] = []
    problems: list[Problem] = []
    distinct: dict[str, str] = {}
    for path in map(bundled.resolve, paths):
        distinct.setdefault(os.path.realpath(path) if "\0" not in path else path, path)
    for path in distinct.values():
        try:
            models.append(load(path))
        except ModelError as error:
            problems += error.problems
    if problems:
        raise ModelError(problems)
    return models


def _list(found: dict[str, Language], as_json: bool) -> int:
    if as_json:
        print(json.dumps({name: language.title for name, language in found.items()}, indent=2))
        return 0
    width = max(map(len, found))
    for name, language in found.items():
        print(f"{name:<{width}}  {language.title}")
    return 0


def _compare(files: dict[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Each file with what a look into ``folder`` says: ``missing``, ``differs`` or ``unchanged``."""
    for path, text in files.items():
        try:
            current = (folder / path).read_bytes()
        except FileNotFoundError:
            yield path, "missing"
        else:
            yield path, "unchanged" if current == text.encode() else "differs"


def _write(files: dict[str, str], folder: Path) -> None:
    """Write all files, then put all in place: a reader sees an old or a new file, never half of one.

    Where a file is a symbolic link, what it leads to is written.
    """
    pending: list[tuple[Path, Path]] = []
    try:
        for path, text in files.items():
            target = Path(os.path.realpath(folder / path))
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
            pending.append((temporary, target))
            temporary.write_bytes(text.encode())
        while pending:
            os.replace(*pending[0])
            pending.pop(0)
    finally:
        for temporary, _ in pending:
            temporary.unlink(missing_ok=True)


def _report(files: dict[str, str], states: dict[str, str], args: argparse.Namespace) -> int:
    """Say what was written, or with --check what would be, and return the exit code."""
    stale = [path for path, state in states.items() if state != "unchanged"]
    if not args.check:
        states = {path: "written" if path in stale else state for path, state in states.items()}
    if args.json:
        entries = [{"path": str(args.output / path), "state": state} for path, state in states.items()]
        print(json.dumps({"language": args.lang, "check": args.check, "files": entries}, indent=2))
    else:
        for path, state in states.items():
            print(f"{args.output / path}: {state}")
            if args.check and state == "differs":
                print("".join(_difference(args.output / path, files[path])), end="")
    return 1 if args.check and stale else 0


def _difference(path: Path, text: str) -> Iterator[str]:
    """What ``path`` has (-) and what it should have (+), shortened."""
    current = path.read_bytes().decode("utf-8", "backslashreplace")
    lines = difflib.unified_diff(
        current.splitlines(keepends=True), text.splitlines(keepends=True), str(path), "generated", n=1
    )
    for number, line in enumerate(lines):
        if number >= MAX_DIFF_LINES:
            yield "…\n"
            return
        yield line if line.endswith("\n") else f"{line}\n"

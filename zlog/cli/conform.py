"""``zlog conform``: the same questions to the codecs of all languages."""

import argparse
import contextlib
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from zlog.errors import CommandError
from zlog_codegen import bundled, languages
from zlog_codegen.conformance import bench, drivers, kit, questions, vectors
from zlog_codegen.conformance.kit import Outcome
from zlog_codegen.conformance.protocol import Protocol
from zlog_codegen.conformance.questions import Question
from zlog_codegen.errors import LanguageError, ModelError
from zlog_codegen.languages import Language
from zlog_codegen.loader import load

DESCRIPTION = """\
Show that the generated codecs of all languages do the same, value for value and error for error.

For each language codecs are generated and built into a small program, which is then asked what frames mean, and to
encode values: first the vectors, which are cases written down or made from the model, then random messages and frames
with faults. What is right comes from a reading of the model that shares no code with any language.

Without MODEL it is this project's own models. Your own can be tried as well: a model is all that is needed."""

EPILOG = """\
examples:
  zlog conform                                      all languages, the project's models
  zlog conform my_protocol.xml --lang go            your own protocol, one language
  zlog conform --cases 100000 --seed 7              more cases, and other ones
  zlog conform --seed 7 --first 4711 --cases 1      one case of these again, without the vectors
  zlog conform --vectors protocol/vectors           vectors from files instead of those made from the models
  zlog conform my_protocol.xml --write-vectors DIR  write the vectors for others to test with, and to compare
  zlog conform --bench                              nanoseconds per message, instead of questions

A language whose compiler is missing is left out, and said what to install. It is a failure where it is named with
--lang, and where CI is set. ZLOG_TSC="node tsc.js", ZLOG_GO=/opt/go/bin/go … say where a tool is.

Exit codes: 0 all agree, 1 one doesn't or can't be built, 2 wrong usage or model."""

#: Models that are asked about when none is given.
DEFAULT_MODELS: Final = ("zre_log_msg.xml", "zre_msg.xml")
DEFAULT_CASES: Final = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="XML file of a protocol model (default: the project's)"
    )
    parser.add_argument(
        "-l", "--lang", metavar="LANGUAGE", action="append", default=[], help="only this language; may be repeated"
    )
    parser.add_argument(
        "--cases", metavar="N", type=_count, default=DEFAULT_CASES, help="random cases (default: %(default)s)"
    )
    parser.add_argument("--seed", metavar="S", type=_count, default=1, help="what the cases depend on (default: 1)")
    parser.add_argument("--first", metavar="N", type=_count, help="start with this case, and leave the vectors out")
    parser.add_argument("--vectors", metavar="PATH", type=Path, help="JSON file with vectors, or a folder of them")
    parser.add_argument(
        "--write-vectors", metavar="DIR", type=Path, help="write the vectors as JSON, and do nothing else"
    )
    parser.add_argument("--write-tsv", metavar="FILE", type=Path, help="write them as one TSV, and do nothing else")
    parser.add_argument("--bench", action="store_true", help="measure encoding and decoding, and do nothing else")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--work", metavar="DIR", type=Path, help="build here, and don't build again what is unchanged")
    parser.add_argument(
        "--templates",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="folder with languages of your own, one sub-folder each; may be repeated",
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def run(args: argparse.Namespace) -> int:
    """Ask, measure or write; return the exit code."""
    try:
        try:
            return _run(args)
        except (ModelError, LanguageError) as error:
            raise CommandError(str(error), code=2) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise CommandError(f"{error.filename or args.work or 'output'}: {error.strerror or error}") from None
    except CommandError as error:
        if args.json:
            print(json.dumps({"error": str(error)}, indent=2))
        raise


def _run(args: argparse.Namespace) -> int:
    spoken = _protocols(args.models or DEFAULT_MODELS)
    if args.write_vectors is not None or args.write_tsv is not None:
        return _write(spoken, args)
    chosen = _chosen(args)
    with contextlib.ExitStack() as stack:
        folder = args.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zlog_conform_")))
        folder.mkdir(parents=True, exist_ok=True)
        if args.bench:
            return _report_bench(bench.measure(chosen, spoken, folder.resolve(), progress=_progress(args)), args)
        cases = _vectors(spoken, args) if args.first is None else []
        if not cases and not args.cases:
            raise CommandError(
                "nothing was asked: there is no vector for these models", "ask cases: --cases 1000", code=2
            )
        asked = itertools.chain(cases, questions.fuzz(spoken, args.seed, args.first or 0, args.cases))
        outcomes = kit.conform(
            chosen, spoken, asked, folder.resolve(), at_once=os.cpu_count() or 1, progress=_progress(args)
        )
    return _report(outcomes, spoken, len(cases), args)


def _protocols(paths: Iterable[str]) -> list[Protocol]:
    """All models, each once. Raises ModelError."""
    distinct = {os.path.realpath(path): path for path in map(bundled.resolve, paths)}
    found: dict[str, Protocol] = {}
    for path in distinct.values():
        spoken = Protocol(load(path))
        if spoken.name in found:
            raise CommandError(f"{path}: there is already a model {spoken.name}", "name only one of them", code=2)
        found[spoken.name] = spoken
    return list(found.values())


def _chosen(args: argparse.Namespace) -> list[Language]:
    """The languages to ask. Raises LanguageError for one that is unknown or has no driver."""
    able = {name: one for name, one in languages.available(args.templates).items() if drivers.takes_part(one)}
    for name in args.lang:
        if name not in able:
            languages.find(name, args.templates)
            raise LanguageError(f"language {name!r} has no driver; these have one: {', '.join(able)}")
    return [able[name] for name in dict.fromkeys(args.lang or able)]


def _vectors(spoken: Sequence[Protocol], args: argparse.Namespace) -> list[Question]:
    """The vectors as questions: from files, or made from the models."""
    if args.vectors is None:
        made = ((one, vectors.decoding(one) + vectors.refusals(one)) for one in spoken)
        return [vectors.to_question(case, one) for one, cases in made for case in cases]
    try:
        return vectors.read(args.vectors, spoken)
    except ValueError as error:
        raise CommandError(str(error), code=2) from None


def _write(spoken: Sequence[Protocol], args: argparse.Namespace) -> int:
    files: dict[Path, str] = {}
    if args.write_vectors is not None:
        args.write_vectors.mkdir(parents=True, exist_ok=True)
        files |= {args.write_vectors / name: text for name, text in vectors.files(spoken).items()}
    if args.write_tsv is not None:
        files[args.write_tsv] = vectors.to_tsv(case for one in spoken for case in vectors.decoding(one))
    for path, text in files.items():
        path.write_bytes(text.encode())
        if not args.json:
            print(f"{path}: written")
    if args.json:
        print(json.dumps({"files": list(map(str, files))}, indent=2))
    return 0


def _progress(args: argparse.Namespace) -> Any:
    """Says what is going on, to people who watch."""
    if args.json or not sys.stderr.isatty():
        return lambda line: None
    return lambda line: print(line, file=sys.stderr)


# -- what came of it


def _report(outcomes: Sequence[Outcome], spoken: Sequence[Protocol], made: int, args: argparse.Namespace) -> int:
    strict = bool(os.environ.get("CI"))
    failed = [
        outcome.language
        for outcome in outcomes
        if outcome.state in {"differs", "failed"}
        or (outcome.state == "missing" and (strict or outcome.language in args.lang))
    ]
    if args.json:
        found = {outcome.language: _as_json(outcome) for outcome in outcomes}
        asked = {"seed": args.seed, "first": args.first or 0, "cases": args.cases, "vectors": made}
        print(json.dumps({**asked, "ok": not failed, "languages": found}, indent=2))
    else:
        _table(outcomes, spoken)
        for outcome in outcomes:
            _details(outcome, args)
        agreed = [outcome.language for outcome in outcomes if outcome.state == "agrees"]
        print(
            f"\n{made} vectors and {args.cases} cases of seed {args.seed}: {', '.join(agreed) or 'no language'} agreed"
        )
        if failed:
            print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _table(outcomes: Sequence[Outcome], spoken: Sequence[Protocol]) -> None:
    """A row for each message, a column for each language; in it the right answers, or how many were wrong."""
    shown = [outcome for outcome in outcomes if outcome.counts]
    rows = [(one.name, kind.name) for one in spoken for kind in one.kinds]
    first = max(len(f"{model} {message}") for model, message in rows)
    cells = {(outcome.language, row): _cell(outcome, row) for outcome in shown for row in rows}
    widths = {one.language: max(len(one.language), *(len(cells[one.language, row]) for row in rows)) for one in shown}
    if shown:
        print(" " * first, *(f"{name:>{width}}" for name, width in widths.items()), sep="  ")
    for row in rows if shown else ():
        print(
            f"{' '.join(row):<{first}}", *(f"{cells[name, row]:>{width}}" for name, width in widths.items()), sep="  "
        )


def _cell(outcome: Outcome, row: tuple[str, str]) -> str:
    count = outcome.counts.get(row)
    if count is None:
        return "-"
    return f"{count.wrong} of {count.asked} WRONG" if count.wrong else f"{count.asked} ok"


def _details(outcome: Outcome, args: argparse.Namespace) -> None:
    if outcome.why:
        print(f"\n{outcome.language}: {'left out' if outcome.state == 'missing' else 'FAILED'}: {outcome.why}")
    for found in outcome.disagreements:
        print(f"\n{outcome.language} disagrees, {found.origin}; made small:")
        for name, line in (("asked", found.question), ("right", found.expected), ("said", found.said)):
            print(f"  {name:<5}  {_shown(line)}")


def _shown(line: str) -> str:
    return line if len(line) <= 2000 else f"{line[:2000]}… ({len(line)} characters)"


def _as_json(outcome: Outcome) -> dict[str, Any]:
    messages: dict[str, dict[str, Any]] = {}
    for (model, message), count in outcome.counts.items():
        messages.setdefault(model, {})[message] = asdict(count)
    return {
        "state": outcome.state,
        **({"why": outcome.why} if outcome.why else {}),
        "asked": outcome.asked,
        "wrong": outcome.wrong,
        "messages": messages,
        "disagreements": [asdict(found) for found in outcome.disagreements],
    }


def _report_bench(found: Mapping[str, bench.Figures], args: argparse.Namespace) -> int:
    """Say what was measured. A language that can't be is treated as when asking."""
    strict = bool(os.environ.get("CI"))
    failed = [
        name for name, figures in found.items() if figures.why and (not figures.missing or strict or name in args.lang)
    ]
    if args.json:
        print(json.dumps({name: asdict(figures) for name, figures in found.items()}, indent=2))
        return 1 if failed else 0
    for line in bench.table(found):
        print(line)
    return 1 if failed else 0

"""What messages cost in each language: nanoseconds to encode and to decode, and lines of generated code."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zlog_codegen.conformance import drivers, questions, reference, vectors
from zlog_codegen.conformance.drivers import DriverError, MissingToolError
from zlog_codegen.conformance.protocol import Kind, Protocol
from zlog_codegen.errors import CodegenError
from zlog_codegen.languages import Language

#: Frames of messages by what they are called in the table.
Samples = Mapping[str, tuple[Protocol, Sequence[bytes]]]

#: How often a message is encoded, and how often decoded.
ITERATIONS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Nanoseconds for one message."""

    encode_ns: int
    decode_ns: int


@dataclass(slots=True)
class Figures:
    """What was measured of a language: costs by ``MODEL MESSAGE``, lines by generated file, or why there is nothing."""

    costs: dict[str, Cost] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    why: str = ""
    missing: bool = False


def measure(
    chosen: Sequence[Language],
    spoken: Sequence[Protocol],
    folder: Path,
    *,
    samples: Samples | None = None,
    progress: Callable[[str], None] = lambda line: None,
    iterations: int | None = None,
) -> dict[str, Figures]:
    """Measure each language, one after the other, as nothing else should be running meanwhile.

    Without ``samples`` it is each message of the models, with the test values of the model.
    """
    found: dict[str, Figures] = {}
    asked = folder / "bench_questions"
    if samples is None:
        samples = {f"{one.name} {kind.name}": (one, example_frames(kind)) for one in spoken for kind in one.kinds}
    often = iterations or ITERATIONS
    lines = (f"bench {one.name} {questions.hexadecimal(frames)} {often}\n" for one, frames in samples.values())
    asked.write_text("".join(lines), encoding="ascii", newline="\n")
    for language in chosen:
        progress(f"{language.name}: building and measuring")
        figures = found[language.name] = Figures()
        try:
            driver = drivers.prepare(
                language, [one.spec for one in spoken], folder / f"{language.name}_bench", bench=True
            )
            figures.lines = dict(driver.lines)
            answered = folder / f"bench_{language.name}"
            ended = drivers.ask(driver, asked, answered)
            answers = answered.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
            if ended or len(answers) != len(samples):
                raise DriverError(f"the driver {ended or 'did not answer all'}")
            figures.costs = {name: _cost(answer) for name, answer in zip(samples, answers, strict=True)}
        except MissingToolError as error:
            figures.why, figures.missing = str(error), True
        except (DriverError, CodegenError) as error:
            figures.why = str(error)
    return found


def example_frames(kind: Kind) -> list[bytes]:
    """The frames of the message with the test values of the model."""
    return reference.encode(kind, vectors.example(kind))


def _cost(answer: str) -> Cost:
    with contextlib.suppress(ValueError):
        what, encode, decode = answer.split(" ")
        if what == "bench":
            return Cost(int(encode), int(decode))
    raise DriverError(f"the driver answered: {answer[:200]}")


def table(found: Mapping[str, Figures]) -> Iterator[str]:
    """A row for each message, and two columns for each language: encode and decode. Then the lines of code."""
    able = {name: figures for name, figures in found.items() if figures.costs}
    rows = list(dict.fromkeys(row for figures in able.values() for row in figures.costs))
    if rows:
        first = max(map(len, rows))
        yield "ns to encode / to decode a message with the test values of the model; the best of several batches"
        yield "  ".join((" " * first, *(f"{name:>15}" for name in able)))
        for row in rows:
            costs = (figures.costs[row] for figures in able.values())
            cells = (f"{cost.encode_ns:>7}/{cost.decode_ns:<7}" for cost in costs)
            yield "  ".join((f"{row:<{first}}", *cells))
        yield ""
        yield "lines of generated code"
        for name, figures in able.items():
            files = ", ".join(f"{path} {count}" for path, count in figures.lines.items())
            yield f"{name:<12} {sum(figures.lines.values()):>6}  {files}"
    for name, figures in found.items():
        if figures.why:
            yield f"{name}: {'left out' if figures.missing else 'FAILED'}: {figures.why}"

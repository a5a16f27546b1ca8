"""All of the kit together: one set of questions to the drivers of several languages, and what came of it."""

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TextIO

from zlog_codegen.conformance import drivers, questions, shrink
from zlog_codegen.conformance.drivers import Driver, DriverError, MissingToolError
from zlog_codegen.conformance.protocol import Kind, Protocol
from zlog_codegen.conformance.questions import Question
from zlog_codegen.errors import CodegenError
from zlog_codegen.languages import Language

#: Disagreements that are kept of a language, each of another message or with another kind of answer.
MAX_SHOWN: Final = 5

#: agrees: all answers were right. differs: some were not. failed: no driver, or it stopped. missing: no tools for it.
State = Literal["agrees", "differs", "failed", "missing"]


@dataclass(slots=True)
class Count:
    """Answers about one message."""

    asked: int = 0
    wrong: int = 0


@dataclass(slots=True)
class Disagreement:
    """A wrong answer, to the smallest question that was found."""

    origin: str
    question: str
    expected: str
    said: str


@dataclass(slots=True)
class Outcome:
    """What came of a language. ``counts`` are by model and message."""

    language: str
    state: State = "agrees"
    why: str = ""
    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    seen: set[tuple[str, str, str]] = field(default_factory=set)
    """Message, kind of answer and of right answer of what is in ``disagreements``."""

    @property
    def asked(self) -> int:
        """All questions that were answered."""
        return sum(count.asked for count in self.counts.values())

    @property
    def wrong(self) -> int:
        """All answers that were wrong."""
        return sum(count.wrong for count in self.counts.values())


class Paper:
    """The questions, written to files once for all languages: there are too many to hold, and to make again."""

    def __init__(self, asked: Iterable[Question], folder: Path) -> None:
        self.questions = folder / "questions"
        self._right = folder / "right"
        self._kinds: list[tuple[Protocol, Kind]] = []
        known: dict[Kind, int] = {}
        with _writing(self.questions) as lines, _writing(self._right) as right:
            for question in asked:
                number = known.setdefault(question.kind, len(known))
                if number == len(self._kinds):
                    self._kinds.append((question.protocol, question.kind))
                lines.write(f"{question.line}\n")
                right.write(f"{number}\t{question.origin}\t{question.answer}\n")

    def __iter__(self) -> Generator[Question, None, None]:
        with contextlib.closing(_lines(self.questions)) as lines, contextlib.closing(_lines(self._right)) as right:
            for line, rest in zip(lines, right, strict=True):
                number, origin, answer = rest.split("\t")
                protocol, kind = self._kinds[int(number)]
                yield Question(protocol, kind, line, answer, origin)


def conform(
    languages: Sequence[Language],
    spoken: Sequence[Protocol],
    asked: Iterable[Question],
    folder: Path,
    *,
    at_once: int = 2,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Outcome]:
    """Ask the drivers of all languages, ``at_once`` of them at the same time; ``folder`` is for all that is made."""
    folder.mkdir(parents=True, exist_ok=True)
    progress("making up questions")
    paper = Paper(asked, folder)

    def one(language: Language) -> Outcome:
        outcome = Outcome(language.name)
        progress(f"{language.name}: building")
        try:
            driver = drivers.prepare(language, [one.spec for one in spoken], folder / language.name)
        except MissingToolError as error:
            outcome.state, outcome.why = "missing", str(error)
        except (DriverError, CodegenError) as error:
            outcome.state, outcome.why = "failed", str(error)
        else:
            progress(f"{language.name}: answering")
            answered = folder / f"answers_{language.name}"
            _examine(driver, paper, answered, outcome)
            answered.unlink()
        progress(f"{language.name}: {outcome.state}")
        return outcome

    with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
        return list(pool.map(one, languages))


def _examine(driver: Driver, paper: Paper, answered: Path, outcome: Outcome) -> None:
    """Let a driver answer, and look at each answer."""
    ended = drivers.ask(driver, paper.questions, answered)
    with contextlib.closing(_lines(answered)) as answers, contextlib.closing(iter(paper)) as asked:
        for number, question in enumerate(asked):
            answer = next(answers, None)
            if answer is None:
                outcome.state = "failed"
                outcome.why = _stopped(driver, paper, number, answered, ended)
                return
            count = outcome.counts.setdefault((question.protocol.name, question.kind.name), Count())
            count.asked += 1
            if not questions.is_right(question, answer):
                count.wrong += 1
                outcome.state = "differs"
                _keep(outcome, question, answer, driver, answered)
        if next(answers, None) is not None:
            outcome.state, outcome.why = "failed", "the driver answered more than it was asked"
        elif ended:
            outcome.state, outcome.why = "failed", f"all was answered, but the driver {ended}"


def _keep(outcome: Outcome, question: Question, answer: str, driver: Driver, answered: Path) -> None:
    """Show a wrong answer, made small, unless one of its kind is shown, or enough are."""
    kind = (question.kind.name, answer.split(" ")[0], question.answer.split(" ")[0])
    if kind not in outcome.seen and len(outcome.seen) < MAX_SHOWN:
        outcome.seen.add(kind)
        small, said = shrink.shrink(question, answer, lambda some: _wrong(driver, some, answered))
        outcome.disagreements.append(Disagreement(small.origin, small.line, small.answer, said))


def _writing(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")


def _lines(path: Path) -> Generator[str, None, None]:
    """The lines of a file; one that doesn't end doesn't count."""
    with path.open("r", encoding="utf-8", errors="backslashreplace", newline="\n") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield line[:-1]


def _wrong(driver: Driver, some: Sequence[Question], answered: Path) -> list[tuple[Question, str]]:
    """Those of a few questions that are answered wrong, with the answer. All count as right behind a crash."""
    _ask_some(driver, some, answered)
    with contextlib.closing(_lines(answered.with_suffix(".some"))) as answers:
        return [pair for pair in zip(some, answers, strict=False) if not questions.is_right(*pair)]


def _ask_some(driver: Driver, some: Sequence[Question], answered: Path) -> str:
    asked = answered.with_suffix(".asked")
    asked.write_text("".join(f"{question.line}\n" for question in some), encoding="ascii", newline="\n")
    return drivers.ask(driver, asked, answered.with_suffix(".some"))


def _stopped(driver: Driver, paper: Paper, number: int, answered: Path, ended: str) -> str:
    """Which question made a driver stop: it may have swallowed answers to those before."""
    rest = list(itertools.islice(paper, number, None))
    if not ended:
        return f"the driver stopped without an answer to: {rest[0].line} ({rest[0].origin})"
    low, high = 0, len(rest)  # the questions before low are harmless, those before high are not
    while high - low > 1:
        middle = (low + high) // 2
        if _ask_some(driver, rest[low:middle], answered):
            high = middle
        else:
            low = middle
    alone = _ask_some(driver, rest[low:high], answered)
    return f"the driver {alone or ended}\nat: {rest[low].line} ({rest[low].origin})"


def summary(outcomes: Sequence[Outcome]) -> Mapping[State, int]:
    """How many languages there are in each state."""
    found: dict[State, int] = {"agrees": 0, "differs": 0, "failed": 0, "missing": 0}
    for outcome in outcomes:
        found[outcome.state] += 1
    return found

"""What is wrong with a model: every problem at once, each with its place and what to do.

::

    CodegenError(Exception)      anything the generator refuses
      ├─ ModelError              the model is wrong: carries all its problems
      └─ LanguageError           a template folder is wrong or unknown
"""

from collections.abc import Sequence
from dataclasses import dataclass


class CodegenError(Exception):
    """Base of all errors of the generator."""


class LanguageError(CodegenError):
    """A target language is unknown, or its template folder can't be used."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a model.

    Args:
        file: the file it was found in, as the user named it.
        line: line number from 1, or 0 when the file as a whole is meant.
        element: what it is about, for people: ``field 'node' in message LOG``.
        what: what is wrong.
        hint: what to do about it; may be empty.
    """

    file: str
    line: int
    element: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = f"{self.element}: " if self.element else ""
        advice = f"; {self.hint}" if self.hint else ""
        return f"{place}: {subject}{self.what}{advice}"


class ModelError(CodegenError):
    """A model can't be used. ``problems`` holds everything found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

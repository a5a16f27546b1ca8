"""A smaller question that a driver answers wrong, too: what is left shows what is wrong."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from zlog_codegen import model
from zlog_codegen.conformance import protocol, questions, reference
from zlog_codegen.conformance.dump import Value, parse
from zlog_codegen.conformance.protocol import Part
from zlog_codegen.conformance.questions import Question

#: A round tries all smaller questions at once, with one run of the driver.
MAX_ROUNDS: Final = 25
_MAX_CANDIDATES: Final = 400

#: Which of some questions are answered wrong, with what was said.
Ask = Callable[[Sequence[Question]], list[tuple[Question, str]]]


def shrink(question: Question, answer: str, ask: Ask) -> tuple[Question, str]:
    """The smallest question found that still goes wrong in the same way, and the answer to it."""
    for _ in range(MAX_ROUNDS):
        smaller = [one for one in _smaller(question) if len(one.line) < len(question.line) or _calmer(one, question)]
        wrong = [(one, said) for one, said in ask(smaller[:_MAX_CANDIDATES]) if _alike(said, answer, one, question)]
        if not wrong:
            break
        question, answer = min(wrong, key=lambda pair: (len(pair[0].line), pair[0].line))
    return question, answer


def _alike(said: str, answer: str, one: Question, other: Question) -> bool:
    """Whether two wrong answers are the same fault: what is said and what is right start with the same words."""
    return _start(said) == _start(answer) and _start(one.answer) == _start(other.answer)


def _start(answer: str) -> str:
    words = answer.split(" ")
    return " ".join(words[:2]) if words[0] == "error" else words[0]


def _calmer(one: Question, other: Question) -> bool:
    """Of two questions of a size, the one with more zeros in it is easier to read."""
    return len(one.line) == len(other.line) and one.line < other.line


def _smaller(question: Question) -> Iterator[Question]:
    what, _, rest = question.line.split(" ", 2)
    if what == "decode":
        for frames in _fewer_octets(questions.frames_of(rest)):
            yield questions.decode(question.protocol, question.kind, frames, question.origin)
    else:
        name, _, text = rest.partition(" ")
        kind = question.protocol.by_name[name]
        for value in _simpler(parse(text, kind.parts), kind.parts):
            yield questions.encode(question.protocol, kind, value, question.origin)


def _fewer_octets(frames: list[bytes]) -> Iterator[list[bytes]]:
    """A frame less, octets less, zeros in place of octets: from the boldest to the most careful."""
    for number in range(len(frames) - 1, 0, -1):
        yield frames[:number] + frames[number + 1 :]
    for number, frame in enumerate(frames):
        size = len(frame)
        while size:
            for at in range(0, len(frame), size):
                rest = frame[at + size :]
                yield [*frames[:number], frame[:at] + rest, *frames[number + 1 :]]
                zeros = bytes(len(frame[at : at + size]))
                yield [*frames[:number], frame[:at] + zeros + rest, *frames[number + 1 :]]
            size //= 2


def _simpler(value: Value, parts: Sequence[Part]) -> Iterator[Value]:
    """The value with one field empty, or a bit smaller."""
    for part in parts:
        if part.constant is not None:
            continue
        if part.parts:
            inside = ({**value, part.name: one} for one in _simpler(value[part.name], part.parts))
            yield {**value, part.name: reference.empty(part)}
            yield from inside
        else:
            yield from ({**value, part.name: one} for one in _simpler_field(part, value[part.name]))


def _simpler_field(part: Part, item: Any) -> Iterator[Any]:
    yield reference.empty(part)
    match part.type:
        case model.NUMBER:
            yield item // 2
        case model.STRINGS | model.MSG:
            yield from (item[:at] + item[at + 1 :] for at in range(len(item)))
            yield from ([*item[:at], half, *item[at + 1 :]] for at in range(len(item)) for half in _halves(item[at]))
        case model.HASH:
            yield from ({name: text for name, text in item.items() if name != out} for out in item)
            for name, text in item.items():
                others = {other: kept for other, kept in item.items() if other != name}
                yield from ({**others, half: text} for half in _halves(name) if half not in others)
                yield from ({**item, name: half} for half in _halves(text))
        case model.STRING | model.LONGSTR | protocol.TOPIC | model.CHUNK | model.FRAME:
            yield from _halves(item)


def _halves(octets: bytes) -> tuple[bytes, ...]:
    """Either half, all but the first and all but the last octet; and the same number of letters."""
    middle = len(octets) // 2
    return octets[:middle], octets[middle:], octets[1:], octets[:-1], re.sub(rb"[\x80-\xff]", b"x", octets)

"""Checks a model and builds it: everything that is wrong is found in one go.

The rules are zproto's, and where zproto would silently do something else than the author meant, the model is refused.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from zlog_codegen import literals, model, naming, rules
from zlog_codegen.checks import Seen, TooManyProblemsError
from zlog_codegen.elements import Element
from zlog_codegen.errors import ModelError, Problem
from zlog_codegen.fields import FieldChecks
from zlog_codegen.model import Define, Field, Message, Model
from zlog_codegen.prose import block, paragraphs


def check(root: Element, file: str) -> Model:
    """The model that ``root`` describes; ``file`` is the name of its file for banners.

    Raises:
        ModelError: with every problem found.
    """
    checker = _ModelChecks()
    more: list[Problem] = []
    result = None
    try:
        result = checker.build(root, printable(file))
    except TooManyProblemsError:
        more = [Problem(root.where.file, 0, "", f"checking stopped after {rules.MAX_PROBLEMS} problems")]
    if checker.problems or result is None:
        raise ModelError([*sorted(checker.problems, key=_order(root.where.file)), *more])
    return result


def printable(name: str) -> str:
    """A file name as comments of any language may have it: nothing that could end one."""
    return literals.cut(re.sub(r"[^A-Za-z0-9 ._+-]", "?", name), 100)


def _order(main_file: str) -> Callable[[Problem], tuple[bool, str, int]]:
    return lambda problem: (problem.file != main_file, problem.file, problem.line)


class _ModelChecks(FieldChecks):
    """Builds a model out of elements and notes problems on the way. One use each."""

    # -- the whole

    def build(self, root: Element, file: str) -> Model | None:
        if root.tag != "class":
            self.problem(root.where, root.tag, "a model starts with the element class", "is this a zproto codec model?")
            return None
        self.structure(root, "class")
        name = self.name(root, "class", rules.FILE_NAME)
        signature = self.attribute(root, "class", "signature", lambda text: rules.between(text, 0, 15), 0)
        pubsub = self.attribute(root, "class", "pubsub", rules.flag, False)
        if pubsub and "signature" in root.attributes:
            self.problem(root.where, "class", "a protocol for pubsub has no signature", "take one of the two out")

        self.collect_types(root)
        header = [field for element in root.named("header") for field in self.fields(element, "the header", True)]
        messages = self._messages(root, header, pubsub)
        defines = self._defines(root, messages)
        types = tuple(self.type(name) for name in self.type_names)
        if not messages:
            self.problem(root.where, f"class {name}", "there is no message", "add a message element")
        self._same_everywhere(messages)
        return Model(
            name=name,
            title=" ".join(root.attributes.get("title", "").split()) or name,
            signature=signature,
            pubsub=pubsub,
            docs=paragraphs(root.text),
            license="\n\n".join(block(element.text) for element in root.named("license")),
            grammar="\n".join(filter(None, (block(element.text) for element in root.named("grammar")))),
            grammar_where=next((element.where for element in root.named("grammar")), root.where),
            defines=defines,
            types=types,
            messages=messages,
            file=file,
            where=root.where,
        )

    # -- messages

    def _messages(self, root: Element, header: list[Field], pubsub: bool) -> tuple[Message, ...]:
        messages: list[Message] = []
        names: Seen = {}
        ids: dict[int, Message] = {}
        wanted = {element.attributes.get("id", "").strip() for element in root.named("message")}
        for position, element in enumerate(root.named("message"), start=1):
            name = self.name(element, "message")
            subject = f"message {name}" if name else "message"
            self.structure(element, subject)
            text = element.attributes.get("id")
            number = self.attribute(element, subject, "id", lambda text: rules.between(text, 1, 255), 0)
            if text is None:
                number = position
                if number > 255:
                    self.problem(element.where, subject, f"id {number}, its position, is not possible", "use 1 to 255")
            role = self.attribute(element, subject, "role", lambda text: rules.one_of(text, rules.ROLES), None)
            fields = tuple(header) + self.fields(element, subject, False)
            message = Message(name, number, fields, paragraphs(element.text), role, element.where)
            self.unique(names, name, element.where, subject, "message")
            other = ids.setdefault(number, message)
            if number and other is not message:
                by = "" if text is not None else ", which is its position,"
                self.problem(
                    element.where,
                    subject,
                    f"id {number}{by} is already that of message {other.name}, line {other.where.line}",
                    _free_id(ids, wanted),
                )
            self._layout(message, subject, pubsub)
            self._versions(message, subject)
            messages.append(message)
        return tuple(messages)

    def _layout(self, message: Message, subject: str, pubsub: bool) -> None:
        """Rules about a message as a whole: names are unique, also with composites taken apart, and msg is last."""
        seen: dict[tuple[str, ...], tuple[str, Field]] = {}
        leaves = [(path, leaf, top) for top in message.fields for path, leaf in leaves_of(top)]
        for index, (path, leaf, top) in enumerate(leaves):
            if not all(path):
                continue  # the name itself is already a problem
            label = " ".join(path)
            place = f"field {label!r} in {'the header' if top.in_header else subject}"
            other_label, other = seen.setdefault(naming.words(label), (label, top))
            if other is not top:
                same = "" if other_label == label else f" ({other_label})"
                what = f"there is already a {'header ' if other.in_header else ''}field of this name{same}"
                self.problem(top.where, place, f"{what}, line {other.where.line}", rules.DISTINCT)
            if leaf.type == model.MSG and index + 1 < len(leaves):
                what = "a field of type msg takes all further frames, so it must come last"
                hint = "take it out of the header" if top.in_header else "move it to the end of the message"
                self.problem(top.where, place, what, hint)
            if pubsub and naming.words(label) == ("topic",):
                self.problem(top.where, place, "every message of a pubsub protocol has a topic already", "rename it")

    def _versions(self, message: Message, subject: str) -> None:
        """Fields that later versions append are the last ones of the first frame, in the order of the versions."""
        last = 0
        for field in message.fields:
            place = f"field {field.name!r} in {subject}"
            types = {leaf.type for _, leaf in leaves_of(field)}
            in_frames = bool(types & {model.FRAME, model.MSG})
            if field.since and (field.in_header or in_frames):
                what = "since is not possible " + ("in the header" if field.in_header else "for fields that are frames")
                self.problem(field.where, place, what, "append a field to the first frame of a message")
            elif not in_frames and field.since < last:
                what = f"it is behind a field since version {last}, so a later version appended it"
                self.problem(field.where, place, what, f'write since = "{last}" or a higher one, or move it up')
            elif types <= {model.FRAME, model.MSG}:
                continue
            last = max(last, field.since)

    def _same_everywhere(self, messages: Iterable[Message]) -> None:
        """A field of one name has one type and size in the whole protocol, and is constant everywhere or nowhere."""
        first: dict[tuple[str, ...], tuple[str, Field]] = {}
        for message in messages:
            for top in message.fields:
                for path, field in leaves_of(top):
                    if not all(path):
                        continue
                    name = " ".join(path)
                    where, other = first.setdefault(naming.words(name), (message.name, field))
                    subject = f"field {name!r} in message {message.name}"
                    if (other.type, other.size) != (field.type, field.size):
                        what = f"it has {_kind(field)} here, but {_kind(other)} in message {where}"
                        hint = "a name has one type in all of a protocol: rename one of them"
                    elif (other.value is None) != (field.value is None):
                        what = f"it is {'' if field.value is not None else 'not '}a constant here, unlike in {where}"
                        hint = "rename one of them"
                    else:
                        continue
                    self.problem(top.where, subject, what, hint)

    # -- defines

    def _defines(self, root: Element, messages: Iterable[Message]) -> tuple[Define, ...]:
        defines: list[Define] = []
        commands = {naming.words(message.name): message for message in messages}
        names: Seen = {}
        for element in root.named("define"):
            name = self.name(element, "define")
            subject = f"define {name}" if name else "define"
            self.structure(element, subject)
            text = element.attributes.get("value", "").strip()
            value: int | str = text
            if literals.is_integer(text):
                value = literals.integer(text)
                if not -(1 << 63) <= value < 1 << 64:
                    self.problem(element.where, subject, f"value {text} needs more than 64 bits", "use a smaller one")
            elif len(text) >= 2 and text[0] == text[-1] == '"':
                value = text[1:-1]
            elif re.match("[+-]?[0-9]", text):
                what = f"value {literals.shorten(text)} starts like a number but is no whole number"
                self.problem(element.where, subject, what, "write text in quotes: value = '\"…\"'")
            define = Define(name, value, paragraphs(element.text), element.where)
            self.unique(names, name, element.where, subject, "define")
            if name and (message := commands.get(naming.words(name))):
                what = f"message {message.name}, line {message.where.line}, has this name"
                self.problem(element.where, subject, what, "zproto makes a constant of every message: rename one")
            defines.append(define)
        return tuple(defines)


def leaves_of(field: Field, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Field]]:
    """``field`` itself, or when it is composite the fields it is made of, each with the names that lead to it."""
    here = (*path, field.name)
    if field.composite is None:
        return [(here, field)]
    return [leaf for part in field.composite.fields for leaf in leaves_of(part, here)]


def _free_id(taken: Mapping[int, object], wanted: Collection[str]) -> str:
    """A hint with an id that no message has or will have."""
    free = (number for number in range(1, 256) if number not in taken and str(number) not in wanted)
    return next((f"id {number} is free" for number in free), "no id is free")


def _kind(field: Field) -> str:
    return f"type {field.type}" + (f" and size {field.size}" if field.size else "")

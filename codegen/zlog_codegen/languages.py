"""Target languages. A language is a folder of templates with a ``language.toml`` beside them; there is no list of them.

``language.toml``::

    title = "Python 3.11 or newer"      # what `zlog codegen --list` says
    check = "abnf"                      # optional: what is written must pass this check (zlog_codegen.render.CHECKS)
    also = ["c"]                        # optional: languages whose files are written besides, as these build on them
    flat = true                         # optional: it has no name spaces; names of all models of a run must differ

    [names]                             # a style of zlog_codegen.naming for each kind of name
    file = "snake"                      # file, message, type, field, constant
    message = "pascal"

    [reserved]                          # words that a name is kept out of the way of, by appending the suffix
    suffix = "_"
    words = ["class", "def"]            # for every kind of name
    field = ["encode"]                  # for one kind, besides

    [options.package]                   # optional: what `--option package=VALUE` sets, for templates language.options
    default = "wire"
    pattern = "[a-z.]+"                 # a regular expression that all of the value must match
    what = "a name in lower case"       # the same for people

    [[files]]                           # every file that is written
    template = "codec.py.j2"
    path = "{file}.py"                  # {file} the model, {message} the message, in the style for files
    per = "model"                       # "model", "message", or "run": one for all models
    only = "conformance"                # optional: written for `zlog conform` only

    [types.number-1]                    # the type table: a row for each type, with what the templates want to know
    type = "int"

Rows are for ``number-1``, ``number-2``, ``number-4``, ``number-8``, ``octets``, ``string``, ``longstr``, ``strings``,
``hash``, ``chunk``, ``uuid``, ``frame``, ``msg`` and ``composite``. All must be there.
"""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from zlog_codegen import naming, rules
from zlog_codegen.errors import LanguageError

BUNDLED: Final = Path(__file__).parent / "templates"
DESCRIPTION: Final = "language.toml"

KINDS: Final = ("file", "message", "type", "field", "constant")
SCOPES: Final = ("model", "message", "run")
#: What a file can be for, if it isn't written always.
PURPOSES: Final = ("conformance",)
ROWS: Final = (
    *("number-1", "number-2", "number-4", "number-8", "octets", "string", "longstr"),
    *("strings", "hash", "chunk", "uuid", "frame", "msg", "composite"),
)


@dataclass(frozen=True, slots=True)
class FileRule:
    """A file to write: from which template, under which name, and for what each; ``only`` for what, if not always."""

    template: str
    path: str
    per: str
    only: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """Something that the user of a language can choose: what it is if he doesn't, and what it can be."""

    default: str
    pattern: str
    what: str


@dataclass(frozen=True, slots=True)
class Language:
    """A target language, as its ``language.toml`` describes it."""

    name: str
    title: str
    folder: Path
    check: str
    styles: Mapping[str, str]
    reserved: Mapping[str, frozenset[str]]
    suffix: str
    files: tuple[FileRule, ...]
    types: Mapping[str, Mapping[str, Any]]
    also: tuple[str, ...] = ()
    flat: bool = False
    choices: Mapping[str, Option] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    def identifier(self, name: str, kind: str) -> str:
        """The identifier for a name of the model; ``kind`` is one of KINDS."""
        return naming.identifier(name, self.styles[kind], self.reserved[kind], self.suffix)


def available(folders: Sequence[Path] = ()) -> dict[str, Language]:
    """All languages by name: the bundled ones, and those in ``folders``, which come first. Raises LanguageError."""
    found: dict[str, Language] = {}
    for folder in (BUNDLED, *folders):
        if not folder.is_dir():
            raise LanguageError(f"{folder}: no such folder of templates")
        for description in sorted(folder.glob(f"*/{DESCRIPTION}")):
            found[description.parent.name] = read(description)
    return dict(sorted(found.items()))


def find(name: str, folders: Sequence[Path] = ()) -> Language:
    """The language called ``name``. Raises LanguageError, which names those there are."""
    languages = available(folders)
    if name not in languages:
        raise LanguageError(f"language {name!r} is unknown; there are: {', '.join(languages)}")
    return languages[name]


def choose(language: Language, words: Sequence[str]) -> Language:
    """The language with options set, each written ``NAME=VALUE``. Raises LanguageError."""
    options = dict(language.options)
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise LanguageError(f"option {word!r} is not possible; write it as NAME=VALUE")
        if name not in language.choices:
            hint = rules.suggest(name, language.choices, "options")
            raise LanguageError(f"option {name!r} is unknown to {language.name}; {hint}")
        if re.fullmatch(language.choices[name].pattern, value, re.ASCII) is None:
            raise LanguageError(f"option {name}: {value!r} is not possible; use {language.choices[name].what}")
        options[name] = value
    return replace(language, options=options)


def companion(language: Language, name: str) -> Language:
    """A language that ``language`` builds on, by itself: one beside it, or else a bundled one. Raises LanguageError."""
    beside = language.folder.parent / name / DESCRIPTION
    return replace(read(beside if beside.is_file() else BUNDLED / name / DESCRIPTION), also=())


def read(description: Path) -> Language:
    """The language that a ``language.toml`` describes. Raises LanguageError."""

    def refuse(what: str) -> LanguageError:
        return LanguageError(f"{description}: {what}")

    def known(table: Mapping[str, Any], keys: Collection[str], where: str) -> None:
        for key in table:
            if key not in keys:
                raise refuse(f"{key!r} is unknown{where}; {rules.suggest(key, keys, 'keys')}")

    def text(table: Mapping[str, Any], key: str, default: str) -> str:
        value = table.get(key, default)
        if not isinstance(value, str) or (value and not value.isprintable()):
            raise refuse(f"{key} must be text on one line")
        return value

    def word_list(key: str) -> frozenset[str]:
        value = reserved.get(key, [])
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise refuse(f"{key} in [reserved] must be a list of words")
        return frozenset(value)

    try:
        data: dict[str, Any] = tomllib.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise refuse(str(error)) from None
    known(data, ("title", "check", "also", "flat", "names", "reserved", "options", "files", "types"), "")
    styles = _strings(data.get("names"))
    reserved = data.get("reserved", {})
    files = data.get("files")
    types = data.get("types")
    if styles is None or set(styles) != set(KINDS) or not set(styles.values()) <= set(naming.STYLES):
        raise refuse(f"[names] must give a style for each of {', '.join(KINDS)}; styles: {', '.join(naming.STYLES)}")
    if not isinstance(reserved, dict):
        raise refuse("[reserved] must be a table")
    known(reserved, ("suffix", "words", *KINDS), " in [reserved]")
    rows = types if isinstance(types, dict) else {}
    if set(rows) != set(ROWS) or not all(isinstance(row, dict) for row in rows.values()):
        raise refuse(f"[types] must have one row for each of {', '.join(ROWS)}")
    words = word_list("words")
    also = data.get("also", [])
    if not isinstance(also, list) or not all(isinstance(name, str) and name.isidentifier() for name in also):
        raise refuse("also must be a list of names of languages")
    if not isinstance(data.get("flat", False), bool):
        raise refuse("flat must be true or false")
    choices = _options(data.get("options", {}), refuse)
    return Language(
        name=description.parent.name,
        title=text(data, "title", description.parent.name),
        folder=description.parent,
        check=text(data, "check", ""),
        styles=styles,
        reserved={kind: words | word_list(kind) for kind in KINDS},
        suffix=text(reserved, "suffix", "_") or "_",
        files=_files(files, refuse),
        types=rows,
        also=tuple(also),
        flat=data.get("flat", False),
        choices=choices,
        options={name: option.default for name, option in choices.items()},
    )


def _options(table: object, refuse: Any) -> dict[str, Option]:
    """The options of a language; the default must be a value that is possible."""
    if not isinstance(table, dict):
        raise refuse("[options] must be a table")
    choices: dict[str, Option] = {}
    for name, entry in table.items():
        strings = _strings(entry)
        if strings is None or set(strings) != {"default", "pattern", "what"}:
            raise refuse(f"[options.{name}] needs default, pattern and what")
        try:
            possible = re.fullmatch(strings["pattern"], strings["default"], re.ASCII)
        except re.error as error:
            raise refuse(f"pattern in [options.{name}]: {error}") from None
        if possible is None:
            raise refuse(f"default in [options.{name}] doesn't match the pattern")
        choices[name] = Option(**strings)
    return choices


def _files(entries: object, refuse: Any) -> tuple[FileRule, ...]:
    rules: list[FileRule] = []
    for entry in entries if isinstance(entries, list) else ():
        strings = _strings(entry)
        needed = {"template", "path", "per"}
        if strings is None or set(strings) - {"only"} != needed or strings["per"] not in SCOPES:
            raise refuse(f"each of [[files]] needs template, path and per, one of {', '.join(SCOPES)}")
        if strings.get("only", PURPOSES[0]) not in PURPOSES:
            raise refuse(f"only in [[files]] can be {', '.join(PURPOSES)}")
        rules.append(FileRule(**strings))
    if not rules:
        raise refuse("there are no [[files]]")
    return tuple(rules)


def _strings(value: object) -> dict[str, str] | None:
    """``value`` when it is a table of strings."""
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    return None

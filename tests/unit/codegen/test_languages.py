"""A language is one folder: templates and a table, ours or the user's."""

from pathlib import Path

import pytest

from support.codecs import MODELS
from zlog.cli import main
from zlog_codegen import languages, load
from zlog_codegen.errors import LanguageError
from zlog_codegen.languages import ROWS
from zlog_codegen.render import render

NAMES = '[names]\nfile = "kebab"\nmessage = "camel"\ntype = "pascal"\nfield = "camel"\nconstant = "upper"\n'
FILES = '[[files]]\ntemplate = "t.j2"\npath = "{file}/{message}.txt"\nper = "message"\n'
TYPES = "".join(f'[types.{row}]\nword = "<{row}>"\n' for row in ROWS)
WHOLE = f'title = "Mine"\n{NAMES}\n[reserved]\nwords = ["id"]\nsuffix = "Value"\n{FILES}\n{TYPES}'
TEMPLATE = """\
{{ banner }}
{{ message.name }} {{ message.id }}
{% for leaf in message.leaves %}
{{ leaf.joined("->") }} {{ leaf.field.row.word }}
{% endfor %}
{% for segment in message.segments %}
{{ segment.size }}{% for item in segment.items %} {{ item.role }}@{{ item.offset }}{% endfor %}\
{{ " + " ~ segment.tail.joined(".") if segment.tail }}
{% endfor %}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one language in it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "language.toml").write_text(WHOLE)
    (tmp_path / "mine" / "t.j2").write_text(TEMPLATE)
    return tmp_path


def test_a_language_of_the_users_own(folder: Path) -> None:
    assert list(languages.available([folder])) == sorted([*languages.available(), "mine"])
    files = render([load(MODELS / "everything.xml")], languages.find("mine", [folder]))
    assert len(files) == 8
    assert files["everything/clients.txt"] == (
        "Generated from everything.xml by zlog codegen, do not edit.\n"
        "clients 4\n"
        "sequence <number-2>\n"
        "client->forename <string>\nclient->born <number-2>\n"
        "client->home->street <string>\nclient->home->grid <octets>\nclient->home->mark <uuid>\n"
        "client->notes <strings>\n"
        "supplier->forename <string>\nsupplier->born <number-2>\n"
        "supplier->home->street <string>\nsupplier->home->grid <octets>\nsupplier->home->mark <uuid>\n"
        "supplier->notes <strings>\n"
        "tail <number-1>\n"
        "4 constant@0 value@1 length@3 + client.forename\n"
        "3 value@0 length@2 + client.home.street\n"
        "22 value@0 value@2 count@18 + client.notes\n"
        "1 length@0 + supplier.forename\n"
        "3 value@0 length@2 + supplier.home.street\n"
        "22 value@0 value@2 count@18 + supplier.notes\n"
        "1 value@0\n"
    )
    assert "idValue <uuid>" in files["everything/blobs.txt"]


def test_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["codegen", "zre_msg", "--lang", "mine", "--templates", str(folder), "-o", str(out)]
    assert main(command) == 0
    assert (out / "zre-msg" / "ping-ok.txt").read_text().splitlines()[1] == "pingOk 7"
    assert main([*command, "--check"]) == 0


def test_ours_can_be_replaced(folder: Path) -> None:
    (folder / "mine").rename(folder / "python")
    assert languages.find("python", [folder]).title == "Mine"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[names]", "[names", "Expected"),
        ('file = "kebab"\n', "", "[names] must give a style for each of file"),
        ('"camel"', '"shouting"', "styles: snake, camel"),
        ("[types.msg]", "[types.msgs]", "[types] must have one row for each of number-1"),
        ('[types.msg]\nword = "<msg>"\n', "[types]\nmsg = 1\n", "language.toml"),
        ('per = "message"', 'per = "field"', "per, one of model, message, run"),
        (FILES, "", "there are no [[files]]"),
        ('[reserved]\nwords = ["id"]\nsuffix = "Value"\n', "", None),
        ('[reserved]\nwords = ["id"]\nsuffix = "Value"\n', "reserved = 1\n", "language.toml"),
        ("{file}/{message}.txt", "../{message}.txt", "path '../numbers.txt' leads out of the output folder"),
        ("{file}/{message}.txt", "/{message}.txt", "path '/numbers.txt' leads out of the output folder"),
        (
            "{file}/{message}.txt",
            "{nothing}.txt",
            "path '{nothing}.txt' can't be used: {nothing} is unknown; use {file} or {message}",
        ),
        ('"t.j2"', '"absent.j2"', "absent.j2"),
        ("{file}/{message}.txt", "{message.__class__}.txt", "{message.__class__} is unknown"),
        ("{file}/{message}.txt", "{message:>99999999999}.txt", "{message:>99999999999} is unknown"),
        ("{file}/{message}.txt", "{message.txt", "{ is unknown; use {file} or {message}"),
        ("{file}/{message}.txt", "{message}\\u0000.txt", "leads out of the output folder"),
        ('words = ["id"]', "words = 5", "words in [reserved] must be a list of words"),
        ('words = ["id"]', 'words = "int"', "words in [reserved] must be a list of words"),
        ('words = ["id"]', 'words = [["a"]]', "words in [reserved] must be a list of words"),
        ('words = ["id"]', "field = 3", "field in [reserved] must be a list of words"),
        ('words = ["id"]', 'word = ["id"]', "'word' is unknown in [reserved]; did you mean 'words'?"),
        ('suffix = "Value"', "suffix = 7", "suffix must be text on one line"),
        ('title = "Mine"', "title = 7", "title must be text on one line"),
        ('title = "Mine"', 'titel = "Mine"', "'titel' is unknown; did you mean 'title'?"),
        ('title = "Mine"', "title = " + "[" * 5000, "language.toml: "),
        ('title = "Mine"', 'title = "Mine"\ncheck = "magic"', "check 'magic' is unknown; there are: abnf"),
    ],
)
def test_a_description_that_is_wrong(folder: Path, old: str, new: str, said: str | None) -> None:
    description = folder / "mine" / "language.toml"
    assert old in WHOLE
    description.write_text(WHOLE.replace(old, new))
    if said is None:
        render([load(MODELS / "plain.xml")], languages.find("mine", [folder]))
        return
    with pytest.raises(LanguageError) as caught:
        render([load(MODELS / "everything.xml")], languages.find("mine", [folder]))
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ no_such_name }}", "t.j2:1: 'no_such_name' is undefined"),
        ("{{ message.no_such_attribute }}", "no attribute 'no_such_attribute'"),
        ("\n{% if %}", "t.j2:2: "),
        ("{# one #}\n\n{{ 1 / 0 }}", "t.j2:3: division by zero"),
        ("{{ 1 | no_such_filter }}", "no_such_filter"),
        ("{% include 'other.j2' %}", "other.j2:2: division by zero"),
        ("{% from 'macro.j2' import divide %}\n{{ divide(0) }}", "macro.j2:2: division by zero"),
        ("\n{% include 'absent.j2' %}", "t.j2:2: 'absent.j2' not found"),
        ("{% include 'wrong.j2' %}", "wrong.j2:2: "),
        ("{% include 't.j2' %}", "t.j2:1: templates include each other without an end"),
    ],
)
def test_a_template_that_is_wrong(folder: Path, template: str, said: str) -> None:
    (folder / "mine" / "t.j2").write_text(template)
    (folder / "mine" / "other.j2").write_text("\n{{ 1 / 0 }}")
    (folder / "mine" / "macro.j2").write_text("{% macro divide(by) %}\n{{ 1 / by }}{% endmacro %}")
    (folder / "mine" / "wrong.j2").write_text("\n{% if %}")
    with pytest.raises(LanguageError) as caught:
        render([load(MODELS / "plain.xml")], languages.find("mine", [folder]))
    assert said in str(caught.value)


def test_files_for_conformance_only(folder: Path) -> None:
    description = folder / "mine" / "language.toml"
    files = (
        '[[files]]\ntemplate = "t.j2"\npath = "driver/{file}/{message}.txt"\nper = "message"\nonly = "conformance"\n'
    )
    description.write_text(description.read_text().replace("[types", f"{files}\n[types", 1))
    language = languages.find("mine", [folder])
    model = load(MODELS / "plain.xml")
    ordinary = render([model], language)
    more = render([model], language, conformance=True)
    assert not any(path.startswith("driver/") for path in ordinary)
    assert {path for path in more if path not in ordinary} == {"driver/plain/hello.txt", "driver/plain/world.txt"}

    description.write_text(description.read_text().replace('"conformance"', '"fun"'))
    with pytest.raises(LanguageError, match=r"only in \[\[files\]\] can be conformance"):
        languages.find("mine", [folder])

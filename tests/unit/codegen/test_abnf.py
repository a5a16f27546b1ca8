"""ABNF: the checker, and that what is generated passes it."""

import pytest

from support.codecs import MODELS
from zlog_codegen import ModelError, abnf, languages, load, validate
from zlog_codegen.bundled import protocol_folder
from zlog_codegen.loader import parse_bytes
from zlog_codegen.render import render

ABNF = languages.find("abnf")

GOOD = [
    "a = b\nb = %x01\n",
    'a = "text" / %s"Text" / %i"text" / ""\n',
    "a = 1*2b *b 3b 2*b *4b [ b ] ( b / b b )\nb = OCTET\n",
    "a = %d13.10 / %b01 / %x41-5A / %x41.42.43\n",
    "a = b\n    / b   ; a comment\n    ; a line with nothing else\n    / ALPHA\nb = <prose>\n",
    "; a comment first\n\nA-1 = digit\na-1 =/ DIGIT\n",
    "a = b\r\nb = vchar\r\n",
]
BAD = [
    ("a = b\n", (1, "rule 'b' is not defined")),
    ("a = OCTET\nA = OCTET\n", (2, "rule 'A' is already defined in line 1")),
    ("a_b = OCTET\n", (1, "not a rule: 'a_b = OCTET'")),
    ("a = OCTET | OCTET\n", (1, "rule 'a': unexpected '| OCTET'")),
    ("a =\n", (1, "rule 'a': something is missing")),
    ("a = ( OCTET\n", (1, "rule 'a': ')' is missing")),
    ("a = [ OCTET )\n", (1, "rule 'a': ']' is missing")),
    ("a = OCTET )\n", (1, "rule 'a': unexpected ')'")),
    ("a = OCTET /\n", (1, "rule 'a': something is missing")),
    ("a = *\n", (1, "rule 'a': a repeat needs an element behind it")),
    ("a = 'x'\n", (1, "rule 'a': unexpected \"'\"")),
    ("a = %xGG\n", (1, "rule 'a': unexpected '%'")),
    ('a = "open\n', (1, "rule 'a': unexpected '\"'")),
    ("a = b\n    C:b\nb = OCTET\n", (2, "rule 'a': unexpected ':b'")),
    ("a = " + "(" * 51 + "OCTET" + ")" * 51 + "\n", (1, "rule 'a': too many brackets inside each other")),
    ("a = OCTET ; é\n", (1, "rule 'a': unexpected 'é'")),
]


@pytest.mark.parametrize("text", GOOD)
def test_good(text: str) -> None:
    assert abnf.check(text) == []


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_bad(text: str, problem: tuple[int, str]) -> None:
    assert problem in abnf.check(text)


@pytest.mark.parametrize(
    "path",
    [*sorted(MODELS.glob("*.xml")), *(protocol_folder() / name for name in ("zre_msg.xml", "zre_log_msg.xml"))],
    ids=lambda path: path.stem,
)
def test_generated_grammars_are_valid_and_complete(path: object) -> None:
    model = load(str(path))
    ((name, text),) = render([model], ABNF).items()
    assert name == f"{model.name}.abnf"
    assert abnf.check(text) == []
    assert text.isascii()
    grammar = abnf.parse(text)
    used = {reference.lower() for reference, _ in grammar.references}
    top = abnf.defined(abnf.normalized(model.grammar))[:1] or [next(iter(grammar.rules))]
    unused = set(grammar.rules) - used - set(top)
    assert unused <= {item.name.lower().replace("_", "-") for item in (*model.messages, *model.types)}


def test_composite_types_are_expressed_once() -> None:
    text = render([load(MODELS / "everything.xml")], ABNF)["everything.abnf"]
    assert text.count("\nperson          = ") == 1
    assert "\nclient          = person\n" in text
    assert "\nsupplier        = person\n" in text
    assert "\nperson          = person-forename person-born person-home person-notes\n" in text
    assert "\nperson-home     = place\n" in text


def test_the_models_grammar_is_used_in_valid_syntax() -> None:
    text = render([load(MODELS / "everything.xml")], ABNF)["everything.abnf"]
    assert "everything  = counting *( TEXTS / lumps )   ; names with_underscores | bars, as zproto has them" in text
    assert "counting    = NUMBERS / EXTREME-NUMBERS" in text


def test_without_a_grammar_any_order_is_allowed() -> None:
    text = render([load(MODELS / "feed.xml")], ABNF)["feed.abnf"]
    assert "\nfeed            = *( TICK / BOOK / HALT / NAMES-ONLY )\n" in text
    assert "\nBOOK            = %x07 topic fixed bids key page rest\n" in text
    assert "\nfixed           = %x02.01\n" in text


@pytest.mark.parametrize(
    ("grammar", "said"),
    [
        ("m = LOG / NOTHING", "grammar: rule 'NOTHING' is not defined"),
        ("m = LOG &amp; LOG", "grammar: rule 'm': unexpected '&"),
        ("log = LOG", "grammar: rule 'LOG' is already defined"),
    ],
)
def test_a_bad_grammar_is_refused(grammar: str, said: str) -> None:
    text = f'<class name = "m">\n<grammar>{grammar}</grammar>\n<message name = "LOG" /></class>'
    model = validate.check(parse_bytes(text.encode(), "m.xml"), "m.xml")
    with pytest.raises(ModelError) as caught:
        render([model], ABNF)
    assert f"m.xml:2: {said}" in str(caught.value)


def test_names_that_are_taken() -> None:
    text = """<class name = "log"><message name = "LOG">
        <field name = "log" type = "string" /><field name = "octet" type = "number" />
        <field name = "string" type = "chunk" /><field name = "v" type = "number" value = "1" /></message>
        <message name = "B"><field name = "v" type = "number" value = "2" /></message></class>"""
    model = validate.check(parse_bytes(text.encode(), "m.xml"), "m.xml")
    (result,) = render([model], ABNF).values()
    assert abnf.check(result) == []
    assert "\nLOG             = signature %x01 log-field octet-field string-field v\n" in result
    assert "\nB               = signature %x02 v-in-B\n" in result
    assert "\nv               = %x01\n" in result
    assert "\nv-in-B          = %x02\n" in result

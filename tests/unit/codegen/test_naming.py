"""Names of a model become identifiers."""

import pytest

from zlog_codegen import Model, ModelError, languages, naming, validate
from zlog_codegen.loader import parse_bytes
from zlog_codegen.render import render


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("LOG", ["log"]),
        ("PING-OK", ["ping", "ok"]),
        ("EVENT JOIN", ["event", "join"]),
        ("public key", ["public", "key"]),
        ("publicKey", ["public", "key"]),
        ("zre_log_msg", ["zre", "log", "msg"]),
        ("X-ZRELOG", ["x", "zrelog"]),
        ("IPAddress", ["ip", "address"]),
        ("IPv4", ["ipv4"]),
        ("ICANHAZ2", ["icanhaz2"]),
        ("a__b", ["a", "b"]),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert list(naming.words(name)) == words


def test_styles() -> None:
    assert {style: naming.STYLES[style]("Public key-ID") for style in naming.STYLES} == {
        "snake": "public_key_id",
        "camel": "publicKeyId",
        "pascal": "PublicKeyId",
        "mixedcaps": "PublicKeyID",
        "upper": "PUBLIC_KEY_ID",
        "kebab": "public-key-id",
        "flat": "publickeyid",
        "cobol": "PUBLIC-KEY-ID",
    }


def test_reserved_words_get_the_suffix() -> None:
    assert naming.identifier("class", "snake", {"class", "class_"}) == "class__"
    python = languages.find("python")
    assert python.identifier("class", "field") == "class_"
    assert python.identifier("encode", "field") == "encode_"
    assert python.identifier("MESSAGE", "message") == "Message_"
    assert python.identifier("VALUE ERROR", "message") == "ValueError_"
    assert python.identifier("UUID", "constant") == "UUID_"
    assert python.identifier("runtime", "file") == "runtime_"


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (
            '<message name = "PERSON" /><type name = "person"><field name = "x" type = "string" /></type>',
            "type person: in python its name is 'Person', and so is that of message PERSON; rename one of them",
        ),
        (
            '<message name = "A"><field name = "x" type = "string" /></message><define name = "A 1" value = "1" />'
            '<define name = "A1" value = "2" />',
            None,
        ),
    ],
)
def test_names_that_only_collide_in_a_language(inner: str, said: str | None) -> None:
    model = _model(inner)
    if said is None:
        render([model], languages.find("python"))
        return
    with pytest.raises(ModelError) as caught:
        render([model], languages.find("python"))
    assert said in str(caught.value)


def test_two_models_of_one_file_name() -> None:
    models = [_model('<message name = "A" />', "same_name"), _model('<message name = "A" />', "same-name")]
    with pytest.raises(ModelError, match=r"file same_name\.py is already written for model same_name"):
        render(models, languages.find("python"))


def _model(inner: str, name: str = "m") -> Model:
    return validate.check(parse_bytes(f'<class name = "{name}">{inner}</class>'.encode(), "m.xml"), "m.xml")

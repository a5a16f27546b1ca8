"""The parts of the conformance kit: reference, dumps, questions, vectors. How drivers are judged: test_conform.py."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from support.codecs import MODELS, Codec
from zlog_codegen.bundled import protocol_folder
from zlog_codegen.conformance import questions, reference, vectors
from zlog_codegen.conformance.dump import dump, parse
from zlog_codegen.conformance.protocol import Protocol
from zlog_codegen.conformance.questions import Question
from zlog_codegen.loader import load

PROTOCOL = protocol_folder()
VECTORS = Path(__file__).parents[3] / "protocol" / "vectors"
ALL = sorted([*PROTOCOL.glob("zre_*.xml"), *MODELS.glob("*.xml")])


@pytest.fixture(params=ALL, ids=lambda path: path.stem)
def spoken(request: pytest.FixtureRequest) -> Protocol:
    return Protocol(load(request.param))


def named(name: str) -> Protocol:
    (path,) = [path for path in ALL if path.stem == name]
    return Protocol(load(path))


def test_vectors_are_those_that_the_models_make(spoken: Protocol) -> None:
    """`zlog conform MODEL --write-vectors protocol/vectors` makes them anew."""
    for name, text in vectors.files([spoken]).items():
        assert (VECTORS / name).read_text(encoding="utf-8") == text


def test_each_vector_of_the_folder_belongs_to_a_model() -> None:
    models = {path.stem for path in ALL}
    found = [*VECTORS.glob("conformance_*.json"), *VECTORS.glob("refusals_*.json")]
    assert {path.stem.partition("_")[2] for path in found} == models
    assert len(found) == 2 * len(models)


def test_vectors_have_what_is_worth_a_case() -> None:
    cases = vectors.decoding(named("zre_log_msg"))
    names = {case["name"] for case in cases}
    assert len(names) == len(cases)
    assert {"LOG: empty", "LOG: data: 255 octets", "LOG: data: a zero", "unknown id 0", "LOG: octets behind"} <= names
    truncated = [case for case in cases if case["name"].startswith("LOG: truncated to ")]
    assert [len(case["frames"][0]) // 2 for case in truncated] == list(range(len(truncated)))
    reasons = {
        case["expect"]["error"][0] for case in vectors.decoding(named("everything")) if "error" in case["expect"]
    }
    assert reasons == {"signature", "id", "truncated", "value", "utf8", "frames"}


def test_vectors_from_files_ask_the_same_as_those_from_the_model(spoken: Protocol) -> None:
    made = [vectors.to_question(case, spoken) for case in vectors.decoding(spoken) + vectors.refusals(spoken)]
    read = vectors.read(VECTORS, [spoken])
    assert [(one.line, one.answer) for one in read] == [(one.line, one.answer) for one in made]
    one_file = vectors.read(VECTORS / f"conformance_{spoken.name}.json", [spoken])
    assert [one.line for one in one_file] == [one.line for one in made if one.line.startswith("decode")]


def test_expectations_of_vectors_hold_for_the_frames(spoken: Protocol) -> None:
    for question in vectors.read(VECTORS, [spoken]):
        what, _, rest = question.line.split(" ", 2)
        if what == "decode":
            assert questions.is_right(question, questions.meaning(spoken, questions.frames_of(rest)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"name": "x", "model": "plain"}]',
        '[{"name": "x", "model": "plain", "frames": ["g"], "expect": {}}]',
    ],
)
def test_what_is_no_list_of_vectors(tmp_path: Path, text: str) -> None:
    path = tmp_path / "conformance_plain.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not a list of vectors"):
        vectors.read(tmp_path, [named("plain")])


def test_tsv() -> None:
    cases = vectors.decoding(named("plain"))
    lines = vectors.to_tsv(cases).splitlines()
    assert len(lines) == len(cases)
    assert lines[0] == "plain\tHELLO: as in the model's tests\taaa001\tok HELLO -"
    assert "plain\tHELLO: truncated to 2 octets\taaa0\terror truncated 2 -" in lines


def test_example_values_are_the_test_values_of_the_model() -> None:
    everything = named("everything")
    texts = vectors.example(everything.by_name["TEXTS"])
    assert texts["many"] == [b"one", b"", "drei ß".encode()]
    assert texts["table"] == {b"key": b"value", b"empty": b""}
    blobs = vectors.example(everything.by_name["BLOBS"])
    assert (blobs["key"], blobs["remark"], blobs["content"]) == (b"abc", b"text, not hex", [b"\xde\xad"])
    assert vectors.example(everything.by_name["CLIENTS"])["client"]["forename"] == b"Ada"


# -- the dump


def test_dump() -> None:
    kind = named("everything").by_name["CLIENTS"]
    value = reference.empty_fields(kind.parts)
    value["client"] |= {"born": 7, "notes": [b"a", b""]}
    place = f"home=(street=;grid=0000;mark={'0' * 32};)"
    text = dump(value, kind.parts)
    assert text == (
        f"sequence=0;client=(forename=;born=7;{place};notes=[.61|.];);supplier=(forename=;born=0;{place};notes=[];);tail=0;"
    )
    assert parse(text, kind.parts) == value
    assert dump({}, named("plain").by_name["HELLO"].parts) == "-"
    with pytest.raises(ValueError, match="sequence is missing"):
        parse("x=1;", kind.parts)
    with pytest.raises(ValueError, match="unexpected"):
        parse(text + "more", kind.parts)


def test_dump_and_back(spoken: Protocol) -> None:
    for question in questions.fuzz([spoken], 5, 0, 200):
        if question.line.startswith("encode"):
            _, _, name, text = question.line.split(" ")
            parts = spoken.by_name[name].parts
            assert dump(parse(text, parts), parts) == text


# -- questions


def test_a_case_depends_on_its_number_and_the_seed_only(spoken: Protocol) -> None:
    lines = [one.line for one in questions.fuzz([spoken], 3, 0, 40)]
    assert [one.line for one in questions.fuzz([spoken], 3, 17, 3)] == lines[17:20]
    assert [one.line for one in questions.fuzz([spoken], 4, 0, 40)] != lines


def test_the_random_cases_have_all_kinds_of_answers() -> None:
    found: set[str] = set()
    for question in questions.fuzz([named("everything"), named("feed")], 1, 0, 3000):
        words = question.answer.split(" ")
        found.add(" ".join(words[:2]) if words[0] == "error" else words[0])
    reasons = ("signature", "id", "truncated", "value", "utf8", "frames")
    assert found == {"ok", "refused", *(f"error {reason}" for reason in reasons)}


def ask(line: str, answer: str) -> Question:
    spoken = named("everything")
    return Question(spoken, spoken.kinds[0], line, answer, "")


def test_what_is_right() -> None:
    error = ask("", "error truncated 3 NUMBERS")
    assert questions.is_right(error, "error truncated 3 NUMBERS")
    assert not questions.is_right(error, "error truncated 4 NUMBERS")
    refused = ask("", "refused client.home.publicKey")
    assert questions.is_right(refused, "refused Client.Home.public_key_")
    assert not questions.is_right(refused, "refused client.home")
    assert not questions.is_right(refused, "ok 00")
    assert not questions.is_right(refused, "")


def test_a_hash_may_be_encoded_in_any_order() -> None:
    kind = named("everything").by_name["TEXTS"]
    one, other = [
        questions.hexadecimal(reference.encode(kind, {**reference.empty_fields(kind.parts), "table": table}))
        for table in ({b"a": b"1", b"b": b"2"}, {b"b": b"2", b"a": b"1"})
    ]
    asked = ask("", f"ok {one}")
    assert one != other
    assert questions.is_right(asked, f"ok {other}")
    assert not questions.is_right(asked, f"ok {other}00")  # octets too many mean the same, and are wrong
    assert not questions.is_right(asked, f"ok {other},00")
    assert not questions.is_right(asked, "ok zz")
    assert not questions.is_right(asked, "ok aa")


# -- the reference against the codec that is used


def answer(codec: Codec, spoken: Protocol, frames: list[bytes]) -> Any:
    try:
        message = codec.module.decode(frames[0], frames[1:])
    except codec.module.DecodeError as error:
        return error.reason, error.offset, error.message
    return message.NAME, message.frames()


def test_reference_and_python_agree(codec: Codec) -> None:
    """Also what isn't worth a driver: fields one by one, in this process."""
    spoken = Protocol(codec.model)
    for number in range(300):
        for kind in spoken.kinds:
            asked = questions.ask(spoken, kind, Random(f"{number} {kind.name}"), "")
            if not asked.line.startswith("decode"):
                continue
            frames = questions.frames_of(asked.line.split(" ", 2)[2])
            expected: Any
            try:
                found, value = reference.decode(spoken, frames)
                (name,) = [
                    message.name for message in codec.model.messages if found.name == message.name.replace(" ", "_")
                ]
                expected = name, reference.encode(found, value)
            except reference.MalformedError as error:
                name = (
                    codec.model.messages[spoken.kinds.index(spoken.by_name[error.message])].name
                    if error.message
                    else None
                )
                expected = error.reason, error.offset, name
            assert answer(codec, spoken, frames) == expected


def test_vectors_of_the_readme() -> None:
    """What protocol/vectors/README.md says of the files is so."""
    cases = json.loads((VECTORS / "conformance_plain.json").read_text(encoding="utf-8"))
    assert all(case.keys() == {"name", "model", "frames", "expect"} for case in cases)
    assert {tuple(case["expect"]) for case in cases} == {("message", "dump"), ("error",)}
    refused = json.loads((VECTORS / "refusals_plain.json").read_text(encoding="utf-8"))
    assert all(case.keys() == {"name", "model", "message", "dump", "refused"} for case in refused)

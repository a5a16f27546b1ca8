"""What can be chosen in a language: `--option NAME=VALUE`."""

from dataclasses import replace
from pathlib import Path

import pytest

from zlog.cli import main
from zlog_codegen import languages, load
from zlog_codegen.errors import LanguageError, ModelError
from zlog_codegen.render import render

MODELS = Path(__file__).parent / "models"


def test_what_is_chosen_is_in_what_is_written(tmp_path: Path) -> None:
    model = str(MODELS / "plain.xml")
    options = ["--option", "package=a.b", "--option", "package=org.example.wire"]
    assert main(["codegen", model, "--lang", "java", "-o", str(tmp_path), *options]) == 0
    assert "\npackage org.example.wire;\n" in (tmp_path / "Plain.java").read_text(encoding="utf-8")
    assert main(["codegen", model, "--lang", "java", "-o", str(tmp_path), "--check", *options]) == 0
    assert main(["codegen", model, "--lang", "java", "-o", str(tmp_path), "--check"]) == 1


@pytest.mark.parametrize(
    ("language", "option", "problem"),
    [
        (
            "java",
            "package=1st",
            "option package: '1st' is not possible; use a name of a package, such as org.example.wire",
        ),
        ("java", "package=a;\nb", r"option package: 'a;\nb' is not possible"),
        ("java", "package=", "option package: '' is not possible"),
        ("java", "package", "option 'package' is not possible; write it as NAME=VALUE"),
        ("java", "packet=a", "option 'packet' is unknown to java; did you mean 'package'?"),
        ("python", "package=a", "option 'package' is unknown to python; there are no options here"),
    ],
)
def test_what_is_impossible(
    language: str, option: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["codegen", str(MODELS / "plain.xml"), "--lang", language, "-o", str(tmp_path), "--option", option]
    assert main(command) == 2
    assert problem in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("options = 3", "[options] must be a table"),
        ('[options]\nx = "a"', "[options.x] needs default, pattern and what"),
        ('[options.x]\ndefault = "a"\npattern = "b"\nwhat = ""', "default in [options.x] doesn't match the pattern"),
        ('[options.x]\ndefault = "a"\npattern = "("\nwhat = ""', "pattern in [options.x]: missing )"),
    ],
)
def test_a_language_that_describes_them_wrongly(table: str, problem: str, tmp_path: Path) -> None:
    rows = "".join(f"{row} = {{}}\n" for row in languages.ROWS)
    names = "".join(f'{kind} = "snake"\n' for kind in languages.KINDS)
    files = '[[files]]\ntemplate = "a.j2"\npath = "a"\nper = "run"\n'
    (tmp_path / "language.toml").write_text(
        f"{table}\n[names]\n{names}{files}[types]\n{rows}" if "=" in table.split("\n")[0] else
        f"[names]\n{names}{table}\n{files}[types]\n{rows}"
    )  # fmt: skip
    with pytest.raises(LanguageError) as error:
        languages.read(tmp_path / "language.toml")
    assert problem in str(error.value)


def test_the_default_without_a_choice() -> None:
    language = languages.find("java")
    assert language.options == {"package": "wire"}
    models = [load(MODELS / "plain.xml")]
    assert render(models, language) == render(models, languages.choose(language, []))
    assert render(models, language) != render(models, replace(language, options={"package": "other"}))


def test_models_of_a_run_that_meet_in_c_are_refused(tmp_path: Path) -> None:
    """C has no name spaces: model `zap` with message `record x`, model `zap-record` with message `x`."""
    for file, name, message in (("a.xml", "zap", "record x"), ("b.xml", "zap-record", "x")):
        (tmp_path / file).write_text(f'<class name="{name}"><message name="{message}"/></class>')
    models = [load(tmp_path / file) for file in ("a.xml", "b.xml")]
    for language in ("c", "cpp"):
        with pytest.raises(ModelError, match=r"zap_record_x.*message record x of model zap"):
            render(models, languages.find(language))
    assert render(models[:1], languages.find("c"))
    assert render(models, languages.find("rust"))

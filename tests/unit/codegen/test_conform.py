"""``zlog conform``: what it finds, says and returns, with drivers that have faults put in."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.codecs import MODELS
from zlog.cli import main
from zlog_codegen import languages
from zlog_codegen.conformance import drivers

EVERYTHING = str(MODELS / "everything.xml")
PLAIN = str(MODELS / "plain.xml")
DRIVER = "conformance_driver.py.j2"

Faulty = Callable[..., list[str]]
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def not_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def faulty(tmp_path: Path) -> Faulty:
    """`faulty("before", "after")`: the options for a language `faulty`, a Python whose driver is changed so."""

    def make(before: str = "", after: str = "", recipe: str = "", file: str = DRIVER) -> list[str]:
        folder = tmp_path / "languages" / "faulty"
        shutil.copytree(languages.BUNDLED / "python", folder)
        text = (folder / file).read_text()
        assert before in text
        (folder / file).write_text(text.replace(before, after, 1) if before else text)
        if recipe:
            (folder / drivers.DESCRIPTION).write_text(recipe)
        return ["conform", "--templates", str(tmp_path / "languages"), "--lang", "faulty"]

    return make


def test_all_is_well(capsys: Output) -> None:
    assert main(["conform", PLAIN, "--lang", "python", "--cases", "50"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["python"]
    assert [line.split()[:2] for line in out[1:3]] == [["plain", "HELLO"], ["plain", "WORLD"]]
    assert all(line.endswith(" ok") for line in out[1:3])
    assert out[-1] == f"{44 + 2} vectors and 50 cases of seed 1: python agreed"


def test_json(capsys: Output) -> None:
    assert main(["conform", PLAIN, "--lang", "python", "--cases", "50", "--seed", "9", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["seed"], found["cases"], found["vectors"], found["ok"]) == (9, 50, 46, True)
    python = found["languages"]["python"]
    assert (python["state"], python["asked"], python["wrong"], python["disagreements"]) == ("agrees", 96, 0, [])
    assert sum(count["asked"] for count in python["messages"]["plain"].values()) == 96


def test_a_wrong_answer_is_shown_small(faulty: Faulty, capsys: Output) -> None:
    """Numbers of 8 octets with a sign, as languages have that know no others."""
    options = faulty("lambda value, _: str(value)", "lambda value, _: str((value ^ 1 << 63) - (1 << 63))")
    assert main([*options, EVERYTHING, "--cases", "200"]) == 1
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith("everything NUMBERS")]
    assert row.endswith(" WRONG")
    assert "failed: faulty" in out
    shown = out[out.index("faulty disagrees") :].splitlines()
    asked, right, said = (line.split(maxsplit=1)[1] for line in shown[1:4])
    assert re.fullmatch("decode everything aaae0103(00){9}[89a-f][0-9a-f](00){7}", asked)
    assert re.match("ok NUMBERS sequence=0;tiny=0;small=0;medium=0;large=[0-9]+; ", right)
    assert "large=-" in said


def test_a_wrong_encoding_is_shown_small(faulty: Faulty, capsys: Output) -> None:
    options = faulty(
        'pairs = (pair.split(":") for pair',
        'pairs = (pair.split(":") for pair in ()) if "ff" in written else (pair.split(":") for pair',
    )
    assert main([*options, EVERYTHING, "--cases", "300", "--first", "0", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["languages"]["faulty"]
    assert found["state"] == "differs"
    smallest = min((one["question"] for one in found["disagreements"]), key=len)
    assert smallest.startswith("encode everything ")
    assert len(smallest) < 150


def test_a_wrong_error_is_a_disagreement(faulty: Faulty, capsys: Output) -> None:
    options = faulty("{error.reason} {error.offset}", "{error.reason} {min(error.offset, 2)}")
    assert main([*options, PLAIN, "--cases", "0"]) == 1
    out = capsys.readouterr().out
    assert "  right  error truncated 3 WORLD\n  said   error truncated 2 WORLD\n" in out


def test_a_case_can_be_repeated(faulty: Faulty, capsys: Output) -> None:
    options = faulty('return f"ok {name}', 'return f"ok {name.lower()}')
    assert main([*options, PLAIN, "--cases", "40", "--seed", "5", "--first", "0", "--json"]) == 1
    (one, *_) = json.loads(capsys.readouterr().out)["languages"]["faulty"]["disagreements"]
    words = one["origin"].split()
    assert (words[0], words[2:]) == ("case", ["of", "seed", "5"])
    assert main([*options, PLAIN, "--seed", "5", "--first", words[1], "--cases", "1", "--json"]) == 1
    again = json.loads(capsys.readouterr().out)["languages"]["faulty"]
    assert (again["asked"], again["wrong"]) == (1, 1)
    assert again["disagreements"][0] == one


@pytest.mark.parametrize("buffered", [True, False])
def test_the_question_that_stops_a_driver_is_found(faulty: Faulty, capsys: Output, buffered: bool) -> None:
    flush = "" if buffered else "sys.stdout.flush()\n    "
    crash = 'if frames.startswith("aaa00200"):\n        print("it hurts", file=sys.stderr)\n        os._exit(3)\n    '
    options = faulty(
        "codec = CODECS[model]\n    first", f"import os\n    {flush}{crash}codec = CODECS[model]\n    first"
    )
    assert main([*options, PLAIN, "--cases", "0", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["languages"]["faulty"]
    assert found["state"] == "failed"
    assert found["why"] == (
        'the driver ended with 3:\nit hurts\nat: decode plain aaa00200000000 (vector "WORLD: as in the model\'s tests")'
    )


def test_a_driver_that_answers_too_much(faulty: Faulty, capsys: Output) -> None:
    options = faulty("CODECS: dict[str, Any]", 'print("hello")\nCODECS: dict[str, Any]')
    assert main([*options, PLAIN, "--cases", "0"]) == 1
    assert "faulty: FAILED: the driver answered more than it was asked" in capsys.readouterr().out


def test_a_driver_that_stops(faulty: Faulty, capsys: Output) -> None:
    options = faulty("    for line in sys.stdin:", "    for line in list(sys.stdin)[:2]:")
    assert main([*options, PLAIN, "--cases", "0"]) == 1
    assert "faulty: FAILED: the driver stopped without an answer to: decode plain " in capsys.readouterr().out


def test_a_driver_that_fails_behind_all_answers(faulty: Faulty, capsys: Output) -> None:
    options = faulty(
        'if __name__ == "__main__":\n    main()', 'if __name__ == "__main__":\n    main()\n    sys.exit(4)'
    )
    assert main([*options, PLAIN, "--cases", "0"]) == 1
    assert "all was answered, but the driver ended with 4" in capsys.readouterr().out


def test_a_driver_that_finds_a_fault_itself(faulty: Faulty, capsys: Output) -> None:
    options = faulty("other.__class__ is not self.__class__", "True", file="runtime.py.j2")
    assert main([*options, PLAIN, "--cases", "0"]) == 1
    assert "  said   broken HELLO is another when it is encoded and decoded" in capsys.readouterr().out


RUN = '[run]\ncommand = ["{python}", "-P", "conformance_driver.py"]\n'


def test_a_driver_that_cannot_be_built(faulty: Faulty, capsys: Output) -> None:
    recipe = f'[build]\ncommands = [["{{python}}", "-c", "raise SystemExit(\'no such luck\')"]]\n{RUN}'
    assert main([*faulty(recipe=recipe), PLAIN]) == 1
    out = capsys.readouterr().out
    assert "faulty: FAILED: `" in out
    assert "failed with 1:\nno such luck" in out


@pytest.mark.parametrize(("named", "ci", "code"), [(False, False, 0), (True, False, 1), (False, True, 1)])
def test_a_missing_tool(
    faulty: Faulty, capsys: Output, monkeypatch: pytest.MonkeyPatch, named: bool, ci: bool, code: int
) -> None:
    options = faulty(recipe=f'[tools]\nno-such-tool = "apt install luck"\n{RUN}')
    for other in languages.available():
        monkeypatch.setattr(drivers, "takes_part", lambda language: language.name == "faulty")
        assert other != "faulty"
    if ci:
        monkeypatch.setenv("CI", "1")
    assert main([*(options if named else options[:-2]), PLAIN]) == code
    out = capsys.readouterr().out
    assert "faulty: left out: needs `no-such-tool`; apt install luck\n" in out
    assert ("failed: faulty" in out) == bool(code)


def test_tools_by_environment_variable(faulty: Faulty, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = '[tools]\nmy-python = "?"\n[run]\ncommand = ["my-python", "conformance_driver.py"]\n'
    options = [*faulty(recipe=recipe), PLAIN, "--cases", "5"]
    assert main(options) == 1
    monkeypatch.setenv("ZLOG_MY_PYTHON", f"{sys.executable} -P")
    assert main(options) == 0
    monkeypatch.setenv("ZLOG_MY_PYTHON", "/nowhere/python")
    capsys.readouterr()
    assert main(options) == 1
    assert "needs `/nowhere/python`, which ZLOG_MY_PYTHON names; ?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("recipe", "what"),
    [
        ("", "command in [run] must be a list of words"),
        ("[run]\ncommand = [1]", "command in [run] must be a list of words"),
        ('[run]\ncommand = "x"', "command in [run] must be a list of words"),
        (f'{RUN}[build]\ncommands = ["make"]', "each of commands in [build] must be a list of words"),
        (f'{RUN}[build]\ncommands = "make"', "commands in [build] must be a list of commands"),
        (f"{RUN}[tools]\nx = 1", "[tools] must have texts only"),
        (f"{RUN}[toolz]", "there can be tables tools, build, run, bench and env"),
        ("run = 1", "there can be tables"),
        ("[run", "conformance.toml: "),
    ],
)
def test_a_wrong_recipe(faulty: Faulty, capsys: Output, recipe: str, what: str) -> None:
    assert main([*faulty(recipe=recipe or "\n"), PLAIN]) == 1
    assert what in capsys.readouterr().out


def test_the_environment_of_a_driver(faulty: Faulty) -> None:
    recipe = f'{RUN}[env]\nGREETING = "hello"\n'
    options = faulty(
        "def main() -> None:", "import os\nassert os.environ['GREETING'] == 'hello'\n\n\ndef main() -> None:", recipe
    )
    assert main([*options, PLAIN, "--cases", "3"]) == 0


def test_nothing_is_built_twice(faulty: Faulty, tmp_path: Path) -> None:
    touch = "open('../count', 'a').write('x')"
    options = faulty(recipe=f'[build]\ncommands = [["{{python}}", "-c", "{touch}"]]\n{RUN}')
    for model, count in ((PLAIN, 1), (PLAIN, 1), (EVERYTHING, 2)):
        assert main([*options, model, "--cases", "3", "--work", str(tmp_path / "work")]) == 0
        assert (tmp_path / "work" / "count").read_text() == "x" * count


def test_vectors_from_files(tmp_path: Path, capsys: Output) -> None:
    assert main(["conform", PLAIN, "--write-vectors", str(tmp_path / "v"), "--write-tsv", str(tmp_path / "t")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert len((tmp_path / "t").read_text().splitlines()) == 44
    options = ["conform", PLAIN, "--lang", "python", "--cases", "0", "--vectors"]
    assert main([*options, str(tmp_path / "v")]) == 0
    assert "46 vectors and 0 cases" in capsys.readouterr().out
    path = tmp_path / "v" / "conformance_plain.json"
    path.write_text(path.read_text().replace("n=0;", "n=1;"))
    assert main([*options, str(path)]) == 1
    assert "right  ok WORLD n=1; aaa00200000001\n  said   ok WORLD n=0; aaa00200000000" in capsys.readouterr().out
    path.write_text("[1]")
    assert main([*options, str(path)]) == 2
    assert "not a list of vectors" in capsys.readouterr().err
    assert main([*options, str(tmp_path / "none.json")]) == 1


def test_a_model_with_an_error_is_refused(tmp_path: Path, capsys: Output) -> None:
    bad = MODELS.parent / "bad_models" / "unknown_type.xml"
    assert main(["conform", str(bad), "--lang", "python", "--json"]) == 2
    captured = capsys.readouterr()
    assert "is unknown" in json.loads(captured.out)["error"]
    assert "unknown_type.xml:" in captured.err


def test_wrong_usage(tmp_path: Path, capsys: Output) -> None:
    same = tmp_path / "same.xml"
    same.write_text('<class name = "plain"><message name = "X" /></class>')
    for arguments, what in (
        ([PLAIN, str(same)], "there is already a model plain"),
        ([PLAIN, "--lang", "abnf"], "language 'abnf' has no driver; these have one: "),
        ([PLAIN, "--lang", "cobol"], "language 'cobol' is unknown"),
    ):
        assert main(["conform", *arguments]) == 2
        assert what in capsys.readouterr().err
    for arguments in (["--cases", "-1"], ["--seed", "x"], ["--no-such-option"]):
        with pytest.raises(SystemExit) as ended:
            main(["conform", *arguments])
        assert ended.value.code == 2


def test_the_projects_own_models_without_any_named(capsys: Output) -> None:
    assert main(["conform", "--lang", "python", "--cases", "0"]) == 0
    out = capsys.readouterr().out
    assert "zre_log_msg LOG" in out
    assert "zre_msg HELLO" in out


def test_bench(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlog_codegen.conformance.bench.ITERATIONS", 100)
    assert main(["conform", PLAIN, "--lang", "python", "--bench"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[2].startswith("plain HELLO")
    assert "lines of generated code" in out
    assert main(["conform", PLAIN, "--lang", "python", "--bench", "--json"]) == 0
    python: Any = json.loads(capsys.readouterr().out)["python"]
    assert python["costs"]["plain WORLD"]["encode_ns"] > 0
    assert set(python["lines"]) == {"plain.py", "plain_socket.py", "runtime.py"}


def test_bench_of_a_driver_that_knows_no_bench(faulty: Faulty, capsys: Output) -> None:
    options = faulty('"bench": answer_bench', '"other": answer_bench')
    assert main([*options, PLAIN, "--bench"]) == 1
    assert "faulty: FAILED: the driver answered: bad KeyError('bench')" in capsys.readouterr().out


def test_help_teaches(capsys: Output) -> None:
    with pytest.raises(SystemExit):
        main(["conform", "--help"])
    out = capsys.readouterr().out
    assert "zlog conform my_protocol.xml --lang go" in out
    assert "Exit codes" in out


def test_as_a_process() -> None:
    command = [sys.executable, "-m", "zlog", "conform", PLAIN, "--lang", "python", "--cases", "5"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")

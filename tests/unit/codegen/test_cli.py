"""``zlog codegen``, and what holds for every command."""

import json
import os
from pathlib import Path

import pytest

import zlog
from support.codecs import MODELS
from zlog.cli import COMMANDS, main
from zlog_codegen import languages

BAD = MODELS.parent / "bad_models"
GOOD = str(MODELS / "everything.xml")
KNOWN = ", ".join(languages.available())
FILES = ["everything.py", "everything_socket.py", "runtime.py"]


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_writes_into_a_folder_that_it_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    assert main(["codegen", GOOD, "--lang", "python", "-o", str(out)]) == 0
    assert sorted(contents(out)) == FILES
    assert capsys.readouterr().out.splitlines() == [f"{out / name}: written" for name in FILES]
    assert (out / "runtime.py").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_same_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codegen", GOOD, "-o", str(tmp_path)]) == 0
    before = [(tmp_path / name).stat().st_mtime_ns for name in FILES]
    capsys.readouterr()
    assert main(["codegen", GOOD, "-o", str(tmp_path)]) == 0
    assert [(tmp_path / name).stat().st_mtime_ns for name in FILES] == before
    assert capsys.readouterr().out.count(": unchanged\n") == 3


def test_several_models_share_the_runtime(tmp_path: Path) -> None:
    assert main(["codegen", GOOD, str(MODELS / "feed.xml"), "zre_msg", "-o", str(tmp_path)]) == 0
    assert sorted(contents(tmp_path)) == sorted(
        [*FILES, "feed.py", "feed_socket.py", "zre_msg.py", "zre_msg_socket.py"]
    )


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["codegen", GOOD, "-o", str(tmp_path / "out"), "--check"]
    assert main(command) == 1
    assert capsys.readouterr().out.count(": missing\n") == 3
    assert not (tmp_path / "out").exists()

    main(command[:-1])
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().out.count(": unchanged\n") == 3

    edited = tmp_path / "out" / "everything.py"
    text = edited.read_text()
    edited.write_text(text.replace("class Numbers(", "class Nombers("))
    assert main(command) == 1
    out = capsys.readouterr().out
    assert f"{edited}: differs\n" in out
    assert "-class Nombers(Fields):\n+class Numbers(Fields):\n" in out
    assert "Nombers" in edited.read_text()

    edited.write_bytes(b"\xff\xfe not text\n" * 100)
    assert main(command) == 1
    assert len(capsys.readouterr().out.splitlines()) < 60


def test_abnf(tmp_path: Path) -> None:
    assert main(["codegen", GOOD, "--lang", "abnf", "-o", str(tmp_path)]) == 0
    assert sorted(contents(tmp_path)) == ["everything.abnf"]


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codegen", "--list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == list(languages.available())
    assert main(["codegen", "--list", "--json"]) == 0
    listed = list(json.loads(capsys.readouterr().out))
    assert listed == sorted(listed)
    assert {"abnf", "python", "c", "cpp", "csharp", "go", "java", "ruby", "rust", "typescript"} <= set(listed)


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["codegen", GOOD, "-o", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "language": "python",
        "check": False,
        "files": [{"path": str(tmp_path / name), "state": "written"} for name in FILES],
    }
    assert main(["codegen", str(BAD / "number_size.xml"), "-o", str(tmp_path), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    (problem,) = said["problems"]
    assert (problem["line"], problem["what"]) == (3, "size 3 is not possible")
    assert said["error"].endswith("size 3 is not possible; use 1, 2, 4 or 8")


def test_json_of_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for arguments, code, said in (
        (["codegen", "--json"], 2, "no model is given; name at least one XML file"),
        (["codegen", GOOD, "--json", "-o", "x", "-l", "no"], 2, f"language 'no' is unknown; there are: {KNOWN}"),
        (["codegen", GOOD, "--json", "-o", str(tmp_path / "file")], 1, "Not a directory"),
    ):
        assert main(arguments) == code
        result = json.loads(capsys.readouterr().out)
        assert list(result) == ["error"]
        assert result["error"].endswith(said)


def test_the_same_model_twice(tmp_path: Path) -> None:
    (tmp_path / "link.xml").symlink_to(GOOD)
    models = [GOOD, os.path.relpath(GOOD), str(tmp_path / "link.xml")]
    assert main(["codegen", *models, "-o", str(tmp_path / "out")]) == 0
    assert sorted(contents(tmp_path / "out")) == FILES


def test_links_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "real.py").write_text("old")
    (tmp_path / "out" / "runtime.py").symlink_to(tmp_path / "real.py")
    assert main(["codegen", GOOD, "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "runtime.py").is_symlink()
    assert "zlog codegen" in (tmp_path / "real.py").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "real.py"]


def test_many_problems_are_cut_and_cost_little(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    types = "".join(f'<type name = "type{n}"><field name = "x" type = "tipe{n}" /></type>' for n in range(3000))
    word = "x" * 100_000
    long = f'<message name = "A"><field name = "f" type = "{word}" {word} = "" /><{word} /></message>'
    path = tmp_path / "many.xml"
    path.write_text(f'<class name = "m">{long}{types}</class>')
    assert main(["codegen", str(path), "-o", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 101
    assert lines[-1].endswith("many.xml: checking stopped after 100 problems")
    assert max(map(len, lines)) < 600


def test_interrupted_during_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupt)
    assert main(["codegen", "--list"]) == 130


def test_a_bad_model_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    bad = [str(BAD / "many_problems.xml"), str(BAD / "not_closed.xml")]
    assert main(["codegen", GOOD, *bad, "-o", str(out)]) == 2
    assert not out.exists()
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 6
    assert all(line.startswith(f"zlog: {BAD}") for line in lines)


def test_nothing_is_left_when_writing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runtime.py").mkdir()  # in the way of a file
    assert main(["codegen", GOOD, "-o", str(tmp_path)]) == 1
    assert "runtime.py: Is a directory" in capsys.readouterr().err
    assert contents(tmp_path) == {}
    (tmp_path / "file").touch()
    assert main(["codegen", GOOD, "-o", str(tmp_path / "file")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["codegen"], "no model is given; name at least one XML file"),
        (["codegen", GOOD], "no output folder is given; add -o DIR"),
        (["codegen", GOOD, "-o", "x", "--lang", "cobol"], f"language 'cobol' is unknown; there are: {KNOWN}"),
        (["codegen", GOOD, "-o", "x", "--templates", "/nowhere"], "/nowhere: no such folder of templates"),
        (["codegen", "absent.xml", "-o", "x"], "absent.xml: can't be read: No such file or directory"),
    ],
)
def test_usage(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"zlog: {said}\n"
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "zlog: argument COMMAND: invalid choice: 'nonsense'"),
        (["codegen", "--nonsense"], "zlog: unrecognized arguments: --nonsense"),
        (["codegen", GOOD, "-o"], "zlog: argument -o/--output: expected one argument"),
        (["--nonsense"], "zlog: unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_arguments(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert len(err.splitlines()) == 1


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--version"], ["--help"], ["codegen", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert not caught.value.code
    out = capsys.readouterr().out
    assert out.startswith(f"zlog {zlog.__version__}\n")
    for name in COMMANDS:
        assert f"    {name} " in out
    assert "zlog codegen my_protocol.xml --lang abnf -o doc" in out
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().err


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("zlog.cli.codegen.run", interrupt)
    assert main(["codegen", "--list"]) == 130


def test_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr("zlog.cli.codegen.run", bug)
    monkeypatch.setenv("ZLOG_DEBUG", "1")
    with pytest.raises(RuntimeError, match="a bug"):
        main(["codegen", "--list"])

"""Every bad model is refused with all that is wrong with it: file, line, element, and what to do.

The models are data, `bad_models/*.xml`; what is expected stands at the end of each, in a comment.
"""

import re
from pathlib import Path

import pytest

from zlog_codegen import ModelError, Problem, load

FOLDER = Path(__file__).parent / "bad_models"
FILES = sorted(FOLDER.glob("*.xml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = re.search(r"<!-- expected\n(.*)\n-->", path.read_text(encoding="utf-8"), re.DOTALL)
    assert expected, "no expectation in the file"
    monkeypatch.chdir(FOLDER)  # so that problems name the file as people would
    with pytest.raises(ModelError) as caught:
        load(path.name)
    assert str(caught.value).splitlines() == expected[1].splitlines()
    assert all(problem.what and not problem.what.endswith(".") for problem in caught.value.problems)


def test_there_are_many() -> None:
    assert len(FILES) > 100


def test_problems_are_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ModelError) as caught:
        load("number_size.xml")
    assert caught.value.problems == (
        Problem(
            file="number_size.xml",
            line=3,
            element="field 'node' in message LOG",
            what="size 3 is not possible",
            hint="use 1, 2, 4 or 8",
        ),
    )


@pytest.mark.parametrize("name", ["absent.xml", ".", "a\0b.xml"])
def test_unreadable(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be read"):
        load(tmp_path / name)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    path.write_bytes(b"<class>" + b" " * (5 * 1024 * 1024) + b"</class>")
    with pytest.raises(ModelError, match="larger than"):
        load(path)


def test_too_many_includes(tmp_path: Path) -> None:
    (tmp_path / "license.xml").write_text("<license>x</license>")
    includes = '<include filename = "license.xml" />' * 101
    path = tmp_path / "many.xml"
    path.write_text(f'<class name = "many"><message name = "A" />{includes}</class>')
    with pytest.raises(ModelError, match="more than 100 files are included"):
        load(path)

"""What `codegen/README.md` shows is so: its model, its Python and its language are taken from there and run."""

import re
import sys
from pathlib import Path

import pytest

from support.codecs import import_from
from zlog.cli import main

README = Path(__file__).parents[3] / "codegen" / "README.md"
BLOCKS = re.findall(
    r"<!-- (file: (?P<file>\S+)|run) -->\n```\w+\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the README."""
    for _, name, text in BLOCKS:
        if name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python(folder: Path) -> None:
    assert main(["codegen", "weather.xml", "--lang", "python", "-o", "wire"]) == 0
    (folder / "wire" / "__init__.py").touch()
    import_from(folder / "wire", "wire", "weather")
    try:
        for _, name, text in BLOCKS:
            if not name:
                exec(compile(text, str(README), "exec"), {})
    finally:
        for name in [name for name in sys.modules if name == "wire" or name.startswith("wire.")]:
            del sys.modules[name]


def test_abnf(folder: Path) -> None:
    assert main(["codegen", "weather.xml", "--lang", "abnf", "-o", "doc"]) == 0
    assert (
        "READING         = signature %x01 version station time place values"
        in (folder / "doc/weather.abnf").read_text()
    )


def test_a_language_of_your_own(folder: Path) -> None:
    command = "codegen weather.xml --lang cdefines --templates languages -o include"
    assert main(command.split()) == 0
    assert (folder / "include" / "weather_defines.h").read_text() == (
        "/*  Generated from weather.xml by zlog codegen, do not edit.  */\n"
        "#ifndef WEATHER_DEFINES_H\n"
        "#define WEATHER_DEFINES_H\n"
        "\n"
        "#define WEATHER_VERSION 1\n"
        "#define WEATHER_READING 1\n"
        "/*  37 octets: version (constant) station time place.latitude place.longitude values (count),"
        " then values  */\n"
        "#define WEATHER_PICTURE 2\n"
        "/*  18 octets: version (constant) station name (length), then name  */\n"
        "\n"
        "#endif\n"
    )

"""Settings: arguments first, then the environment, then a file."""

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from zlog.config import Settings
from zlog.errors import SettingsError, ZlogError


def test_without_anything_there_are_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/robot/arm.py"])
    settings = Settings.read({}, {})
    assert (settings.name, settings.port, settings.floor, settings.collectors, settings.discover) == (
        "arm", 5670, None, (), True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["-c"], "python"),
        ([""], "python"),
        ([], "python"),
        (["/x/package/__main__.py"], "package"),
        (["a.b.py"], "a.b"),
    ],
)
def test_a_program_without_a_name_is_called_by_its_file(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], name: str
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert Settings.read({}, {}).name == name


def test_arguments_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "zlog.toml"
    file.write_text('[zlog]\nname = "file"\nport = 1\ninterface = "eth9"\ncollectors = ["tcp://a:1"]\n')
    environ = {"ZLOG_CONFIG": str(file), "ZLOG_NAME": "environment", "ZLOG_PORT": "2", "ZLOG_FLOOR": ""}
    settings = Settings.read({"name": "argument", "port": None}, environ)
    assert (settings.name, settings.port, settings.interface, settings.collectors) == (
        "argument", 2, "eth9", ("tcp://a:1",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("collectors", "tcp://a:1, tcp://[fe80::1]:2 tcp://a:1", ("tcp://a:1", "tcp://[fe80::1]:2")),
        ("floor", "debug", 5),
        ("floor", "10", 10),
        ("floor", "none", None),
        ("journal_bytes", "16M", 16 << 20),
        ("journal_bytes", "65536", 65536),
        ("journal_bytes", "1 GiB", 1 << 30),
        ("journal", "/var/log/journal", "/var/log/journal"),
        ("journal_dir_bytes", "2G", 2 << 30),
        ("journal_age_s", "90", 90.0),
        ("journal_age_s", "12h", 43_200.0),
        ("journal_age_s", "7d", 604_800.0),
        ("discover", "no", False),
        ("discover", "1", True),
        ("allow_hosts", "10.0.0.1,10.0.0.2", ("10.0.0.1", "10.0.0.2")),
        ("exit_timeout_s", "0.5", 0.5),
    ],
)
def test_texts_become_values(name: str, text: str, value: Any) -> None:
    variable = f"ZLOG_{name.upper().removesuffix('_S')}"
    assert getattr(Settings.read({}, {variable: text}), name) == value
    assert getattr(Settings.read({name: text}, {}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("collectors", "a:1"),
        ("collectors", "tcp://*:1"),
        ("collectors", "tcp://a:0"),
        ("collectors", "tcp://a:65536"),
        ("floor", "loud"),
        ("journal_bytes", "1"),
        ("journal_bytes", "much"),
        ("journal_dir_bytes", "1"),
        ("journal_age_s", "0"),
        ("journal_age_s", "1 week"),
        ("port", "0"),
        ("port", "x"),
        ("discover", "maybe"),
        ("exit_timeout_s", "-1"),
        ("exit_timeout_s", "long"),
        ("name", "x" * 256),
        ("colour", "red"),
    ],
)
def test_what_is_not_possible_is_refused_with_its_place(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({name: value}, {})
    assert name in str(refused.value) or value in str(refused.value)
    assert isinstance(refused.value, ZlogError)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["[zlog]\ncolour = 1\n", "zlog = 3\n", "not toml", "[zlog]\nport = 0\n"])
def test_a_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "zlog.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"zlog\.toml"):
        Settings.read({}, {"ZLOG_CONFIG": str(file)})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ZLOG_CONFIG"):
        Settings.read({}, {"ZLOG_CONFIG": str(tmp_path / "none.toml")})


def test_settings_can_be_handed_on() -> None:
    settings = Settings.read({"name": "boss", "collectors": "tcp://a:1"}, {})
    assert pickle.loads(pickle.dumps(settings)) == settings

"""All codecs against the reference, as ``zlog conform`` does it, with fewer cases than CI has besides."""

import json
import os
from pathlib import Path

import pytest

from languages import setup
from languages.conftest import MODELS
from support.tools import unavailable
from zlog.cli import main
from zlog_codegen import languages
from zlog_codegen.conformance import drivers

DRIVEN = [name for name, language in languages.available().items() if drivers.takes_part(language)]
#: Where CI has built all drivers already: `zlog conform --work`.
BUILT = setup.BUILD / "conform"
TSC = setup.BUILD / "typescript" / "node_modules" / ".bin" / "tsc"


@pytest.mark.parametrize("name", DRIVEN)
def test_answers_are_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if TSC.exists():
        monkeypatch.setenv("ZLOG_TSC", os.environ.get("ZLOG_TSC", str(TSC)))
    work = str(BUILT if BUILT.is_dir() else tmp_path)
    code = main(["conform", *map(str, MODELS), "--lang", name, "--cases", "500", "--work", work, "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert "error" not in answer, answer["error"]
    found = answer["languages"][name]
    if found["state"] == "missing":
        unavailable(name, found["why"])
    assert (found["state"], found.get("why", ""), found["disagreements"]) == ("agrees", "", [])
    assert code == 0
    assert found["asked"] > 5000


def test_who_takes_part() -> None:
    assert {"c", "cpp", "csharp", "go", "java", "php", "python", "ruby", "rust", "typescript"} <= set(DRIVEN)

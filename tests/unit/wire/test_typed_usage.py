"""The file of typed usage: `mypy --strict` is content with it, and it does what it says."""

import importlib.util
import runpy
from pathlib import Path

from support.tools import unavailable

USAGE = Path(__file__).with_name("typed_usage.py")
CONFIGURATION = Path(__file__).parents[3] / "pyproject.toml"


def test_it_runs() -> None:
    usage = runpy.run_path(str(USAGE))
    frames = usage["build"]()
    assert usage["describe"](frames[0]) == "4 Good morning"
    assert usage["describe"](frames[1]) == "not a message: frame: signature at offset 0"
    assert usage["kinds"]()[3] == "BATCH"


def test_it_checks() -> None:
    if importlib.util.find_spec("mypy") is None:
        unavailable("needs mypy", "install it: pip install 'zmq-zre-log[test]'")
    from mypy import api

    out, err, code = api.run(["--config-file", str(CONFIGURATION), "--strict", "--no-incremental", str(USAGE)])
    assert code == 0, out + err

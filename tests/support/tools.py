"""Programs that some tests need and not every machine has."""

import os
import shutil
from typing import NoReturn

import pytest


def in_ci() -> bool:
    return bool(os.environ.get("CI"))


def unavailable(what: str, remedy: str) -> NoReturn:
    """The test can't run here: skipped on a user's machine, failed in CI, where nothing may be missing."""
    message = f"{what}; {remedy}"
    if in_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require_tool(name: str, install: str) -> str:
    """The path of program `name`; without it the test is skipped with what to install, or fails in CI."""
    path = shutil.which(name)
    if path is None:
        unavailable(f"needs `{name}`", f"install it: {install}")
    return path

"""Runs pytest on deliberately wrong tests, in a child process with the same safety net."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


@pytest.fixture
def inner_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """`inner_pytest(source, *arguments)`: the result of running a test module under the plugin of this suite."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv("ZLOG_TEST_NETWORK", "auto")

    def run(source: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        return pytester.run(
            sys.executable, "-m", "pytest", "-p", "support.plugin", "-p", "no:cacheprovider", "-W", "error", *arguments
        )

    return run

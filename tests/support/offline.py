"""Where the process can't be isolated: tests that need no network run, and get none."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest


@contextlib.contextmanager
def no_network() -> Iterator[None]:
    """Inside, sockets of Python's and of libzmq can't be made, nor processes that would have them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", _refuse)
        patch.setattr("subprocess.Popen", _refuse)
        patch.setattr("zmq.Context.socket", _refuse)
        yield


def _refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
    pytest.fail("this test isn't isolated from the network: it must do without sockets and child processes")

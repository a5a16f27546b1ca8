"""The agent that a process has by default: `zlog.start`, `zlog.flush`, `zlog.shutdown`, `zlog.attach`."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import pyre

from zlog import handler
from zlog.agent.agent import Agent
from zlog.config import Settings
from zlog.report import Once

__all__ = ["attach", "current", "flush", "settings", "shutdown", "start"]

_lock = threading.RLock()
_agent: Agent | None = None
_once: Final = Once("the agent of this process", logging.getLogger("zlog.agent"))


def start(
    settings: Settings | None = None,
    *,
    name: str | None = None,
    floor: str | int | None = None,
    collectors: Sequence[str] | str | None = None,
    interface: str | None = None,
    port: int | None = None,
    discover: bool | None = None,
    journal_bytes: int | str | None = None,
    journal: str | os.PathLike[str] | None = None,
    journal_dir_bytes: int | str | None = None,
    journal_age_s: float | str | None = None,
    allow_hosts: Sequence[str] | str | None = None,
    exit_timeout_s: float | None = None,
    node: pyre.Pyre | None = None,
) -> Agent:
    """Start the agent of this process; a second call returns the one that runs, and a warning names what it was given
    that differs.

    It isn't needed: the first record that reaches a `zlog.Handler` starts the agent, set up by the environment. Call it
    to say more, and to be found before the first record.

    Args:
        settings: all settings at once, as `zlog.settings` gave them in another process.
        node: the application's own Pyre node, see `attach`.

    The others are those of `zlog.config.Settings`; what isn't given is read from the environment.

    Raises:
        SettingsError: a value isn't possible.
    """
    global _agent
    with _lock:
        options = {
            "name": name,
            "floor": floor,
            "collectors": collectors,
            "interface": interface,
            "port": port,
            "discover": discover,
            "journal_bytes": journal_bytes,
            "journal": journal,
            "journal_dir_bytes": journal_dir_bytes,
            "journal_age_s": journal_age_s,
            "allow_hosts": allow_hosts,
            "exit_timeout_s": exit_timeout_s,
        }
        if _agent is not None:
            _tell_what_differs(_agent, settings, options, node)
            return _agent
        _agent = Agent(settings if settings is not None else Settings.read(options), node)
        handler.adopt(_agent)
        return _agent.start()


def _tell_what_differs(
    agent: Agent, settings: Settings | None, options: Mapping[str, Any], node: pyre.Pyre | None
) -> None:
    """The agent runs already: what it was set up with stays. Raises SettingsError."""
    if settings is not None:
        given, wanted = [each.name for each in fields(Settings)], settings
    else:
        given, wanted = [name for name, value in options.items() if value is not None], Settings.read(options, {})
    ignored = [name for name in given if getattr(wanted, name) != getattr(agent.settings, name)]
    if node is not None and node.uuid() != agent.uuid:
        ignored.append("node")
    if ignored:
        what = ", ".join(ignored)
        _once.warn(what, "runs already, with other settings; ignored: %s (zlog.shutdown ends it first)", what)


def attach(node: pyre.Pyre, **options: Any) -> Agent:
    """Let the agent of this process use the application's own Pyre node, ours or a published one.

    It joins the group ``ZYRE-LOGNODE``, links to the collectors that the node sees, and logs the node's ENTER, EXIT,
    JOIN and LEAVE (as INFO) and SEND and RECV (as DEBUG), each with the UUID of the peer. A published node is seen only
    as the application reads its events.

    Args:
        node: started or not.
        options: those of `start`.

    Raises:
        RuntimeError: the agent of this process runs already, with a node of its own.
    """
    with _lock:
        if _agent is not None and _agent.uuid != node.uuid():
            raise RuntimeError("the agent of this process runs already; attach the node before the first record")
        return start(node=node, **options)


def current() -> Agent | None:
    """The agent of this process; None if there is none."""
    return _agent


def settings() -> Settings:
    """The settings of this process's agent, or what they would be: picklable, for `start` in a process it spawns.

    Raises:
        SettingsError: a variable of the environment has a value that isn't possible.
    """
    return _agent.settings if _agent is not None else Settings.read()


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until every durable collector that is linked has committed what was logged so far; return whether it has.

    What a program logged before a collector came is not that collector's, unless it asked for it.

    True as well when nothing was ever logged. False, at once, when no collector is there, or none that stores records.
    """
    agent = _agent
    return True if agent is None else agent.flush(timeout_s)


def shutdown(timeout_s: float = 3.0) -> bool:
    """Deliver what there is, as far as the time allows, and end the agent; return whether all is delivered.

    It isn't needed: the end of the program does the same. A later `start` begins a new run.
    """
    global _agent
    with _lock:
        agent, _agent = _agent, None
    if agent is None:
        return True
    delivered = agent.stop(timeout_s)
    handler.release(agent)
    return delivered


def _in_child() -> None:
    """Another thread of the parent may have held it."""
    global _lock
    _lock = threading.RLock()


handler.provide(lambda **options: start(**options))
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

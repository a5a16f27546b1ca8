"""Options that commands share, and their help."""

import argparse
import io
import subprocess
import sys

import pytest

from zlog.cli import COMMANDS, common, main
from zlog.cli.send import _field
from zlog.cli.tail import prefix_of
from zlog.errors import CommandError

OURS = ["demo", "tail", "collect", "query", "send", "run", "status"]


@pytest.mark.parametrize("command", OURS)
def test_help_teaches(command: str, capsys) -> None:
    assert command in COMMANDS
    with pytest.raises(SystemExit) as raised:
        main([command, "--help"])
    assert raised.value.code == 0
    out = capsys.readouterr().out
    assert "examples:\n  zlog " in out
    assert "exit code: " in out
    assert "--json" in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize("command", OURS)
def test_all_take_the_network_options(command: str) -> None:
    module = __import__(f"zlog.cli.{command}", fromlist=["add_arguments"])
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    more = ["sqlite:x"] if command in ("collect", "query") else []
    args = parser.parse_args(
        ["-i", "lo", "--port", "7777", "--collector", "tcp://a:1", "--collector", "tcp://[::1]:2", "--json", *more]
    )
    assert (args.interface, args.port, args.json) == ("lo", 7777, True)
    assert args.collector == ["tcp://a:1", "tcp://[::1]:2"]


@pytest.mark.parametrize("command", OURS)
def test_a_command_starts_light(command: str) -> None:
    code = f"import sys; from zlog.cli import main\ntry: main([{command!r}, '--help'])\nexcept SystemExit: pass\n"
    code += "print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"zmq", "jinja2", "msgspec", "asyncio", "pyre", "sqlite3", "http.server"}


@pytest.mark.parametrize("command", ["collect", "tail", "status"])
def test_a_collector_says_what_to_do_without_beacons(command: str, capsys) -> None:
    more = ["sqlite:x"] if command == "collect" else []
    assert main([command, *more, "--collector", "tcp://10.0.0.7:5672"]) == 2
    err = capsys.readouterr().err
    assert "is a collector itself" in err
    assert "--bind tcp://*:PORT" in err
    assert "ZLOG_COLLECTORS=" in err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["tail", "--port", "0"], "'0' is no port from 1 to 65535"),
        (["tail", "--port", "99999"], "is no port"),
        (["send", "--collector", "host:5"], "write tcp://host:port"),
        (["send", "--collector", "tcp://*:5", "x"], "is no address of a collector"),
        (["send", "--timeout", "soon", "x"], "is no length of time"),
        (["send", "-f", "novalue", "x"], "write KEY=VALUE"),
        (["send", "-f", "a:={", "x"], "is no JSON"),
        (["collect", "sqlite:x", "--for", "-3"], "is no length of time"),
        (["collect"], "required: STORE"),
        (["demo", "--seconds", "0"], "0 is no number above 0"),
        (["tail", "--color", "maybe"], "invalid choice"),
    ],
)
def test_wrong_arguments(arguments: list[str], problem: str, capsys) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    err = capsys.readouterr().err
    assert problem in err
    assert len(err.splitlines()) == 1


def test_a_wrong_environment(monkeypatch, capsys) -> None:
    monkeypatch.setenv("ZLOG_PORT", "many")
    assert main(["tail"]) == 2
    assert capsys.readouterr().err == "zlog: ZLOG_PORT: 'many' is no port from 1 to 65535\n"
    assert main(["send", "x"]) == 1
    assert capsys.readouterr().err.startswith("zlog: ZLOG_PORT: 'many' is no number")


def test_run_needs_a_command(capsys) -> None:
    for arguments in (["run"], ["run", "--"], ["run", "--name", "x", "--"]):
        assert main(arguments) == 2
        assert "no command is given" in capsys.readouterr().err


def test_a_bug_is_one_line(monkeypatch, capsys) -> None:
    monkeypatch.setattr("zlog.cli.query.run", lambda args: {}["what\nis this"])
    assert main(["query", "sqlite:x"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("zlog: KeyError: ")
    assert len(err.splitlines()) == 1
    monkeypatch.setenv("ZLOG_DEBUG", "1")
    with pytest.raises(KeyError):
        main(["query", "sqlite:x"])


def test_fields() -> None:
    assert _field("a=1") == ("a", "1")
    assert _field("a=b=c") == ("a", "b=c")
    assert _field("a=") == ("a", "")
    assert _field("a:=1.5") == ("a", 1.5)
    assert _field('a:={"b": [null]}') == ("a", {"b": [None]})


@pytest.mark.parametrize(
    ("glob", "prefix"),
    [
        (None, ""),
        ("arm", "arm"),
        ("arm.joint", "arm.joint"),
        ("arm.*", "arm"),
        ("arm*", ""),
        ("*", ""),
        ("a[bc].*", ""),
    ],
)
def test_the_logger_that_nodes_are_asked_for(glob: str | None, prefix: str) -> None:
    assert prefix_of(glob) == prefix


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colors(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert common.is_colored("auto", Terminal())
    assert not common.is_colored("auto", io.StringIO())
    assert common.is_colored("always", io.StringIO())
    assert not common.is_colored("never", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not common.is_colored("auto", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not common.is_colored("auto", Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    assert common.is_colored("auto", Terminal())


def test_stores_that_are_none(capsys) -> None:
    with pytest.raises(CommandError) as raised, common.open_stores(["x:y"], read_only=True):
        pass
    assert raised.value.code == 2

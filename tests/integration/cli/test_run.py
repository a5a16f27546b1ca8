"""`zlog run`: the output passes through, the lines are logged, code and signals are kept."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from .conftest import ZLOG, stored

PYTHON = [sys.executable, "-u", "-c"]


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:{tmp_path}/log.db"


def lines(url: str, stream: str) -> list[str]:
    return [record.text for record in stored(url) if record.attributes["log.iostream"] == stream]


def test_output_passes_and_is_logged(collecting, done, url) -> None:
    collector = collecting(url)
    code = "import sys; print('out 1\\n\\nout 3'); print('err 1\\nerr 2', file=sys.stderr); sys.exit(7)"
    ran = done("run", "--name", "job", "--", *PYTHON, code)
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "out 1\n\nout 3\n", "err 1\nerr 2\n")
    assert collector.terminate() == 0
    assert lines(url, "stdout") == ["out 1", "", "out 3"]
    assert lines(url, "stderr") == ["err 1", "err 2"]
    found = {(record.attributes["log.iostream"], record.severity, record.name, record.logger) for record in stored(url)}
    assert found == {("stdout", 9, "job", "job"), ("stderr", 13, "job", "job")}


def test_octets_pass_as_they_are(collecting, environment, url) -> None:
    collector = collecting(url)
    octets = bytes(range(256)) * 4 + b"x" * 300_000 + b"\r\n\xff\n\nno end"
    code = f"import sys; sys.stdout.buffer.write(bytes(range(256)) * 4 + b'x' * 300_000 + {octets[-11:]!r})"
    ran = subprocess.run([*ZLOG, "run", "--", *PYTHON, code], env=environment, capture_output=True, check=True)
    assert (ran.stdout, ran.stderr) == (octets, b"")
    assert collector.terminate() == 0
    found = stored(url)
    assert len(found) == len(octets.split(b"\n"))
    assert [record.text for record in found][-3:] == ["\\xff", "", "no end"]
    assert found[-4].attributes["zlog.truncated"]
    assert 60_000 < len(found[-4].text) <= 65_536


def test_without_a_collector(done) -> None:
    ran = done("run", "--json", "--", "sh", "-c", "echo out; echo err >&2")
    assert (ran.returncode, ran.stdout) == (0, "out\n")
    err, summary = ran.stderr.splitlines()
    assert err == "err"
    assert json.loads(summary) == {"exit": 0, "lines": 2, "delivered": False}


def test_output_comes_at_once_and_stdin_is_the_commands(command) -> None:
    ran = command("run", "--", "cat")
    ran.send("one")
    ran.expect("^one$")
    ran.send("two")
    ran.expect("^two$")
    ran.process.stdin.close()
    assert ran.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_signals_are_passed_on_and_kept(command, number) -> None:
    ran = command(
        "run", "--", *PYTHON, "import signal, time; signal.signal(2, signal.SIG_DFL); print('up'); time.sleep(99)"
    )
    ran.expect("up")
    ran.process.send_signal(number)
    assert ran.wait() == -number


def test_a_signal_that_the_command_handles(command) -> None:
    code = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(5))\nprint('up')\nsignal.pause()"
    ran = command("run", "--", *PYTHON, code)
    ran.expect("up")
    assert ran.terminate() == 5


def test_ctrl_c_on_a_terminal_reaches_the_command_once(environment) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(2, lambda *_: print('caught', flush=True))\n"
        "print('up', flush=True)\n"
        "for line in sys.stdin: print('read', line, flush=True)\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [*ZLOG, "run", "--", *PYTHON, code], environment)
    seen = b""

    def until(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            seen += os.read(terminal, 1000)

    until(b"up")
    os.write(terminal, b"\x03")
    until(b"caught")
    os.write(terminal, b"word\n")
    until(b"read word")
    os.write(terminal, b"\x04")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert seen.count(b"caught") == 1


@pytest.mark.parametrize("left_behind", ["sleep 99 &", "yes &"])
def test_a_child_that_keeps_the_pipe_open_holds_nothing_up(done, left_behind) -> None:
    ran = done("run", "--json", "--", "sh", "-c", f"echo before; {left_behind} echo $! >&2; exit 3", errors="replace")
    pid = int(ran.stderr.splitlines()[0])
    try:
        assert ran.returncode == 3
        assert ran.stdout.startswith("before\n")
    finally:
        with contextlib.suppress(ProcessLookupError):  # it had to end when nobody read any more
            os.kill(pid, signal.SIGKILL)


def test_a_reader_that_leaves_ends_the_command(environment) -> None:
    line = " ".join([*ZLOG, "run", "--", "yes"])
    ran = subprocess.run(
        ["bash", "-c", f"{line} | head -2; echo ${{PIPESTATUS[0]}}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.splitlines() == ["y", "y", str(128 + signal.SIGPIPE)]
    assert ran.stderr == ""


@pytest.mark.parametrize(("argv", "code"), [(["/no/such/command"], 127), (["/etc/passwd"], 126), (["/"], 126)])
def test_what_cannot_be_run(done, argv, code) -> None:
    ran = done("run", "--", *argv)
    assert ran.returncode == code
    assert ran.stderr.startswith(f"zlog: {argv[0]}: ")
    assert len(ran.stderr.splitlines()) == 1


def test_a_flood_is_stored_whole(collecting, done, url) -> None:
    collector = collecting(url)
    ran = done("run", "--json", "--", "seq", "1", "200000", timeout=120)
    assert ran.stdout == "".join(f"{number}\n" for number in range(1, 200_001))
    assert json.loads(ran.stderr) == {"exit": 0, "lines": 200_000, "delivered": True}
    assert collector.terminate() == 0
    assert lines(url, "stdout") == ran.stdout.split()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [(["--", "echo", "--", "-x"], "-- -x"), (["echo", "--json"], "--json"), (["--name", "n", "echo", "a"], "a")],
)
def test_what_belongs_to_the_command(done, arguments, shown) -> None:
    assert done("run", *arguments).stdout == f"{shown}\n"


def test_a_real_tool(collecting, done, url, tmp_path) -> None:
    collector = collecting(url)
    ran = done("run", "--name", "pip", "--", sys.executable, "-m", "pip", "config", "debug", cwd=tmp_path)
    assert ran.returncode == 0
    assert len(ran.stdout.splitlines()) > 5
    assert collector.terminate() == 0
    assert lines(url, "stdout") == ran.stdout.splitlines()
    assert lines(url, "stderr") == ran.stderr.splitlines()

"""`zlog send`: exit 0 says that it is safe."""

import json
import subprocess
import sys

import pytest

from .conftest import stored, texts


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:{tmp_path}/log.db"


def test_a_text(collecting, done, url) -> None:
    collector = collecting(url)
    sent = done("send", "-l", "error", "--logger", "backup", "-f", "volume=/home", "-f", "free:=1024", "no", "space")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "", "")
    (record,) = stored(url)  # it is there now, not later
    assert (record.text, record.severity, record.logger, record.name) == ("no space", 17, "backup", "send")
    assert record.attributes == {"volume": "/home", "free": 1024}
    assert collector.terminate() == 0


def test_lines(collecting, done, url) -> None:
    collector = collecting(url)
    text = "".join(f"line {number} ☃\n" for number in range(30_000)) + "\nlast \udcff"
    sent = done("send", "--json", "--name", "seq", input=text, errors="surrogateescape")
    assert json.loads(sent.stdout) == {"records": 30_002, "delivered": "committed"}
    assert sent.returncode == 0
    assert texts(url) == [f"line {number} ☃" for number in range(30_000)] + ["", "last \\xff"]
    assert collector.terminate() == 0


def test_a_viewer_is_enough_if_there_is_no_store(viewer, done) -> None:
    tail = viewer("--json")
    sent = done("send", "--json", "--timeout", "20", "hello")
    assert (sent.returncode, json.loads(sent.stdout)) == (0, {"records": 1, "delivered": "received"})
    tail.expect('"hello"')
    assert tail.terminate() == 0


def test_nobody_is_there(done) -> None:
    sent = done("send", "--timeout", "0.5", "hello")
    assert (sent.returncode, sent.stdout) == (3, "")
    assert sent.stderr.startswith("zlog: no collector was found within 0.5 s; is there one (zlog status)")
    sent = done("send", "--json", "--timeout", "0.2", "hello")
    assert json.loads(sent.stdout) == {"records": 0, "delivered": "nobody"}


def test_no_lines_are_no_problem(done) -> None:
    assert done("send", stdin=subprocess.DEVNULL).returncode == 0


def test_it_waits_for_a_collector(command, collecting, url) -> None:
    sent = command("send", "--timeout", "30", "early")
    collector = collecting(url)
    assert sent.wait() == 0
    assert texts(url) == ["early"]
    assert collector.terminate() == 0


def test_a_viewer_does_not_stand_for_a_store(viewer, collecting, done, url) -> None:
    tail, collector = viewer("--json"), collecting(url)
    for number in range(5):
        sent = done("send", "--json", f"text {number}")
        assert json.loads(sent.stdout) == {"records": 1, "delivered": "committed"}
        tail.expect(f'"text {number}"')
        assert texts(url)[-1] == f"text {number}"
    assert collector.terminate() == 0
    assert tail.terminate() == 0


def test_lines_go_as_they_come(command, viewer) -> None:
    tail = viewer("--json")
    sent = command("send", "--timeout", "20")
    sent.send("first")
    tail.expect('"first"', timeout_s=20)
    sent.send("second")
    tail.expect('"second"')
    sent.process.stdin.close()
    assert sent.wait() == 0
    assert tail.terminate() == 0


def test_closed_streams_are_no_bug(environment) -> None:
    for line in ("send --timeout 0.2 x >&-", "send <&-", "run -- echo x >&-", "status --timeout 0 2>&-", "--help >&-"):
        command = f"{sys.executable} -m zlog {line}"
        ran = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode in (0, 3), line
        assert "Traceback" not in ran.stderr
        assert "bug" not in ran.stderr

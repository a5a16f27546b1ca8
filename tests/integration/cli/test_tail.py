"""`zlog tail`: shows what comes, in order, and ends in order."""

import json
import os
import signal
import subprocess

import pytest

from zlog.record import Stored

from .conftest import ZLOG


@pytest.fixture
def there(done, wait_until):
    """Waits until nodes serve so many collectors."""

    def wait(count: int) -> None:
        def served() -> bool:
            picture = json.loads(done("status", "--json").stdout)
            nodes = picture["nodes"]
            return bool(nodes) and all(sum(link["live"] for link in node["links"]) == count for node in nodes)

        wait_until(served, 30)

    return wait


def test_lines_as_they_come(viewer, talker, there) -> None:
    web = talker("web")
    tail = viewer(stderr=subprocess.PIPE)
    there(1)
    web.send("info 3")
    web.send("debug 1")
    web.send("error 1")
    for number in (0, 1, 2):
        tail.expect(
            rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}} INFO   web +talk\.web +line {number}  number={number}$"
        )
    tail.expect(r" ERROR  web .* line 4  number=4$")
    tail.process.send_signal(signal.SIGINT)
    assert tail.wait() == 0
    assert len(tail.lines.all) == 4
    assert tail.process.stderr.read() == ""
    tail.process.stderr.close()


def test_history_first(viewer, talker) -> None:
    web, api = talker("web"), talker("api")
    for program in (web, api):
        program.send("info 20")
        program.expect("logged 20")
    tail = viewer("--json", "-n", "25")
    tail.expect(lambda line: '"line 19"' in line and '"web"' in line)
    tail.expect(lambda line: '"line 19"' in line and '"api"' in line)
    web.send("info 1")
    tail.expect('"line 20"')
    assert tail.terminate() == 0
    records = [Stored.from_json(line) for line in tail.lines.all]
    assert len(records) == 26
    times = [record.time_ns for record in records]
    assert times == sorted(times)


def test_since_start_with_filters(viewer, talker) -> None:
    web, api = talker("web"), talker("api")
    for program in (web, api):
        program.send("info 20")
        program.send("warn 4")
        program.expect("logged 24")
    tail = viewer("--json", "--since", "start", "--node", "w*", "-l", "warn", "--grep", "[02]$")
    tail.expect('"line 20"')
    tail.expect('"line 22"')
    assert tail.terminate() == 0
    assert [Stored.from_json(line).text for line in tail.lines.all] == ["line 20", "line 22"]


def test_debug_comes_and_goes(viewer, talker, there) -> None:
    web = talker("web")
    tail = viewer("-l", "debug", "--logger", "talk.*")
    there(1)
    web.send("debug 2")
    tail.expect("DEBUG  web .* line 0")
    tail.expect("DEBUG  web .* line 1")
    assert tail.terminate() == 0
    there(0)
    web.send("debug 3")
    web.expect("logged 5")
    again = viewer("-l", "debug", "--since", "start")
    web.send("info 1")
    again.expect("INFO   web .* line 5")
    assert again.terminate() == 0
    assert not any("line 3" in line for line in again.lines.all)


def test_many_records_are_in_order(viewer, talker, there) -> None:
    web = talker("web")
    tail = viewer("--json")
    there(1)
    for level in ("info", "warn", "info", "error", "info"):
        web.send(f"{level} 1000")
    web.expect("logged 5000")
    tail.expect('"line 4999"', timeout_s=30)
    assert tail.terminate() == 0
    records = [Stored.from_json(line) for line in tail.lines.all]
    assert [record.text for record in records] == [f"line {number}" for number in range(5000)]


def test_whoever_reads_it_leaves(environment, talker) -> None:
    web = talker("web")
    web.send("info 100")
    web.expect("logged 100")
    line = " ".join([*ZLOG, "tail", "--since", "start", "--json"])
    done = subprocess.run(
        ["bash", "-c", f"{line} | head -3; echo ${{PIPESTATUS[0]}}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *records, code = done.stdout.splitlines()
    assert len(records) == 3
    assert (code, done.stderr) == ("1", "")


def test_ctrl_c_ends_it_though_nobody_reads(command, talker, there) -> None:
    web = talker("web")
    reader, writer = os.pipe()
    tail = command("tail", stdout=writer)
    os.close(writer)
    there(1)
    web.send("info 5000")
    web.expect("logged 5000")
    there(1)
    tail.process.send_signal(signal.SIGINT)
    assert tail.wait() == 0
    os.close(reader)


def test_a_port_that_is_taken(done, environment) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", int(environment["ZLOG_PORT"])))
        result = done("tail")
    assert result.returncode == 1
    assert result.stderr.startswith("zlog: tail can't start with UDP port ")
    assert len(result.stderr.splitlines()) == 1

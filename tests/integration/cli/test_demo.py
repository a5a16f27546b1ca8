"""`zlog demo`: nothing missing, with figures that SQL confirms."""

import json
import signal
from pathlib import Path

from .conftest import last_object, texts


def test_the_last_line_has_the_figures(done, tmp_path, sql) -> None:
    result = done("demo", "--seconds", "1", "--json", "--keep", tmp_path, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.db"]
    *records, last = result.stdout.splitlines()
    summary = json.loads(last)
    assert summary["nodes"] >= 5
    assert summary["missing"] == summary["lost"] == 0
    assert summary["sent"] == summary["stored"] == len(records)
    assert sum(node["sent"] for node in summary["by_node"]) == summary["sent"]
    assert sql(tmp_path / "demo.db", "SELECT count(*) FROM records") == [(summary["stored"],)]
    assert summary["store"] == f"sqlite:{tmp_path}/demo.db"
    assert {node["name"] for node in summary["by_node"]} >= {"web", "primes", "compileall", "worker-1", "worker-2"}
    assert sorted(json.loads(line)["text"] for line in records) == sorted(texts(summary["store"]))


def test_ctrl_c_ends_it_in_order(command) -> None:
    demo = command("demo", "--seconds", "600", "--json")
    demo.expect('"web.access"', timeout_s=60)
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0
    summary = last_object(demo)
    assert summary["missing"] == 0
    assert summary["sent"] == summary["stored"] > 0


def test_its_programs_end_with_it_however_it_ends(command, wait_until) -> None:
    demo = command("demo", "--seconds", "600", "--json")
    demo.expect('"web.access"', timeout_s=60)
    programs = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
    assert programs
    demo.kill()
    wait_until(lambda: not any(Path(f"/proc/{program}").exists() for program in programs), timeout_s=30)


def test_where_the_loopback_is_down(network, environment) -> None:
    host = network(hosts=0).add_host(plugged=False)
    host.ip_commands("link set lo down")
    from .conftest import ZLOG

    result = host.run([*ZLOG, "demo", "--seconds", "0.5"], env=environment, timeout_s=120)
    assert "all of it is stored" in result.stdout
    assert result.stderr == ""


def test_another_interface_is_refused(done) -> None:
    result = done("demo", "-i", "eth0")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("zlog: the demo uses the loopback interface only")

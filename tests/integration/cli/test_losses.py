"""What is lost has a name, in the store and in what commands say."""

import json
import signal
import sys

from .conftest import stored

#: Logs much more than the sockets between two processes take, and says how much.
PROGRAM = """
import logging, os, sys, zlog
agent = zlog.start(name="chatty", journal_bytes=128 << 20)
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler(agent)])
agent.wait_link(20)
print("linked", flush=True)
sys.stdin.readline()
for number in range(20_000):
    logging.info("%d %s", number, os.urandom(1_500).hex())
zlog.flush(3)  # in vain; meanwhile it says how far it is
print("logged", flush=True)
sys.stdin.readline()
"""


def test_what_a_killed_node_had_in_memory_only(start, environment, done, collecting, tmp_path) -> None:
    """The collector is held up, so that the node can't send all it has logged; but how much that is, it has said."""
    url = f"sqlite:{tmp_path}/log.db"
    collector = collecting(url, f"jsonl:{tmp_path}/log.jsonl")
    node = start([sys.executable, "-u", "-c", PROGRAM], env=environment)
    node.expect("linked", timeout_s=30)
    collector.expect('"joined"', timeout_s=30)
    collector.process.send_signal(signal.SIGSTOP)
    node.send("")
    node.expect("logged", timeout_s=60)
    node.kill()
    collector.process.send_signal(signal.SIGCONT)
    collector.expect('"left"', timeout_s=60)
    assert collector.terminate() == 0

    status = json.loads(done("status", url, "--json").stdout)
    records = stored(url)
    missing = sum(span["count"] for span in status["missing"])
    assert status["nodes"] == []
    assert status["missing_more"] == 0
    assert 0 < missing <= 20_000 - len(records)
    assert {(span["name"], span["cause"], span["range"]) for span in status["missing"]} == {("chatty", "gap", 9)}
    numbers = {int(record.text.split()[0]) + 1 for record in records}
    gaps = {number for span in status["missing"] for number in range(span["start"], span["stop"])}
    assert not numbers & gaps
    assert numbers | gaps == set(range(1, len(numbers) + len(gaps) + 1))
    for each in (url, f"jsonl:{tmp_path}/log.jsonl"):
        lines = [json.loads(line)["lost"] for line in done("query", each, "--losses", "--json").stdout.splitlines()]
        assert sum(loss["stop"] - loss["start"] for loss in lines) == missing
        assert {loss["cause"] for loss in lines} == {255}
    assert f"missing: {missing:,} INFO of chatty@" in done("status", url).stdout

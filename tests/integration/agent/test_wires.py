"""The sockets of a link: how they find out that a collector's host is gone."""

from collections.abc import Callable
from pathlib import Path

from zlog import start
from zlog.agent.process import shutdown
from zlog.collector import Collector


def connections(port: int) -> list[tuple[str, str]]:
    """State and timer of this host's TCP connections to a port, as /proc/net/tcp has them."""
    rows = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]]
    return [(row[3], row[5].partition(":")[0]) for row in rows if int(row[2].rpartition(":")[2], 16) == port]


def test_the_kernel_watches_links(collect: Callable[..., Collector], wait_until: Callable[..., None]) -> None:
    """Keep-alive, and no heartbeats of ZeroMQ: those abort collectors (protocol, section 5.1)."""
    collector = collect("memory:", discover=False, bind="tcp://127.0.0.1:*")
    assert collector.sync
    try:
        agent = start(discover=False, collectors=collector.sync, name="app")
        assert agent.wait_link(20)
        established, keep_alive = "01", "02"
        for endpoint in (collector.sync, collector.live):
            port = int(endpoint.rpartition(":")[2])
            wait_until(
                lambda port=port: connections(port) == [(established, keep_alive)], 20, "a keep-alive timer runs"
            )
    finally:
        shutdown()

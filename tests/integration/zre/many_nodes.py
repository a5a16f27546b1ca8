"""So many nodes in one process, on the loopback, until all have met: `many_nodes.py COUNT PORT`. Prints JSON lines."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time

import zmq

from zlog.zre import Pyre, PyreEvent


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def main(count: int, port: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Pyre("the first", interface="lo", port=port) as first:
        pass  # what a process has once, whatever the number of nodes, is made now
    first.close()
    before = {"descriptors": descriptors(), "threads": threading.active_count()}
    began, cpu = time.monotonic(), time.process_time()
    nodes = [Pyre(f"node {number}", interface="lo", port=port) for number in range(count)]
    poller = zmq.Poller()
    met: dict[zmq.Socket, set[str]] = {}
    for node in nodes:
        node.start()
        met[node.socket()] = set()
        poller.register(node.socket(), zmq.POLLIN)
    by_socket = {node.socket(): node for node in nodes}
    exits = 0
    while any(len(names) < count - 1 for names in met.values()):
        for sock, _ in poller.poll():
            event = PyreEvent(by_socket[sock])
            if event.type == "ENTER":
                met[sock].add(event.peer_name)
            exits += event.type == "EXIT"
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    names = {node.name() for node in nodes}
    complete = all(met[node.socket()] == names - {node.name()} for node in nodes)
    report = {"seconds": round(seconds, 2), "cpu_s": round(cpu, 2), "descriptors": descriptors(), "exits": exits,
              "complete": complete, "peers": sorted({len(node.peers()) for node in nodes})}  # fmt: skip
    print(json.dumps(report), flush=True)
    for node in nodes:
        node.close()
    deadline = time.monotonic() + 10
    while descriptors() > before["descriptors"] and time.monotonic() < deadline:
        time.sleep(0.01)  # libzmq gives them back in a thread of its own
    after = {"descriptors": descriptors(), "threads": threading.active_count()}
    print(json.dumps({"before": before, "after": after}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

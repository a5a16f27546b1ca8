"""What a collector takes, by itself: nodes are made by hand, and send frames that were made before.

    python tests/bench/bench_collector.py [--rounds N] [--records N] [--nodes N] [--links N] [--seconds S] [--json]

Run it where it can't disturb anybody: `unshare -n`, with `lo` up. Collector and nodes are processes of their own.

- **records/s** is from the first frame to the last COMMIT, or for what isn't durable, until all has come; **per core**
  is records by seconds of CPU time of the collector's process, libzmq's thread included.
- **received only** is a viewer that nobody reads: frames are kept as they are, and dropped when they are too many.
- **raw store** is the same parts written by `Store.write` in the same sizes, without a network, in the same rounds;
  **of the raw store** is what a whole collector reaches of that, by time and by CPU time.
- **idle** has so many nodes that are linked and say STATUS once a second, as the protocol asks.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import zmq

from support.nodes import EPOCH, FakeNode
from zlog.collector import Collector
from zlog.collector.stores import Part, open_store
from zlog.record import Record, encode
from zlog.wire import body, zre_log_msg
from zlog.wire.rows import Rows

PART = 256


def make_frames(node: uuid.UUID, count: int) -> list[bytes]:
    """BATCH frames as an agent makes them: 256 records of 100 octets of text with four attributes."""
    frames = []
    for start in range(1, count + 1, PART):
        codec, octets = body.pack([encode(record) for record in make_records(start)])
        batch = zre_log_msg.Batch(
            severity=9,
            node=node,
            epoch=EPOCH,
            sequence=start,
            count=PART,
            codec=codec,
            host="rover-2",
            name="arm",
            pid=4711,
            body=octets,
        )
        frames.append(batch.encode())
    return frames


def make_records(start: int) -> list[Record]:
    return [
        Record(
            ordinal=number,
            time_ns=EPOCH + number * 1000,
            severity=9,
            logger="arm.joint",
            text=f"request of 10.0.0.7 for /api/v1/joints/{number:06d}/positions answered: ".ljust(100, "x"),
            attributes={
                "code.file.path": "/srv/robot/arm/joint.py",
                "code.line.number": number % 20,
                "code.function.name": "move",
                "thread.name": "MainThread",
            },
        )
        for number in range(start, start + PART)
    ]


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def collect(url: str, pipe: Any, count: int, cores: int) -> None:
    """The collector's process: tells its endpoint, then what it took."""
    if cores:
        os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:cores]))
    stores = [url] if url else []
    collector = Collector(*stores, bind="tcp://127.0.0.1", discover=False).start()
    pipe.send(collector.sync)
    pipe.recv()
    before, started = cpu_s(), time.perf_counter()
    while sum(r.stored for n in collector.status().nodes for r in n.ranges.values()) < count:
        time.sleep(0.02)  # not `wait_until`: it looks whenever something has changed
    pipe.send((time.perf_counter() - started, cpu_s() - before))
    pipe.recv()
    assert collector.status().discarded == {}
    collector.stop()
    status = Path("/proc/self/status").read_text()  # ru_maxrss is the parent's too
    pipe.send(int(status.partition("VmHWM:")[2].split()[0]))


def stream(url: str, records: int, nodes: int, cores: int) -> dict[str, float]:
    """Send so many records of so many nodes to a collector."""
    each = records // nodes // PART * PART
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=collect, args=(url, theirs, each * nodes, cores))
    process.start()
    sync = ours.recv()
    context = zmq.Context()
    made = [FakeNode(context, sync) for _ in range(nodes)]
    frames = [make_frames(node.uuid, each) for node in made]
    for node in made:
        node.meet(age=0)
        node.go_live()
    ours.send(None)
    started = time.perf_counter()
    for turn in zip(*frames, strict=True):
        for node, frame in zip(made, turn, strict=True):
            node.send_live(frame, 120)
    seconds, cpu = ours.recv()
    seconds = time.perf_counter() - started
    ours.send(None)
    memory = ours.recv()
    process.join()
    for node in made:
        node.close()
    context.term()
    return {"per_s": each * nodes / seconds, "per_core": each * nodes / cpu, "rss_mb": memory / 1024}


def raw(url: str, records: int, nodes: int) -> dict[str, float]:
    """What the store does with the same frames, in the same order."""
    made = [uuid.UUID(int=number) for number in range(nodes)]
    frames = [make_frames(node, records // nodes // PART * PART) for node in made]
    batches = [
        (node, zre_log_msg.decode(frame))
        for turn in zip(*frames, strict=True)
        for node, frame in zip(made, turn, strict=False)
    ]
    with open_store(url) as store:
        started, cpu = time.perf_counter(), time.process_time()
        for at in range(0, len(batches), 32):
            some = batches[at : at + 32]
            store.write([Part(node.bytes, EPOCH, 9, b.sequence, Rows(b), "h", "n", 1, 1) for node, b in some])
        return {
            "per_s": len(batches) * PART / (time.perf_counter() - started),
            "per_core": len(batches) * PART / (time.process_time() - cpu),
        }


def idle_collector(pipe: Any, count: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        collector = Collector(f"sqlite:{folder}/log.db", bind="tcp://127.0.0.1", discover=False).start()
        pipe.send(collector.sync)
        assert collector.wait_until(lambda status: sum(n.connected for n in status.nodes) == count, 120)
        pipe.recv()
        before = cpu_s()
        time.sleep(seconds)
        pipe.send((cpu_s() - before) / seconds * 100)
        pipe.recv()
        collector.stop()


def idle(count: int, seconds: float) -> float:
    """CPU of a collector with so many nodes, in percent of a core."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=idle_collector, args=(theirs, count, seconds))
    process.start()
    sync = ours.recv()
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4 * count)
    nodes = [FakeNode(context, sync) for _ in range(count)]
    for node in nodes:
        node.offer(age=10**18)
    for node in nodes:
        node.meet_answer()
        node.go_live(60)
    due = time.perf_counter()
    end = due + 2 + seconds + 1
    asked = False
    while time.perf_counter() < end:
        for node in nodes:  # evenly over the second
            node.status()
            due += 1 / count
            if (left := due - time.perf_counter()) > 0:
                time.sleep(left)
        if not asked and time.perf_counter() > end - seconds - 1:
            asked = True
            ours.send(None)
    used = float(ours.recv())
    ours.send(None)
    process.join()
    for node in nodes:
        node.close()
    context.term()
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=512_000)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--links", type=int, default=1_000, help="0: leave it out")
    parser.add_argument("--seconds", type=float, default=10, help="of being idle")
    parser.add_argument("--cores", type=int, default=0, help="that the collector may use; 0 for all")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    rows: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for name, url in (
                ("sqlite:", f"sqlite:{folder}/{number}.db"),
                ("journal:", f"journal:{folder}/{number}.journal"),
                ("jsonl:", f"jsonl:{folder}/{number}.jsonl"),
                ("memory:", "memory:"),
                ("received only", ""),
            ):
                rows.setdefault(name, []).append(stream(url, options.records, options.nodes, options.cores))
            for name, url in (
                ("sqlite:", f"sqlite:{folder}/{number}-raw.db"),
                ("journal:", f"journal:{folder}/{number}-raw.journal"),
                ("jsonl:", f"jsonl:{folder}/{number}-raw.jsonl"),
            ):
                rows.setdefault(f"raw store, {name}", []).append(raw(url, options.records, options.nodes))
    found: dict[str, Any] = {
        name: {key: round(statistics.median(one[key] for one in many)) for key in many[0]}
        for name, many in rows.items()
    }
    for name, many in rows.items():
        if raws := rows.get(f"raw store, {name}"):
            found[name]["of_raw"] = round(
                statistics.median(a["per_s"] / b["per_s"] for a, b in zip(many, raws, strict=True)), 2
            )
            found[name]["of_raw_per_core"] = round(
                statistics.median(a["per_core"] / b["per_core"] for a, b in zip(many, raws, strict=True)), 2
            )
    if options.links:
        found["idle_percent"] = round(idle(options.links, options.seconds), 2)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{options.records:,} records of {options.nodes} nodes, {options.rounds} rounds\n")
    print("| into | records/s | per core | MB at most | of the raw store | per core |\n|---|---|---|---|---|---|")
    for name in rows:
        row = found[name]
        ratios = f"{row.get('of_raw', '')} | {row.get('of_raw_per_core', '')}"
        print(f"| {name} | {row['per_s']:,} | {row['per_core']:,} | {row.get('rss_mb', '')} | {ratios} |")
    if options.links:
        print(f"\nidle with {options.links:,} nodes: {found['idle_percent']} % of a core")


if __name__ == "__main__":
    main()

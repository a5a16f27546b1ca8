"""What was before, what comes, and what is lost, as one list: a mill that is collected for a while, works on without a
collector, has more to say than its journal holds, is killed, and is started again. Then somebody looks: `zlog tail`.

python examples/history.py lo 5         # network interface, or - for the default one; seconds to look at what comes
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import zlog


def mill() -> None:
    """Fills a sack for each line that it reads, and one each second as long as none comes."""
    zlog.start(name="mill")
    logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
    asked = threading.Semaphore(0)
    threading.Thread(target=lambda: [asked.release() for _ in sys.stdin], daemon=True).start()
    number = 0
    while True:
        asked.acquire(timeout=1.0)
        number += 1
        logging.getLogger("mill.sacks").warning("sack %d is full", number, extra={"weighed": os.urandom(2_000).hex()})


def start(count: int) -> "subprocess.Popen[str]":
    """A mill that fills so many sacks at once."""
    process = subprocess.Popen([sys.executable, __file__, "mill"], stdin=subprocess.PIPE, text=True)
    fill(process, count)
    return process


def fill(process: "subprocess.Popen[str]", count: int) -> None:
    assert process.stdin is not None
    process.stdin.write("\n" * count)
    process.stdin.flush()


def main(interface: str, seconds: float, folder: str) -> None:
    store, journal = f"sqlite:{folder}/log.db", f"{folder}/journal"
    os.environ |= {"ZLOG_JOURNAL": journal, "ZLOG_JOURNAL_BYTES": "64K", "ZLOG_JOURNAL_DIR_BYTES": "64K"}
    if interface != "-":
        os.environ["ZLOG_INTERFACE"] = interface
    with zlog.Collector(store, since="start") as collector:
        first = start(5)
        collector.wait_until(lambda status: sum(each.records for each in status.stores) >= 5, 30)
    fill(first, 60)  # nobody collects: the oldest of these go from the journal
    with zlog.open_store(f"journal:{journal}").open(read_only=True) as left:
        while not any(record.text == "sack 65 is full" for record in left.query()):
            time.sleep(0.1)
    first.kill()
    first.wait()
    second = start(0)
    command = [sys.executable, "-m", "zlog", "tail", "--since", "start", store, f"journal:{journal}"]
    tail = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(seconds, tail.send_signal, [signal.SIGINT])
    assert tail.stdout is not None
    for line in tail.stdout:
        print(line.rstrip()[:110], flush=True)
        if timer.ident is None:
            timer.start()
    second.kill()
    second.wait()


if __name__ == "__main__":
    if sys.argv[1] == "mill":
        mill()
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(sys.argv[1], float(sys.argv[2]), folder)

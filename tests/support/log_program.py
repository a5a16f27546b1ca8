"""A program that logs at a random rhythm and counts exactly: `log_program.py '{"folder": …}'`, see `support.counts`.

Options, as JSON in its one argument; all but `counts` have a default:

- `counts`: folder for the counts.
- `name`, `interface`, `port`, `collectors`, `discover`, `journal`, `journal_bytes`, `journal_dir_bytes`,
  `exit_timeout_s`: of `zlog.start`.
- `rate`: records per second, on average; 0 for as fast as it goes. They come in bursts.
- `records`: end the logging after so many. `seconds`: after so long. Without both: when told to.
- `ranges`: first severities of the ranges it draws from, with their weights: `{"9": 8, "17": 1}`.
- `size`: octets of filling in each text, at most.
- `seed`: of all that it draws.
- `forks`: make a child each so many seconds, which logs for a while as a run of its own, and ends in order.

Lines it prints: `ready UUID EPOCH`, `linked`, `sent JSON` (finished calls by range, when the logging ends), `flushed
JSON`, `ended`. Lines it reads: `stop` (logging), `flush SECONDS`, `end`. The end of stdin is `end`; so is SIGTERM.

A text is ``RANGE n filling``: the n-th record of its range. As this thread alone logs, n is the record's sequence.
"""

import json
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # for `support`

import zlog
from support.counts import LEVELS, Counter

FORKED_S = 1.0
START = ("name", "interface", "port", "collectors", "discover", "journal", "journal_bytes", "journal_dir_bytes")


def say(*words: object) -> None:
    """A line on stdout, without a lock that a forked child could find taken."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Program:
    """One process: the parent, or a child that it made."""

    def __init__(self, options: dict, child: int = 0) -> None:
        self.options = options
        self.agent = zlog.start(
            exit_timeout_s=options.get("exit_timeout_s"),
            **{name: options.get(name) for name in START},
        )
        run = self.agent.uuid.hex, self.agent.epoch
        self.counter = Counter(options["counts"], run, bool(options.get("journal")))
        self.rng = random.Random(f"{options.get('seed', 0)} {child}")
        weights = {int(range_): weight for range_, weight in options.get("ranges", {"9": 1}).items()}
        self.ranges, self.weights = list(weights), list(weights.values())
        self.filling = "." * options.get("size", 40)
        self.log = logging.getLogger("soak")
        self.log.setLevel(logging.DEBUG)
        self.stopped = threading.Event()
        self.asked = threading.Event()
        self.children: list[int] = []
        if not child:  # a thread sets the events: a handler might interrupt whoever holds their locks
            told, tell = os.pipe()
            signal.signal(signal.SIGTERM, lambda *_: os.write(tell, b"x"))
            threading.Thread(target=lambda: os.read(told, 1) and self.end(), daemon=True).start()
        say("ready", *run)

    def log_all(self, seconds: float | None, records: int | None) -> None:
        """Log until told to stop, or so long, or so many."""
        began = now = time.monotonic()
        rate, every = self.options.get("rate", 100), self.options.get("forks", 0)
        fork_at = began + every * self.rng.uniform(0.5, 1.5)
        logged = 0
        while not self.stopped.is_set() and (records is None or logged < records):
            now = time.monotonic()
            if seconds is not None and now >= began + seconds:
                break
            if every and now >= fork_at:
                fork_at = now + every * self.rng.uniform(0.5, 1.5)
                self.fork()
            burst = self.rng.randint(1, 20) if rate else 500
            if records is not None:
                burst = min(burst, records - logged)
            for _ in range(burst):
                self.one()
            logged += burst
            if rate:
                self.stopped.wait(self.rng.uniform(0, 2) * burst / rate)
            self.reap()

    def one(self) -> None:
        """One record."""
        (range_,) = self.rng.choices(self.ranges, self.weights)
        number = self.counter.begin(range_)
        self.log.log(LEVELS[range_], "%d %d %s", range_, number, self.filling[: self.rng.randint(0, len(self.filling))])
        self.counter.finish(range_, number)

    def fork(self) -> None:
        """A child that logs as a run of its own. It ends as a program does."""
        number = self.rng.randrange(1 << 30)
        pid = os.fork()
        if pid:
            self.children.append(pid)
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        child = Program(self.options | {"forks": 0}, number)
        child.log_all(FORKED_S, None)
        if zlog.shutdown(30):
            child.counter.whole()
        os._exit(0)

    def reap(self, wait: bool = False) -> None:
        """Children that have ended. One that ended badly is told of."""
        for pid in list(self.children):
            found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
            if found:
                self.children.remove(pid)
                if code := os.waitstatus_to_exitcode(status):
                    os.write(2, f"the child {pid} ended with {code}\n".encode())

    def obey(self) -> None:
        """Do what stdin says, until its end."""
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            if word == "stop":
                self.stopped.set()
            elif word == "flush":
                say("flushed", json.dumps(zlog.flush(float(rest or 30))))
            elif word == "end":
                break
        self.end()

    def end(self) -> None:
        self.stopped.set()
        self.asked.set()

    def run(self) -> None:
        """All of it."""
        threading.Thread(target=self.tell_linked, daemon=True).start()
        threading.Thread(target=self.obey, daemon=True).start()
        self.log_all(self.options.get("seconds"), self.options.get("records"))
        self.reap(wait=True)
        say("sent", json.dumps(self.counter.sums()))
        while not self.asked.wait(0.2):
            pass
        if zlog.shutdown(self.options.get("exit_timeout_s") or 3.0):
            self.counter.whole()
        say("ended")

    def tell_linked(self) -> None:
        if self.agent.wait_link(600):
            say("linked")


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, of fork in a program with threads
    logging.getLogger().addHandler(zlog.Handler())
    Program(json.loads(sys.argv[1])).run()

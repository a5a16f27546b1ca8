"""A collector for tests that kill it: `collecting.py STORE…` says where it is, and ends in order on SIGTERM."""

import signal
import sys
import threading

from zlog.collector import Collector

done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: done.set())
with Collector(*sys.argv[1:], bind="tcp://127.0.0.1", discover=False) as collector:
    print("ready", collector.sync, flush=True)
    while not done.wait(1):
        pass
print("ended", flush=True)

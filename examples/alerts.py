"""A collector inside a program: waits for errors of all nodes on the network, and does something about them.

python examples/alerts.py lo 30         # network interface, or - for the default one; seconds
"""

import sys
import threading

import zlog

interface, seconds = sys.argv[1], float(sys.argv[2])
with zlog.Collector(interface=None if interface == "-" else interface, level="warn", name="alerts") as collector:
    print(f"waiting as {collector.name}", flush=True)
    timer = threading.Timer(seconds, collector.stop)
    timer.start()
    try:
        for record in collector:  # ends when the collector has stopped
            print(f"{record.name} on {record.host}: {record.text}", flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        timer.cancel()

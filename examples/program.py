"""A program that logs as programs do, and can be looked at from any computer of the network: `zlog tail`.

python examples/program.py lo 30        # network interface, or - for the default one; seconds
"""

import logging
import random
import sys
import time

import zlog

interface, seconds = sys.argv[1], float(sys.argv[2])
zlog.start(name="cooker", interface=None if interface == "-" else interface, floor="debug")
logging.basicConfig(level=logging.INFO, handlers=[logging.StreamHandler(), zlog.Handler()])
log = logging.getLogger("cooker.soup")

ends = time.monotonic() + seconds
while time.monotonic() < ends:
    degrees = random.gauss(85, 10)
    log.debug("the thermometer says %.2f", degrees)  # made only while somebody asks: zlog tail -l debug
    log.info("soup at %.0f °C", degrees, extra={"degrees": round(degrees, 1)})
    if degrees > 100:
        log.warning("it boils over")
    time.sleep(0.2)

"""What a process makes once for all its nodes is made here, so that no test is blamed for it."""

import threading

from zlog import report
from zlog.zre import Pyre

Pyre().close()
report._put(threading.Event())  # starts the thread that writes log lines

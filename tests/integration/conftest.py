"""What a process makes once for all its nodes is made here, so that no test is blamed for it."""

from zlog.zre import Pyre, report

Pyre().close()
report.flush()

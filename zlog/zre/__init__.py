"""ZRE (RFC 36): a drop-in for zeromq-pyre that can't be killed by the network."""

from zlog.zre.causes import CAUSES
from zlog.zre.core import Timing
from zlog.zre.events import PyreEvent
from zlog.zre.node import Pyre
from zlog.zre.observe import Observation, observe

__all__ = ["CAUSES", "Observation", "Pyre", "PyreEvent", "Timing", "observe"]

"""The agent: the code in a node that ships its records to collectors.

Where a record goes: `intake.py` takes it from the application's threads; `engine.py`, the agent's thread, cuts batches
(`zlog.core.batches`) into the journal (`zlog.core.journal`), and on disk if it has a directory. Each link
(`zlog.core.link`) reads from there what its sockets (`wires.py`) can take. `network.py` is ZRE as the agent sees it,
`agent.py` what applications touch, and `process.py` the one agent that a process has by default.

The journal on disk is `disk.py`, with `kept.py` and `folders.py` for a run's folder, `tally.py` for what a killed
process had taken, `trim.py` and `ages.py` for the bounds, and `syncer.py` for its thread.
"""

from zlog.agent.agent import Agent, AgentStatus, LinkView

__all__ = ["Agent", "AgentStatus", "LinkView"]

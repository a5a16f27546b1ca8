"""Nodes, collectors and a network in one process, with a clock of its own: `world.py`.

The cores of `zlog.core` are driven as they are, and so are the collector's `Core` and `Writer`, without their threads.
One number decides everything that happens: `python tests/simulation/run.py --seed N --trace` shows it event for event.
"""

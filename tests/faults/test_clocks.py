"""Clocks that are set while programs log: nothing is lost for that, and a node's records stay in their order."""

from functools import partial
from pathlib import Path

from support.audit import sorted_within_runs
from support.preload import Clock
from zlog.collector.stores import open_store

from .conftest import MakeScene
from .scene import Scene, side_by_side

HOUR_S = 3600


def test_clocks_are_set(scene: MakeScene, library: Path) -> None:
    """An hour forward, two back, one forward, and back between two runs: the node's, which has a journal on disk whose
    segments have an age; the collector's."""

    def set_clock(here: Scene, *, whose: str) -> None:
        clock = Clock(library, here.folder / "clock")
        collector = here.collector(env=clock.environment if whose == "collector" else {})
        logs = partial(
            here.node,
            rate=1000,
            journal=str(here.folder / "journal"),
            env=clock.environment if whose == "node" else {},
        )
        node = logs()
        for seconds in (HOUR_S, -HOUR_S, 0):
            here.wait_sent(1000)
            clock.step(seconds)
            here.wait_sent(1000)
            here.recover()
        here.kill(node)
        clock.step(-HOUR_S)
        here.over()
        logs()  # takes over what a run of the future left
        here.recover()
        here.finish(collector)
        for url in here.urls:
            if not url.startswith("file:"):
                with open_store(url).open(read_only=True) as store:
                    assert not list(sorted_within_runs(store.query()))

    scenes = [(scene(f"clock of the {whose} set by an hour, 4 times"), whose) for whose in ("node", "collector")]
    side_by_side(*(partial(set_clock, here, whose=whose) for here, whose in scenes))

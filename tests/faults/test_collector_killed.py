"""The collector dies: at any moment, and in the middle of each kind of write. And with it the node."""

import random
from functools import partial
from pathlib import Path

import pytest

from support.preload import dying

from .conftest import MakeScene
from .scene import Scene, side_by_side

#: By kind of store, calls on its files between which a commit may be torn.
SPOTS = {
    "sqlite": [("write", "log.db-wal"), ("before-sync", "log.db-wal"), ("after-sync", "log.db-wal")],
    "jsonl": [("write", "log.jsonl"), ("after-sync", "log.jsonl"), ("before-sync", "log.jsonl.sidecar")],
    "file": [("before-sync", "log.txt"), ("write", "log.txt.sidecar"), ("after-sync", "log.txt.sidecar")],
    "journal": [("write", "frames/frames"), ("after-sync", "frames/frames"), ("write", "frames/frames.sidecar")],
    "rotated files": [("rename", "log.jsonl."), ("renamed", "log.txt."), ("renamed", "frames/frames.")],
}


def test_killed_in_the_middle_of_each_write(scene: MakeScene, library: Path) -> None:
    """Half of a write is made, or none or all of a sync, and that is the last thing the process does."""

    def die_in(here: Scene, kind: str) -> None:
        rng = random.Random(kind)
        if kind == "rotated files":
            here.urls = [f"{url}{'&' if '?' in url else '?'}max_bytes=20K" for url in here.urls[1:]]
        collector = here.collector()
        here.node(rate=500)
        here.wait_stored()
        collector.kill()
        for call, path in SPOTS[kind]:
            number = 1 if "rename" in call else rng.randint(4, 12)
            collector = here.collector(env=dying(library, call, number, path), ready=False)
            assert collector.wait(60) == -9, collector.lines.all
        here.over()
        collector = here.collector()
        here.recover()
        here.finish(collector)

    scenes = [(scene(f"collector killed in a commit of {kind}, 3 times"), kind) for kind in SPOTS]
    side_by_side(*(partial(die_in, here, kind) for here, kind in scenes))


@pytest.mark.parametrize("journal_bytes", ["32M", "64K"])
def test_killed_again_and_again_at_ten_thousand_a_second(scene: MakeScene, journal_bytes: str) -> None:
    here = scene(f"collector kill -9, 5 times, 10,000/s, journal {journal_bytes}")
    rng = random.Random(journal_bytes)
    collector = here.collector()
    here.node(rate=10_000, journal_bytes=journal_bytes)
    here.wait_stored()
    for _ in range(5):
        here.wait_sent(rng.randint(1000, 8000))
        collector.kill()
        here.over()
        collector = here.collector()
        here.recover()
    result = here.finish(collector)
    if journal_bytes == "32M":
        assert all(not row.named for row in result.rows)  # it all fits

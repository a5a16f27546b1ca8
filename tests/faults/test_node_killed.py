"""A node dies: its journal on disk is taken over; what died with its memory gets a name."""

import random
from functools import partial
from pathlib import Path

from support.preload import dying

from .conftest import MakeScene
from .scene import Scene, side_by_side

#: Calls on the files of a node's journal.
SPOTS = [("write", ".seg"), ("after-sync", ".seg"), ("write", "/state"), ("before-sync", ".seg")]


def test_killed_while_it_writes_its_journal(scene: MakeScene, library: Path) -> None:
    """In the middle of a write, at any moment, and together with the collector. Another one takes the runs over."""

    def in_a_write(here: Scene) -> None:
        rng = random.Random(1)
        journal = str(here.folder / "journal")
        collector = here.collector()
        for call, path in SPOTS:
            last = 2 if "sync" in call else 40
            node = here.node(
                journal=journal, rate=1000, linked=False, env=dying(library, call, rng.randint(1, last), path)
            )
            assert node.wait(60) == -9, node.lines.all
            here.nodes.remove(node)
        here.over()
        here.node(journal=journal)
        here.recover()
        here.finish(collector)

    def at_any_moment(here: Scene, *, both: bool) -> None:
        rng = random.Random(both)
        journal = str(here.folder / "journal")
        collector = here.collector()
        for _ in range(4):
            node = here.node(journal=journal, rate=5_000)
            here.wait_sent(rng.randint(200, 5_000))
            if both:
                collector.kill()
            here.kill(node)
            if both:
                collector = here.collector()
        here.over()
        here.node(journal=journal)
        here.recover()
        here.finish(collector)

    killed, moments, both = (
        scene("node killed in a write of its journal, 4 times"),
        scene("node kill -9, 4 times, 5,000/s, journal on disk"),
        scene("node and collector kill -9, 4 times, 5,000/s, journal on disk"),
    )
    side_by_side(
        partial(in_a_write, killed),
        partial(at_any_moment, moments, both=False),
        partial(at_any_moment, both, both=True),
    )


def test_what_died_with_a_nodes_memory_has_a_name(scene: MakeScene) -> None:
    """The node is killed while a collector that came back asks for what it missed; so is that, at another time."""

    def while_it_replays(here: Scene, *, again: bool) -> None:
        collector = here.collector()
        node = here.node(rate=0, size=0)
        here.wait_sent(2000)
        collector.kill()
        here.wait_sent(200_000)
        offered = here.finished()
        collector = here.collector()
        collector.expect('"joined"', timeout_s=60)
        here.kill(node)
        if again:
            collector.kill()
            collector = here.collector()
        here.finish(collector, heard=None if again else offered)

    once, again = (
        scene("node kill -9 while it replays, journal in memory"),
        scene("node kill -9 while it replays, then the collector"),
    )
    side_by_side(partial(while_it_replays, once, again=False), partial(while_it_replays, again, again=True))

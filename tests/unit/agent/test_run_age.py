"""How old a run is that another process has taken over, however its host's clock was set."""

from __future__ import annotations

from pathlib import Path

from zlog.agent.ages import Ages, Clocks

SECOND = 1_000_000_000


class Host:
    """A host whose clock is set now and then."""

    def __init__(self) -> None:
        self.up_ns = 50 * SECOND
        self.wall_ns = 1_763_625_600 * SECOND
        self.clocks = Clocks(lambda: "boot", lambda: self.up_ns, lambda: self.wall_ns)

    def run(self, seconds: int) -> None:
        self.up_ns += seconds * SECOND
        self.wall_ns += seconds * SECOND


def test_the_age_of_a_run_is_what_has_passed_since_its_epoch(tmp_path: Path) -> None:
    host = Host()
    first = Ages(str(tmp_path), host.clocks)
    epoch = host.wall_ns
    first.check()
    host.run(10)
    for step in (3_600, -7_200, 400 * 86_400):
        host.wall_ns += step * SECOND
        first.check()
    host.run(5)
    heir = Ages(str(tmp_path), host.clocks)
    heir.look()
    assert heir.age(epoch) == 15 * SECOND


def test_a_time_that_nobody_knows_of_has_no_age(tmp_path: Path) -> None:
    host = Host()
    ages = Ages(str(tmp_path), host.clocks)
    ages.look()
    assert ages.age(7) is None
    assert ages.age(host.wall_ns - 86_400 * SECOND) is None

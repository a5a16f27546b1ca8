"""Links that are cut or lose packets, addresses that change, processes that stand still: all of it arrives."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from support.netns import Network

from .conftest import MakeScene
from .scene import Scene, frozen, pause, side_by_side

MakeNetwork = Callable[..., Network]


def retransmitted() -> int:
    """Segments that TCP has sent again, in this namespace."""
    names, numbers = (
        line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(numbers[names.index("RetransSegs")])


def test_networks_that_fail_and_processes_that_stand_still(scene: MakeScene, network: MakeNetwork) -> None:
    """All that only waits, at the same time: it takes as long as the longest cut."""

    def cut(here: Scene, lan: Network, seconds: float, *, pulled: bool) -> None:
        collector = here.collector()
        here.node(lan[1])
        here.wait_sent(200)
        lan[1].pull_cable() if pulled else lan[1].link_down()
        pause(seconds)
        here.over()
        lan[1].plug_back() if pulled else lan[1].link_up()
        here.recover()
        here.finish(collector)

    def lossy(here: Scene, lan: Network) -> None:
        collector = here.collector()
        here.node(lan[1], rate=1000)
        lan[1].lose(0.3)
        here.wait_sent(20_000)
        assert lan[1].call(retransmitted) > 10
        here.over()
        lan[1].lose(0)
        here.recover()
        here.finish(collector)

    def still(here: Scene, *, whose: str) -> None:
        collector = here.collector()
        node = here.node(rate=2000)
        here.wait_sent(1000)
        frozen(collector if whose == "collector" else node, 10)
        if whose == "node":
            here.wait_sent(2000)
        here.recover()
        here.finish(collector)

    def same_address(here: Scene) -> None:
        bound = ("--bind", f"tcp://*:{here.port}")
        collector = here.collector(*bound)
        here.node(discover=False, collectors=[f"tcp://127.0.0.1:{here.port}"])
        for killed in (True, False):
            here.wait_sent(200)
            if killed:
                collector.kill()
            else:
                assert collector.terminate(30) == 0
            here.wait_sent(200)
            here.over()
            collector = here.collector(*bound)
            here.recover()
        here.finish(collector)

    def another_host(here: Scene, lan: Network) -> None:
        collector = here.collector()
        here.node(lan[2])
        for host in (lan[1], lan[0], lan[2]):
            here.wait_sent(200)
            collector.kill()
            here.wait_sent(200)
            here.over()
            collector = here.collector(place=host)
            here.recover()
        here.finish(collector)

    def another_address(here: Scene, lan: Network, number: int) -> None:
        collector = here.collector()
        here.node(lan[1])
        for address in ("10.36.0.77/24", "10.36.0.78/24"):
            here.wait_sent(200)
            lan[number].set_address(address)
            here.wait_sent(50)
            here.recover()
        here.finish(collector)

    parts: list[Callable[[], None]] = []
    for seconds in (60, 10, 1):
        for pulled in (True, False):
            lan = network(hosts=2)
            here = scene(f"{'cable pulled' if pulled else 'link down'} for {seconds} s", lan[0])
            parts.append(partial(cut, here, lan, seconds, pulled=pulled))
    lan = network(hosts=3)
    parts.append(partial(another_host, scene("collector again on another host, 3 times", lan[0]), lan))
    for number, whose in enumerate(("collector", "node")):
        lan = network(hosts=2)
        here = scene(f"address of the {whose} changes, twice", lan[0])
        parts.append(partial(another_address, here, lan, number))
    lan = network(hosts=2)
    parts.append(partial(lossy, scene("30% of packets lost each way for 20 s, 1,000/s", lan[0]), lan))
    parts.append(partial(same_address, scene("collector again at the same address, twice")))
    for whose in ("collector", "node"):
        here = scene(f"{whose} stopped for 10 s, 2,000/s")
        parts.append(partial(still, here, whose=whose))
    side_by_side(*parts)

"""Two collectors where there is room for one."""

from .conftest import MakeScene


def test_a_store_and_an_address_have_one_collector(scene: MakeScene) -> None:
    """Who comes second is told so, in one line; in SQLite, several take turns, and still each record is there once."""
    here = scene("two collectors on one SQLite store")
    bound = ("--bind", f"tcp://*:{here.port}")
    collector = here.collector(*bound)
    for url in here.urls[1:]:
        second = here.collector(urls=[url], ready=False)
        assert second.wait(30) == 1
        assert [line for line in second.lines.all if "in use by another process" in line], second.lines.all
        assert "Traceback" not in "\n".join(second.lines.all)
    second = here.collector(*bound, urls=[f"sqlite:{here.folder}/other.db"], ready=False)
    assert second.wait(30) == 1
    assert len(second.lines.all) <= 2, second.lines.all
    second = here.collector(urls=here.urls[:1])
    here.node(rate=2000)
    here.wait_sent(4000)
    here.end_nodes()
    assert second.terminate(30) == 0
    here.finish(collector)

"""Watching a node that belongs to an application: ours, and a published one."""

import gc
import subprocess
import sys
import threading

import pyre
import pytest

from zlog import report
from zlog.zre import Pyre, PyreEvent, observe

SECRET = b"\xaa\xa2\x04"


def hide_secrets(frames):
    """Hides WHISPERs that begin like an ADVERT; a JOIN stands for them where something must."""
    if frames[0] == b"WHISPER" and frames[3].startswith(SECRET):
        return [b"JOIN", *frames[1:3], b"ZYRE-LOGGER"]
    return None


def kinds(events):
    return [frames[0] for frames in events]


def test_our_node_is_observed_without_being_read(seen, wait_until):
    node, other = seen("node"), seen("other")
    events = []
    with observe(node.node, events.append):
        other.next("ENTER")
        other.node.whispers(node.node.uuid(), "hi")
        wait_until(lambda: b"WHISPER" in kinds(events))
    other.node.whispers(node.node.uuid(), "unseen")
    assert node.next("WHISPER").msg == [b"hi"]
    assert node.next("WHISPER").msg == [b"unseen"]
    assert kinds(events)[-1:] == [b"WHISPER"]
    assert kinds(events).count(b"WHISPER") == 1


def test_our_node_hides_what_is_not_for_the_application(seen):
    node, other = seen("node"), seen("other")
    events = []
    with observe(node.node, events.append, hide_secrets):
        other.next("ENTER")
        other.node.whisper(node.node.uuid(), SECRET)
        other.node.whispers(node.node.uuid(), "shown")
        assert node.next("WHISPER").msg == [b"shown"]
    assert kinds(events)[-2:] == [b"WHISPER", b"WHISPER"]
    assert [event.type for event in node.events] == ["ENTER", "WHISPER"]


def test_an_observer_may_use_the_node(seen, wait_until):
    node, other = seen("node"), seen("other")

    def answer(frames):
        if frames[0] == b"WHISPER":
            peers = node.node.peers()
            node.node.whisper(peers[0], b"%d peers" % len(peers))

    with observe(node.node, answer):
        other.next("ENTER")
        other.node.whispers(node.node.uuid(), "how many?")
        assert other.next("WHISPER").msg == [b"1 peers"]


def test_an_observer_that_fails_hurts_nobody(seen, caplog):
    node, other = seen("node"), seen("other")

    def fail(frames):
        frames.clear()
        raise ZeroDivisionError

    with observe(node.node, fail):
        other.next("ENTER")
        other.node.whispers(node.node.uuid(), "1")
        other.node.whispers(node.node.uuid(), "2")
        assert [node.next("WHISPER").msg for _ in range(2)] == [[b"1"], [b"2"]]
    assert report.flush()
    assert len([r for r in caplog.records if "observer" in r.message]) == 1


def test_only_nodes_are_observed():
    with pytest.raises(TypeError, match=r"a pyre\.Pyre node is needed, not str"):
        observe("node", print)


def test_close_twice(make_node):
    observation = observe(make_node(start=False), print)
    observation.close()
    observation.close()


# Published pyre leaves sockets to the garbage collector, for which pyzmq warns.
by_published = pytest.mark.filterwarnings("ignore:Unclosed socket:ResourceWarning")


@pytest.fixture
def published(hosts):
    """A published pyre node on a host of its own, in this process, and ours on the other."""
    nodes = []

    def make_published():
        node = pyre.Pyre("published")
        node.start()
        return node

    def make_ours():
        node = Pyre("ours")
        node.start()
        return node

    for host in hosts:
        host.add_default_route()
    nodes = [hosts[0].call(make_published), hosts[1].call(make_ours)]
    yield nodes
    nodes[1].close()
    context = nodes[0]._ctx
    nodes[0].stop()
    nodes[0].inbox.close()
    nodes[0]._outbox.close()
    nodes.clear()
    gc.collect()
    context.destroy(linger=0)


def read(node, kind):
    while True:
        assert node.socket().poll(10_000), f"no {kind}"
        event = PyreEvent(node)
        if event.type == kind:
            return event


@by_published
def test_a_published_node_is_observed_as_it_is_read(published):
    node, ours = published
    events = []
    observation = observe(node, events.append)
    peer = read(ours, "ENTER").peer_uuid
    assert read(node, "ENTER").headers == {}
    ours.whisper(peer, [b"a", b"b"])
    assert read(node, "WHISPER").msg == [b"a", b"b"]  # PyreEvent empties the list it is given: ours is a copy
    assert [frames[0] for frames in events] == [b"ENTER", b"WHISPER"]
    assert events[1][3:] == [b"a", b"b"]
    observation.close()
    assert "recv" not in vars(node)
    assert "join" not in vars(node)
    ours.whispers(peer, "unseen")
    read(node, "WHISPER")
    assert len(events) == 2


@by_published
def test_a_published_node_hides_too(published):
    node, ours = published
    events = []
    with observe(node, events.append, hide_secrets):
        peer = read(ours, "ENTER").peer_uuid
        read(node, "ENTER")
        ours.whisper(peer, SECRET)
        event = read(node, "JOIN")  # it was polled for, so that recv() can't wait for another one
        assert event.group == "ZYRE-LOGGER"
        ours.whisper(peer, SECRET)
        ours.whispers(peer, "shown")
        shown = read(node, "WHISPER")
        assert shown.msg == [b"shown"]
    assert [frames[3] for frames in events if frames[0] == b"WHISPER"] == [SECRET, SECRET, b"shown"]


@by_published
def test_several_observers_of_a_published_node(published):
    node, ours = published
    one, two = [], []
    first, second = observe(node, one.append), observe(node, two.append)
    peer = read(ours, "ENTER").peer_uuid
    read(node, "ENTER")
    first.close()
    ours.whispers(peer, "x")
    read(node, "WHISPER")
    second.close()
    assert (len(one), len(two)) == (1, 2)
    assert not {"recv", "join", "_zlog_tap"} & set(vars(node))


@by_published
def test_two_threads_on_an_observed_published_node_get_the_right_answers(published):
    node, ours = published
    name, uuid = node.name(), node.uuid()
    peer = ours.uuid()
    read(ours, "ENTER")
    read(node, "ENTER")
    wrong, right = [], ([peer], ours.endpoint(), ["G"])

    def ask():
        for _ in range(300):
            answers = node.peers(), node.peer_address(peer), node.own_groups()
            if answers != right:
                wrong.append(answers)

    with observe(node, lambda frames: None):
        node.join("G")
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert (name, uuid) == (node.name(), node.uuid())


def test_the_module_of_pyre_is_not_patched():
    code = "import pyre; before = dict(vars(pyre.Pyre)); import zlog.zre; print(before == dict(vars(pyre.Pyre)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"

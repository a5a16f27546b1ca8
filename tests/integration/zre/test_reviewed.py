"""What a node must also survive: its own application, its logging, garbage collection, and slow readers."""

import asyncio
import contextlib
import copy
import gc
import logging
import os
import re
import resource
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
import zmq

import zlog.zre
from zlog import limits, report
from zlog.errors import NodeStoppedError
from zlog.wire import zre_msg
from zlog.zre import Pyre, Timing, observe, presence
from zlog.zre.inbox import Inbox


def test_a_stolen_identity_mutes_a_peer_for_a_moment_only(seen, zre_port):
    """ROUTER_HANDOVER gives the identity to the thief, and its owner's connection is dead from then on."""
    timing = Timing(beacon=0.1, evasive=0.5, mute=0.5, expired=1.0, reap=0.1)
    one, two = seen("one", start=False), seen("two", start=False)
    for node in (one, two):
        node.node.set_timing(timing)
        node.node.start()
    one.next("ENTER", "two")
    two.next("ENTER", "one")
    with zmq.Context() as context, context.socket(zmq.DEALER) as thief:
        thief.setsockopt(zmq.IDENTITY, b"\x01" + two.node.uuid().bytes)
        thief.setsockopt(zmq.LINGER, 0)
        thief.connect(one.node.endpoint())
        thief.send(b"stolen")
        one.next("EXIT", "two")
    one.next("ENTER", "two")
    two.node.whispers(one.node.uuid(), "heard again")
    assert one.next("WHISPER").msg == [b"heard again"]


@pytest.mark.parametrize("who", ["application", "peer"])
def test_large_messages_to_who_does_not_read_are_bounded_by_octets(seen, forge, wait_until, who):
    node, talker = seen("node"), seen("talker")
    talker.next("ENTER", "node")
    if who == "application":
        target = node.node.uuid()
    else:
        mute = forge(talker.node, hwm=1)
        mute.hello()
        talker.next("ENTER", "forged")
        target = mute.uuid

    def counted():  # here or there, as far as it had come
        return node.node.counters().get("inbox", 0) + talker.node.counters().get("peer-queue", 0)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = bytes(4_000_000)
    for _ in range(300):
        talker.node.whisper(target, message)
    wait_until(lambda: counted() > 10, timeout_s=30)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 600  # of 1,200 that were sent: what waits in both nodes, in libzmq and in TCP


def test_a_slow_reader_loses_nothing(seen, wait_until):
    """It reads 200 messages in a second while its peer talks as fast as it can: the peer has to wait."""
    slow, talker = seen("slow", start=False), seen("talker")
    slow.node._outlet.inbox = Inbox(max_events=200)
    slow.node.start()
    peer = talker.next("ENTER").peer_uuid

    def talk():
        for number in range(2_000):
            talker.node.whisper(peer, b"%d" % number)

    thread = threading.Thread(target=talk)
    thread.start()
    slow.next("ENTER")
    for number in range(2_000):
        if number < 300:
            time.sleep(0.005)  # what makes it slow
        assert slow.next("WHISPER").msg == [b"%d" % number]
    thread.join()
    assert slow.node.counters() == talker.node.counters() == {}


def test_newcomers_enter_while_a_slow_reader_is_talked_to(seen):
    slow, talker = seen("slow", start=False), seen("talker")
    slow.node._outlet.inbox = Inbox(max_events=100)
    slow.node.start()
    peer = talker.next("ENTER").peer_uuid
    for number in range(3_000):
        talker.node.whisper(peer, b"%d" % number)
    newcomer = seen("newcomer")
    newcomer.next("ENTER", "slow")
    slow.next("ENTER", "newcomer")
    assert "EXIT" not in [event.type for event in newcomer.events]


def test_what_waits_at_stop_can_be_read_and_stop_comes_last(seen):
    node, talker = seen("node"), seen("talker")
    peer = talker.next("ENTER").peer_uuid
    for number in range(3_000):
        talker.node.whisper(peer, b"%d" % number)
    talker.node.stop()  # which waits until all were taken
    node.node.stop()
    events = list(node.node.events())
    assert [event.msg for event in events if event.type == "WHISPER"] == [[b"%d" % i] for i in range(3_000)]
    assert events[-1].type == "STOP"


def test_a_reader_in_another_thread_is_told_of_the_end(seen):
    node = seen("node")
    got = []
    reader = threading.Thread(target=lambda: got.extend(event.type for event in node.node.events()))
    reader.start()
    node.node.stop()
    reader.join(5)
    assert got == ["STOP"]


def test_a_call_that_fails_strands_no_other(make_node):
    node = make_node("node")
    for _ in range(3):
        node._engine.tell(lambda core: 1 / 0)
    assert node.peers() == []
    with pytest.raises(ZeroDivisionError):
        node._engine.ask(lambda core: 1 / 0)


def test_a_start_that_fails_leaves_nothing_behind(zre_port, no_leaks, monkeypatch):
    node = Pyre("node", interface="lo", port=zre_port)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no more threads")))
        with pytest.raises(RuntimeError, match="no more threads"):
            node.start()
    assert node.peers() == []
    node.start()
    node.close()


class Raising(logging.Handler):
    def emit(self, record):
        raise OSError("disk full")


class Talking(logging.Handler):
    """Sends records through the node that made them."""

    node: Pyre

    def emit(self, record):
        self.node.shouts("LOG", record.getMessage())
        self.node.peers()


@pytest.mark.parametrize("kind", [Raising, Talking])
def test_logging_handlers_cannot_end_or_block_a_node(seen, forge, kind, zre_port):
    handler = kind()
    node = seen("node", start=False)
    handler.node = node.node
    logger = logging.getLogger("zlog.zre")
    logger.addHandler(handler)
    try:
        node.node.set_verbose()
        node.node.start()
        forge(node.node).raw(b"nonsense")
        seen("other").next("ENTER", "node")
        node.next("ENTER", "other")
        node.node.stop()
        assert report.flush()
    finally:
        logger.removeHandler(handler)


def test_dropped_nodes_are_collected_by_whoever_collects(seen, zre_port):
    live = seen("live")
    names = [f"dropped {number}" for number in range(5)]
    nodes = [Pyre(name, interface="lo", port=zre_port) for name in names]
    for node in nodes:
        node.start()
        node.cycle = node
        live.next("ENTER", node.name())
    nodes.clear()
    del node
    began = time.monotonic()
    live.node._engine.ask(lambda core: gc.collect())  # in the live node's own thread
    assert time.monotonic() - began < 2
    for _ in names:
        live.next("EXIT")


def test_what_peers_would_discard_is_refused_here(make_node):
    node = make_node("node")
    with pytest.raises(ValueError, match="67108865 octets"):
        node.whisper(uuid.uuid4(), bytes(limits.ZRE_MAX_FRAME_BYTES + 1))
    with pytest.raises(ValueError, match="in a HELLO"):
        node.set_header("K", "v" * 300_000)
    for number in range(limits.ZRE_MAX_GROUPS):
        node.join(str(number))
    with pytest.raises(ValueError, match="1000 groups"):
        node.join("one more")
    node.join("5")


def test_last_words_of_any_length(seen):
    one, two = seen("one"), seen("two")
    peer = one.next("ENTER").peer_uuid
    two.next("ENTER")
    for number in range(200):
        one.node.whisper(peer, number.to_bytes(2, "big") + bytes(200_000))
    stopper = threading.Thread(target=one.node.stop)
    stopper.start()
    assert [two.next("WHISPER").msg[0][:2] for _ in range(200)] == [number.to_bytes(2, "big") for number in range(200)]
    stopper.join()
    assert one.node.counters() == {}


def test_300_nodes_one_after_the_other(no_leaks, zre_port):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        node = Pyre(interface="lo", port=zre_port)
        node.start()
        node.close()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) < before + 20


def test_malformed_messages_in_a_verbose_flood_do_not_grow_the_queue_of_lines(make_node, forge, wait_until):
    node = make_node("node", start=False)
    node.set_verbose()
    node.start()
    peer = forge(node)
    with contextlib.closing(peer):
        for _ in range(5_000):
            peer.raw(b"x")
        wait_until(lambda: node.counters().get("malformed", 0) == 5_000)
    assert report._lines.qsize() <= report.MOST + 1


def test_a_pyre_message_type_nobody_knows(seen, forge):
    node = seen("node")
    peer = forge(node.node)
    peer.hello()
    peer.raw(bytes.fromhex("aaa1fe020002"))
    peer.sequence = 2
    peer.say(zre_msg.Whisper(content=[b"after"]))
    assert node.next("WHISPER").msg == [b"after"]


def test_the_readmes_asyncio_example(start, forge, zre_port, tmp_path):
    readme = (Path(zlog.zre.__file__).parent / "README.md").read_text()
    (code,) = re.findall(r"```python\n(import asyncio.*?)```", readme, re.DOTALL)
    program = tmp_path / "example.py"
    program.write_text(code.replace('interface="lo"', f'interface="lo", port={zre_port}') + "\nasyncio.run(main())\n")
    running = start([sys.executable, "-u", "-W", "error", program])
    with Pyre("visitor", interface="lo", port=zre_port) as visitor:
        running.expect("ENTER visitor")
        visitor.whispers(next(visitor.events()).peer_uuid, "hello")
        running.expect("WHISPER visitor")
    running.expect("EXIT visitor")
    visitor.close()


def test_close_while_another_thread_reads(make_node):
    node = make_node("node")
    over = []

    def read():
        with contextlib.suppress(NodeStoppedError):
            while True:
                over.append(node.recv()[0])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    node.close()
    for reader in readers:
        reader.join(5)
    assert over == [b"STOP"]


def test_no_warning_at_exit(zre_port):
    code = f"from zlog.zre import Pyre; n = Pyre(interface='lo', port={zre_port}); n.start()"
    for more in ("", "; n.stop()", "; n.close()"):
        command = [sys.executable, "-W", "error", "-X", "dev", "-c", code + more]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


def test_an_observer_cannot_end_a_node_by_any_exception(seen):
    node, other = seen("node"), seen("other")

    def fail(frames):
        raise asyncio.CancelledError

    with observe(node.node, fail, hide=lambda frames: [b"JOIN"]):
        other.next("ENTER", "node")
        other.node.whispers(node.node.uuid(), "hi")
        assert node.next("WHISPER").msg == [b"hi"]
        node.node.stop()
    assert node.next("STOP")


def test_stop_cannot_be_hidden(seen):
    node = seen("node")
    with observe(node.node, lambda frames: None, hide=lambda frames: [b"JOIN"]):
        node.node.stop()
    assert [event.type for event in node.node.events()] == ["STOP"]


def test_a_start_that_is_interrupted_can_be_left(zre_port, no_leaks, monkeypatch, wait_until):
    node = Pyre("node", interface="lo", port=zre_port)
    settle = presence.Presence.settle
    with monkeypatch.context() as patch:

        def interrupted(self, *args):
            raise KeyboardInterrupt

        patch.setattr(presence.Presence, "settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            node.start()
    assert presence.Presence.settle is settle
    gc.collect()
    node.start()
    node.close()


def test_a_child_after_fork_ends_whatever_the_parents_threads_held(start, zre_port):
    code = f"""
import os, sys, threading
from zlog.zre import Pyre
node = Pyre("node", interface="lo", port={zre_port})
node.start()
for _ in range(2):
    threading.Thread(target=node.recv, daemon=True).start()
stop = False
def churn():
    while not stop:
        node._outlet.flush(0.0)
        node.peers()
threading.Thread(target=churn, daemon=True).start()
for _ in range(30):
    child = os.fork()
    if child == 0:
        node.join("x")
        node.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print("all ended", flush=True)
os._exit(0)
"""
    program = start([sys.executable, "-W", "ignore", "-c", code])
    program.expect("all ended", timeout_s=20)
    assert program.wait() == 0


def test_signal_handlers_may_use_a_node(start, zre_port):
    code = f"""
import os, signal, threading, time
from zlog.zre import Pyre
node = Pyre("node", interface="lo", port={zre_port})
node.start()
count = 0
def handler(*_):
    global count
    node.shouts("G", "x")
    node.peers()
    count += 1
signal.signal(signal.SIGUSR1, handler)
def pester():
    for number in range(300):
        os.kill(os.getpid(), signal.SIGUSR1)
        while count <= number:
            time.sleep(0.0002)
thread = threading.Thread(target=pester)
thread.start()
while thread.is_alive():
    node.shouts("G", "y")
node.stop()
print("handled", count == 300, flush=True)
"""
    program = start([sys.executable, "-c", code])
    program.expect("handled True", timeout_s=30)
    assert program.wait() == 0


def test_nodes_are_not_copied(make_node):
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        copy.copy(make_node(start=False))

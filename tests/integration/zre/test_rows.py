"""What published pyre 0.3.4 breaks on, row by row, with real sockets on the loopback.

The rows about octets alone are in tests/unit/zre/test_core.py too, on the pure core.
"""

import logging
import socket
import subprocess
import sys
import threading
import time
import uuid

import pyre
import pytest
import zmq
import zmq.asyncio

from zlog import limits, report
from zlog.errors import NodeStoppedError
from zlog.wire import zre_msg
from zlog.zre import Pyre, PyreEvent
from zlog.zre.beacon import Beacon
from zlog.zre.inbox import Inbox

from .conftest import Seen

MALFORMED = [
    b"",
    b"\xaa",
    b"\xaa\xa1",
    b"\xaa\xa1\x01",
    bytes.fromhex("aaa101020001"),
    bytes.fromhex("aaa101020001 00 ffffffff"),
    bytes.fromhex("aaa101020001 00 00000000 00 01ff 00000000"),
    bytes.fromhex("aaa101010001 00 00000000 00 00 00000000"),
]


def udp(port: int, *datagrams: bytes) -> None:
    """Broadcast on the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for datagram in datagrams:
            sock.sendto(datagram, ("127.255.255.255", port))


def still_discovers(node, seen):
    """A new node and this one find each other."""
    seen("later").next("ENTER", node.node.name())
    node.next("ENTER", "later")


def test_two_nodes_meet_talk_and_part(seen):
    one, two = seen("one", start=False), seen("two", start=False)
    one.node.set_header("X-TEST", "1")
    one.node.join("G")
    one.node.start()
    two.node.start()
    enter = two.next("ENTER", "one")
    assert (enter.headers, enter.peer_addr, enter.peer_uuid) == ({"X-TEST": "1"}, one.node.endpoint(), one.node.uuid())
    assert two.next("JOIN").group == "G"
    one.next("ENTER", "two")
    two.node.whispers(one.node.uuid(), "hi %s", "one")
    assert one.next("WHISPER").msg == [b"hi one"]
    two.node.shout("G", [b"a", b"b"])
    shout = one.next("SHOUT")
    assert (shout.group, shout.msg) == ("G", [b"a", b"b"])
    one.node.leave("G")
    assert two.next("LEAVE").group == "G"
    one.node.stop()
    two.next("EXIT", "one")
    assert one.next("STOP").peer_uuid == one.node.uuid()


def test_row_beacons_of_other_lengths(seen, zre_port, wait_until):
    node = seen("node")
    udp(zre_port, b"ZRE", b"ZRE\x01", b"ZRE\x03" + bytes(50), b"ZRE\x01" + bytes(200), b"", b"x")
    wait_until(lambda: node.node.counters() == {"beacon-length": 3, "beacon-curve": 1, "beacon-foreign": 2})
    still_discovers(node, seen)


def test_row_malformed_frames(seen, forge):
    node = seen("node")
    peer = forge(node.node)
    for octets in MALFORMED:
        peer.raw(octets)
    peer.hello()
    node.next("ENTER", "forged")
    for octets in MALFORMED:
        peer.raw(octets)
    peer.sequence = 1
    peer.say(zre_msg.Whisper(content=[b"still here"]))
    assert node.next("WHISPER").msg == [b"still here"]
    still_discovers(node, seen)
    assert node.node.counters()["malformed"] == 2 * len(MALFORMED)


@pytest.mark.parametrize("endpoint", ["", "tcp://", "foo", "tcp://*:1", "tcp://localhost:x", "ipc://@x"])
def test_row_hello_with_a_bad_endpoint(seen, forge, wait_until, endpoint):
    node = seen("node")
    forge(node.node, name="bad").hello(endpoint=endpoint)
    wait_until(lambda: node.node.counters() == {"hello-endpoint": 1})
    still_discovers(node, seen)
    assert "bad" not in str(node)


def test_row_unexpected_status_is_logged_once(seen, forge, caplog):
    node = seen("node")
    peer = forge(node.node)
    peer.hello()
    for status in (9, 3, 200):
        peer.say(zre_msg.Join(group=f"G{status}", status=status))
    for group in ("G9", "G3", "G200"):
        assert node.next("JOIN").group == group
    assert report.flush()
    assert [record.levelname for record in caplog.records if "status" in record.message] == ["WARNING"]


def test_row_whisper_without_content(seen, forge):
    node = seen("node")
    peer = forge(node.node)
    peer.hello()
    peer.say(zre_msg.Whisper())
    assert node.next("WHISPER").msg == [b""]


def test_row_non_ascii_names_groups_headers(seen):
    one, two = seen("Ünïcødé ☃ 🐍", start=False), seen("two")
    one.node.set_header("X-Straße", "grün " * 60)
    one.node.join("Gruppe äöü")
    one.node.start()
    enter = two.next("ENTER")
    assert (enter.peer_name, enter.headers) == ("Ünïcødé ☃ 🐍", {"X-Straße": "grün " * 60})
    assert two.next("JOIN").group == "Gruppe äöü"
    two.node.shouts("Gruppe äöü", "☃")
    assert one.next("SHOUT").msg == ["☃".encode()]


def test_row_names_over_255_octets(make_node):
    node = make_node("ok", start=False)
    for call in (
        node.set_name,
        node.join,
        node.leave,
        lambda text: node.set_header(text, ""),
        lambda t: node.shouts(t, ""),
    ):
        call("ä" * 127)
        with pytest.raises(ValueError, match="256 octets"):
            call("ä" * 128)
    with pytest.raises(ValueError, match="256 octets"):
        Pyre("ä" * 128)
    with pytest.raises(ValueError, match="UTF-8"):
        node.set_name("\ud800")
    with pytest.raises(TypeError, match="must be a str"):
        node.join(b"bytes")


def test_row_300_joins_and_leaves(seen, forge):
    node = seen("node")
    peer = forge(node.node)
    peer.hello()
    assert peer.heard().status == 0
    for number in range(300):
        (node.node.leave if number % 2 else node.node.join)("G")
    assert [peer.heard().status for _ in range(300)] == [(number + 1) % 256 for number in range(300)]


def test_row_65700_messages(seen):
    one, two = seen("one"), seen("two")
    peer = two.next("ENTER").peer_uuid
    one.next("ENTER")

    def talk():
        for number in range(65_700):
            two.node.whisper(peer, b"%d" % number)

    talker = threading.Thread(target=talk)
    talker.start()
    assert [one.next("WHISPER", timeout_s=60).msg[0] for _ in range(65_700)] == [b"%d" % i for i in range(65_700)]
    talker.join()
    assert one.node.counters() == {}


def test_row_pyres_wrap_at_65535(seen, forge):
    node = seen("node")
    peer = forge(node.node)
    peer.hello()
    node.next("ENTER")
    for _ in range(65_533):
        peer.say(zre_msg.Ping())
    assert peer.sequence == 65_534
    peer.sequence = -1
    peer.say(zre_msg.Whisper(content=[b"after the wrap"]))
    assert node.next("WHISPER", timeout_s=60).msg == [b"after the wrap"]


def test_row_an_application_that_does_not_read(seen, wait_until):
    idle, talker = seen("idle", start=False), seen("talker")
    idle.node._outlet.inbox = Inbox(max_events=1_000)
    idle.node.start()
    peer = talker.next("ENTER").peer_uuid
    for number in range(10_000):
        talker.node.whisper(peer, b"%d" % number)
    wait_until(lambda: idle.node.counters().get("inbox", 0) > 5_000, what="messages are dropped and counted")
    other = seen("other")
    other.next("ENTER", "idle")  # discovery goes on
    idle.next("ENTER", "other")  # and its ENTER wasn't dropped
    talker.node.whispers(peer, "end")
    while idle.next("WHISPER", "talker").msg != [b"end"]:
        pass
    got = [int(event.msg[0]) for event in idle.events if event.type == "WHISPER" and event.msg != [b"end"]]
    assert got == sorted(got)
    assert len(got) + idle.node.counters()["inbox"] == 10_000


def run(code: str, timeout_s: float = 20.0) -> subprocess.CompletedProcess[str]:
    quiet = "ignore:This process:DeprecationWarning"  # Python 3.12 and later warn of fork in a process with threads
    return subprocess.run(
        [sys.executable, "-W", quiet, "-c", code], capture_output=True, text=True, timeout=timeout_s, check=False
    )


PROGRAM = """
import sys, time
from zlog.zre import Pyre
node = Pyre("x", interface="lo", port={port})
node.start()
{more}
print("end", flush=True)
"""


@pytest.mark.parametrize(
    "more",
    [
        "",
        "del node",
        "node.stop(); node.stop()",
        "import gc; node.self = node; del node; gc.collect()",
        "node.socket().close()",
        "import zmq; c = zmq.Context(); n = Pyre(ctx=c, interface='lo', port={port}); n.start(); c.destroy(); n.stop()",
        "import threading; threading.Thread(target=node.recv, daemon=True).start()",
        "others = [Pyre(interface='lo', port={port}) for _ in range(20)]; [other.start() for other in others]",
        "import os\nif os.fork() == 0:\n    node.stop(); node.join('x'); node.peers(); sys.exit(0)\nos.wait()",
        "import multiprocessing as m\nm.set_start_method('fork'); p = m.Process(target=print); p.start(); p.join()",
        "sys.exit(0)",
    ],
    ids=["nothing", "del", "stop twice", "cycle", "inbox closed", "context destroyed", "reader", "20 nodes", "fork",
         "multiprocessing", "sys.exit"],
)  # fmt: skip
def test_row_a_program_ends_whatever_it_forgets(zre_port, more):
    result = run(PROGRAM.format(port=zre_port, more=more.format(port=zre_port)))
    assert (result.returncode, result.stderr) == (0, "")


def test_row_an_exit_without_stop_says_goodbye(seen, zre_port):
    node = seen("node")
    run(PROGRAM.format(port=zre_port, more="node.socket().poll(5000)"))
    node.next("ENTER", "x")
    node.next("EXIT", "x", timeout_s=3)


def test_row_stop_before_start_and_twice(make_node):
    node = make_node("node", start=False)
    node.stop()
    node.start()
    node.stop()
    node.stop()
    assert node.peers() == []
    node.join("G")
    node.whisper(node.uuid(), b"")
    with pytest.raises(RuntimeError, match="started already"):
        node.start()


def test_row_numbers_as_numbers_or_text(make_node, zre_port, caplog):
    node = make_node("node", start=False)
    node.set_port(str(zre_port + 1))
    node.set_interval("250")
    node.set_interval(250)
    for call, value in ((node.set_port, 0), (node.set_port, 65_536), (node.set_interval, 9), (node.set_interval, "-1")):
        with pytest.raises(ValueError, match="not possible"):
            call(value)
    with pytest.raises(ValueError, match="invalid literal"):
        node.set_port("x")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ears:
        ears.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ears.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ears.bind(("127.255.255.255", zre_port + 1))
        ears.settimeout(5)
        node.start()
        times = []
        for _ in range(5):
            assert ears.recv(100) == Beacon(node.uuid(), int(node.endpoint().rpartition(":")[2])).encode()
            times.append(time.monotonic())
    assert 0.8 < times[-1] - times[0] < 2.0  # four intervals of 0.25 s, on a busy machine
    node.set_port(5)
    assert "no effect after start" in caplog.text


@pytest.mark.parametrize("kind", [zmq.Context, zmq.asyncio.Context])
def test_row_the_given_context_is_used(seen, zre_port, kind):
    context = kind()
    node = Seen(Pyre("node", ctx=context, interface="lo", port=zre_port))
    node.node.start()
    other = seen("other")
    node.next("ENTER", "other")
    other.next("ENTER", "node")
    assert node.node._engine._context.underlying == context.underlying
    node.node.stop()
    context.term()  # nothing of the node is left in it
    assert node.next("STOP")
    node.node.close()


def test_row_a_context_that_is_terminated_ends_the_node(zre_port, no_leaks):
    context = zmq.Context()
    node = Pyre("node", ctx=context, interface="lo", port=zre_port)
    node.start()
    context.term()
    assert node.recv()[0] == b"STOP"
    node.close()


def test_row_only_the_loopback(seen):
    node = seen("node")
    assert node.node.interface() == "lo"
    assert node.node.endpoint().startswith("tcp://127.0.0.1:")
    still_discovers(node, seen)


def test_row_set_interface_lo(seen, zre_port):
    node = Pyre("node")
    node.set_interface("lo")
    node.set_port(zre_port)
    node.start()
    seen("other").next("ENTER", "node")
    assert node.endpoint().startswith("tcp://127.0.0.1:")
    node.close()


def test_row_no_exit_of_a_peer_that_never_entered(seen, zre_port):
    node = seen("node")
    ghost = Beacon(uuid.uuid4(), 9)
    udp(zre_port, ghost.encode(), ghost._replace(port=0).encode())
    still_discovers(node, seen)
    assert "EXIT" not in str(node)
    assert "notset" not in str(node)


def test_row_verbose_logs_the_traffic(seen, caplog):
    caplog.set_level(logging.INFO, "zlog.zre")
    node = seen("node", start=False)
    node.node.set_verbose()
    assert node.node.verbose
    node.node.start()
    other = seen("other")
    other.next("ENTER")
    node.next("ENTER")
    assert report.flush()
    text = caplog.text
    assert "received" in text
    assert "sent" in text
    assert "ENTER" in text


def test_it_is_a_pyre(make_node):
    node = make_node("node", start=False)
    assert isinstance(node, pyre.Pyre)
    assert node.version() == pyre.Pyre.version()
    assert bool(node)
    assert node.name() == "node"


def test_default_name_is_the_start_of_the_uuid(make_node):
    node = make_node(start=False)
    assert node.name() == str(node.uuid())[:6]


def test_what_the_api_answers(seen):
    one, two = seen("one", start=False), seen("two")
    one.node.set_header("X-A", "1")
    one.node.join("G")
    one.node.start()
    two.next("JOIN")
    one.next("ENTER")
    id_one, id_two = one.node.uuid(), two.node.uuid()
    assert two.node.peers() == [id_one]
    assert two.node.peers_by_group("G") == [id_one]
    assert two.node.peers_by_group("?") == []
    assert two.node.peer_groups() == ["G"]
    assert one.node.own_groups() == ["G"]
    assert two.node.peer_address(id_one) == one.node.endpoint()
    assert two.node.peer_headers(id_one) == {"X-A": "1"}
    assert two.node.peer_header_value(id_one, "X-A") == "1"
    assert two.node.peer_header_value(id_one, "X-B") == ""
    assert two.node.get_peer_name(id_one) == "one"
    stranger = uuid.uuid4()
    assert two.node.peer_headers(stranger) == {}
    assert (two.node.peer_address(stranger), two.node.get_peer_name(stranger)) == ("", "")
    assert one.node.peers() == [id_two]


def test_four_threads_on_one_node(seen):
    one, two = seen("one"), seen("two")
    one.next("ENTER")
    two.next("ENTER")
    wrong, peers = [], one.node.peers()

    def ask(number):
        for turn in range(500):
            one.node.whisper(peers[0], b"%d %d" % (number, turn))
            if one.node.peers() != peers or one.node.peer_groups() != [] or one.node.own_groups() != []:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [two.next("WHISPER").msg[0].split() for _ in range(2_000)]
    assert wrong == []
    for number in range(4):
        assert [int(turn) for who, turn in got if int(who) == number] == list(range(500))


def test_messages_sent_right_before_stop_arrive(seen):
    one, two = seen("one"), seen("two")
    peer = one.next("ENTER").peer_uuid
    two.next("ENTER")
    one.node.whisper(peer, b"last words")
    one.node.stop()
    assert two.next("WHISPER").msg == [b"last words"]
    two.next("EXIT")


def test_a_slow_peer_is_queued_for_and_no_other_notices(seen, forge, monkeypatch):
    monkeypatch.setattr(limits, "ZRE_PEER_QUEUE_BYTES", 1_000_000)
    node, other = seen("node"), seen("other")
    node.next("ENTER", "other")
    other.next("ENTER")
    frozen = forge(node.node, hwm=1)
    frozen.hello()
    node.next("ENTER", "forged")
    for _ in range(600):
        node.node.whisper(frozen.uuid, bytes(100_000))
    node.node.whisper(other.node.uuid(), b"quick")
    assert other.next("WHISPER").msg == [b"quick"]
    assert node.node.counters()["peer-queue"] > 0
    messages = []
    while len(messages) < 601 - node.node.counters()["peer-queue"]:
        messages.append(frozen.heard())
    assert [m.sequence for m in messages] == list(range(1, len(messages) + 1))


def test_type_errors_say_what_to_do(make_node):
    node = make_node(start=False)
    for call in (node.peer_address, node.peer_headers, node.get_peer_name, lambda peer: node.whisper(peer, b"")):
        with pytest.raises(TypeError, match=r"uuid\.UUID, not by str"):
            call(str(node.uuid()))
    with pytest.raises(TypeError, match="whispers"):
        node.whisper(node.uuid(), "text")
    with pytest.raises(TypeError, match="shouts"):
        node.shout("G", ["text"])


def test_the_port_of_another_program(no_leaks, zre_port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", zre_port))
        node = Pyre("node", interface="lo", port=zre_port)
        for _ in range(2):
            with pytest.raises(OSError, match=f"UDP port {zre_port}"):
                node.start()
        assert node.peers() == []
    node.start()
    assert node.endpoint()
    node.close()


def test_events_iterate(seen):
    one, two = seen("one"), seen("two")
    two.next("ENTER")
    assert isinstance(two.events[0], PyreEvent)
    events = one.node.events()
    assert next(events).type == "ENTER"
    assert list(one.node.recent_events()) == []
    one.node.stop()
    assert [event.type for event in events] == ["STOP"]
    with pytest.raises(NodeStoppedError, match="node one has stopped"):
        one.node.recv()


def test_as_context_manager(zre_port, no_leaks):
    with Pyre("node", interface="lo", port=zre_port) as node:
        assert node.endpoint()
        assert node.interface() == "lo"
    assert node.endpoint() == node.interface() == ""
    node.close()
    node.close()

"""What somebody can do to two honest nodes by speaking in the name of one of them."""

import uuid
from collections import deque

import pytest

from support.zre import Driven
from zlog.wire import zre_msg
from zlog.zre.beacon import Beacon as BeaconOctets
from zlog.zre.core import Beacon, Core, Send


class Pair:
    """Two nodes and the wires between them."""

    def __init__(self):
        self.wire = deque()
        self.one = self._node(1)
        self.two = self._node(2)
        self.one.start(self.endpoint(self.one))
        self.two.start(self.endpoint(self.two))

    def _node(self, number):
        pair = self

        class Wired(Driven):
            def take(self, effects):
                for effect in effects:
                    if isinstance(effect, Send):
                        pair.wire.append((self, pair.node(effect.peer), effect.frames))
                    elif isinstance(effect, Beacon):
                        pair.wire.append((self, None, effect.data))
                return super().take(effects)

        return Wired(Core(uuid.UUID(int=number), str(number)))

    def node(self, peer):
        return next(node for node in (self.one, self.two) if node.core.uuid == peer)

    @staticmethod
    def endpoint(node):
        return f"tcp://127.0.0.1:{7000 + node.core.uuid.int}"

    def settle(self):
        """Carry everything over; return how many messages that were."""
        count = 0
        while self.wire and count < 1_000:
            source, target, what = self.wire.popleft()
            if target is not None:
                count += 1
                target.frames(b"\x01" + source.core.uuid.bytes, *what)
            else:
                for node in (self.one, self.two):
                    node.beacon(what)
        return count

    def seconds(self, count):
        for _ in range(count):
            for node in (self.one, self.two):
                node.after(1)
            self.settle()

    def talk(self):
        """Whether each hears the other."""
        for node, other in ((self.one, self.two), (self.two, self.one)):
            node.take(node.core.whisper(other.core.uuid, [b"x"]))
            self.settle()
            if other.events[-1][:2] != ("WHISPER", node.core.uuid):
                return False
        return True


@pytest.fixture
def pair():
    pair = Pair()
    pair.settle()
    assert pair.talk()
    return pair


def forge(pair, message):
    """Let the first node hear this from the second."""
    pair.one.frames(b"\x01" + pair.two.core.uuid.bytes, *message.frames())


def test_a_forged_hello_is_no_endless_exchange_of_hellos(pair):
    """Each took the other's HELLO for a loss and said HELLO, thousands of times a second."""
    forge(pair, zre_msg.Hello(sequence=1, endpoint=pair.endpoint(pair.two), name="forged"))
    assert pair.settle() == 2
    assert [peer.name for peer in pair.one.core.peers()] == ["2"]
    for _ in range(3):
        forge(pair, zre_msg.Hello(sequence=1, endpoint=pair.endpoint(pair.two)))
        assert pair.settle() <= 2
    assert pair.talk()


def test_a_hello_long_after_the_forged_one_is_greeted_as_ever(pair):
    forge(pair, zre_msg.Hello(sequence=1, endpoint=pair.endpoint(pair.two)))
    pair.settle()
    pair.seconds(5)
    forge(pair, zre_msg.Hello(sequence=1, endpoint=pair.endpoint(pair.two)))
    assert pair.settle() == 2
    assert pair.talk()


def test_forged_hellos_to_both_at_once(pair):
    for node, other in ((pair.one, pair.two), (pair.two, pair.one)):
        hello = zre_msg.Hello(sequence=1, endpoint=pair.endpoint(other))
        node.frames(b"\x01" + other.core.uuid.bytes, *hello.frames())
    assert pair.settle() <= 4
    assert pair.talk()


def test_a_peer_stolen_by_a_forged_endpoint_comes_back(pair):
    """Beacons of the true one kept the stolen one alive for ever."""
    forge(pair, zre_msg.Hello(sequence=1, endpoint="tcp://127.0.0.1:9999"))
    pair.wire.clear()  # nobody is there
    assert pair.one.core.peer(pair.two.core.uuid).endpoint == "tcp://127.0.0.1:9999"
    for _ in range(40):
        for node in (pair.one, pair.two):
            node.after(1)
            stolen = pair.one.links.get(pair.two.core.uuid) == "tcp://127.0.0.1:9999"
            pair.wire = deque(it for it in pair.wire if not (stolen and it[0] is pair.one and it[1] is pair.two))
            pair.settle()
    assert pair.one.core.peer(pair.two.core.uuid).endpoint == pair.endpoint(pair.two)
    assert pair.talk()


@pytest.mark.parametrize("sequence", [0, 1, 2, 3, 500])
def test_a_forged_message_costs_a_second(pair, sequence):
    forge(pair, zre_msg.Whisper(sequence=sequence, content=[b"forged"]))
    pair.seconds(3)
    pair.talk()
    pair.seconds(2)
    assert pair.talk()


def test_a_forged_goodbye_costs_a_second(pair):
    pair.one.beacon(BeaconOctets(pair.two.core.uuid, 0).encode())
    pair.settle()
    assert pair.one.kinds()[-1] == "EXIT"
    pair.seconds(2)
    assert pair.talk()

"""A model: nodes that keep the protocol, a network that loses, cuts and delays, stores that are full or slow,
collectors that crash. Whatever happens in whatever order: no record is stored twice, and when all is quiet again, what
is stored and what is named as gone is what was logged since the first contact.
"""

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.sessions import SECOND, Collecting, FakeStore, Node
from zlog.core.intervals import Intervals
from zlog.wire import zre_log_msg

RANGES = (9, 17)


class ModelNode(Node):
    """Keeps protocol 5.4, 6.2 to 6.4: a live cursor, FETCH with credit, a journal that may lose its oldest."""

    def start(self, network):
        self.network = network
        self.journal = {r: {} for r in RANGES}  # start -> (stop, frame)
        self.cursor = None
        self.fetches_ = {}
        self.began = self.collecting.now
        self.bases = {}
        return self

    def log(self, range_, count, *, bad=False):
        start = self.next[range_]
        good = self.batch(start, start + count, range_)
        frame = self.batch(start, start + count, range_, body=b"\xc1") if bad else good
        self.journal[range_][start] = (start + count, frame)
        return frame

    def evict(self, range_):
        if self.journal[range_]:
            del self.journal[range_][min(self.journal[range_])]
        self.first[range_] = min(self.journal[range_], default=self.next[range_])

    def connect(self):
        self.cursor, self.fetches_ = None, {}
        self.reconnect()
        self.network.cut(self)
        self.offer(age=(self.collecting.now - self.began) / SECOND)

    def pump(self):
        """Read what was said, and send what is due."""
        for message in self.said:
            if isinstance(message, zre_log_msg.Welcome):
                points = {r: n for r, n in _points(message) if r in RANGES}
                self.cursor = {r: min(points[r], self.next[r]) for r in RANGES}
                for range_ in RANGES:
                    self.bases.setdefault(range_, self.cursor[range_])
            elif isinstance(message, zre_log_msg.Fetch):
                self._asked(message)
        if self.cursor is None:
            return
        for range_ in RANGES:
            for item in self._answers(range_, self.cursor[range_], self.next[range_]):
                if isinstance(item[2], bytes):
                    self.network.live.append(item[2])
                else:
                    self.network.sync.append((self, self.identity, _gone(self, range_, item[0], item[1])))
                self.cursor[range_] = item[1]
        for range_, fetch in list(self.fetches_.items()):
            for start, stop, frame in self._answers(range_, fetch[1], min(fetch[2], self.next[range_])):
                if fetch[3] <= 0:
                    break
                fetch[1] = stop
                if frame is None:
                    self.network.sync.append((self, self.identity, _gone(self, range_, start, min(stop, fetch[2]))))
                else:
                    fetch[3] -= len(frame)
                    self.network.sync.append((self, self.identity, frame))
            if fetch[1] >= fetch[2]:
                del self.fetches_[range_]

    def _asked(self, message):
        current = self.fetches_.get(message.severity)
        if current is not None and current[2] == message.stop:
            current[3] = message.credit
        else:
            self.fetches_[message.severity] = [message.start, message.start, message.stop, message.credit]

    def _answers(self, range_, position, stop):
        """(start, stop, frame or None for gone) of what answers for [position, stop)."""
        while position < stop:
            batches = self.journal[range_]
            holding = next((s for s, (after, _) in batches.items() if s <= position < after), None)
            if holding is not None:
                after, frame = batches[holding]
                yield holding, after, frame
                position = after
            else:
                after = min([s for s in batches if s > position], default=self.next[range_])
                yield position, after, None
                position = after


def _points(welcome):
    from zlog.core.sync import unpack_resume

    return [(point.severity, point.next) for point in unpack_resume(welcome.resume)]


def _gone(node, range_, start, stop):
    return zre_log_msg.Gone(
        node=node.uuid, epoch=node.epoch, severity=range_, start=start, stop=stop, cause=zre_log_msg.CAUSE_EVICTED
    ).encode()


class Network:
    def __init__(self):
        self.live = deque()
        self.sync = deque()

    def cut(self, node):
        """What was on its way on a sync connection that ended is lost."""
        self.sync = deque(item for item in self.sync if item[0] is not node)


class World:
    def __init__(self, seed, stores):
        self.random = random.Random(seed)
        self.stores = [FakeStore() for _ in range(stores)]
        self.network = Network()
        self.collecting = Collecting(self.stores, writes=False)
        self.collecting.after(1)
        self.nodes = []
        for number in (1, 2):
            node = ModelNode(self.collecting, number, 7).start(self.network)
            if number == 2:
                node.began -= 10**6 * SECOND  # it was there first
                for _ in range(3):
                    node.log(9, 5)
            self.nodes.append(node)
            node.connect()

    def step(self, what):
        chosen = self.random
        node = chosen.choice(self.nodes)
        range_ = chosen.choice(RANGES)
        match what:
            case "log":
                node.log(range_, chosen.randrange(1, 20))
            case "bad":
                node.log(range_, 3, bad=True)
            case "pump":
                node.pump()
            case "live":
                self.deliver_live(chosen.randrange(1, 5))
            case "lose":
                for _ in range(min(len(self.network.live), chosen.randrange(1, 4))):
                    self.network.live.popleft()
            case "repeat":
                if self.network.live:
                    self.network.live.append(chosen.choice(self.network.live))
            case "sync":
                self.deliver_sync(chosen.randrange(1, 5))
            case "status":
                node.status(lag=0)
            case "time":
                self.collecting.after(chosen.choice([0.01, 0.3, 2]))
            case "evict":
                node.evict(range_)
            case "cut":
                node.connect()
            case "full":
                chosen.choice(self.stores).room = chosen.choice([0, 1, 3])
            case "room":
                self.room()
            case "write":
                self.collecting.write(chosen.randrange(len(self.stores)))
            case "crash":
                self.crash()

    def deliver_live(self, count):
        for _ in range(min(count, len(self.network.live))):
            self.collecting.live(self.network.live.popleft())

    def deliver_sync(self, count):
        for _ in range(min(count, len(self.network.sync))):
            node, identity, frame = self.network.sync.popleft()
            if identity == node.identity:
                self.collecting.sync(identity, frame)

    def room(self):
        for number, store in enumerate(self.stores):
            store.room = 10**9
            self.collecting.carry_out(self.collecting.session.ready(number, self.collecting.now))

    def crash(self):
        """Another collector takes the stores over; what they had not written is gone."""
        now = self.collecting.now
        for store in self.stores:
            store.waiting.clear()
            store.room = 10**9
        skipped = {}
        for store in self.stores:
            for key, start, stop, cause in store.names:
                if not cause:
                    skipped.setdefault(key, Intervals()).add(start, stop)
        self.collecting = Collecting(self.stores, writes=False, now=now + SECOND, options={"skipped": skipped})
        self.network.live.clear()
        self.network.sync.clear()
        for node in self.nodes:
            node.collecting = self.collecting
            node.connect()

    def settle(self):
        """Everything works again, for long enough."""
        self.room()
        for round_ in range(200):
            for node in self.nodes:
                node.pump()
                node.status()
            self.deliver_live(10**6)
            self.deliver_sync(10**6)
            self.collecting.write()
            self.collecting.after(1.1)
            if round_ > 5 and not self.network.live and not self.network.sync and self.is_whole():
                return
        raise AssertionError("it does not converge")

    def is_whole(self):
        return all(
            list(store.held.get(node.key(r), [])) == ([(1, node.next[r])] if node.next[r] > 1 else [])
            for store in self.stores
            for node in self.nodes
            for r in RANGES
        )

    def check(self):
        for store in self.stores:
            assert all(times == 1 for times in store.times.values()), "stored twice"
            for node in self.nodes:
                for range_ in RANGES:
                    key = node.key(range_)
                    stored = {number for k, number in store.times if k == key}
                    named = [n for k, start, stop, _ in store.names if k == key for n in range(start, stop)]
                    assert len(named) == len(set(named)), "named twice"
                    assert not stored & set(named), "stored and named"

    def check_first_contact(self):
        """Nothing that was logged since is noted as not asked for."""
        for store in self.stores:
            for key, _, stop, cause in store.names:
                if not cause:
                    node = next(node for node in self.nodes if node.key(key[2]) == key)
                    assert stop <= node.bases[key[2]], "logged since the first contact, and not asked for"


STEPS = [
    *["log"] * 6, "bad", *["pump"] * 6, *["live"] * 6, "lose", "repeat", *["sync"] * 6, *["status"] * 3, *["time"] * 4,
    "evict", "cut", "full", "room", *["write"] * 5, "crash",
]  # fmt: skip


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    stores=st.integers(1, 2),
    steps=st.lists(st.sampled_from(STEPS), min_size=20, max_size=150),
)
def test_stored_and_named_is_what_was_logged(seed, stores, steps):
    world = World(seed, stores)
    for step in steps:
        world.step(step)
        world.check()
    world.settle()
    world.check()
    assert world.collecting.session._repair.lent == 0
    if "crash" not in steps:
        world.check_first_contact()


@pytest.mark.parametrize("seed", range(20))
def test_long_runs(seed):
    source = random.Random(seed)
    world = World(seed, 2)
    for _ in range(1500):
        world.step(source.choice(STEPS))
    world.settle()
    world.check()

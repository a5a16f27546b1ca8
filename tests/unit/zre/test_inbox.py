"""The bounded queue of events: what is dropped, and that merging loses no truth."""

from hypothesis import given
from hypothesis import strategies as st

from zlog.zre.inbox import Inbox, _replay


def enter(peer, name=b"n"):
    return [b"ENTER", peer, name, b"{}", b"tcp://127.0.0.1:1"]


def exit_(peer):
    return [b"EXIT", peer, b"n"]


def join(peer, group):
    return [b"JOIN", peer, b"n", group]


def leave(peer, group):
    return [b"LEAVE", peer, b"n", group]


def whisper(peer, text=b"x"):
    return [b"WHISPER", peer, b"n", text]


def drain(inbox):
    events = []
    while inbox:
        events.append(inbox.peek())
        inbox.pop()
    return events


def test_first_in_first_out():
    inbox = Inbox()
    events = [enter(b"1"), join(b"1", b"A"), whisper(b"1"), exit_(b"1")]
    for event in events:
        assert inbox.push(event, droppable=event[0] == b"WHISPER")
    assert drain(inbox) == events


def test_messages_beyond_the_bound_are_dropped_and_counted():
    inbox = Inbox(max_events=3)
    inbox.push(enter(b"1"), droppable=False)
    assert [inbox.push(whisper(b"1", b"%d" % i), droppable=True) for i in range(5)] == [True, True, False, False, False]
    assert inbox.dropped == 3
    assert [event[-1] for event in drain(inbox)[1:]] == [b"0", b"1"]
    assert inbox.push(whisper(b"1"), droppable=True)


def test_octets_are_bounded_too():
    inbox = Inbox(max_bytes=1000)
    assert inbox.push(whisper(b"1", bytes(900)), droppable=True)
    assert not inbox.push(whisper(b"1", bytes(900)), droppable=True)
    assert inbox.push(exit_(b"1"), droppable=False)


def test_an_hour_of_flapping_becomes_a_handful_of_events():
    inbox = Inbox(max_events=10)
    inbox.push(enter(b"1"), droppable=False)
    drain(inbox)
    for _ in range(1000):
        inbox.push(exit_(b"1"), droppable=False)
        inbox.push(enter(b"1"), droppable=False)
        inbox.push(join(b"1", b"A"), droppable=False)
    assert len(inbox) <= 21
    assert inbox.merged > 0
    events = drain(inbox)
    assert events[0] == exit_(b"1")
    assert [event[0] for event in events[-3:]] == [b"EXIT", b"ENTER", b"JOIN"]


def test_a_merge_of_many_peers_costs_no_second_one():
    inbox = Inbox(max_events=10)
    for peer in range(500):
        inbox.push(enter(b"%d" % peer), droppable=False)
    assert inbox.merged < 10
    assert len(drain(inbox)) == 500


PEERS = st.sampled_from([b"1", b"2", b"3"])
GROUPS = st.sampled_from([b"A", b"B"])
EVENTS = st.one_of(
    st.builds(enter, PEERS, st.sampled_from([b"n", b"m"])),
    st.builds(exit_, PEERS),
    st.builds(join, PEERS, GROUPS),
    st.builds(leave, PEERS, GROUPS),
)


def sensible(events):
    """Only what a core emits: ENTER of the absent, the others of the present, no JOIN twice."""
    present: dict[bytes, set[bytes]] = {}
    for event in events:
        kind, peer = event[0], event[1]
        if kind == b"ENTER" and peer not in present:
            present[peer] = set()
        elif kind == b"EXIT" and peer in present:
            del present[peer]
        elif kind == b"JOIN" and peer in present and event[3] not in present[peer]:
            present[peer].add(event[3])
        elif kind == b"LEAVE" and event[3] in present.get(peer, ()):
            present[peer].remove(event[3])
        else:
            continue
        yield event


def truth(events):
    known = {}
    for event in events:
        _replay(known, event)
    return {peer: (it.enter, set(it.groups)) for peer, it in known.items()}


@given(st.lists(EVENTS, max_size=80), st.lists(st.integers(0, 3), max_size=80))
def test_whatever_is_merged_adds_up_to_the_same(events, reads):
    events = list(sensible(events))
    inbox = Inbox(max_events=4)
    got = []
    reads = iter(reads)
    for event in events:
        inbox.push(event, droppable=False)
        for _ in range(next(reads, 0)):
            if inbox:
                got.append(inbox.peek())
                inbox.pop()
    got += drain(inbox)
    assert truth(got) == truth(events)
    assert list(sensible(got)) == got


MESSAGES = st.builds(whisper, PEERS, st.integers(0, 20).map(bytes))


@given(st.lists(st.one_of(EVENTS, MESSAGES), max_size=80), st.lists(st.integers(0, 3), max_size=80))
def test_messages_are_delivered_in_order_or_counted(events, reads):
    state = list(sensible(event for event in events if event[0] != b"WHISPER"))
    events = [event for event in events if event[0] == b"WHISPER" or any(event is it for it in state)]
    numbered = [
        [*event[:3], b"%d|" % i + event[3]] if event[0] == b"WHISPER" else event for i, event in enumerate(events)
    ]
    inbox = Inbox(max_events=4, max_bytes=400)
    got, refused = [], 0
    reads = iter(reads)
    for event in numbered:
        refused += not inbox.push(event, droppable=event[0] == b"WHISPER")
        assert len(inbox) <= 2 * max(4, inbox._merge_at)
        assert inbox._bytes == sum(size for _, size, _ in inbox._queue)
        for _ in range(next(reads, 0)):
            if inbox:
                got.append(inbox.peek())
                inbox.pop()
    got += drain(inbox)
    messages = [event for event in got if event[0] == b"WHISPER"]
    sent = [event for event in numbered if event[0] == b"WHISPER"]
    assert [event for event in sent if event in messages] == messages
    assert len(messages) + inbox.dropped == len(sent)
    assert refused <= inbox.dropped
    assert truth(got) == truth(numbered)
    assert inbox.roomy
    assert not inbox.crowded

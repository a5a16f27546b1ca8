"""What every store promises: each record once, whatever comes twice, late, in pieces or in any order."""

import random
import threading

import pytest

from support.stores import NODES, NS, START_NS, Run, check_whole, entries, expected, stored
from zlog.collector.stores import Filter, Loss, Part, open_store
from zlog.core.intervals import Intervals
from zlog.errors import StoreError
from zlog.record import Record

FIRST = Run(NODES[0], 7, 60)
OTHERS = [FIRST, Run(NODES[0], (1 << 64) - 1, 25), Run(NODES[1], 3, 40), Run(NODES[2], 1, 30)]


def test_gives_back_what_it_was_given(query_url):
    with open_store(query_url) as store:
        store.write(FIRST.parts())
        assert list(store.query()) == expected(stored(FIRST.parts()))
        assert store.held() == {
            (FIRST.node, FIRST.epoch, range_): Intervals([(1, len(records) + 1)])
            for range_, records in FIRST.streams.items()
        }


@pytest.mark.parametrize("seed", range(5))
def test_takes_each_record_once(url, seed):
    rng = random.Random(seed)
    parts = [part for run in OTHERS for part in run.parts(rng.randint(1, 9))]
    parts += [part for run in OTHERS for part in run.parts(rng.randint(1, 9))]  # cut elsewhere: they overlap
    rng.shuffle(parts)
    with open_store(url) as store:
        while parts:
            count = rng.randint(1, 6)
            store.write(parts[:count])
            del parts[:count]
        check_whole(store)
        assert sorted(entries(store)) == sorted(record.key for run in OTHERS for record in stored(run.parts()))


def test_takes_only_the_part_that_is_new(url):
    with open_store(url) as store:
        store.write([FIRST.part(9, 5, 8)])
        store.write([FIRST.part(9, 1, 12), FIRST.part(9, 3, 14)])
        assert store.held() == {(FIRST.node, FIRST.epoch, 9): Intervals([(1, 14)])}
        check_whole(store)


def test_survives_reopening(durable_url):
    parts = [part for run in OTHERS for part in run.parts()]
    for start in range(0, len(parts), 5):
        with open_store(durable_url) as store:
            store.write(parts[max(start - 3, 0) : start + 5])  # some again
    with open_store(durable_url) as store:
        check_whole(store)
        assert sorted(entries(store)) == sorted(record.key for record in stored(parts))


def test_names_losses_and_never_takes_them_again(url):
    key = FIRST.node, FIRST.epoch, 9
    with open_store(url) as store:
        store.write([FIRST.part(9, 3, 6)])
        store.gone(key, 1, 10, 2, START_NS)
        store.gone(key, 1, 10, 1, START_NS)
        store.gone(key, 20, 20, 1, START_NS)
        store.write([FIRST.part(9, 1, 12)])
        assert [(loss.start, loss.stop, loss.cause, loss.at_ns) for loss in store.losses()] == [
            (1, 3, 2, START_NS),
            (6, 10, 2, START_NS),
        ]
        assert store.losses()[0].key == key
        assert sorted(sequence for *_, sequence in entries(store)) == [3, 4, 5, 10, 11]
        check_whole(store)


def test_losses_and_records_in_one_write(url):
    """Losses come first: a record whose sequence one of them has is not taken."""
    key = (FIRST.node, FIRST.epoch, 9)
    count = len(FIRST.streams[9])
    before = Loss(FIRST.node.hex(), FIRST.epoch, 9, 1, 5, 0, 77)
    with open_store(url) as store:
        store.write([FIRST.part(9, 1, count + 1)], [before, before])
        check_whole(store)
        assert store.holds(key) == Intervals([(1, count + 1)])
        assert store.holds((FIRST.node, FIRST.epoch, 21)) is None
        assert [entry[3] for entry in sorted(entries(store))] == list(range(5, count + 1))
        assert store.losses() == [before]


def test_losses_survive_reopening(durable_url):
    with open_store(durable_url) as store:
        store.gone((NODES[1], 1 << 63, 17), 1, (1 << 64) - 1, 5, START_NS)
        told = store.losses()
    with open_store(durable_url) as store:
        assert store.losses() == told
        store.write([Part(NODES[1], 1 << 63, 17, 5, FIRST.part(9, 1, 4).records)])
        assert entries(store) == []


def test_numbers_of_64_bits(query_url):
    """Epochs and sequences as a hostile or exotic node may choose them."""
    records = [Record(ordinal=2**63 - 2 + n, time_ns=2**63 - 1, severity=9, logger="", text=str(n)) for n in range(2)]
    borders = [1, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 4]
    parts = [Part(NODES[0], (1 << 64) - 1, 9, start, records, pid=(1 << 32) - 1) for start in borders]
    with open_store(query_url) as store:
        store.write(parts)
        assert [record.sequence for record in store.query()] == [n for start in borders for n in (start, start + 1)]
        assert {record.epoch for record in store.query()} == {(1 << 64) - 1}
        assert store.held()[parts[0].key] == Intervals((start, start + 2) for start in borders)
        check_whole(store)


def test_texts_of_any_kind(query_url):
    texts = ["", "\0", "\r\n\u2028", "x" * 65536, "\U0001f916", '"}\n{"lost":', "\x1b[2J"]
    records = [
        Record(n + 1, START_NS, 9, texts[-n], text, attributes={text or "k": text, "n": 2**64 - 1})
        for n, text in enumerate(texts)
    ]
    part = Part(NODES[0], 1, 9, 1, records, host="h\n", name="ü")
    with open_store(query_url) as store:
        store.write([part])
        assert list(store.query()) == list(part.stored())


FILTERS = [
    Filter(level=9),
    Filter(level=10),
    Filter(level=23),
    Filter(node="node-b1"),
    Filter(node="node-*"),
    Filter(node="3a3a3a3a-3a3a-*"),
    Filter(node="3A*"),
    Filter(node="nobody"),
    Filter(logger="arm"),
    Filter(logger="arm*"),
    Filter(grep=r"#\d*7$"),
    Filter(grep="^two\nlines"),
    Filter(since_ns=START_NS + 6 * NS),
    Filter(until_ns=START_NS + 6 * NS),
    Filter(since_ns=START_NS + 5 * NS, until_ns=START_NS + 7 * NS, level=13),
    Filter(since_ns=-(1 << 70), until_ns=1 << 70),
    Filter(limit=0),
    Filter(limit=1),
    Filter(limit=10),
    Filter(limit=10_000),
    Filter(limit=5, level=17, logger="arm*"),
    Filter(limit=7, grep="ready", until_ns=START_NS + 6 * NS),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_query(query_url, wanted):
    parts = [part for run in OTHERS for part in run.parts()]
    random.Random(1).shuffle(parts)
    with open_store(query_url) as store:
        for part in parts:
            store.write([part])
        assert list(store.query(wanted)) == expected(stored(parts), wanted)


def test_records_without_ordinals_are_ordered_by_time_then_sequence(query_url):
    """RECORD has none (protocol 3.4)."""
    infos = Part(NODES[0], 1, 9, 1, [Record(0, time, 9, "", f"i{time}") for time in (10, 20, 20, 30)])
    errors = Part(NODES[0], 1, 17, 1, [Record(0, time, 17, "", f"e{time}") for time in (15, 20, 25)])
    with open_store(query_url) as store:
        store.write([errors, infos])
        assert [record.text for record in store.query()] == ["i10", "e15", "i20", "e20", "i20", "e25", "i30"]


def test_a_query_is_not_disturbed_by_writing(query_url):
    with open_store(query_url) as store:
        store.write(FIRST.parts())
        query = store.query()
        seen = [next(query)]
        for run in OTHERS[1:]:
            store.write(run.parts())
        seen += query
        assert seen == expected(stored(FIRST.parts()))
        abandoned = store.query()
        next(abandoned)
        abandoned.close()


def test_another_thread_may_query(query_url):
    parts = [part for run in OTHERS for part in run.parts(2)]
    problems: list[BaseException] = []
    done = threading.Event()

    def look() -> None:
        try:
            while not done.is_set():
                keys = [record.key for record in store.query()]
                assert len(set(keys)) == len(keys)
                store.held()
        except BaseException as problem:
            problems.append(problem)
            raise

    with open_store(query_url) as store:
        reader = threading.Thread(target=look)
        reader.start()
        for part in parts:
            store.write([part])
        done.set()
        reader.join()
        assert not problems
        assert list(store.query()) == expected(stored(parts))


def test_another_process_may_read(shared_url):
    """As `zlog query` does while a collector writes: here, a second store object."""
    with open_store(shared_url) as writer:
        writer.write(FIRST.parts())
        reader = open_store(shared_url).open(read_only=True)
        assert list(reader.query()) == expected(stored(FIRST.parts()))
        writer.write(OTHERS[2].parts())
        writer.gone((NODES[2], 5, 9), 1, 5, 1, 0)
        assert reader.held() == writer.held()
        assert reader.losses() == writer.losses()
        assert list(reader.query()) == list(writer.query())
        with pytest.raises(StoreError, match="for reading"):
            reader.write([])
        reader.close()
    with open_store(shared_url).open(read_only=True) as reader:  # also when nobody writes
        assert len(entries(reader)) == len(stored(FIRST.parts() + OTHERS[2].parts()))


def test_reading_makes_nothing(durable_url, tmp_path):
    with pytest.raises(StoreError):
        open_store(durable_url).open(read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_store_says_so(url):
    store = open_store(url)
    for call in (store.held, store.losses, lambda: store.write([])):
        with pytest.raises(StoreError, match="is not open"):
            call()
    store.close()
    store.open()
    assert store.open() is store
    store.close()
    store.close()


def test_held_is_a_copy(url):
    with open_store(url) as store:
        store.write(FIRST.parts())
        for intervals in store.held().values():
            intervals.remove(1, 1000)
        check_whole(store)


def test_no_folder(durable_url):
    scheme, _, path = durable_url.partition(":")
    with pytest.raises(StoreError, match=r"can't be opened"):
        open_store(f"{scheme}:/proc/none/{path.rsplit('/', 1)[1]}").open()

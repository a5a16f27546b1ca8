"""Entries with checksums: what a crash tears and what a disk flips is found, and nothing else is lost."""

import uuid
from collections.abc import Iterator

import pytest

from zlog.core import segments
from zlog.core.batches import Batch, Cutter, Run
from zlog.core.journal import Gone
from zlog.core.segments import BATCH, HEAD_SIZE, Damage, Entry, Segment, head_of, scan
from zlog.record import Record, encode
from zlog.wire.zre_log_msg import CAUSE_DAMAGED, CAUSE_DROPPED

NODE = uuid.UUID(int=7)


def batches(count: int, records: int = 3) -> list[Batch]:
    run = Run(NODE, 1)
    cutter = Cutter(run, "host", "name", 1, close_records=records)
    found: list[Batch] = []
    for _ in range(count * records):
        ordinal, sequence = run.number(9)
        record = Record(ordinal, 1000 + ordinal, 9, "app", f"text {sequence}")
        found += cutter.add(9, sequence, ordinal, record.time_ns, encode(record), 0)
    assert len(found) == count
    return found


def entry(batch: Batch) -> bytes:
    head = head_of(
        batch.frame, BATCH, batch.range, batch.count, batch.sequence, batch.first_ordinal, batch.first_time_ns
    )
    return head + batch.frame


def answers(segment: Segment, stop: int) -> list[Batch | Gone]:
    """What answers for [1, stop), each sequence once."""
    at, found = 1, []
    while at < stop:
        item = segment.at(at, stop)
        assert item.stop > at
        found.append(item)
        at = item.stop
    return found


ALL = batches(4)
DATA = b"".join(map(entry, ALL))


def test_what_was_written_is_read() -> None:
    segment = Segment(DATA, 9, 1)
    assert answers(segment, 13) == ALL
    assert (segment.next, segment.whole, segment.damaged) == (13, len(DATA), False)


def test_torn_at_every_octet() -> None:
    """What is whole stays; what is torn is gone, up to where the run had come."""
    for at in range(len(DATA) + 1):
        check_torn(at)


def check_torn(at: int) -> None:
    whole = [batch for place, batch in enumerate(ALL) if sum(len(entry(each)) for each in ALL[: place + 1]) <= at]
    segment = Segment(DATA[:at], 9, 1)
    found = answers(segment, 20)
    assert found[: len(whole)] == whole
    assert segment.next == len(whole) * 3 + 1
    assert segment.whole == sum(len(entry(each)) for each in whole)
    (rest,) = found[len(whole) :]
    torn = at > segment.whole
    assert rest == Gone(9, segment.next, 20, CAUSE_DAMAGED if torn else CAUSE_DROPPED)


def flipped() -> Iterator[bytes]:
    for bit in range(0, len(DATA) * 8, 5):
        data = bytearray(DATA)
        data[bit // 8] ^= 1 << bit % 8
        yield bytes(data)


def test_a_flipped_bit_anywhere_costs_one_entry() -> None:
    for data in flipped():
        found = answers(Segment(data, 9, 1), 13)
        kept = [item for item in found if isinstance(item, Batch)]
        assert len(kept) == 3
        assert all(batch in ALL for batch in kept)
        (gone,) = [item for item in found if isinstance(item, Gone)]
        assert (gone.stop - gone.start, gone.cause) == (3, CAUSE_DAMAGED)


def test_without_checksums_some_flipped_bits_go_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The safeguard off: batches are handed out that never were."""
    monkeypatch.setattr(segments.zlib, "crc32", lambda octets: 0)
    data = b"".join(map(entry, ALL))
    changed = bytearray(data)
    changed[-1] ^= 4  # in the last text
    found = answers(Segment(bytes(changed), 9, 1), 13)
    assert [item for item in found if item not in ALL]
    assert all(isinstance(item, Batch) for item in found)


def test_scan_covers_every_octet() -> None:
    data = b"rubbish" + DATA[:100] + entry(ALL[1]) + b"\xfaZJ\x01" * 20
    at = 0
    for item in scan(data):
        assert item.start - (HEAD_SIZE if isinstance(item, Entry) else 0) == at
        at = item.stop
    assert at == len(data)
    assert [type(item) for item in scan(data)] == [Damage, Damage, Entry, Damage]


def test_an_entry_of_another_range_or_out_of_order_is_damage() -> None:
    data = entry(ALL[1]) + entry(ALL[0])
    assert answers(Segment(data, 9, 4), 4)[0].stop == 4
    segment = Segment(data, 9, 4)
    assert segment.at(4, 13) == ALL[1]
    assert segment.at(7, 13) == Gone(9, 7, 13, CAUSE_DAMAGED)
    assert len(Segment(DATA, 13, 1)) == 0


def test_a_hole_was_dropped() -> None:
    segment = Segment(entry(ALL[0]) + entry(ALL[2]), 9, 1)
    assert answers(segment, 10) == [ALL[0], Gone(9, 4, 7, CAUSE_DROPPED), ALL[2]]

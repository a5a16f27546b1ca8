"""The lists inside OFFER, WELCOME and STATUS."""

import contextlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zlog import limits
from zlog.core import sync
from zlog.severity import RANGES
from zlog.wire.runtime import DecodeError

NUMBERS = st.integers(1, 2**64 - 1)
RUNS = st.builds(sync.RunKey, st.uuids(), st.integers(0, 2**64 - 1))
PAIRS = st.tuples(NUMBERS, NUMBERS).map(lambda pair: tuple(sorted(pair)))
HELD = st.builds(sync.Held, RUNS, st.tuples(*[PAIRS] * 6))
RESUME = st.builds(sync.Resume, RUNS, st.sampled_from(RANGES), NUMBERS)
STATUS = st.builds(sync.RangeStatus, st.sampled_from(RANGES), NUMBERS, NUMBERS, NUMBERS)

LINKS = st.builds(
    sync.LinkStatus, st.uuids(), st.integers(0, 255), st.booleans(), st.booleans(), NUMBERS, NUMBERS, NUMBERS
)


@given(st.lists(HELD, max_size=5))
def test_runs_there_and_back(runs):
    octets = sync.pack_held(runs)
    assert len(octets) == 120 * len(runs)
    assert sync.unpack_held(octets) == runs


@given(st.lists(st.none() | st.integers(0, 2**64 - 2), max_size=5), st.integers(0, 7))
def test_ages_there_and_back(ages, runs):
    octets = sync.pack_ages(ages)
    assert len(octets) == 8 * len(ages)
    assert sync.unpack_ages(octets, runs) == (ages + [None] * 7)[:runs]


def test_an_age_is_never_taken_for_unknown():
    assert sync.unpack_ages(sync.pack_ages([-1, 2**70]), 2) == [0, 2**64 - 2]


@given(st.lists(RESUME, max_size=5))
def test_resume_points_there_and_back(points):
    octets = sync.pack_resume(points)
    assert len(octets) == 33 * len(points)
    assert sync.unpack_resume(octets) == points


@given(st.lists(STATUS, max_size=6))
def test_ranges_there_and_back(ranges):
    octets = sync.pack_ranges(ranges)
    assert len(octets) == 25 * len(ranges)
    assert sync.unpack_ranges(octets) == ranges


@given(st.lists(LINKS, max_size=5))
def test_links_there_and_back(links):
    octets = sync.pack_links(links)
    assert len(octets) == 42 * len(links)
    assert sync.unpack_links(octets) == links


@given(st.lists(st.uuids(), max_size=limits.MAX_PATH))
def test_paths_there_and_back(path):
    assert sync.unpack_path(sync.pack_path(path)) == path


UNPACK = [sync.unpack_held, sync.unpack_resume, sync.unpack_ranges, sync.unpack_links, sync.unpack_path]


@pytest.mark.parametrize("unpack", UNPACK)
@given(octets=st.binary(max_size=400))
def test_any_octets_end_in_a_list_or_the_one_error(unpack, octets):
    with contextlib.suppress(DecodeError):
        assert isinstance(unpack(octets), list)


@pytest.mark.parametrize(
    ("unpack", "item", "most"),
    [
        (
            sync.unpack_held,
            sync.pack_held([sync.Held(sync.RunKey(uuid.UUID(int=1), 1), ((1, 1),) * 6)]),
            limits.MAX_RUNS,
        ),
        (
            sync.unpack_resume,
            sync.pack_resume([sync.Resume(sync.RunKey(uuid.UUID(int=1), 1), 9, 1)]),
            limits.MAX_RUNS * 6,
        ),
        (sync.unpack_ranges, sync.pack_ranges([sync.RangeStatus(9, 1, 0, 0)]), 6),
        (sync.unpack_links, bytes(42), limits.MAX_LINKS),
        (sync.unpack_path, bytes(16), limits.MAX_PATH),
    ],
)
def test_lists_are_bounded(unpack, item, most):
    assert len(unpack(item * most)) == most
    with pytest.raises(DecodeError, match="value"):
        unpack(item * (most + 1))
    with pytest.raises(DecodeError, match="truncated"):
        unpack(item[:-1])


@pytest.mark.parametrize("severity", [0, 2, 8, 22, 255])
def test_a_severity_that_begins_no_range_is_refused(severity):
    with pytest.raises(DecodeError, match="value"):
        sync.unpack_ranges(sync.pack_ranges([sync.RangeStatus(severity, 1, 0, 0)]))
    with pytest.raises(DecodeError, match="value"):
        sync.unpack_resume(sync.pack_resume([sync.Resume(sync.RunKey(uuid.UUID(int=1), 1), severity, 1)]))


@pytest.mark.parametrize("pair", [(0, 1), (2, 1)])
def test_impossible_ranges_of_a_run_are_refused(pair):
    octets = sync.pack_held([sync.Held(sync.RunKey(uuid.UUID(int=1), 1), ((1, 1),) * 5 + (pair,))])
    with pytest.raises(DecodeError, match="value"):
        sync.unpack_held(octets)

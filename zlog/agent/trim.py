"""Keeps a journal's directory within its bounds: which segments of all runs in it have to go.

As in memory, the oldest segment of the lowest range goes first, a quarter is kept for WARN and worse, and a sixteenth
for each range. What a living process still writes stays, so the directory may be larger by a segment for each of its
processes and ranges.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from zlog.agent.ages import Ages
from zlog.agent.kept import segment_of
from zlog.severity import RANGES, range_index

__all__ = ["Found", "remove", "segments_in", "victims"]

_FOR_WORSE: Final = 4
_FOR_EACH: Final = 16
_WARN: Final = RANGES.index(13)


class Found(NamedTuple):
    """A segment.

    Attributes:
        time_ns: when it was last written to: `Ages.order` of it, to tell which is older.
        known_ns: the same, but no earlier than that is known: `Ages.known`.
        lane: index of its range.
        sequence: of its first record.
        size: in octets.
        folder, name: where it is.
        last: it is the last of its range in its folder.
    """

    time_ns: int
    known_ns: int
    lane: int
    sequence: int
    size: int
    folder: str
    name: str
    last: bool


def segments_in(directory: str, folder: str, ages: Ages) -> list[Found]:
    """The segments of one run; none if it is gone."""
    found: list[Found] = []
    with contextlib.suppress(OSError), os.scandir(os.path.join(directory, folder)) as entries:
        for entry in entries:
            named = segment_of(entry.name)
            if named is None:
                continue
            with contextlib.suppress(OSError):
                stat = entry.stat(follow_symlinks=False)
                index = range_index(named[0])
                order, known = ages.order(stat.st_mtime_ns), ages.known(stat.st_mtime_ns, entry.path)
                found.append(Found(order, known, index, named[1], stat.st_size, folder, entry.name, False))
    newest = {index: max(each.sequence for each in found if each.lane == index) for index in {f.lane for f in found}}
    return [each._replace(last=each.sequence == newest[each.lane]) for each in found]


def victims(found: Iterable[Found], max_bytes: int, oldest_ns: int, may_go: Callable[[Found], bool]) -> list[Found]:
    """What has to go.

    Args:
        found: all segments of the directory.
        max_bytes: what they may take together.
        oldest_ns: what is known to have been written last before that is too old.
        may_go: asked of what would go: whether nobody writes it any more.
    """
    gone: list[Found] = []
    lanes: list[list[Found]] = [[] for _ in RANGES]
    for each in sorted(found, key=lambda one: (one.time_ns, one.sequence), reverse=True):
        if each.known_ns < oldest_ns and may_go(each):
            gone.append(each)
        else:
            lanes[each.lane].append(each)  # the oldest is at the end
    sizes = [sum(each.size for each in lane) for lane in lanes]
    share = max_bytes // _FOR_EACH
    for_low = max_bytes - max_bytes // _FOR_WORSE
    while True:
        too_low = sum(sizes[:_WARN]) > for_low and any(lanes[:_WARN])
        places = [place for place, lane in enumerate(lanes) if lane and (place < _WARN or not too_low)]
        if not places or not (too_low or sum(sizes) > max_bytes):
            break
        place = next(iter([place for place in places if sizes[place] > share] or places))
        each = lanes[place].pop()
        if may_go(each):
            gone.append(each)
            sizes[place] -= each.size
    return gone


def remove(directory: str, found: Iterable[Found]) -> int:
    """Remove segments; return how many octets that were."""
    octets = 0
    for each in found:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(directory, each.folder, each.name))
            octets += each.size
    return octets

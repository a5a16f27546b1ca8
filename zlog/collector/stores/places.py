"""Where the pieces of a stream are in files: a few octets for each, as a store may have millions."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Place", "Places"]


class Place(NamedTuple):
    """Octets of a file, by the number that its reader gave it."""

    file: int
    offset: int
    length: int


class Places:
    """The places of a run and range, each with the sequence that it begins with."""

    __slots__ = ("_files", "_lengths", "_offsets", "_rising", "_sequences")

    def __init__(self) -> None:
        self._sequences, self._offsets, self._lengths, self._files = array("Q"), array("Q"), array("L"), array("L")
        self._rising = True

    def add(self, sequence: int, place: Place) -> None:
        """One more, in any order."""
        if self._sequences and sequence < self._sequences[-1]:
            self._rising = False
        self._sequences.append(sequence)
        self._files.append(place.file)
        self._offsets.append(place.offset)
        self._lengths.append(place.length)

    def __iter__(self) -> Iterator[Place]:
        """By sequence; those with the same as they were added."""
        sequences = self._sequences
        order = range(len(sequences))
        for number in order if self._rising else sorted(order, key=sequences.__getitem__):
            yield Place(self._files[number], self._offsets[number], self._lengths[number])

"""Reads what `sqlite.py` wrote; the schema is explained there."""

import sqlite3
from collections.abc import Iterator, Mapping, Set
from heapq import heappush, heappushpop
from typing import Any

import msgspec

from zlog.record import Stored

from .base import Streams
from .model import Filter, Key
from .order import StreamKey, merged, ordered, placed, recency

SEGMENT_BITS = 32
SEGMENT = 1 << SEGMENT_BITS

SELECT = """
SELECT r.ordinal, r.time_ns, r.id, r.severity, r.logger, r.text, r.event, r.peer, r.attributes,
       p.host, p.name, p.pid, p.received_ns
FROM parts p CROSS JOIN records r ON r.id BETWEEN p.id AND p.id + p.count - 1
"""

_from_json = msgspec.json.Decoder(dict[str, Any]).decode
Row = tuple[Any, ...]


def unsigned(number: int) -> int:
    return number & (1 << 64) - 1


class Query:
    """One query over a connection that is in a transaction."""

    def __init__(self, database: sqlite3.Connection, wanted: Filter) -> None:
        self._database = database
        self._wanted = wanted
        self._streams: dict[int, tuple[str, int, int, int]] = {
            id_: (node, unsigned(epoch), range_, segment)
            for id_, node, epoch, range_, segment in database.execute(
                "SELECT id, node, epoch, range, segment FROM streams"
            )
        }
        conditions = {
            "p.last_ns >= ?": wanted.since_ns,
            "p.first_ns < ?": wanted.until_ns,
            "p.range > ?": None if wanted.level is None else wanted.level - 4,
        }
        self._parts, self._parts_values = _where(conditions)
        conditions |= {
            "r.time_ns >= ?": wanted.since_ns,
            "r.time_ns < ?": wanted.until_ns,
            "r.severity >= ?": wanted.level,
        }
        self._rows, self._rows_values = _where(conditions)

    def streams(self) -> Streams:
        """Everything by run and range, as it is read."""
        streams: dict[StreamKey, list[tuple[int, int]]] = {}
        for id_ in self._chosen():
            node, epoch, range_, segment = self._streams[id_]
            streams.setdefault((node, epoch, range_), []).append((segment, id_))
        return [(key, self._stream(sorted(segments))) for key, segments in streams.items()]

    def all(self) -> Iterator[Stored]:
        """Everything in order, as it is read."""
        return merged((key, placed(stream)) for key, stream in self.streams())

    def newest(self, limit: int) -> Iterator[Stored]:
        """The newest so many, all at once: from the last part back until no earlier one can have a newer record."""
        heap: list[tuple[Any, Stored]] = []
        parts = self._database.execute(
            f"SELECT p.id, p.last_ns FROM parts p WHERE {self._parts} ORDER BY p.last_ns DESC", self._parts_values
        )
        for id_, last_ns in parts if limit else ():
            if len(heap) == limit and heap[0][1].time_ns > last_ns:
                break
            rows = self._database.execute(f"{SELECT} WHERE {self._rows} AND p.id = ?", (*self._rows_values, id_))
            for record in map(self._stored, rows):
                if self._wanted.matches(record):
                    entry = recency(record), record
                    if len(heap) < limit:
                        heappush(heap, entry)
                    else:
                        heappushpop(heap, entry)
        return iter(ordered(record for _, record in heap))

    def at(self, sequences: Mapping[Key, Set[int]]) -> Iterator[Stored]:
        """The records that have these sequences."""
        ids = {stream: id_ for id_, stream in self._streams.items()}
        for (node, epoch, range_), wanted in sequences.items():
            for sequence in sorted(wanted):
                segment, low = divmod(sequence, SEGMENT)
                stream = ids.get((node.hex(), epoch, range_, segment))
                if stream is not None:
                    id_ = stream << SEGMENT_BITS | low
                    rows = self._database.execute(
                        f"{SELECT} WHERE p.id = (SELECT max(id) FROM parts WHERE id <= ?) AND r.id = ?", (id_, id_)
                    )
                    yield from map(self._stored, rows)

    def _chosen(self) -> set[int]:
        """The streams that have parts that may be meant."""
        if self._wanted.node is None and not self._parts_values:
            return set(self._streams)
        found = self._database.execute(
            f"SELECT DISTINCT p.id >> {SEGMENT_BITS}, p.name FROM parts p WHERE {self._parts}", self._parts_values
        )
        return {id_ for id_, name in found if self._wanted.matches_node(self._streams[id_][0], name)}

    def _stream(self, segments: list[tuple[int, int]]) -> Iterator[Stored]:
        for _, id_ in segments:
            first = id_ << SEGMENT_BITS
            rows = self._database.execute(
                f"{SELECT} WHERE {self._rows} AND p.id BETWEEN ? AND ? ORDER BY p.id, r.id",
                (*self._rows_values, first, first + SEGMENT - 1),
            )
            for record in map(self._stored, rows):
                if self._wanted.matches(record):
                    yield record

    def _stored(self, row: Row) -> Stored:
        ordinal, time_ns, id_, severity, logger, text, event, peer, attributes, host, name, pid, received_ns = row
        node, epoch, range_, segment = self._streams[id_ >> SEGMENT_BITS]
        return Stored(
            node=node,
            epoch=epoch,
            range=range_,
            sequence=segment << SEGMENT_BITS | id_ & SEGMENT - 1,
            ordinal=ordinal,
            time_ns=time_ns,
            severity=severity,
            logger=logger,
            text=text,
            event=event,
            peer=peer,
            attributes=_from_json(attributes) if attributes else {},
            host=host,
            name=name,
            pid=pid,
            received_ns=received_ns,
        )


def _where(conditions: Mapping[str, int | None]) -> tuple[str, tuple[int, ...]]:
    """Those conditions that have a value, as SQL, and their values; a time beyond 64 bits is the last."""
    top = (1 << 63) - 1
    given = {text: max(-top, min(value, top)) for text, value in conditions.items() if value is not None}
    return " AND ".join(given) or "1", tuple(given.values())

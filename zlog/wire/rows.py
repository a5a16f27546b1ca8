"""The records of a BATCH for who only passes them on: checked, but with their attributes as JSON. Pure.

Attributes are most of the work of taking a body apart, and most records of a program share theirs with thousands of
others: the same line of code in the same thread. So they are checked and made JSON once for all that have the same
octets. Who wants records gets them too, later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, overload

import msgspec

from zlog.record import Attributes, Record
from zlog.wire import body
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import Batch

__all__ = ["Row", "Rows"]

Row = tuple[int, int, int, str, str, int, bytes | None, msgspec.Raw]
"""The elements of a record (section 7.2), the attributes as MessagePack."""

_SIZE: Final = 8
#: Attributes that are remembered; then it begins anew. What is longer than that many octets is not.
_MAX_REMEMBERED: Final = 4_096
_MAX_OCTETS: Final = 1_024


def _row_type() -> object:
    types = [part.type for part in msgspec.structs.fields(Record)[: _SIZE - 1]]
    return list.__class_getitem__(tuple.__class_getitem__((*types, msgspec.Raw)))


_decode: Final = msgspec.msgpack.Decoder(_row_type()).decode
_decode_attributes: Final = msgspec.msgpack.Decoder(Attributes).decode
_to_json: Final = msgspec.json.Encoder().encode
_remembered: Final[dict[bytes, str | None]] = {}


class Rows(Sequence[Record]):
    """The records of a BATCH.

    Args:
        batch: from anybody.

    Attributes:
        rows: each record's elements; None where they can't be had so, as there are octets among the attributes.
        attributes: of each, as JSON; None where there are none.

    Raises:
        DecodeError: by section 3.5, 7.1 or 7.2 the receiver discards it as a whole.
    """

    __slots__ = ("_batch", "_records", "attributes", "rows")

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._records: list[Record] | None = None
        self.rows: list[Row] | None = None
        self.attributes: list[str | None] = []
        body.check(batch)
        document = body.document_of(batch.codec, batch.body)
        try:
            rows: list[Row] = _decode(document)
            first, last = batch.severity, batch.severity + 3
            if len(rows) != batch.count or not all(first <= row[2] <= last for row in rows):
                raise DecodeError("value", 0, "BATCH")
            self.attributes = [_json_of(row[7]) for row in rows]
            self.rows = rows
        except (ValueError, RecursionError):  # later elements, octets among the attributes; or it is bad
            self._records = body.records_of(batch)

    @property
    def batch(self) -> Batch:
        """The message."""
        return self._batch

    @property
    def _all(self) -> list[Record]:
        if self._records is None:
            self._records = body.records_of(self._batch)
        return self._records

    def __len__(self) -> int:
        return self._batch.count

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._all[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._all)


def _json_of(raw: msgspec.Raw) -> str | None:
    """Attributes as JSON. Raises ValueError or RecursionError where they can't be had so."""
    octets = bytes(raw)
    try:
        return _remembered[octets]
    except KeyError:
        pass
    attributes = _decode_attributes(octets)
    text = _to_json(attributes).decode() if attributes else None
    if len(octets) <= _MAX_OCTETS:
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.clear()
        _remembered[octets] = text
    return text

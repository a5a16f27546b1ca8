"""A batch made into frames for collectors that don't take it as it is: LOG for historic ones, RECORD. Pure.

protocol/README.md, sections 3.3, 3.4, 5.4, 7.3 and 8.2.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from zlog.core.batches import Batch
from zlog.plain import cut_text
from zlog.severity import to_log_level
from zlog.wire import body, zre_log_msg

__all__ = ["logs_of", "wire_records_of"]

_MAX_STRING = 255  # octets
_SECOND = 1_000_000_000


def logs_of(batch: Batch, id_of: Callable[[bytes | None], int]) -> list[bytes]:
    """LOG frames of the records; none for ranges below INFO.

    Args:
        batch: a batch of this node's own.
        id_of: the 16-bit id of a peer with this UUID, 0 if it isn't known; None stands for the node itself.
    """
    level = to_log_level(batch.range)
    if not level:
        return []
    return [
        zre_log_msg.Log(
            level=level,
            event=record.event,
            node_id=id_of(None),
            peer_id=id_of(record.peer) if record.peer is not None else 0,
            time=record.time_ns // _SECOND,
            data=cut_text(record.text.replace("\0", " "), _MAX_STRING),
        ).encode()
        for record in _records_of(batch)
    ]


def wire_records_of(batch: Batch) -> list[bytes]:
    """RECORD frames of the records."""
    return [
        zre_log_msg.Record(
            severity=record.severity,
            event=record.event,
            node=batch.node,
            epoch=batch.epoch,
            sequence=sequence,
            time=record.time_ns,
            host=batch.host,
            name=batch.name,
            logger=cut_text(record.logger, _MAX_STRING),
            text=record.text,
            fields={cut_text(name, _MAX_STRING): _text(value) for name, value in record.attributes.items()},
        ).encode()
        for sequence, record in enumerate(_records_of(batch), batch.sequence)
    ]


def _records_of(batch: Batch) -> list[Any]:
    message = zre_log_msg.decode(batch.frame)
    assert isinstance(message, zre_log_msg.Batch)  # this node made it
    return body.unpack(message.codec, message.body, message.count)


def _text(value: object) -> str:
    """An attribute as RECORD has it: text as it is, anything else as JSON has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return msgspec.json.encode(value).decode()

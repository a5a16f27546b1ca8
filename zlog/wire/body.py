"""The body of a BATCH: encoded records put together, and octets of anybody taken apart. Pure.

protocol/README.md, sections 3.5, 7.1 and 7.2. The work on both sides is done by msgspec and zstd; what is here decides
what they may be given, and what of their results is accepted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from zlog.limits import MAX_BATCH_RECORDS, MAX_BODY_BYTES, MAX_DEPTH
from zlog.record import Absent, Record
from zlog.severity import RANGES
from zlog.wire.runtime import DecodeError
from zlog.wire.zre_log_msg import CODEC_NONE, CODEC_ZSTD, Batch

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

__all__ = ["Packer", "check", "document_of", "pack", "records_of", "unpack"]

_LEVEL: Final = 1  # of zstd: twice as fast as its default, and 10% larger
_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})


class Packer:
    """Puts bodies together, and keeps zstd's tables from one to the next: that is two thirds of its time.

    One belongs to one thread, and to one process: a child after fork makes its own.
    """

    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(level=_LEVEL)

    def pack(self, encoded: Sequence[bytes], count: int | None = None) -> tuple[int, bytes]:
        """Codec and body of 1 to 1,024 records that `zlog.record` encoded.

        Args:
            encoded: the records; where ``count`` is given, several of them may be in one.
            count: how many they are.

        Raises:
            ValueError: there are none, or too many, or they are longer than 1 MiB together.
        """
        if count is None:
            count = len(encoded)
        if not 1 <= count <= MAX_BATCH_RECORDS:
            raise ValueError(f"{count} records are not 1 to {MAX_BATCH_RECORDS}")
        head = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
        body = head + b"".join(encoded)
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"{len(body)} octets are more than {MAX_BODY_BYTES}")
        if count > 1:
            # Whole in one call: so the frame states its size.
            packed = self._compressor.compress(body, zstd.ZstdCompressor.FLUSH_FRAME)
            if len(packed) < len(body):
                return CODEC_ZSTD, packed
        return CODEC_NONE, body


def pack(encoded: Sequence[bytes]) -> tuple[int, bytes]:
    """`Packer.pack` of a new one, for who makes few."""
    return Packer().pack(encoded)


# --- taking apart ----------------------------------------------------------------------------------------------------


def records_of(batch: Batch) -> list[Record]:
    """The records of a BATCH, whose sequences begin with ``batch.sequence``.

    Raises:
        DecodeError: by section 3.5, 7.1 or 7.2 the receiver discards it as a whole.
    """
    check(batch)
    records = unpack(batch.codec, batch.body, batch.count)
    first, last = batch.severity, batch.severity + 3
    for record in records:
        if not first <= record.severity <= last:
            raise _error("value")
    return records


def check(batch: Batch) -> None:
    """Whether its header is one (section 3.5), before the body is looked at. Raises DecodeError if it is not."""
    if (
        batch.severity not in RANGES
        or not 1 <= batch.count <= MAX_BATCH_RECORDS
        or not 1 <= batch.sequence <= 2**63 - batch.count
        or batch.codec not in (CODEC_NONE, CODEC_ZSTD)
    ):
        raise _error("value")


def unpack(codec: int, body: bytes, count: int) -> list[Record]:
    """The records of a body that came from anybody.

    What it allocates is bounded by the size that the body has, or says that it has, decompressed: at most 1 MiB of
    octets, some 70 times that of objects.

    Raises:
        DecodeError: it is not exactly ``count`` records as section 7.2 has them; ``reason`` is ``codec`` (unknown),
            ``size`` (longer than 1 MiB, or not stated), ``zstd`` (no such frame), ``truncated``, ``utf8``, ``count``
            or ``value`` (anything else).
    """
    document = document_of(codec, body)
    try:
        records = _decode(document)
    except msgspec.ValidationError:  # or there are octets among the attributes, which the fast type doesn't know
        records = _decode_any(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _failure(error) from None
    if len(records) != count:
        raise _error("count")
    for record in records:
        if type(record.attributes) is Absent:  # it has fewer than eight elements
            raise _error("value")
    return records


def document_of(codec: int, body: bytes) -> bytes:
    """The MessagePack document."""
    if codec == CODEC_NONE:
        if len(body) > MAX_BODY_BYTES:
            raise _error("size")
        return body
    if codec != CODEC_ZSTD:
        raise _error("codec")
    try:
        frame = zstd.get_frame_info(body)
        if frame.decompressed_size is None or frame.decompressed_size > MAX_BODY_BYTES:
            raise _error("size")
        if frame.dictionary_id:
            raise _error("zstd")
        decompressor = zstd.ZstdDecompressor()
        document = decompressor.decompress(body, frame.decompressed_size)
    except zstd.ZstdError:
        raise _error("zstd") from None
    if not decompressor.eof or decompressor.unused_data or len(document) != frame.decompressed_size:
        raise _error("zstd")
    return document


def _loose_type() -> Any:
    """A `Record` with any attributes, and all of its elements required."""
    fields = [(part.name, part.type) for part in msgspec.structs.fields(Record)]
    fields[-1] = ("attributes", dict[str, Any])
    return msgspec.defstruct("_Loose", fields, array_like=True, gc=False)


_decode: Final = msgspec.msgpack.Decoder(list[Record]).decode
_decode_loose: Final = msgspec.msgpack.Decoder(list.__class_getitem__(_loose_type())).decode


def _decode_any(document: bytes) -> list[Record]:
    """The same, slower, with octets among the attributes. Raises DecodeError."""
    try:
        loose = _decode_loose(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _failure(error) from None
    records = []
    for one in loose:
        record = Record(*msgspec.structs.astuple(one))
        _check_value(record.attributes, 1)
        records.append(record)
    return records


def _check_value(value: object, depth: int) -> None:
    """Whether it is of the types of section 7.3, ``depth`` being its own level if it is an array or map."""
    kind = type(value)
    if kind in _SCALARS:
        return
    if depth > MAX_DEPTH or not isinstance(value, dict | list):  # too deep, or an extension type
        raise _error("value")
    if isinstance(value, dict):
        if not all(type(key) is str for key in value):
            raise _error("value")
        value = list(value.values())
    for item in value:
        _check_value(item, depth + 1)


def _failure(error: Exception) -> DecodeError:
    if isinstance(error, UnicodeDecodeError):
        return _error("utf8")
    return _error("truncated" if "truncated" in str(error) else "value")


def _error(reason: str) -> DecodeError:
    return DecodeError(reason, 0, "BATCH")

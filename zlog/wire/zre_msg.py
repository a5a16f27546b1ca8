# Generated from zre_msg.xml by zlog codegen, do not edit.
#
# This Source Code Form is subject to the terms of the Mozilla Public
# License, v. 2.0. If a copy of the MPL was not distributed with this
# file, You can obtain one at https://mozilla.org/MPL/2.0/.
# ruff: noqa: RUF023 - slots are in the order of the wire
"""ZeroMQ Realtime Exchange protocol.

ZRE version 2, as RFC 36 defines it (https://rfc.zeromq.org/spec/36/). ELECT, LEADER and GOODBYE are not in the RFC:
newer Zyre nodes send them, and a receiver that can't read them would miscount the sequence.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import ClassVar, Final

from .runtime import (
    ENCODE_FAILURES,
    OCTET,
    U32,
    DecodeError,
    EncodeError,
    Fields,
    all_frames,
    bad_start,
    check_arguments,
    check_runtime,
    encode_error,
    new,
    pack_hash,
    pack_strings,
    read_hash,
    read_strings,
    utf8,
)

__all__ = [
    "MESSAGES",
    "SIGNATURE",
    "DecodeError",
    "Elect",
    "EncodeError",
    "Goodbye",
    "Hello",
    "Join",
    "Leader",
    "Leave",
    "Message",
    "Ping",
    "PingOk",
    "Shout",
    "Whisper",
    "decode",
]

check_runtime(2)

#: The first two octets of every message.
SIGNATURE: Final = b"\xaa\xa1"

# The runs of fields of fixed size; the first of a message has signature and id in front.
_HELLO_1 = Struct(">3sBHB")
_HELLO_3 = Struct(">BB")
_WHISPER_1 = Struct(">3sBH")
_SHOUT_1 = Struct(">3sBHB")
_JOIN_1 = Struct(">3sBHB")
_JOIN_2 = Struct(">B")
_LEAVE_1 = Struct(">3sBHB")
_LEAVE_2 = Struct(">B")
_PING_1 = Struct(">3sBH")
_PING_OK_1 = Struct(">3sBH")
_ELECT_1 = Struct(">3sBHB")
_LEADER_1 = Struct(">3sBHB")
_GOODBYE_1 = Struct(">3sBH")


class Hello(Fields):
    """Greets a peer, so that it can connect back.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
        endpoint: Endpoint of the sender's mailbox.
        groups: Groups the sender is in.
        status: The sender's group status: counts its joins and leaves, modulo 256.
        name: Name of the sender.
        headers: Headers of the sender.
    """

    __slots__ = ("sequence", "endpoint", "groups", "status", "name", "headers")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 1
    NAME: ClassVar[str] = "HELLO"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
        "endpoint": "string",
        "groups": "strings",
        "status": "number-1",
        "name": "string",
        "headers": "hash",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
        endpoint: str = "",
        groups: list[str] | None = None,
        status: int = 0,
        name: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.sequence = sequence
        self.endpoint = endpoint
        self.groups = [] if groups is None else groups
        self.status = status
        self.name = name
        self.headers = {} if headers is None else headers

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            endpoint_utf8 = utf8(self.endpoint)
            name_utf8 = utf8(self.name)
            head = _HELLO_1.pack(b"\xaa\xa1\x01", 2, self.sequence, len(endpoint_utf8))
            run_3 = _HELLO_3.pack(self.status, len(name_utf8))
            parts = (
                head,
                endpoint_utf8,
                U32.pack(len(self.groups)),
                pack_strings(self.groups),
                run_3,
                name_utf8,
                U32.pack(len(self.headers)),
                pack_hash(self.headers),
            )
            return b"".join(parts)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Whisper(Fields):
    """A multi-part message to one peer.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
        content: Content, as further frames.
    """

    __slots__ = ("sequence", "content")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 2
    NAME: ClassVar[str] = "WHISPER"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
        "content": "msg",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
        content: list[bytes] | None = None,
    ) -> None:
        self.sequence = sequence
        self.content = [] if content is None else content

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _WHISPER_1.pack(b"\xaa\xa1\x02", 2, self.sequence)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        first = self.encode()
        try:
            return [first, *all_frames(self.content)]
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None


class Shout(Fields):
    """A multi-part message to the peers of a group.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
        group: Group the message is for.
        content: Content, as further frames.
    """

    __slots__ = ("sequence", "group", "content")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 3
    NAME: ClassVar[str] = "SHOUT"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
        "group": "string",
        "content": "msg",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
        group: str = "",
        content: list[bytes] | None = None,
    ) -> None:
        self.sequence = sequence
        self.group = group
        self.content = [] if content is None else content

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            group_utf8 = utf8(self.group)
            head = _SHOUT_1.pack(b"\xaa\xa1\x03", 2, self.sequence, len(group_utf8))
            return head + group_utf8
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        first = self.encode()
        try:
            return [first, *all_frames(self.content)]
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None


class Join(Fields):
    """The sender joined a group.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
        group: Name of the group.
        status: The sender's group status after joining.
    """

    __slots__ = ("sequence", "group", "status")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 4
    NAME: ClassVar[str] = "JOIN"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
        "group": "string",
        "status": "number-1",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
        group: str = "",
        status: int = 0,
    ) -> None:
        self.sequence = sequence
        self.group = group
        self.status = status

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            group_utf8 = utf8(self.group)
            head = _JOIN_1.pack(b"\xaa\xa1\x04", 2, self.sequence, len(group_utf8))
            run_2 = _JOIN_2.pack(self.status)
            return b"".join((head, group_utf8, run_2))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Leave(Fields):
    """The sender left a group.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
        group: Name of the group.
        status: The sender's group status after leaving.
    """

    __slots__ = ("sequence", "group", "status")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 5
    NAME: ClassVar[str] = "LEAVE"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
        "group": "string",
        "status": "number-1",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
        group: str = "",
        status: int = 0,
    ) -> None:
        self.sequence = sequence
        self.group = group
        self.status = status

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            group_utf8 = utf8(self.group)
            head = _LEAVE_1.pack(b"\xaa\xa1\x05", 2, self.sequence, len(group_utf8))
            run_2 = _LEAVE_2.pack(self.status)
            return b"".join((head, group_utf8, run_2))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Ping(Fields):
    """Asks a peer that has gone quiet for a sign of life.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
    """

    __slots__ = ("sequence",)
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 6
    NAME: ClassVar[str] = "PING"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
    ) -> None:
        self.sequence = sequence

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _PING_1.pack(b"\xaa\xa1\x06", 2, self.sequence)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class PingOk(Fields):
    """Answers PING.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
    """

    __slots__ = ("sequence",)
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 7
    NAME: ClassVar[str] = "PING-OK"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
    ) -> None:
        self.sequence = sequence

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _PING_OK_1.pack(b"\xaa\xa1\x07", 2, self.sequence)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Elect(Fields):
    """Draft of Zyre: takes part in the election of a group's leader.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
        group: Name of the group.
        challenger_id: UUID of the challenger, as text.
    """

    __slots__ = ("sequence", "group", "challenger_id")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 8
    NAME: ClassVar[str] = "ELECT"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
        "group": "string",
        "challenger_id": "string",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
        group: str = "",
        challenger_id: str = "",
    ) -> None:
        self.sequence = sequence
        self.group = group
        self.challenger_id = challenger_id

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            group_utf8 = utf8(self.group)
            challenger_id_utf8 = utf8(self.challenger_id)
            head = _ELECT_1.pack(b"\xaa\xa1\x08", 2, self.sequence, len(group_utf8))
            return b"".join((head, group_utf8, OCTET[len(challenger_id_utf8)], challenger_id_utf8))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Leader(Fields):
    """Draft of Zyre: tells a group its leader.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
        group: Name of the group.
        leader_id: UUID of the leader, as text.
    """

    __slots__ = ("sequence", "group", "leader_id")
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 9
    NAME: ClassVar[str] = "LEADER"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
        "group": "string",
        "leader_id": "string",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
        group: str = "",
        leader_id: str = "",
    ) -> None:
        self.sequence = sequence
        self.group = group
        self.leader_id = leader_id

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            group_utf8 = utf8(self.group)
            leader_id_utf8 = utf8(self.leader_id)
            head = _LEADER_1.pack(b"\xaa\xa1\t", 2, self.sequence, len(group_utf8))
            return b"".join((head, group_utf8, OCTET[len(leader_id_utf8)], leader_id_utf8))
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


class Goodbye(Fields):
    """Draft of Zyre: the sender stops.

    Attributes:
        sequence: Counts the messages to this peer, from 1, modulo 65536.
    """

    __slots__ = ("sequence",)
    FIELDS: ClassVar[tuple[str, ...]] = __slots__
    ID: ClassVar[int] = 10
    NAME: ClassVar[str] = "GOODBYE"
    KINDS: ClassVar[dict[str, str]] = {
        "sequence": "number-2",
    }

    def __init__(
        self,
        *,
        sequence: int = 0,
    ) -> None:
        self.sequence = sequence

    def encode(self) -> bytes:
        """The first frame. Raises EncodeError when a field doesn't fit its type."""
        try:
            return _GOODBYE_1.pack(b"\xaa\xa1\n", 2, self.sequence)
        except ENCODE_FAILURES as error:
            raise encode_error(self, error) from None

    def frames(self) -> list[bytes]:
        """All frames. Raises EncodeError like `encode`."""
        return [self.encode()]


#: Any message of this protocol.
Message = Hello | Whisper | Shout | Join | Leave | Ping | PingOk | Elect | Leader | Goodbye

#: The class of each message by its id.
MESSAGES: Final[dict[int, type[Message]]] = {
    1: Hello,
    2: Whisper,
    3: Shout,
    4: Join,
    5: Leave,
    6: Ping,
    7: PingOk,
    8: Elect,
    9: Leader,
    10: Goodbye,
}


def _decode_hello(frame: bytes, rest: Sequence[bytes], errors: str) -> Hello:
    message = new(Hello)
    total = len(frame)
    start = 3
    try:
        if total < 7:
            raise DecodeError("truncated", 3, "HELLO")
        _, version_found, message.sequence, size = _HELLO_1.unpack_from(frame)
        if version_found != 2:
            raise DecodeError("value", 3, "HELLO")
        start = 7
        end = start + size
        if total < end + 4:
            raise DecodeError("truncated", start, "HELLO")
        message.endpoint = frame[start:end].decode("utf-8", errors)
        (count,) = U32.unpack_from(frame, end)
        message.groups, end = read_strings(frame, end + 4, count, errors, "HELLO")
        if total < end + 2:
            raise DecodeError("truncated", end, "HELLO")
        message.status, size = _HELLO_3.unpack_from(frame, end)
        start = end + 2
        end = start + size
        if total < end + 4:
            raise DecodeError("truncated", start, "HELLO")
        message.name = frame[start:end].decode("utf-8", errors)
        (count,) = U32.unpack_from(frame, end)
        message.headers, _ = read_hash(frame, end + 4, count, errors, "HELLO")
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "HELLO") from None
    return message


def _decode_whisper(frame: bytes, rest: Sequence[bytes], errors: str) -> Whisper:
    message = new(Whisper)
    total = len(frame)
    if total < 6:
        raise DecodeError("truncated", 3, "WHISPER")
    _, version_found, message.sequence = _WHISPER_1.unpack_from(frame)
    if version_found != 2:
        raise DecodeError("value", 3, "WHISPER")
    message.content = list(rest)
    return message


def _decode_shout(frame: bytes, rest: Sequence[bytes], errors: str) -> Shout:
    message = new(Shout)
    total = len(frame)
    start = 3
    try:
        if total < 7:
            raise DecodeError("truncated", 3, "SHOUT")
        _, version_found, message.sequence, size = _SHOUT_1.unpack_from(frame)
        if version_found != 2:
            raise DecodeError("value", 3, "SHOUT")
        start = 7
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "SHOUT")
        message.group = frame[start:end].decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "SHOUT") from None
    message.content = list(rest)
    return message


def _decode_join(frame: bytes, rest: Sequence[bytes], errors: str) -> Join:
    message = new(Join)
    total = len(frame)
    start = 3
    try:
        if total < 7:
            raise DecodeError("truncated", 3, "JOIN")
        _, version_found, message.sequence, size = _JOIN_1.unpack_from(frame)
        if version_found != 2:
            raise DecodeError("value", 3, "JOIN")
        start = 7
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "JOIN")
        message.group = frame[start:end].decode("utf-8", errors)
        (message.status,) = _JOIN_2.unpack_from(frame, end)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "JOIN") from None
    return message


def _decode_leave(frame: bytes, rest: Sequence[bytes], errors: str) -> Leave:
    message = new(Leave)
    total = len(frame)
    start = 3
    try:
        if total < 7:
            raise DecodeError("truncated", 3, "LEAVE")
        _, version_found, message.sequence, size = _LEAVE_1.unpack_from(frame)
        if version_found != 2:
            raise DecodeError("value", 3, "LEAVE")
        start = 7
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "LEAVE")
        message.group = frame[start:end].decode("utf-8", errors)
        (message.status,) = _LEAVE_2.unpack_from(frame, end)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "LEAVE") from None
    return message


def _decode_ping(frame: bytes, rest: Sequence[bytes], errors: str) -> Ping:
    message = new(Ping)
    total = len(frame)
    if total < 6:
        raise DecodeError("truncated", 3, "PING")
    _, version_found, message.sequence = _PING_1.unpack_from(frame)
    if version_found != 2:
        raise DecodeError("value", 3, "PING")
    return message


def _decode_ping_ok(frame: bytes, rest: Sequence[bytes], errors: str) -> PingOk:
    message = new(PingOk)
    total = len(frame)
    if total < 6:
        raise DecodeError("truncated", 3, "PING-OK")
    _, version_found, message.sequence = _PING_OK_1.unpack_from(frame)
    if version_found != 2:
        raise DecodeError("value", 3, "PING-OK")
    return message


def _decode_elect(frame: bytes, rest: Sequence[bytes], errors: str) -> Elect:
    message = new(Elect)
    total = len(frame)
    start = 3
    try:
        if total < 7:
            raise DecodeError("truncated", 3, "ELECT")
        _, version_found, message.sequence, size = _ELECT_1.unpack_from(frame)
        if version_found != 2:
            raise DecodeError("value", 3, "ELECT")
        start = 7
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "ELECT")
        message.group = frame[start:end].decode("utf-8", errors)
        size = frame[end]
        start = end + 1
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "ELECT")
        message.challenger_id = frame[start:end].decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "ELECT") from None
    return message


def _decode_leader(frame: bytes, rest: Sequence[bytes], errors: str) -> Leader:
    message = new(Leader)
    total = len(frame)
    start = 3
    try:
        if total < 7:
            raise DecodeError("truncated", 3, "LEADER")
        _, version_found, message.sequence, size = _LEADER_1.unpack_from(frame)
        if version_found != 2:
            raise DecodeError("value", 3, "LEADER")
        start = 7
        end = start + size
        if total < end + 1:
            raise DecodeError("truncated", start, "LEADER")
        message.group = frame[start:end].decode("utf-8", errors)
        size = frame[end]
        start = end + 1
        end = start + size
        if total < end:
            raise DecodeError("truncated", start, "LEADER")
        message.leader_id = frame[start:end].decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise DecodeError("utf8", start + error.start, "LEADER") from None
    return message


def _decode_goodbye(frame: bytes, rest: Sequence[bytes], errors: str) -> Goodbye:
    message = new(Goodbye)
    total = len(frame)
    if total < 6:
        raise DecodeError("truncated", 3, "GOODBYE")
    _, version_found, message.sequence = _GOODBYE_1.unpack_from(frame)
    if version_found != 2:
        raise DecodeError("value", 3, "GOODBYE")
    return message


_DECODERS: Final[dict[bytes, Callable[[bytes, Sequence[bytes], str], Message]]] = {
    b"\xaa\xa1\x01": _decode_hello,
    b"\xaa\xa1\x02": _decode_whisper,
    b"\xaa\xa1\x03": _decode_shout,
    b"\xaa\xa1\x04": _decode_join,
    b"\xaa\xa1\x05": _decode_leave,
    b"\xaa\xa1\x06": _decode_ping,
    b"\xaa\xa1\x07": _decode_ping_ok,
    b"\xaa\xa1\x08": _decode_elect,
    b"\xaa\xa1\t": _decode_leader,
    b"\xaa\xa1\n": _decode_goodbye,
}


def decode(frame: bytes, rest: Sequence[bytes] = (), *, errors: str = "strict") -> Message:
    """The message in ``frame``, and in the frames that follow it, where it has fields that are frames.

    Octets and frames behind a message are ignored, so that later versions can append.

    Args:
        frame: the first frame.
        rest: the further frames.
        errors: what to do with text that isn't UTF-8, as in ``bytes.decode``.

    Raises:
        DecodeError: it is not a message of this protocol. Nothing else is raised, whatever the octets.
        TypeError: ``frame`` is not bytes.
        LookupError: there is no such way to treat ``errors``.
    """
    if type(frame) is not bytes or errors != "strict":
        check_arguments(frame, errors)
    try:
        decoder = _DECODERS[frame[:3]]
    except KeyError:
        raise bad_start(frame, SIGNATURE) from None
    return decoder(frame, rest, errors)

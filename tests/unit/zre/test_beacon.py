"""The beacon's 22 octets."""

import uuid

import pytest

from zlog.zre import beacon

NODE = uuid.UUID("3a60e685-0a1e-4cc1-5f3b-fd4b42bc6b3e")
OCTETS = bytes.fromhex("5a5245 01 3a60e6850a1e4cc15f3bfd4b42bc6b3e c000")


def test_layout():
    assert beacon.Beacon(NODE, 49152).encode() == OCTETS
    assert beacon.decode(OCTETS) == beacon.Beacon(NODE, 49152)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "beacon-foreign"),
        (b"ZR", "beacon-foreign"),
        (b"XRE" + OCTETS[3:], "beacon-foreign"),
        (OCTETS[:-1], "beacon-length"),
        (OCTETS + b"\0", "beacon-length"),
        (b"ZRE", "beacon-length"),
        (b"ZRE\x02" + OCTETS[4:], "beacon-version"),
        (b"ZRE\x03" + OCTETS[4:] + bytes(32), "beacon-curve"),
        (b"ZRE\x01" + OCTETS[4:] + bytes(32), "beacon-length"),
    ],
)
def test_what_is_no_beacon_has_a_cause(data, cause):
    assert beacon.decode(data) == cause

"""The pairs that are tested: our peer, and one of each other kind, each on a host of its own."""

from __future__ import annotations

import os

import pytest

from interop.driver import KINDS, Kind, Peer, require
from support.netns import Network

OURS = os.environ.get("ZLOG_INTEROP_US", "zlog")  # another kind here tells a fault of a driver from one of ours


@pytest.fixture(params=["pyre", "zyre.js", "go", "zlog"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """The other implementation; ours too, for comparison."""
    kind = KINDS[request.param]
    require(kind)
    return kind


@pytest.fixture
def lan(hosts: Network) -> Network:
    """Two hosts with a default route: Go's beacons go to 255.255.255.255, which needs one."""
    for host in hosts:
        host.add_default_route()
    return hosts


@pytest.fixture
def us(lan: Network) -> Peer:
    """Our peer, not started, on a host of its own."""
    require(KINDS[OURS])
    return Peer(KINDS[OURS], lan[0])


@pytest.fixture
def them(lan: Network, kind: Kind) -> Peer:
    """The other's peer, not started, on another host."""
    return Peer(kind, lan[1])

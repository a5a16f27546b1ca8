"""Which interface ZRE uses, and when it moves: tables of hosts."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zlog.zre.interfaces import VIRTUAL, choose, follow, make

LO = make("lo", 1, "127.0.0.1", "255.0.0.0")
ETH0 = make("eth0", 2, "192.168.1.5", "255.255.255.0", "192.168.1.255")
WLAN0 = make("wlan0", 3, "10.1.2.3", "255.255.0.0", "10.1.255.255")
DOCKER0 = make("docker0", 4, "172.17.0.1", "255.255.0.0", "172.17.255.255")
BRIDGE = make("br-0123456789ab", 5, "172.18.0.1", "255.255.0.0")
VETH = make("veth12345", 6, "172.19.0.1", "255.255.0.0")
TUNNEL = make("tun0", 7, "10.8.0.6", "255.255.255.255")
ETH0_LATER = make("eth0", 2, "192.168.1.77", "255.255.255.0", "192.168.1.255")


# --- make -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "netmask", "broadcast", "expected"),
    [
        ("192.168.1.5", "255.255.255.0", "192.168.1.255", "192.168.1.255"),
        ("192.168.1.5", "255.255.255.0", None, "192.168.1.255"),
        ("192.168.1.5", "255.255.255.0", "", "192.168.1.255"),
        ("192.168.1.5", "255.255.255.0", "0.0.0.0", "192.168.1.255"),
        ("192.168.1.5", "255.255.255.128", None, "192.168.1.127"),
        ("192.168.1.5", "255.255.255.0", "192.168.255.255", "192.168.255.255"),
        ("10.0.0.1", "0.0.0.0", None, "255.255.255.255"),
        ("10.0.0.1", "255.255.255.255", None, "10.0.0.1"),
        ("10.0.0.1", "255.255.255.254", None, "10.0.0.1"),
        ("127.0.0.1", "255.0.0.0", None, "127.255.255.255"),
        ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.255.255.255"),
    ],
)
def test_where_beacons_go(address, netmask, broadcast, expected):
    assert str(make("x", 1, address, netmask, broadcast).broadcast) == expected


@pytest.mark.parametrize(
    ("address", "netmask", "inside", "outside"),
    [
        ("192.168.1.5", "255.255.255.0", "192.168.1.255", "192.168.2.1"),
        ("192.168.1.5", "255.255.255.252", "192.168.1.7", "192.168.1.8"),
        ("10.0.0.1", "255.255.255.255", "10.0.0.1", "10.0.0.2"),
        ("127.0.0.1", "255.0.0.0", "127.99.0.1", "128.0.0.1"),
    ],
)
def test_its_network(address, netmask, inside, outside):
    network = make("x", 1, address, netmask).network
    assert ipaddress.IPv4Address(inside) in network
    assert ipaddress.IPv4Address(outside) not in network


@pytest.mark.parametrize(
    ("address", "netmask"), [("192.168.1", "255.0.0.0"), ("::1", "255.0.0.0"), ("10.0.0.1", "255.0.255.0")]
)
def test_what_is_no_address_is_an_error(address, netmask):
    with pytest.raises(ValueError, match=r"not a valid|Expected 4 octets|Only decimal digits"):
        make("x", 1, address, netmask)


# --- choose -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "wanted", "default", "expected"),
    [
        ([], None, None, None),
        ([LO], None, None, LO),
        ([LO, ETH0], None, None, ETH0),
        ([LO, ETH0, WLAN0], None, "10.1.2.3", WLAN0),
        ([LO, ETH0, WLAN0], None, "192.168.1.5", ETH0),
        ([LO, ETH0, WLAN0], None, None, ETH0),
        ([LO, ETH0, WLAN0], None, "8.8.8.8", ETH0),
        ([LO, DOCKER0, BRIDGE, VETH], None, None, LO),
        ([DOCKER0], None, None, None),
        ([LO, DOCKER0, ETH0], None, "172.17.0.1", ETH0),
        ([LO, DOCKER0], None, "172.17.0.1", LO),
        ([LO, TUNNEL], None, None, LO),
        ([LO, TUNNEL, ETH0], None, "10.8.0.6", TUNNEL),
        ([LO, ETH0], "lo", "192.168.1.5", LO),
        ([LO, ETH0], "127.0.0.1", "192.168.1.5", LO),
        ([LO, ETH0, DOCKER0], "docker0", "192.168.1.5", DOCKER0),
        ([LO, ETH0, WLAN0], "10.1.2.3", "192.168.1.5", WLAN0),
        ([LO, ETH0], "wlan0", "192.168.1.5", None),
        ([LO, ETH0], "eth", "192.168.1.5", None),
        ([LO, ETH0], "", "192.168.1.5", None),
    ],
)
def test_choose(found, wanted, default, expected):
    assert choose(found, wanted, default) == expected


@pytest.mark.parametrize("pattern", VIRTUAL)
def test_bridges_to_containers_are_never_chosen(pattern):
    virtual = make(pattern.replace("*", "0"), 9, "172.17.0.1", "255.255.0.0")
    assert choose([virtual, LO], None, "172.17.0.1") == LO


# --- follow -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("current", "found", "wanted", "default", "expected"),
    [
        (ETH0, [LO, ETH0], None, "192.168.1.5", ETH0),
        (ETH0, [LO, ETH0_LATER], None, "192.168.1.77", ETH0_LATER),  # a new address
        (ETH0, [LO], None, None, ETH0),  # down for a while
        (ETH0, [], None, None, ETH0),
        (ETH0, [LO, ETH0, WLAN0], None, "10.1.2.3", ETH0),  # a better one is no reason to leave one that is up
        (ETH0, [LO, WLAN0], None, "10.1.2.3", WLAN0),  # the default route leaves by another
        (ETH0, [LO, DOCKER0], None, "172.17.0.1", ETH0),
        (LO, [LO], None, None, LO),
        (LO, [LO, ETH0], None, "192.168.1.5", ETH0),  # a network has come
        (LO, [LO, ETH0], None, None, ETH0),
        (LO, [LO, DOCKER0], None, "172.17.0.1", LO),
        (LO, [], None, None, LO),
        (ETH0, [LO, ETH0_LATER, WLAN0], "eth0", "10.1.2.3", ETH0_LATER),
        (ETH0, [LO, WLAN0], "eth0", "10.1.2.3", ETH0),  # asked for: waits for it
        (ETH0, [LO, ETH0_LATER], "192.168.1.5", "192.168.1.77", ETH0),
        (LO, [LO, ETH0], "lo", "192.168.1.5", LO),
    ],
)
def test_follow(current, found, wanted, default, expected):
    assert follow(current, found, wanted, default) == expected


ALL = [LO, ETH0, ETH0_LATER, WLAN0, DOCKER0, BRIDGE, VETH, TUNNEL]
FOUND = st.lists(st.sampled_from(ALL), max_size=5, unique_by=lambda it: it.name)
WANTED = st.one_of(st.none(), st.sampled_from([it.name for it in ALL] + [str(it.address) for it in ALL] + ["eth9"]))
DEFAULT = st.one_of(st.none(), st.sampled_from([str(it.address) for it in ALL]))


@given(FOUND, WANTED, DEFAULT)
def test_what_is_chosen_is_there_and_as_wanted(found, wanted, default):
    chosen = choose(found, wanted, default)
    if chosen is None:
        assert wanted is not None or all(it.name in ("docker0", BRIDGE.name, VETH.name, "tun0") for it in found)
    else:
        assert chosen in found
        assert wanted in (None, chosen.name, str(chosen.address))
        assert wanted is not None or chosen not in (DOCKER0, BRIDGE, VETH)


@given(FOUND, WANTED, DEFAULT, st.lists(FOUND, max_size=5))
def test_following_settles_at_once(found, wanted, default, changes):
    """Nothing flaps: looking a second time at the same host changes nothing, and what was chosen stays."""
    current = choose(found, wanted, default)
    if current is None:
        return
    assert follow(current, found, wanted, default) == current
    for now in changes:
        current = follow(current, now, wanted, default)
        assert follow(current, now, wanted, default) == current

"""Endpoints as peers tell them, of mailboxes and collectors: `tcp://address:port`. Pure."""

from __future__ import annotations

import ipaddress


def is_endpoint(endpoint: str) -> bool:
    """Whether it is ``tcp://address:port`` with a numeric address: a name would be looked up, wherever it points."""
    return host_of(endpoint) != ""


def host_of(endpoint: str) -> str:
    """Return the address in ``tcp://address:port``; empty when it is anything else."""
    if not endpoint.startswith("tcp://"):
        return ""
    host, _, port = endpoint[6:].rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        return ""
    address = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if "%" in address:
        return ""  # a zone of IPv6 is the sender's own name for one of its interfaces
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return "" if ip.is_unspecified or ip.is_multicast else host

"""Which collectors a node links to: what ZRE says of peers comes in, links to open and close go out. Pure.

protocol/README.md, chapter 4, and 6.8 for collectors that refuse. A collector is found by what its peer says (ENTER,
JOIN, ADVERT), by its address (a static one), or because it is in this very process, which ZRE doesn't announce.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from zlog import limits
from zlog.core.endpoint import host_of
from zlog.wire import zre_log_msg
from zlog.wire.zre_log_msg import REFUSED_BUSY, REFUSED_POOL, VERSION

__all__ = [
    "AGENTS",
    "COLLECTORS",
    "HEADER",
    "KEY",
    "POOL",
    "PROTO",
    "SYNC",
    "Close",
    "Discovery",
    "Greet",
    "Open",
    "Target",
]

#: ZRE groups: of collectors, and of agents.
COLLECTORS: Final = "ZYRE-LOGGER"
AGENTS: Final = "ZYRE-LOGNODE"

#: Headers of a collector.
HEADER: Final = "X-ZRELOG"
PROTO: Final = "X-ZRELOG-PROTO"
SYNC: Final = "X-ZRELOG-SYNC"
POOL: Final = "X-ZRELOG-POOL"
KEY: Final = "X-ZRELOG-KEY"

_SECOND: Final = 1_000_000_000
#: How long a collector that refused is left alone, at most.
_REFUSED: Final = 60 * _SECOND


class Target(NamedTuple):
    """A collector to link to.

    Attributes:
        key: names the link: the collector's UUID in hexadecimal, or its address if it is static.
        collector: its UUID; None while it is known by its address only.
        name: its ZRE name; empty if it has none.
        version: of the protocol; 1 means LOG only.
        live: endpoint of its SUB; None where WELCOME is to name it.
        sync: endpoint of its ROUTER; None if it has none.
        early: it was there when the run began.
    """

    key: str
    collector: UUID | None
    name: str
    version: int
    live: str | None
    sync: str | None
    early: bool = False


class Open(NamedTuple):
    """Link to a collector."""

    target: Target


class Close(NamedTuple):
    """End a link.

    Attributes:
        orderly: the collector is still there, and gets what is due to it; else the sockets are closed at once.
    """

    key: str
    orderly: bool = False


class Greet(NamedTuple):
    """Send OFFER again on a link: its collector had taken another one's for the newer."""

    key: str


Effect = Open | Close | Greet


@dataclass
class _Peer:
    name: str
    host: str
    headers: Mapping[str, str]
    groups: set[str] = field(default_factory=set)
    early: bool = False


class Discovery:
    """What a node knows of collectors. Each input returns what is to be done, in order.

    Args:
        node: UUID of the node's run; it decides in pools.
        began: when the run began.
        addresses: static collectors, ``tcp://host:port``.
        allowed: hosts that any peer may advertise, besides its own.
        on_discard: told the cause of what is ignored.
    """

    def __init__(
        self,
        node: UUID,
        began: int,
        addresses: Iterable[str] = (),
        allowed: Iterable[str] = (),
        on_discard: Callable[[str, str], None] = lambda cause, what: None,
    ) -> None:
        self._node = node
        self._began = began
        self._allowed = frozenset(allowed)
        self._discard = on_discard
        self._peers: dict[UUID, _Peer] = {}
        self._local: dict[UUID, tuple[str, Mapping[str, str]]] = {}
        self._static = {
            address: Target(address, None, "", VERSION, None, address, early=True)
            for address in dict.fromkeys(addresses)
        }
        self._open: dict[str, Target] = {}
        self._met: dict[str, UUID] = {}  # by key of a static link: whom it reached
        self._parked: dict[str, UUID] = {}  # static ones whose collector has another link
        self._refused: dict[str, int] = {}  # by key: until when
        self._pooled: set[str] = set()  # of those, the ones that said that another of their pool is to be chosen
        self._busy: dict[str, int] = {}  # how often in a row a collector was

    # --- what ZRE says ------------------------------------------------------------------------------------------------

    def enter(self, peer: UUID, name: str, headers: Mapping[str, str], endpoint: str, now: int) -> list[Effect]:
        """A peer is there: its name, the headers of its HELLO, its ZRE endpoint."""
        early = now - self._began < 2 * _SECOND
        ours = {key: value for key, value in headers.items() if key.startswith(HEADER)}
        self._peers[peer] = _Peer(name, host_of(endpoint), ours, early=early)
        return self._settle()

    def join(self, peer: UUID, group: str) -> list[Effect]:
        """A peer joined a group."""
        if group != COLLECTORS or peer not in self._peers:
            return []
        self._peers[peer].groups.add(group)
        return self._members_changed()

    def leave(self, peer: UUID, group: str) -> list[Effect]:
        """A peer left a group."""
        if group != COLLECTORS or peer not in self._peers:
            return []
        self._peers[peer].groups.discard(group)
        return self._members_changed()

    def exit(self, peer: UUID) -> list[Effect]:
        """A peer is gone."""
        self._peers.pop(peer, None)
        return self._members_changed()

    def advert(self, peer: UUID, headers: Mapping[str, str]) -> list[Effect]:
        """A peer sent ADVERT: these replace its headers (section 3.6)."""
        if peer not in self._peers:
            return []
        self._peers[peer].headers = {key: value for key, value in headers.items() if key.startswith(HEADER)}
        self._forgive(peer.hex)
        return self._settle()

    # --- what is known otherwise --------------------------------------------------------------------------------------

    def local(self, collectors: Mapping[UUID, tuple[str, Mapping[str, str]]]) -> list[Effect]:
        """The collectors on this very node, with name and headers: all of them, each time."""
        self._local = dict(collectors)
        return self._settle()

    def welcome(self, key: str, collector: UUID) -> list[Effect]:
        """The collector of a link said who it is. Of two links to one collector, the newer stays."""
        self._forgive(key)
        if key in self._static:
            self._met[key] = collector
        before = set(self._parked)
        for other in list(self._open):
            if other != key and self._whose(other) == collector:
                if other in self._static:
                    self._parked[other] = collector
                else:  # found by ZRE, and by its address: ZRE knows sooner when it leaves
                    self._parked[key] = collector
        effects = self._settle()
        if before != set(self._parked):
            effects += [Greet(each) for each in self._open if self._whose(each) == collector]
        return effects

    def refused(self, key: str, code: int, now: int) -> list[Effect]:
        """The collector of a link doesn't want it (section 6.8)."""
        if key not in self._open:
            return []
        wait = _REFUSED
        if code == REFUSED_BUSY:
            times = self._busy[key] = self._busy.get(key, -1) + 1
            wait = min(_SECOND << min(times, 6), _REFUSED)
        elif code == REFUSED_POOL:
            self._pooled.add(key)
        self._refused[key] = now + wait
        return self._settle()

    def due(self) -> int | None:
        """When `tick` has something to do; None for never, as long as nothing comes in."""
        return min(self._refused.values(), default=None)

    def tick(self, now: int) -> list[Effect]:
        """Try again whoever has refused long ago."""
        over = [key for key, until in self._refused.items() if now >= until]
        for key in over:
            del self._refused[key]
        return self._settle() if over else []

    def targets(self) -> list[Target]:
        """The links that are to be open."""
        return list(self._open.values())

    # --- what follows -------------------------------------------------------------------------------------------------

    def _whose(self, key: str) -> UUID | None:
        return self._met.get(key) if key in self._static else self._open[key].collector

    def _settle(self) -> list[Effect]:
        """Compare what should be with what is. A link that is replaced is closed first; one that a pool moves, last."""
        wanted = self._wanted()
        changed = [key for key, target in self._open.items() if key in wanted and _differs(wanted[key], target)]
        gone = [key for key in self._open if key not in wanted]
        new = [key for key in wanted if key not in self._open or key in changed]
        room = limits.MAX_LINKS - len(self._open) + len(gone) + len(changed)
        if len(new) > room:
            self._discard("links", f"more than {limits.MAX_LINKS} collectors")
            new = new[: max(room, 0)]
        for key in (*changed, *gone):
            del self._open[key]
        for key in new:
            self._open[key] = wanted[key]
        there = {uuid.hex for uuid in (*self._peers, *self._local)}
        return [
            *map(Close, changed),
            *(Open(wanted[key]) for key in new),
            *(Close(key, orderly=key in there and key not in self._refused) for key in gone),
        ]

    def _wanted(self) -> dict[str, Target]:
        found: dict[str, Target] = {}
        pools: dict[str, list[Target]] = {}
        for uuid, (name, headers) in self._local.items():
            self._consider(found, pools, self._target(uuid, name, headers, None, early=True), headers.get(POOL, ""))
        for uuid, peer in self._peers.items():
            target = self._target(uuid, peer.name, peer.headers, peer.host, early=peer.early)
            if target is not None and (target.version < VERSION or COLLECTORS in peer.groups):
                self._consider(found, pools, target, peer.headers.get(POOL, ""))
        for members in pools.values():
            chosen = max(members, key=self._rank)
            found[chosen.key] = chosen
        there = {target.collector for target in found.values()}
        there |= {uuid for key, uuid in self._met.items() if key not in self._parked}
        self._parked = {key: uuid for key, uuid in self._parked.items() if uuid in there}
        found |= {key: target for key, target in self._static.items() if key not in self._parked}
        self._refused = {key: until for key, until in self._refused.items() if key in found}
        self._busy = {key: times for key, times in self._busy.items() if key in found}
        self._met = {key: uuid for key, uuid in self._met.items() if key in found}
        return {key: target for key, target in found.items() if key not in self._refused}

    def _members_changed(self) -> list[Effect]:
        """Whoever referred to its pool may be chosen now."""
        for key in self._pooled:
            self._refused.pop(key, None)
        self._pooled.clear()
        return self._settle()

    def _forgive(self, key: str) -> None:
        self._refused.pop(key, None)
        self._busy.pop(key, None)
        self._pooled.discard(key)

    def _consider(
        self, found: dict[str, Target], pools: dict[str, list[Target]], target: Target | None, pool: str
    ) -> None:
        if target is None:
            return
        if pool and target.version >= VERSION:
            pools.setdefault(pool, []).append(target)
        else:
            found[target.key] = target

    def _rank(self, target: Target) -> bytes:
        """Section 4.6."""
        from hashlib import sha256  # OpenSSL is 1.5 MB, and most networks have no pools

        assert target.collector is not None
        return sha256(self._node.bytes + target.collector.bytes).digest()

    def _target(
        self, uuid: UUID, name: str, headers: Mapping[str, str], host: str | None, *, early: bool
    ) -> Target | None:
        """What a collector's headers make of it; None if they don't. A ``host`` of None means this very process."""
        live = headers.get(HEADER, "")
        if not live:
            return None
        version = _version(headers.get(PROTO, ""))
        sync = headers.get(SYNC) if version >= VERSION else None
        for endpoint in (live, sync):
            if endpoint is None:
                continue
            said = host_of(endpoint)
            if not said:
                self._discard("endpoint", f"{name or uuid} advertises {endpoint[:80]!r}, which is no address")
                return None
            if host is not None and said != host and said not in self._allowed:
                self._discard(
                    "foreign",
                    f"{name or uuid} at {host} advertises a collector at {said}; "
                    f"allow it with ZLOG_ALLOW_HOSTS={said}, if it is one",
                )
                return None
        return Target(uuid.hex, uuid, name, version, live, sync, early)


def _differs(wanted: Target, target: Target) -> bool:
    return (wanted.version, wanted.live, wanted.sync) != (target.version, target.live, target.sync)


def _version(value: str) -> int:
    """Section 4.2, rule 2: 1 stands for LOG only."""
    if not (value.isascii() and value.isdigit() and len(value) < 10) or int(value) < 2:
        return 1
    return min(int(value), zre_log_msg.VERSION)

"""Safeguards turned off, one at a time: each has to be missed by the simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from zlog.collector.core import Core
from zlog.collector.stores import Store
from zlog.core import contact
from zlog.core.answers import Answers
from zlog.core.batches import Run
from zlog.core.book import Book, Sink
from zlog.core.contact import Contact
from zlog.core.gaps import Gaps
from zlog.core.holdings import Holdings
from zlog.core.intervals import Intervals
from zlog.core.journal import Cursor
from zlog.core.link import Link
from zlog.core.repair import Repair
from zlog.core.session import Session
from zlog.core.streams import Stream
from zlog.core.tails import Tails
from zlog.core.watch import Watch

from . import collectors
from .disks import Disk

Patch = tuple[object, str, Any]


def _everything_is_new(self: Store, changed: dict[Any, Intervals], key: Any, start: int, stop: int) -> Any:
    intervals = changed.setdefault(key, (self.holds(key) or Intervals()).copy())
    intervals.add(start, stop)
    return [(start, stop)] if start < stop else []


def _forgets_what_stores_hold(required: bool, keeps: bool, *known: Any) -> Sink:
    return Sink(required, keeps, lambda key: None)


def _always_from_next(real: Callable[..., Any]) -> Callable[..., Any]:
    def resume(self: Contact, link: Any, index: int, first: int, following: int, from_first: bool) -> Any:
        return real(self, link, index, first, following, False)

    return resume


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _commits_at_once(real: Callable[..., Any]) -> Callable[..., Any]:
    def hand_over(self: Core, effect: Any) -> Any:
        for sink in effect.sinks:
            self.session.written(sink, effect.parcel.key, effect.parcel.sequence, effect.parcel.stop)
        return real(self, effect)

    return hand_over


def _any_store_will_do(self: Stream, sinks: Any) -> Intervals:
    result: Intervals = self.shares[sinks[0]].done.copy()
    for sink in sinks[1:]:
        result = result.union(self.shares[sink].done)
    return result


def _ready_at_once(real: Callable[..., Any]) -> Callable[..., Any]:
    def subscription(self: Link, frame: bytes) -> None:
        real(self, frame)
        if frame[:1] == b"\x01":
            self.ready = True

    return subscription


def _without_credit(real: Callable[..., Any]) -> Callable[..., Any]:
    def sent(self: Answers) -> int:
        before = {key: fetch.credit for key, fetch in self._fetches.items()}
        count: int = real(self)
        for key, fetch in self._fetches.items():
            fetch.credit = before.get(key, fetch.credit)
        return count

    return sent


def _keeps_replaced(real: Callable[..., Any]) -> Callable[..., Any]:
    def welcome(self: Contact, identity: bytes, message: Any, *rest: Any) -> Any:
        self.by_node.pop(message.node.bytes, None)
        return real(self, identity, message, *rest)

    return welcome


def _sends_whatever_is_demanded(self: Cursor, least: int, nexts: Any = None) -> None:
    return None


def _names_all_as_lost(real: Callable[..., Any]) -> Callable[..., Any]:
    def name(self: Book, stream: Stream, start: int, stop: int, cause: int) -> None:
        real(self, stream, start, stop + 1 if cause and start < stop else stop, cause)

    return name


def _takes_what_it_refused(self: Stream, sink: int, start: int, stop: int) -> None:
    self.shares[sink].behind = True


def _drops_in_silence(self: Holdings, severity: int, count: int) -> None:
    self.dropped[(severity - 1) >> 2] += count


def _real(owner: object, name: str, change: Callable[[Callable[..., Any]], Any]) -> Patch:
    return owner, name, change(getattr(owner, name))


def _counts_as_held(real: Callable[..., Any]) -> Callable[..., Any]:
    def name(self: Gaps, stream: Stream, end: int, **options: bool) -> None:
        real(self, stream, end, **options)
        for share in stream.shares:
            share.has.add(stream.base, end)

    return name


def _is_new_each_time(self: Store, gaps: Any, changed: Any, loss: Any) -> Any:
    held: Intervals = changed.get(loss.key) or self._held.get(loss.key) or Intervals()
    noted = gaps.setdefault(loss.key, (self._gaps.get(loss.key) or Intervals()).copy())
    noted.add(loss.start, loss.stop)
    return held.missing(loss.start, loss.stop)


def _knows_of_no_gaps(required: bool, keeps: bool, known: Any, *gaps: Any) -> Sink:
    return Sink(required, keeps, known)


def _died_without_its_numbers(real: Callable[..., Any]) -> Callable[..., Any]:
    def died(self: Disk, lost: int) -> None:
        self._nexts[:] = self._ends
        self._run = Run(self._run.node, self._run.epoch)
        self._run.next[:] = self._ends
        real(self, lost)

    return died


#: What is turned off, by the name of what it guards.
SAFEGUARDS: dict[str, list[Patch]] = {
    "intervals: a store takes only what it lacks": [(Store, "_take", _everything_is_new)],
    "resume: a collector asks its stores what they hold": [(collectors, "Sink", _forgets_what_stores_hold)],
    "resume: WELCOME names the first record of a young run": [_real(Contact, "_resume", _always_from_next)],
    "resume: a run that ended is taken by its age, whatever clocks say": [(contact, "_ages", lambda message: {})],
    "a node says what is gone": [(Answers, "gone", _nothing), (Holdings, "at", lambda self, run, first, sequence: (
        item if hasattr(item := self.journal.at(first, sequence) if run == self.key
                        else self.earlier[run].at(first, sequence), "frame") else None))],
    "only what is gone is named": [_real(Book, "name", _names_all_as_lost)],
    "dropped records are named": [(Holdings, "drop", _drops_in_silence)],
    "commit comes after the write": [_real(Core, "_hand_over", _commits_at_once)],
    "commit is what all stores hold": [(Stream, "settled", _any_store_will_do)],
    "a refused parcel is asked for again": [(Stream, "refuse", _takes_what_it_refused)],
    "marker and WELCOME name the collector": [(Link, "_is_meant", lambda self, collector: True)],
    "a bad body is asked for again": [(Session, "damaged", lambda self, parcel, now: [])],
    "nothing is sent before the marker": [_real(Link, "subscription", _ready_at_once)],
    "answers keep to their credit": [_real(Answers, "sent", _without_credit)],
    "a new connection replaces the old one": [_real(Contact, "_welcome", _keeps_replaced)],
    "demand is what is sent": [(Cursor, "select", _sends_whatever_is_demanded)],
    "gaps are asked for": [(Repair, "check", _nothing)],
    "the last batch is missed too": [(Tails, "check", _nothing)],
    "without a live link the stream goes over sync": [(Watch, "_needs_tunnel", lambda self, link, now: False)],
    "a run goes on where its process died": [(Contact, "drop", None)],
    "gap: what nobody can answer for is named": [(Gaps, "tick", _nothing)],
    "gap: who ends in order names what is missing": [(Gaps, "end", _nothing)],
    "gap: what comes takes its place": [_real(Gaps, "_name", _counts_as_held)],
    "gap: it is named once": [(Store, "_take_gap", _is_new_each_time), (collectors, "Sink", _knows_of_no_gaps)],
    "gap: one that was filled isn't told of": [(Store, "_standing", lambda self, losses: list(losses))],
    "numbers outlive who gave them out": [_real(Disk, "died", _died_without_its_numbers)],
}  # fmt: skip


def _drop_without_heirs(self: Contact, link: Any) -> None:
    holders, link.run.holders = link.run.holders, [each for each in link.run.holders if each is link]
    others = [each for each in holders if each is not link]
    try:
        _drop(self, link)
    finally:
        link.run.holders += others


_drop = Contact.drop
SAFEGUARDS["a run goes on where its process died"] = [(Contact, "drop", _drop_without_heirs)]


@contextmanager
def without(name: str) -> Iterator[None]:
    """Turn one off."""
    patches = [mock.patch.object(owner, attribute, changed) for owner, attribute, changed in SAFEGUARDS[name]]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()

"""What is printed, in which order, of what comes into a spool: records, losses, and that something came late."""

import json
import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from zlog.cli import history as histories
from zlog.cli import spool as spools
from zlog.cli.history import History
from zlog.cli.printer import Look, Output, Printer
from zlog.cli.spool import Spool
from zlog.collector import Collector, CollectorStatus, NodeStatus, RangeView
from zlog.collector.stores import Filter, Loss, Part, Store, open_store
from zlog.collector.stores.base import EVERYTHING
from zlog.collector.stores.model import GAP
from zlog.record import Record

NOW = time.time_ns()
NODES = {"web": bytes([0x3A]) * 16, "api": bytes([0xB1]) * 16}
RUN = 7
NS = 10**9


def part(node: str, start: int, count: int, at_ns: int = NOW, range_: int = 9) -> Part:
    records = [
        Record(number * 10 + range_, at_ns + number, range_, "log", f"{node} {number}")
        for number in range(start, start + count)
    ]
    return Part(NODES[node], RUN, range_, start, records, "host", node, 1, NOW)


def loss(node: str, start: int, stop: int, cause: int = 1, range_: int = 9, at_ns: int = NOW) -> Loss:
    return Loss(NODES[node].hex(), RUN, range_, start, stop, cause, at_ns)


class FakeCollector:
    """As far as it is asked. What nodes hold is what `nexts` has."""

    _announcer = None

    def __init__(self) -> None:
        self.nexts: dict[str, int] = {}

    def status(self) -> CollectorStatus:
        return CollectorStatus(
            nodes=[
                NodeStatus(
                    UUID(bytes=NODES[name]), RUN, name, "host", 1, True, False, False, 1, None,
                    {9: RangeView(1, following, 0, 0, 0, 0, 0)}, [],
                )
                for name, following in self.nexts.items()
            ]
        )  # fmt: skip


class Screen:
    """A printer with what is around it."""

    def __init__(self, wanted: Filter, stores: list[Store], *, history: bool, old: bool, as_json: bool) -> None:
        self.spool = Spool()
        self.spool.open()
        self.nodes = FakeCollector()
        self.errors: list[BaseException | None] = []
        collector = cast(Collector, self.nodes)
        args = Namespace(json=as_json, utc=True, verbose=False, color="never")
        before = History(collector, self.spool, stores, wanted, lambda: False) if history else None
        self.printer = Printer(
            collector, self.spool, Output(Look.of(args), wanted), wanted, self.errors.append, history=before, old=old
        )

    def end(self) -> None:
        self.spool.close()
        if self.printer.ident is not None:
            self.printer.join(30)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Screen]]:
    monkeypatch.setattr(histories, "SETTLED_S", 0.0)
    monkeypatch.setattr(histories, "DISCOVERY_S", 0.0)
    made: list[Screen] = []

    def make(
        *stores: Store, wanted: Filter = EVERYTHING, history: bool = False, old: bool = True, as_json: bool = False
    ) -> Screen:
        made.append(Screen(wanted, list(stores), history=history, old=old, as_json=as_json))
        return made[-1]

    yield make
    for each in made:
        each.end()


def words(out: str) -> list[str]:
    """Of records node and number, of losses what follows the time, other lines as they are."""
    lines = []
    for line in out.splitlines():
        if "LOST" in line:
            line = line[line.index("LOST") :]
        elif "──" not in line:
            line = " ".join(line.split()[-2:])
        lines.append(line)
    return lines


def shown_with(capfd: pytest.CaptureFixture[str], wait_until: Callable[..., None], text: str) -> str:
    """What is on the screen as soon as it has that text."""
    out = ""

    def has_it() -> bool:
        nonlocal out
        out += capfd.readouterr().out
        return text in out

    wait_until(has_it, 30)
    return out


def test_each_cause_is_a_line(screen, capfd) -> None:
    here = screen()
    here.spool.write([part("web", 1, 2)])
    here.nodes.nexts["api"] = 1
    for place, cause in enumerate([1, 2, 3, 4, 5, GAP, 0], 2):
        here.spool.write([], [loss("web", 10 * place, 10 * place + 1 + cause % 2, cause)])
    here.spool.write([], [loss("api", 1, 2001)])
    here.printer.start()
    here.end()
    out = words(capfd.readouterr().out)
    assert out == [
        "web 1",
        "web 2",
        "LOST  2 INFO records of web: evicted sequence 20 to 21",
        "LOST  1 INFO record of web: expired sequence 30",
        "LOST  2 INFO records of web: dropped sequence 40 to 41",
        "LOST  1 INFO record of web: damaged sequence 50",
        "LOST  2 INFO records of web: unknown to the node sequence 60 to 61",
        "LOST  2 INFO records of web: missing, and nobody is left to ask sequence 70 to 71",
        "LOST  2,000 INFO records of api: evicted sequence 1 to 2000",
    ]


def test_a_gap_at_the_end_is_only_what_was_not_waited_for(screen, capfd) -> None:
    here = screen()
    here.spool.write([], [loss("web", 1, 5, GAP), loss("web", 5, 6, 3)])
    here.printer.stop()
    here.printer.start()
    here.end()
    [line] = words(capfd.readouterr().out)
    assert "dropped sequence 5" in line


def test_losses_of_what_is_not_shown_are_not_shown(screen, capfd) -> None:
    here = screen(wanted=Filter(level=13, node="w*"))
    here.nodes.nexts["api"] = 1
    here.spool.write([part("web", 1, 1), part("web", 1, 1, range_=13)])
    here.spool.write([], [loss("web", 5, 6), loss("api", 1, 2, range_=13), loss("web", 3, 4, range_=13)])
    here.printer.start()
    here.end()
    assert words(capfd.readouterr().out) == ["web 1", "LOST  1 WARN record of web: evicted sequence 3"]


def test_losses_of_nodes_whose_name_nobody_knows_are_shown(screen, capfd) -> None:
    here = screen(wanted=Filter(node="w*"))
    here.spool.write([], [loss("web", 5, 6), loss("api", 1, 2)])
    here.nodes.nexts["web"] = 1
    here.printer.start()
    here.end()
    assert words(capfd.readouterr().out) == [
        "LOST  1 INFO record of web: evicted sequence 5",
        f"LOST  1 INFO record of {NODES['api'].hex()}: evicted sequence 1",
    ]


def test_losses_of_a_node_that_is_not_meant_by_its_uuid_are_not_shown(screen, capfd) -> None:
    here = screen(wanted=Filter(node=str(UUID(bytes=NODES["web"]))))
    here.spool.write([], [loss("web", 5, 6), loss("api", 1, 2)])
    here.printer.start()
    here.end()
    [line] = words(capfd.readouterr().out)
    assert line == f"LOST  1 INFO record of {NODES['web'].hex()}: evicted sequence 5"


def test_losses_in_history_of_a_node_of_which_no_record_is_shown(screen, capfd, tmp_path) -> None:
    """What it is called, the store knows, or its connection."""
    losses = loss("web", 2, 4, range_=13), loss("api", 1, 2, range_=13, at_ns=NOW + 1)
    with filled(tmp_path, part("web", 1, 1), losses=losses) as store:
        for glob, names in (("w*", ["web"]), ("a*", ["api"]), ("*", ["web", "api"])):
            here = screen(store, history=True, wanted=Filter(level=13, node=glob))
            here.nodes.nexts["api"] = 1
            here.printer.start()
            here.end()
            assert [line.split()[5] for line in words(capfd.readouterr().out)] == [f"{name}:" for name in names]


def test_with_the_newest_none_no_losses_come_first(screen, capfd, tmp_path, wait_until) -> None:
    with filled(tmp_path, part("web", 1, 1), losses=(loss("web", 2, 4),)) as store:
        here = screen(store, history=True, old=False, wanted=Filter(limit=0))
        here.spool.write([], [loss("web", 1, 4)])
        here.nodes.nexts["web"] = 4
        here.printer.start()
        wait_until(lambda: here.printer._follows, 30)
        here.spool.write([], [loss("web", 8, 9)])
        here.end()
    assert words(capfd.readouterr().out) == ["LOST  1 INFO record of web: evicted sequence 8"]


def test_json_has_records_and_nothing_else(screen, capfd) -> None:
    here = screen(as_json=True, history=True)
    here.spool.write([part("web", 1, 3)], [loss("web", 7, 9)])
    here.printer.start()
    here.end()
    out, err = capfd.readouterr()
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["web 1", "web 2", "web 3"]
    assert "LOST  2 INFO records of web: evicted sequence 7 to 8" in err


def test_more_than_memory_holds_is_in_order(screen, capfd, monkeypatch) -> None:
    monkeypatch.setattr(spools, "_MEMORY_RECORDS", 10)
    here = screen()
    for start in (51, 1):
        for range_ in (9, 13):
            here.spool.write([part("web", start, 50, range_=range_)])
    here.printer.start()
    here.end()
    assert words(capfd.readouterr().out) == [f"web {number}" for number in range(1, 101) for _ in range(2)]


@contextmanager
def filled(tmp_path: Path, *parts: Part, losses: tuple[Loss, ...] = ()) -> Iterator[Store]:
    with open_store(f"sqlite:{tmp_path}/a.db") as store:
        store.write(parts, losses)
        yield store


def test_the_seam_between_store_history_and_live(screen, capfd, tmp_path) -> None:
    """Records 1 to 6 in the store, 4 to 9 from the node before, 8 to 12 and again 1 to 12 later."""
    with filled(tmp_path, part("web", 1, 6)) as store:
        here = screen(store, history=True)
        here.nodes.nexts["web"] = 10
        here.spool.write([part("web", 4, 6)], [loss("web", 1, 4, 0)])
        here.printer.start()
        here.spool.write([part("web", 8, 5)])
        here.spool.write([part("web", 1, 12)])
        here.end()
    assert words(capfd.readouterr().out) == [f"web {number}" for number in range(1, 13)]


def test_what_a_store_is_given_meanwhile_comes_once(screen, capfd, tmp_path, monkeypatch) -> None:
    """A collector writes a record after the look at the store's intervals, before its records are read."""
    with filled(tmp_path, part("web", 1, 3)) as store:
        here = screen(store, history=True)
        here.nodes.nexts["web"] = 4
        here.spool.write([], [loss("web", 1, 4, 0)])
        real = histories.combined

        def combined(*arguments: Any) -> Any:
            store.write([part("web", 4, 2)])
            return real(*arguments)

        monkeypatch.setattr(histories, "combined", combined)
        here.printer.start()
        here.spool.write([part("web", 4, 3)])
        here.end()
    assert words(capfd.readouterr().out) == [f"web {number}" for number in range(1, 7)]


def test_losses_in_history_are_at_their_places_and_not_what_somebody_has(screen, capfd, tmp_path) -> None:
    with filled(tmp_path, part("web", 1, 3), part("web", 8, 1), losses=(loss("web", 4, 8, GAP),)) as store:
        here = screen(store, history=True)
        here.nodes.nexts["web"] = 9
        here.spool.write([part("web", 7, 2)], [loss("web", 1, 5, 1), loss("web", 5, 7, 3)])
        here.printer.start()
        here.spool.write([], [loss("web", 2, 11, 1, at_ns=NOW + NS)])
        here.end()
    assert words(capfd.readouterr().out) == [
        "web 1",
        "web 2",
        "web 3",
        "LOST  1 INFO record of web: evicted sequence 4",
        "LOST  2 INFO records of web: dropped sequence 5 to 6",
        "web 7",
        "web 8",
        "LOST  2 INFO records of web: evicted sequence 9 to 10",
    ]


def test_history_that_comes_late_is_told(screen, capfd, wait_until) -> None:
    here = screen(history=True)
    here.nodes.nexts["web"] = 3
    here.spool.write([part("web", 1, 2)])
    here.printer.start()
    shown = shown_with(capfd, wait_until, "web 2")
    here.spool.write([part("api", 1, 2, NOW - 60 * NS)])
    here.spool.write([part("api", 3, 1, NOW - 50 * NS), part("web", 3, 1, NOW + 2)])
    here.end()
    assert words(shown + capfd.readouterr().out) == [
        "web 1",
        "web 2",
        "── older records of api follow: they came too late to stand in order ──",
        "api 1",
        "api 2",
        "api 3",
        "web 3",
    ]


def test_with_the_newest_only_nobody_s_old_records_come_later(screen, capfd, wait_until) -> None:
    here = screen(history=True, old=False, wanted=Filter(limit=1))
    here.nodes.nexts["web"] = 3
    here.spool.write([part("web", 1, 2)])
    here.printer.start()
    shown = shown_with(capfd, wait_until, "web 2")
    here.spool.write([part("api", 1, 2, NOW - 60 * NS), part("web", 3, 1, NOW + 86_400 * NS)])
    here.end()
    assert words(shown + capfd.readouterr().out) == ["web 2", "web 3"]


def test_nodes_that_give_nothing_more_are_not_waited_for(screen, capfd, monkeypatch) -> None:
    monkeypatch.setattr(histories, "PATIENCE_S", 0.05)
    here = screen(history=True)
    here.nodes.nexts["web"] = 100
    here.spool.write([part("web", 1, 2)])
    here.printer.start()
    here.end()
    assert words(capfd.readouterr().out) == ["web 1", "web 2"]


def test_a_store_that_fails_is_an_error(screen, tmp_path) -> None:
    with filled(tmp_path, part("web", 1, 3)) as store:
        here = screen(store, history=True)
        os.unlink(f"{tmp_path}/a.db")
        (tmp_path / "a.db").mkdir()
        here.printer.start()
        here.end()
    assert here.errors == [None]
    assert "can't be" in str(here.printer.error)

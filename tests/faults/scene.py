"""One scene: programs that log, a collector with a store of each kind, and the account of all records at the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from support import counts
from support.audit import GAP, TEXT_OPTION, Audit, Progress, audit
from support.programs import Program
from zlog.errors import StoreError

KINDS = {
    "sqlite": "sqlite:{}/log.db",
    "jsonl": "jsonl:{}/log.jsonl",
    "file": "file:{}/log.txt" + TEXT_OPTION.replace("{", "{{").replace("}", "}}"),
    "journal": "journal:{}/frames",
}
RANGES = {"9": 16, "13": 3, "17": 1}
LOOK_S = 0.05


class Place(Protocol):
    """Where programs run: a host of a network, or here."""

    interface: str

    def popen(self, args: Sequence[str | Path], **popen: Any) -> Program: ...


@dataclass
class Here:
    """The suite's own loopback."""

    start: Callable[..., Program]
    interface: str = "lo"

    def popen(self, args: Sequence[str | Path], **popen: Any) -> Program:
        return self.start(list(args), **popen)


@dataclass(frozen=True)
class Figures:
    """What a fault came to, for one store."""

    fault: str
    store: str
    sent: int
    stored: int
    twice: int
    named: dict[str, int]
    unnamed: int
    unheard: int
    recovery_s: list[float]


Report = list[Figures]
Sent = dict[tuple[str, int], dict[int, int]]


@dataclass
class Scene:
    """See the module.

    Args:
        fault: what is done to it, in the table.
        folder: for its files.
        port: of the beacons of this scene alone.
        place: where programs run if nothing else is said.
        report: takes the figures.

    Attributes:
        urls: the collector's stores, one of each kind.
        nodes: programs that log, and live.
        recovery_s: how long it took each time until all was stored.
    """

    fault: str
    folder: Path
    port: int
    place: Place
    report: Report
    nodes: list[Program] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    _over: tuple[float, Sent] | None = None

    def __post_init__(self) -> None:
        for name in ("stores", "counts"):
            (self.folder / name).mkdir(parents=True)
        self.urls = [self.url(kind, self.folder / "stores") for kind in KINDS]
        self.seed = 0

    @staticmethod
    def url(kind: str, folder: Path) -> str:
        """Of a store in a folder."""
        return KINDS[kind].format(folder)

    # --- programs -----------------------------------------------------------------------------------------------------

    def collector(
        self,
        *options: str,
        place: Place | None = None,
        env: Mapping[str, str] | None = None,
        urls: Sequence[str] | None = None,
        prefix: Sequence[str] = (),
        ready: bool = True,
    ) -> Program:
        """`zlog collect` into all stores; returns when it is ready."""
        place = place or self.place
        command = [sys.executable, "-u", "-m", "zlog", "collect", *(urls or self.urls), "--json"]
        network = ["-i", place.interface, "--port", str(self.port)]
        program = place.popen([*prefix, *command, *network, *options], env=_environment(env))
        if ready:
            program.expect('"event": "ready"', timeout_s=60)
        return program

    def node(
        self,
        place: Place | None = None,
        *,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        linked: bool = True,
        **options: Any,
    ) -> Program:
        """A program that logs; returns when records flow. Options are those of `support.log_program`."""
        place = place or self.place
        self.seed += 1
        given = {
            "counts": str(self.folder / "counts"),
            "interface": place.interface,
            "port": self.port,
            "name": f"app-{self.seed}",
            "rate": 200,
            "ranges": RANGES,
            "seed": self.seed,
            "exit_timeout_s": 60,
        } | options
        command = [sys.executable, "-u", "-X", "faulthandler", counts.PROGRAM, counts.arguments(**given)]
        program = place.popen([*prefix, *command], env=_environment(env))
        self.nodes.append(program)
        if linked:
            program.expect("^linked", timeout_s=60)
        return program

    def kill(self, node: Program) -> None:
        """`kill -9` for one that logs."""
        node.kill()
        self.nodes.remove(node)

    # --- what has become of it ----------------------------------------------------------------------------------------

    def sent(self) -> int:
        """Calls that have returned so far, of all runs."""
        return sum(count.least for count in counts.read(self.folder / "counts").values())

    def finished(self) -> Sent:
        """The same by run and range."""
        return {run: count.finished for run, count in counts.read(self.folder / "counts").items()}

    def wait_sent(self, more: int, timeout_s: float = 60) -> None:
        """Wait until so many more were logged."""
        wanted = self.sent() + more
        self.wait(lambda: self.sent() >= wanted, timeout_s, f"{more} more records logged")

    def over(self) -> None:
        """The fault ends now, or begins to be made good."""
        self._over = time.monotonic(), self._owed()

    def recover(self, timeout_s: float = 120, urls: Sequence[str] | None = None) -> float:
        """Wait until every store has, or names, all that was sent until the fault was over, or until now.

        Returns:
            How long that took, from then on.
        """
        if self._over is None:
            self.over()
        assert self._over is not None
        (began, owed), self._over = self._over, None
        lacking: dict[str, int] = {}
        for url in urls or self.urls:
            progress = Progress(url)

            def is_there(progress: Progress = progress, url: str = url) -> bool:
                with contextlib.suppress(StoreError):  # it is being made, or renamed
                    lacking[url] = progress.lacking(owed)
                    return not lacking[url]
                return False

            self.wait(is_there, timeout_s, "all stored", lambda: f"lacking {lacking}")
        self.recovery_s.append(time.monotonic() - began)
        return self.recovery_s[-1]

    def _owed(self) -> Sent:
        """What was sent so far and may not be missing: of all but those who died with their memory."""
        living = {node.pid for node in self.nodes}
        return {
            run: count.finished
            for run, count in counts.read(self.folder / "counts").items()
            if count.pid in living or count.whole or count.journal
        }

    def wait_stored(self) -> None:
        """Wait until the stores know of the run: a collector that died before has never asked for it."""
        self.recover()
        self.recovery_s.clear()

    def wait(
        self, condition: Callable[[], bool], timeout_s: float, what: str, more: Callable[[], str] = lambda: ""
    ) -> None:
        """For what has no event to await."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                said = "".join(f"\n{node.name}:\n  " + "\n  ".join(node.lines.all[-10:]) for node in self.nodes)
                raise AssertionError(f"{self.fault}: not in {timeout_s:g} s: {what} {more()}{said}")
            time.sleep(LOOK_S)

    def end_nodes(self) -> None:
        """All nodes stop to log, deliver, and end in order."""
        for node in self.nodes:
            node.send("stop")
        for node in self.nodes:
            node.expect("^sent", timeout_s=60)
            node.send("flush 90")
        for node in self.nodes:
            said = node.expect("^flushed", timeout_s=100)
            assert said == "flushed true", f"{self.fault}: {node.name} says {said}"
            node.send("end")
        for node in self.nodes:
            assert node.wait(60) == 0
        self.nodes.clear()

    def finish(self, collector: Program, *, heard: Sent | None = None) -> Audit:
        """End everything in order, and check the account."""
        self.end_nodes()
        code = collector.terminate(60)
        assert code == 0, f"{self.fault}: the collector ended with {code}: {collector.lines.all}"
        return self.account(heard=heard)

    def account(self, *, urls: Sequence[str] | None = None, heard: Sent | None = None) -> Audit:
        """Check what is in the stores; nobody writes them any more.

        Args:
            urls: which stores.
            heard: what the collector was told of, of runs that died with their memory.
        """
        sent = counts.read(self.folder / "counts")
        result = audit(urls or self.urls, sent, heard=heard)
        for store, sums in result.sums().items():
            causes = {
                name: count
                for name, count in sums.items()
                if name not in ("sent", "stored", "twice", "unnamed", "unheard") and count
            }
            figures = (sums["sent"], sums["stored"], sums["twice"], causes, sums["unnamed"], sums["unheard"])
            self.report.append(Figures(self.fault, store, *figures, list(self.recovery_s)))
        for row in result.rows:
            if row.named.get(GAP) and (sent[row.key[:2]].journal or sent[row.key[:2]].whole):
                result.problems.append(f"{row.store}: {row.named[GAP]} of {row.key} are a gap, but somebody has them")
        try:
            return result.check()
        except AssertionError as error:
            error.add_note(self.fault)
            raise


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Ours, without settings of zlog, and more."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ZLOG_")} | dict(more or {})


def pause(seconds: float) -> None:
    """How long a fault lasts: the one thing here that time itself does."""
    threading.Event().wait(seconds)


def frozen(program: Program, seconds: float) -> None:
    """SIGSTOP, some time, SIGCONT."""
    os.kill(program.pid, signal.SIGSTOP)
    try:
        pause(seconds)
    finally:
        os.kill(program.pid, signal.SIGCONT)


def side_by_side(*parts: Callable[[], object]) -> None:
    """Run scenes that mostly wait, at the same time; raises what any of them raised."""
    with ThreadPoolExecutor(len(parts), thread_name_prefix="scene") as pool:
        running = [pool.submit(part) for part in parts]
    errors = [error for each in running if (error := each.exception()) is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of {len(parts)} scenes", errors)


def table(report: Report) -> str:
    """The figures, for people. Stores that say the same share a line."""
    lines = [("FAULT", "STORES", "SENT", "STORED", "TWICE", "NAMED", "UNNAMED", "UNHEARD", "RECOVERY (s)")]
    grouped: dict[tuple[str, ...], list[str]] = {}
    for each in report:
        named = ", ".join(f"{count:,} {cause}" for cause, count in each.named.items()) or "0"
        recovery = " ".join(f"{seconds:.1f}" for seconds in each.recovery_s) or "-"
        figures = (f"{each.sent:,}", f"{each.stored:,}", str(each.twice), named, str(each.unnamed), str(each.unheard))
        grouped.setdefault((each.fault, *figures, recovery), []).append(each.store)
    for (fault, *figures), stores in grouped.items():
        shown = "all" if len(stores) == len(KINDS) else " ".join(stores)
        lines.append((fault, shown, *figures))  # type: ignore[arg-type]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def to_json(report: Report) -> str:
    """The same for programs: an object on each line."""
    return "".join(json.dumps(vars(each)) + "\n" for each in report)

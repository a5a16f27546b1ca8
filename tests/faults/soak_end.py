"""The end of a soak: no more faults, all that can still be delivered is, and the account of every record."""

from __future__ import annotations

import contextlib
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from faults.soak_places import Collector, last_words
from faults.soak_world import World
from support.audit import CAUSES, Audit, Progress, audit
from support.counts import Count, Run
from zlog.errors import StoreError

TEXT: Final = re.compile(r"\d+ (\d+)")
LOOK_S: Final = 0.5
READY_S: Final = 60.0
STOP_S: Final = 60.0
END_S: Final = 90.0
SLOW_S: Final = 1.0
LEAST_MIB: Final = 400
"""What a collector may take in any case."""
GROWTH_MIB: Final = 100
"""And from the first third of its samples to the last."""


@dataclass
class Verdict:
    """What a soak came to."""

    problems: list[str] = field(default_factory=list)
    stores: dict[str, dict[str, int]] = field(default_factory=dict)
    settled_s: dict[str, float] = field(default_factory=dict)
    unheard: dict[str, int] = field(default_factory=dict)
    memory_mib: dict[str, int] = field(default_factory=dict)
    killed_in_calm: int = 0
    runs: int = 0
    sent: int = 0
    audits: list[Audit] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "audits"}


class End:
    """Brings a world to its end. Each step has its time; who needs longer is a problem, and the rest goes on."""

    def __init__(self, world: World, patience_s: float, tell: Callable[[str], None]) -> None:
        self._world = world
        self._patience_s = patience_s
        self._tell = tell
        self.verdict = Verdict()

    def run(self) -> Verdict:
        world, verdict = self._world, self.verdict
        world.calm_down()
        began = time.monotonic()
        self._wait("all processes run", READY_S, lambda: all(slot.up and not slot.start_at for slot in world.slots()))
        for collector in world.collectors:
            self._wait(f"{collector.name} is ready", READY_S, lambda c=collector: c.said('{"event": "ready"'))
        for node in world.nodes:
            if node.program is not None:
                with contextlib.suppress(OSError):
                    node.program.send("stop")
        for node in world.nodes:
            self._wait(f"{node.name} stops to log", STOP_S, lambda n=node: n.said("sent "))
        self._wait("children of programs have ended", STOP_S, lambda: not world.children())
        living = world.living()
        owed = {run: count for run, count in self._counts().items() if count.pid in living or count.journal}
        for collector in world.collectors:
            self._settle(collector, owed, began)
        self._end_all()
        self._account({run for run, count in owed.items() if count.pid in living})
        self._judge_memory()
        verdict.problems = world.problems + verdict.problems + world.broken()
        return verdict

    # --- steps --------------------------------------------------------------------------------------------------------

    def _wait(self, what: str, seconds: float, condition: Callable[[], bool]) -> bool:
        began = time.monotonic()
        deadline = began + seconds
        while not condition():
            now = time.monotonic()
            if now > deadline:
                self.verdict.problems.append(f"not in {seconds:g} s: {what}")
                return False
            self._world.look(now)
            time.sleep(LOOK_S / 5)
        if (took := time.monotonic() - began) > SLOW_S:
            self._tell(f"after {took:.1f} s: {what}")
        return True

    def _counts(self) -> dict[Run, Count]:
        """A run whose folder never came to be, as the disk was full, has no journal on disk."""
        world = self._world
        return {
            run: replace(count, journal=count.journal and run in world.journaled)
            for run, count in world.counts().items()
        }

    def _settle(self, collector: Collector, owed: Mapping[Run, Count], began: float) -> None:
        """Wait until its stores have all that somebody still has."""
        sent = {run: count.finished for run, count in owed.items()}
        assert collector.disk is not None
        left: dict[str, int] = {}
        checked = 0.0

        def look() -> bool:
            nonlocal checked
            if time.monotonic() < checked + LOOK_S:
                return False
            with contextlib.suppress(StoreError):
                left.update(collector.disk.call(lambda: {url: Progress(url).lacking(sent) for url in collector.urls}))
                checked = time.monotonic()
                return not any(left.values())
            return False

        if self._wait(f"{collector.name} has what can be delivered", self._patience_s, look):
            self.verdict.settled_s[collector.name] = round(time.monotonic() - began, 1)
        else:
            self.verdict.problems[-1] += f"; it lacks {left}"

    def _end_all(self) -> None:
        """Programs first, then collectors, in order."""
        for slots in (self._world.nodes, self._world.collectors):
            for slot in slots:
                if slot.program is not None:
                    slot.program.process.terminate()
            deadline = time.monotonic() + END_S
            for slot in slots:
                if slot.program is None:
                    continue
                with contextlib.suppress(Exception):
                    slot.program.process.wait(max(0.1, deadline - time.monotonic()))
                code = slot.program.process.poll()
                slot.program.close()
                if code != 0:
                    how = "doesn't end" if code is None else f"ends with {code}"
                    self.verdict.problems.append(f"{slot.name} {how} when all is calm: {last_words(slot.output)}")

    def _account(self, alive: set[Run]) -> None:
        """Each store, record by record. Of a run without a journal that has ended, nobody may have the last ones."""
        verdict = self.verdict
        found = {run: replace(count, whole=run in alive) for run, count in self._counts().items()}
        verdict.runs = len(found)
        verdict.sent = sum(count.least for count in found.values())
        for collector in self._world.collectors:
            assert collector.disk is not None
            result = collector.disk.call(lambda c=collector: audit(c.urls, found, text=TEXT))
            verdict.audits.append(result)
            verdict.problems += [f"{collector.name}: {problem}" for problem in result.problems]
            for store, sums in result.sums().items():
                verdict.stores[f"{collector.name} {store}"] = sums
            self._judge_unheard(collector, result)

    def _judge_unheard(self, collector: Collector, result: Audit) -> None:
        """Who was killed while all was well may take the last seconds with it, and no more."""
        unheard: Counter[Run] = Counter()
        for row in result.rows:
            if row.store == "sqlite":
                unheard[row.key[:2]] += row.unheard
        self.verdict.unheard[collector.name] = sum(unheard.values())
        self.verdict.killed_in_calm = len(self._world.clean_kills)
        for run, most in self._world.clean_kills.items():
            if unheard[run] > most:
                self.verdict.problems.append(
                    f"{collector.name}: {unheard[run]} records of {run[0][:8]} have no name, but it logged only {most} "
                    f"in the last seconds before it was killed, and all was well"
                )

    def _judge_memory(self) -> None:
        for collector in self._world.collectors:
            samples = [kib >> 10 for kib in collector.rss_kib]
            if not samples:
                continue
            self.verdict.memory_mib[collector.name] = max(samples)
            third = max(1, len(samples) // 3)
            growth = statistics.median(samples[-third:]) - statistics.median(samples[:third])
            if max(samples) > LEAST_MIB and growth > GROWTH_MIB:
                self.verdict.problems.append(f"{collector.name} grows: {growth} MiB, to {max(samples)} MiB")


def table(verdict: Verdict) -> str:
    """For people."""
    lines = [("STORE", "SENT", "STORED", "TWICE", "NAMED", "UNNAMED", "UNHEARD")]
    for store, sums in verdict.stores.items():
        named = ", ".join(f"{sums[cause]:,} {cause}" for cause in CAUSES.values() if sums.get(cause)) or "0"
        figures = [f"{sums[name]:,}" for name in ("sent", "stored", "twice")]
        lines.append((store, *figures, named, f"{sums['unnamed']:,}", f"{sums['unheard']:,}"))  # type: ignore[arg-type]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

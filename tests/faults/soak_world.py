"""The hosts, disks and processes of a soak, and how each fault is made and undone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from faults.soak_places import BROKEN, Collector, Slot, last_words, logs
from faults.soak_plan import COLLECTORS, Fault, Node, Plan
from support import counts
from support.disks import SmallDisk
from support.netns import Host, Network
from support.programs import Program

BIND_PORT: Final = 5672
LOSS: Final = 0.3
RANGES: Final = {"5": 2, "9": 20, "13": 3, "17": 1}
JOURNAL_DISK: Final = 64 << 20
JOURNAL_DIR: Final = "32M"
RECORD_BYTES: Final = 800
EXIT_TIMEOUT_S: Final = 3.0
SLOW_END_S: Final = 60.0
AGAIN_S: Final = 1.0
HISTORY_S: Final = 12.0
CALM_S: Final = 5.0


class World:
    """See the module.

    Args:
        plan: what was drawn.
        folder: for everything that is kept.
        port: of the beacons.
    """

    def __init__(self, plan: Plan, folder: Path, port: int) -> None:
        self.plan = plan
        self.folder = folder
        self.problems: list[str] = []
        self.done: Counter[str] = Counter()
        self.journaled: set[counts.Run] = set()  # runs whose folder was seen on disk
        self.history: deque[tuple[float, dict[counts.Run, int]]] = deque()
        self.clean_kills: dict[counts.Run, int] = {}  # what could not be known of runs that were killed in calm
        self._port = port
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self._active: Counter[tuple[str, int]] = Counter()
        self._moved = 0
        self._stack = contextlib.ExitStack()
        for name in ("counts", "out", "stores"):
            (folder / name).mkdir(parents=True)
        self.lan = self._stack.enter_context(contextlib.closing(Network(plan.hosts + COLLECTORS)))
        self.addresses = [host.ip for host in self.lan.hosts[plan.hosts :]]
        self.disks = [self._disk(f"host-{number}", JOURNAL_DISK) for number in range(plan.hosts)]
        self.collectors = [self._collector(number) for number in range(COLLECTORS)]
        self.nodes = [self._node(node) for node in plan.nodes]

    def close(self) -> None:
        """End all that runs."""
        self._stack.close()

    # --- its parts ----------------------------------------------------------------------------------------------------

    def _disk(self, name: str, size: int) -> SmallDisk:
        folder = self.folder / name
        folder.mkdir()
        return self._stack.enter_context(contextlib.closing(SmallDisk(folder, size)))

    def _collector(self, number: int) -> Collector:
        host = self.lan.hosts[self.plan.hosts + number]
        expected = sum(node.rate for node in self.plan.nodes) * (self.plan.seconds + 60)
        disk = self._disk(f"disk-{number}", min(2 << 30, (32 << 20) + round(expected * RECORD_BYTES)))
        apart = self.folder / "stores" / str(number)
        apart.mkdir()
        places = [(disk.folder, apart, apart), (apart, disk.folder, apart)][number]
        urls = [f"sqlite:{places[0]}/log.db", f"jsonl:{places[1]}/log.jsonl", f"journal:{places[2]}/frames"]

        def start(output: Path) -> Program:
            command = [sys.executable, "-u", "-X", "faulthandler", "-m", "zlog", "collect", *urls, "-l", "trace"]
            network = ["-i", "eth0", "--port", str(self._port), "--bind", f"tcp://*:{BIND_PORT}"]
            return self._start(host, [*disk.prefix, *command, *network, "--since", "start", "--json"], output)

        return Collector(f"collector-{number}", host, start, self.folder / "out", urls=urls, disk=disk)

    def _node(self, node: Node) -> Slot:
        host, disk = self.lan.hosts[node.host], self.disks[node.host]

        def start(output: Path) -> Program:
            options: dict[str, Any] = {
                "counts": str(self.folder / "counts"),
                "name": f"node-{node.number}",
                "interface": "eth0",
                "port": self._port,
                "rate": node.rate,
                "ranges": RANGES,
                "seed": node.seed + self.nodes[node.number].starts,
                "forks": node.forks,
                "journal_bytes": node.journal_bytes,
                "exit_timeout_s": EXIT_TIMEOUT_S,
            }
            if node.journal:
                options |= {"journal": str(disk.folder / "journal"), "journal_dir_bytes": JOURNAL_DIR}
            if node.static:
                options |= {
                    "discover": False,
                    "collectors": [f"tcp://{address}:{BIND_PORT}" for address in self.addresses],
                }
            program = [sys.executable, "-u", "-X", "faulthandler", counts.PROGRAM, counts.arguments(**options)]
            return self._start(host, [*disk.prefix, *program], output)

        return Slot(f"node-{node.number}", host, start, self.folder / "out")

    @staticmethod
    def _start(host: Host, command: list[Any], output: Path) -> Program:
        with output.open("wb") as file:  # a session of its own: Ctrl-C is for us
            return host.popen(command, stdout=file, start_new_session=True)

    # --- time passes --------------------------------------------------------------------------------------------------

    def slots(self) -> Iterator[Slot]:
        yield from self.collectors
        yield from self.nodes

    def look(self, now: float) -> None:
        """Undo what is due, start what is due again, and see that nothing has ended by itself."""
        for due in [each for each in self._undo if each[0] <= now]:
            self._undo.remove(due)
            due[1]()
        for slot in self.slots():
            self._look_at(slot, now)
        for number, disk in enumerate(self.disks):
            if number == int(now * 4) % len(self.disks):  # one at a time
                self._see_journal(disk)

    def sample(self, now: float) -> None:
        """What can be looked at only while it runs: memory of collectors, counts of the programs."""
        for collector in self.collectors:
            if collector.program is not None:
                with contextlib.suppress(OSError, IndexError, ValueError):
                    text = Path(f"/proc/{collector.program.pid}/status").read_text()
                    collector.rss_kib.append(int(text.partition("VmRSS:")[2].split()[0]))
        self.history.append((now, {run: count.least for run, count in self.counts().items()}))
        while self.history[0][0] < now - HISTORY_S:
            self.history.popleft()

    def counts(self) -> dict[counts.Run, counts.Count]:
        return counts.read(self.folder / "counts")

    @property
    def active(self) -> int:
        """Faults that last, and processes that are down."""
        return sum(self._active.values()) + sum(not slot.up for slot in self.slots())

    def _see_journal(self, disk: SmallDisk) -> None:
        def names() -> list[str]:
            with contextlib.suppress(FileNotFoundError):
                return os.listdir(disk.folder / "journal")
            return []

        for name in disk.call(names):
            node, _, epoch = name.partition("-")
            if epoch.isdigit():
                self.journaled.add((node, int(epoch)))

    def _look_at(self, slot: Slot, now: float) -> None:
        program = slot.program
        if program is None:
            if slot.start_at is not None and now >= slot.start_at:
                slot.start()
            return
        code = program.process.poll()
        if code is None:
            if slot.ending_since is not None and not slot.held and now - slot.ending_since > SLOW_END_S:
                self.problems.append(f"{slot.name} doesn't end in {SLOW_END_S:g} s")
                slot.ending_since = None
                program.kill()
            return
        self._judge_end(slot, code, now)
        program.close()
        slot.program = None
        slot.trouble_since = now
        if slot.start_at is None:
            slot.start_at = now + AGAIN_S

    def _judge_end(self, slot: Slot, code: int, now: float) -> None:
        """Whether a process may have ended so."""
        if slot.killed and code == -signal.SIGKILL:
            return
        if slot.ending_since is not None and (code == 0 or (code == -signal.SIGTERM and not slot.begun)):
            return
        if isinstance(slot, Collector) and code == 1 and (slot.full or now - slot.full_until < SLOW_END_S):
            self.done["collector had no disk space to start or end"] += 1
            return
        self.problems.append(f"{slot.output.name} ended with {code} by itself: {last_words(slot.output)}")

    # --- faults -------------------------------------------------------------------------------------------------------

    def do(self, fault: Fault, now: float) -> None:
        """Begin a fault; `look` ends it."""
        self.done[fault.kind] += 1
        word, _, target = fault.kind.partition(" ")
        if fault.kind.endswith((" node", " collector")):
            slot: Slot = self.nodes[fault.target] if target == "node" else self.collectors[fault.target]
            {"kill": self._kill, "end": self._end, "stop": self._stop}[word](slot, now, fault.seconds)
        elif fault.kind == "address changed":
            self._move(fault.target)
        else:
            self._last(fault, now)

    def _kill(self, slot: Slot, now: float, seconds: float) -> None:
        if slot.program is None:
            return
        self._note_kill(slot, now)
        slot.killed, slot.start_at = True, now + seconds
        slot.program.process.kill()

    def _end(self, slot: Slot, now: float, seconds: float) -> None:
        if slot.program is None or slot.ending_since is not None:
            return
        slot.ending_since, slot.start_at = now, now + seconds
        slot.program.process.terminate()

    def _stop(self, slot: Slot, now: float, seconds: float) -> None:
        program = slot.program
        if program is None or program.process.poll() is not None:
            return
        slot.held += 1
        os.kill(program.pid, signal.SIGSTOP)

        def go_on() -> None:
            slot.trouble_since = time.monotonic()
            if slot.program is program and slot.held:
                slot.held -= 1
                if not slot.held and program.process.poll() is None:
                    os.kill(program.pid, signal.SIGCONT)

        self._undo.append((now + seconds, go_on))

    def _move(self, number: int) -> None:
        self._moved += 1  # the first hundred are those that hosts begin with
        self.lan.hosts[number].set_address(f"10.36.0.{100 + self._moved % 150}/24")

    def _last(self, fault: Fault, now: float) -> None:
        """A fault that lasts, on a host or a disk: where it is there already, it ends with the later one."""
        key = fault.kind, fault.target
        begin, end = self._pair(fault)
        self._active[key] += 1
        if self._active[key] == 1:
            begin()

        def undo() -> None:
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]
                end()
            self._calm(fault)

        self._undo.append((now + fault.seconds, undo))

    def _pair(self, fault: Fault) -> tuple[Callable[[], None], Callable[[], None]]:
        """How a fault that lasts begins and ends."""
        if fault.kind == "store's disk full":
            collector = self.collectors[fault.target]
            assert collector.disk is not None
            disk = collector.disk

            def fill() -> None:
                collector.full += 1
                disk.fill()

            def free() -> None:
                collector.full -= 1
                collector.full_until = time.monotonic()
                disk.free()

            return fill, free
        if fault.kind == "journal's disk full":
            return self.disks[fault.target].fill, self.disks[fault.target].free
        host = self.lan.hosts[fault.target]
        if fault.kind == "packets lost":
            return lambda: host.lose(LOSS), lambda: host.lose(0)
        if fault.kind == "link down":
            return host.link_down, host.link_up
        return host.pull_cable, host.plug_back

    def _hits(self, kind: str, target: int, slot: Slot) -> bool:
        """Whether a fault that lasts is one of this place's."""
        host = self.lan.hosts.index(slot.host)
        return target == (host - self.plan.hosts if kind == "store's disk full" else host)

    def _calm(self, fault: Fault) -> None:
        now = time.monotonic()
        for slot in self.slots():
            if self._hits(fault.kind, fault.target, slot):
                slot.trouble_since = now

    def _is_calm(self, slot: Slot, now: float) -> bool:
        """Whether nothing has been done to it for some seconds."""
        if not slot.up or slot.held or now - slot.trouble_since < CALM_S:
            return False
        return not any(self._hits(kind, target, slot) for kind, target in self._active)

    def _note_kill(self, slot: Slot, now: float) -> None:
        """If all had been well, collectors knew what the node had logged but for the last moments."""
        if not self.history or not all(self._is_calm(each, now) for each in (slot, *self.collectors)):
            return
        assert slot.program is not None
        for run, count in self.counts().items():
            if count.pid == slot.program.pid:
                self.clean_kills[run] = count.least - self.history[0][1].get(run, 0)

    # --- the end of it ------------------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """End all faults, and have all processes run."""
        for _, undo in sorted(self._undo, key=lambda each: each[0]):
            undo()
        self._undo.clear()
        for slot in self.slots():
            slot.start_at = None if slot.up and slot.ending_since is None else time.monotonic()

    def living(self) -> set[int]:
        """Processes of the nodes' places."""
        return {slot.program.pid for slot in self.nodes if slot.program is not None}

    def children(self) -> list[int]:
        """Processes that log, live, and have no place: children of some that may be gone."""
        mine = self.living()
        return [count.pid for count in self.counts().values() if count.pid not in mine and logs(count.pid)]

    def broken(self) -> list[str]:
        """What processes said that they never may."""
        return [
            f"{path.name} says {match[0]!r}: {last_words(path)}"
            for path in sorted((self.folder / "out").iterdir())
            if (match := BROKEN.search(path.read_text(errors="replace")))
        ]

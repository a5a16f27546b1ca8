"""``zlog demo``: programs that log, and a collector that finds them, on this computer only."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from zlog.cli import common
from zlog.cli.ending import Ending
from zlog.errors import CommandError

if TYPE_CHECKING:
    from zlog.collector import CollectorStatus

DESCRIPTION = """\
Start programs that log, then a collector that finds them and stores what they log in SQLite; show the records as they
come, and count at the end: what the programs say they logged, against what the database has.

  web         the standard library's web server, asked for pages
  primes      a computation in a pool of processes, each of them a node of its own
  compileall  Python's own byte compiler, run by `zlog run` when the collector is there already

All of it is on the loopback interface and a random UDP port: nothing is sent to any network."""

EPILOG = """\
examples:
  zlog demo
  zlog demo --seconds 20 --keep /tmp/demo; zlog query sqlite:/tmp/demo/demo.db -l warn
  zlog demo --json | tail -1

exit code: 0 when nothing is missing, also after Ctrl-C; 1 otherwise."""

#: Standard packages that `compileall` is given: some 80 files.
_PACKAGES: Final = ("json", "http", "logging", "email", "urllib", "xml", "unittest")
#: How long programs get to end by themselves, after their time.
_GRACE_S: Final = 15.0
_COUNTS: Final = """
SELECT s.node, count(*) FROM records r JOIN streams s ON s.id = r.id >> 32 GROUP BY s.node"""
_LOST: Final = "SELECT coalesce(sum(stop - start), 0) FROM losses WHERE cause != 0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--seconds", type=_seconds, default=6.0, metavar="N", help="how long the programs run (default: %(default)g)"
    )
    parser.add_argument("--keep", metavar="DIR", help="leave the database there, as demo.db")
    parser.add_argument("--no-color", dest="color", action="store_const", const="never", default="auto")
    common.add_network(parser, used=False)


def _seconds(text: str) -> float:
    found = common.seconds(text)
    if not 0 < found <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0 and at most 3600")
    return found


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 0 when all that was logged is stored."""
    with Ending() as ending, _folder(args.keep) as folder:
        loopback = _loopback()
        if args.interface not in (None, loopback, "127.0.0.1"):
            raise CommandError("the demo uses the loopback interface only", f"leave -i {args.interface} out", code=2)
        port = args.port or 49_152 + secrets.randbelow(11_000)
        store = folder / "demo.db"
        if store.exists():
            raise CommandError(f"{store} exists", "name another folder", code=2)
        summary = _run(args, ending, loopback, port, store)
        summary["store"] = f"sqlite:{store}"
        summary["kept"] = args.keep is not None
        _Shown(args).summary(summary)
    if summary["missing"] or not summary["stored"]:
        raise CommandError(f"{summary['missing']} of {summary['sent']} records are missing", "this is a bug: tell us")
    return 0


def _run(args: argparse.Namespace, ending: Ending, loopback: str, port: int, store: Path) -> dict[str, Any]:
    """Programs, collector, and the figures."""
    from zlog.cli.printer import Look, Output, Printer
    from zlog.cli.spool import Spool
    from zlog.collector import Collector
    from zlog.collector.stores import Filter

    common.show_warnings()
    shown = _Shown(args)
    shown.begin(loopback, port, store)
    spool = Spool()
    collector = Collector(f"sqlite:{store}", spool, name="demo", interface=loopback, port=port, since="start")
    args.utc = args.verbose = False
    with _Programs(loopback, port, store.parent) as programs:
        programs.start("web", "zlog.cli.demo_programs", "web")
        programs.start("primes", "zlog.cli.demo_programs", "primes")
        programs.await_ready(ending)
        began = time.monotonic()
        with common.starting("demo", port):
            collector.start()
        printer = Printer(collector, spool, Output(Look.of(args), Filter()), Filter(), ending.end)
        printer.start()
        try:
            collector.wait_until(lambda status: ending.asked or status.received > 0, _GRACE_S)
            first_ms = round(1000 * (time.monotonic() - began), 1)
            programs.start("compileall", "zlog", "run", "--name", "compileall", "--", *_compileall(), says=False)
            ending.wait(max(0.0, began + args.seconds - time.monotonic()))
            programs.end()
            collector.wait_until(_is_whole, 5.0)
        finally:
            collector.stop()
            printer.join(2.0)
    if printer.error is not None:
        raise printer.error
    return _figures(collector.status(), store, first_ms)


def _is_whole(status: CollectorStatus) -> bool:
    """All nodes said their last word, and what they named is here."""
    return bool(status.nodes) and all(
        not node.connected and not any(view.missing for view in node.ranges.values()) for node in status.nodes
    )


def _figures(status: CollectorStatus, store: Path, first_ms: float) -> dict[str, Any]:
    """What nodes said in their last STATUS, against what SQL finds in the store."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(store)) as database:
        counts = dict(database.execute(_COUNTS))
        (lost,) = database.execute(_LOST).fetchone()
    rows = []
    for node in status.nodes:
        sent = sum(view.next - 1 for view in node.ranges.values())
        stored = counts.get(node.node.hex, 0)
        rows.append({"name": node.name, "pid": node.pid, "sent": sent, "stored": stored, "missing": sent - stored})
    return {
        "nodes": len(rows),
        "sent": sum(row["sent"] for row in rows),
        "stored": sum(counts.values()),
        "missing": sum(row["missing"] for row in rows),
        "lost": lost,
        "first_record_ms": first_ms,
        "by_node": sorted(rows, key=lambda row: (row["name"], row["pid"])),
    }


# --- the programs ----------------------------------------------------------------------------------------------------


def _compileall() -> list[str]:
    library = Path(sysconfig.get_path("stdlib"))
    return [sys.executable, "-m", "compileall", "-f", *(str(library / package) for package in _PACKAGES)]


class _Programs:
    """Those that log. Used in a with statement, at whose end none of them is left."""

    def __init__(self, loopback: str, port: int, folder: Path) -> None:
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("ZLOG_")} | {
            "ZLOG_INTERFACE": loopback,
            "ZLOG_PORT": str(port),
            "ZLOG_EXIT_TIMEOUT": "5",
            "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        }
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._started.values():
            if program.poll() is None:
                program.terminate()
        for program in self._started.values():
            try:
                program.wait(5.0)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)
                program.wait()
            if program.stdout is not None:
                program.stdout.close()

    def start(self, name: str, *arguments: str, says: bool = True) -> None:
        """``python -m`` with these arguments, in a session of its own: Ctrl-C is for the demo, which then ends it.

        Args:
            says: it goes on until it is asked to end, and says when it has begun.
        """
        self._started[name] = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=self._environment | {"ZLOG_NAME": name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if says else subprocess.DEVNULL,
            start_new_session=True,
        )

    def await_ready(self, ending: Ending) -> None:
        """Until all have printed something: that they have begun."""
        waited = [program.stdout for program in self._started.values() if program.stdout is not None]
        deadline = time.monotonic() + _GRACE_S
        while waited and time.monotonic() < deadline and not ending.wait(0.0):
            for ready in select.select(waited, [], [], 0.05)[0]:
                waited.remove(ready)

    def end(self) -> None:
        """Ask those to end that go on until they are asked, and wait for all."""
        deadline = time.monotonic() + _GRACE_S
        for program in self._started.values():
            if program.stdout is not None:
                program.terminate()
        for program in self._started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.communicate(timeout=max(0.1, deadline - time.monotonic()))


def _loopback() -> str:
    """Return the name of the loopback interface; in a fresh network namespace it has to be brought up first."""
    from zlog.zre import interfaces

    for _ in range(2):
        for interface in interfaces.find_all():
            if interface.is_loopback:
                return interface.name
        try:
            interfaces.bring_up("lo")
        except OSError as error:
            raise CommandError(
                f"the loopback interface is down ({error})", "bring it up: sudo ip link set lo up"
            ) from None
    raise CommandError("there is no loopback interface with an IPv4 address")


@contextlib.contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="zlog-demo-") as folder:
            yield Path(folder)
        return
    path = Path(keep)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{keep}: {error.strerror}") from None
    yield path
    with contextlib.suppress(OSError):
        import shutil

        shutil.rmtree(path / "pycache")


# --- what people see -------------------------------------------------------------------------------------------------


class _Shown:
    """The lines around those of records."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._json = args.json
        self._paint = common.paint_for(args)

    def begin(self, loopback: str, port: int, store: Path) -> None:
        if self._json:
            return
        paint = self._paint
        common.write(
            f"Three programs log, as programs do: {paint.bold('web')}, {paint.bold('primes')} (with two workers) and "
            f"{paint.bold('compileall')}.\nA collector joins them on {loopback} (UDP port {port}; nothing leaves this "
            f"computer), and stores what they log in {store}.\n\n"
        )

    def summary(self, summary: dict[str, Any]) -> None:
        if self._json:
            common.write(f"{json.dumps(summary)}\n")
            return
        paint = self._paint
        rows = [("NODE", "PROCESS", "SENT", "STORED", "MISSING")]
        rows += [
            (row["name"], str(row["pid"]), f"{row['sent']:,}", f"{row['stored']:,}", f"{row['missing']:,}")
            for row in summary["by_node"]
        ]
        rows.append(("", "", f"{summary['sent']:,}", f"{summary['stored']:,}", f"{summary['missing']:,}"))
        width = max(len(row[0]) for row in rows)
        lines = [f"{row[0]:<{width}}  {row[1]:>8}  {row[2]:>7}  {row[3]:>7}  {row[4]:>7}" for row in rows]
        lines[0] = paint.dim(lines[0])
        lines[-1] = paint.bold(lines[-1])
        text = "\n".join(lines)
        good = "all of it is stored" if not summary["missing"] else paint("31;1", "records are missing")
        then = (
            f"Look at it: zlog query {summary['store']} --level warn"
            if summary["kept"]
            else "The database is removed; keep the next one with --keep DIR, and look at it with zlog query.\n"
            "Your own programs: logging.getLogger().addHandler(zlog.Handler()), and beside them: zlog tail"
        )
        common.write(
            f"\nThe nodes' last STATUS against the store's SQL: {good}.\n\n{text}\n\n"
            f"The collector had its first record {summary['first_record_ms']:.0f} ms after it was started.\n{then}\n"
        )

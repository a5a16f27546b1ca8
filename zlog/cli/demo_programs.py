"""The programs of ``zlog demo``: they log by `logging`, as any program does, and know of zlog only the Handler.

``python -m zlog.cli.demo_programs web`` and ``… primes``: each says on stdout when it has begun, and goes on until
SIGTERM, or until the demo is gone, at most for an hour.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Final

import zlog

_ended: Final = threading.Event()
_PATHS: Final = ("/", "/index.html", "/style.css", "/favicon.ico", "/about.html", "/admin.php")
_PAUSE_S: Final = 0.08
_MOST_S: Final = 3_600.0
_WORKERS: Final = 2
_LEAST_PIECES: Final = 10


class _Site(http.server.SimpleHTTPRequestHandler):
    """The standard library's web server, its log lines sent to `logging`."""

    pages: Final = {"/": b"<h1>zlog demo</h1>", "/index.html": b"<h1>zlog demo</h1>", "/style.css": b"h1 {color: teal}"}

    def do_GET(self) -> None:
        page = self.pages.get(self.path)
        if page is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        status = int(getattr(code, "value", code))
        level = logging.INFO if status < 400 else logging.WARNING
        logging.getLogger("web.access").log(level, "%s %s", self.command, self.path, extra={"status": status})

    def log_error(self, format: str, *args: Any) -> None:
        pass  # log_request has it


def web() -> None:
    """A web server, and a client that asks it for pages."""
    log = logging.getLogger("web")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, name="server")
        thread.start()
        host, port = server.server_address[:2]
        log.info("serving http://%s:%d", host, port)
        with contextlib.suppress(OSError):  # the demo is gone
            print("ready", flush=True)
        try:
            _browse(f"http://127.0.0.1:{port}", time.monotonic() + _MOST_S)
        finally:
            server.shutdown()
            thread.join()
        log.info("the server is closed")


def _browse(site: str, deadline: float) -> None:
    chance = random.Random(1)
    while time.monotonic() < deadline and not _ended.wait(_PAUSE_S):
        with (
            contextlib.suppress(urllib.error.HTTPError),
            urllib.request.urlopen(site + chance.choice(_PATHS)) as answer,
        ):
            answer.read()


def primes() -> None:
    """Counts primes with a pool of processes; each of them is a node of its own."""
    log = logging.getLogger("primes")
    context = multiprocessing.get_context("spawn")
    settings, all_there = zlog.settings(), context.Barrier(_WORKERS + 1)
    with context.Pool(_WORKERS, _begin_worker, (settings, all_there)) as pool:
        all_there.wait(60.0)
        deadline = time.monotonic() + _MOST_S
        log.info("%d workers count primes", _WORKERS)
        with contextlib.suppress(OSError):  # the demo is gone
            print("ready", flush=True)
        found, low, step = 0, 0, 500_000
        for number, count in enumerate(pool.imap(_count, _pieces(deadline, step)), 1):
            found, low = found + count, low + step
            if number % 5 == 0:
                log.info("%s primes below %s", f"{found:,}", f"{low:,}")
        pool.close()
        pool.join()
    log.info("done: %s primes below %s", f"{found:,}", f"{low:,}")


def _pieces(deadline: float, step: int) -> Any:
    low = 0
    while low < _LEAST_PIECES * step or (time.monotonic() < deadline and not _ended.wait(_PAUSE_S)):
        yield low, low + step
        low += step


def _begin_worker(settings: zlog.Settings, all_there: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    number = (multiprocessing.current_process()._identity or (0,))[0]
    zlog.start(dataclasses.replace(settings, name=f"worker-{number}"))
    logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
    all_there.wait(60.0)


def _count(piece: tuple[int, int]) -> int:
    low, high = piece
    began = time.perf_counter()
    small = bytearray([1]) * (int(high**0.5) + 1)
    piece_of = bytearray([1]) * (high - low)
    piece_of[: max(0, 2 - low)] = bytes(max(0, 2 - low))
    for number in range(2, len(small)):
        if small[number]:
            small[number * number :: number] = bytes(len(range(number * number, len(small), number)))
            first = max(number * number, -(-low // number) * number) - low
            piece_of[first::number] = bytes(len(range(first, high - low, number)))
    count = sum(piece_of)
    took_ms = round(1000 * (time.perf_counter() - began), 1)
    logging.getLogger("primes.worker").info(
        "%s to %s: %d primes", f"{low:,}", f"{high:,}", count, extra={"took_ms": took_ms}
    )
    return count


def main() -> None:
    """Run the program that the first argument names."""
    signal.signal(signal.SIGTERM, lambda number, frame: _ended.set())
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
    {"web": web, "primes": primes}[sys.argv[1]]()
    logging.getLogger("demo").debug("not shown: nobody asked for DEBUG")


def _end_with(parent: int) -> None:
    """End when the demo is gone without having said so."""
    while not _ended.wait(1.0):
        if os.getppid() != parent:
            _ended.set()


if __name__ == "__main__":
    main()

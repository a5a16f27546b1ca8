"""Programs that nobody here wrote, on three hosts, and collectors that come and go on others.

Each host is a namespace, all are on one bridge. What a program wrote is counted where it came out (`zlog run` passes it
through), by its clients, or in the file it came from; what was collected is counted by SQL.
"""

import glob
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from support.netns import Host, Network
from support.programs import Program, python_args

ZLOG = "import sys; from zlog.cli import main; sys.exit(main(sys.argv[1:]))"


def zlog(host: Host, port: int, *args: str | Path, **popen: object) -> Program:
    command, *rest = args
    return host.popen(python_args(ZLOG, command, "-i", "eth0", "--port", str(port), *rest), **popen)


def rows(path: Path, sql: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql, values).fetchall()


def texts(path: Path, name: str, stream: str | None = None) -> list[str]:
    """The texts of a node in its own order."""
    where = "" if stream is None else f" AND json_extract(attributes, '$.\"log.iostream\"') = '{stream}'"
    return [text for (text,) in rows(path, f"SELECT text FROM log WHERE name = ?{where} ORDER BY epoch, ordinal", name)]


# The library logs one line at DEBUG for each event loop that is made.
LOOPS = """
import asyncio, logging, sys, zlog
agent = zlog.start(interface="eth0", port=int(sys.argv[1]), name="loops", floor="debug")
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
made = 0
async def nothing(): pass
print("ready", agent.wait_link(20), flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        asyncio.run(nothing())
        made += 1
    print("made", made, bool(logging.getLogger("asyncio").isEnabledFor(logging.DEBUG)), flush=True)
"""

CLIENT = """
import sys, urllib.request
for number in range(int(sys.argv[2])):
    urllib.request.urlopen(f"http://{sys.argv[1]}:8000/?request={sys.argv[3]}-{number}").read()
print("asked", flush=True)
"""


def test_three_hosts_and_collectors_that_come_and_go(
    network: Callable[..., Network], zre_port: int, tmp_path: Path
) -> None:
    lan = network(hosts=5)
    web, build, files, desk, guest = lan
    all_of_it, part = tmp_path / "all.db", tmp_path / "part.db"
    collecting = zlog(desk, zre_port, "collect", f"sqlite:{all_of_it}", "--json")
    collecting.expect('"ready"', timeout_s=20)

    # a web server of the standard library under requests: a line on stderr for each
    (tmp_path / "www").mkdir()
    serve = [sys.executable, "-u", "-m", "http.server", "--bind", web.ip, "--directory", str(tmp_path / "www")]
    server = zlog(web, zre_port, "run", "--name", "web", "--", *serve)
    server.expect("Serving HTTP", timeout_s=20)
    asked = build.python(CLIENT, web.ip, "200", "first")
    asked.expect("asked", timeout_s=30)

    # a package manager, verbosely
    pip = zlog(build, zre_port, "run", "--name", "pip", "--", sys.executable, "-m", "pip", "debug", "--verbose")
    assert pip.wait(60) == 0
    written = pip.lines.all

    # a second collector joins in the middle, and leaves
    joining = zlog(guest, zre_port, "collect", f"sqlite:{part}", "--json")
    joining.expect('"joined".*"web"', timeout_s=20)
    build.python(CLIENT, web.ip, "100", "second").expect("asked", timeout_s=30)

    # the system's own log files, line by line
    logs = [path for path in glob.glob("/var/log/*.log") if 0 < Path(path).stat().st_size < 1 << 20]
    source = Path(logs[0]) if logs else Path("/etc/services")
    lines = source.read_text(errors="replace").splitlines()
    with source.open() as stdin:
        assert zlog(files, zre_port, "send", "--name", "files", stdin=stdin).wait(60) == 0

    assert joining.terminate() == 0
    build.python(CLIENT, web.ip, "100", "third").expect("asked", timeout_s=30)

    # a tail that wants DEBUG comes and goes
    loops = build.python(LOOPS, str(zre_port))
    loops.expect("ready True", timeout_s=30)
    loops.send("3")
    loops.expect("made 3 False")
    tail = zlog(guest, zre_port, "tail", "--level", "debug", "--json", "--node", "loops")
    made = 3
    enabled = False
    while not enabled:
        loops.send("1")
        made += 1
        enabled = loops.expect(f"made {made} ").endswith("True")
    loops.send("20")
    loops.expect("made")
    for _ in range(20):
        tail.expect("selector", timeout_s=20)
    assert tail.terminate() == 0
    while enabled:
        loops.send("1")
        enabled = loops.expect("made").endswith("True")
    loops.terminate()

    server.terminate()
    assert collecting.terminate() == 0

    requests = [text for text in texts(all_of_it, "web", "stderr") if "GET /?request=" in text]
    expected = [("first", 200), ("second", 100), ("third", 100)]
    names = [f"{name}-{number}" for name, count in expected for number in range(count)]
    assert [text.split("request=")[1].split()[0] for text in requests] == names  # each once, in order
    assert sorted(texts(all_of_it, "pip")) == sorted(written)
    warned = texts(all_of_it, "pip", "stderr")
    assert texts(all_of_it, "pip", "stdout") == [line for line in written if line not in warned]  # in order
    assert len(written) > 20
    assert texts(all_of_it, "files") == lines
    assert rows(all_of_it, "SELECT count(*) FROM log WHERE severity < 9") == [(0,)]  # DEBUG was for the tail alone
    assert rows(all_of_it, "SELECT count(*) FROM losses") == [(0,)]
    seen = [text.split("request=")[1].split()[0] for text in texts(part, "web", "stderr") if "request=" in text]
    assert seen == [f"second-{number}" for number in range(100)]  # what there was while it was there
    assert texts(part, "files") == lines
    assert texts(part, "pip") == []

"""A program logs as usual; a collector anywhere has it (issue: rows H1-H3, H6, H11, X1, X4, B4, N1, N2)."""

import collections
import json
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

import zlog
from support.programs import Program, python_args
from tests.integration.agent.conftest import texts
from zlog import report
from zlog.agent import Agent
from zlog.collector import Collector, CollectorStatus
from zlog.config import Settings
from zlog.zre import Pyre

ProgramMaker = Callable[..., Program]
CollectorMaker = Callable[..., Collector]

WAITS = 'print("ready", flush=True); sys.stdin.readline()\n'


def all_there(count: int) -> Callable[[CollectorStatus], bool]:
    return lambda status: status.received >= count


# --- the plain case ---------------------------------------------------------------------------------------------------


def test_a_program_that_just_logs_is_collected_whole(program: ProgramMaker, collect: CollectorMaker) -> None:
    collector = collect(view=True)
    app = program(
        """
        log.info("hello %s", "world", extra={"joint": 3})
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("failed")
        log.debug("nobody asked")
        """
    )
    assert app.wait() == 0
    assert collector.wait_until(all_there(2))
    first, second = collector.records(0)
    assert (first.text, first.logger, first.severity, first.name) == ("hello world", "app", 9, "app")
    assert first.attributes["joint"] == 3
    assert first.attributes["code.line.number"] > 0
    assert (second.text, second.severity) == ("failed", 17)
    assert second.attributes["exception.type"] == "ZeroDivisionError"
    assert "1 / 0" in second.attributes["exception.stacktrace"] or "ZeroDivisionError" in str(second.attributes)
    assert [first.sequence, first.ordinal, second.sequence, second.ordinal] == [1, 1, 1, 2]
    (node,) = collector.status().nodes
    assert node.closed
    assert {each.missing for each in node.ranges.values()} == {0}


def test_what_was_logged_before_the_collector_was_found_is_sent(program: ProgramMaker, collect: CollectorMaker) -> None:
    collector = collect(view=True)
    app = program("for number in range(3000): log.info('line %d', number)")
    assert app.wait() == 0
    assert collector.wait_until(all_there(3000))
    assert texts(collector) == [f"line {number}" for number in range(3000)]


def test_nobody_listens_and_the_program_ends_soon(program: ProgramMaker) -> None:
    began = time.monotonic()
    app = program("log.info('x')")
    assert app.wait() == 0
    assert time.monotonic() - began < 6  # start of Python included


def test_a_program_that_never_logs_starts_nothing(program: ProgramMaker) -> None:
    app = program("import threading; print(threading.active_count(), flush=True)")
    app.expect("^1$")
    assert app.wait() == 0


def test_a_collector_comes_and_goes_and_comes(program: ProgramMaker, collect: CollectorMaker) -> None:
    app = program(
        """
        for line in sys.stdin:
            log.info(line.strip())
            print("logged", flush=True)
        """,
    )
    app.send("before")
    app.expect("logged")
    first = collect(view=True)
    assert first.wait_until(lambda status: any(node.connected for node in status.nodes))
    app.send("first")
    assert first.wait_until(all_there(1))
    first.stop()
    app.send("between")
    app.expect("logged")
    app.expect("logged")
    second = collect(view=True)
    assert second.wait_until(lambda status: any(node.connected for node in status.nodes))
    app.send("second")
    assert second.wait_until(all_there(1))
    assert texts(first) == ["first"]
    assert texts(second) == ["second"]
    third = collect(since="start", view=True)  # the black box: what happened before anybody looked
    assert third.wait_until(all_there(4))
    assert texts(third) == ["before", "first", "between", "second"]


def test_two_collectors_have_each_all_of_it(program: ProgramMaker, collect: CollectorMaker) -> None:
    both = [collect(view=True), collect(view=True)]
    app = program("for number in range(500): log.info('line %d', number)")
    assert app.wait() == 0
    for collector in both:
        assert collector.wait_until(all_there(500))
        assert texts(collector) == [f"line {number}" for number in range(500)]


def test_a_node_sends_only_what_a_collector_asks_for(program: ProgramMaker, collect: CollectorMaker) -> None:
    errors, everything = collect(level="error", view=True), collect(view=True)
    app = program("for level in (20, 30, 40, 50): log.log(level, str(level))")
    assert app.wait() == 0
    assert everything.wait_until(all_there(4))
    assert errors.wait_until(all_there(2))
    assert texts(errors) == ["40", "50"]
    assert {each.missing for node in errors.status().nodes for each in node.ranges.values()} == {0}


# --- levels -----------------------------------------------------------------------------------------------------------

LEVELS = """
import io
logging.getLogger("zlog").setLevel("ERROR")
printed = io.StringIO()
console = logging.StreamHandler(printed)
logging.getLogger().addHandler(console)
zlog.start(interface="lo", port=port, name=name, floor="debug")
for line in sys.stdin:
    if line.strip() == "end":
        break
    log.debug("debug %s", line.strip())
    logging.getLogger("other").debug("other %s", line.strip())
    log.info("info %s", line.strip())
    print("enabled", log.isEnabledFor(logging.DEBUG), flush=True)
print(repr(printed.getvalue()), flush=True)
"""


def test_a_debug_collector_changes_nothing_for_other_handlers(program: ProgramMaker, collect: CollectorMaker) -> None:
    app = program(LEVELS)
    app.send("1")
    app.expect("enabled False")
    collector = collect(level="debug", view=True)
    assert collector.wait_until(lambda status: any(node.connected for node in status.nodes))
    sent = 1
    seen: list[str] = []
    while not any(text.startswith("debug") for text in seen):  # the gate opens a moment after the link
        sent += 1
        app.send(str(sent))
        app.expect("enabled")
        assert collector.wait_until(all_there(len(seen) + 1))
        seen += texts(collector, 0.1)
    collector.demand("debug", logger="other")
    while seen[-3:].count(f"debug {sent}"):
        sent += 1
        app.send(str(sent))
        app.expect("enabled")
        seen += texts(collector, 0.1)
    collector.stop()
    while True:
        sent += 1
        app.send(str(sent))
        if app.expect("enabled").endswith("False"):
            break
    app.send("end")
    printed = app.expect("^'info 1")
    assert printed == repr("".join(f"info {number}\n" for number in range(1, sent + 1)))
    assert app.wait() == 0
    assert any(text.startswith("other") for text in seen)


def test_without_a_floor_no_collector_lowers_anything(program: ProgramMaker, collect: CollectorMaker) -> None:
    collector = collect(level="trace", view=True)
    app = program(
        """
        agent = zlog.start(interface="lo", port=port, name=name)
        assert agent.wait_link(10)
        for _ in range(100):
            log.debug("no")
            log.info("yes")
        """
    )
    assert app.wait() == 0
    assert collector.wait_until(all_there(100))
    assert set(texts(collector)) == {"yes"}


# --- processes and threads --------------------------------------------------------------------------------------------


def per_node(collector: Collector) -> dict[tuple[str, int], list[str]]:
    found: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
    for record in collector.records(0):
        found[record.node, record.epoch].append(record.text)
    return dict(found)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_children_are_nodes_of_their_own(program: ProgramMaker, collect: CollectorMaker) -> None:
    collector = collect(view=True)
    app = program(
        """
        import multiprocessing, os, warnings
        warnings.simplefilter("ignore")
        log.info("parent")
        zlog.flush()
        def work(number):
            log.info("child %d", number)
        fork = multiprocessing.get_context("fork")
        children = [fork.Process(target=work, args=(number,)) for number in range(3)]
        for child in children: child.start()
        for child in children: child.join()
        if not (pid := os.fork()):
            log.info("bare child")
            sys.exit()
        os.waitpid(pid, 0)
        if not os.fork():
            os._exit(0)  # a child that logs nothing starts nothing
        os.wait()
        log.info("parent again")
        """
    )
    assert app.wait(30) == 0
    assert collector.wait_until(all_there(6))
    found = per_node(collector)
    assert sorted(found.values()) == [["bare child"], ["child 0"], ["child 1"], ["child 2"], ["parent", "parent again"]]
    assert len({node for node, _ in found}) == 5


CHILD = """
import logging, pickle, sys, zlog
agent = zlog.start(pickle.loads(bytes.fromhex(sys.argv[1])))
logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler()])
logging.info("from %s, floor %s", agent.name, agent.settings.floor)
"""


def test_settings_are_handed_to_spawned_processes(program: ProgramMaker, collect: CollectorMaker) -> None:
    collector = collect(view=True)
    app = program(
        """
        import pickle, subprocess
        zlog.start(interface="lo", port=port, name="boss", floor="debug")
        settings = pickle.dumps(zlog.settings()).hex()
        subprocess.run([sys.executable, "-c", sys.argv[3], settings], check=True)
        """,
        CHILD,
    )
    assert app.wait(30) == 0
    assert collector.wait_until(all_there(1))
    assert texts(collector) == ["from boss, floor 5"]


def test_threads_and_tasks_lose_nothing(program: ProgramMaker, collect: CollectorMaker) -> None:
    collector = collect(view=True)
    app = program(
        """
        import asyncio, threading
        def work(number):
            for line in range(500): log.info("thread %d line %d", number, line)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads: thread.start()
        async def task(number):
            for line in range(50):
                log.info("task %d line %d", number, line)
                await asyncio.sleep(0)
        async def main():
            await asyncio.gather(*(task(number) for number in range(8)))
        asyncio.run(main())
        for thread in threads: thread.join()
        """
    )
    assert app.wait(30) == 0
    assert collector.wait_until(all_there(8 * 550))
    records = list(collector.records(0))
    assert len(records) == 8 * 550
    assert [record.ordinal for record in records] == list(range(1, 8 * 550 + 1))
    for kind, count in (("thread", 500), ("task", 50)):
        for number in range(8):
            lines = [record.text for record in records if record.text.startswith(f"{kind} {number} ")]
            assert lines == [f"{kind} {number} line {line}" for line in range(count)]


# --- flush, shutdown, exit --------------------------------------------------------------------------------------------


def test_flush_and_shutdown_say_whether_all_is_safe(
    program: ProgramMaker, collect: CollectorMaker, tmp_path: object
) -> None:
    lonely = program(
        """
        print("nothing", zlog.flush(1), zlog.shutdown(1), flush=True)
        log.info("x")
        print("nobody", zlog.flush(1), zlog.shutdown(1), flush=True)
        """
    )
    lonely.expect("nothing True True")
    lonely.expect("nobody False False")
    assert lonely.wait() == 0
    collector = collect(f"sqlite:{tmp_path}/log.db")
    app = program(
        """
        log.info("one")
        print("safe", zlog.flush(10), flush=True)
        log.info("two")
        print("down", zlog.shutdown(10), flush=True)
        log.info("three")
        print("again", zlog.shutdown(10), flush=True)
        """
    )
    app.expect("safe True", 20)
    app.expect("down True", 20)
    app.expect("again True", 20)
    assert app.wait() == 0
    collector.stop()
    with zlog.open_store(f"sqlite:{tmp_path}/log.db") as store:
        records = list(store.query())
    assert [record.text for record in records] == ["one", "two", "three"]
    assert len({(record.node, record.epoch) for record in records}) == 2


def test_a_collector_that_never_answers_delays_the_end_for_a_bounded_time(program: ProgramMaker, start: object) -> None:
    """Its ports are open, and nobody reads."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        app = program(
            f"""
            zlog.shutdown()
            zlog.start(discover=False, collectors="tcp://127.0.0.1:{server.getsockname()[1]}")
            log.info("x")
            """
        )
        assert app.wait(20) == 0
        assert time.monotonic() - began < 8


# --- static collectors, and collectors in the same process ------------------------------------------------------------


def test_a_static_collector_needs_no_beacons(program: ProgramMaker, collect: CollectorMaker) -> None:
    collector = collect(discover=False, bind="tcp://127.0.0.1:*", view=True)
    app = program("for number in range(300): log.info('line %d', number)", setup=_static(collector.sync))
    assert app.wait() == 0
    assert collector.wait_until(all_there(300))
    assert texts(collector) == [f"line {number}" for number in range(300)]


def _static(address: str) -> str:
    return textwrap.dedent(f"""
        import logging, sys, zlog
        logging.basicConfig(level=logging.INFO, handlers=[zlog.Handler(discover=False, collectors="{address}")])
        log = logging.getLogger("app")
    """)


def test_one_tcp_connection_is_enough(program: ProgramMaker, collect: CollectorMaker, start: object) -> None:
    """As through an SSH tunnel: only the sync port is forwarded (N6)."""
    collector = collect(discover=False, bind="tcp://127.0.0.1:*", view=True)
    forward = subprocess.Popen(
        [sys.executable, "-c", FORWARD, collector.sync.rpartition(":")[2]], stdout=subprocess.PIPE, text=True
    )
    try:
        assert forward.stdout is not None
        port = forward.stdout.readline().strip()
        app = program(
            """
            for number in range(300): log.info('line %d', number)
            print("viewers keep nothing", zlog.flush(20), flush=True)
            for number in range(300, 600): log.info('line %d', number)
            """,
            # 127.0.0.2 has the forwarded port, and nothing at the live port
            setup=_static(f"tcp://127.0.0.2:{port}"),
        )
        assert app.wait(30) == 0
        assert collector.wait_until(all_there(600), 20)
        assert texts(collector) == [f"line {number}" for number in range(600)]
    finally:
        forward.kill()
        forward.wait()
        assert forward.stdout is not None
        forward.stdout.close()


FORWARD = """
import asyncio, sys
async def pipe(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.2", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def test_an_agent_links_to_a_collector_on_its_own_node(collect: CollectorMaker, zre_port: int) -> None:
    from zlog.zre import Pyre

    with Pyre("both", interface="lo", port=zre_port) as node:
        agent = Agent(Settings(exit_timeout_s=1), node=node).start()
        try:
            collector = collect(node=node, interface=None, port=None, view=True)
            assert agent.wait_link(10)
            agent.record(9, 1, "here", "to myself", {})
            assert collector.wait_until(lambda status: status.received >= 1)
            assert "to myself" in texts(collector)
            collector.stop()
        finally:
            agent.stop()
    node.close()


# --- where the bytes are ----------------------------------------------------------------------------------------------


def test_status_tells_what_an_agent_does(collect: CollectorMaker, zre_port: int) -> None:
    collector = collect(view=True)
    settings = Settings(name="watched", interface="lo", port=zre_port)
    with Agent(settings) as agent:
        assert agent.wait_link(10)
        agent.record(9, 1, "app", "x", {})
        assert agent.deliver(10) == "received"
        status = agent.status()
        (link,) = status.links
        assert (link.collector, link.state, link.durable, link.severity, link.sent, link.lag) == (
            collector.uuid, "live", False, 9, 1, 0,
        )  # fmt: skip
        assert (status.name, status.next[9], status.dropped[9]) == ("watched", 2, 0)
        assert isinstance(status.uuid, UUID)
        assert re.fullmatch(r"<zlog.Agent watched [-0-9a-f]{36} running>", repr(agent))
    assert agent.status().links == ()


def test_records_of_a_stopped_agent_do_no_harm(zre_port: int) -> None:
    agent = Agent(Settings(interface="lo", port=zre_port)).start()
    agent.stop(0.1)
    logger = logging.Logger("alone")
    logger.addHandler(zlog.Handler(agent))
    for _ in range(10):
        logger.error("nobody will see this")
    assert not agent.stop(0.1) or agent.flush(0.1) is False


def test_what_comes_faster_than_it_can_be_taken_is_named(
    collect: CollectorMaker, zre_port: int, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is held up while records come: those that don't fit are gone, with their numbers."""
    monkeypatch.setattr("zlog.limits.INTAKE_RECORDS", 1_000)
    collector = collect(f"sqlite:{tmp_path}/log.db")
    with Agent(Settings(name="fast", interface="lo", port=zre_port)) as agent:
        assert agent.wait_link(10)
        for _ in range(5):
            assert agent._engine is not None
            agent._engine.ask(lambda engine: [agent.record(9, 1, "app", f"{n}", {}) for n in range(1_500)], [])
        assert agent.deliver(10) == "committed"
        status = agent.status()
        assert status.next[9] == 7_501
        assert status.dropped[9] > 0
    assert collector.wait_until(lambda status: all(node.closed for node in status.nodes))
    (node,) = collector.status().nodes
    assert (node.ranges[9].missing, node.ranges[9].stored + node.ranges[9].lost) == (0, 7_500)
    assert sum(loss.stop - loss.start for loss in collector.losses()) == node.ranges[9].lost == status.dropped[9]


def test_a_collector_that_is_stopped_is_waited_for(
    collect: CollectorMaker, start: Callable[..., Program], zre_port: int, tmp_path: object
) -> None:
    """It stores, but is held up while a node starts; a viewer that answers at once is no substitute."""
    code = "import sys; from zlog.cli import main; sys.exit(main(sys.argv[1:]))"
    store = f"sqlite:{tmp_path}/log.db"
    keeper = start(python_args(code, "collect", store, "-i", "lo", "--port", str(zre_port), "--json"))
    address = json.loads(keeper.expect('"ready"', timeout_s=20))["sync"]
    collect(view=True)
    keeper.process.send_signal(signal.SIGSTOP)
    try:
        with Agent(Settings(name="app", interface="lo", port=zre_port, collectors=(address,))) as agent:
            agent.record(9, 1, "app", "x", {})
            assert agent.deliver(1.5) == "late"
            assert not agent.flush(0.2)
            keeper.process.send_signal(signal.SIGCONT)
            assert agent.deliver(20) == "committed"
    finally:
        keeper.process.send_signal(signal.SIGCONT)
    assert keeper.terminate() == 0
    with zlog.open_store(store) as opened:
        assert [record.text for record in opened.query()] == ["x"]


def test_children_that_are_forked_while_the_first_record_starts_the_agent(program: ProgramMaker) -> None:
    app = program(
        """
        import os, threading, warnings
        warnings.simplefilter("ignore")
        threading.Thread(target=lambda: log.info("first")).start()
        children = []
        for number in range(20):
            if not (pid := os.fork()):
                log.info("child")
                os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)
        print("all ended", flush=True)
        """
    )
    app.expect("all ended", timeout_s=30)
    assert app.wait(20) == 0


def test_the_handlers_lock_methods_are_those_of_logging() -> None:
    ours = zlog.Handler(Agent(Settings(discover=False)))
    agent = ours.agent
    ours.acquire()
    ours.release()
    assert ours.agent is agent
    logging.shutdown([lambda: ours])


def test_an_agent_that_has_ended_wakes_nobody(zre_port: int) -> None:
    """Its descriptor may have another owner by then."""
    agent = Agent(Settings(interface="lo", port=zre_port, exit_timeout_s=0)).start()
    engine = agent._engine
    assert engine is not None
    agent.stop(0.1)
    reader, writer = os.pipe()  # likely to get the same numbers
    os.set_blocking(reader, False)
    try:
        engine.wake()
        engine.call(lambda now: None)
        with pytest.raises(BlockingIOError):
            os.read(reader, 8)
    finally:
        os.close(reader)
        os.close(writer)


def test_an_agent_that_has_ended_does_so_in_forked_children_too(tmp_path: Path, program: ProgramMaker) -> None:
    app = program(
        """
        import os
        from zlog.agent import Agent
        from zlog.agent import agent as agents
        from zlog.config import Settings

        settings = Settings(discover=False, journal=sys.argv[3])
        never, ending, other = Agent(settings), Agent(settings), Agent(settings)
        never.stop()
        ending.start().stop()
        agents._agents.append(ending)  # another thread is about to end it
        print(never in agents._agents, other in agents._agents, flush=True)
        if not os.fork():
            for agent in (never, ending, other):
                agent.record(9, time.time_ns(), "app", "x", {})
            folders = [name for name in os.listdir(sys.argv[3]) if "-" in name]
            print(agents._agents == [other], len(folders), flush=True)
            print(*(repr(agent).rsplit(" ", 1)[1] for agent in (never, ending, other)), flush=True)
            other.stop()
            os._exit(0)
        os.wait()
        """,
        str(tmp_path / "journal"),
    )
    app.expect("False True")
    app.expect("True 1")  # only that one has counted a record
    app.expect("ended> ended> running>")
    assert app.wait(20) == 0


def test_what_a_second_start_asks_for_in_vain_is_told_once(
    tmp_path: Path, zre_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        assert report.flush()
        found = [each.getMessage() for each in caplog.records if "ignored" in each.getMessage()]
        caplog.clear()
        return found

    given = {"interface": "lo", "port": zre_port, "discover": False}
    agent = zlog.start(**given)
    try:
        assert zlog.start() is agent
        assert zlog.start(**given) is agent
        assert zlog.start(agent.settings) is agent
        assert told() == []
        for _ in range(2):
            assert zlog.start(journal=tmp_path, floor="INFO", discover=False) is agent
        (line,) = told()
        assert "already" in line
        assert "ignored: floor, journal (" in line
        zlog.start(Settings(interface="lo", port=zre_port, discover=False, name=agent.name, journal=str(tmp_path)))
        (line,) = told()
        assert "ignored: journal (" in line
        with Pyre("other", interface="lo", port=zre_port) as node:
            zlog.start(node=node)
        node.close()
        (line,) = told()
        assert "ignored: node (" in line
        assert agent.settings.journal is None
    finally:
        zlog.shutdown()

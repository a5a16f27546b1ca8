"""A node serves LOG to a collector that knows nothing else (row H15; protocol, chapter 8)."""

import time
from collections.abc import Callable

import zmq

from support.programs import Program
from zlog.core.legacy import id_of
from zlog.wire import zre_log_msg
from zlog.zre import Pyre

ENDS = """
for line in sys.stdin:
    log.log(int(line.split()[0]), line.split(maxsplit=1)[1].strip())
"""


def test_a_historic_collector_is_served_log(program: Callable[..., Program], zre_port: int) -> None:
    context = zmq.Context()
    sub = context.socket(zmq.SUB)
    sub.setsockopt(zmq.LINGER, 0)
    sub.subscribe(b"")  # as zlogger does: everything, and no ready marker
    port = sub.bind_to_random_port("tcp://127.0.0.1")
    old = Pyre("zlogger", interface="lo", port=zre_port)
    old.set_header("X-ZRELOG", f"tcp://127.0.0.1:{port}")
    old.start()
    try:
        app = program(ENDS)
        before = int(time.time())
        app.send("20 information")
        app.send("30 warning")
        app.send("40 error " + "°" * 300)
        app.send("10 debug is not sent")
        app.send("50 fatal")
        logs = []
        while len(logs) < 4:
            assert sub.poll(10_000), logs
            logs.append(zre_log_msg.decode(sub.recv()))
        endpoints = {event.peer_addr for event in old.recent_events() if event.type == "ENTER"}
        assert [(log.level, log.data) for log in logs] == [
            (3, "information"),
            (2, "warning"),
            (1, "error " + "°" * 124),  # 255 octets, cut between two characters
            (1, "fatal"),
        ]
        assert {log.node_id for log in logs} <= {id_of(endpoint) for endpoint in endpoints}
        assert all(before <= log.time <= time.time() for log in logs)
        assert {(log.event, log.peer_id) for log in logs} == {(0, 0)}
        assert app.terminate() != 1
    finally:
        old.close()
        sub.close()
        context.term()

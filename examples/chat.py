"""Chat with everybody on the network who runs this: `python examples/chat.py NAME [INTERFACE]`.

Type a line to send it; Ctrl-D or Ctrl-C leaves. Use the interface `lo` to chat between terminals of one computer.
"""

import contextlib
import sys

import zmq

from zlog.zre import Pyre, PyreEvent

GROUP = "CHAT"


def main(name: str, interface: str | None = None) -> None:
    with Pyre(name, interface=interface) as node:
        node.join(GROUP)
        print(f"* {name} is at {node.endpoint()} on {node.interface()}; type, or Ctrl-D to leave", flush=True)
        poller = zmq.Poller()
        poller.register(node.socket(), zmq.POLLIN)
        poller.register(sys.stdin, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if node.socket() in ready:
                event = PyreEvent(node)
                if event.type == "SHOUT":
                    print(f"{event.peer_name}: {event.msg[0].decode(errors='replace')}", flush=True)
                elif event.type in ("JOIN", "LEAVE", "EXIT"):
                    print(f"* {event.peer_name}: {event.type.lower()}", flush=True)
            if sys.stdin.fileno() in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                node.shout(GROUP, line.rstrip("\n").encode())


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])

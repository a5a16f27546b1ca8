"""Who is on the network: `python examples/who.py [INTERFACE] [SECONDS]`. Without an interface, the default route's."""

import sys
import time

from zlog.zre import Pyre, PyreEvent


def main(interface: str | None = None, seconds: float = 3.0) -> None:
    with Pyre("who", interface=interface) as node:
        print(f"on {node.interface() or 'no interface yet'}, for {seconds:g} s", flush=True)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if node.socket().poll(left * 1000):
                event = PyreEvent(node)
                if event.type == "ENTER":
                    print(f"+ {event.peer_name:<20} {event.peer_addr:<28} {event.headers or ''}", flush=True)
                elif event.type == "JOIN":
                    print(f"  {event.peer_name:<20} is in {event.group}", flush=True)
                elif event.type == "EXIT":
                    print(f"- {event.peer_name}", flush=True)
        print(f"{len(node.peers())} peers", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None, float(sys.argv[2]) if len(sys.argv) > 2 else 3.0)

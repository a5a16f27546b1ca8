"""The pure state machines of a node and a collector: bytes and ``now`` come in, events and bytes go out.

No module here imports a socket, zmq, asyncio, threading or a clock; the edges `zlog.agent` and `zlog.collector` drive
them. Times named ``now`` are nanoseconds of a clock that never jumps (`time.monotonic_ns`), unless said otherwise.
"""

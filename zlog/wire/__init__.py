"""The messages on the wire: pure functions on octets.

`zre_log_msg` is the logging protocol, `zre_msg` is ZRE (RFC 36), `runtime` is what they share; the modules that end in
``_socket`` put them on ZeroMQ sockets and are the only ones here that need pyzmq. These are generated from `protocol/`
by ``zlog codegen zre_msg.xml zre_log_msg.xml -o zlog/wire`` and say so at their top; `body` is written by hand.
"""

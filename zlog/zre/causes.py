"""Why something that came from the network, or was to go there, was discarded."""

from typing import Final

CAUSES: Final = {
    "beacon-foreign": "a datagram that is no ZRE beacon",
    "beacon-length": "a ZRE beacon of a wrong length",
    "beacon-version": "a ZRE beacon of an unknown version",
    "beacon-curve": "a CURVE beacon (version 3): this node has no keys, the peer will not be found",
    "beacon-moved": "a beacon that gives a living peer another address",
    "goodbye-foreign": "a goodbye beacon from another address than the peer's",
    "peers-full": "a peer beyond the limit of peers or of this process's descriptors",
    "pending-full": "a peer beyond the limit of peers that have not said HELLO",
    "identity": "a message without a ZRE identity",
    "replaced": "a message of a connection that its peer has replaced by another",
    "malformed": "a malformed message",
    "oversized": "a command beyond the limit of octets",
    "hello-endpoint": "a HELLO with an unusable endpoint",
    "hello-sequence": "a HELLO whose sequence is not 1",
    "hello-late": "a HELLO that its sender's goodbye may have overtaken, until there is a sign of life",
    "hello-limits": "groups or headers beyond the limits",
    "not-ready": "a message from a peer that has not said HELLO",
    "sequence": "a peer whose messages were lost, it has to say HELLO again",
    "status": "a group status that doesn't match its JOINs and LEAVEs",
    "connect": "a peer that can't be connected to",
    "peer-queue": "a WHISPER or SHOUT to a peer that reads too slowly",
}
"""Why something was discarded: the word in `Core.counters`, and what it means."""

"""Every bound on what a peer, or the network, can make this process hold: name, unit, reason.

A bound is generous for honest peers and small against memory: crossing one discards or drops, is counted, and never
raises into the application.
"""

# --- ZRE: frames -----------------------------------------------------------------------------------------------------

ZRE_MAX_FRAME_BYTES = 64 * 1024 * 1024
"""One frame of a message from a peer (ZMQ_MAXMSGSIZE): applications send images in SHOUT, nobody sends a gigabyte."""

ZRE_MAX_COMMAND_BYTES = 256 * 1024
"""The first frame of a ZRE message; only HELLO is large, and this holds 2,000 groups and headers of ordinary length."""

ZRE_MAX_GROUPS = 1_000
"""Groups one peer may be in: each costs a table entry here and an event in every application."""

ZRE_MAX_HEADERS = 1_000
"""Headers one peer may have: they are handed to the application as JSON in ENTER."""

# --- ZRE: peers ------------------------------------------------------------------------------------------------------

ZRE_MAX_PEERS = 4_096
"""Peers of one node, with HELLO or without: each costs a socket, two descriptors, some 30 kB."""

ZRE_MAX_PENDING = 256
"""Strangers that were connected to but have not said HELLO: a storm of forged beacons fills this table, not the other.
Peers that are met anew, after a lost message or on another address, come on top."""

ZRE_PROBATION_PENDING = 64
"""From this many pending peers on, a new one is connected to on its second beacon only: forged ones send no second."""

ZRE_MAX_CANDIDATES = 4_096
"""Beacons remembered while they wait for their second (about 150 bytes each); the oldest goes first."""

ZRE_READS_PER_TURN = 1_000
"""Frames read from one socket before the others have their turn: a flood on one must not starve the rest."""

# --- ZRE: queues -----------------------------------------------------------------------------------------------------

ZRE_PEER_QUEUE_BYTES = 64 * 1024 * 1024
"""Bytes that wait for one peer that reads too slowly; beyond, WHISPER and SHOUT to it are dropped and counted."""

ZRE_INBOX_EVENTS = 10_000
"""Events that wait for an application that doesn't read; beyond, WHISPER and SHOUT are dropped and counted, and
ENTER, EXIT, JOIN and LEAVE are merged to what has changed since the application last read."""

ZRE_INBOX_BYTES = 64 * 1024 * 1024
"""Bytes that wait for an application that doesn't read; beyond, as above."""

ZRE_COMMANDS = 10_000
"""Calls of the application that wait for the I/O thread; beyond, the caller waits, as with pyre."""

# --- Records and batches: protocol/README.md, section 7.4 ------------------------------------------------------------

MAX_BATCH_RECORDS = 1_024
"""Records in a BATCH: bounds what one frame makes a collector build and a store write in one go."""

MAX_BODY_BYTES = 1024 * 1024
"""A BATCH's body, decompressed: a frame of 100 octets can't make a collector reserve a gigabyte."""

MAX_RECORD_BYTES = 64 * 1024
"""One record, encoded; a longer one is cut by its sender. A traceback has 10 kB; an array's dump is no log line."""

MAX_DEPTH = 8
"""How deep arrays and maps nest in the attributes, which are the first level: readers recurse."""

MAX_INTERVALS = 1_024
"""Intervals that a collector keeps for one run and range; beyond, it fetches in order instead (section 6.3)."""

# --- Sync: protocol/README.md, chapter 6 -----------------------------------------------------------------------------

MAX_RUNS = 1_000
"""Runs in one OFFER, and in a collector's WELCOME (120 and 198 octets each): a host that crashed all night has some."""

MAX_PATH = 16
"""Collectors that records may have passed on their way: more hops are a loop, or a mistake."""

MAX_LINKS = 1_000
"""Collectors that a node links to, and links in one STATUS: each costs a node two sockets and four descriptors."""

# --- Stores ----------------------------------------------------------------------------------------------------------

MEMORY_STORE_RECORDS = 1_000_000
"""Records that `memory:` keeps unless told otherwise, the last to arrive: about a gigabyte, minutes of a busy net."""

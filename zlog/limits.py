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

MAX_SUBSCRIPTIONS = 1_000
"""Subscriptions of one collector: one that wants single severities of RECORD and BATCH has 31."""

MAX_CONTROL = 10_000
"""Sync messages that wait for a collector that doesn't take them; then its own messages are discarded, and it gets
nothing until it does."""

# --- The agent: what an application can make it hold -------------------------------------------------------------

INTAKE_CROWDED = 16_384
"""Records that wait for the agent's thread; beyond, each call that logs yields the interpreter to it for a moment."""

INTAKE_YIELD_S = 0.0001
"""That moment: a thread that logs as fast as it can would else keep the agent's from running for 5 ms at a time."""

INTAKE_RECORDS = 65_536
"""Records that wait for the agent's thread at all; beyond, they are dropped, counted, and named to the collectors as
gone. The thread takes some 300,000 in a second."""

INTAKE_BYTES = 64 * 1024 * 1024
"""Octets of those of them that are large or have attributes of their own."""

JOURNAL_BYTES = 16 * 1024 * 1024
"""The journal in memory unless told otherwise: 16 MiB is half a million records of an ordinary log, compressed."""

JOURNAL_DIR_BYTES = 1024 * 1024 * 1024
"""The journals on disk of all processes that share a directory, unless told otherwise: a week of a chatty host."""

JOURNAL_AGE_S = 7 * 24 * 3600.0
"""How long a segment of a journal on disk stays, unless told otherwise, in seconds: over a weekend, and a holiday."""

JOURNAL_RUNS = MAX_RUNS - 1
"""Runs of dead processes that one agent takes over: they and its own fit into one OFFER."""

LINK_QUEUE_FRAMES = 100
"""Frames in libzmq's queue to one collector; those after them wait in the journal, which is there anyway."""

# --- The collector: what nodes can make it hold -----------------------------------------------------------------------

COLLECTOR_LINKS = 4_096
"""Nodes on sync at the same time: each costs four descriptors and some 20 kB; the next one is refused as busy."""

COLLECTOR_STREAMS = 65_536
"""Runs times ranges that are kept track of, some 2 kB each; beyond, those of ended runs are left to the stores, and if
there are none, records of new runs are discarded."""

COLLECTOR_OFFERED = 100_000
"""Earlier runs that all nodes together may offer, some 2 kB each; beyond, a node's current run is all that is taken of
its OFFER, and what it holds besides stays there."""

COLLECTOR_REPLACED = 2_000
"""Connections that were replaced by another of their node's, and may outlive it: of a thousand nodes each may have one
when a collector starts again at its address. Each has its OFFER."""

COLLECTOR_REPLACED_BYTES = 12 * 1024 * 1024
"""Octets of the runs in those."""

COLLECTOR_RECEIVE_BYTES = 16 * 1024 * 1024
"""Octets of frames that wait to be looked at; then nothing is received, and nodes wait, by TCP."""

COLLECTOR_QUEUE_BYTES = 8 * 1024 * 1024
"""Octets of live frames that wait for one store, one to three seconds' work of SQLite, and as many of frames that were
asked for; beyond, the store gets them later, by FETCH, or if no other store is faster, nodes wait."""

COLLECTOR_VIEW_RECORDS = 100_000
"""Records that wait for who iterates over a collector; beyond, the oldest are dropped and counted."""

COLLECTOR_VIEW_BYTES = 64 * 1024 * 1024
"""Octets of those."""

COLLECTOR_CREDIT_BYTES = 8 * 1024 * 1024
"""Octets of BATCH frames that all nodes together may send unasked-for in answer to FETCH."""

COLLECTOR_FETCH_BYTES = 1024 * 1024
"""Octets of those for one run and range: eight nodes are asked at the same time, the others take turns."""

COLLECTOR_SYNC_BYTES = 64 * 1024
"""One sync message of a node other than BATCH, but for OFFER, which `MAX_RUNS` bounds: the largest has 42 kB."""

COLLECTOR_PEERS_LEFT = 1_000
"""Peers that left whose 16-bit ids are still known, for LOG that is on its way."""

COLLECTOR_LOSSES = 10_000
"""Losses that `Collector.losses` has, the last ones: the stores have all."""

MAX_FRAME_BYTES = 2 * 1024 * 1024
"""One frame on live and sync (ZMQ_MAXMSGSIZE), as section 10.2 has it."""

# --- Views ------------------------------------------------------------------------------------------------------------

TAIL_BYTES = 1024 * 1024 * 1024
"""Octets in the temporary file of `zlog tail` that wait to be printed, for example while a pager shows a page: 20
million records of an ordinary log; beyond, nodes keep what they have."""

# --- Stores ----------------------------------------------------------------------------------------------------------

MEMORY_STORE_RECORDS = 1_000_000
"""Records that `memory:` keeps unless told otherwise, the last to arrive: about a gigabyte, minutes of a busy net."""

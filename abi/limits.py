"""The numbers that bound what a guest may ask for and how long it may take, each with its reason.

They are defaults: a host reads them here and may let its configuration change them. Limits of HTTP itself
(length of a request line, count of fields) are no matter of the ABI and are not here.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# Serialized maps that a guest sends: set_header_map_pairs, send_local_response, http_call, grpc_call.

PAIRS_MAX_BYTES: Final = 1 * MIB
"""Bytes of one serialized map. Envoy's host has the same number. Far above what any HTTP peer accepts, small
enough that a guest cannot make the host copy a memory's worth."""

PAIRS_MAX_COUNT: Final = 1024
"""Pairs in one serialized map. Envoy's host has the same number; nginx's module stops at 100, which cuts
requests that browsers really send."""

# Single values that a guest sends.

HEADER_NAME_MAX_BYTES: Final = 8 * KIB
"""Bytes of one header name. nginx bounds name and value together by one 8 KiB buffer
(large_client_header_buffers), Apache a field by 8,190 bytes; a longer name never reaches an application."""

HEADER_VALUE_MAX_BYTES: Final = 64 * KIB
"""Bytes of one header value. Cookies and tokens make values much longer than names: Envoy's whole head is
60 KiB by default, Node's 16 KiB. A guest may write one value as long as the longest head in use."""

PROPERTY_PATH_MAX_BYTES: Final = 4 * KIB
"""Bytes of a property path. The longest well-known path has 60; metadata keys are chosen by users."""

LOG_MESSAGE_MAX_BYTES: Final = 16 * KIB
"""Bytes of one log message that are kept; the rest is cut, with a mark. Long enough for a stack trace of a
standard Go guest, which comes as one message; syslog receivers take 8 KiB, Docker's log driver cuts at 16."""

RANDOM_GET_MAX_BYTES: Final = 64 * KIB
"""Bytes of one ``random_get``; more is INVAL. Envoy's host and the Web's getRandomValues have the same."""

# Bodies.

BODY_BUFFER_MAX_BYTES: Final = 1 * MIB
"""Bytes of a body held for a guest that paused, before the answer 413 (request) or 500 (response). Envoy's
per-connection buffer is the same by default; nginx keeps 16 KiB in memory and spills to disk."""

UNCOMPRESSED_MAX_BYTES: Final = 16 * MIB
"""Bytes that the foreign function ``uncompress`` makes of its argument. A guest has to have room for them in its
memory; zlib makes a thousand bytes of one, so that a bomb of some kilobytes reaches it."""

# Guests as such.

MODULE_MAX_BYTES: Final = 256 * MIB
"""Bytes of a ``.wasm`` file. Plugins take from 20 KiB (TinyGo) over 3 MiB (standard Go,
Rust) to some tens of MiB; beyond the limit a file is a mistake, found before the compiler has eaten it."""

MEMORY_MAX_BYTES: Final = 256 * MIB
"""Bytes of linear memory of one guest: the default cap. A TinyGo guest starts with 128 KiB, one of standard
Go with 2.6 MiB. Without a cap a leak, which conservative collectors do have, takes the worker with it on its
way to 4 GiB."""

PLUGIN_METRICS_MAX: Final = 1_024
"""Names of metrics that one plugin may define. Each is a time series for whoever collects them; plugins that make
names of what clients send (a host, a path) would make them without end."""

STREAM_CALLBACK_CPU_MILLISECONDS: Final = 10
"""CPU time of one callback about a stream. A guest runs on the event loop: while it does, no other stream
moves. Callbacks take microseconds; 10 ms leaves room for a run of the guest's garbage collector."""

START_CPU_MILLISECONDS: Final = 5_000
"""CPU time of starting a guest, and again of configuring it. Both run off the loop. Standard Go starts in
1.5 ms, but a guest may compile thousands of expressions when it is configured."""

"""One HTTP exchange through the filter chain: states, no I/O.

Events go in, flags come out that say what may leave now. The work is done by core/chain.c, in one crossing a phase;
here is its Python face, and what has to happen behind an event: log lines, failed VMs, streams that others resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from abi.pairs import encode_pairs
from host import decoding, hot
from host._core import ffi, lib
from host.chain import EMPTY, FilterChain
from host.headers import HeaderMap
from host.peer import ConnectionInfo
from host.plugin import streams
from host.plugin.lease import Lease
from host.plugin.lenders import Lender
from host.reach import UpstreamChange

__all__ = [
    "LEAVING",
    "LOCAL_RESPONSE",
    "REQUEST_BLOCKED",
    "REQUEST_BODY",
    "REQUEST_END",
    "REQUEST_HEAD",
    "REQUEST_TRAILERS",
    "RESET",
    "RESPONSE_BLOCKED",
    "RESPONSE_BODY",
    "RESPONSE_END",
    "RESPONSE_HEAD",
    "RESPONSE_TRAILERS",
    "ConnectionInfo",
    "FilterChain",
    "HttpStream",
    "Stream",
]

# What may leave now (core/stream.h).
REQUEST_HEAD = 1
REQUEST_BODY = 2
REQUEST_END = 4
RESPONSE_HEAD = 8
RESPONSE_BODY = 16
RESPONSE_END = 32
LOCAL_RESPONSE = 64
RESET = 128
REQUEST_BLOCKED = 256
RESPONSE_BLOCKED = 512

REQUEST_TRAILERS = 1024
RESPONSE_TRAILERS = 2048

LEAVING = 4095
"""These flags; the others are for `Stream._attend`."""

_REQUEST, _RESPONSE = 0, 1
_on_headers, _on_body, _on_trailers = (
    lib.sw_stream_on_headers,
    lib.sw_stream_on_body,
    lib.sw_stream_on_trailers,
)
_unpack = ffi.unpack


class Stream:
    """What exchanges and connections have in common: their native object, their number, and what is behind an event.

    It can be opened again after `close`, and should be: it keeps its native memory.
    """

    __slots__ = (
        "__weakref__",
        "_client_info",
        "_is_open",
        "_leases",
        "_length",
        "_number",
        "_request_id",
        "_upstream_info",
        "chain",
        "decoders",
        "handle",
        "native",
        "user_state",
    )

    def __init__(self) -> None:
        self.native = ffi.gc(lib.sw_stream_new(), lib.sw_stream_delete)
        self.handle = hot.capsule(self.native)
        self.chain: FilterChain = EMPTY
        self._request_id = ""
        self.user_state: dict[int, Any] | None = None
        self.decoders: decoding.Decoders | None = None  # of bodies whose content coding is undone
        self._length = ffi.new("size_t *")
        self._leases: list[tuple[Lender, Lease]] | None = None
        self._number = streams.number_of(self)
        self._is_open = False

    def _begin(self, chain: FilterChain, client: ConnectionInfo | None, begin: Callable[..., int]) -> None:
        peer = client.pointer if client is not None else ffi.NULL
        if begin(self.native, self._number, chain.native, peer):
            raise MemoryError("no memory for a stream")
        self._opened(chain, client)
        if chain.lenders:
            self._borrow()

    def _opened(self, chain: FilterChain, client: ConnectionInfo | None) -> None:
        """Keep what the core points into, and be found by it."""
        self.chain, self._client_info = chain, client
        streams.OPEN[self._number] = self
        self._is_open = True

    def _borrow(self) -> None:
        """Take a VM from each lender; where it has none, the plugin is down for this stream."""
        lent = ((lender, lender.lend(self.native)) for lender in self.chain.lenders)
        self._leases = [(lender, lease) for lender, lease in lent if lease is not None]

    def _give_back(self) -> None:
        leases, self._leases = self._leases, None
        for lender, lease in leases or ():
            lender.take_back(lease)

    @property
    def request_id(self) -> str:
        """The request's name in log lines; made when the first line needs it."""
        if not self._request_id:
            self._request_id = self.new_request_id()
        return self._request_id

    @request_id.setter
    def request_id(self, name: str) -> None:
        self._request_id = name

    def new_request_id(self) -> str:
        """Return a name for the request; to be overridden."""
        return ""

    @property
    def is_open(self) -> bool:
        """Whether it has been opened and not closed since."""
        return self._is_open

    @property
    def client(self) -> ConnectionInfo | None:
        """The client's connection."""
        return self._client_info

    def set_upstream(self, upstream: ConnectionInfo) -> None:
        """Say which node answers; its address is the source of that connection."""
        self._upstream_info = upstream  # the core points into it
        hot.set_upstream(self.handle, upstream.handle)

    def settle(self) -> None:
        """Go on with what was asked for from elsewhere, or meet the plugin's policy for a VM that died."""
        flags: int = lib.sw_stream_settle(self.native)
        if flags > LEAVING:
            flags = self._attend(flags)
        self.on_ready(flags)  # without any, too: a side may be blocked no more

    def on_ready(self, flags: int) -> None:
        """Take flags that no event of this stream returned, none as well; to be overridden."""

    def _attend(self, flags: int) -> int:
        self.chain.attend()
        if self._leases is not None:
            for _, lease in self._leases:
                lease.attend()
        if flags & streams.WOKEN:
            streams.settle_woken()
        return flags & LEAVING

    def _take(self, side: int) -> bytes:
        bytes_ = lib.sw_stream_take_body(self.native, side, self._length)
        length = self._length[0]
        return _unpack(bytes_, length) if length else b""

    def close(self) -> None:
        """End it: on_log, on_done, on_delete of every filter. Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        flags = hot.close_stream(self.handle)
        if flags:  # its last lines still carry the request's name
            self._attend(flags)
        if self._leases is not None:
            self._give_back()
        streams.OPEN[self._number] = None
        self.chain = EMPTY
        self.user_state = None
        self.decoders = None
        self._request_id = ""


class HttpStream(Stream):
    """An exchange."""

    __slots__ = ("request_headers", "request_trailers", "response_headers", "response_trailers")

    def __init__(self) -> None:
        super().__init__()
        maps = [HeaderMap.view(lib.sw_stream_map(self.native, kind), self.native) for kind in range(4)]
        self.request_headers, self.request_trailers, self.response_headers, self.response_trailers = maps

    def open(self, chain: FilterChain, client: ConnectionInfo | None = None) -> None:
        """Begin an exchange; the request's headers are in `request_headers`."""
        self._begin(chain, client, lib.sw_stream_open)

    # --- events: each returns flags ---------------------------------------------------------------------------

    def on_request_headers(self, end_of_stream: bool) -> int:
        """The request's head is in `request_headers`."""
        if (chain := self.chain).decodes:
            return decoding.on_request_headers(
                self, end_of_stream, decodes=chain.decodes_request, asks=chain.decodes_response
            )
        flags: int = _on_headers(self.native, _REQUEST, end_of_stream)
        return flags if flags <= LEAVING else self._attend(flags)

    def on_request_body(self, data: bytes, end_of_stream: bool) -> int:
        """Bytes of the request's content."""
        if self.decoders is not None:
            return decoding.on_body(self, _REQUEST, data, end_of_stream)
        flags: int = _on_body(self.native, _REQUEST, data, len(data), end_of_stream)
        return flags if flags <= LEAVING else self._attend(flags)

    def on_request_trailers(self) -> int:
        """The trailers are in `request_trailers`; the request ends with them."""
        if self.decoders is not None:
            return decoding.on_trailers(self, _REQUEST)
        flags: int = _on_trailers(self.native, _REQUEST)
        return flags if flags <= LEAVING else self._attend(flags)

    def on_response_headers(self, end_of_stream: bool) -> int:
        """The response's head is in `response_headers`."""
        if self.chain.decodes_response:
            return decoding.on_response_headers(self, end_of_stream)
        flags: int = _on_headers(self.native, _RESPONSE, end_of_stream)
        return flags if flags <= LEAVING else self._attend(flags)

    def on_response_body(self, data: bytes, end_of_stream: bool) -> int:
        """Bytes of the response's content."""
        if self.decoders is not None:
            return decoding.on_body(self, _RESPONSE, data, end_of_stream)
        flags: int = _on_body(self.native, _RESPONSE, data, len(data), end_of_stream)
        return flags if flags <= LEAVING else self._attend(flags)

    def on_response_trailers(self) -> int:
        """The trailers are in `response_trailers`; the response ends with them."""
        if self.decoders is not None:
            return decoding.on_trailers(self, _RESPONSE)
        flags: int = _on_trailers(self.native, _RESPONSE)
        return flags if flags <= LEAVING else self._attend(flags)

    def local_response(
        self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"", details: str = ""
    ) -> int:
        """Answer for the upstream; the answer passes the response filters. Does nothing once a response head is out."""
        pairs, text = encode_pairs(list(headers)), details.encode()
        flags: int = lib.sw_stream_local_response(
            self.native, status, pairs, len(pairs), body, len(body), text, len(text)
        )
        return flags if flags <= LEAVING else self._attend(flags)

    # --- what filters in Python ask of an exchange; who knows more overrides it

    def variable(self, name: str) -> bytes | None:
        """Return the value of a variable as access logs have them, None without one."""
        return None

    def reach(self, change: UpstreamChange) -> bool:
        """Change where the request goes; returns whether that can be."""
        return False

    # --- what host.decoding does with an event

    def pass_headers(self, side: int, end_of_stream: bool) -> int:
        """Give the chain a head."""
        flags: int = _on_headers(self.native, side, end_of_stream)
        return flags if flags <= LEAVING else self._attend(flags)

    def pass_body(self, side: int, data: bytes, end_of_stream: bool) -> int:
        """Give the chain bytes."""
        flags: int = _on_body(self.native, side, data, len(data), end_of_stream)
        return flags if flags <= LEAVING else self._attend(flags)

    def pass_trailers(self, side: int) -> int:
        """Give the chain trailers."""
        flags: int = _on_trailers(self.native, side)
        return flags if flags <= LEAVING else self._attend(flags)

    def give_up(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, details: str) -> int:
        """Answer for the upstream; where its head has left, reset the exchange."""
        flags = self.local_response(status, headers, body, details)
        if flags & (LOCAL_RESPONSE | RESET) or not self._is_open:
            return flags
        lib.sw_stream_reset(self.native, details.encode())
        flags = lib.sw_stream_settle(self.native)
        return flags if flags <= LEAVING else self._attend(flags)

    # --- what leaves ------------------------------------------------------------------------------------------

    def take_request_body(self) -> bytes:
        """Return the bytes that REQUEST_BODY announced."""
        return self._take(_REQUEST)

    def take_response_body(self) -> bytes:
        """Return the bytes that RESPONSE_BODY announced."""
        return self._take(_RESPONSE)

    @property
    def is_request_paused(self) -> bool:
        """Whether a filter holds the request."""
        return bool(lib.sw_stream_is_paused(self.native, _REQUEST))

    @property
    def is_response_paused(self) -> bool:
        """Whether a filter holds the response."""
        return bool(lib.sw_stream_is_paused(self.native, _RESPONSE))

    @property
    def details(self) -> str:
        """Why a local response was made ("wasm_fail_stream", or what a plugin said); "" without one."""
        text = lib.sw_stream_details(self.native, self._length)
        return str(_unpack(text, self._length[0]).decode(errors="replace")) if self._length[0] else ""

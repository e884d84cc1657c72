"""Who is at the other end: addresses of a client connection or an upstream node, as plugins' properties show them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

from host import hot
from host._core import ffi, lib

_ids = itertools.count(1)


class ConnectionInfo:
    """The two ends of a connection, each as `ip:port` (`[ip]:port` for IPv6), and a number unique in the process.

    `properties`: what plugins can read of its TLS, path (NUL between segments) to encoded value.
    """

    __slots__ = ("_properties", "destination_address", "handle", "id", "pointer", "source_address")

    def __init__(
        self,
        source_address: str,
        destination_address: str = "",
        properties: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.source_address, self.destination_address = source_address, destination_address
        self.id = next(_ids)
        source, destination = source_address.encode()[:63], destination_address.encode()[:63]
        self._properties = _map(properties) if properties else ffi.NULL  # the core points into it
        self.pointer = ffi.new(
            "sw_peer *",
            {
                "address": source,
                "address_length": len(source),
                "port": _port(source_address),
                "local_address": destination,
                "local_address_length": len(destination),
                "local_port": _port(destination_address),
                "id": self.id,
                "properties": self._properties,
            },
        )
        self.handle = hot.capsule(self.pointer)

    @classmethod
    def of(
        cls, transport: asyncio.Transport, properties: Mapping[bytes, bytes] | None = None
    ) -> ConnectionInfo:
        """Return the ends of an open connection; empty where the transport does not know one."""
        return cls(
            _address(transport.get_extra_info("peername")),
            _address(transport.get_extra_info("sockname")),
            properties,
        )

    def __repr__(self) -> str:
        return f"ConnectionInfo({self.source_address!r}, {self.destination_address!r})"


def _map(properties: Mapping[bytes, bytes]) -> Any:
    made = ffi.gc(lib.sw_headers_new(), lib.sw_headers_delete)
    for path, value in properties.items():
        if lib.sw_headers_add(made, path, len(path), value, len(value)):
            raise MemoryError("no memory for the properties of a connection")
    return made


def _address(name: Any) -> str:
    """Return a socket's name as `ip:port`, `[ip]:port` for IPv6."""
    if not isinstance(name, tuple):
        return ""
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _port(address: str) -> int:
    port = address.rpartition(":")[2]
    return int(port) if port.isdigit() else 0

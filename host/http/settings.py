"""The limits and timeouts of the HTTP side, each with its reason. Times are seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass

from host.http.deadlines import sweeps


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What a client may hold open or make us keep. Raises ValueError for a value that cannot be kept to."""

    max_head_bytes: int = 64 * 1024
    """Request line and fields of a request: nginx takes 4 x 8 KiB, Envoy 60 KiB."""
    max_target_bytes: int = 8 * 1024
    """Request target: nginx's large_client_header_buffers; RFC 9112, 3 asks for 8000 at least."""
    max_fields: int = 100
    """Field lines of a head, and of a trailer section: Envoy's default."""
    max_body_bytes: int = 0
    """Content of a request, 0 = unlimited (APISIX's client_max_body_size)."""
    max_held_bytes: int = 64 * 1024
    """Pipelined bytes kept while a request is being answered; reading pauses beyond."""
    max_connections: int = 10_620
    """Open client connections of a worker; the ones beyond are answered 503 (APISIX's worker_connections)."""
    max_requests: int = 1000
    """Requests on one connection (nginx's keepalive_requests)."""
    write_buffer_bytes: int = 256 * 1024
    """Bytes that wait for a slow reader before the other side is paused."""
    linger_bytes: int = 1024 * 1024
    """Request bytes thrown away after an early answer, so that the client gets to read it."""

    head_timeout: float = 60.0
    """From the first byte of a head to its last (APISIX's client_header_timeout)."""
    body_timeout: float = 60.0
    """Between two reads of a request body (client_body_timeout)."""
    keepalive_timeout: float = 60.0
    """Between two requests of a connection (APISIX's keepalive_timeout)."""
    send_timeout: float = 10.0
    """Without any progress of a client that does not read (APISIX's send_timeout)."""
    stream_timeout: float = 300.0
    """While a request waits for neither peer: a paused chain (Envoy's stream_idle_timeout)."""
    linger_timeout: float = 5.0
    """How long a closing connection may take to read its answer (nginx's lingering_timeout)."""

    trust_forwarded: bool = False
    """Whether X-Forwarded-Proto, -Host, -Port and X-Real-IP of the client are passed on instead of replaced."""

    def __post_init__(self) -> None:
        if not 64 <= self.max_head_bytes < 1 << 20:
            raise ValueError(f"max_head_bytes must be from 64 to {(1 << 20) - 1}, not {self.max_head_bytes}")
        if not 16 <= self.max_target_bytes < 1 << 14:
            raise ValueError(
                f"max_target_bytes must be from 16 to {(1 << 14) - 1}, not {self.max_target_bytes}"
            )


class Timeouts:
    """The timeouts as numbers of sweeps."""

    __slots__ = ("body", "head", "keepalive", "linger", "send", "stream")

    def __init__(self, settings: HttpSettings) -> None:
        self.head, self.body = sweeps(settings.head_timeout), sweeps(settings.body_timeout)
        self.keepalive, self.send = sweeps(settings.keepalive_timeout), sweeps(settings.send_timeout)
        self.stream, self.linger = sweeps(settings.stream_timeout), sweeps(settings.linger_timeout)

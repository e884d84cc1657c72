"""One interface over the HTTP/2 libraries that are compared: each end of a connection without its socket.

What an endpoint returns of the peer's bytes is the same for all: what has begun and how much content has come. So each
library does the same work, and what a gateway would do on top is left out.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol

Fields = list[tuple[bytes, bytes]]


class Endpoint(Protocol):
    """One end of a connection."""

    def request(self, head: Fields, content: bytes) -> None:
        """Send a request with its content."""

    def respond(self, stream: int, head: Fields, content: bytes, trailers: Fields) -> None:
        """Send a response."""

    def receive(self, data: bytes) -> tuple[list[int], int, int]:
        """Take bytes: the streams whose requests are complete, the octets of content, how many streams are done."""

    def output(self) -> bytes:
        """Take what is to be sent."""


class Sluiceway:
    """nghttp2 through the C core."""

    def __init__(self, is_server: bool) -> None:
        from host.headers import HeaderMap
        from host.http import http2

        self._http2, self._map = http2, HeaderMap
        self._session = http2.Http2Session(server=is_server)
        self._is_server = is_server

    def request(self, head: Fields, content: bytes) -> None:
        """Send a request with its content."""
        stream = self._session.request(self._map(head), end=False)
        self._session.write(stream, content, end=True)

    def respond(self, stream: int, head: Fields, content: bytes, trailers: Fields) -> None:
        """Send a response."""
        self._session.respond(stream, self._map(head), end=False)
        self._session.write(stream, content)
        self._session.write_trailers(stream, self._map(trailers))

    def receive(self, data: bytes) -> tuple[list[int], int, int]:
        """Take bytes."""
        session, http2 = self._session, self._http2
        session.receive(data)
        if session.error:
            raise ConnectionError(session.error)
        complete, octets, done = [], 0, 0
        for event in session.events():
            kind = type(event)
            if kind is http2.Data:
                octets += len(event.data)
                session.consume(event.stream, len(event.data))
            elif kind is http2.End:
                complete.append(event.stream)
                done += 1
        return complete, octets, done

    def output(self) -> bytes:
        """Take what is to be sent. Raises ConnectionError when that was the connection's end, as the others do."""
        data = self._session.output()
        if not data and self._session.is_over:
            raise ConnectionError("GOAWAY")
        return data


class Hyper:
    """h2, or jh2, which has the same interface."""

    def __init__(self, package: str, is_server: bool) -> None:
        connection = importlib.import_module(f"{package}.connection")
        config = importlib.import_module(f"{package}.config").H2Configuration(
            client_side=not is_server, header_encoding=None
        )
        self._events: Any = importlib.import_module(f"{package}.events")
        self._connection = connection.H2Connection(config=config)
        settings = importlib.import_module(f"{package}.settings")
        values = {settings.SettingCodes.INITIAL_WINDOW_SIZE: 256 * 1024, settings.SettingCodes.ENABLE_PUSH: 0}
        self._connection.local_settings = settings.Settings(client=not is_server, initial_values=values)
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(16 * 1024 * 1024 - 65535)
        self._waiting: dict[int, tuple[bytes, Fields | None]] = {}

    def request(self, head: Fields, content: bytes) -> None:
        """Send a request with its content."""
        stream = self._connection.get_next_available_stream_id()
        self._connection.send_headers(stream, head)
        self._send(stream, content, None)

    def respond(self, stream: int, head: Fields, content: bytes, trailers: Fields) -> None:
        """Send a response."""
        self._connection.send_headers(stream, head)
        self._send(stream, content, trailers)

    def _send(self, stream: int, content: bytes, trailers: Fields | None) -> None:
        """What a caller of these libraries does itself: cut content into frames as the windows allow."""
        connection, at = self._connection, 0
        while at < len(content):
            most = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size)
            if most <= 0:
                self._waiting[stream] = (content[at:], trailers)
                return
            connection.send_data(stream, content[at : at + most])
            at += most
        self._waiting.pop(stream, None)
        if trailers is None:
            connection.end_stream(stream)
        else:
            connection.send_headers(stream, trailers, end_stream=True)

    def receive(self, data: bytes) -> tuple[list[int], int, int]:
        """Take bytes."""
        events, complete, octets, done = self._events, [], 0, 0
        for event in self._connection.receive_data(data):
            kind = type(event)
            if kind is events.DataReceived:
                octets += len(event.data)
                self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif kind is events.StreamEnded:
                complete.append(event.stream_id)
                done += 1
        for stream, (content, trailers) in list(self._waiting.items()):
            self._send(stream, content, trailers)
        return complete, octets, done

    def output(self) -> bytes:
        """Take what is to be sent."""
        return self._connection.data_to_send()


def candidates() -> dict[str, Callable[[bool], Endpoint]]:
    """Those that are installed here: `pip install h2 jh2` brings the others."""
    found: dict[str, Callable[[bool], Endpoint]] = {"nghttp2 in the C core": Sluiceway}
    for package in ("jh2", "h2"):
        try:
            version = importlib.import_module(package).__version__
        except ImportError:
            continue
        found[f"{package} {version}"] = lambda is_server, package=package: Hyper(package, is_server)
    return found

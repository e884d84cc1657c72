"""Exchanges whose bodies are decoded before the filters see them; what leaves the chain is the decoded content.

It stands between the events of `host.stream` and the chain: the head loses what was said of the coded bytes, the body
comes in decoded pieces, and content that cannot be decoded ends the exchange (400, 413 and 415, or 502).
"""

from __future__ import annotations

from typing import Final, Protocol

from host.content import SUPPORTED, CodingError, Decoder, decoded_request, decoded_response
from host.content.fields import accept_supported, is_coded
from host.headers import HeaderMap

REQUEST, RESPONSE = 0, 1

# Of host.stream's flags.
_LEFT: Final = 1 | 2 | 4
_LOCAL_RESPONSE: Final = 64
_OVER: Final = _LOCAL_RESPONSE | 128
_BLOCKED: Final = 256 | 512

_REASONS: Final = {
    400: b"The content is not in the coding that it is said to be in\n",
    413: b"The content is too large when it is decoded\n",
    415: b"The content is in a coding that is not known here\n",
    502: b"Bad Gateway\n",
}


class Decoders:
    """Those of one exchange, by side."""

    __slots__ = ("of",)

    def __init__(self) -> None:
        self.of: list[Decoder | None] = [None, None]


class DecodedStream(Protocol):
    """What this room needs of an exchange: the events as the chain takes them, and its answers."""

    decoders: Decoders | None
    request_headers: HeaderMap
    response_headers: HeaderMap

    def pass_headers(self, side: int, end_of_stream: bool) -> int:
        """Give the chain a head."""

    def pass_body(self, side: int, data: bytes, end_of_stream: bool) -> int:
        """Give it bytes."""

    def pass_trailers(self, side: int) -> int:
        """Give it trailers."""

    def give_up(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, details: str) -> int:
        """Answer for the upstream, or reset the exchange where that is too late."""


def on_request_headers(stream: DecodedStream, end_of_stream: bool, *, decodes: bool, asks: bool) -> int:
    """A request's head. `decodes`: its body is for filters to read; `asks`: that of the response is."""
    if asks:
        accept_supported(stream.request_headers)
    if not decodes or not is_coded(stream.request_headers):
        return stream.pass_headers(REQUEST, end_of_stream)
    decoder = decoded_request(stream.request_headers)
    _keep(stream, REQUEST, decoder)
    flags = stream.pass_headers(REQUEST, end_of_stream)
    if decoder is None and not flags & _OVER:
        return flags & ~_LEFT | _refuse(stream, 415, "request_content_coding_unknown")
    return flags


def on_response_headers(stream: DecodedStream, end_of_stream: bool) -> int:
    """A response's head."""
    if is_coded(stream.response_headers):
        _keep(stream, RESPONSE, decoded_response(stream.response_headers))
    return stream.pass_headers(RESPONSE, end_of_stream)


def on_body(stream: DecodedStream, side: int, data: bytes, end_of_stream: bool) -> int:
    """Coded bytes."""
    decoder = stream.decoders.of[side] if stream.decoders is not None else None
    if decoder is None:
        return stream.pass_body(side, data, end_of_stream)
    flags, last = 0, b""
    try:
        for piece in decoder.decode(data):
            if last:
                flags = flags & ~_BLOCKED | stream.pass_body(side, last, False)
                if flags & _OVER:
                    return flags
            last = piece
        if end_of_stream:
            decoder.finish()
    except CodingError as error:
        return flags | _fail(stream, side, error)
    if last or end_of_stream:
        flags = flags & ~_BLOCKED | stream.pass_body(side, last, end_of_stream)
    return flags


def on_trailers(stream: DecodedStream, side: int) -> int:
    """The end, behind the last bytes."""
    decoder = stream.decoders.of[side] if stream.decoders is not None else None
    try:
        if decoder is not None:
            decoder.finish()
    except CodingError as error:
        return _fail(stream, side, error)
    return stream.pass_trailers(side)


def _keep(stream: DecodedStream, side: int, decoder: Decoder | None) -> None:
    if decoder is not None:
        stream.decoders = stream.decoders or Decoders()
        stream.decoders.of[side] = decoder


def _fail(stream: DecodedStream, side: int, error: CodingError) -> int:
    if side == RESPONSE:
        return _refuse(stream, 502, f"response_content_coding: {error}")
    return _refuse(stream, 413 if error.is_too_much else 400, f"request_content_coding: {error}")


def _refuse(stream: DecodedStream, status: int, details: str) -> int:
    fields = [(b"Content-Type", b"text/plain")]
    if status == 415:  # RFC 9110, 15.5.16
        fields.append((b"Accept-Encoding", b", ".join(SUPPORTED)))
    return stream.give_up(status, fields, _REASONS[status], details)

"""Chunked bodies (RFC 9112, 7.1): decoding by httptools, judged by core/message.c; and encoding.

httptools (llhttp) reads chunk sizes, extensions and line ends strictly. It parses whole messages, so each body gets a
fresh parser that was fed a head of ours.
"""

from __future__ import annotations

from typing import Any

import httptools

from host._core import lib
from host.http.message import MessageError, message_error

_HEAD = b"POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
_END = b"\r\n\r\n"

LAST_CHUNK = b"0\r\n\r\n"
CRLF = b"\r\n"

_MOST_OVERHEAD = 16 * 1024
_OVERHEAD_PER_CHUNK = 16


def encode_chunk(data: bytes) -> bytes:
    """Return the data as one chunk. Empty data would be the last chunk: the caller never passes it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ChunkedDecoder:
    """Decodes one chunked body; trailer fields go into the given `sw_headers *`, which is emptied.

    `feed` returns the content and how many bytes of the data were used; `done` says that the body is complete.
    """

    __slots__ = (
        "_body",
        "_budget",
        "_chunks",
        "_error",
        "_in_trailers",
        "_judge",
        "_parser",
        "_tail",
        "_trailers",
        "done",
    )

    def __init__(self, judge: Any, trailers: Any) -> None:
        self._judge, self._trailers = judge, trailers
        self._body: list[bytes] = []
        self._in_trailers = False
        self._error: MessageError | None = None
        self._budget, self._chunks = _MOST_OVERHEAD, 0
        self._tail = b""
        self.done = False
        lib.sw_headers_clear(trailers)
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_HEAD)
        self._in_trailers = True

    def feed(self, data: bytes, at: int = 0) -> tuple[bytes, int]:
        """Decode data[at:] up to the end of the body and return (content, bytes used).

        Raises MessageError (400) for malformed coding or trailers, and for more than 16 KiB of it that is not
        content, as chunk extensions could otherwise make us read without end.
        """
        start = at
        while not self.done and at < len(data):
            end = self._next_stop(data, at)
            self._feed(data if at == 0 and end == len(data) else data[at:end])
            self._tail = (self._tail + data[max(at, end - 3) : end])[-3:]
            at = end
        body = self._body
        content = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        overhead = at - start - len(content) - _OVERHEAD_PER_CHUNK * self._chunks
        self._budget, self._chunks = min(self._budget - overhead, _MOST_OVERHEAD), 0
        if self._budget < 0:
            raise MessageError(400, "too many bytes in a chunked body that are not content")
        return content, at - start

    def _next_stop(self, data: bytes, at: int) -> int:
        """Return where the body may end: behind the next CRLF CRLF. httptools does not tell where it stopped."""
        if self._tail:
            joined = self._tail + data[at : at + 3]
            found = joined.find(_END)
            if found >= 0:
                return at + found + 4 - len(self._tail)
        found = data.find(_END, at)
        return len(data) if found < 0 else found + 4

    def _feed(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserError as error:
            raise (self._error or MessageError(400, f"malformed chunked body: {error}")) from error

    # httptools calls these

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_chunk_complete(self) -> None:
        self._chunks += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_trailers:
            return
        code = lib.sw_judge_trailer(self._judge, self._trailers, name, len(name), value, len(value))
        if code:
            self._error = message_error(code)
            raise self._error

    def on_message_complete(self) -> None:
        self.done = True

"""Decoders of content codings: gzip and deflate from the standard library, br and zstd where their library is there."""

from __future__ import annotations

import contextlib
import importlib
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

PIECE_BYTES: Final = 64 * 1024
"""Decoded bytes that are made at once."""

MOST_BYTES: Final = 16 * 1024 * 1024
"""Decoded bytes that may come of one read of coded ones. A read is 256 KiB at most: text packs to a tenth or so, and
what packs to less than a sixtieth is nearly always meant to fill a memory."""

MOST_CODINGS: Final = 3
"""Codings one over the other; RFC 9110 knows no limit, and nobody needs two."""


class CodingError(Exception):
    """Bytes that are not in the coding that the message says, that end early, or that come to too many."""

    def __init__(self, reason: str, is_too_much: bool = False) -> None:
        super().__init__(reason)
        self.is_too_much = is_too_much


class _Step(Protocol):
    """One coding: gives the bytes that it has made of those it was given, at most so many at once."""

    def decode(self, data: bytes, most: int) -> bytes:
        """Take bytes, which may be none; the rest of what they come to is for further calls."""

    @property
    def has_more(self) -> bool:
        """Whether a call without bytes might give some."""

    @property
    def is_complete(self) -> bool:
        """Whether the coding's own end has come."""


class _Zlib:
    """gzip (RFC 1952), of one member or several, and deflate, which is zlib (RFC 1950) or, as many send it, bare."""

    def __init__(self, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._object = zlib.decompressobj(31 if is_gzip else 15)
        self._rest = b""
        self._has_begun = self.has_more = False

    def decode(self, data: bytes, most: int) -> bytes:
        data = self._rest + data
        try:
            made = self._object.decompress(data, most)
        except zlib.error:
            if self._is_gzip or self._has_begun:
                raise
            self._object = zlib.decompressobj(-15)
            made = self._object.decompress(data, most)
        self._has_begun = True
        self._rest = self._object.unconsumed_tail
        self.has_more = bool(self._rest) or len(made) == most
        if self._object.eof and self._object.unused_data:
            if not self._is_gzip:
                raise CodingError("bytes behind the end")
            self._rest = self._object.unused_data
            self._object = zlib.decompressobj(31)
            self.has_more = True
        return made

    @property
    def is_complete(self) -> bool:
        return self._object.eof


class _Brotli:
    """br (RFC 7932)."""

    def __init__(self, library: Any) -> None:
        self._object = library.Decompressor()
        self.has_more = False

    def decode(self, data: bytes, most: int) -> bytes:
        if self._object.is_finished():
            if data:
                raise CodingError("bytes behind the end")
            return b""
        made = bytes(self._object.process(data, output_buffer_limit=most))
        # Output may be left though all input was taken: only a call that gives none tells that there is none.
        self.has_more = not self._object.is_finished() and bool(
            made or not self._object.can_accept_more_data()
        )
        return made

    @property
    def is_complete(self) -> bool:
        return bool(self._object.is_finished())


class _Zstd:
    """zstd (RFC 8878), of one frame or several, with the windows of 8 MiB at most that RFC 9659 sets for HTTP."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._object = self._new()
        self._rest = b""

    def _new(self) -> Any:
        return self._library.ZstdDecompressor(
            options={self._library.DecompressionParameter.window_log_max: 23}
        )

    def decode(self, data: bytes, most: int) -> bytes:
        if self._object.eof and (data or self._rest):
            data, self._rest = self._rest + data, b""
            self._object = self._new()
        made = bytes(self._object.decompress(data, max_length=most))
        if self._object.eof:
            self._rest = self._object.unused_data
        return made

    @property
    def has_more(self) -> bool:
        return bool(self._rest) or not (self._object.eof or self._object.needs_input)

    @property
    def is_complete(self) -> bool:
        return bool(self._object.eof) and not self._rest


def _codings() -> dict[bytes, Callable[[], _Step]]:
    found: dict[bytes, Callable[[], _Step]] = {
        b"gzip": lambda: _Zlib(True),
        b"x-gzip": lambda: _Zlib(True),  # RFC 9110, 8.4.1.3: the same
        b"deflate": lambda: _Zlib(False),
    }
    with contextlib.suppress(ImportError):
        brotli = importlib.import_module("brotli")
        found[b"br"] = lambda: _Brotli(brotli)
    with contextlib.suppress(ImportError):
        name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
        zstd = importlib.import_module(name)
        found[b"zstd"] = lambda: _Zstd(zstd)
    return found


_CODINGS: Final = _codings()

SUPPORTED: Final = tuple(coding for coding in _CODINGS if not coding.startswith(b"x-"))
"""The codings that can be decoded here, as Accept-Encoding names them."""


class Decoder:
    """The codings of one message, undone."""

    def __init__(self, steps: list[_Step]) -> None:
        """`steps` in the order of decoding: the last coding that was applied comes first."""
        self._steps = steps
        self._is_fed = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Give what the bytes come to, in pieces of PIECE_BYTES. Raises CodingError."""
        self._is_fed = self._is_fed or bool(data)
        made = 0
        for piece in self._through(0, data):
            made += len(piece)
            if made > MOST_BYTES:
                raise CodingError(f"more than {MOST_BYTES} bytes come of one read", is_too_much=True)
            yield piece

    def _through(self, at: int, data: bytes) -> Iterator[bytes]:
        if at == len(self._steps):
            yield data
            return
        step = self._steps[at]
        while True:
            try:
                piece = step.decode(data, PIECE_BYTES)
            except CodingError:
                raise
            except Exception as error:  # each library has its own
                raise CodingError(str(error) or type(error).__name__) from error
            if piece:
                yield from self._through(at + 1, piece)
            data = b""
            if not step.has_more:
                return

    def finish(self) -> None:
        """Say that no more comes. Raises CodingError when the coding's own end has not come."""
        if self._is_fed and not all(step.is_complete for step in self._steps):
            raise CodingError("the content ends early")


def new_decoder(encodings: list[bytes]) -> Decoder | None:
    """Return what undoes the codings of these Content-Encoding fields; None for those that are not known here."""
    names = [name.strip().lower() for field in encodings for name in field.split(b",")]
    names = [name for name in names if name not in (b"", b"identity")]
    if not names or len(names) > MOST_CODINGS or any(name not in _CODINGS for name in names):
        return None
    return Decoder([_CODINGS[name]() for name in reversed(names)])

"""The gateway's own access log: a line for each request, from a format of variables.

The line is made when the exchange ends, of its header maps as the filters have left them, and of a `Record`: what the
maps do not tell. An exchange without an access log has no record and pays for none.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

from host.exchange.analytics import analytics_line
from host.exchange.log_values import Source, source_of
from host.exchange.record import Record
from host.log.analytics import ANALYTICS
from host.log.format import parse_format
from host.log.text import json_text
from host.stream import HttpStream

Escape = Literal["default", "json"]

_PLAIN = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
_UNSAFE = re.compile(rb"[^ !#-\[\]-~]")


class LineSink(Protocol):
    """Where lines go."""

    def write(self, line: bytes) -> None:
        """Take a line with its line feed; must not wait or raise."""


class AccessLog:
    """Makes lines of a format. One for a worker."""

    def __init__(self, format_: str, escape: Escape, sink: LineSink) -> None:
        """`format_`: with variables, or `tyk` for analytics records. Raises ValueError for an unknown variable."""
        self._is_analytics = format_ == ANALYTICS
        sources: list[Source] = []
        template = b""
        for part in parse_format(format_):
            if isinstance(part, str):
                template += part.encode().replace(b"%", b"%%")
            else:
                template += b"%s"
                sources.append(source_of(part))
        self._template = template + b"\n"
        self._sources = tuple(sources)
        self._escaped, self._missing = (_json, b"") if escape == "json" else (_default, b"-")
        self._sink = sink

    def new_record(self) -> Record:
        """Return the record of an exchange."""
        return Record(self)

    def log(self, record: Record, stream: HttpStream) -> None:
        """Write the line of an exchange that ends."""
        if self._is_analytics:
            self._sink.write(analytics_line(record, stream) + b"\n")
            return
        missing = self._missing
        values = [source(record, stream) or missing for source in self._sources]
        if b"".join(values).translate(None, _PLAIN):  # a look at all is cheaper than one at each
            values = list(map(self._escaped, values))
        self._sink.write(self._template % tuple(values))


def _default(text: bytes) -> bytes:
    r"""As nginx: `"`, `\` and what is not printable ASCII as \xHH."""
    return _UNSAFE.sub(lambda found: b"\\x%02X" % found[0][0], text)


def _json(text: bytes) -> bytes:
    return json_text(text.decode("utf-8", "replace"))[1:-1].encode()

"""Answers that do not come from an upstream: their body, and whole messages where no filter chain is there yet."""

from __future__ import annotations

import json

from host.headers import HeaderMap
from host.http.message import WRITE_CLOSE, WRITE_LOCAL, HeadWriter

JSON_FIELDS = [(b"Content-Type", b"application/json")]


def error_body(message: str) -> bytes:
    """Return the body of an error answer, in APISIX's shape."""
    return json.dumps({"error_msg": message}, separators=(",", ":")).encode() + b"\n"


def error_answer(writer: HeadWriter, status: int, message: str) -> bytes:
    """Return a whole error response that closes its connection."""
    body = error_body(message)
    headers = HeaderMap([(b":status", b"%d" % status), *JSON_FIELDS])
    head, _ = writer.response(headers.pointer, len(body), WRITE_CLOSE | WRITE_LOCAL)
    return head + body

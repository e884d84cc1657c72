"""The analytics record of Tyk's, as a line of an access log: the format `tyk`.

It tells of the exchange as its end has left it, early answers included. What it says of the API are properties of the
route, what it says of the key is the session. It must not know how either came there.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from host.exchange.log_values import value_of
from host.exchange.record import Record
from host.filters.python import shared_of
from host.log.analytics import EDITORS
from host.plugin.properties import property_value, read_property
from host.stream import HttpStream

logger = logging.getLogger("sluiceway.exchange")

Editor = Callable[[dict[str, Any]], object]

_GEO: Final = {
    "country": {"iso_code": ""},
    "city": {"geoname_id": 0, "names": None},
    "location": {"latitude": 0, "longitude": 0, "time_zone": ""},
}
_NO_EXPIRY: Final = "0001-01-01T00:00:00Z"  # Go's zero time


def analytics_line(record: Record, stream: HttpStream) -> bytes:
    """Return the record of an exchange that ends, as JSON on one line."""
    made = _record(record, stream)
    for editor in shared_of(stream).get(EDITORS, ()):
        edited = dict(made)
        try:
            editor(edited)
            line = _line(edited)
        except Exception:
            logger.exception("a hook of traffic_logs failed; the record is written without it")
        else:
            made = json.loads(line)
    return _line(made)


def _line(made: dict[str, Any]) -> bytes:
    # Not ensure_ascii=False: what clients send must not act on a terminal that shows the file.
    return json.dumps(made, separators=(",", ":"), allow_nan=False).encode()


def _record(record: Record, stream: HttpStream) -> dict[str, Any]:
    now = datetime.now(UTC)
    session = _session(stream)
    total = (time.monotonic() - record.began) * 1000
    upstream = sum(attempt.seconds or 0.0 for attempt in record.attempts) * 1000
    raw_path = _text(record.path).partition("?")[0]
    return {
        "method": _text(record.method),
        "host": _variable(record, stream, "http_host"),
        "path": raw_path,
        "raw_path": raw_path,
        "listen_path": _property(stream, "tyk.listen_path"),
        "content_length": _whole(_variable(record, stream, "http_content_length")),
        "user_agent": _variable(record, stream, "http_user_agent"),
        "day": now.day,
        "month": now.month,
        "year": now.year,
        "hour": now.hour,
        "response_code": record.status,
        "api_key": str(session.get("key_id") or ""),
        "timestamp": now.isoformat().replace("+00:00", "Z"),
        "api_version": "Non Versioned",
        "api_name": _property(stream, "tyk.api_name"),
        "api_id": _property(stream, "tyk.api_id"),
        "org_id": _property(stream, "tyk.org_id"),
        "oauth_id": str(session.get("oauth_client_id") or ""),
        "request_time": math.ceil(total),
        "raw_request": "",
        "raw_response": "",
        "ip_address": _variable(record, stream, "remote_addr"),
        "geo": _GEO,
        "network": {"open_connections": 0, "closed_connections": 0, "bytes_in": 0, "bytes_out": 0},
        "latency": {
            "total": math.ceil(total),
            "upstream": math.ceil(upstream),
            "gateway": math.ceil(max(0.0, total - upstream)),
        },
        "tags": [str(tag) for tag in tags] if isinstance(tags := session.get("tags"), list) else [],
        "alias": str(session.get("alias") or ""),
        "track_path": False,
        "expireAt": _NO_EXPIRY,
    }


def _session(stream: HttpStream) -> dict[str, Any]:
    text = read_property(stream, b"session")
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _variable(record: Record, stream: HttpStream, name: str) -> str:
    return _text(value_of(name, record, stream) or b"")


def _property(stream: HttpStream, path: str) -> str:
    found = property_value(stream, path)
    return _text(found) if isinstance(found, bytes) else ""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0

"""What a runner's answer does to a request and to a response. It must not know how answers come.

What it may not touch are the fields that frame a message: runners send back what they were given, and the gateway tells
lengths itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from host._core import lib
from host.external.apisix.codec import Entry, FrameError, ResponseReply, Rewrite, Stop
from host.external.framing import FRAMING
from host.headers import HeaderMap

KEPT_OF_RESPONSE: Final = FRAMING | {
    b"content-encoding",
    b"content-language",
    b"content-location",
    b"content-type",
    b"location",
    b"server",
    b"www-authenticate",
}
"""Fields that a rewrite of a request cannot set in the response, as in APISIX."""

_DEFAULT_TYPE = (b"Content-Type", b"text/plain; charset=utf-8")
# nginx's ngx_escape_uri for a whole URI: what would end the path or begin an escape is escaped.
_SAFE_IN_PATH: Final = "!$&'()*+,/:;=@[]~"


def answer_of(stop: Stop) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, fields and body of an answer. Raises FrameError when no response can be made of it."""
    status = stop.status or 200
    if not 200 <= status <= 999:
        raise FrameError(f"the runner answers with the status {status}")
    fields = [(name, value) for name, value in _changes(stop.headers) if value is not None]
    if stop.body and not any(name.lower() == b"content-type" for name, _ in fields):
        fields.append(_DEFAULT_TYPE)
    return status, fields, stop.body


def rewrite_request(headers: HeaderMap, rewrite: Rewrite, *, keeps_duplicates: bool = False) -> None:
    """Change a request's head. Raises FrameError, and nothing is changed, when the result would be no request.

    `keeps_duplicates`: a field that the request has already with this value stays as it is, and so do its likes.
    """
    target = _target(headers.get(b":path") or b"/", rewrite)
    host = [value for name, value in rewrite.headers if name.lower() == b"host" and value is not None]
    if not all(lib.sw_is_valid_authority(value, len(value)) for value in host):
        raise FrameError(f"the runner sets a host that is none: {host!r}")
    for name, value in _changes(rewrite.headers):
        if name.lower() == b"host":
            if value is not None:
                headers.set(b":authority", value)
        elif value is None:
            headers.remove(name)
        elif not (keeps_duplicates and value in headers.get_all(name)):
            headers.set(name, value)
    if target is not None:
        headers.set(b":path", target)


def change_response(headers: HeaderMap, changes: Sequence[Entry]) -> None:
    """Set fields that a rewrite of the request asks for in the response."""
    _set_then_add(headers, [(name, value) for name, value in changes if name.lower() not in KEPT_OF_RESPONSE])


def checked_response_headers(rewrite: Rewrite) -> list[Entry]:
    """Return the fields for `change_response`. Raises FrameError for one that is none."""
    return list(_changes(rewrite.response_headers))


def rewrite_response(headers: HeaderMap, reply: ResponseReply, *, replaces: bool) -> None:
    """Change a response's head. `replaces`: the fields of a reply that has any take the place of all others.

    Raises FrameError, and nothing is changed, when the result would be no response.
    """
    if reply.status and not 200 <= reply.status <= 999:
        raise FrameError(f"the runner changes the status to {reply.status}")
    changes = list(_changes(reply.headers))
    if replaces and reply.headers:
        for name in {
            name for name, _ in headers.items() if not name.startswith(b":") and name not in FRAMING
        }:
            headers.remove(name)
    _set_then_add(headers, changes)
    if reply.status:
        headers.set(b":status", b"%d" % reply.status)


def _changes(entries: Iterable[Entry]) -> Iterable[Entry]:
    """The entries that may be applied. Raises FrameError for one that is no field."""
    found = []
    for name, value in entries:
        if not lib.sw_is_valid_field(name, len(name), value or b"", len(value or b"")):
            raise FrameError(f"the runner sets a field that is none: {name[:80]!r}")
        if name.lower() not in FRAMING:
            found.append((name, value))
    return found


def _set_then_add(headers: HeaderMap, changes: Iterable[Entry]) -> None:
    """The first of a name takes the place of what is there, further ones come beside it; without a value: delete."""
    seen = set()
    for name, value in changes:
        if value is None:
            headers.remove(name)
        elif (key := name.lower()) in seen:
            headers.add(name, value)
        else:
            headers.set(name, value)
            seen.add(key)


def _target(present: bytes, rewrite: Rewrite) -> bytes | None:
    """The new value of `:path`; None for the present one."""
    if rewrite.path is None and not rewrite.arguments:
        return None
    path, mark, query = present.partition(b"?")
    if rewrite.path is not None:
        path = quote_from_bytes(rewrite.path, _SAFE_IN_PATH).encode()
        if not path.startswith(b"/"):
            path = b"/" + path
    if rewrite.arguments:
        query = _query(query, rewrite.arguments)
        mark = b"?" if query else b""
    target = path + mark + query
    if not lib.sw_is_valid_path(target, len(target)):
        raise FrameError(f"the runner sets a path that is none: {target[:80]!r}")
    return target


def _query(present: bytes, changes: Sequence[Entry]) -> bytes:
    """The first change of a name replaces its arguments, further ones come beside it, one without a value deletes; the
    others stay as they are written."""
    changed: dict[bytes, list[bytes]] = {}
    for name, value in changes:
        values = changed.setdefault(name, [])
        if value is None:
            values.clear()
        else:
            values.append(b"%b=%b" % (_component(name), _component(value)))
    members = []
    for member in present.split(b"&") if present else ():
        name = unquote_to_bytes(member.partition(b"=")[0].replace(b"+", b" "))
        if name not in changed:
            members.append(member)
    return b"&".join(members + [member for values in changed.values() for member in values])


def _component(text: bytes) -> bytes:
    return quote_from_bytes(text, "").encode()

"""multipart/form-data (RFC 7578, RFC 2046 5.1.1), as far as a form has it: names and contents.

Not the standard library's parser of mail: it takes a minute for the 16 MiB that a client may send, and holds up the
loop for as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MAX_PARTS: Final = 10_000

MAX_HEAD: Final = 8192
"""Bytes of the fields of a part."""

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_DISPOSITION: Final = re.compile(
    rb"^content-disposition:[ \t]*form-data([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_PARAMETER: Final = re.compile(rb';[ \t]*([^\s=;"]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')


def parts_of(body: bytes, content_type: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each part that has a name. Raises ValueError for what is no form, or does not end."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ValueError("no boundary")
    text = (boundary[1] or boundary[2]).encode("utf-8", "surrogateescape")
    delimiter = re.compile(rb"\r\n--" + re.escape(text) + rb"(--|[ \t]*\r\n)")
    body = b"\r\n" + body
    here = delimiter.search(body)
    for _ in range(MAX_PARTS):
        if here is not None and here[1] == b"--":
            return
        behind = delimiter.search(body, here.end()) if here is not None else None
        if here is None or behind is None:
            raise ValueError("no end")
        head_end = body.find(b"\r\n\r\n", here.end(), min(behind.start(), here.end() + MAX_HEAD))
        name = _name_of(body[here.end() : head_end]) if head_end >= 0 else None
        if name is not None:
            yield name, body[head_end + 4 : behind.start()]
        here = behind
    raise ValueError(f"more than {MAX_PARTS} parts")


def _name_of(head: bytes) -> bytes | None:
    disposition = _DISPOSITION.search(head)
    for each in _PARAMETER.finditer(disposition[1]) if disposition is not None else ():
        if each[1].lower() == b"name":
            return re.sub(rb"\\(.)", rb"\1", each[2]) if each[2] is not None else each[3]
    return None

"""Files of configuration as text: regular ones, in UTF-8, of a bounded size."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from host.errors import Problem

MAX_FILE_SIZE: Final = 64 * 1024 * 1024
"""Bytes. 10,000 routes with plugins take about 2 MB."""


def read_text(path: Path, file: str) -> str | Problem:
    """Return the text of a regular UTF-8 file of at most `MAX_FILE_SIZE` bytes, or what is wrong with it."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Problem(file, None, "", "is not a regular file")
        if status.st_size > MAX_FILE_SIZE:
            return Problem(file, None, "", f"has {status.st_size} bytes; at most {MAX_FILE_SIZE} are read")
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_SIZE + 1)
    except (OSError, ValueError) as error:
        return Problem(file, None, "", f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return decode(data, file)


def decode(data: bytes, file: str) -> str | Problem:
    """Return the bytes as text, without a byte order mark, or what is wrong with them."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(file, 1, "", "is UTF-16: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(file, line, "", f"is not UTF-8: byte 0x{data[error.start]:02x} fits no character")

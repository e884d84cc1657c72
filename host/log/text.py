"""What peers and plugins say, made fit for one line: nothing that is not printable, nothing that begins a line."""

from __future__ import annotations

from json.encoder import encode_basestring  # the C function that json.dumps uses for texts
from typing import Any


def cut(text: str, limit: int) -> str:
    """Return so many characters of the text, and how many more there were."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more)"


def printable(text: str) -> str:
    """Return the text on one line: what is not printable, and the backslash, escaped."""
    # A space is printable; line ends, controls, terminal escapes and marks of direction are not.
    if text.isprintable() and "\\" not in text:
        return text
    return "".join([c if c.isprintable() and c != "\\" else _escape(c) for c in text])


def _escape(character: str) -> str:
    return "\\\\" if character == "\\" else ascii(character)[1:-1]


def json_text(text: str) -> str:
    """Return the text as a JSON string in quotes."""
    quoted = encode_basestring(text)
    if quoted.isprintable():
        return quoted
    # JSON itself lets DEL, U+0085 and the like through; a terminal that shows the line must not act on them.
    return "".join([c if c.isprintable() else _json_escape(c) for c in quoted])


def _json_escape(character: str) -> str:
    return "".join(
        f"\\u{unit:04x}" for unit in memoryview(character.encode("utf-16-le", "surrogatepass")).cast("H")
    )


def json_value(value: Any) -> str:
    """Return a value as JSON; what JSON has no form for as its text."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value)
    return json_text(str(value))


def field(value: str) -> str:
    """Return a field's value: quoted where a reader could not tell where it ends."""
    shown = printable(cut(value, 256))
    plain = shown and not any(c in shown for c in ' "=:')
    return shown if plain else '"' + shown.replace('"', '\\"') + '"'

"""Forms in parts: what names and contents are taken, however much a client sends."""

from __future__ import annotations

import contextlib

import pytest

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.multipart import parts_of
from host.external.kong.pdk.tables import parsed


def part(disposition: str, content: str, more: str = "") -> str:
    return f"--x y\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n{content}\r\n"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (part('name="a"', "1") + part("name=b", ""), [("a", "1"), ("b", "")]),
        (part('filename="q; name=no"; name="a\\"b"', "1"), [('a"b', "1")]),
        (part('NAME="a"', "1", "Content-Type: text/plain\r\n"), [("a", "1")]),
        (part('name="a"', "--x yz\r\n--x y no\r\n\r\n1"), [("a", "--x yz\r\n--x y no\r\n\r\n1")]),
        (part('filename="a"', "1") + "--x y\r\n\r\nno head\r\n", []),
        ("before\r\n" + part('name="a"', "1"), [("a", "1")]),
        (part(f'name="{"a" * 9000}"', "1") + part('name="b"', "2"), [("b", "2")]),
    ],
)
def test_parts_are_told_by_their_names(body: str, found: list[tuple[str, str]]) -> None:
    """RFC 2046: a delimiter is a whole line; RFC 7578: the name is a parameter, quoted or not."""
    whole = f"{body}--x y--\r\nbehind".encode()
    parts = parts_of(whole, 'multipart/form-data; charset=x; Boundary="x y"')
    assert [(name.decode(), content.decode()) for name, content in parts] == found


@pytest.mark.parametrize(
    "body",
    [
        b"\n" * (1 << 24),
        b"--b\r\n" * (3 << 20),
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * (300_000) + b"--b--",
        b"--b\r\nContent-Disposition: form-data;" + b" a=1;" * (3 << 20) + b"\r\n\r\n\r\n--b--",
    ],
    ids=["lines", "delimiters", "parts", "parameters"],
)
def test_what_a_client_sends_does_not_hold_up_the_loop(body: bytes) -> None:
    """A parser of mail takes 4 to 71 seconds for the first three."""
    with contextlib.suppress(PdkError):
        assert len(parsed(body, "multipart/form-data; boundary=b", 100)) <= 100

"""The ClientHello: its name, and bytes that want to be taken for one."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.tls.client_hello import MOST_BYTES, ClientHello, NotClientHello, parse


def hello(name: str | None) -> bytes:
    """A ClientHello as OpenSSL makes it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


REAL = hello("www.example.test")


@pytest.mark.parametrize(("name", "found"), [("www.example.test", "www.example.test"), (None, "")])
def test_the_name_of_a_real_one(name: str | None, found: str) -> None:
    """Also none: a client that asks for no name sends no extension for it."""
    assert parse(hello(name)) == ClientHello(found)


def test_a_part_of_one_asks_for_more() -> None:
    """At every length short of the whole."""
    assert [parse(REAL[:length]) for length in range(len(REAL))] == [None] * len(REAL)


def test_what_follows_is_not_looked_at() -> None:
    """A client may send more with it (early data)."""
    assert parse(REAL + b"\x17\x03\x03\x00\x01x") == ClientHello("www.example.test")


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_message_may_lie_in_several_records(size: int) -> None:
    """RFC 8446, 5.1: a handshake message may be cut at any byte."""
    message = REAL[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    records = b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)
    assert parse(records) == ClientHello("www.example.test")


def test_names_are_compared_in_lower_case() -> None:
    """And without a last dot."""
    upper = REAL.replace(b"www.example.test", b"WWW.example.TES.")
    assert parse(upper) == ClientHello("www.example.tes")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x17\x03\x03\x00\x05hello",
        b"\x16\x02\x00\x00\x05hello",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        REAL.replace(b"www.example.test", b"www.exam\x00le.test"),
        REAL.replace(b"www.example.test", b"www.exam le.test"),
        REAL.replace(b"www.example.test", b"www.exam\xe4le.test"),
        REAL[: REAL.index(b"www.") - 2] + b"\xff\xff" + REAL[REAL.index(b"www.") :],
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    """As early as it can be told."""
    with pytest.raises(NotClientHello):
        parse(data)


def test_one_without_end_is_refused_at_the_limit() -> None:
    """However small its records are."""
    record = b"\x16\x03\x01\x00\x01"
    start = record + b"\x01" + record + b"\x00" + record + b"\x3f" + record + b"\x00"
    endless = start + (record + b"x") * MOST_BYTES
    assert parse(endless[: MOST_BYTES - 1]) is None
    with pytest.raises(NotClientHello):
        parse(endless[:MOST_BYTES])


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_no_bytes_hurt_the_reader(data: st.DataObject) -> None:
    """A real one with bytes changed, cut and added: an answer, more, or NotClientHello, and nothing else."""
    mutated = bytearray(REAL)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at] = data.draw(st.integers(0, 255))
    cut = bytes(mutated[: data.draw(st.integers(0, len(mutated)))]) + data.draw(st.binary(max_size=20))
    try:
        found = parse(cut)
    except NotClientHello:
        return
    assert found is None or found.server_name.isascii()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_at_all(data: bytes) -> None:
    """From nothing."""
    try:
        parse(data)
    except NotClientHello:
        return

"""TLS on stream listeners: terminated with the certificate of the name asked for, or passed through by it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from host.config import StreamListen
from tests.e2e.gateway import run
from tests.tcp.gateway import Gateway, echo, gateway, upstream

TLS = (StreamListen("127.0.0.1", 0, tls=True),)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def entry(certificate: trustme.LeafCert, *names: str, **more: Any) -> str:
    """An entry of ssls, as YAML."""
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems).decode()
    key = certificate.private_key_pem.bytes().decode()
    return json.dumps({"cert": chain, "key": key, "snis": list(names), **more})


def client(authority: trustme.CA, certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


@asynccontextmanager
async def terminating(authority: trustme.CA, **more: Any) -> AsyncIterator[Gateway]:
    """A gateway that terminates TLS for *.a.test in front of an echo."""
    own = authority.issue_cert("*.a.test")
    async with upstream(echo) as port:
        text = f"ssls: [{entry(own, '*.a.test', **more)}]\n"
        text += f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}}}]"
        async with gateway(text, listen=TLS) as gate:
            yield gate


async def say(gate: Gateway, data: bytes, **options: Any) -> bytes:
    reader, writer = await gate.connect(**options)
    try:
        writer.write(data)
        return await reader.readexactly(len(data))
    finally:
        writer.close()


def test_tls_is_terminated(authority: trustme.CA) -> None:
    """The client sees a certificate for its name, the upstream plain bytes."""

    async def check() -> None:
        async with terminating(authority) as gate:
            assert await say(gate, b"hello", ssl=client(authority), server_hostname="x.a.test") == b"hello"

    run(check())


@pytest.mark.parametrize("name", ["b.test", "x.y.a.test", "a.test"])
def test_a_name_without_certificate_is_refused_in_the_handshake(authority: trustme.CA, name: str) -> None:
    """Alert unrecognized_name; a wildcard is for one label, as in certificates."""

    async def check() -> None:
        async with terminating(authority) as gate:
            with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
                await say(gate, b"x", ssl=client(authority), server_hostname=name)

    run(check())


def test_each_name_gets_its_certificate(authority: trustme.CA) -> None:
    """Two entries, one listener."""
    one, two = authority.issue_cert("one.test"), authority.issue_cert("two.test")

    async def check() -> None:
        async with upstream(echo) as port:
            text = f"ssls: [{entry(one, 'one.test')}, {entry(two, 'two.test')}]\n"
            text += f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}}}]"
            async with gateway(text, listen=TLS) as gate:
                for name in ("one.test", "two.test"):  # the client checks the name
                    assert await say(gate, b"x", ssl=client(authority), server_hostname=name) == b"x"

    run(check())


def test_a_client_certificate_is_asked_for_where_its_name_wants_one(authority: trustme.CA) -> None:
    """mTLS by SNI: one name asks, the other does not; who has none, or one of somebody else, is refused."""
    clients = trustme.CA()
    ca = clients.cert_pem.bytes().decode()
    locked, open_ = authority.issue_cert("locked.test"), authority.issue_cert("open.test")
    stranger = trustme.CA().issue_cert("stranger.test")

    async def check() -> None:
        async with upstream(echo) as port:
            text = f"ssls: [{entry(locked, 'locked.test', client={'ca': ca})}, {entry(open_, 'open.test')}]\n"
            text += f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}}}]"
            async with gateway(text, listen=TLS) as gate:
                known = client(authority, clients.issue_cert("me.test"))
                assert await say(gate, b"x", ssl=known, server_hostname="locked.test") == b"x"
                assert await say(gate, b"x", ssl=client(authority), server_hostname="open.test") == b"x"
                for refused in (client(authority), client(authority, stranger)):
                    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                        await say(gate, b"x", ssl=refused, server_hostname="locked.test")

    run(check())


@pytest.mark.parametrize(("depth", "is_taken"), [(0, False), (1, True)])
def test_the_depth_of_client_certificates(authority: trustme.CA, depth: int, is_taken: bool) -> None:
    """One authority between the client's certificate and the trusted one."""
    root = trustme.CA()
    leaf = root.create_child_ca().issue_cert("me.test")
    own = authority.issue_cert("locked.test")
    settings = {"ca": root.cert_pem.bytes().decode(), "depth": depth}

    async def check() -> None:
        async with upstream(echo) as port:
            text = f"ssls: [{entry(own, 'locked.test', client=settings)}]\n"
            text += f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}}}]"
            async with gateway(text, listen=TLS) as gate:
                known = client(authority, leaf)
                if is_taken:
                    assert await say(gate, b"x", ssl=known, server_hostname="locked.test") == b"x"
                else:
                    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                        await say(gate, b"x", ssl=known, server_hostname="locked.test")

    run(check())


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_versions_can_be_chosen(authority: trustme.CA, protocol: str) -> None:
    """ssl_protocols."""

    async def check() -> None:
        async with terminating(authority, ssl_protocols=[protocol]) as gate:
            _, writer = await gate.connect(ssl=client(authority), server_hostname="x.a.test")
            assert writer.get_extra_info("ssl_object").version() == protocol
            writer.close()
            other = client(authority)
            if protocol == "TLSv1.3":
                other.maximum_version = ssl.TLSVersion.TLSv1_2
            else:
                other.minimum_version = ssl.TLSVersion.TLSv1_3
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await gate.connect(ssl=other, server_hostname="x.a.test")

    run(check())


def test_tls_passes_through_by_the_name_asked_for(authority: trustme.CA) -> None:
    """On a listener without tls: the handshake is the upstream's own, with its certificates. Exact before wildcard."""
    servers = {}
    for name in ("exact.test", "any.wild.test"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        servers[name] = context

    async def check() -> None:
        async with (
            upstream(echo, ssl=servers["exact.test"]) as exact,
            upstream(echo, ssl=servers["any.wild.test"]) as wild,
            upstream(echo) as plain,
        ):
            text = (
                "stream_routes: ["
                f"{{sni: '*.wild.test', upstream: {{nodes: {{'127.0.0.1:{wild}': 1}}}}}},"
                f"{{sni: exact.test, upstream: {{nodes: {{'127.0.0.1:{exact}': 1}}}}}},"
                f"{{upstream: {{nodes: {{'127.0.0.1:{plain}': 1}}}}}}]"
            )
            async with gateway(text) as gate:
                for name in servers:
                    assert await say(gate, b"x", ssl=client(authority), server_hostname=name) == b"x"
                assert await say(gate, b"not TLS at all") == b"not TLS at all"

    run(check())


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x16\x03\x01\xff\xff" + bytes(100)],
        [b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"],
        [b"\x80\x2e\x01\x03\x01"],
        [b"GET / HTTP/1.1\r\n\r\n"],
        [b"\x16"],
        [bytes(20000)],
    ],
)
def test_hostile_handshakes_are_closed(authority: trustme.CA, pieces: list[bytes]) -> None:
    """On a listener that terminates: what is no ClientHello ends at once, and the listener goes on."""

    async def check() -> None:
        async with terminating(authority) as gate:
            reader, writer = await gate.connect()
            for piece in pieces:
                writer.write(piece)
            writer.write_eof()
            try:
                while await reader.read(4096):
                    pass
            except ConnectionError:
                pass
            writer.close()
            assert await say(gate, b"on", ssl=client(authority), server_hostname="x.a.test") == b"on"
            assert gate.sessions <= 1

    run(check())


def test_a_handshake_may_come_byte_by_byte(authority: trustme.CA) -> None:
    """It is looked at on the socket until the name is there; then the handshake begins with its first byte."""

    async def check() -> None:
        async with terminating(authority) as gate:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = client(authority).wrap_bio(incoming, outgoing, server_hostname="x.a.test")
            reader, writer = await gate.connect()
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        writer.write(bytes([byte]))
                        await asyncio.sleep(0)
                    incoming.write(await reader.read(65536))
            writer.write(outgoing.read())
            tls.write(b"hello")
            writer.write(outgoing.read())
            while True:
                try:
                    assert tls.read() == b"hello"
                    break
                except ssl.SSLWantReadError:
                    incoming.write(await reader.read(65536))
            writer.close()

    run(check())


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_nodes_that_speak_tls(authority: trustme.CA, tmp_path: Path, verify: bool, is_trusted: bool) -> None:
    """scheme: tls, verified with apisix.ssl.ssl_trusted_certificate unless told otherwise."""
    ca = tmp_path / "ca.pem"
    (authority if is_trusted else trustme.CA()).cert_pem.write_to_path(str(ca))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("node.test").configure_cert(context)

    async def check() -> None:
        async with upstream(echo, ssl=context) as port:
            text = (
                f"apisix: {{ssl: {{ssl_trusted_certificate: '{ca}'}}}}\n"
                f"stream_routes: [{{upstream: {{scheme: tls, tls: {{verify: {str(verify).lower()}}}, "
                f"pass_host: rewrite, upstream_host: node.test, nodes: {{'127.0.0.1:{port}': 1}}}}}}]"
            )
            async with gateway(text) as gate:
                if is_trusted or not verify:
                    assert await say(gate, b"hello") == b"hello"
                else:
                    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                        await say(gate, b"hello")

    run(check())

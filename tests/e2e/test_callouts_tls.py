"""TLS towards callees and upstreams: whom the gateway trusts, and what it says when it does not."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from host.proxy import Proxy
from tests.e2e.callees import Callee, listening, report, response
from tests.e2e.embedded import ask, load
from tests.e2e.gateway import run

OK = response(b"yes")
_LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A certificate authority, its file, and servers with certificates of it."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.file)
        self.names: list[str | None] = []  # SNI of each connection

    @asynccontextmanager
    async def listening(self, handler: Any, *names: str, expired: bool = False) -> AsyncIterator[int]:
        """A TLS server with a certificate for these names."""
        certificate = self.ca.issue_cert(*names, not_after=_LONG_AGO if expired else None)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        context.sni_callback = lambda _, name, __: self.names.append(name)
        async with listening(handler, ssl=context) as port:
            yield port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A new authority."""
    return Authority(tmp_path)


async def calls(target: str, **callouts: Any) -> dict[str, str]:
    """What the guest says of a call to this target, which it may make."""
    allow = ["localhost:*", "127.0.0.1:*", "https://localhost:*", "https://127.0.0.1:*"]
    configuration = {"upstream": target, "authority": "localhost", "timeout_milliseconds": 5000}
    fields, _ = await report(configuration, callouts={"allow": allow, **callouts})
    return fields


def test_a_server_is_believed_by_its_certificate(authority: Authority) -> None:
    """Of the authority that the plugin names, for the name that is called, which the server hears by SNI. K 132-1."""

    async def test() -> None:
        callee = Callee(OK)
        async with authority.listening(callee, "localhost") as port:
            for _ in range(2):
                fields = await calls(f"https://localhost:{port}", trusted_ca=str(authority.file))
                assert (fields["status"], fields["failure"]) == ("200", "")
        assert authority.names == ["localhost", "localhost"]
        assert b"Host: localhost\r\n" in callee.requests[0]

    run(test())


def test_an_address_is_believed_by_a_certificate_for_it(authority: Authority) -> None:
    """SNI knows names only (RFC 6066, 3)."""

    async def test() -> None:
        async with authority.listening(Callee(OK), "127.0.0.1") as port:
            fields = await calls(f"https://127.0.0.1:{port}", trusted_ca=str(authority.file))
            assert fields["status"] == "200"

    run(test())
    assert authority.names == [None]


@pytest.mark.parametrize(
    ("names", "expired", "trusted", "reason"),
    [
        (["localhost"], False, False, "certificate verify failed: "),
        (["other.test"], False, True, "ertificate"),
        (["localhost"], True, True, "certificate verify failed: certificate has expired"),
    ],
    ids=["unknown authority", "wrong name", "expired"],
)
def test_other_certificates_are_refused(
    authority: Authority, names: list[str], expired: bool, trusted: bool, reason: str
) -> None:
    """By default, and in words. K 132-2 to 132-9."""

    async def test() -> None:
        callee = Callee(OK)
        async with authority.listening(callee, *names, expired=expired) as port:
            options = {"trusted_ca": str(authority.file)} if trusted else {}
            fields = await calls(f"https://localhost:{port}", **options)
            assert fields["failure"] == "tls handshake failure"
            assert reason in fields["message"]
            assert callee.requests == []

    run(test())


def test_any_certificate_does_without_verification(authority: Authority) -> None:
    """`ssl_verify: false`. K 132-10."""

    async def test() -> None:
        async with authority.listening(Callee(OK), "other.test", expired=True) as port:
            assert (await calls(f"https://localhost:{port}", ssl_verify=False))["status"] == "200"

    run(test())


def test_tls_to_a_port_without_it_is_a_failure(authority: Authority) -> None:
    """The server takes the handshake for a bad request. K 132-13."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async def test() -> None:
        async with listening(plain) as port:
            fields = await calls(f"https://localhost:{port}", trusted_ca=str(authority.file))
            assert fields["failure"] == "tls handshake failure"

    run(test())


def test_plain_http_to_a_port_with_tls_is_a_failure(authority: Authority) -> None:
    """The other way round: the answer is an alert, or none."""

    async def test() -> None:
        callee = Callee(OK)
        async with authority.listening(callee, "localhost") as port:
            fields = await calls(f"localhost:{port}")
            assert fields["failure"] in ("reader failure", "broken connection")
        assert callee.requests == []

    run(test())


def test_a_server_that_stops_in_the_handshake_is_a_timeout() -> None:
    """The call's own."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def test() -> None:
        async with listening(silent) as port:
            target = f"https://localhost:{port}"
            configuration = {"upstream": target, "authority": "localhost", "timeout_milliseconds": 200}
            fields, _ = await report(configuration, callouts={"allow": ["https://localhost:*"]})
            assert fields["failure"] == "timeout"

    run(test())


@asynccontextmanager
async def gateway(upstream: dict[str, Any], trusted: Path | None) -> AsyncIterator[Proxy]:
    """A gateway whose one route leads to this upstream."""
    apisix = {"ssl": {"ssl_trusted_certificate": str(trusted)}} if trusted is not None else {}
    config = {"apisix": apisix, "routes": [{"uri": "/*", "upstream": upstream}]}
    async with Proxy(load(json.dumps(config))) as proxy:
        yield proxy


def test_upstreams_of_routes_speak_https(authority: Authority) -> None:
    """The gateway's authorities; SNI is the node's name, the Host is the client's."""

    async def test() -> None:
        callee = Callee(OK)
        async with authority.listening(callee, "localhost") as port:
            upstream = {"scheme": "https", "nodes": {f"localhost:{port}": 1}}
            async with gateway(upstream, authority.file) as proxy:
                for _ in range(2):
                    answer = await ask(proxy, "/a")
                    assert (answer.status, answer.body) == (200, b"yes")
        assert b"Host: a\r\n" in callee.requests[0]
        assert callee.connections == 1

    run(test())
    assert authority.names == ["localhost"]


def test_the_name_that_is_written_into_requests_is_the_name_that_is_verified(authority: Authority) -> None:
    """`pass_host: rewrite`: nodes may be addresses."""

    async def test() -> None:
        async with authority.listening(Callee(OK), "api.test") as port:
            upstream = {
                "scheme": "https",
                "nodes": {f"127.0.0.1:{port}": 1},
                "pass_host": "rewrite",
                "upstream_host": "api.test",
            }
            async with gateway(upstream, authority.file) as proxy:
                assert (await ask(proxy)).status == 200

    run(test())
    assert authority.names == ["api.test"]


def test_an_upstream_without_a_good_certificate_is_a_bad_gateway(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """502, and the reason in the log; `tls: {verify: false}` takes it."""

    async def test() -> None:
        async with authority.listening(Callee(OK), "localhost") as port:
            upstream: dict[str, Any] = {"scheme": "https", "nodes": {f"localhost:{port}": 1}}
            async with gateway(upstream, None) as proxy:
                assert (await ask(proxy)).status == 502
            async with gateway(upstream | {"tls": {"verify": False}}, None) as proxy:
                assert (await ask(proxy)).status == 200

    run(test())
    assert any("certificate verify failed" in record.getMessage() for record in caplog.records)

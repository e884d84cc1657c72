"""Plugins that call a real gRPC server, on a whole gateway."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from host.proxy import Proxy
from tests.e2e.embedded import Answer, ask, load, plugin, serve_origin
from tests.e2e.gateway import run
from tests.grpc.servers import grpc_server, no_one


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a real gRPC server."""
    with grpc_server() as port:
        yield port


async def show(reader: object, writer: object) -> None:
    """An origin that answers with the request's head."""
    head = await reader.readuntil(b"\r\n\r\n")  # type: ignore[attr-defined]
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)  # type: ignore[attr-defined]
    await writer.drain()  # type: ignore[attr-defined]


@asynccontextmanager
async def checking(
    server: str, node: str, *, callouts: dict[str, object] | None = None, tls: str = ""
) -> AsyncIterator[Proxy]:
    """A gateway whose plugin asks `server`; `node` is that of the upstream `check`."""
    async with serve_origin(show) as origin:
        text = f"""
wasm:
  plugins: [{{name: grpc-check, priority: 1, file: {plugin("grpc_check")}, callouts: {json.dumps(callouts or {})}}}]
upstreams: [{{id: check, nodes: {{"{node}": 1}}{tls}}}]
routes: [{{uri: /*, upstream: {{nodes: {{'127.0.0.1:{origin}': 1}}}}, plugins: {{grpc-check: {{conf: "{server}"}}}}}}]
"""
        async with Proxy(load(text)) as proxy:
            yield proxy


def answer_of(answer: Answer) -> bytes:
    """What the plugin has put into the request."""
    return next(
        line for line in answer.body.split(b"\r\n") if line.lower().startswith(b"x-grpc-answer:")
    ).partition(b": ")[2]


def test_a_call_decides_on_a_request(port: int) -> None:
    """The Rust SDK's dispatch_grpc_call against grpcio: pass with the answer, or 403 with status and message."""

    async def test() -> None:
        async with checking("check", f"127.0.0.1:{port}") as proxy:
            for path in ("/a", "/b"):
                answer = await ask(proxy, path)
                assert (answer.status, answer_of(answer)) == (200, b"echo:" + path.encode())
            answer = await ask(proxy, "/", fields="x-grpc-method: Refuse\r\n")
            assert (answer.status, answer.body.decode()) == (403, "9: not now: 100% sure, ä")
            answer = await ask(proxy, "/", fields="x-grpc-method: Missing\r\n")
            assert (answer.status, answer.body[:4]) == (403, b"12: ")
            answer = await ask(proxy, "/", fields="x-grpc-method: Hang\r\n")
            assert (answer.status, answer.body[:3]) == (403, b"4: ")  # both ends watch the time

    run(test())


def test_a_stream_goes_both_ways(port: int) -> None:
    """The Rust SDK's open_grpc_stream: its callbacks come in gRPC's order."""

    async def test() -> None:
        async with checking("check", f"127.0.0.1:{port}") as proxy:
            answer = await ask(proxy, "/stream")
            assert answer_of(answer) == b"began 200, re:one, re:two, re:three, bye, trailing 0, closed 0"

    run(test())


def test_nobody_there_and_nobody_known(port: int) -> None:
    """UNAVAILABLE by a callback; PARSE_FAILURE at once, which the SDK hands on; the gateway goes on."""

    async def test() -> None:
        with no_one() as closed:
            async with checking("check", f"127.0.0.1:{closed}") as proxy:
                answer = await ask(proxy)
                assert (answer.status, answer.body[:4]) == (403, b"14: ")
        async with checking("nobody", f"127.0.0.1:{port}") as proxy:
            answer = await ask(proxy)
            assert (answer.status, answer.body) == (403, b"not called: ParseFailure")

    run(test())


def test_an_address_is_called_where_the_plugin_may(port: int) -> None:
    """`callouts.allow`, as for HTTP calls."""

    async def test() -> None:
        address = f"127.0.0.1:{port}"
        async with checking(address, address, callouts={"allow": [address]}) as proxy:
            assert answer_of(await ask(proxy, "/a")) == b"echo:/a"
        async with checking(address, address) as proxy:
            assert (await ask(proxy)).body == b"not called: ParseFailure"

    run(test())


def test_tls_with_alpn(tmp_path: Path) -> None:
    """The server's certificate is verified; HTTP/2 is what both agree on."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip

    async def test() -> None:
        address = f"https://127.0.0.1:{port}"
        trusting = {"allow": [address], "trusted_ca": str(cert)}
        async with checking(address, f"127.0.0.1:{port}", callouts=trusting) as proxy:
            assert answer_of(await ask(proxy, "/a")) == b"echo:/a"
        async with checking(address, f"127.0.0.1:{port}", callouts={"allow": [address]}) as proxy:
            answer = await ask(proxy)
            assert answer.body.startswith(b"14: ")
            assert b"certificate verify failed" in answer.body

    with grpc_server("--tls", str(cert), str(key)) as port:
        run(test())


def test_a_peer_without_http2_is_a_failure() -> None:
    """An HTTP/1.1 server says 400 to the preface."""

    async def http1(reader: object, writer: object) -> None:
        await reader.read(100)  # type: ignore[attr-defined]
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]

    async def test() -> None:
        async with serve_origin(http1) as peer, checking("check", f"127.0.0.1:{peer}") as proxy:
            answer = await ask(proxy)
            assert (answer.status, answer.body[:4]) == (403, b"14: ")

    run(test())


def test_calls_in_flight_end_with_a_reload_of_their_plugin(port: int) -> None:
    """Closing a gateway with calls in flight leaves none behind, and no callback is made."""

    async def test() -> None:
        import asyncio

        async with checking("check", f"127.0.0.1:{port}") as proxy:
            waiting = asyncio.ensure_future(ask(proxy, "/", fields="x-grpc-method: Hang\r\n"))
            await asyncio.sleep(0.2)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await waiting

    run(test())

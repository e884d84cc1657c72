"""TLS libraries side by side, in memory: CPU time of a handshake and of a large body, both ends together."""

from __future__ import annotations

import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BODY = b"x" * (8 * 1024 * 1024)
RECORD = 16 * 1024
Pair = tuple[Callable[[], None], Callable[[bytes], int]]


def certificate(folder: Path) -> tuple[str, str]:
    """A self-signed P-256 certificate and its key."""
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def standard(cert: str, key: str) -> Pair:
    """`ssl.MemoryBIO`, as asyncio and uvloop use it."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(cert, key)
    server_context.set_alpn_protocols(["h2"])
    client_context = ssl.create_default_context(cafile=cert)
    client_context.set_alpn_protocols(["h2"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)

    def handshake() -> None:
        left = [client, server]
        while left:
            for end in list(left):
                try:
                    end.do_handshake()
                    left.remove(end)
                except ssl.SSLWantReadError:
                    pass

    def send(data: bytes) -> int:
        server.write(data)
        return len(client.read(len(data)))

    return handshake, send


def pyopenssl(cert: str, key: str) -> Pair:
    """pyOpenSSL over its own memory BIOs."""
    from OpenSSL import SSL

    server_context = SSL.Context(SSL.TLS_METHOD)
    server_context.use_certificate_file(cert)
    server_context.use_privatekey_file(key)
    client_context = SSL.Context(SSL.TLS_METHOD)
    client_context.load_verify_locations(cert)
    client_context.set_verify(SSL.VERIFY_PEER)
    client, server = SSL.Connection(client_context, None), SSL.Connection(server_context, None)
    client.set_tlsext_host_name(b"localhost")
    client.set_connect_state()
    server.set_accept_state()

    def pass_on() -> None:
        for sender, receiver in ((client, server), (server, client)):
            try:
                while data := sender.bio_read(1 << 16):
                    receiver.bio_write(data)
            except SSL.WantReadError:
                pass

    def handshake() -> None:
        left = [client, server]
        while left:
            for end in list(left):
                try:
                    end.do_handshake()
                    left.remove(end)
                except SSL.WantReadError:
                    pass
                pass_on()

    def send(data: bytes) -> int:
        server.send(data)
        pass_on()
        return len(client.recv(len(data)))

    return handshake, send


def report() -> None:
    """Print a table."""
    print("| TLS | handshake us (both ends) | MB/s (both ends) |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        cert, key = certificate(Path(folder))
        for name, make in ((f"ssl, {ssl.OPENSSL_VERSION}", standard), ("pyOpenSSL", pyopenssl)):
            try:
                handshakes = [_time(make(cert, key)[0]) for _ in range(50)]
            except ImportError:
                continue
            handshake, send = make(cert, key)
            handshake()
            begin = time.process_time()
            assert sum(send(BODY[at : at + RECORD]) for at in range(0, len(BODY), RECORD)) == len(BODY)
            rate = len(BODY) / (time.process_time() - begin) / 1e6
            print(f"| {name} | {statistics.median(handshakes) * 1e6:,.0f} | {rate:,.0f} |")


def _time(work: Callable[[], None]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin

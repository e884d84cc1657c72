"""TCP listeners under the supervisor: workers that share, die, drain and reload."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.process import plugin, running


class Naming(socketserver.BaseRequestHandler):
    """Answers each byte with the server's name."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while self.request.recv(1):
                self.request.sendall(self.server.name)  # type: ignore[attr-defined]


class NamingServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, name: bytes) -> None:
        self.name = name
        super().__init__(("127.0.0.1", 0), Naming)


@contextlib.contextmanager
def upstream(name: bytes) -> Iterator[int]:
    """A server in a thread; its port."""
    server = NamingServer(name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def configuration(folder: Path, port: int, node: int, workers: int = 1, mode: str = "http&stream") -> Path:
    path = folder / "sluiceway.yaml"
    path.write_text(
        f"workers: {workers}\n"
        f"apisix: {{node_listen: [{{ip: 127.0.0.1, port: {free_port()}}}], proxy_mode: '{mode}', "
        f"stream_proxy: {{tcp: ['127.0.0.1:{port}']}}}}\n"
        f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{node}': 1}}}}}}]\n"
    )
    return path


def ask(connection: socket.socket, length: int = 1) -> bytes:
    connection.sendall(b"?")
    return connection.recv(length)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


@pytest.mark.parametrize("mode", ["stream", "http&stream"])
def test_it_serves_and_says_where(tmp_path: Path, mode: str) -> None:
    """The log names both kinds of listeners."""
    port = free_port()
    with upstream(b"1") as node, running(configuration(tmp_path, port, node, mode=mode)) as gateway:
        (line,) = gateway.wait_for("serving on")
        assert f"tcp://127.0.0.1:{port}" in line
        assert ("http://" in line) is (mode == "http&stream")
        with connect(port) as connection:
            assert ask(connection) == b"1"
        gateway.signal(signal.SIGTERM)
        assert gateway.stopped() == 0


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """Its listening socket stays open meanwhile: who connects waits, and is served."""
    port = free_port()
    with upstream(b"1") as node, running(configuration(tmp_path, port, node, workers=2)) as gateway:
        gateway.wait_for("serving on")
        os.kill(gateway.workers()[0], signal.SIGKILL)
        for _ in range(16):
            with connect(port) as connection:
                assert ask(connection) == b"1"
        gateway.wait_for("is up again")


def test_a_drain_lets_a_connection_end(tmp_path: Path) -> None:
    """SIGTERM: no new ones, the open one is served on; the exit status says that nothing was cut off."""
    port = free_port()
    with upstream(b"1") as node, running(configuration(tmp_path, port, node)) as gateway:
        gateway.wait_for("serving on")
        with connect(port) as connection:
            assert ask(connection) == b"1"
            gateway.signal(signal.SIGTERM)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                try:
                    connect(port).close()
                except ConnectionError:
                    break
                time.sleep(0.05)
            else:
                raise AssertionError("it still accepts")
            assert ask(connection) == b"1"
            assert gateway.process.poll() is None
        assert gateway.stopped() == 0


def test_a_hangup_leads_new_connections_elsewhere(tmp_path: Path) -> None:
    """The open one stays where it is; a listener that has changed is told of and takes a restart."""
    port = free_port()
    with (
        upstream(b"1") as one,
        upstream(b"2") as two,
        running(configuration(tmp_path, port, one, workers=2)) as gateway,
    ):
        gateway.wait_for("serving on")
        with connect(port) as old:
            assert ask(old) == b"1"
            configuration(tmp_path, free_port(), two, workers=2)
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(r"\breloaded\b", 2)
            assert gateway.has("taken up by a restart only: .*stream_listen")
            for _ in range(8):
                with connect(port) as new:
                    assert ask(new) == b"2"
            assert ask(old) == b"1"


class Flood(socketserver.BaseRequestHandler):
    """Sends 256 MiB, then ends."""

    def handle(self) -> None:
        piece = bytes(1 << 20)
        for _ in range(256):
            self.request.sendall(piece)


def resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    (line,) = [
        row for row in Path(f"/proc/{process}/status").read_text().splitlines() if row.startswith("VmRSS")
    ]
    return int(line.split()[1]) * 1024


def test_a_long_stream_takes_no_memory(tmp_path: Path) -> None:
    """256 MiB through a plugin that sees every byte pass: the worker is as small behind it as before."""
    port = free_port()
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Flood)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    path = configuration(tmp_path, port, server.server_address[1])
    text = path.read_text().replace("}}}]", "}}, plugins: {p: {conf: {quit: never}}}}]")
    path.write_text(text + f"wasm: {{plugins: [{{name: p, priority: 1, file: {plugin('connection')}}}]}}\n")
    try:
        with running(path) as gateway:
            gateway.wait_for("serving on")
            (worker,) = gateway.workers()
            before, most, length = resident(worker), 0, 0
            with connect(port) as connection:
                while data := connection.recv(1 << 20):
                    length += len(data)
                    most = max(most, resident(worker))
            assert length == 256 << 20
            assert most - before < 24 << 20
    finally:
        server.shutdown()
        server.server_close()

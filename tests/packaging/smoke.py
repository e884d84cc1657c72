"""The smoke test of an installed distribution: standard library only, run by the Python that has it installed.

python -I smoke.py PLUGIN.wasm

It starts the installed command on a free port with the plugin in front of an origin of its own, and asks once.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Origin(BaseHTTPRequestHandler):
    """Answers GET with three bytes."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent."""


def check_imports() -> None:
    """Both packages come from the installation, the native core among them, and say which version they are."""
    import abi
    import host
    import host._core

    installed = Path(sysconfig.get_paths()["platlib"]).resolve()
    for module in (abi, host, host._core):
        assert Path(module.__file__).resolve().is_relative_to(installed), module.__file__
    version = importlib.metadata.version("sluiceway")
    command = Path(sysconfig.get_path("scripts")) / "sluiceway"
    told = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert version in told, told


def ask(port: int, gateway: subprocess.Popen[bytes]) -> http.client.HTTPResponse:
    """Ask the gateway once, as soon as it listens; it has 30 seconds for that."""
    deadline = time.monotonic() + 30
    while True:
        assert gateway.poll() is None, f"the gateway ended with {gateway.returncode}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/")
            return connection.getresponse()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the gateway does not listen"
            time.sleep(0.05)


def check_gateway(plugin: str) -> None:
    """The installed command serves the plugin, and ends on SIGTERM with status 0."""
    origin = HTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = {
        "wasm": {"plugins": [{"name": "custom-response-header", "priority": 7000, "file": plugin}]},
        "routes": [
            {
                "uri": "/*",
                "upstream": {"type": "roundrobin", "nodes": {f"127.0.0.1:{origin.server_port}": 1}},
                "plugins": {
                    "custom-response-header": {
                        "conf": {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}
                    }
                },
            }
        ],
    }
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "config.yaml"
        path.write_text(json.dumps(configuration))  # JSON is YAML too
        command = Path(sysconfig.get_path("scripts")) / "sluiceway"
        gateway = subprocess.Popen([command, "run", str(path), "--listen", f"127.0.0.1:{port}"])
        try:
            answer = ask(port, gateway)
            assert (answer.status, answer.read()) == (200, b"ok\n")
            assert ("X-Go-Wasm", "APISIX") in answer.getheaders()
            gateway.terminate()
            assert gateway.wait(20) == 0
        finally:
            gateway.kill()
            gateway.wait(10)
    origin.shutdown()


if __name__ == "__main__":
    check_imports()
    check_gateway(sys.argv[1])

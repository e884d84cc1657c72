"""The hosts that the cases run on, each behind the same small face.

A gateway serves all cases at once, each with its own instance of the guest.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Protocol

from tests.peers import envoy
from tests.peers.conformance.cases import Case
from tests.peers.conformance.catalogue import AnyCase
from tests.peers.conformance.guest import GuestCase, Ports, module
from tests.peers.conformance.tcp_cases import TcpCase
from tests.peers.process import Server, free_port, free_ports

ROOT = Path(__file__).resolve().parents[3]


class Gateway(Protocol):
    """A running host with all cases loaded.

    A case finds its guest by the port, or by the name in the Host field, `NAME.test`: the gateway may use either.
    """

    def port(self, case: GuestCase) -> int:
        """Return the port of 127.0.0.1 where the case is served."""

    def log(self, case: GuestCase) -> list[str]:
        """Return what the guest of the case has logged so far, each line as `level: text`."""

    def stop(self) -> None:
        """End the processes."""


class EnvoyGateway:
    """Envoy with a listener for each case. It adds no fields of its own where it can be told not to."""

    # "info wasm log NAME ROOT_ID VM_ID: TEXT", in root contexts without VM_ID; all are the case's name here.
    _LINE = re.compile(r"(\w+) wasm log (\S+) \2(?: \2)?: (.*)")

    def __init__(self, directory: Path, cases: Sequence[AnyCase], servers: Ports) -> None:
        ready, *ports = free_ports(1 + len(cases))
        self._ports = dict(zip((case.name for case in cases), ports, strict=True))
        # Probed until it listens: a probe of a case would be its first connection.
        listeners = [envoy.http_listener(ready, [])]
        for case in cases:
            plugin = envoy.WasmFilter(
                module(case, directory),
                case.configuration,
                name=case.name,
                allow_on_headers_stop_iteration=case.allow_on_headers_stop_iteration,
            )
            port = self._ports[case.name]
            if isinstance(case, TcpCase):
                target = "nobody" if case.refused else "tcp"
                listeners.append(envoy.tcp_listener(port, [plugin], target))
            else:
                listeners.append(envoy.http_listener(port, [plugin], quiet=True))
        clusters = [
            envoy.cluster("origin", servers.origin),
            envoy.cluster("tcp", servers.tcp),
            envoy.cluster("grpc", servers.grpc, http2=True),
            envoy.cluster("nobody", servers.nobody, http2=True),
            envoy.cluster("silent", servers.tcp, http2=True),
        ]
        path = directory / "envoy.json"
        path.write_text(envoy.bootstrap(listeners, clusters))
        command = [*envoy.command(path), "--component-log-level", "wasm:info"]
        self._server = Server(command, ready, directory / "envoy.log", patience=60)

    def port(self, case: GuestCase) -> int:
        """See Gateway."""
        return self._ports[case.name]

    def log(self, case: GuestCase) -> list[str]:
        """See Gateway."""
        found = self._LINE.findall(self._server.log.read_text(errors="replace"))
        levels = {"warning": "warn"}
        return [
            f"{levels.get(level, level)}: {text.rstrip()}" for level, name, text in found if name == case.name
        ]

    def stop(self) -> None:
        """See Gateway."""
        self._server.stop()


# What the host itself says of a guest, in its name.
_OUR_OWN = ("the VM has failed: ", "no call to ")


class SluicewayGateway:
    """Sluiceway with a plugin for each case, and a route, or for TCP a listener with one."""

    def __init__(self, directory: Path, cases: Sequence[AnyCase], servers: Ports) -> None:
        self._port = free_port()
        streams = [case for case in cases if isinstance(case, TcpCase)]
        self._streams = dict(zip((case.name for case in streams), free_ports(len(streams)), strict=True))
        upstreams = {
            "tcp": servers.tcp,
            "grpc": servers.grpc,
            "nobody": servers.nobody,
            "silent": servers.tcp,
        }
        gateway = {
            "log": {"format": "json"},
            "wasm": {
                "plugins": [
                    {
                        "name": case.name,
                        "root_id": case.name,
                        "priority": 1000,
                        "file": str(module(case, directory)),
                        "allow_on_headers_stop_iteration": case.allow_on_headers_stop_iteration,
                    }
                    for case in cases
                ]
            },
            "upstreams": [
                {"id": name, "nodes": {f"127.0.0.1:{port}": 1}} for name, port in upstreams.items()
            ],
            "routes": [
                {
                    "id": case.name,
                    "uri": "/*",
                    "hosts": [f"{case.name}.test"],
                    "upstream": {"type": "roundrobin", "nodes": {f"127.0.0.1:{servers.origin}": 1}},
                    "plugins": {case.name: {"conf": case.configuration or "-"}},  # a conf is never empty
                }
                for case in cases
                if isinstance(case, Case)
            ],
        }
        if streams:
            addresses = [f"127.0.0.1:{self._streams[case.name]}" for case in streams]
            gateway["apisix"] = {"proxy_mode": "http&stream", "stream_proxy": {"tcp": addresses}}
            gateway["stream_routes"] = [
                {
                    "id": case.name,
                    "server_port": self._streams[case.name],
                    "upstream_id": "nobody" if case.refused else "tcp",
                    "plugins": {case.name: {"conf": case.configuration or "-"}},  # a conf is never empty
                }
                for case in streams
            ]
        path = directory / "sluiceway.yaml"
        path.write_text(json.dumps(gateway, indent=1))  # JSON is YAML too
        command = [sys.executable, "-m", "host", "run", str(path), "--listen", f"127.0.0.1:{self._port}"]
        self._server = Server(command, self._port, directory / "sluiceway.log", patience=60, cwd=ROOT)
        # The port is open before the workers serve.
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", "/")
        connection.getresponse().close()
        connection.close()

    def port(self, case: GuestCase) -> int:
        """See Gateway."""
        return self._streams.get(case.name, self._port)

    def log(self, case: GuestCase) -> list[str]:
        """See Gateway."""
        lines = []
        for text in self._server.log.read_text(errors="replace").splitlines():
            if f'"plugin": "{case.name}"' in text and text.endswith("}"):
                line = json.loads(text)
                if not line["message"].startswith(_OUR_OWN):
                    lines.append(f"{line['level']}: {line['message'].rstrip()}")
        return lines

    def stop(self) -> None:
        """See Gateway."""
        self._server.stop()

"""The hosts that the cases run on, each behind the same small face.

A gateway serves all cases at once, each with its own instance of the guest.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tests.peers import envoy
from tests.peers.conformance.cases import Case
from tests.peers.process import Server, free_port, free_ports

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "testdata/plugins"


class Gateway(Protocol):
    """A running host with all cases loaded.

    A case finds its guest by the port, or by the name in the Host field, `NAME.test`: the gateway may use either.
    """

    def port(self, case: Case) -> int:
        """Return the port of 127.0.0.1 where the case is served."""

    def log(self, case: Case) -> list[str]:
        """Return what the guest of the case has logged so far, each line as `level: text`."""

    def stop(self) -> None:
        """End the processes."""


class EnvoyGateway:
    """Envoy with a listener for each case. It adds no fields of its own where it can be told not to."""

    # "info wasm log NAME ROOT_ID VM_ID: TEXT", in root contexts without VM_ID; all are the case's name here.
    _LINE = re.compile(r"(\w+) wasm log (\S+) \2(?: \2)?: (.*)")

    def __init__(self, directory: Path, cases: Sequence[Case], origin_port: int) -> None:
        self._ports = dict(zip((case.name for case in cases), free_ports(len(cases)), strict=True))
        bootstrap: dict[str, dict[str, list[object]]] = {}
        for case in cases:
            plugin = envoy.WasmFilter(
                PLUGINS / case.plugin / "plugin.wasm",
                case.configuration,
                name=case.name,
                allow_on_headers_stop_iteration=case.allow_on_headers_stop_iteration,
            )
            one = json.loads(envoy.configuration(self._ports[case.name], origin_port, [plugin], quiet=True))
            if bootstrap:
                bootstrap["static_resources"]["listeners"] += one["static_resources"]["listeners"]
            else:
                bootstrap = one
        path = directory / "envoy.json"
        path.write_text(json.dumps(bootstrap, indent=1))
        command = [*envoy.command(path), "--component-log-level", "wasm:info"]
        last = self._ports[cases[-1].name]
        self._server = Server(command, last, directory / "envoy.log", patience=60)

    def port(self, case: Case) -> int:
        """See Gateway."""
        return self._ports[case.name]

    def log(self, case: Case) -> list[str]:
        """See Gateway."""
        found = self._LINE.findall(self._server.log.read_text(errors="replace"))
        levels = {"warning": "warn"}
        return [
            f"{levels.get(level, level)}: {text.rstrip()}" for level, name, text in found if name == case.name
        ]

    def stop(self) -> None:
        """See Gateway."""
        self._server.stop()


class SluicewayGateway:
    """Sluiceway with a plugin and a route for each case."""

    def __init__(self, directory: Path, cases: Sequence[Case], origin_port: int) -> None:
        self._port = free_port()
        plugins = [
            {
                "name": case.name,
                "root_id": case.name,
                "priority": 1000,
                "file": str(PLUGINS / case.plugin / "plugin.wasm"),
                "allow_on_headers_stop_iteration": case.allow_on_headers_stop_iteration,
            }
            for case in cases
        ]
        routes = [
            {
                "id": case.name,
                "uri": "/*",
                "hosts": [f"{case.name}.test"],
                "upstream": {"type": "roundrobin", "nodes": {f"127.0.0.1:{origin_port}": 1}},
                "plugins": {case.name: {"conf": case.configuration}},
            }
            for case in cases
        ]
        path = directory / "sluiceway.yaml"
        gateway = {"log": {"format": "json"}, "wasm": {"plugins": plugins}, "routes": routes}
        path.write_text(json.dumps(gateway, indent=1))  # JSON is YAML too
        command = [sys.executable, "-m", "host", "run", str(path), "--listen", f"127.0.0.1:{self._port}"]
        self._server = Server(command, self._port, directory / "sluiceway.log", patience=60, cwd=ROOT)

    def port(self, case: Case) -> int:
        """See Gateway."""
        return self._port

    def log(self, case: Case) -> list[str]:
        """See Gateway."""
        lines = []
        for text in self._server.log.read_text(errors="replace").splitlines():
            if f'"plugin": "{case.name}"' in text and text.endswith("}"):
                line = json.loads(text)
                if not line["message"].startswith(
                    "the VM has failed: "
                ):  # the host's own word about the guest
                    lines.append(f"{line['level']}: {line['message'].rstrip()}")
        return lines

    def stop(self) -> None:
        """See Gateway."""
        self._server.stop()

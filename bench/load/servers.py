"""The servers that are compared: for each, what it needs and how its configuration is laid into a folder.

All do the same work: a keep-alive GET of 12 bytes from one origin; those with a filter set `X-Go-Wasm: APISIX` on the
answer, or, with the standard-Go guest, read all headers of the request and log them below the level. Those with a call
ask the origin twice: first the guest, whether the request may pass, then the gateway itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers import envoy, nginx

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "testdata/plugins"
HEADER_PLUGIN = PLUGINS / "custom_response_header/plugin.wasm"
GO_PLUGIN = PLUGINS / "go_http_headers/plugin.wasm"
CALLOUT_PLUGIN = PLUGINS / "callout/plugin.wasm"
NATIVE_FILTER = Path(__file__).with_name("native_filter.py")
CALLOUT_CONFIGURATION = (
    '{"upstream":"origin","path":"/check","authority":"origin","forward":["authorization"]}'
)
HEADER_CONFIGURATION = '{"headers":[{"name":"X-Go-Wasm","value":"APISIX"}]}'

# (folder, port, port of the origin) -> the command that serves there; it may first write files into the folder.
Prepare = Callable[[Path, int, int], list[str]]


@dataclass(frozen=True, slots=True)
class Definition:
    """One server of the comparison. `needs` are files without which it cannot run; `header`: it sets X-Go-Wasm."""

    name: str
    prepare: Prepare
    needs: tuple[Path, ...] = ()
    header: bool = False
    short: bool = field(default=True)  # part of the short round

    def missing(self) -> list[str]:
        """Return what is absent of what this server needs, in words."""
        return [
            str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
            for path in self.needs
            if not path.exists()
        ]


def _floor(kind: str) -> Prepare:
    def prepare(directory: Path, port: int, origin_port: int) -> list[str]:
        return [sys.executable, "-m", "bench.load.floors", kind, str(port), str(origin_port)]

    return prepare


def _nginx(lua: str | None) -> Prepare:
    def prepare(directory: Path, port: int, origin_port: int) -> list[str]:
        path = directory / "nginx.conf"
        path.write_text(nginx.gateway(directory, port, origin_port, lua_header_filter=lua))
        return nginx.command(path)

    return prepare


def _envoy(*plugins: tuple[Path, str]) -> Prepare:
    def prepare(directory: Path, port: int, origin_port: int) -> list[str]:
        path = directory / "envoy.json"
        filters = [
            envoy.WasmFilter(wasm=wasm, configuration=text, name=f"plugin-{number}")
            for number, (wasm, text) in enumerate(plugins)
        ]
        path.write_text(envoy.configuration(port, origin_port, filters))
        return envoy.command(path)

    return prepare


def _route(number: int, uri: str, plugins: dict[str, str]) -> Iterator[str]:
    yield f"  - id: {number}"
    yield f"    uri: {uri}"
    yield "    upstream_id: origin"
    if plugins:
        yield "    plugins:"
        yield from (f"      {name}: {{conf: '{text}'}}" for name, text in plugins.items())


def _sluiceway(*plugins: tuple[Path, str], routes: int = 1, native: bool = False) -> Prepare:
    """`routes`: how many there are in all; the one that is asked for is the last, `/*`. `native`: the Python filter."""

    def prepare(directory: Path, port: int, origin_port: int) -> list[str]:
        lines = []
        if plugins:
            lines += ["wasm:", "  plugins:"]
            lines += [
                f"    - {{name: plugin-{number}, priority: {7000 - number}, log_level: error, file: {wasm}}}"
                for number, (wasm, _) in enumerate(plugins)
            ]
        if native:
            lines += ["python:", f"  path: [{NATIVE_FILTER.parent}]", "  plugins:"]
            lines += [
                f"    - {{name: native, priority: 7000, class: '{NATIVE_FILTER.stem}:CustomResponseHeader'}}"
            ]
        nodes = f'{{"127.0.0.1:{origin_port}": 1}}'
        lines += ["upstreams:", f"  - {{id: origin, type: roundrobin, nodes: {nodes}}}", "routes:"]
        for number in range(1, routes):
            lines += _route(number, f"/service-{number}/*", {})
        confs = {f"plugin-{number}": text for number, (_, text) in enumerate(plugins)}
        if native:
            confs["native"] = HEADER_CONFIGURATION
        lines += _route(routes, "/*", confs)
        path = directory / "sluiceway.yaml"
        path.write_text("\n".join(lines) + "\n")
        return [
            sys.executable,
            "-m",
            "host",
            "run",
            str(path),
            "--listen",
            f"127.0.0.1:{port}",
            "--workers",
            "1",
        ]

    return prepare


_HEADER = (HEADER_PLUGIN, HEADER_CONFIGURATION)
_GO = (GO_PLUGIN, "{}")
_CALLOUT = (CALLOUT_PLUGIN, CALLOUT_CONFIGURATION)
_ENVOY = (envoy.BINARY,)
_NGINX = (Path(nginx.BINARY or "/usr/sbin/nginx"),)
_HOST = (ROOT / "host/__main__.py",)

DEFINITIONS: tuple[Definition, ...] = (
    Definition("uvloop, bytes only", _floor("bytes")),
    Definition("uvloop + httptools, toy", _floor("http")),
    Definition("nginx", _nginx(None), _NGINX),
    Definition(
        "nginx + Lua",
        _nginx('ngx.header["X-Go-Wasm"] = "APISIX"'),
        (*_NGINX, *nginx.LUA_MODULES),
        header=True,
    ),
    Definition("Envoy", _envoy(), _ENVOY),
    Definition("Envoy + TinyGo", _envoy(_HEADER), (*_ENVOY, HEADER_PLUGIN), header=True),
    Definition("Envoy + Go", _envoy(_GO), (*_ENVOY, GO_PLUGIN)),
    Definition("Envoy + TinyGo with a call", _envoy(_CALLOUT), (*_ENVOY, CALLOUT_PLUGIN)),
    Definition("Sluiceway", _sluiceway(), _HOST),
    Definition("Sluiceway + TinyGo", _sluiceway(_HEADER), (*_HOST, HEADER_PLUGIN), header=True),
    Definition("Sluiceway + native", _sluiceway(native=True), _HOST, header=True),
    Definition(
        "Sluiceway + TinyGo x2", _sluiceway(*[_HEADER] * 2), (*_HOST, HEADER_PLUGIN), header=True, short=False
    ),
    Definition(
        "Sluiceway + TinyGo x4", _sluiceway(*[_HEADER] * 4), (*_HOST, HEADER_PLUGIN), header=True, short=False
    ),
    Definition("Sluiceway + TinyGo x8", _sluiceway(*[_HEADER] * 8), (*_HOST, HEADER_PLUGIN), header=True),
    Definition("Sluiceway + Go", _sluiceway(_GO), (*_HOST, GO_PLUGIN)),
    Definition("Sluiceway + TinyGo with a call", _sluiceway(_CALLOUT), (*_HOST, CALLOUT_PLUGIN)),
    Definition("Sluiceway, 10 routes", _sluiceway(routes=10), _HOST),
    Definition("Sluiceway, 10,000 routes", _sluiceway(routes=10_000), _HOST),
)

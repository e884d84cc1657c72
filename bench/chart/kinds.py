"""The kinds of plugin that are compared: what each adds to the one configuration of the gateway, and what it needs.

Each has a route of its own, and all do the same work: they set `X-Go-Wasm: APISIX` on the response.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.chart import peers
from bench.load.servers import HEADER_CONFIGURATION, HEADER_PLUGIN, NATIVE_FILTER, PLUGINS

Section = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One bar of the chart. `route`: its path. `plugins`: of its route. `settings`: what the configuration has for it.

    `build` returns the program that `settings` takes, built where it is not there yet; it raises RuntimeError with the
    reason where it cannot.
    """

    title: str
    route: str
    plugins: Section = field(default_factory=dict)
    settings: Callable[[Path], Section] = lambda program: {}
    build: Callable[[], Path] = lambda: Path()
    header: bool = True


def _wasm(
    title: str, route: str, build: Callable[[], Path], conf: Section | str = HEADER_CONFIGURATION
) -> Kind:
    def settings(program: Path) -> Section:
        plugin = {"name": route, "priority": 7000, "log_level": "error", "file": str(program)}
        return {"wasm": {"plugins": [plugin]}}

    return Kind(title, route, {route: {"conf": conf}}, settings, build)


_PYTHON = {
    "path": [str(NATIVE_FILTER.parent)],
    "plugins": [{"name": "native", "priority": 7000, "class": f"{NATIVE_FILTER.stem}:CustomResponseHeader"}],
}

_PREFIX = "kong"  # in the configuration's folder


def _kong(name: str, program: Path, start: str, query: str, socket: str | None = None) -> Section:
    """The section of a plugin server, which has the name of its plugin."""
    key = f"pluginserver_{name.replace('-', '_')}"
    return {
        "kong": {
            "prefix": _PREFIX,
            "start_timeout": 10,
            "plugins": [name],
            "pluginserver_names": [name],
            f"{key}_start_cmd": f"{program} {start}",
            f"{key}_query_cmd": f"{program} {query}",
            f"{key}_socket": socket or f"{_PREFIX}/{name}.socket",
        }
    }


_KONG_CONFIG = {"name": "X-Go-Wasm", "value": "APISIX"}

KINDS: tuple[Kind, ...] = (
    Kind("no plugin", "none", header=False),
    Kind(
        "Python, in the gateway",
        "native",
        {"native": {"conf": HEADER_CONFIGURATION}},
        lambda program: {"python": _PYTHON},
    ),
    _wasm("wasm, TinyGo", "tinygo", lambda: HEADER_PLUGIN),
    _wasm("wasm, Rust", "rust", lambda: PLUGINS / "rust_response_header/plugin.wasm"),
    _wasm("wasm, standard Go", "go", lambda: PLUGINS / "go_response_header/plugin.wasm"),
    Kind(
        "APISIX runner, Go",
        "apisix",
        {"ext-plugin-pre-req": {"conf": [{"name": "response-header", "value": HEADER_CONFIGURATION}]}},
        lambda program: {"ext-plugin": {"cmd": [str(program)], "start_timeout": 10}},
        peers.apisix_runner,
    ),
    _wasm("its source, as wasm", "apisix-wasm", lambda: peers.recompiled("runner")),
    Kind(
        "Kong plugin server, Go",
        "kong-go",
        {"go-response-header": {"config": _KONG_CONFIG}},
        lambda program: _kong("go-response-header", program, f"-kong-prefix {_PREFIX}", "-dump"),
        peers.kong_go,
    ),
    _wasm("its source, as wasm", "kong-wasm", lambda: peers.recompiled("kong_go"), _KONG_CONFIG),
    Kind(
        "Kong plugin server, Python (gevent)",
        "kong-python",
        {"py-response-header": {"config": _KONG_CONFIG}},
        lambda program: _kong(
            "py-response-header",
            program,
            f"-g -p {_PREFIX} -d {peers.KONG_PYTHON_PLUGINS}",
            f"-d {peers.KONG_PYTHON_PLUGINS} --dump-all-plugins",
            f"{_PREFIX}/python_pluginserver.sock",
        ),
        peers.kong_python,
    ),
)


def configuration(kinds: Sequence[tuple[Kind, Path]], port: int, origin_port: int) -> Section:
    """Return the configuration of a gateway with all kinds, each with its program."""
    whole: Section = {
        "apisix": {"node_listen": [{"ip": "127.0.0.1", "port": port}]},
        "upstreams": [{"id": "origin", "type": "roundrobin", "nodes": {f"127.0.0.1:{origin_port}": 1}}],
        "routes": [
            {"id": kind.route, "uri": f"/{kind.route}", "upstream_id": "origin", "plugins": kind.plugins}
            for kind, _ in kinds
        ],
    }
    for kind, program in kinds:
        _merge(whole, kind.settings(program))
    return whole


def _merge(into: Section, more: Section) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            into[key] = [*into.get(key, []), *value]
        else:
            into[key] = value

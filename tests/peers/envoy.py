"""Envoy as a peer: where it is installed, and the configuration that makes it the gateway of a test or benchmark."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / ".peers/venv/bin/envoy"

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


@dataclass(frozen=True, slots=True)
class WasmFilter:
    """One Proxy-Wasm plugin of the chain: its module, what on_configure and on_vm_start get."""

    wasm: Path
    configuration: str = ""
    vm_configuration: str = ""
    name: str = "plugin"
    allow_on_headers_stop_iteration: bool = False

    def as_http_filter(self) -> dict[str, Any]:
        """Return the entry of `http_filters`."""
        return self._entry("filters.http.wasm")

    def as_network_filter(self) -> dict[str, Any]:
        """Return the entry of a filter chain's `filters`."""
        return self._entry("filters.network.wasm")

    def _entry(self, extension: str) -> dict[str, Any]:
        """Equal vm_id and code share a VM, so each name is a vm_id."""
        string = "type.googleapis.com/google.protobuf.StringValue"
        return {
            "name": f"envoy.{extension}.{self.name}",
            "typed_config": {
                "@type": f"{_EXTENSIONS}.{extension}.v3.Wasm",
                "config": {
                    "name": self.name,
                    "root_id": self.name,
                    "configuration": {"@type": string, "value": self.configuration},
                    "allow_on_headers_stop_iteration": self.allow_on_headers_stop_iteration,
                    "vm_config": {
                        "vm_id": self.name,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": str(self.wasm)}},
                        "configuration": {"@type": string, "value": self.vm_configuration},
                    },
                },
            },
        }


def cluster(name: str, port: int, *, http2: bool = False) -> dict[str, Any]:
    """Return a cluster of one node on loopback: HTTP/1.1 with trailers, or HTTP/2 with prior knowledge."""
    http_options = f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"
    protocol = (
        {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {"enable_trailers": True}}
    )
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": http_options,
                "explicit_http_config": protocol,
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _listener(port: int, filters: list[dict[str, Any]]) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"address": address, "filter_chains": [{"filters": filters}]}


def http_listener(port: int, filters: list[WasmFilter], *, quiet: bool = False) -> dict[str, Any]:
    """Return a listener of HTTP/1.1 on `port` of loopback, through `filters`, to the cluster `origin`.

    `quiet` switches off the fields that Envoy adds to requests and responses, as far as it can be told to.
    """
    http_connection_manager = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "codec_type": "HTTP1",
        "http_protocol_options": {"enable_trailers": True},
        "generate_request_id": not quiet,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}],
                }
            ]
        },
        "http_filters": [
            *(item.as_http_filter() for item in filters),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_EXTENSIONS}.filters.http.router.v3.Router",
                    "suppress_envoy_headers": quiet,
                },
            },
        ],
    }
    name = "envoy.filters.network.http_connection_manager"
    return _listener(port, [{"name": name, "typed_config": http_connection_manager}])


def tcp_listener(port: int, filters: list[WasmFilter], target: str) -> dict[str, Any]:
    """Return a listener of TCP on `port` of loopback, through `filters`, to the cluster `target`."""
    tcp_proxy = {
        "@type": f"{_EXTENSIONS}.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": target,
    }
    last = {"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp_proxy}
    return _listener(port, [*(item.as_network_filter() for item in filters), last])


def bootstrap(listeners: list[dict[str, Any]], clusters: list[dict[str, Any]]) -> str:
    """Return Envoy's bootstrap as JSON."""
    return json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}}, indent=1)


def configuration(port: int, origin_port: int, filters: list[WasmFilter], *, quiet: bool = False) -> str:
    """Return the bootstrap of one HTTP listener in front of one origin; see http_listener."""
    return bootstrap([http_listener(port, filters, quiet=quiet)], [cluster("origin", origin_port)])


def command(bootstrap: Path, *, log_level: str = "error") -> list[str]:
    """Return the command that runs one worker on `bootstrap`; hot restart off, as several run side by side."""
    return [
        str(BINARY),
        "--config-path",
        str(bootstrap),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        log_level,
        "--log-format",
        "%l %v",
    ]

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
        """Return the entry of `http_filters`. Equal vm_id and code share a VM, so each name is a vm_id."""
        string = "type.googleapis.com/google.protobuf.StringValue"
        return {
            "name": f"envoy.filters.http.wasm.{self.name}",
            "typed_config": {
                "@type": f"{_EXTENSIONS}.filters.http.wasm.v3.Wasm",
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


def configuration(port: int, origin_port: int, filters: list[WasmFilter], *, quiet: bool = False) -> str:
    """Return Envoy's bootstrap as JSON: HTTP/1.1 on `port`, through `filters`, to the origin, everything else as is.

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
    http_options = f"{_EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions"
    bootstrap = {
        "static_resources": {
            "listeners": [
                {
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": http_connection_manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "origin",
                    "connect_timeout": "5s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            "@type": http_options,
                            "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "origin",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {
                                        "endpoint": {
                                            "address": {
                                                "socket_address": {
                                                    "address": "127.0.0.1",
                                                    "port_value": origin_port,
                                                }
                                            }
                                        }
                                    }
                                ]
                            }
                        ],
                    },
                }
            ],
        }
    }
    return json.dumps(bootstrap, indent=1)


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

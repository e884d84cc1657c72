"""The top levels of the files: what `apisix.yaml` holds, and a single file that holds all."""

from __future__ import annotations

from pydantic import Field

from host.config.schema.base import Strict, words
from host.config.schema.gateway import Gateway
from host.config.schema.resources import GlobalRule, PluginConfig, Route, Service, Upstream
from host.config.schema.streams import Certificate, StreamRoute


class Resources(Strict):
    """The top level of `apisix.yaml`."""

    known_to_apisix = words("consumers consumer_groups credentials plugins plugin_metadata protos secrets")

    routes: list[Route] = Field(default=[], description="Which requests go where, through which plugins.")
    upstreams: list[Upstream] = Field(default=[], description="Servers that several routes share.")
    services: list[Service] = Field(default=[], description="What several routes have in common.")
    plugin_configs: list[PluginConfig] = Field(default=[], description="Plugins that several routes share.")
    global_rules: list[GlobalRule] = Field(default=[], description="Plugins for every request.")
    stream_routes: list[StreamRoute] = Field(
        default=[], description="Which TCP connections go where, through which plugins."
    )
    ssls: list[Certificate] = Field(default=[], description="Certificates of TLS listeners.")


Resource = Route | StreamRoute | Certificate | Upstream | Service | PluginConfig | GlobalRule


class Whole(Gateway, Resources):
    """The top level of a single file that holds all."""

    known_to_apisix = Gateway.known_to_apisix | Resources.known_to_apisix

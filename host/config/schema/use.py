"""A plugin where it is enabled: on a route, service, plugin_config or global rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from host.config.schema.base import Strict
from host.config.schema.scalars import Conf, KongConf, Name, PositiveDuration, Priority


class Shadow(Strict):
    """A plugin that sees the same exchanges and whose effects are compared: see docs/shadow.md."""

    plugin: Name = Field(description="One of `wasm.plugins` or `python.plugins`.")
    conf: Conf | None = Field(default=None, description="Its configuration, as `conf` of a plugin.")
    serve: Literal["plugin", "shadow"] = Field(
        default="plugin", description="Whose effects count: the plugin's, or already its shadow's."
    )
    sample: Annotated[float, Field(ge=0, le=1, strict=False)] = Field(
        default=1.0, description="The share of exchanges that are compared."
    )
    timeout: PositiveDuration = Field(
        default=5.0, description="How much longer than the exchange the other one may take."
    )
    ignore_headers: list[Name] = Field(default=[], description="Fields that may differ.")


class UseMeta(Strict):
    known_to_apisix = frozenset({"error_response", "filter", "pre_function"})

    priority: Priority | None = Field(
        default=None, description="In place of the plugin's own priority, in this use."
    )
    disable: bool = Field(default=False, description="As `disable` one level up.")
    shadow: Shadow | None = Field(
        default=None, description="A plugin that runs beside this one, to be compared. Sluiceway's own key."
    )


class Use(Strict):
    """A plugin enabled on a route, service, plugin_config or global rule."""

    conf: Conf | None = Field(
        default=None,
        description="What `proxy_on_configure` reads: a text byte for byte, a mapping as compact JSON.",
    )
    config: KongConf | None = Field(
        default=None, description="Kong's name of `conf`, for plugins of Kong's plugin servers."
    )
    disable: bool = Field(
        default=False, description="Leave the plugin out here, also one that a service enables."
    )
    access_logger: bool = Field(
        default=False,
        description="The plugin sees `proxy_on_log` alone, of every exchange; an access logger in Envoy's sense.",
    )
    meta: UseMeta = Field(default=UseMeta(), alias="_meta", description="About this use of the plugin.")

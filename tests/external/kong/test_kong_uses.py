"""Which uses of Kong's plugins a configuration has: each is held against its schema."""

from __future__ import annotations

from host import config as configs
from host.config import PluginUse, Shadow
from host.config.model import Config, Route, StreamRoute
from host.external.kong.kind import uses_of


def use(name: str, shadow: Shadow | None = None) -> PluginUse:
    return PluginUse(name=name, scope=name, shadow=shadow)


def test_a_plugin_that_has_become_the_shadow_is_a_use_as_well() -> None:
    """With `serve: shadow` the plugin of old is compared with its successor, and needs its configuration."""
    config = Config(
        global_rules=(configs.GlobalRule("g", (use("global"),)),),
        routes=(Route(id="r", uris=("/",), plugins=(use("new", Shadow(use=use("old"))),)),),
        stream_routes=(StreamRoute(id="s", plugins=(use("stream"),)),),
    )
    found = [(each.name, is_stream) for each, is_stream in uses_of(config)]
    assert found == [("global", False), ("new", False), ("old", False), ("stream", True)]

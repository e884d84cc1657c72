"""All plugins that are enabled in one place, by name: what a use holds depends on the plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import ConfigDict, Field

from host.config.schema.base import Strict
from host.config.schema.ext_plugin import RunnerUse
from host.config.schema.use import Use

AnyUse = Use | RunnerUse


class Uses(Strict):
    """Plugins by name: one declared under `wasm.plugins` or `python.plugins`, or one of these."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    others: ClassVar[type[Strict] | None] = Use

    __pydantic_extra__: dict[str, Use] = Field(init=False)
    ext_plugin_pre_req: RunnerUse | None = Field(
        default=None, alias="ext-plugin-pre-req", description="Plugins of a runner, before all others."
    )
    ext_plugin_post_req: RunnerUse | None = Field(
        default=None, alias="ext-plugin-post-req", description="Plugins of a runner, behind the others."
    )
    ext_plugin_post_resp: RunnerUse | None = Field(
        default=None,
        alias="ext-plugin-post-resp",
        description="Plugins of a runner that see the upstream's response before all others.",
    )

    def items(self) -> Iterator[tuple[str, AnyUse]]:
        """Yield the names and uses."""
        for field, model_field in type(self).model_fields.items():
            use = getattr(self, field)
            if use is not None:
                yield model_field.alias or field, use
        yield from self.__pydantic_extra__.items()

"""Plugins that run without traffic."""

from __future__ import annotations

from pydantic import Field

from host.config.schema.base import Strict
from host.config.schema.scalars import Conf


class WasmService(Strict):
    """Envoy's `WasmService`: a plugin context that no request passes."""

    conf: Conf | None = Field(
        default=None,
        description="What `proxy_on_configure` reads: a text byte for byte, a mapping as compact JSON.",
    )
    singleton: bool = Field(
        default=False, description="Run it in the first worker alone; else each worker has one."
    )

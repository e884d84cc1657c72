"""Which gateway a configuration file is of."""

from __future__ import annotations

from typing import Literal

Source = Literal["apisix", "kong", "tyk"]


def source_of(value: object) -> Source:
    """Return whose configuration a file's value is, by the keys that each has."""
    if isinstance(value, dict):
        if "_format_version" in value:
            return "kong"
        proxy = value.get("proxy")
        if "api_id" in value or (isinstance(proxy, dict) and "listen_path" in proxy):
            return "tyk"
    return "apisix"

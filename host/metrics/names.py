"""The names of the host's own metrics."""

from __future__ import annotations

from collections.abc import Mapping

HOST = "sluiceway"
"""What the names of the host's own metrics begin with. They are kept as Prometheus's text has them, with labels."""


def host_name(name: str, labels: Mapping[str, str] | None = None) -> str:
    """Return the name of one of the host's own metrics: `sluiceway_name{label="value",…}`."""
    listed = ",".join(f'{key}="{escape(value)}"' for key, value in (labels or {}).items())
    return f"{HOST}_{name}{{{listed}}}" if listed else f"{HOST}_{name}"


def escape(value: str) -> str:
    """Return the value of a label as Prometheus's text has it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

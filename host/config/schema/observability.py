"""The keys of `config.yaml` about what the gateway tells of itself: its metrics, and its name among others."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from host.config.schema.base import Strict, words
from host.config.schema.scalars import Host, Port, bad_value


class ExportAddress(Strict):
    ip: Host = Field(default="127.0.0.1", description="Address to bind.")
    port: Port = Field(default=9091, description="TCP port.")


def _check_path(path: str) -> str:
    if not re.fullmatch(r"/[!-~]*", path) or "?" in path:
        raise bad_value(f"expected a path such as /metrics, got {path!r}")
    return path


def _check_prefix(prefix: str) -> str:
    if not re.fullmatch(r"([a-zA-Z_][a-zA-Z0-9_]*)?", prefix):
        raise bad_value(f"expected letters, digits and '_', and no digit first, got {prefix!r}")
    return prefix


class Prometheus(Strict):
    """Metrics for Prometheus, of all workers together. They are served if this mapping is there, be it empty."""

    known_to_apisix = words("refresh_interval metrics default_buckets fetch_metric_timeout")

    export_addr: ExportAddress = Field(default=ExportAddress(), description="Where they are served.")
    export_uri: Annotated[str, AfterValidator(_check_path)] = Field(
        default="/apisix/prometheus/metrics", description="Under which path."
    )
    metric_prefix: Annotated[str, AfterValidator(_check_prefix)] = Field(
        default="wasmcustom_",
        description="Comes before the names of plugins' metrics; the empty text gives the names that Envoy does.",
    )
    enable_export_server: bool = Field(default=True, description="`false`: do not serve them.")


class PluginAttributes(Strict):
    known_to_apisix = words(
        "log-rotate skywalking opentelemetry server-info dubbo-proxy proxy-mirror inspect redirect zipkin"
    )

    prometheus: Prometheus | None = Field(default=None, description="Metrics for Prometheus.")


def _check_regex(regex: str) -> str:
    try:
        groups = re.compile(regex).groups
    except re.error as error:
        raise bad_value(f"expected a regular expression: {error}") from None
    if not groups:
        raise bad_value("expected a regular expression with a group, which is taken out of the name")
    return regex


class StatsTag(Strict):
    """Envoy's `TagSpecifier`: a label that is written into the names of metrics."""

    tag_name: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="The label's name.")
    regex: Annotated[str, AfterValidator(_check_regex)] = Field(
        description="Looked for in `wasmcustom.NAME`. Its first group is taken out of the name; the second, "
        "or else the first, is the label's value."
    )


class StatsConfig(Strict):
    """Envoy's `StatsConfig`."""

    stats_tags: list[StatsTag] = Field(
        default=[], description="Labels taken out of the names of plugins' metrics."
    )


class Node(Strict):
    """Envoy's `Node`: what plugins read under `xds.node`."""

    id: str = Field(default="", max_length=1000, description="`xds.node.id`.")
    cluster: str = Field(default="", max_length=1000, description="`xds.node.cluster`.")
    metadata: dict[str, Any] = Field(
        default={}, description="`xds.node.metadata`: any mapping, read key by key or as a whole."
    )

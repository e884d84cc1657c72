"""The keys under `callouts` of a wasm plugin: what it may call, and how much of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from host.config.schema.base import Strict
from host.config.schema.scalars import DurationWithUnit, PositiveSize, bad_value
from host.plugin.targets import AllowList


def _check_callout(pattern: str) -> str:
    try:
        AllowList([pattern])
    except ValueError as error:
        raise bad_value(
            f"expected an address such as host:80, *.name:*, https://host or unix:/path: {error}"
        ) from None
    return pattern


class Callouts(Strict):
    allow: list[
        Annotated[str, AfterValidator(_check_callout), WithJsonSchema({"type": "string", "minLength": 1})]
    ] = Field(
        default=[],
        description="Servers besides configured upstreams: `host:port`, `https://host`, `unix:/path`; "
        "`*` for any port, `*` or `*.name` for hosts.",
    )
    timeout: DurationWithUnit = Field(
        default=60.0, description="The longest that a call may take, and how long one without a timeout may."
    )
    max_response_size: PositiveSize = Field(
        default=1024 * 1024, description="Of a response's body; a call with a larger one fails."
    )
    max_calls: int = Field(
        default=1024, ge=1, le=1_000_000, description="Calls in flight in a worker; further ones are refused."
    )
    ssl_verify: bool = Field(
        default=True, description="Whether certificates of servers in `allow` are verified."
    )
    trusted_ca: str | None = Field(
        default=None,
        min_length=1,
        description="Whom to trust that signs them: a PEM file; `apisix.ssl`'s if absent.",
    )

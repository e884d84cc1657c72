"""The keys of the Admin API: `deployment.admin`, and the older ones under `apisix`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from host.config.schema.base import Strict, words
from host.config.schema.scalars import Host, IpNetwork, Name, Port, bad_value


def _secret(value: Any) -> str:
    """Unlike the other texts, it is not repeated in what is said about it."""
    if not isinstance(value, str):
        raise bad_value("expected a text; a number needs quotes")
    if len(value) > 256 or not value.isascii() or not value.isprintable():
        raise bad_value("expected at most 256 printable characters of ASCII")
    return value


Secret = Annotated[str, BeforeValidator(_secret), WithJsonSchema({"type": "string", "maxLength": 256})]


class AdminKey(Strict):
    name: Name = Field(description="For people.")
    key: Secret = Field(
        default="",
        description="What clients send as `X-API-KEY`; empty: one is made up at the start and logged.",
    )
    role: Literal["admin", "viewer"] = Field(default="admin", description="`viewer` may read alone.")


AdminKeys = Annotated[list[AdminKey], Field(min_length=1)]
AllowAdmin = Annotated[list[IpNetwork], Field(min_length=1)]


class AdminListen(Strict):
    ip: Host = Field(default="127.0.0.1", description="Address to bind; APISIX's own default is `0.0.0.0`.")
    port: Port = Field(
        default=9180,
        description="TCP port. That of `apisix.node_listen`: `/apisix/admin` is served there, beside the routes.",
    )


class Admin(Strict):
    """The Admin API. It is served if this mapping is there, be it empty; see [admin-api.md](admin-api.md)."""

    known_to_apisix = words("enable_admin_cors enable_admin_ui https_admin admin_api_mtls")

    admin_key: AdminKeys | None = Field(
        default=None, description="Who may use it. No key: one is made up at each start, and logged."
    )
    admin_key_required: Literal[True] = Field(
        default=True, description="A key is asked for; only `true` is served."
    )
    admin_listen: AdminListen = Field(default=AdminListen(), description="Where it is served.")
    allow_admin: AllowAdmin = Field(
        default=["127.0.0.0/24"], description="Addresses of clients that it answers, and ranges of them."
    )
    admin_api_version: Literal["v3"] = Field(default="v3", description="The form of its answers.")
    store: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="File that keeps what it was told over a restart, relative to this file's folder. No key: "
        "memory alone. Sluiceway's own key.",
    )

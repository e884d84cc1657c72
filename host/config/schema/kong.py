"""The section `kong`: the properties of Kong's kong.conf that concern plugin servers, under their names."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, Tag, WithJsonSchema

from host.config.schema.base import Strict, by_form
from host.config.schema.scalars import (
    Duration,
    PositiveDuration,
    PositiveSize,
    bad_value,
    describe,
)

SERVER_PROPERTY: Final = re.compile(r"pluginserver_([a-z0-9_]+)_(socket|start_cmd|query_cmd)")
"""Keys that a name of `pluginserver_names` is in, with underscores in the place of its dashes."""

_LIST: Final = {
    "$comment": "list of texts, or a text with commas",
    "type": ["array", "string"],
    "items": {"type": "string"},
}


def parse_list(value: Any) -> list[str]:
    """Return the texts of a list, or of a text with commas between them."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise bad_value(f"expected a list of texts or a text with commas, got {describe(value)}")
    return [each.strip() for each in value if each.strip()]


def _networks(value: Any) -> list[str]:
    for each in (found := parse_list(value)):
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            raise bad_value(f"expected addresses and ranges such as 10.0.0.0/8, got {each!r:.60}") from None
    return found


def _names(value: Any) -> list[str]:
    for each in (found := [name.lower() for name in parse_list(value)]):
        if not re.fullmatch(r"[a-z0-9_-]{1,64}", each):
            raise bad_value(f"expected names of letters, digits, '-' and '_', got {each!r:.60}")
    return found


def _switch(value: Any) -> bool:
    if value in (True, "on"):
        return True
    if value in (False, "off"):
        return False
    raise bad_value(f"expected on or off, got {describe(value)}")


Texts = Annotated[list[str], BeforeValidator(parse_list), WithJsonSchema(_LIST)]
Names = Annotated[list[str], BeforeValidator(_names), WithJsonSchema(_LIST)]
Networks = Annotated[list[str], BeforeValidator(_networks), WithJsonSchema(_LIST)]
Switch = Annotated[
    bool,
    BeforeValidator(_switch),
    WithJsonSchema(
        {"$comment": "`on`, `off`, `true`, `false`", "type": ["boolean", "string"], "pattern": "^(on|off)$"}
    ),
]
Path = Annotated[str, Field(min_length=1)]


Declarative = Annotated[
    Annotated[Path, Tag("text")] | Annotated[dict[str, Any], Tag("mapping")],
    by_form("a file or its content", "text", "mapping"),
]


class Kong(Strict):
    """Variables of the environment take the place of keys: `KONG_PLUGINSERVER_NAMES` that of `pluginserver_names`.

    Further keys are `pluginserver_NAME_socket`, `pluginserver_NAME_start_cmd` and `pluginserver_NAME_query_cmd`, for
    each NAME of `pluginserver_names`, with underscores in the place of its dashes.
    """

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        json_schema_extra={
            "additionalProperties": False,
            "patternProperties": {
                f"^{SERVER_PROPERTY.pattern}$": {"type": "string", "minLength": 1},
            },
        },
    )
    __pydantic_extra__: dict[str, Annotated[str, Field(min_length=1)]] = Field(init=False)

    prefix: Path = Field(
        default="/usr/local/kong",
        description="Folder of the servers' sockets, relative to this file's folder.",
    )
    plugins: Texts = Field(
        default=["bundled"],
        description="Names of plugins that routes can enable. `bundled` stands for Kong's own, which are not here.",
    )
    pluginserver_names: Names = Field(default=[], description="Plugin servers.")
    go_pluginserver_exe: Path = Field(
        default="/usr/local/bin/go-pluginserver",
        description="The `go-pluginserver` of Kong 2.x, for plugins in `.so` files.",
    )
    go_plugins_dir: Path = Field(
        default="off", description="Folder of those files; `off`: there is no such server."
    )
    event_timeout: PositiveDuration = Field(
        default=5.0, description="For a plugin to handle one phase of one request; then the answer is 500."
    )
    max_wedged: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="After so many phases in a row that were not handled in time, a server is started anew.",
    )
    start_timeout: Duration = Field(
        default=2.0, description="For a server that the gateway starts to be there; requests wait as long."
    )
    query_timeout: PositiveDuration = Field(
        default=10.0, description="For a `query_cmd` to say what plugins there are."
    )
    connections: int = Field(
        default=64, ge=1, le=4096, description="Phases that one worker has in one server at once."
    )
    max_body_size: PositiveSize = Field(
        default=1024 * 1024,
        description="Of a body that a plugin asks for or replaces; a longer one gets 413, or 502 in a response.",
    )
    restart_on_reload: bool = Field(
        default=True, description="Start servers anew when the configuration is loaded anew."
    )
    trusted_ips: Networks = Field(
        default=[], description="Addresses and ranges whose X-Forwarded fields plugins are told."
    )
    real_ip_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = Field(
        default="X-Real-IP", description="Field that a trusted proxy has the client's address in."
    )
    real_ip_recursive: Switch = Field(
        default=False, description="Pass over trusted addresses in that field, from its end."
    )
    declarative_config: Declarative | None = Field(
        default=None,
        description="A file in Kong's declarative format, or its content, whose routes are served too.",
    )
    database: Literal["off"] = Field(default="off", description="Only `off` is served: no database.")

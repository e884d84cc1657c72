"""The keys of `tyk`: API definitions of Tyk's, and what concerns their middleware under the names that tyk.conf has."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, Tag, WithJsonSchema

from host.config.schema.admin import Secret
from host.config.schema.base import Strict, by_form, words
from host.config.schema.scalars import PositiveDuration, Size, bad_value, describe, parse_address

_BUNDLES: Final = re.compile(r"(?:(?:https?)://[^\s/?#@]+|file://)(?:/[^\s?#]*)?")


def _bundle_base_url(value: Any) -> str:
    if value != "" and (not isinstance(value, str) or not _BUNDLES.fullmatch(value)):
        raise bad_value(
            "expected http://HOST/PATH, https://HOST/PATH or file:///PATH, without user or password, "
            f"got {describe(value)}"
        )
    return str(value)


def _grpc_server(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    scheme, separator, place = text.partition("://")
    if value == "" or (scheme == "unix" and place.startswith("/")):
        return text
    if not separator or scheme != "tcp":
        raise bad_value(f"expected tcp://HOST:PORT or unix:///PATH, got {describe(value)}")
    parse_address(place, 0)
    if place.endswith("]") or ":" not in place:
        raise bad_value(f"expected tcp://HOST:PORT, got {describe(value)}: it lacks the port")
    return text


def _statsd(value: Any) -> str:
    if value != "":
        parse_address(value, 8125)
    return str(value)


_STRING: Final = WithJsonSchema({"type": "string"})


Api = Annotated[
    Annotated[str, Field(min_length=1), Tag("text")] | Annotated[dict[str, Any], Tag("mapping")],
    by_form("a file or folder, or an API definition", "text", "mapping"),
]


class CoprocessOptions(Strict):
    known_to_tyk = words("python_path_prefix python_version grpc_round_robin_load_balancing")

    enable_coprocess: bool = Field(
        default=False, description="Whether hooks with `driver: grpc` are called; they need it."
    )
    coprocess_grpc_server: Annotated[str, BeforeValidator(_grpc_server), _STRING] = Field(
        default="", description="The dispatcher: `tcp://HOST:PORT`, or `unix:///PATH`."
    )
    grpc_recv_max_size: Size = Field(
        default=0, description="Bytes of a message that comes back; 0: gRPC's own limit, `4m`."
    )
    grpc_send_max_size: Size = Field(
        default=0, description="Bytes of a message that is sent; 0: gRPC's own limit, `4m`."
    )
    grpc_authority: str = Field(
        default="", max_length=255, description="What `:authority` says; the server's address if empty."
    )
    grpc_timeout: PositiveDuration = Field(
        default=30.0, description="For one hook; then it has failed. Sluiceway's own key."
    )


class Tyk(Strict):
    known_to_tyk = words(
        "listen_port listen_address template_path app_path storage enable_analytics analytics_config health_check "
        "optimisations_use_async_session_write allow_master_keys policies hash_keys http_server_options "
        "use_db_app_configs "
        "db_app_conf_options close_connections enable_jsvm control_api_port node_secret slave_options"
    )

    apis: list[Api] = Field(
        default=[],
        description="Files with an API definition in JSON, or folders of them, relative to this file's folder; or "
        "the definitions themselves.",
    )
    secret: Secret = Field(
        default="",
        description="What `X-Tyk-Authorization` must be at `/tyk/reload`, which is served where this is set.",
    )
    middleware_path: Annotated[str, Field(min_length=1)] = Field(
        default="middleware", description="Folder whose `bundles` holds unpacked bundles, relative likewise."
    )
    enable_bundle_downloader: bool = Field(
        default=False, description="Whether bundles are fetched; an API with a bundle needs it."
    )
    bundle_base_url: Annotated[str, BeforeValidator(_bundle_base_url), _STRING] = Field(
        default="", description="What a bundle's name is appended to: `http://`, `https://` or `file://`."
    )
    bundle_insecure_skip_verify: bool = Field(
        default=False, description="With `https://`: do not verify the server's certificate."
    )
    public_key_path: str = Field(
        default="",
        description="RSA public key (PEM) that bundles must be signed for; unsigned ones are then refused.",
    )
    skip_verify_existing_plugin_bundle: bool = Field(
        default=False, description="Trust a bundle that was unpacked before without checking it once more."
    )
    tyk_reload: Literal["content", "strict"] = Field(
        default="content",
        description="`content`: a reload takes up a plugin's file that has changed. `strict`: as in Tyk, the same "
        "name is the old code until a restart.",
    )
    coprocess_options: CoprocessOptions = Field(
        default=CoprocessOptions(), description="The gRPC dispatcher."
    )
    statsd_connection_string: Annotated[str, BeforeValidator(_statsd), _STRING] = Field(
        default="", description="`HOST:PORT` that metrics of middleware go to, with `TYK_INSTRUMENTATION=1`."
    )
    statsd_prefix: str = Field(default="", max_length=100, description="What their names begin with.")

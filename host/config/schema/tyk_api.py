"""The keys of an API definition of Tyk's, as far as they are served.

What a definition has besides is told apart in `host.config.tyk.unserved`, before this is asked.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from host.config.schema.base import Strict
from host.config.schema.scalars import Priority, bad_value, describe
from host.router import parse_host_pattern

_API_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PATH = re.compile(r"/[^\s{}?#*]*")


def _api_id(value: str) -> str:
    if not _API_ID.fullmatch(value):
        raise bad_value(f"expected 1 to 64 letters, digits, '-', '_' and '.', got {describe(value)}")
    return value


def _path(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise bad_value(f"expected a path without patterns, such as /my_api/, got {describe(value)}")
    return value


def _target_url(value: str) -> str:
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    if url.scheme not in ("http", "https") or not url.hostname or port == 0 or "@" in url.netloc:
        raise bad_value(f"expected http://HOST/PATH or https://HOST/PATH, got {describe(value)}")
    if url.query or url.fragment:
        raise bad_value(f"expected a URL without query and fragment, got {describe(value)}")
    return value


def _entries(value: Any) -> Any:
    """Tyk's own tools write null for a list or a mapping with nothing in it."""
    return [] if value is None else value


def _mapping(value: Any) -> Any:
    return {} if value is None else value


def _domain(value: str) -> str:
    if value:
        try:
            parse_host_pattern(value)
        except ValueError as error:
            raise bad_value(str(error)) from None
    return value


Path = Annotated[str, Field(max_length=1024), AfterValidator(_path)]
Driver = Annotated[
    Literal["goplugin", "wasm", "python", "grpc", "a6", "kong"] | None,
    BeforeValidator(lambda value: value or None),
]


class Hook(Strict):
    name: str = Field(default="", max_length=256)
    path: str = Field(default="", max_length=4096)
    disabled: bool = False
    raw_body_only: bool = False
    driver: Driver = None
    # Sluiceway's own, as is a driver here.
    config: dict[str, Any] | str = Field(default={})
    stage: Literal["rewrite", "authn", "authz", "access", "post", "before_proxy"] | None = None
    priority: Priority | None = None


Hooks = Annotated[list[Hook], BeforeValidator(_entries)]


class CustomMiddleware(Strict):
    pre: Hooks = Field(default=[])
    auth_check: Annotated[Hook, BeforeValidator(_mapping)] = Hook()
    post_key_auth: Hooks = Field(default=[])
    post_auth_check: Hooks = Field(default=[])  # what Tyk's documentation has called post_key_auth
    post: Hooks = Field(default=[])
    response: Hooks = Field(default=[])
    traffic_logs: Hooks = Field(default=[])
    driver: Driver = None


class Transport(Strict):
    ssl_insecure_skip_verify: bool = False


class Proxy(Strict):
    listen_path: Path
    target_url: Annotated[str, AfterValidator(_target_url)]
    strip_listen_path: bool = False
    preserve_host_header: bool = False
    transport: Transport = Transport()


class Auth(Strict):
    auth_header_name: str = Field(default="Authorization", max_length=256)


class GoPluginPath(Strict):
    path: Path
    method: str = Field(default="", max_length=32, pattern=r"^[A-Z]*$")
    plugin_path: str = Field(min_length=1, max_length=4096)
    func_name: str = Field(min_length=1, max_length=256)
    disabled: bool = False


class ExtendedPaths(Strict):
    go_plugin: Annotated[list[GoPluginPath], BeforeValidator(_entries)] = Field(default=[])


class Version(Strict):
    extended_paths: ExtendedPaths = ExtendedPaths()


class VersionData(Strict):
    not_versioned: bool = True
    versions: dict[str, Version] = Field(default={})


class AnalyticsPlugin(Strict):
    enable: bool = False
    plugin_path: str = Field(default="", max_length=4096)
    func_name: str = Field(default="", max_length=256)


class ApiDefinition(Strict):
    name: str = Field(default="", max_length=256)
    api_id: Annotated[str, AfterValidator(_api_id)] = ""
    org_id: str = Field(default="", max_length=256)
    active: bool = True
    domain: Annotated[str, Field(max_length=255), AfterValidator(_domain)] = ""
    domain_disabled: bool = False
    use_keyless: bool = False
    use_go_plugin_auth: bool = False
    enable_coprocess_auth: bool = False
    custom_plugin_auth_enabled: bool = False
    strip_auth_data: bool = False
    auth: Auth = Auth()
    proxy: Proxy
    custom_middleware: CustomMiddleware = CustomMiddleware()
    custom_middleware_bundle: str = Field(default="", max_length=4096)
    custom_middleware_bundle_disabled: bool = False
    config_data: Annotated[dict[str, Any], BeforeValidator(_mapping)] = Field(default={})
    config_data_disabled: bool = False
    version_data: VersionData = VersionData()
    analytics_plugin: AnalyticsPlugin = AnalyticsPlugin()

    @property
    def has_plugin_auth(self) -> bool:
        """Whether `auth_check` authenticates: any of the three keys that Tyk has had for it."""
        return self.use_go_plugin_auth or self.enable_coprocess_auth or self.custom_plugin_auth_enabled


class Manifest(Strict):
    """manifest.json of a bundle. `sha256` is Sluiceway's own: of each file, by its name."""

    file_list: list[Annotated[str, Field(min_length=1, max_length=1024)]]
    custom_middleware: CustomMiddleware
    checksum: str = Field(default="", max_length=64)
    signature: str = Field(default="", max_length=4096)
    driver: Driver = None
    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(default={})

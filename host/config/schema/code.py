"""Where the code of a plugin comes from: the keys that stand beside its name."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from host.config.schema.base import Strict
from host.config.schema.scalars import PositiveDuration, bad_value, describe

_URL: Final = re.compile(r"(?:https?|oci)://[^\s/?#@]+/\S*")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")


def _url(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 2048 or not _URL.fullmatch(value):
        raise bad_value(
            "expected https://HOST/PATH, http://HOST/PATH or oci://REGISTRY/REPOSITORY:TAG, without user or password, "
            f"got {describe(value)}"
        )
    return value


def _sha256(value: Any) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise bad_value(f"expected a SHA-256 of 64 hexadecimal digits, got {describe(value)}")
    return value.lower()


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError, AttributeError, TypeError):
        raise bad_value(f"expected base64, got {describe(value)}") from None


def _public_key(value: Any) -> bytes:
    """Hexadecimal or base64, 32 bytes."""
    try:
        key = bytes.fromhex(value) if len(value) == 64 else base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, AttributeError, TypeError):
        key = b""
    if len(key) != 32:
        raise bad_value(
            f"expected an Ed25519 public key: 32 bytes in hexadecimal or base64, got {describe(value)}"
        )
    return key


_STRING = WithJsonSchema({"type": "string"})


class PluginCode(Strict):
    """Names are those of APISIX (`file`), Envoy (`inline_bytes`) and Istio's WasmPlugin (the others)."""

    file: str = Field(
        default="",
        description="The `.wasm` file, relative to this file's folder. This, `url` or `inline_bytes`.",
    )
    url: Annotated[str, BeforeValidator(_url), _STRING] = Field(
        default="",
        description="Where the module is fetched: `https://`, `http://`, or `oci://` for an image in a registry.",
    )
    inline_bytes: Annotated[bytes, BeforeValidator(_base64), _STRING] = Field(
        default=b"", description="The module itself, in base64."
    )
    sha256: Annotated[str, BeforeValidator(_sha256), _STRING] = Field(
        default="", description="That of the module behind `url`; needed with `http://` and `https://`."
    )
    image_pull_policy: Literal["if_not_present", "always"] = Field(
        default="if_not_present",
        description="With `oci://`: whether a start or reload asks the registry again for a tag fetched before.",
    )
    image_pull_secret: str = Field(
        default="",
        description="With `oci://`: a file with credentials in the form of Docker's `config.json`.",
    )
    fetch_timeout: PositiveDuration = Field(default=30.0, description="Of one try to fetch.")
    fetch_retries: int = Field(default=2, ge=0, le=10, description="Further tries, after growing pauses.")
    trusted_ca: str = Field(
        default="", description="A PEM file of authorities to trust besides the system's when fetching."
    )
    verification_key: Annotated[bytes, BeforeValidator(_public_key), _STRING] = Field(
        default=b"",
        description="Ed25519 public key that the module must be signed for, in the form of `wasmsign` (as Envoy's).",
    )

"""The kinds of value that several keys share: durations, sizes, names, ports, hosts, addresses of nodes, plugin texts.

Each is a type that pydantic validates by a function of ours, whose message says what is expected; JSON Schema gets the
closest it can say. The functions are plain and are used for the command line too.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_DURATION_TEXT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
MAX_DURATION: Final = 24 * 3600.0
"""Seconds. A longer one is a slip of the unit."""

_SIZE_TEXT: Final = re.compile(r"([0-9]+)([kKmMgG]?)")
_BYTES: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
MAX_SIZE: Final = 2**40

_HOST_NAME: Final = re.compile(r"[0-9a-zA-Z_](?:[0-9a-zA-Z._-]{0,251}[0-9a-zA-Z_])?")


def bad_value(message: str) -> PydanticCustomError:
    """Return the error whose text is the message as it stands (a plain template would read braces in it)."""
    return PydanticCustomError("bad_value", "{message}", {"message": message})


def describe(value: Any) -> str:
    """Return a value as an error message shows it: its kind, and itself where that is short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:60] + "…"
        return f"the text {ascii(shown) if not shown.isprintable() else repr(shown)}"
    return "a list" if isinstance(value, list) else "a mapping"


def parse_duration(value: Any) -> float:
    """Return seconds of `60`, `1.5`, `500ms`, `60s`, `5m` or `1h`; a bare number is seconds, as in nginx."""
    match = _DURATION_TEXT.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        seconds = float(match[1]) * _SECONDS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise bad_value(f"expected a duration such as 60, 500ms, 60s, 5m or 1h, got {describe(value)}")
    if not 0 <= seconds <= MAX_DURATION:
        raise bad_value(f"expected a duration from 0 to 24h, got {describe(value)}")
    return seconds


def _positive_duration(value: Any) -> float:
    seconds = parse_duration(value)
    if seconds == 0:
        raise bad_value("expected a duration over 0")
    return seconds


def _duration_with_unit(value: Any) -> float:
    # These lie between microseconds and minutes: a bare 10 that was meant as milliseconds would do harm unseen.
    if not isinstance(value, str):
        raise bad_value(f"expected a duration with its unit, such as 10ms or 5s, got {describe(value)}")
    return _positive_duration(value)


def parse_size(value: Any) -> int:
    """Return bytes of `65536`, `64k`, `1m` or `1g`."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _SIZE_TEXT.fullmatch(text) if isinstance(text, str) and len(text) < 20 else None
    if match is None:
        raise bad_value(f"expected a size in bytes such as 65536, 64k, 1m or 1g, got {describe(value)}")
    size = int(match[1]) * _BYTES[match[2].lower()]
    if size > MAX_SIZE:
        raise bad_value(f"expected a size of at most 1024g, got {describe(value)}")
    return size


def _positive_size(value: Any) -> int:
    size = parse_size(value)
    if size == 0:
        raise bad_value("expected a size over 0")
    return size


def parse_id(value: Any) -> str:
    """Return an id as text: APISIX takes a whole number over 0, or 1 to 64 of `a-z A-Z 0-9 - _ .`."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", text) or text == "0":
        raise bad_value(
            "expected an id: a whole number over 0, or 1 to 64 letters, digits, '-', '_' and '.', "
            f"got {describe(value)}"
        )
    return text


def parse_host(value: Any) -> str:
    """Return the name or IP address of a server; an IPv6 address without brackets."""
    text = value.removeprefix("[").removesuffix("]") if isinstance(value, str) else ""
    if not _HOST_NAME.fullmatch(text):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise bad_value(f"expected a host name or an IP address, got {describe(value)}") from None
    return text


def parse_address(value: Any, default_port: int) -> tuple[str, int]:
    """Return host and port of `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`."""
    text = value if isinstance(value, str) else ""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host = text
    if ":" in host and not host.startswith("["):
        raise bad_value(
            f"expected HOST:PORT, got {describe(value)}: an IPv6 address needs brackets, [::1]:80"
        )
    if colon and not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise bad_value(f"expected a port from 1 to 65535 after the colon, got {describe(value)}")
    return parse_host(host), int(port) if colon else default_port


def parse_network(value: Any) -> str:
    """Return an IP address or a range of them as a range, without the bits of a host."""
    try:
        return str(ipaddress.ip_network(value if isinstance(value, str) else "", strict=False))
    except ValueError:
        raise bad_value(
            f"expected an IP address or a range such as 10.0.0.0/8, got {describe(value)}"
        ) from None


def parse_workers(value: Any) -> int:
    """Return a number of processes, 0 for `auto`."""
    if value == "auto":
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1024:
        return value
    raise bad_value(f"expected a number of processes from 1 to 1024, or auto, got {describe(value)}")


def _node_address(value: Any) -> str:
    parse_address(value, 80)
    return str(value)


def parse_conf(value: Any) -> bytes:
    """Return what a plugin reads as its configuration: a text byte for byte, a mapping as compact JSON.

    Both must have something in them, as in APISIX's schema for wasm plugins.
    """
    if isinstance(value, str) and value:
        return value.encode()
    if isinstance(value, dict) and value:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if value in ("", {}):
        raise bad_value(f"expected a text or a mapping with something in it, got an empty {_kind(value)}")
    raise bad_value(
        f"expected a text (passed byte for byte) or a mapping (passed as JSON), got {describe(value)}"
    )


def _kong_conf(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise bad_value(f"expected a mapping, got {describe(value)}")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else "mapping"


# `$comment` names the type for docs/configuration.md. `minimum` is about numbers alone, `pattern` about texts.
_DURATION_WITH_UNIT: Final = {
    "$comment": "duration with its unit",
    "type": "string",
    "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$",
}
_DURATION: Final = {
    "$comment": "duration",
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": _DURATION_WITH_UNIT["pattern"],
}
_SIZE: Final = {
    "$comment": "size",
    "type": ["integer", "string"],
    "minimum": 0,
    "pattern": "^[0-9]+[kKmMgG]?$",
}
_ID: Final = {
    "$comment": "id",
    "type": ["integer", "string"],
    "minimum": 1,
    "pattern": "^[a-zA-Z0-9_.-]{1,64}$",
}
_CONF: Final = {
    "$comment": "text or mapping",
    "type": ["string", "object"],
    "minLength": 1,
    "minProperties": 1,
}
_WORKERS: Final = {
    "$comment": "integer 1 to 1024, or `auto`",
    "type": ["integer", "string"],
    "minimum": 1,
    "maximum": 1024,
    "pattern": "^auto$",
}

Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION)]
PositiveDuration = Annotated[float, BeforeValidator(_positive_duration), WithJsonSchema(_DURATION)]
DurationWithUnit = Annotated[float, BeforeValidator(_duration_with_unit), WithJsonSchema(_DURATION_WITH_UNIT)]
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(_SIZE)]
PositiveSize = Annotated[int, BeforeValidator(_positive_size), WithJsonSchema(_SIZE)]
# Below a kilobyte no browser's request would fit; from a megabyte on, the parser's own limit is reached.
HeadSize = Annotated[int, Field(ge=1024, lt=1024**2), BeforeValidator(parse_size), WithJsonSchema(_SIZE)]
Id = Annotated[str, BeforeValidator(parse_id), WithJsonSchema(_ID)]
Host = Annotated[str, BeforeValidator(parse_host), WithJsonSchema({"type": "string"})]
IpNetwork = Annotated[str, BeforeValidator(parse_network), WithJsonSchema({"type": "string"})]
NodeAddress = Annotated[str, BeforeValidator(_node_address)]
Conf = Annotated[bytes, BeforeValidator(parse_conf), WithJsonSchema(_CONF)]
KongConf = Annotated[bytes, BeforeValidator(_kong_conf), WithJsonSchema({"type": "object"})]
Workers = Annotated[int, BeforeValidator(parse_workers), WithJsonSchema(_WORKERS)]
Port = Annotated[int, Field(ge=1, le=65535)]
Weight = Annotated[int, Field(ge=0, le=2**31 - 1)]
Priority = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Method = Literal["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE"]

"""Where a call may go that names no configured upstream: addresses as guests write them, and what a plugin is allowed.

Written as `host:port`, `[v6]:port` or `unix:/path`, with `https://` in front for TLS (`http://` is understood too);
without a port it is the scheme's own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["http", "https"]

_PORTS: dict[str, int] = {"http": 80, "https": 443}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_LONGEST_NAME = 253
_LONGEST_PATH = 107  # sockaddr_un.sun_path, less the NUL


@dataclass(frozen=True, slots=True)
class Address:
    """A server that no configuration names. `path`: of a unix socket, which takes the place of host and port."""

    scheme: Scheme
    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https://' if self.scheme == 'https' else ''}{host}:{self.port}"


def parse_address(text: str, scheme: Scheme = "http") -> Address:
    """Return the address that a guest wrote; `scheme` is for one without. Raises ValueError with the reason."""
    scheme, rest = _split_scheme(text, scheme)
    if rest.startswith("unix:"):
        return Address("http", "", 0, _path(rest.removeprefix("unix:")))
    host, port = _split_port(rest)
    return Address(scheme, _host(host), _PORTS[scheme] if port is None else _port(port))


def _split_scheme(text: str, default: Scheme) -> tuple[Scheme, str]:
    if text.startswith("https://"):
        return "https", text.removeprefix("https://")
    if text.startswith("http://"):
        return "http", text.removeprefix("http://")
    return default, text


def _split_port(text: str) -> tuple[str, str | None]:
    """Split a host, an IPv6 literal in brackets, from its port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError(f"{text!r} is no [IPv6 address]:port")
        return host, rest[1:] if rest else None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _host(text: str) -> str:
    if ":" in text:
        return str(ipaddress.IPv6Address(text))
    host = text.lower()
    if len(host) > _LONGEST_NAME or not _NAME.fullmatch(host):
        raise ValueError(f"{text!r} is neither a host name nor an IP address")
    return host


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise ValueError(f"{text!r} is not a port")
    return int(text)


def _path(text: str) -> str:
    if not text.startswith("/") or "\0" in text or len(text.encode()) > _LONGEST_PATH:
        raise ValueError(f"{text!r} is not the absolute path of a unix socket")
    return text


@dataclass(frozen=True, slots=True)
class _Pattern:
    scheme: str
    host: str  # "*": any; ".example.com": any name below it
    port: int  # 0: any
    path: str

    def matches(self, address: Address) -> bool:
        if self.path or address.path:
            return self.path == address.path
        if self.scheme != address.scheme or self.port not in (0, address.port):
            return False
        if self.host.startswith("."):
            return address.host.endswith(self.host)
        return self.host in ("*", address.host)


def _parse_pattern(text: str) -> _Pattern:
    scheme, rest = _split_scheme(text, "http")
    if rest.startswith("unix:"):
        return _Pattern("", "", 0, _path(rest.removeprefix("unix:")))
    host, port = _split_port(rest)
    number = _PORTS[scheme] if port is None else 0 if port == "*" else _port(port)
    if host == "*":
        return _Pattern(scheme, host, number, "")
    if host.startswith("*."):
        return _Pattern(scheme, "." + _host(host.removeprefix("*.")), number, "")
    return _Pattern(scheme, _host(host), number, "")


class AllowList:
    """What a plugin may call: addresses as they are written, with `*` for any port, and `*` or `*.name` for hosts."""

    __slots__ = ("_patterns",)

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Raises ValueError with the reason for a pattern that is none."""
        self._patterns = tuple(_parse_pattern(pattern) for pattern in patterns)

    def allows(self, address: Address) -> bool:
        """Whether one of the patterns stands for the address."""
        return any(pattern.matches(address) for pattern in self._patterns)

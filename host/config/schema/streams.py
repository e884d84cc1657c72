"""The keys of TCP listeners and of what they lead to: `apisix.stream_proxy`, `stream_routes`, `ssls`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Tag, WithJsonSchema

from host.config.schema.base import Strict, by_form, words
from host.config.schema.resources import Described, HostPattern, Upstream
from host.config.schema.scalars import Id, IpNetwork, Port, bad_value, describe, parse_host
from host.config.schema.uses import Uses


def parse_listen(value: Any) -> tuple[str, int]:
    """Return host and port of a port, `PORT`, `HOST:PORT` or `[IPv6]:PORT`; without a host every address."""
    host, _, port = str(value).rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if isinstance(value, bool) or not isinstance(value, int | str) or not is_port:
        raise bad_value(f"expected a port or HOST:PORT, got {describe(value)}")
    if ":" in host and not host.startswith("["):
        raise bad_value(
            f"expected HOST:PORT, got {describe(value)}: an IPv6 address needs brackets, [::1]:80"
        )
    return parse_host(host) if host else "0.0.0.0", int(port)


def _address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise bad_value(f"expected an IP address, got {describe(value)}") from None


_ADDRESS = {"$comment": "port or `HOST:PORT`", "type": ["integer", "string"], "minimum": 1, "maximum": 65535}
ListenOn = Annotated[tuple[str, int], BeforeValidator(parse_listen), WithJsonSchema(_ADDRESS)]
IpAddress = Annotated[str, BeforeValidator(_address), WithJsonSchema({"type": "string"})]


class StreamListen(Strict):
    addr: ListenOn = Field(description="Where clients connect.")
    tls: bool = Field(default=False, description="Terminate TLS, with the certificates of `ssls`.")


class StreamProxy(Strict):
    known_to_apisix = frozenset({"udp", "only"})

    tcp: Annotated[
        list[
            Annotated[
                Annotated[ListenOn, Tag("integer")]
                | Annotated[ListenOn, Tag("text")]
                | Annotated[StreamListen, Tag("mapping")],
                by_form("a port, HOST:PORT or a mapping {addr, tls}", "integer", "text", "mapping"),
            ]
        ],
        Field(min_length=1),
    ] = Field(description="TCP listeners: a port, `HOST:PORT`, or `{addr, tls}`.")


class StreamRoute(Described):
    known_to_apisix = words("protocol service_id")

    server_addr: IpAddress | None = Field(
        default=None, description="The address that the client connected to."
    )
    server_port: Port | None = Field(default=None, description="The port that the client connected to.")
    remote_addr: IpNetwork | None = Field(
        default=None, description="The client's address, or a range of them."
    )
    sni: HostPattern | None = Field(
        default=None,
        description="The name that the client asks for in its TLS handshake, or `*.example.com`. On a listener without "
        "`tls` it is read and the handshake passed through.",
    )
    upstream: Upstream | None = Field(
        default=None, description="Where connections go. This or `upstream_id`."
    )
    upstream_id: Id | None = Field(default=None, description="One of `upstreams`.")
    plugins: Uses = Field(default=Uses(), description="Plugins by name, as on routes.")


_PEM = "-----BEGIN "


def _pem(value: str) -> str:
    if _PEM not in value:
        raise bad_value("expected PEM text, which has a line -----BEGIN …")
    return value


Pem = Annotated[str, AfterValidator(_pem), WithJsonSchema({"type": "string"})]


class SslClient(Strict):
    known_to_apisix = frozenset({"skip_mtls_uri_regex"})

    ca: Pem = Field(description="CAs that clients must have a certificate of, as PEM text.")
    depth: Annotated[int, Field(ge=0, le=100)] = Field(
        default=1, description="Certificates that may lie between a client's own and the CA's."
    )


class Certificate(Described):
    """A certificate for clients of TLS listeners."""

    known_to_apisix = words("certs keys type validity_start validity_end exptime")

    cert: Pem = Field(description="The certificate and its chain, as PEM text.")
    key: Pem = Field(description="Its key, as PEM text.")
    sni: HostPattern | None = Field(default=None, description="A name that it is for. This or `snis`.")
    snis: Annotated[list[HostPattern], Field(min_length=1)] | None = Field(
        default=None, description="Several of them, such as `*.example.com`."
    )
    client: SslClient | None = Field(default=None, description="Ask clients for a certificate (mTLS).")
    ssl_protocols: Annotated[list[Literal["TLSv1.2", "TLSv1.3"]], Field(min_length=1)] | None = Field(
        default=None, description="Versions of TLS; both if absent."
    )
    status: Literal[0, 1] = Field(default=1, description="0 takes it out of service.")

"""What the variables of an access log are worth for an exchange.

It must not know how a format is written, nor where lines go.
"""

from __future__ import annotations

import base64
import functools
import os
import re
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final

from host.exchange.record import Attempt, Record
from host.http.message import HEAD_METHOD, HTTP_1_0
from host.log.format import Variable, parse_variable
from host.plugin.properties import property_value
from host.stream import HttpStream

Source = Callable[[Record, HttpStream], bytes | None]


def source_of(variable: Variable) -> Source:
    """Return what a variable is read with; nothing, or no bytes, stands for a value that is missing."""
    if variable.family:
        return _FAMILIES[variable.family](variable.member)
    return _SOURCES[variable.name]


# --- what comes again and again: small numbers, and the addresses of clients and nodes


@functools.lru_cache(maxsize=4096)
def _number(number: int) -> bytes:
    return b"%d" % number


@functools.lru_cache(maxsize=4096)
def _milliseconds(number: int) -> bytes:
    return b"%d.%03d" % divmod(number, 1000)


def _seconds(seconds: float) -> bytes:
    return _milliseconds(round(seconds * 1000))


@functools.lru_cache(maxsize=4096)
def _address(text: str) -> bytes:
    return text.rpartition(":")[0].strip("[]").encode()


# --- of the exchange: what peers and filters say


def _path(_: Record, stream: HttpStream) -> bytes:
    return stream.request_headers.get(b":path") or b""


def _authority(_: Record, stream: HttpStream) -> bytes | None:
    return stream.request_headers.get(b":authority")


def _request(record: Record, _: HttpStream) -> bytes | None:
    return b" ".join((record.method, record.path, _protocol(record))) if record.method else None


def _host(record: Record, stream: HttpStream) -> bytes | None:
    authority = _authority(record, stream)
    return re.sub(rb":\d*$", b"", authority).lower() if authority else None


def _user(_: Record, stream: HttpStream) -> bytes | None:
    """The user of Basic authentication (RFC 7617)."""
    given = stream.request_headers.get(b"authorization")
    if given is None or given[:6].lower() != b"basic ":
        return None
    try:
        return base64.b64decode(given[6:]).partition(b":")[0]
    except ValueError:
        return None


def _upstream_host(record: Record, stream: HttpStream) -> bytes | None:
    return (record.attempts[-1].node.host or _authority(record, stream)) if record.attempts else None


def _of_attempts(text: Callable[[Attempt], bytes]) -> Source:
    """As nginx: one for each node that was tried."""

    def source(record: Record, _: HttpStream) -> bytes | None:
        attempts = record.attempts
        if len(attempts) == 1:
            return text(attempts[0])
        return b", ".join(map(text, attempts)) if attempts else None

    return source


_OF_THE_EXCHANGE: Final[dict[str, Source]] = {
    "args": lambda record, stream: _path(record, stream).partition(b"?")[2],
    "query_string": lambda record, stream: _path(record, stream).partition(b"?")[2],
    "uri": lambda record, stream: _path(record, stream).partition(b"?")[0],
    "request_uri": lambda record, _: record.path,
    "request_method": lambda record, _: record.method,
    "request": _request,
    "http_host": _authority,
    "host": _host,
    "remote_user": _user,
    "request_id": lambda record, stream: stream.request_id.encode() if record.method else None,
    "response_code_details": lambda _, stream: stream.details.encode(),
    "is_args": lambda record, stream: b"?" if b"?" in _path(record, stream) else b"",
    "route_id": lambda record, _: record.route_id.encode(),
    "route_name": lambda record, _: record.route_name.encode(),
    "service_id": lambda record, _: record.service_id.encode(),
    "balancer_ip": lambda record, _: _address(record.attempts[-1].address) if record.attempts else None,
    "balancer_port": lambda record, _: _port(record.attempts[-1].address) if record.attempts else None,
    "upstream_host": _upstream_host,
    "upstream_uri": lambda record, stream: _path(record, stream) if record.attempts else None,
    "upstream_scheme": lambda record, _: (
        record.attempts[-1].node.scheme.encode() if record.attempts else None
    ),
    "upstream_addr": _of_attempts(lambda attempt: attempt.address.encode()),
    "upstream_status": _of_attempts(lambda attempt: _number(attempt.status) if attempt.status else b"-"),
    "upstream_response_time": _of_attempts(lambda attempt: _seconds(attempt.seconds or 0.0)),
}


def _request_field(member: str) -> Source:
    name = member.replace("_", "-").encode()
    return lambda _, stream: stream.request_headers.get(name)


def _cookie(member: str) -> Source:
    """The first cookie of that name (RFC 6265, 5.4)."""
    prefix = member.encode() + b"="

    def source(_: Record, stream: HttpStream) -> bytes | None:
        for field in stream.request_headers.get_all(b"cookie"):
            for pair in field.split(b";"):
                if (pair := pair.strip()).startswith(prefix):
                    return pair[len(prefix) :]
        return None

    return source


def _response_field(member: str) -> Source:
    name = member.replace("_", "-").encode()
    return lambda _, stream: stream.response_headers.get(name)


def _argument(member: str) -> Source:
    found = re.compile(rb"(?:^|&)%b=([^&]*)" % re.escape(member.encode()))

    def source(record: Record, stream: HttpStream) -> bytes | None:
        match = found.search(_path(record, stream).partition(b"?")[2])
        return match[1] if match else None

    return source


def _property(member: str) -> Source:
    """Any property: a well-known one in words, or what a filter has set, under a path or a name with dots in it."""

    def source(_: Record, stream: HttpStream) -> bytes | None:
        value = property_value(stream, member)
        if value is None or isinstance(value, bytes):
            return value
        return str(value).encode("utf-8", "surrogateescape")

    return source


_FAMILIES: Final[dict[str, Callable[[str], Source]]] = {
    "http_": _request_field,
    "sent_http_": _response_field,
    "arg_": _argument,
    "cookie_": _cookie,
    "property.": _property,
}


# --- of the gateway


def _protocol(record: Record) -> bytes:
    return b"HTTP/1.0" if record.head & HTTP_1_0 else b"HTTP/1.1"


def _port(text: str) -> bytes:
    return text.rpartition(":")[2].encode()


def _packed(text: str) -> bytes | None:
    address = _address(text).decode().partition("%")[0]
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:  # a unix socket's
        return None


class _Clock:
    """Texts of the present second."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._second, self._text = -1, b""

    def __call__(self, _: Record, __: HttpStream) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, self._made(time.localtime(second))
        return self._text

    def _made(self, now: time.struct_time) -> bytes:
        if self._form == "local":  # the names of months do not depend on a locale
            return b"%02d/%b/%d:%02d:%02d:%02d %b" % (
                now.tm_mday, _MONTHS[now.tm_mon - 1], now.tm_year, now.tm_hour, now.tm_min, now.tm_sec, _zone(now, ""),
            )  # fmt: skip
        return time.strftime("%Y-%m-%dT%H:%M:%S", now).encode() + _zone(now, ":")


_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def _zone(now: time.struct_time, between: str) -> bytes:
    minutes = abs(now.tm_gmtoff) // 60
    return f"{'-' if now.tm_gmtoff < 0 else '+'}{minutes // 60:02}{between}{minutes % 60:02}".encode()


_HOSTNAME = re.sub(rb"[^\w.-]", b"_", socket.gethostname().encode())

_OF_THE_GATEWAY: Final[dict[str, Source]] = {
    "remote_addr": lambda record, _: _address(record.info.source_address),
    "binary_remote_addr": lambda record, _: _packed(record.info.source_address),
    "remote_port": lambda record, _: _port(record.info.source_address),
    "server_addr": lambda record, _: _address(record.info.destination_address),
    "server_port": lambda record, _: _port(record.info.destination_address),
    "scheme": lambda _, __: b"http",
    "server_protocol": lambda record, _: _protocol(record),
    "status": lambda record, _: _number(record.status),
    "body_bytes_sent": lambda record, _: b"0" if record.head & HEAD_METHOD else _number(record.content_bytes),
    "request_time": lambda record, _: _seconds(time.monotonic() - record.began),
    "connection": lambda record, _: b"%d" % record.info.id,
    "connection_requests": lambda record, _: b"%d" % record.number,
    "msec": lambda _, __: f"{time.time():.3f}".encode(),
    "pid": lambda _, __: b"%d" % os.getpid(),
    "hostname": lambda _, __: _HOSTNAME,
    "time_local": _Clock("local"),
    "time_iso8601": _Clock("iso8601"),
}


_SOURCES: Final = _OF_THE_EXCHANGE | _OF_THE_GATEWAY


_LONGEST_NAME: Final = 256


@functools.lru_cache(maxsize=1024)  # names come from plugins
def _source(name: str) -> Source | None:
    try:
        return source_of(parse_variable(name))
    except ValueError:
        return None


def value_of(name: str, record: Record, stream: HttpStream) -> bytes | None:
    """Return the value of the variable of this name, None for one that is unknown or missing."""
    source = _source(name) if len(name) <= _LONGEST_NAME else None
    return source(record, stream) if source is not None else None


def names() -> Iterable[str]:
    """Return the variables that have a value here: all that a format may name."""
    return _SOURCES

"""TCP listeners, stream routes and certificates in the configuration."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import trustme

from host.config import Config, Listen, StreamListen, Timeout, loads
from host.errors import ConfigError

NODES = "upstream: {nodes: {'127.0.0.1:1': 1}}"
ROUTE = f"stream_routes: [{{{NODES}}}]"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loads(text, "c.yaml")
    return [str(problem) for problem in caught.value.problems]


def pem(ca: trustme.CA, name: str) -> tuple[str, str]:
    own = ca.issue_cert(name)
    return own.cert_chain_pems[0].bytes().decode(), own.private_key_pem.bytes().decode()


def test_listeners() -> None:
    """APISIX's forms of an address."""
    text = (
        "apisix: {proxy_mode: http&stream, stream_proxy: {tcp: [9100, '127.0.0.1:9101', {addr: 9102, tls: true}, "
        "{addr: '[::1]:9103'}]}}\nssls: [CERTIFICATE]\n" + ROUTE
    )
    cert, key = pem(trustme.CA(), "a.test")
    config = loads(text.replace("CERTIFICATE", json.dumps({"cert": cert, "key": key, "sni": "a.test"})))
    assert config.listen == (Listen("0.0.0.0", 9080),)
    assert config.stream_listen == (
        StreamListen("0.0.0.0", 9100),
        StreamListen("127.0.0.1", 9101),
        StreamListen("0.0.0.0", 9102, tls=True),
        StreamListen("::1", 9103),
    )
    assert (config.certificates[0].snis, config.certificates[0].cert) == (("a.test",), cert)


@pytest.mark.parametrize(
    ("mode", "http", "stream"), [("http", 1, 0), ("stream", 0, 1), ("http&stream", 1, 1), (None, 1, 0)]
)
def test_the_mode_says_which_listeners_there_are(mode: str | None, http: int, stream: int) -> None:
    """proxy_mode; `http` unless it is said otherwise."""
    said = f"proxy_mode: {mode}, " if mode is not None else ""
    config = loads(f"apisix: {{{said}stream_proxy: {{tcp: [9100]}}}}\n{ROUTE}")
    assert (len(config.listen), len(config.stream_listen)) == (http, stream)


def test_a_stream_route() -> None:
    """All keys, and an upstream by its id."""
    config = loads(
        "upstreams: [{id: u, scheme: tls, tls: {verify: false}, nodes: {'127.0.0.1:1': 1}, "
        "timeout: {connect: 1, send: 2, read: 3}}]\n"
        "stream_routes: [{id: 5, name: n, server_addr: 127.0.0.1, server_port: 9100, remote_addr: 10.1.2.3/8, "
        "sni: '*.a.test', upstream_id: u}]"
    )
    (route,) = config.stream_routes
    assert (route.id, route.name, route.server_addr, route.server_port) == ("5", "n", "127.0.0.1", 9100)
    assert (route.remote_addr, route.sni) == ("10.0.0.0/8", "*.a.test")
    assert route.upstream is not None
    assert (route.upstream.scheme, route.upstream.tls.verify) == ("tls", False)
    assert route.upstream.timeout == Timeout(1, 2, 3)


def test_a_connection_may_be_idle_for_ten_minutes_unless_said_otherwise() -> None:
    """nginx's proxy_timeout: a minute would cut off a pooled connection of a database."""
    (route,) = loads(ROUTE).stream_routes
    assert route.upstream is not None
    assert route.upstream.timeout.read == 600


def test_values_pickle_and_hide_keys() -> None:
    """They go to workers; a key does not belong into a log line."""
    cert, key = pem(trustme.CA(), "a.test")
    config = loads(f"ssls: [{json.dumps({'cert': cert, 'key': key, 'sni': 'a.test'})}]\n{ROUTE}")
    assert pickle.loads(pickle.dumps(config)) == config
    assert key not in repr(config)
    assert isinstance(config, Config)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "apisix: {proxy_mode: tcp}",
            ["c.yaml:1: apisix.proxy_mode: expected one of: http, stream or http&stream, got the text 'tcp'"],
        ),
        (
            "apisix: {stream_proxy: {udp: [9200], tcp: [9100]}}",
            ["c.yaml:1: apisix.stream_proxy.udp: known to APISIX, not served by Sluiceway: udp"],
        ),
        (
            "apisix:\n  stream_proxy:\n    tcp:\n      - 70000",
            ["c.yaml:4: apisix.stream_proxy.tcp[0]: expected a port or HOST:PORT, got the number 70000"],
        ),
        (
            "apisix:\n  stream_proxy:\n    tcp:\n      - {addr: '::1:9100'}",
            [
                "c.yaml:4: apisix.stream_proxy.tcp[0].addr: expected HOST:PORT, got the text '::1:9100': "
                "an IPv6 address needs brackets, [::1]:80"
            ],
        ),
        (
            "apisix:\n  stream_proxy:\n    tcp:\n      - {addr: 9100, tls: true}",
            ["c.yaml:4: apisix.stream_proxy.tcp[0].tls: needs a certificate, and there are no ssls"],
        ),
        (
            "stream_routes:\n  - remote_addr: 10.0.0.0/64",
            [
                "c.yaml:2: stream_routes[0].remote_addr: expected an IP address or a range such as 10.0.0.0/8, "
                "got the text '10.0.0.0/64'",
                "c.yaml:2: stream_routes[0]: leads nowhere: give it one of upstream, upstream_id",
            ],
        ),
        (
            f"stream_routes:\n  - server_addr: here\n    {NODES}",
            [
                "c.yaml:2: stream_routes[0].server_addr: expected an IP address, got the text 'here'",
            ],
        ),
        (
            f"stream_routes:\n  - {NODES}\n    upstream_id: 7",
            [
                "c.yaml:3: stream_routes[0].upstream_id: stands beside 'upstream': give one of them",
                "c.yaml:3: stream_routes[0].upstream_id: no entry of upstreams has id '7'",
            ],
        ),
        (
            f"stream_routes:\n  - {NODES}\n    protocol: {{name: redis}}",
            ["c.yaml:3: stream_routes[0].protocol: known to APISIX, not served by Sluiceway: protocol"],
        ),
        (
            f"stream_routes:\n  - {NODES}\n    snis: [a.test]",
            ["c.yaml:3: stream_routes[0].snis: unknown key; did you mean 'sni'?"],
        ),
        (
            f"stream_routes:\n  - {NODES}\n    plugins: {{nobody: {{}}}}",
            [
                "c.yaml:3: stream_routes[0].plugins.nobody: no plugin of this name is declared under wasm.plugins "
                "or python.plugins; declared: none"
            ],
        ),
        (
            "routes:\n  - uri: /\n    upstream: {scheme: tcp, nodes: {'127.0.0.1:1': 1}}",
            ["c.yaml:3: routes[0].upstream.scheme: is for upstreams of stream_routes"],
        ),
        (
            "upstreams: [{id: 1, scheme: tls, nodes: {'127.0.0.1:1': 1}}]\nroutes:\n  - {uri: /, upstream_id: 1}",
            ["c.yaml:3: routes[0].upstream_id: its scheme is for upstreams of stream_routes"],
        ),
        (
            "ssls:\n  - {cert: x, key: y}",
            [
                "c.yaml:2: ssls[0]: lacks 'snis' (or 'sni')",
                "c.yaml:2: ssls[0].cert: expected PEM text, which has a line -----BEGIN …",
                "c.yaml:2: ssls[0].key: expected PEM text, which has a line -----BEGIN …",
            ],
        ),
    ],
)
def test_what_is_wrong_has_its_place(text: str, expected: list[str]) -> None:
    """File, line, path, what is expected, what was found."""
    assert problems(text) == expected


def test_a_key_of_another_certificate_is_told_of() -> None:
    """Before anything listens."""
    ca = trustme.CA()
    (cert, _), (_, key) = pem(ca, "a.test"), pem(ca, "b.test")
    (found,) = problems(f"ssls: [{json.dumps({'cert': cert, 'key': key, 'sni': 'a.test'})}]\n{ROUTE}")
    assert found == "c.yaml:1: ssls[0]: certificate and key cannot be used: key values mismatch"


def test_text_that_is_no_certificate_is_told_of(tmp_path: Path) -> None:
    """PEM's lines alone make none."""
    text = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n"
    (found,) = problems(f"ssls: [{json.dumps({'cert': text, 'key': text, 'sni': 'a.test'})}]\n{ROUTE}")
    assert found.startswith("c.yaml:1: ssls[0]: certificate and key cannot be used: ")

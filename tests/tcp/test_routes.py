"""Which stream route a connection takes, and which certificate."""

from __future__ import annotations

import pytest

from host.chain import EMPTY
from host.tcp.route import Ends, Rule, StreamRoute, StreamRouter, plain_address
from host.tls.certificates import Certificates


def rule(name: str, **what: object) -> Rule:
    return Rule(StreamRoute(name, EMPTY, None), **what)  # type: ignore[arg-type]


RULES = [
    rule("network", remote_addr="10.0.0.0/8"),
    rule("address", remote_addr="192.0.2.7/32"),
    rule("six", remote_addr="2001:db8::/32"),
    rule("port", server_port=9101),
    rule("server", server_addr="192.0.2.1", server_port=9102),
    rule("wildcard", sni="*.a.test"),
    rule("deeper", sni="*.b.a.test"),
    rule("exact", sni="x.a.test"),
    rule("exact from there", sni="y.a.test", remote_addr="10.0.0.0/8"),
    rule("exact from elsewhere", sni="y.a.test"),
    rule("named on a port", sni="p.test", server_port=9103),
]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (Ends("10.1.2.3", "192.0.2.1", 9100), "network"),
        (Ends("192.0.2.7", "192.0.2.1", 9100), "address"),
        (Ends("192.0.2.8", "192.0.2.1", 9100), None),
        (Ends("2001:db8::1", "::1", 9100), "six"),
        (Ends("203.0.113.1", "192.0.2.1", 9101), "port"),
        (Ends("203.0.113.1", "192.0.2.1", 9102), "server"),
        (Ends("203.0.113.1", "192.0.2.2", 9102), None),
        (Ends("10.1.2.3", "192.0.2.1", 9101, "x.a.test"), "exact"),
        (Ends("203.0.113.1", "192.0.2.1", 9100, "z.a.test"), "wildcard"),
        (Ends("203.0.113.1", "192.0.2.1", 9100, "q.z.a.test"), "wildcard"),
        (Ends("203.0.113.1", "192.0.2.1", 9100, "q.b.a.test"), "deeper"),
        (Ends("203.0.113.1", "192.0.2.1", 9100, "a.test"), None),
        (Ends("10.1.2.3", "192.0.2.1", 9100, "y.a.test"), "exact from there"),
        (Ends("203.0.113.1", "192.0.2.1", 9100, "y.a.test"), "exact from elsewhere"),
        (Ends("203.0.113.1", "192.0.2.1", 9103, "p.test"), "named on a port"),
        (Ends("203.0.113.1", "192.0.2.1", 9101, "p.test"), "port"),
        (Ends("10.1.2.3", "192.0.2.1", 9100, "unknown.test"), "network"),
    ],
)
def test_the_route_of_a_connection(ends: Ends, expected: str | None) -> None:
    """A name that fits comes first, the closest one; then the others in their order (APISIX)."""
    found = StreamRouter(RULES).match(ends)
    assert (found.id if found is not None else None) == expected


def test_a_handshake_is_looked_at_only_where_its_name_may_decide() -> None:
    """Elsewhere a server that speaks first would wait for a client that does not."""
    router = StreamRouter([rule("a", sni="a.test", server_port=9103), rule("b")])
    assert router.wants_name(Ends("10.0.0.1", "192.0.2.1", 9103))
    assert not router.wants_name(Ends("10.0.0.1", "192.0.2.1", 9100))


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("", ""),
    ],
)
def test_addresses_are_compared_in_one_form(address: str, plain: str) -> None:
    """An IPv6 socket gives IPv4 clients in a form of its own, and neighbours with their zone."""
    assert plain_address(address) == plain


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.test", 1), ("x.b.test", 2), ("y.b.test", 3), ("q.x.b.test", None), ("b.test", None), ("", None)],
)
def test_the_certificate_of_a_name(name: str, expected: int | None) -> None:
    """Exact before wildcard; a wildcard is for one label."""
    entries = [(["A.test"], 1), (["*.b.test"], 3), (["x.b.test"], 2), (["a.test"], 4)]
    assert Certificates(entries).choose(name) == expected  # type: ignore[arg-type]

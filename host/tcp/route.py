"""Which route a TCP connection takes: by its addresses, and by the name in its TLS handshake.

The rules are APISIX's: routes with a name that fits come first, an exact name before a `*.` of more labels before one
of fewer, and among equals the first that is written. Then those without a name, in their order.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from host.chain import FilterChain
from host.tcp.upstream import StreamUpstream


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """Where a connection goes, through which filters. `upstream` None: a filter must close it."""

    id: str
    chain: FilterChain
    upstream: StreamUpstream | None


@dataclass(frozen=True, slots=True)
class Ends:
    """The addresses of a connection, IPv4 as such even where it came to an IPv6 socket; `server_name` may be ""."""

    remote_addr: str
    server_addr: str
    server_port: int
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A route with what it is for; empty or None matches all. `remote_addr`: an address or a range."""

    route: StreamRoute
    server_addr: str = ""
    server_port: int | None = None
    remote_addr: str = ""
    sni: str = ""

    def fits_server(self, ends: Ends) -> bool:
        """Whether this is where the client has connected to."""
        return self.server_addr in ("", ends.server_addr) and self.server_port in (None, ends.server_port)


class StreamRouter:
    """The stream routes of a configuration."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._networks = {
            rule.remote_addr: ipaddress.ip_network(rule.remote_addr) for rule in rules if rule.remote_addr
        }
        self._unnamed = [rule for rule in rules if not rule.sni]
        self._named: dict[str, list[Rule]] = {}
        for rule in rules:
            if rule.sni:
                self._named.setdefault(rule.sni.lower(), []).append(rule)

    def wants_name(self, ends: Ends) -> bool:
        """Whether the name in the handshake may decide for a connection to this address."""
        return any(rule.fits_server(ends) for rules in self._named.values() for rule in rules)

    def match(self, ends: Ends) -> StreamRoute | None:
        """Return the connection's route."""
        for name in _patterns(ends.server_name):
            for rule in self._named.get(name, ()):
                if self._fits(rule, ends):
                    return rule.route
        return next((rule.route for rule in self._unnamed if self._fits(rule, ends)), None)

    def _fits(self, rule: Rule, ends: Ends) -> bool:
        if not rule.fits_server(ends):
            return False
        if not rule.remote_addr:
            return True
        try:
            return ipaddress.ip_address(ends.remote_addr) in self._networks[rule.remote_addr]
        except ValueError:  # not an address of IP: a Unix socket's
            return False


def _patterns(name: str) -> list[str]:
    """The patterns that a name may fit, the closest first."""
    if not name:
        return []
    labels = name.split(".")
    return [name, *(f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels)))]


def plain_address(address: str) -> str:
    """Return an IP address as rules have it: IPv4 out of its IPv6 form, no zone, the shortest text."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)

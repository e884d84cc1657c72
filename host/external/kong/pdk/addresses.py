"""Which addresses are trusted to tell of others (`trusted_ips`), and what they tell."""

from __future__ import annotations

import ipaddress

from host.external.kong.pdk.state import Event, Gateway


def is_trusted(gateway: Gateway, address: str) -> bool:
    """Whether an address is within `trusted_ips`."""
    if not gateway.trusted_ips:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in gateway.trusted_ips)


def remote_address(event: Event) -> str:
    """The address of the other end of the client's connection."""
    return (event.view.variable("remote_addr") or b"").decode()


def comes_trusted(event: Event) -> bool:
    """Whether the request came from a trusted address."""
    return bool(event.gateway.trusted_ips) and is_trusted(event.gateway, remote_address(event))


def forwarded_address(event: Event) -> str:
    """The address of the client, as a trusted proxy tells it in `real_ip_header`; else that of the connection.

    With `real_ip_recursive` the last address of the field that is not trusted; else the last one. As nginx's realip.
    """
    own = remote_address(event)
    if not comes_trusted(event):
        return own
    fields = event.view.request_headers.get_all(event.gateway.real_ip_header.lower().encode())
    addresses = [each.strip() for each in b",".join(fields).decode("latin-1").split(",") if each.strip()]
    for address in reversed(addresses):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return own
        if not (event.gateway.real_ip_recursive and is_trusted(event.gateway, address)):
            return address
    return addresses[0] if addresses else own

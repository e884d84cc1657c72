"""Who may use the Admin API: addresses and keys."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import secrets
from collections.abc import Iterable
from typing import Final

from host.config import AdminKey

logger = logging.getLogger("sluiceway.admin")

_PUBLISHED: Final = "edd1c9f034335f136f87ad84b625c8f1"
"""The key that every APISIX had before 3.9, and which everybody knows."""


class Addresses:
    """Ranges of clients' addresses."""

    def __init__(self, ranges: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(each) for each in ranges]

    def admit(self, address: str) -> bool:
        """Whether the client may ask; IPv4 counts as such even where it comes through IPv6."""
        try:
            client = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(client, "ipv4_mapped", None)
        return any((mapped or client) in network for network in self._networks)


class Keys:
    """The keys, with one made up for each that has none; it stays the same as long as this object."""

    def __init__(self, configured: Iterable[AdminKey]) -> None:
        self._made: dict[str, str] = {}
        self._keys: list[tuple[bytes, str]] = []
        self.take(configured)

    def take(self, configured: Iterable[AdminKey]) -> None:
        """Ask for these from now on."""
        self._keys = [((each.key or self._make(each)).encode(), each.role) for each in configured]
        if any(key == _PUBLISHED.encode() for key, _ in self._keys):
            logger.warning(
                "a key of the Admin API is the one that APISIX's documents print: everybody knows it"
            )

    def _make(self, entry: AdminKey) -> str:
        if entry.name not in self._made:
            self._made[entry.name] = made = secrets.token_hex(16)
            # The one time that it is told: nobody could use it otherwise.
            logger.warning(
                "Admin API: no key is configured for %s; until the next start it is %s "
                "(set one under deployment.admin.admin_key)",
                entry.name,
                made,
            )
        return self._made[entry.name]

    def role(self, key: bytes) -> str | None:
        """Return what the key's owner is, None where nobody has it. It takes as long for each key."""
        found = None
        for own, role in self._keys:
            if hmac.compare_digest(own, key) and found is None:
                found = role
        return found

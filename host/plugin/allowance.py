"""What one plugin may call, and how much of it at once: its callouts' settings, and what of them is in use."""

from __future__ import annotations

import weakref

from abi.types import LogLevel
from host.plugin.services import Services
from host.plugin.settings import PluginSettings
from host.plugin.targets import Address, AllowList, Scheme, parse_address

_MOST_REMEMBERED = 64  # targets for which a refusal is logged once


class Allowance:
    """Of one plugin, on all of its VMs. `calls`, `bytes`: in flight now, and held by their requests' bodies;
    `most_bytes`: what these may hold."""

    def __init__(self, settings: PluginSettings, services: Services) -> None:
        self.plugin = settings.name
        self.callouts = settings.callouts
        self.calls = self.bytes = 0
        self.most_bytes = settings.vm.memory_limit
        self._services = services
        self._allowed = AllowList(self.callouts.allow)
        self._told: set[str] = set()
        self._is_full = False

    def address(self, upstream: str, scheme: Scheme) -> Address | None:
        """Return where a call goes that names no configured upstream; None if the plugin may not call it, or if that
        is no address, which is logged once."""
        try:
            address = parse_address(upstream, scheme)
            if self._allowed.allows(address):
                return address
            reason = f"{address} is not in callouts.allow"
        except ValueError as error:
            reason = str(error)
        if upstream not in self._told and len(self._told) < _MOST_REMEMBERED:
            self._told.add(upstream)
            self._warn(f"no call to {upstream[:256]!r}: it is no configured upstream, and {reason}")
        return None

    def take(self, size: int) -> bool:
        """Count another call, whose body has so many bytes; False if there is no room for it, which is logged once.

        The bodies of all calls in flight may take as much memory as the guest may have.
        """
        if self.calls >= self.callouts.max_calls:
            reason = f"{self.calls} calls are in flight, as many as callouts.max_calls allows"
        elif self.bytes + size > self.most_bytes:
            reason = f"the bodies of {self.calls} calls in flight hold as many bytes as the plugin may"
        else:
            self.calls += 1
            self.bytes += size
            return True
        if not self._is_full:
            self._is_full = True
            self._warn(f"{reason}: further ones fail until some have ended")
        return False

    def give_back(self, size: int) -> None:
        """A call with a body of so many bytes is no longer in flight."""
        self.calls -= 1
        self.bytes -= size
        if self.calls <= self.callouts.max_calls // 2:
            self._is_full = False

    def _warn(self, message: str) -> None:
        self._services.event(LogLevel.WARN, message, self.plugin)


def allowance_of(settings: PluginSettings, services: Services) -> Allowance:
    """Return the one allowance of the plugin that has these settings, for as long as it has them."""
    key = id(settings)
    if (found := _allowances.get(key)) is None:
        found = _allowances[key] = Allowance(settings, services)
        weakref.finalize(settings, _allowances.pop, key, None).atexit = False
    return found


_allowances: dict[int, Allowance] = {}

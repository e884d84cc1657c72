"""The upstreams that plugins can call by name or id: those of the configurations that are in use, newest first."""

from __future__ import annotations

from typing import Protocol

from host.upstream.upstream import Upstream


class NamedUpstreams(Protocol):
    """The upstreams of one configuration: the same for as long as they are in a directory."""

    def __contains__(self, name: object) -> bool:
        """Whether one has this id or name. From any thread."""

    def named(self, name: str) -> Upstream | None:
        """Return the one with this id, else the one with this name."""


class Directory:
    """While a configuration is made real, its plugins start and those of the last one serve: both find theirs."""

    def __init__(self) -> None:
        self._sets: list[NamedUpstreams] = []
        self._found: dict[str, Upstream] = {}  # those that were asked for since the sets last changed

    def add(self, upstreams: NamedUpstreams) -> None:
        """Look here first from now on."""
        self._sets = [upstreams, *self._sets]
        self._found = {}

    def remove(self, upstreams: NamedUpstreams) -> None:
        """Look here no more. Idempotent."""
        self._sets = [each for each in self._sets if each is not upstreams]
        self._found = {}

    def __contains__(self, name: object) -> bool:
        return name in self._found or any(name in each for each in self._sets)

    def find(self, name: str) -> Upstream | None:
        """Return the upstream of this id or name; None without one."""
        found = self._found.get(name)
        return found if found is not None else self._look_for(name)

    def _look_for(self, name: str) -> Upstream | None:
        for each in self._sets:
            found = each.named(name)
            if found is not None:
                self._found[name] = found
                return found
        return None

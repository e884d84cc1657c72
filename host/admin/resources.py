"""What is to be served: the files' resources, and over them those of the Admin API.

Everything that would change it is a proposal first: a configuration that may turn out to be refused. Proposals are made
one after the other, each settled before the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.admin.store import StoreFile, Told
from host.config import AdminKey, Config
from host.config.files import Documents, admin_of, make
from host.config.overlay import entries, laid_over


@dataclasses.dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration with what is behind it. `keys` are those that it names for the Admin API; its own has none."""

    config: Config
    keys: tuple[AdminKey, ...]
    base: Documents
    told: Told
    merged: Documents


class Resources:
    """What `read` returns of the files, and what was told; `adapt` makes of it what this process serves."""

    def __init__(
        self,
        read: Callable[[], Documents],
        base: Documents,
        store: Path | None,
        adapt: Callable[[Config], Config] = lambda each: each,
    ) -> None:
        """`base`: the files as they were read. `store`: outlives a restart. Raises ConfigError for a bad store."""
        self._read, self._adapt = read, adapt
        self._file = StoreFile(store) if store is not None else None
        self._base = self._merged = base
        self.told = self._file.load() if self._file is not None else Told()

    def first(self) -> Proposal:
        """Return what is to be served at the start. Raises ConfigError."""
        return self._proposal(self._base, self.told)

    def reread(self) -> Proposal:
        """Return it with the files as they are now. Raises ConfigError."""
        return self._proposal(self._read(), self.told)

    def changed(self, kind: str, own_id: str, value: dict[str, Any] | None) -> Proposal:
        """Return it with another value of one resource, or without it.

        Raises ConfigError, StoreError, and ValueError for a value that is nested too deep.
        """
        keep = value is not None or own_id in entries(laid_over(self._base, {}), kind)
        told = self.told.with_entry(kind, own_id, value, keep=keep)
        proposal = self._proposal(self._base, told)
        if self._file is not None:
            self._file.draft(told)
        return proposal

    def settle(self, proposal: Proposal) -> None:
        """It is served: this holds from now on. Raises StoreError when it does not outlive a restart."""
        is_told = proposal.told is not self.told
        self._base, self.told, self._merged = proposal.base, proposal.told, proposal.merged
        if is_told and self._file is not None:
            self._file.publish()

    def listed(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the resources of a kind by their ids, in the order of declaration."""
        return entries(self._merged, kind)

    def _proposal(self, base: Documents, told: Told) -> Proposal:
        merged = laid_over(base, told.layers())
        config = make(merged)
        keys = config.admin.keys if config.admin is not None else ()
        if config.admin is not None:
            config = dataclasses.replace(config, admin=dataclasses.replace(config.admin, keys=()))
        return Proposal(self._adapt(config), keys, base, told, merged)


def begin(
    read: Callable[[], Documents], adapt: Callable[[Config], Config] = lambda each: each
) -> tuple[Config, Resources | None, Proposal | None]:
    """Return what is to be served at the start; where the Admin API is served, also what it changes, and its proposal.

    `read`, `adapt`: as `Resources` has them. Raises ConfigError.
    """
    documents = read()
    settings = admin_of(documents)
    if settings is None:
        return adapt(make(documents)), None, None
    resources = Resources(read, documents, settings.store, adapt)
    first = resources.first()
    return first.config, resources, first

"""From a plugin's entry to its module: the code is got from where the entry says, checked, compiled and linked.

A download waits on a thread of its own, so that it keeps no VM of another plugin waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from abi.limits import MODULE_MAX_BYTES
from host.code import CodeError, Fetcher, verify
from host.config import WasmPlugin
from host.errors import PluginLoadError
from host.services import LoopServices
from host.wasm.cache import ModuleCache
from host.wasm.module import Module, ModuleError, read_file

logger = logging.getLogger("sluiceway.code")


class NotFetched(PluginLoadError):
    """Code that could not be had now; another time it may be."""


class ModuleLoader:
    """Makes modules of what plugins' entries say. Downloaded code is kept beside compiled modules."""

    def __init__(self, services: LoopServices, cache: ModuleCache) -> None:
        self._services = services
        self._cache = cache
        self._fetcher = Fetcher(cache.folder.parent / "code", MODULE_MAX_BYTES)

    async def load_all(
        self, entries: Sequence[tuple[WasmPlugin, Module | None]]
    ) -> list[Module | PluginLoadError]:
        """Return the module of each entry, or why there is none; `None` or the module that it had before is given."""
        return await asyncio.gather(*(self._load(entry, known) for entry, known in entries))

    async def _load(self, entry: WasmPlugin, known: Module | None) -> Module | PluginLoadError:
        place = entry.file or (entry.remote.url if entry.remote is not None else "inline_bytes")
        try:
            code = await self._code(entry)
            return await self._services.run(lambda: self._module(entry, code, known))
        except ModuleError as error:
            reason = f"{place}: {error}"
            return PluginLoadError(entry.name, f"{reason}; {entry.hint}" if entry.hint else reason)
        except CodeError as error:
            kind = PluginLoadError if error.is_final else NotFetched
            return kind(entry.name, str(error))

    async def _code(self, entry: WasmPlugin) -> bytes | None:
        """Fetch what has to be fetched; a file is read where it is compiled."""
        if entry.remote is None:
            return None
        logger.info("fetching %s", entry.remote.url, extra={"fields": {"plugin": entry.name}})
        return await asyncio.to_thread(self._fetcher.fetch, entry.remote)

    def _module(self, entry: WasmPlugin, code: bytes | None, known: Module | None) -> Module:
        if entry.is_pinned and known is not None:
            return known
        if code is None:
            code = read_file(entry.file) if entry.file is not None else entry.inline
        if entry.verification_key:
            verify(code, entry.verification_key)
        return Module.of(
            code,
            self._cache,
            known,
            metered=entry.callback_fuel > 0,
            for_snapshots=entry.snapshot,
        )

"""APISIX plugin runners as a kind of external plugin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from host.chain import PhaseClass
from host.config import Config, ExternalPlugin, PluginUse
from host.config.runner_values import DEFAULT_RUNNER, Runner, RunnerPlugin
from host.external.apisix.client import RunnerClient
from host.external.apisix.filter import RunnerFilter, RunnerRequestFilter, RunnerResponseFilter
from host.external.apisix.tokens import Configuration
from host.external.kind import Failure, Part, Services

_PHASES: Final = MappingProxyType(
    {
        "ext-plugin-pre-req": PhaseClass.REWRITE,
        "ext-plugin-post-req": PhaseClass.ACCESS,
        "ext-plugin-post-resp": PhaseClass.BEFORE_PROXY,
    }
)


class RunnerKind:
    """Keeps one client for each runner that a configuration names, over reloads as long as nothing about it changes."""

    def __init__(self, services: Services) -> None:
        """The worker counts what runners do."""
        self._metrics = services.metrics
        self._clients: dict[tuple[Runner, str], RunnerClient] = {}

    async def load(self, config: Config) -> LoadedRunners:
        """Have a client for each runner. Whether one is there is seen by the requests that need it: it may come later,
        in any order."""
        sockets = {process.name: process.socket or "" for process in config.processes}
        runners = {
            runner.name: runner
            for plugin in config.plugins
            if isinstance(plugin, RunnerPlugin)
            for runner in plugin.runners
        }
        clients = {}
        for name, runner in runners.items():
            path = str(runner.path) if runner.path is not None else sockets.get(runner.process, "")
            found = self._clients.get((runner, path))
            if found is None:
                found = self._clients[runner, path] = RunnerClient(runner, path, metrics=self._metrics)
            found.hold()
            clients[name] = found
        self._clients = {key: client for key, client in self._clients.items() if not client.is_unused}
        return LoadedRunners(clients)

    async def close(self) -> None:
        """End all calls."""
        for client in self._clients.values():
            client.close()


class LoadedRunners:
    """The runners of one configuration."""

    failures: Sequence[Failure] = ()

    def __init__(self, clients: dict[str, RunnerClient]) -> None:
        self._clients = clients
        self._parts: dict[tuple[str, PluginUse], list[Part]] = {}

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return the filter of a use."""
        key = plugin.name, use
        if key not in self._parts:
            is_response = plugin.name == "ext-plugin-post-resp"
            filter_ = self._filter(
                RunnerResponseFilter if is_response else RunnerRequestFilter, plugin.name, use
            )
            self._parts[key] = [Part(filter_, _PHASES[plugin.name], response_first=is_response)]
        return self._parts[key]

    def _filter(self, kind: type[RunnerFilter], name: str, use: PluginUse) -> RunnerFilter:
        values: dict[str, Any] = json.loads(use.configuration or b"{}")
        conf = tuple((each["name"].encode(), each["value"].encode()) for each in values.get("conf", ()))
        return kind(
            name,
            self._clients[values.get("runner") or DEFAULT_RUNNER],
            Configuration(_key(name, use, conf), conf),
            allows_degradation=bool(values.get("allow_degradation")),
        )

    def retire(self) -> None:
        """Let the clients go."""
        for client in self._clients.values():
            client.let_go()


def _key(name: str, use: PluginUse, conf: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a key that changes with what is in it: to one that it knows the runner gives the old token, whatever the
    configuration."""
    digest = hashlib.sha256(json.dumps([[text.decode() for text in pair] for pair in conf]).encode())
    return f"{use.scope}#{name}#{digest.hexdigest()}".encode()

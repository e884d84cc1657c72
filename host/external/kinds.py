"""The kinds of external plugin that there are, each made when a configuration first has a plugin of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from host.config import Config, ExternalPlugin, PluginUse
from host.config.kong_values import KongPlugin
from host.config.runner_values import RunnerPlugin
from host.config.tyk_values import TykApi, TykGrpcHook, TykInstrument, TykPythonHook
from host.external.kind import Failure, Kind, Loaded, Part, Services

Makers = Mapping[type[ExternalPlugin], Callable[[Services], Kind]]


def _kong(services: Services) -> Kind:
    from host.external.kong.kind import KongKind

    return KongKind(services)


def _runners(services: Services) -> Kind:
    from host.external.apisix.kind import RunnerKind

    return RunnerKind(services)


def _tyk_api(_: Services) -> Kind:
    from host.external.tyk.api import ApiKind

    return ApiKind()


def _tyk_grpc_hook(_: Services) -> Kind:
    from host.external.tyk.grpc import GrpcHookKind

    return GrpcHookKind()


def _tyk_python_hook(services: Services) -> Kind:
    from host.external.tyk.python import PythonHookKind

    return PythonHookKind(services)


def _tyk_instrument(services: Services) -> Kind:
    from host.external.tyk.instrument import InstrumentKind

    return InstrumentKind(services)


KINDS: Makers = MappingProxyType(
    {
        KongPlugin: _kong,
        RunnerPlugin: _runners,
        TykApi: _tyk_api,
        TykGrpcHook: _tyk_grpc_hook,
        TykInstrument: _tyk_instrument,
        TykPythonHook: _tyk_python_hook,
    }
)
"""By the type of the plugins' entries."""


class LoadedKinds:
    """The external plugins of one configuration."""

    def __init__(self, loaded: Mapping[type[ExternalPlugin], Loaded]) -> None:
        self._loaded = loaded

    @property
    def failures(self) -> list[Failure]:
        """What does not work of any kind."""
        return [failure for loaded in self._loaded.values() for failure in loaded.failures]

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return the filters of a use."""
        return self._loaded[type(plugin)].parts(plugin, use)

    def retire(self) -> None:
        """See `Loaded.retire`."""
        for loaded in self._loaded.values():
            loaded.retire()


class ExternalKinds:
    """The kinds in use in one worker."""

    def __init__(self, services: Services, makers: Makers = KINDS) -> None:
        self._services = services
        self._makers = makers
        self._kinds: dict[type[ExternalPlugin], Kind] = {}

    async def load(self, config: Config) -> LoadedKinds:
        """Load a configuration's plugins, kind by kind."""
        types = dict.fromkeys(type(each) for each in config.plugins if isinstance(each, ExternalPlugin))
        loaded = {}
        for each in types:
            if each not in self._kinds:
                self._kinds[each] = self._makers[each](self._services)
            loaded[each] = await self._kinds[each].load(config)
        return LoadedKinds(loaded)

    async def close(self) -> None:
        """The worker ends."""
        kinds, self._kinds = self._kinds, {}
        for kind in kinds.values():
            await kind.close()

"""Hooks in Python files: filters' classes, and functions as Tyk has them (`@Hook`), which are given objects.

Functions are called on the event loop, as filters in Python are, and must not wait. What Tyk's interpreter has for them
to import (`tyk.decorators`, `gateway`) is there while their file is loaded, where nobody else has it.
"""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from host.config import Config, ExternalPlugin, PluginUse
from host.config.model import all_uses
from host.config.tyk_values import TykPythonHook
from host.external.kind import Failure, Part, Services
from host.external.tyk.functions import load_function
from host.external.tyk.hook import HookCall, HookError, hook_filter
from host.external.tyk.messages import REQUEST, RESPONSE, RETURN_OVERRIDES, SESSION
from host.filters.python import PythonFilter

logger = logging.getLogger("sluiceway.tyk")

_OTHER_NAMES: Final = {"metadata": "meta_data", "hmac_secret": "hmac_string"}
"""What Python's objects call the values of a session that its JSON has other names for."""


class Object:
    """A message whose values are attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        object.__setattr__(self, "values", values)

    def __getattr__(self, name: str) -> Any:
        values = object.__getattribute__(self, "values")
        name = name if name in values else _OTHER_NAMES.get(name, name)
        if name not in values:
            raise AttributeError(name)
        value = values[name]
        return Object(value) if name == "return_overrides" else value

    def __setattr__(self, name: str, value: Any) -> None:
        self.values[name if name in self.values else _OTHER_NAMES.get(name, name)] = value


class Request(Object):
    """A request as hooks have it; `object` is itself."""

    @property
    def object(self) -> Request:
        """The message: in Tyk it lies in the request."""
        return self

    def get_header(self, name: str) -> str | None:
        """Return a field's value, whatever the case of its name."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

    def add_header(self, name: str, value: str) -> None:
        """Set a field."""
        self.set_headers[name] = value

    def delete_header(self, name: str) -> None:
        """Remove a field."""
        self.delete_headers.append(name)

    def add_param(self, name: str, value: str) -> None:
        """Set a parameter of the query."""
        self.add_params[name] = value

    def delete_param(self, name: str) -> None:
        """Remove a parameter of the query."""
        self.delete_params.append(name)


class PythonCall(HookCall):
    """A hook that is a function."""

    def __init__(self, plugin: TykPythonHook, function: Callable[..., Any]) -> None:
        super().__init__(plugin)
        self._function = function
        self._count = len(inspect.signature(function).parameters)

    async def carry_out(self, known: dict[str, Any]) -> dict[str, Any]:
        """Call the function. Raises HookError, whatever it raises."""
        request = Request({**REQUEST.read(b""), **known["request"]})
        overrides = {**RETURN_OVERRIDES.read(b""), **request.values["return_overrides"]}
        request.values["return_overrides"] = overrides
        session = Object({**SESSION.read(b""), **known.get("session", {})})
        metadata: dict[str, str] = dict(known.get("metadata", {}))
        response = Object({**RESPONSE.read(b""), **known.get("response", {})})
        arguments: list[Any] = [request, session, metadata, known["spec"]]
        if "response" in known:
            arguments.insert(1, response)
        elif self._count == 3:
            del arguments[2]
        try:
            self._function(*arguments)
        except Exception as error:
            logger.exception("hook %s failed", self.plugin.hook_name)
            raise HookError(repr(error)) from error
        # Bodies of text are told twice; the one that was changed counts.
        for side, message in (("request", request), ("response", response)):
            if side in known and message.values["body"] != known[side]["body"]:
                message.values["raw_body"] = message.values["body"].encode()
        return {
            "request": request.values,
            "session": session.values,
            "metadata": metadata,
            "response": response.values,
        }


class LoadedPythonHooks:
    """Those of one configuration."""

    def __init__(self, config: Config) -> None:
        """Import their files, which may take a while."""
        self.failures: list[Failure] = []
        self.made: dict[PluginUse, tuple[object, PythonFilter]] = {}
        self._config = config
        self._entries = {each.name: each for each in config.plugins if isinstance(each, TykPythonHook)}
        self._found: dict[str, Callable[..., Any]] = {}
        with _modules_of_tyk():
            for plugin in self._entries.values():
                try:
                    self._found[plugin.name] = load_function(plugin.function)
                except ImportError as error:
                    self.failures.append(Failure(plugin, f"plugin {plugin.name}: {error}"))

    def make(self, earlier: dict[PluginUse, tuple[object, PythonFilter]]) -> None:
        """Make the filters, but for those that go on."""
        found = self._found
        for use in all_uses(self._config):
            if use.name not in found or use in self.made:
                continue
            known = earlier.get(use)
            if known is not None and known[0] is found[use.name]:
                self.made[use] = known
                continue
            try:
                self.made[use] = (found[use.name], _filter(self._entries[use.name], found[use.name], use))
            except Exception as error:
                reason = str(error) if isinstance(error, ValueError) else repr(error)
                self.failures.append(Failure(use, f"plugin {use.name}: it cannot be made: {reason}"))

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return the use's filter."""
        return (Part(self.made[use][1]),)

    def retire(self) -> None:
        """Filters that are used on stay with the kind."""


def _filter(plugin: TykPythonHook, found: Callable[..., Any], use: PluginUse) -> PythonFilter:
    if isinstance(found, type):
        if not issubclass(found, PythonFilter):
            raise ValueError(f"{plugin.function.name} is no subclass of host.PythonFilter, and no function")
        return found(use.configuration)
    return hook_filter(PythonCall(plugin, found))


class PythonHookKind:
    """The kind of `TykPythonHook`. Filters go on over reloads, where their code and their use are the same."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._made: dict[PluginUse, tuple[object, PythonFilter]] = {}

    async def load(self, config: Config) -> LoadedPythonHooks:
        """Import the files of a configuration."""
        loaded = await self._services.run(lambda: LoadedPythonHooks(config))
        loaded.make(self._made)
        self._made = {**loaded.made}
        return loaded

    async def close(self) -> None:
        """Nothing is held."""


class _Gateway:
    """What hooks log with."""

    @staticmethod
    def log(message: str, level: str = "info") -> None:
        """Write a line."""
        logger.log(logging.getLevelNamesMapping().get(level.upper(), logging.INFO), "%s", message)

    @staticmethod
    def log_error(message: str) -> None:
        """Write one of level error."""
        logger.error("%s", message)


def _hook(function: Callable[..., Any]) -> Callable[..., Any]:
    """The decorator: the function is what it is."""
    return function


@contextmanager
def _modules_of_tyk() -> Iterator[None]:
    tyk, decorators, gateway = ModuleType("tyk"), ModuleType("tyk.decorators"), ModuleType("gateway")
    for name in ("Hook", "Pre", "Post", "PostKeyAuth", "CustomKeyCheck"):
        setattr(decorators, name, _hook)
    tyk.__dict__.update(decorators=decorators, __path__=[])
    gateway.__dict__.update(TykGateway=_Gateway, json=json)
    own = {
        name: module
        for name, module in (("tyk", tyk), ("tyk.decorators", decorators), ("gateway", gateway))
        if name not in sys.modules
    }
    sys.modules.update(own)
    try:
        yield
    finally:
        for name in own:
            sys.modules.pop(name, None)

"""What an API of Tyk's does around its hooks: who has no session goes no further, and paths become the target's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from host.chain import PhaseClass
from host.config import Config, ExternalPlugin, PluginUse
from host.config.tyk_values import TykApi
from host.external.kind import Failure, Part
from host.external.session import session_of
from host.external.tyk.answers import refuse
from host.external.tyk.functions import load_function
from host.filters.python import FilterContext, PythonFilter
from host.log.analytics import EDITORS

_HIGHEST: Final = 2**31 - 1
_LOWEST: Final = -(2**31)

Editor = Callable[[dict[str, Any]], None]


class SessionGate(PythonFilter):
    """Stands behind authentication: a request without a session that is good ends here (Tyk's KeyExpired)."""

    def __init__(self, auth_header: str) -> None:
        """`auth_header`: taken away from those that pass, "" for none."""
        super().__init__()
        self._auth_header = auth_header.encode()

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Look at the session."""
        session = session_of(context)
        if session is None:
            refuse(context, 400, _NO_SESSION, "tyk_no_session")
        elif session.get("is_inactive"):
            refuse(context, 403, "Key is inactive, please renew", "tyk_key_inactive")
        elif 0 < _whole(session.get("expires")) < time.time():
            refuse(context, 401, "Key has expired, please renew", "tyk_key_expired")
        elif self._auth_header:
            context.request_headers.remove(self._auth_header)

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Tell the client of its quota, in answers of the upstream."""
        if context.is_local_response or (session := session_of(context)) is None:
            return
        for field, key in _QUOTA:
            context.response_headers.set(field, b"%d" % _whole(session.get(key)))


_NO_SESSION: Final = (
    "Session state is missing or unset! Please make sure that auth headers are properly applied"
)
_QUOTA: Final = (
    (b"X-Ratelimit-Limit", "quota_max"),
    (b"X-Ratelimit-Remaining", "quota_remaining"),
    (b"X-Ratelimit-Reset", "quota_renews"),
)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


_DOTS: Final = re.compile(rb"(?:/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:/|\\|%2f|%5c|$)", re.IGNORECASE)
"""Segments `.` and `..` of a path, percent-encoded or not."""


class PathRewrite(PythonFilter):
    """Makes the path the target's, when all hooks have seen it as the client sent it."""

    def __init__(self, listen_path: str, target_path: str, *, strips: bool) -> None:
        super().__init__()
        self._prefix = listen_path.encode() if strips else b""
        self._target = target_path.encode()

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Rewrite it."""
        path = context.request_headers.get(b":path") or b"/"
        if not path.startswith(b"/"):  # `*`, and whatever a plugin has made of it
            return
        if _DOTS.search(path.partition(b"?")[0]):
            # Routing has resolved them; the upstream would resolve them anew, from another place on.
            refuse(context, 400, "Bad Request", "tyk_dot_segments")
            return
        left = path.removeprefix(self._prefix)
        if not left.startswith(b"/"):
            left = b"/" + left
        context.request_headers.set(b":path", self._target + left)


class RecordEditors(PythonFilter):
    """Leaves the API's editors of the analytics record for whoever writes it, from the request's first moment on."""

    def __init__(self, editors: Sequence[Editor]) -> None:
        super().__init__()
        self._editors = tuple(editors)

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Leave them."""
        context.shared[EDITORS] = self._editors


class LoadedApis:
    """The APIs of one configuration."""

    def __init__(self, config: Config) -> None:
        self.failures: list[Failure] = []
        self._editors: dict[str, list[Editor]] = {}
        self._made: dict[PluginUse, Sequence[Part]] = {}
        for plugin in config.plugins:
            if isinstance(plugin, TykApi):
                self._load(plugin)

    def _load(self, plugin: TykApi) -> None:
        try:
            self._editors[plugin.name] = [load_function(each) for each in plugin.traffic_logs]
        except ImportError as error:
            self.failures.append(Failure(plugin, f"traffic_logs: {error}"))

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return what the API needs of them."""
        assert isinstance(plugin, TykApi)
        if use not in self._made:
            self._made[use] = self._parts(plugin)
        return self._made[use]

    def _parts(self, plugin: TykApi) -> list[Part]:
        made = []
        if editors := self._editors[plugin.name]:
            made.append(Part(RecordEditors(editors), PhaseClass.REWRITE, _HIGHEST))
        if plugin.is_protected:
            made.append(Part(SessionGate(plugin.auth_header), PhaseClass.AUTHZ, _HIGHEST))
        if plugin.strips or plugin.target_path:
            rewrite = PathRewrite(plugin.listen_path, plugin.target_path, strips=plugin.strips)
            made.append(Part(rewrite, PhaseClass.BEFORE_PROXY, _LOWEST))
        return made

    def retire(self) -> None:
        """Nothing has to be given back."""


class ApiKind:
    """The kind of `TykApi`."""

    async def load(self, config: Config) -> LoadedApis:
        """Return the APIs of a configuration."""
        return LoadedApis(config)

    async def close(self) -> None:
        """Nothing is held."""

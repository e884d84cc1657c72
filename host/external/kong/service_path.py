"""The path that a service is asked for: without what the route has matched (`strip_path`), behind the service's own."""

from __future__ import annotations

import json

from host.external.kong.pdk.request import normalized
from host.external.kong.pdk.state import State
from host.filters.python import FilterContext, PythonFilter


class ServicePath(PythonFilter):
    """Configured with JSON: `strip`, prefixes of which the first that fits is taken off, and `path`."""

    def __init__(self, configuration: bytes = b"") -> None:
        super().__init__(configuration)
        given = json.loads(configuration)
        self._strip: list[str] = given.get("strip", [])
        self._path: str = given.get("path", "")

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Change the path; plugins are still told what the client asked for."""
        headers = context.request_headers
        own, question, query = (headers.get(b":path") or b"").partition(b"?")
        prefix, rest = self._split(own.decode("latin-1"))
        state = State.of(context)
        if state.path is None:
            state.path = own
        state.prefix = prefix or None
        asked = self._path + ("" if rest.startswith("/") or (not rest and self._path) else "/") + rest
        headers.set(b":path", asked.encode("latin-1") + question + query)

    def _split(self, path: str) -> tuple[str, str]:
        """The prefix of the route and what follows it. The router compares paths as they are when normalized."""
        for spelled in (path, normalized(path)):
            for prefix in self._strip:
                if spelled.startswith(prefix):
                    return prefix, spelled[len(prefix) :]
        return "", path

"""The guest custom_response_header as a filter in Python: the same configuration, the same work."""

from __future__ import annotations

import json

from host.filters.python import FilterContext, PythonFilter


class CustomResponseHeader(PythonFilter):
    """Replaces response headers by `{"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}`."""

    def __init__(self, configuration: bytes = b"") -> None:
        super().__init__(configuration)
        items = json.loads(configuration)["headers"]
        self.headers = [(item["name"].lower().encode(), item["value"].encode()) for item in items]

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Set the fields."""
        headers = context.response_headers
        for name, value in self.headers:
            headers.set(name, value)

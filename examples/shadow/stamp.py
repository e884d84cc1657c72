"""A filter that sets fields of responses: what docs/shadow.md moves to a wasm plugin."""

import json

from host import FilterContext, PythonFilter


class Stamp(PythonFilter):
    """Sets the fields of its configuration, a mapping in JSON."""

    def __init__(self, configuration: bytes) -> None:
        super().__init__(configuration)
        self.fields = {name.encode(): value.encode() for name, value in json.loads(configuration).items()}

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        for name, value in self.fields.items():
            context.response_headers.set(name, value)

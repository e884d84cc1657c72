"""A plugin for kong-pdk's server, which does as its configuration tells it."""

import threading

Schema = (
    {"message": {"type": "string"}},
    {"mode": {"type": "string", "one_of": ["", "raise", "raise_later", "hang", "exit", "body", "log"]}},
)
version = "0.1"
priority = 2


class Plugin:
    """One instance."""

    def __init__(self, config):
        self.config = config
        self.count = 0

    def access(self, kong):
        """The access phase."""
        mode = self.config.get("mode", "")
        if mode == "raise":
            raise RuntimeError("as told")
        if mode == "hang":
            threading.Event().wait()
        host, _ = kong.request.get_header("host")
        if mode == "raise_later":
            raise RuntimeError("as told")
        if mode == "exit":
            kong.response.exit(418, "tea", {"X-E": [1, 2]})
            return
        if mode == "body":
            body, _ = kong.request.get_raw_body()
            kong.service.request.set_raw_body(body.upper())
            return
        self.count += 1
        kong.response.set_header("x-hello-from-python", f"Python says {self.config['message']} to {host}")
        kong.service.request.add_header("x-order", "python")
        shared, _ = kong.ctx.shared.get("hello")
        kong.response.set_header("x-shared-with-python", shared or "nothing")

"""A plugin for Kong's server for Python: it sets one response header by its configuration."""

Schema = ({"name": {"type": "string"}}, {"value": {"type": "string"}})
version = "0.1"
priority = 1


class Plugin:
    """One instance."""

    def __init__(self, config):
        self.config = config

    def access(self, kong):
        """The access phase."""
        kong.response.set_header(self.config["name"], self.config["value"])

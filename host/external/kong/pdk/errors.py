"""What a plugin is told when a method of the PDK cannot do what it asks for."""


class PdkError(Exception):
    """Its text goes to the plugin."""

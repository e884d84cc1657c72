"""What can go wrong between the gateway and a plugin server."""

from __future__ import annotations

from typing import ClassVar

from host.errors import HostError
from host.external.generation import Generation


class PluginServerError(HostError):
    """An event that did not come to its end. `status_hint`: what the request is answered with."""

    status_hint: ClassVar[int | None] = 500


class Unreachable(PluginServerError):
    """Nobody listens on the server's socket, or not soon enough."""

    status_hint: ClassVar[int | None] = 503


class Disconnected(PluginServerError):
    """The server has closed the connection within a call.

    `has_begun`: the plugin had called back before. `generation`: the run of the server that it was, once that is known.
    """

    def __init__(self, message: str, *, has_begun: bool) -> None:
        super().__init__(message)
        self.has_begun = has_begun
        self.generation: Generation | None = None


class InstanceLost(PluginServerError):
    """The server does not know the instance, or not any more; nothing has happened."""


class BadReply(PluginServerError):
    """The server sent what is no message, or none that fits here. Its connection cannot be used any more."""


class Refused(PluginServerError):
    """The server answered with an error; its text is the message."""


class Expired(PluginServerError):
    """The server did not get to the end in time. `has_begun`: as for `Disconnected`."""

    def __init__(self, message: str, *, has_begun: bool) -> None:
        super().__init__(message)
        self.has_begun = has_begun

"""What the host raises. Each error says who is at fault and, where a request waits for an answer, which status fits.

Faults of a guest are `Status` values and those of a peer are 4xx or 5xx answers: neither is raised past its own room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar


class HostError(Exception):
    """Base of all errors that Sluiceway raises on purpose.

    `status_hint`: the status (RFC 9110 section 15) to answer when a request meets the error, or None.
    """

    status_hint: ClassVar[int | None] = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration.

    `file`: as the user named it, or "" where there is none (a value made in code, the command line).
    `line`: from 1, or None where no line can be told. `path`: as `routes[0].upstream.nodes`, "" for the whole file.
    `location`: the keys and indexes of the path, for who does something about it; () where they are not known.
    """

    file: str
    line: int | None
    path: str
    message: str
    location: tuple[str | int, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(HostError):
    """A configuration that cannot be used, with all its problems, in the order of file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line or 0)))
        super().__init__("\n".join(map(str, self.problems)))


class ListenError(HostError):
    """An address that cannot be listened on."""


class PluginError(HostError):
    """A plugin that cannot do its work.

    `plugin`: its name in the configuration. `callback`: the export that was running (`proxy_on_request_headers`),
    or "" where none was. `reason`: a sentence without the plugin's name.
    """

    status_hint: ClassVar[int | None] = 503

    def __init__(self, plugin: str, reason: str, callback: str = "") -> None:
        self.plugin = plugin
        self.callback = callback
        self.reason = reason
        super().__init__(f"plugin {plugin}: {callback + ': ' if callback else ''}{reason}")

    def __reduce__(self) -> tuple[type[PluginError], tuple[str, str, str]]:
        # Exceptions are pickled with their `args`, which is the text alone.
        return type(self), (self.plugin, self.reason, self.callback)


class PluginLoadError(PluginError):
    """The file is no module that this host can run: unreadable, invalid, of an unknown ABI, with unknown imports."""


class PluginStartError(PluginError):
    """The module did not come up: it trapped on start, or proxy_on_vm_start or proxy_on_configure returned false."""


class PluginTrap(PluginError):
    """A callback trapped; its VM is dead (WebAssembly core specification, section 4.2.1: a trap aborts all)."""


class PluginDeadlineExceeded(PluginTrap):
    """A callback ran longer than `callback_timeout` and was interrupted."""


class PeerUnavailable(HostError):
    """A process beside the gateway, which plugins run in, cannot be connected to."""

    status_hint: ClassVar[int | None] = 503


class ConnectionLost(HostError):
    """A process beside the gateway has closed a connection. `received`: bytes of the answer that had come."""

    status_hint: ClassVar[int | None] = 503

    def __init__(self, reason: str, received: int = 0) -> None:
        self.received = received
        super().__init__(reason)

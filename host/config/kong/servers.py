"""Plugin servers from the section `kong`: where they listen, how they are started, what they are asked with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.config.kong_values import KongConsumer, KongPlugin, KongServer, KongSettings
from host.config.plugin_values import Place
from host.config.process_values import ProcessSpec
from host.config.resolve_plugins import PlaceOf
from host.config.schema.kong import Kong

BINARIES: Final = Path("/usr/local/bin")
"""Where Kong looks for the commands of a server that has none in the configuration."""

_RESTART_PAUSE: Final = 1.0  # seconds, as Kong


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What commands start from: a folder, variables to inherit by name, and such with values."""

    folder: Path
    inherit: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Server:
    """A server with the command that starts it, "" for one that somebody else starts."""

    value: KongServer
    start_command: str


def servers_of(kong: Kong, around: Surroundings, place_of: PlaceOf) -> list[Server]:
    """Return the servers: that of Kong 2.x for files of Go, and the named ones."""
    servers = []
    prefix = around.folder / kong.prefix
    if kong.go_plugins_dir != "off":
        program = shlex.quote(str(around.folder / kong.go_pluginserver_exe))
        plugins = f"-plugins-directory {shlex.quote(str(around.folder / kong.go_plugins_dir))}"
        servers.append(
            _server(
                "go_pluginserver",
                prefix / "go_pluginserver.sock",
                f"{program} -kong-prefix {shlex.quote(str(prefix))} {plugins}",
                f"{program} {plugins} -dump-all-plugins",
                around,
                place_of(("kong", "go_plugins_dir")),
            )
        )
    extra = kong.__pydantic_extra__ or {}
    for name in dict.fromkeys(kong.pluginserver_names):
        key = f"pluginserver_{name.replace('-', '_')}"
        socket = extra.get(f"{key}_socket")
        servers.append(
            _server(
                name,
                around.folder / socket if socket else prefix / f"{name}.socket",
                extra.get(f"{key}_start_cmd") or _existing(name),
                extra.get(f"{key}_query_cmd") or _existing(f"query_{name}") or _existing(name, " -dump"),
                around,
                place_of(
                    ("kong", f"{key}_query_cmd" if f"{key}_query_cmd" in extra else "pluginserver_names")
                ),
            )
        )
    return servers


def _server(name: str, socket: Path, start: str, query: str, around: Surroundings, place: Place) -> Server:
    value = KongServer(
        name=name,
        socket=socket,
        query_command=query,
        is_managed=bool(start),
        folder=around.folder,
        environment=around.environment,
        inherit=around.inherit,
        place=place,
    )
    return Server(value, start)


def _existing(name: str, arguments: str = "") -> str:
    program = BINARIES / name
    return shlex.quote(str(program)) + arguments if os.access(program, os.X_OK) else ""


def processes_of(kong: Kong, servers: Iterable[Server]) -> Iterator[ProcessSpec]:
    """Yield the processes to keep running. Kong starts its servers by a shell, which the server takes the place of."""
    for server in servers:
        value = server.value
        if not value.is_managed:
            continue
        folder = shlex.quote(str(value.socket.parent))
        yield ProcessSpec(
            name=f"kong.{value.name}",
            command=("/bin/sh", "-c", f"mkdir -p {folder} && exec {server.start_command}"),
            environment=value.environment,
            inherit=value.inherit,
            folder=value.folder,
            socket=str(value.socket),
            start_timeout=kong.start_timeout,
            restart_pause=_RESTART_PAUSE,
            restart_on_reload=kong.restart_on_reload,
        )


def plugins_of(
    kong: Kong,
    servers: Iterable[Server],
    node_id: str,
    consumers: tuple[KongConsumer, ...],
    place_of: PlaceOf,
) -> tuple[KongPlugin, ...]:
    """Return the plugins that routes can enable."""
    settings = KongSettings(
        servers=tuple(server.value for server in servers),
        event_timeout=kong.event_timeout,
        max_wedged=kong.max_wedged,
        start_timeout=kong.start_timeout,
        query_timeout=kong.query_timeout,
        connections=kong.connections,
        max_body_size=kong.max_body_size,
        trusted_ips=tuple(kong.trusted_ips),
        real_ip_header=kong.real_ip_header,
        real_ip_recursive=kong.real_ip_recursive,
        node_id=node_id,
        consumers=consumers,
    )
    place = place_of(("kong", "plugins"))
    return tuple(
        KongPlugin(name=name, settings=settings, place=place) for name in kong.plugins if name != "bundled"
    )

"""Validated plugin runners as values: the plugins that ask them, and the processes that are kept for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from host.config import model
from host.config.document import escape
from host.config.process_values import SOCKET, ProcessSpec
from host.config.resolve_plugins import PlaceOf
from host.config.runner_values import DEFAULT_RUNNER, RUNNER_PLUGINS, Runner, RunnerPlugin
from host.config.schema import ext_plugin as schema

logger = logging.getLogger("sluiceway.config")


def runner_use(use: schema.RunnerUse) -> bytes:
    """Return a use's configuration, as `RunnerPlugin` has it."""
    for plugin in use.conf:
        _warn_of(plugin.name, plugin.value)
    values = use.model_dump(include={"conf", "allow_degradation", "runner"}, exclude_none=True)
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _warn_of(plugin: str, value: str) -> None:
    """Tell of what looks like JSON and is none: a runner only skips a plugin that cannot read its configuration."""
    if not value.lstrip().startswith(("{", "[")):
        return
    try:
        json.loads(value)
    except (ValueError, RecursionError) as error:
        text = "plugin %s of a runner: its value is no JSON (%s); runners skip a plugin that cannot read its value"
        logger.warning(text, escape(plugin, 60), error)


def _declared(section: schema.ExtPlugin) -> Iterator[tuple[str, schema.Runner]]:
    """Yield the runners that are anywhere to be found, and their names."""
    for name, runner in ((DEFAULT_RUNNER, section), *section.runners.items()):
        if runner.cmd or runner.path_for_test:
            yield name, runner


def runner_plugins(section: schema.ExtPlugin, folder: Path, place_of: PlaceOf) -> tuple[model.Plugin, ...]:
    """Return the plugins by which routes ask runners, if there are any; `folder` is what paths start from."""
    runners = tuple(_runner(name, runner, folder) for name, runner in _declared(section))
    return tuple(
        RunnerPlugin(name=name, priority=priority, runners=runners, place=place_of(("ext-plugin",)))
        for name, priority in RUNNER_PLUGINS.items()
        if runners
    )


def _runner(name: str, runner: schema.Runner, folder: Path) -> Runner:
    path = folder / runner.path_for_test if runner.path_for_test else None
    return Runner(
        name=name,
        path=path,
        process="" if path is not None else process_name(name),
        conf_expire_time=runner.conf_expire_time,
        start_timeout=runner.start_timeout,
        connect_timeout=runner.timeout.connect,
        send_timeout=runner.timeout.send,
        read_timeout=runner.timeout.read,
        max_connections=runner.max_connections,
        has_bare_arguments=runner.bare_arg == "none",
        keeps_duplicates=runner.keep_duplicate_headers,
        replaces_response_headers=runner.post_resp_headers == "replace",
    )


def process_name(runner: str) -> str:
    """Return the name of a runner's process."""
    return "runner" if runner == DEFAULT_RUNNER else f"runner-{runner}"


def runner_processes(
    section: schema.ExtPlugin,
    folder: Path,
    inherit: tuple[str, ...],
    given: tuple[tuple[str, str], ...],
) -> Iterator[ProcessSpec]:
    """Yield the processes to be kept; the last two are what they see of the environment."""
    for name, runner in _declared(section):
        if not runner.cmd:
            continue
        if runner.path_for_test:
            key = "ext-plugin" if name == DEFAULT_RUNNER else f"ext-plugin.runners.{name}"
            logger.warning("%s.cmd is not run: path_for_test stands beside it", key)
            continue
        process = process_name(name)
        yield ProcessSpec(
            name=process,
            command=tuple(runner.cmd),
            folder=folder,
            environment=(
                *given,
                ("APISIX_LISTEN_ADDRESS", f"unix:{SOCKET}"),
                ("APISIX_CONF_EXPIRE_TIME", f"{max(1, round(runner.conf_expire_time))}"),
            ),
            inherit=inherit,
            socket=f"{process}.sock",
            start_timeout=runner.start_timeout,
            stop_timeout=runner.stop_timeout,
            restart_pause=runner.restart_pause,
            restart_on_reload=runner.restart_on_reload,
        )

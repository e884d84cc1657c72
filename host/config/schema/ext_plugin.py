"""APISIX plugin runners: where they are, and the plugins by which routes ask them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from host.config.schema.base import Strict
from host.config.schema.scalars import Duration, Name, PositiveDuration, bad_value
from host.config.schema.use import UseMeta


def _command(value: object) -> object:
    if isinstance(value, str):
        raise bad_value('expected a list of the program and its arguments, such as ["./go-runner", "run"]')
    return value


def _socket(value: object) -> object:
    return value.removeprefix("unix:") if isinstance(value, str) else value


def _serialized(value: object) -> object:
    if isinstance(value, dict | list):
        raise bad_value("expected a text: the plugin's configuration as serialized JSON, in quotes")
    return value


class RunnerTimeout(Strict):
    connect: PositiveDuration = Field(
        default=1.0, description="To open a connection to a runner that listens."
    )
    send: PositiveDuration = Field(default=60.0, description="For the runner to take what is sent.")
    read: PositiveDuration = Field(default=60.0, description="For an answer, or a question in its place.")


class Runner(Strict):
    """A plugin runner: a process of ours, or one that somebody else has started."""

    cmd: Annotated[
        list[Annotated[str, Field(min_length=1)]] | None, Field(min_length=1), BeforeValidator(_command)
    ] = Field(
        default=None,
        description="Program and arguments of a runner that the gateway keeps running, in this file's folder.",
    )
    path_for_test: Annotated[str | None, Field(min_length=1), BeforeValidator(_socket)] = Field(
        default=None,
        description="Socket of a runner that somebody else has started, relative to this file's folder; `cmd` is then "
        "not run.",
    )
    conf_expire_time: PositiveDuration = Field(
        default=3600.0,
        description="How long a runner's token is used before it is sent the configuration again.",
    )
    timeout: RunnerTimeout = Field(
        default=RunnerTimeout(), description="Of the steps of an exchange with it."
    )
    start_timeout: Duration = Field(
        default=2.0, description="How long requests wait for a runner that is being started."
    )
    stop_timeout: Duration = Field(default=1.0, description="From SIGTERM to SIGKILL, when it is stopped.")
    restart_pause: Duration = Field(
        default=3.0, description="From its end to its next start; longer when it ends again and again."
    )
    restart_on_reload: bool = Field(
        default=True, description="Start it anew when the gateway is reloaded, as APISIX does."
    )
    max_connections: int = Field(
        default=512, ge=1, le=65535, description="Connections of a worker to it; requests beyond them wait."
    )
    bare_arg: Literal["none", "empty"] = Field(
        default="none",
        description="What `?a` is to plugins: an argument without a value, or, as the Python runner needs it, with "
        "an empty one.",
    )
    post_resp_headers: Literal["overlay", "replace"] = Field(
        default="overlay",
        description="Fields that `ext-plugin-post-resp` gets back change the upstream's, or, as in APISIX, take their "
        "place.",
    )
    keep_duplicate_headers: bool = Field(
        default=False,
        description="A field in a rewrite that the request has already changes nothing: the Python runner sends back "
        "one of several.",
    )


class ExtPlugin(Runner):
    """The runner of `ext-plugin-…` plugins, and others beside it."""

    runners: dict[Name, Runner] = Field(
        default={}, description="Further runners by name; `runner` of a plugin's use picks one."
    )


class PluginConf(Strict):
    name: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="A plugin of the runner's.")
    value: Annotated[str, BeforeValidator(_serialized)] = Field(
        description="Its configuration, as the plugin reads it: mostly serialized JSON."
    )


class RunnerUse(Strict):
    """Plugins of a runner, enabled on a route, service, plugin_config or global rule."""

    conf: list[PluginConf] = Field(
        default=[], description="The runner's plugins, in the order in which they run."
    )
    allow_degradation: bool = Field(
        default=False, description="Go on without the plugins when the runner fails; else the answer is 503."
    )
    runner: Name | None = Field(
        default=None,
        description="One of `ext-plugin.runners`; `ext-plugin`'s own if absent. Sluiceway's own key.",
    )
    disable: bool = Field(
        default=False, description="Leave the plugins out here, also those that a service enables."
    )
    meta: UseMeta = Field(default=UseMeta(), alias="_meta", description="About this use of the plugin.")

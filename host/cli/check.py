"""`sluiceway check`: everything that `run` would stumble over, with nothing served."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from host import config
from host.admin.resources import begin
from host.config.files import read
from host.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from host.assembly import Assembly


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="say what is wrong with a configuration, without serving it",
        description="Validate CONFIG, then compile and start every plugin with each configuration it is given. "
        "Every problem is a line FILE:LINE: PATH: MESSAGE on standard error; before them stands what plugins and "
        "the processes beside them logged, warnings and worse.",
        epilog="example:\n  sluiceway check config.yaml && systemctl reload sluiceway",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("config", metavar="CONFIG", type=Path)
    parser.add_argument(
        "--chains", action="store_true", help="print which plugins each route has, in the order of requests"
    )
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    path: Path = options.config
    found, _, _ = begin(lambda: read(path))  # with what the Admin API was told, where that is kept
    # Only now: a configuration that cannot be read needs no engine.
    from host import log as logs
    from host import proxy

    found = dataclasses.replace(found, log=dataclasses.replace(found.log, level="warning"))
    log = logs.setup(found.log.level, found.log.format)
    logger = logging.getLogger("sluiceway")
    logger.addFilter(_is_no_error)  # what a gateway that starts logs of its problems is printed below
    chains: list[str] = []
    try:
        problems = proxy.check(found, lambda assembly: chains.extend(_chains(assembly)), log=log)
    finally:
        logger.removeFilter(_is_no_error)
        log.flush()
    if options.chains:
        print("\n".join(chains))
    if problems:
        raise ConfigError(problems)
    plugins, routes = len(found.plugins), len(found.routes)
    print(f"{options.config}: no problem; plugins: {plugins}, routes: {routes}")
    return 0


def _is_no_error(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR


def _chains(assembly: Assembly) -> Iterator[str]:
    """Lines about each route: its filters by class, priority and kind. Responses pass them in the same order, unless
    response_order says otherwise, but for those that see a response first."""
    kinds = {plugin.name: _kind(plugin) for plugin in assembly.config.plugins}
    for written, route in zip(assembly.config.routes, assembly.routes, strict=True):
        order = route.chain.order
        status = written.unavailable.status if written.unavailable is not None else 503
        down = route.id in assembly.unavailable
        said = f" answers {status}" if down else "" if order else " no plugins"
        yield f"route {route.id} ({', '.join(written.uris)}):{said}"
        for placed in order:
            notes = [kinds.get(placed.name, "python")]
            notes += ["global rule"] if placed.is_global else []
            notes += ["first of responses"] if placed.response_first else []
            phase = placed.phase.name.lower()
            yield f"  {phase:<12} {placed.priority:>6}  {placed.name} ({', '.join(notes)})"


def _kind(plugin: config.Plugin) -> str:
    """What the plugin is, by the name of its entry's type."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(plugin).__name__.removesuffix("Plugin")).lower()

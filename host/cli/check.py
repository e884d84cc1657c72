"""`sluiceway check`: everything that `run` would stumble over, with nothing served."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from host import config
from host.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="say what is wrong with a configuration, without serving it",
        description="Validate CONFIG, then compile and start every plugin with each configuration it is given. "
        "Every problem is a line FILE:LINE: PATH: MESSAGE on standard error.",
        epilog="example:\n  sluiceway check config.yaml && systemctl reload sluiceway",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("config", metavar="CONFIG", type=Path)
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    found = config.load(options.config)
    # Only now: a configuration that cannot be read needs no engine.
    from host import proxy

    problems = proxy.check(found)
    if problems:
        raise ConfigError(problems)
    plugins, routes = len(found.plugins), len(found.routes)
    print(f"{options.config}: no problem; plugins: {plugins}, routes: {routes}")
    return 0

"""`sluiceway migrate`: the configuration of another gateway as one of Sluiceway's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from host.errors import ConfigError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

UNUSABLE = 2
"""Exit status for a file that nothing can be carried over from."""

_EPILOG = """\
examples:
  sluiceway migrate apisix.yaml -o sluiceway.yaml     config.yaml beside it is taken along
  sluiceway migrate kong.yml > sluiceway.yaml
  sluiceway migrate my_api.json && echo everything was carried over

exit status: 0 all was carried over, 1 something was not, 2 the file is of no use
"""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "migrate",
        help="carry over a configuration of APISIX, Kong or Tyk",
        description="Write the configuration of FILE (apisix.yaml or config.yaml of a standalone APISIX, a declarative "
        "file of Kong, an API definition of Tyk) as one of Sluiceway's. What cannot be carried over is a comment in "
        "it, and a line FILE:LINE: PATH: REASON on standard error.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="instead of standard output")
    parser.add_argument(
        "--from",
        dest="source",
        choices=("apisix", "kong", "tyk"),
        help="whose file it is, where that is not plain",
    )
    parser.set_defaults(command=_migrate)


def _migrate(options: argparse.Namespace) -> int:
    # Only now: reading YAML takes time that no other command should.
    from host.config.migration.migrate import migrate

    try:
        migration = migrate(options.file, options.source)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    text = migration.text()
    if options.output is None:
        sys.stdout.write(text)
    else:
        try:
            options.output.write_text(text, encoding="utf-8")
        except OSError as error:
            print(f"sluiceway: {options.output} cannot be written: {error.strerror}", file=sys.stderr)
            return UNUSABLE
    problems = migration.problems
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"not carried over: {len(problems)}", file=sys.stderr)
    return 1 if problems else 0

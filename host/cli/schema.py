"""`sluiceway schema`: the configuration's JSON Schema, for editors and for checks elsewhere."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from host import config

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of the configuration",
        description="Print the JSON Schema (draft 2020-12) of a configuration that is in one file.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=_schema)


def _schema(options: argparse.Namespace) -> int:
    print(render(), end="")
    return 0


def render() -> str:
    """Return the schema as docs/config.schema.json holds it."""
    return json.dumps(config.json_schema(), indent=2, ensure_ascii=False) + "\n"

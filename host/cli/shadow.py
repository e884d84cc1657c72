"""`sluiceway shadow`: what the report of shadows says, in a few lines."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from host.errors import HostError

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "shadow",
        help="sum up the report of plugins and their shadows",
        description="Sum up REPORT, the file that shadow_report names: for each plugin and its shadow, what they did "
        "differently, how often, and the first request that shows it.",
        epilog="exit status: 0 the report has no difference, 1 it has some",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("report", metavar="REPORT", type=Path)
    parser.set_defaults(command=_shadow)


@dataclass(slots=True)
class _Pair:
    """A plugin and its shadow."""

    requests: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)


def _shadow(options: argparse.Namespace) -> int:
    try:
        with options.report.open(encoding="utf-8", errors="replace") as lines:
            pairs = _summed(lines, str(options.report))
    except OSError as error:
        raise HostError(f"{options.report} cannot be read: {error.strerror}") from error
    for (plugin, shadow), pair in pairs.items():
        print(f"{shadow}, shadow of {plugin}: {pair.requests} requests differ")
        for what, count in pair.counts.most_common():
            print(f"  {count:>7}  {what}: {pair.first[what]}")
    if not pairs:
        print(f"{options.report}: no difference")
    return 1 if pairs else 0


def _summed(lines: Iterable[str], name: str) -> dict[tuple[str, str], _Pair]:
    pairs: dict[tuple[str, str], _Pair] = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            pair = pairs.setdefault((str(row["plugin"]), str(row["shadow"])), _Pair())
            pair.requests += 1
            for each in row["differences"]:
                what = str(each["what"])
                pair.counts[what] += 1
                example = (
                    f"{each['used']} / {each['other']} ({row['method']} {row['path']}, {row['request_id']})"
                )
                pair.first.setdefault(what, example)
        except (ValueError, KeyError, TypeError) as error:
            raise HostError(f"{name}:{number}: no line of a report of shadows") from error
    return pairs

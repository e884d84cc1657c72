"""`sluiceway build`: compiles a plugin written in Go, also one that was written for another system."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from host.building.kinds import Kind

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_AUTO: Final = "auto"


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "build",
        help="compile a plugin in Go: for Proxy-Wasm, APISIX's Go runner, Kong's go-pdk or Tyk",
        description="Compile the Go plugin at PATH, a folder or one .go file, to a .wasm file. Sources that were "
        "written for APISIX's Go runner, for Kong's go-pdk or for Tyk compile as they are; nothing is written into "
        "their folder. "
        "Needs Go 1.24 or newer; modules are fetched as Go's environment says (GOPROXY, GOFLAGS, …).",
        epilog="examples:\n  sluiceway build my-plugin/\n  sluiceway build go-hello.go -o go-hello.wasm",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("path", metavar="PATH", type=Path)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("plugin.wasm"))
    parser.add_argument(
        "--kind",
        choices=[_AUTO, *(kind.value for kind in Kind)],
        default=_AUTO,
        help="what the plugin was written for; auto finds out by its imports",
    )
    parser.add_argument(
        "--compiler", choices=["go", "tinygo"], default="go", help="tinygo is for plugins of proxy-wasm alone"
    )
    parser.set_defaults(command=_build)


def _build(options: argparse.Namespace) -> int:
    from host.building.builder import build
    from host.building.usage import usage

    built = build(
        options.path,
        options.output.absolute(),
        kind=None if options.kind == _AUTO else Kind(options.kind),
        tinygo=options.compiler == "tinygo",
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(f"{options.output}: {built.size / 1e6:.1f} MB, {built.kind.value}", file=sys.stderr)
    print(usage(built), end="")
    return 0

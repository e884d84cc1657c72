"""The command `sluiceway`: words in, exit status out. What it does, others do; each command imports them when it runs.

Exit status: 0 done; 1 something is wrong with what was given (a configuration, a plugin) or with running it; 2 the
command line itself is wrong. Results go to standard output, all else to standard error, and no error shows a traceback
but a fault of Sluiceway's own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from host.cli import build, bundle, check, inspect, migrate, run, schema, shadow
from host.errors import ConfigError, HostError

_DESCRIPTION = "An HTTP gateway that runs Proxy-Wasm plugins."
_EPILOG = """\
examples:
  sluiceway run config.yaml                     serve; apisix.yaml lies beside it
  sluiceway run plugin.wasm --upstream http://127.0.0.1:8080
  sluiceway check config.yaml                   say what is wrong, compile and start every plugin, serve nothing
  sluiceway build my-plugin/ -o plugin.wasm     compile a plugin in Go: for Proxy-Wasm, APISIX's runner, Kong or Tyk
  sluiceway inspect plugin.wasm                 what a plugin needs, and whether it can run here

exit status: 0 done, 1 something given is wrong, 2 the command line is wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line (`sys.argv` if None) and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.command(options)
        if sys.stdout is not None:  # it is where the command was started with it closed
            sys.stdout.flush()
    except ConfigError as error:
        count = len(error.problems)
        print(f"{error}\n{count} problem{'s' if count > 1 else ''}", file=sys.stderr)
        return 1
    except HostError as error:
        print(f"sluiceway: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output is gone (`| head`). Python would complain once more when it closes the stream.
        sys.stdout = None
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluiceway",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="print the version and where it is imported from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (run, check, build, bundle, inspect, migrate, shadow, schema):
        module.add_to(commands)
    return parser


class _Version(argparse.Action):
    """Prints the version. An action of ours, since reading the metadata takes longer than all of argparse."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version
        from pathlib import Path

        import host

        try:
            number = version("sluiceway")
        except PackageNotFoundError:
            number = "(not installed)"
        folder = Path(host.__file__ or "").parent
        print(f"sluiceway {number} from {folder} (Python {sys.version.split()[0]})")
        parser.exit()

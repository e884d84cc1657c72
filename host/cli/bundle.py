"""`sluiceway bundle build`: makes a bundle of Tyk's from its manifest."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "bundle",
        help="make a bundle of Tyk middleware",
        description="Bundles of Tyk middleware: a zip file with the plugins' files and a manifest.json.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = actions.add_parser(
        "build",
        help="zip what a manifest lists, with its checksum and signature",
        description="Zip the files that a manifest lists, and the manifest with their checksum, and with their "
        "signature if there is a key.",
        epilog="example:\n  sluiceway bundle build -m manifest.json -o bundle.zip -k key.pem",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    build.add_argument("-m", "--manifest", metavar="FILE", type=Path, default=Path("manifest.json"))
    build.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("bundle.zip"))
    build.add_argument("-k", "--key", metavar="FILE", type=Path, help="RSA private key (PEM) to sign with")
    build.add_argument(
        "-y", "--skip-signing", action="store_true", help="without a key, do not ask whether that is meant"
    )
    build.set_defaults(command=_build)


def _build(options: argparse.Namespace) -> int:
    from host.config.tyk.building import build_bundle

    if options.key is None and not options.skip_signing and not _is_meant():
        print("not built: give a key with -k, or -y for a bundle that is not signed", file=sys.stderr)
        return 1
    data = build_bundle(options.manifest, options.key)
    try:
        options.output.write_bytes(data)
    except OSError as error:
        print(f"sluiceway: {options.output}: {error.strerror}", file=sys.stderr)
        return 1
    signed = "signed" if options.key is not None else "not signed"
    print(f"{options.output}: {len(data)} bytes, {signed}")
    return 0


def _is_meant() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    print("The bundle will not be signed. Go on? [y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")

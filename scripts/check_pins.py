"""Compares constraints.txt with what the running Python has installed; with --write, writes it anew.

A package that is installed but not pinned would have another version on the next new machine.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
HEADER = "# The versions that every .venv gets; `make constraints` writes them from the present one.\n"
# The project itself is what is being built; pip comes with the interpreter and installs nothing into itself.
NOT_PINNED = {"sluiceway", "pip"}


def installed() -> dict[str, str]:
    """Return normalised name -> version of every distribution of this environment."""
    found = {item.metadata["Name"].lower().replace("_", "-"): item.version for item in distributions()}
    return {name: version for name, version in sorted(found.items()) if name not in NOT_PINNED}


def pinned() -> dict[str, str]:
    """Return name -> version as constraints.txt has them."""
    lines = [line.strip() for line in CONSTRAINTS.read_text().splitlines()]
    return dict(line.split("==", 1) for line in lines if line and not line.startswith("#"))


def main() -> int:
    """Return 0 when every installed distribution is pinned to the version it has."""
    versions = installed()
    if "--write" in sys.argv[1:]:
        CONSTRAINTS.write_text(HEADER + "".join(f"{name}=={version}\n" for name, version in versions.items()))
        return 0
    pins = pinned()
    wrong = [
        f"{name}: installed {have}, pinned {pins.get(name)}"
        for name, have in versions.items()
        if pins.get(name) != have
    ]
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        print("constraints.txt does not tell what is installed; see `make constraints`", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

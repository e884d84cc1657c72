"""Installs each distribution of a folder in an empty venv of its own and runs the smoke test there.

python scripts/try_distributions.py dist
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
SMOKE_TEST = ROOT / "tests/packaging/smoke.py"
PLUGIN = ROOT / "testdata/plugins/custom_response_header/plugin.wasm"


def try_out(distribution: Path) -> None:
    """Install `distribution` in a new venv and run the smoke test; raises CalledProcessError where one fails."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True, timeout=120)
        python = Path(directory) / "bin/python"
        # An sdist is built in pip's isolation, as a user's pip would do it; the variable pins what it is built with.
        environment = {**os.environ, "PIP_CONSTRAINT": str(CONSTRAINTS)}
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", distribution]
        subprocess.run(install, check=True, env=environment, cwd=directory, timeout=300)
        # -I: neither the working directory nor a variable of the environment may help the import.
        subprocess.run([python, "-I", SMOKE_TEST, PLUGIN], check=True, cwd=directory, timeout=120)


def main() -> int:
    """Try every distribution of the folder: there must be one sdist and one wheel."""
    folder = Path(sys.argv[1])
    distributions = [*folder.glob("*.tar.gz"), *folder.glob("*.whl")]
    if sorted(path.suffix for path in distributions) != [".gz", ".whl"]:
        print(
            f"{folder} does not hold one sdist and one wheel: {[path.name for path in distributions]}",
            file=sys.stderr,
        )
        return 1
    for distribution in distributions:
        try_out(distribution.resolve())
        print(f"{distribution.name}: installed in an empty venv, and the smoke test passes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

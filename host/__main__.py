"""`python -m host`: the command `sluiceway`, run by the Python that has the package installed."""

import sys

from host.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Observes all cases on Envoy and writes expectations/envoy.json: python -m tests.peers.conformance.record

The result is what the host does, not a wish: read the difference before you commit it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.peers.conformance.cases import CASES
from tests.peers.conformance.gateways import EnvoyGateway
from tests.peers.conformance.observe import observe
from tests.peers.conformance.origin import Origin

EXPECTATIONS = Path(__file__).resolve().parent / "expectations/envoy.json"


def main() -> int:
    """Write the observations, or with --only print some of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers.conformance.record", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="print the cases whose name holds TEXT")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name]
    with tempfile.TemporaryDirectory() as directory, Origin() as origin:
        gateway = EnvoyGateway(Path(directory), cases, origin.port)
        try:
            observations = {case.name: observe(case, gateway, origin) for case in cases}
        finally:
            gateway.stop()
    text = json.dumps(observations, indent=1, ensure_ascii=False) + "\n"
    if options.only:
        print(text)
    else:
        EXPECTATIONS.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

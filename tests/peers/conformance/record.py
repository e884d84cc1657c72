"""Observes the cases on a host: python -m tests.peers.conformance.record {envoy,sluiceway} [--only TEXT]

Of Envoy it writes all to expectations/envoy.json. Of Sluiceway it writes what differs from that file to
expectations/sluiceway.json, and keeps the reasons that stand there. The result is what the host does, not a wish: read
the difference before you commit it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.peers.conformance.catalogue import CASES
from tests.peers.conformance.gateways import EnvoyGateway, SluicewayGateway
from tests.peers.conformance.observe import observe
from tests.peers.conformance.servers import serving

EXPECTATIONS = Path(__file__).resolve().parent / "expectations"
ENVOY, SLUICEWAY = EXPECTATIONS / "envoy.json", EXPECTATIONS / "sluiceway.json"

# Where Sluiceway does wrong: what Envoy does is expected, and the test fails until it is repaired, then here.
FAULTS: dict[str, str] = {}

GATEWAYS = {"envoy": EnvoyGateway, "sluiceway": SluicewayGateway}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write `content` in the form of these files."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def differences(observations: dict[str, Any]) -> dict[str, Any]:
    """Return what differs from Envoy, each part of an observation by itself, with the reason known so far."""
    envoy = json.loads(ENVOY.read_text())
    known = json.loads(SLUICEWAY.read_text()) if SLUICEWAY.exists() else {}
    found = {}
    for name, observation in observations.items():
        parts = {part: value for part, value in observation.items() if value != envoy[name][part]}
        if parts and name not in FAULTS:
            found[name] = {"because": known.get(name, {}).get("because", ["?"]), **parts}
    return found


def main() -> int:
    """Write the observations, or with --only print some of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers.conformance.record", description=__doc__)
    parser.add_argument("host", choices=sorted(GATEWAYS))
    parser.add_argument("--only", metavar="TEXT", default="", help="print the cases whose name holds TEXT")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name]
    with tempfile.TemporaryDirectory() as directory, serving() as servers:
        gateway = GATEWAYS[options.host](Path(directory), cases, servers.ports)
        try:
            observations = {case.name: observe(case, gateway, servers) for case in cases}
        finally:
            gateway.stop()
    if options.only:
        print(json.dumps(observations, indent=1, ensure_ascii=False))
    elif options.host == "envoy":
        write(ENVOY, observations)
    else:
        write(SLUICEWAY, differences(observations))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The example of docs/shadow.md does what the page says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.process import ROOT, get, origin, running

PAGE = (ROOT / "docs/shadow.md").read_text()


def test_the_report_of_the_example_is_that_of_the_page(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    with origin() as server:
        text = text.replace("1980", str(server.server_port)).replace("examples/", f"{ROOT}/examples/")
        path = tmp_path / "gateway.yaml"
        path.write_text(text.replace("testdata/", f"{ROOT}/testdata/"))
        with running(path, "--listen", "127.0.0.1:0", "--workers", "1") as gateway:
            status, fields, _ = get(gateway.serving(), "/hello")
            assert (status, fields["x-served-by"]) == (200, "sluiceway")
            gateway.wait_for("shadow custom-response-header differs from stamp on GET /hello")
            gateway.signal(signal.SIGTERM)  # the report is written in blocks, the last one at the end
            assert gateway.stopped() == 0
    command = [sys.executable, "-m", "host", "shadow", str(tmp_path / "shadows.jsonl")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    (expected,) = re.findall(r"\$ sluiceway shadow shadows.jsonl\n(.*?)```", PAGE, re.DOTALL)
    request = r"\S+\)"
    assert re.fullmatch(re.escape(expected).replace(re.escape("4711-2-1)"), request), result.stdout)
    assert result.returncode == 1

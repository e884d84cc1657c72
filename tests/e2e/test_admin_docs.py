"""docs/admin-api.md runs as printed, but for ports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import ROOT, get, origin, plugin, running
from tests.e2e.test_admin_api import free_port

PAGE = (ROOT / "docs/admin-api.md").read_text()
BLOCKS = re.findall(r"```(yaml|sh|json)\n(.*?)```", PAGE, re.DOTALL)


def without_times(text: str) -> Any:
    """An answer, with its times put aside."""
    return json.loads(re.sub(r'"(create|update)_time":\d+', r'"\1_time":0', text))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_page(tmp_path: Path) -> None:
    """The first configuration, its requests with curl, their answers; and the route in between."""
    assert [kind for kind, _ in BLOCKS] == ["yaml", "sh", "json", "sh", "json", "sh", "json", "yaml"]
    shutil.copy(plugin("custom_response_header"), tmp_path / "plugin.wasm")
    with origin() as server:
        gateway_port = free_port()

        def here(text: str) -> str:
            return text.replace("9080", str(gateway_port)).replace("1980", str(server.server_port))

        path = tmp_path / "config.yaml"
        path.write_text(here(BLOCKS[0][1]))
        with running(path, "--workers", "2") as process:
            process.wait_for("Admin API: on the gateway's own port")
            for index in (1, 3, 5):
                command, expected = here(BLOCKS[index][1]), here(BLOCKS[index + 1][1])
                done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, timeout=50)
                assert done.returncode == 0, done.stderr
                assert without_times(done.stdout.splitlines()[-1]) == without_times(expected)
                status, fields, _ = get(("127.0.0.1", gateway_port), "/get")
                assert (status, fields.get("x-go-wasm")) == ((200, "APISIX") if index < 5 else (404, None))


def test_the_store_of_the_page(tmp_path: Path) -> None:
    """It loads, and is beside the file."""
    path = tmp_path / "gateway.yaml"
    path.write_text(BLOCKS[-1][1])
    from host.config import load

    admin = load(path).admin
    assert admin is not None
    assert admin.store == tmp_path / "told.json"

"""docs/external-plugins.md runs as printed, but for ports and paths."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from host.config import Config, loads
from tests.peers.making import ROOT
from tests.peers.process import free_port
from tests.peers.runners import unmanaged
from tests.peers.test_apisix_runner import ask, go_runner, origin, running

__all__ = ["go_runner", "origin"]  # fixtures

pytestmark = pytest.mark.builds_peers

BLOCKS = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "docs/external-plugins.md").read_text(), re.DOTALL)
YAML = [text for language, text in BLOCKS if language == "yaml"]
SHELL = [text for language, text in BLOCKS if language == "sh"]
ANSWER = next(text for language, text in BLOCKS if not language)


@pytest.mark.parametrize("text", YAML)
def test_every_configuration_of_the_page_loads(text: str) -> None:
    assert isinstance(loads(text if "routes:" in text else text + "routes: []\n", "config.yaml"), Config)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_page_s_development(go_runner: str, tmp_path: Path, origin: Any) -> None:
    """The runner by hand, the configuration, the route by curl, and the answer."""
    port, socket = free_port(), tmp_path / "runner.sock"

    def here(text: str) -> str:
        return (
            text.replace("9080", str(port))
            .replace("/run/runner.sock", str(socket))
            .replace("1980", str(origin.server_port))
            .replace("./go-runner", go_runner)
        )

    (tmp_path / "config.yaml").write_text(here(YAML[0]))
    with unmanaged(["bash", "-ec", here(SHELL[0])], socket), running(tmp_path / "config.yaml") as gateway:
        gateway.serving()
        done = subprocess.run(["bash", "-ec", here(SHELL[1])], capture_output=True, text=True, timeout=50)
        assert done.returncode == 0, done.stderr
        status, fields, body = ask(("127.0.0.1", port), "/get")
        head, _, expected = ANSWER.partition("\n\n")
        assert head.startswith(f"HTTP/1.1 {status} ")
        assert body.decode() == expected.strip()
        for line in head.splitlines()[1:]:
            name, value = line.split(": ")
            assert fields[name.lower()] == value
        assert origin.count == 0


def test_the_page_s_production(go_runner: str, tmp_path: Path, origin: Any) -> None:
    """The runner lies beside the file."""
    shutil.copy(go_runner, tmp_path / "go-runner")
    (tmp_path / "config.yaml").write_text(
        f"apisix: {{node_listen: [{{ip: 127.0.0.1, port: {free_port()}}}]}}\n"
        + YAML[1].replace("1980", str(origin.server_port))
    )
    with running(tmp_path / "config.yaml") as gateway:
        assert ask(gateway.serving(), "/get")[::2] == (200, b"hello")

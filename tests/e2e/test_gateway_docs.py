"""The examples of docs/embedding.md run, as they are printed but for ports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.process import ROOT, get, origin, running

PAGE = (ROOT / "docs/embedding.md").read_text()


def blocks(language: str) -> list[str]:
    """The page's examples in that language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run_python(text: str) -> str:
    """Run an example in the repository's folder; return what it printed."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", text], capture_output=True, text=True, timeout=50, cwd=ROOT
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


def test_the_page_has_the_examples_that_are_run_here() -> None:
    """Another one needs a test."""
    assert (len(blocks("python")), len(blocks("yaml"))) == (4, 2)


def test_the_gateway_on_an_event_loop() -> None:
    """It prints what the page says."""
    with origin() as server:
        text = blocks("python")[0].replace("ORIGIN_PORT", str(server.server_port))
        assert run_python(text) == "APISIX\n"


def test_the_filter_in_python(tmp_path: Path) -> None:
    """With the configuration that the page shows."""
    (tmp_path / "require_key.py").write_text(blocks("python")[1])
    with origin() as server:
        path = tmp_path / "gateway.yaml"
        path.write_text(blocks("yaml")[0].replace("1980", str(server.server_port)))
        with running(path, "--listen", "127.0.0.1:0", "--workers", "1") as gateway:
            address = gateway.serving()
            status, _, body = get(address, "/")
            assert (status, body) == (401, b"no key\n")
            status, _, body = get(address, "/", fields={"X-Key": "secret"})
            assert (status, body) == (200, b"/")


def test_the_function_for_plugins(tmp_path: Path) -> None:
    """It is found by the configuration beside it, and by a plugin."""
    (tmp_path / "users.py").write_text(blocks("python")[2])
    path = tmp_path / "gateway.yaml"
    path.write_text(blocks("yaml")[1])
    with running(path, "--listen", "127.0.0.1:0", "--workers", "1") as gateway:
        gateway.serving()
        assert not gateway.has("error")
    run_python(blocks("python")[2] + _CALL)


_CALL = """
from tests.hostcalls.relays import OUT, run

made = run(("request_headers", "proxy_call_foreign_function", b"user_name", b"7", OUT, OUT + 4))
assert (made.statuses, made.given()) == ([Status.OK], b"Ada")
made = run(("request_headers", "proxy_call_foreign_function", b"user_name", b"8", OUT, OUT + 4))
assert made.statuses == [Status.NOT_FOUND]
"""


def test_the_plugin_without_a_network() -> None:
    """It asserts by itself."""
    assert run_python(blocks("python")[3]) == ""

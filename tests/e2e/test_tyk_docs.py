"""The examples of docs/tyk.md run as they are printed, but for the port of the origin."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from host.config import Config, loads
from host.config.schema.tyk_api import ApiDefinition, Manifest
from host.config.tyk.definition import parse_json, read_model
from host.testing import ProxyServer
from tests.e2e.echo_json import echoing
from tests.e2e.process import ROOT

PAGE = (ROOT / "docs/tyk.md").read_text()


def blocks(language: str) -> list[str]:
    """The page's examples in that language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_the_examples_that_are_run_here() -> None:
    """Another one needs a test; the one in Go is compiled in tests/peers."""
    found = {language: len(blocks(language)) for language in ("yaml", "json", "go", "python")}
    assert found == {"yaml": 4, "json": 3, "go": 1, "python": 2}


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_configurations_load(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the definitions that the page shows."""
    monkeypatch.chdir(tmp_path)
    first, second, _ = blocks("json")
    Path("my_api.json").write_text(first)
    Path("protected.json").write_text(second)
    config = loads(text, "config.yaml")
    assert isinstance(config, Config)
    assert len(config.routes) == 1


def test_the_definitions_are_complete() -> None:
    """And the manifest is."""
    first, second, manifest = blocks("json")
    for text in (first, second):
        assert read_model(parse_json(text, "api.json"), ApiDefinition)[1] == []
    assert read_model(parse_json(manifest, "manifest.json"), Manifest)[1] == []


def test_the_protected_api(tmp_path: Path) -> None:
    """Its check, and its record, with the last configuration of the page."""
    check, editor = blocks("python")
    (tmp_path / "key.py").write_text(check)
    (tmp_path / "record.py").write_text(editor)
    with echoing() as echo:
        text = blocks("json")[1].replace("127.0.0.1:1980", f"127.0.0.1:{echo.server_port}")
        (tmp_path / "protected.json").write_text(text)
        with ProxyServer(tmp_path, blocks("yaml")[3]) as proxy:
            assert proxy.request("GET", "/protected/get").status == 403
            answer = proxy.request("GET", "/protected/get", {"Authorization": "abc"})
            assert answer.status == 200
            assert json.loads(answer.body)["url"].endswith("/get")
            proxy.gateway.process.terminate()
            proxy.gateway.stopped()
    records = [json.loads(line) for line in (tmp_path / "records.json").read_text().splitlines()]
    assert [(each["response_code"], each["alias"]) for each in records] == [(403, ""), (200, "abc-session")]
    assert [each["ip_address"] for each in records] == ["", ""]

"""docs/configuration.md and docs/config.schema.json say what the schema says, and their examples work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host.config import Config, json_schema, loads

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text()


def test_generated_files_are_up_to_date() -> None:
    """The tables of the page and the JSON Schema are written by a script; a change of a key must run it."""
    command = [sys.executable, "scripts/config_reference.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def _models(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    tables = {"": schema, **schema["$defs"]}
    return [
        (name, key, child) for name, table in tables.items() for key, child in table["properties"].items()
    ]


@pytest.mark.parametrize(
    ("model", "key", "schema"), _models(json_schema()), ids=lambda value: str(value)[:30]
)
def test_every_key_is_documented(model: str, key: str, schema: dict[str, Any]) -> None:
    """Each key has a row with its meaning, and the meaning says something."""
    meaning = schema.get("description", "")
    assert len(meaning) > 8
    assert re.search(
        rf"^\| `{re.escape(key)}` \| .+ \| .* \| {re.escape(meaning)} \|$", PAGE, re.MULTILINE
    ), model


EXAMPLES = re.findall(r"^```(yaml|python)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_has_examples() -> None:
    """A pattern that finds nothing would pass the next test."""
    found = [language for language, _ in EXAMPLES]
    assert found.count("yaml") >= 5
    assert found.count("python") == 1


@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_every_example_of_the_page_works(
    language: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YAML loads, and code makes a Config."""
    monkeypatch.chdir(tmp_path)
    Path("plugin.wasm").write_bytes(b"\0asm")
    Path("authorities.pem").write_bytes(b"")
    if language == "yaml":
        assert isinstance(loads(text, "example.yaml"), Config)
    else:
        names: dict[str, Any] = {}
        exec(text, names)
        assert isinstance(names["config"], Config)


def test_the_schema_is_itself_valid_in_form() -> None:
    """Every reference leads somewhere, and no mapping lets other keys in, but for names of plugins."""
    schema = json_schema()
    references = set(re.findall(r"'\$ref': '#/\$defs/(\w+)'", str(schema)))
    assert references <= set(schema["$defs"])
    for model in (schema, *schema["$defs"].values()):
        others = {"$ref": "#/$defs/Use"} if model.get("title") == "Uses" else False
        assert model["additionalProperties"] == others

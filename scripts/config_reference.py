"""Writes what the configuration's schema says into docs: the tables of configuration.md, and config.schema.json.

python scripts/config_reference.py [--check]     with --check: change nothing, status 1 if something would change
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from host.cli.schema import render
from host.config import json_schema

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "configuration.md"
SCHEMA = DOCS / "config.schema.json"
BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"

# In the order of reading.
_GATEWAY = (
    "apisix",
    "nginx_config",
    "wasm",
    "python",
    "ext-plugin",
    "kong",
    "response_order",
    "shadow_report",
    "workers",
    "log",
    "tyk",
    "plugin_attr",
    "stats_config",
    "node",
    "deployment",
)
_RESOURCES = ("routes", "upstreams", "services", "plugin_configs", "global_rules", "stream_routes", "ssls")
ROOTS = (*_GATEWAY, *_RESOURCES)


def reference() -> str:
    """Return the tables: one for each mapping that the schema has, at the first path where it stands."""
    schema = json_schema()
    definitions = schema["$defs"]
    sections: list[str] = [_table("Top level", schema, ROOTS)]
    done: set[str] = set()
    for key in ROOTS:
        sections.extend(_sections(key, schema["properties"][key], definitions, done))
    return "\n".join(sections)


def _sections(path: str, schema: dict[str, Any], definitions: dict[str, Any], done: set[str]) -> list[str]:
    found: list[str] = []
    for suffix, name in _models(schema):
        if name in done:
            continue
        done.add(name)
        model = definitions[name]
        here = path + suffix
        found.append(_table(f"`{here}`", model, model["properties"]))
        if isinstance(model.get("additionalProperties"), dict):
            found.extend(
                _sections(here, {"additionalProperties": model["additionalProperties"]}, definitions, done)
            )
        for key, child in model["properties"].items():
            found.extend(_sections(f"{here}.{key}", child, definitions, done))
    return found


def _models(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the models that a value may be made of, each with what its path gets appended."""
    if "$ref" in schema:
        return [("", schema["$ref"].rsplit("/", 1)[1])]
    found = []
    for choice in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        found += _models(choice)
    if schema.get("type") == "array":
        found += [("[]" + suffix, name) for suffix, name in _models(schema["items"])]
    if isinstance(schema.get("additionalProperties"), dict):
        found += [(".NAME" + suffix, name) for suffix, name in _models(schema["additionalProperties"])]
    return found


def _table(title: str, model: dict[str, Any], keys: Iterable[str]) -> str:
    lines = [f"### {title}", ""]
    if description := model.get("description"):
        lines += [description.replace("\n", " "), ""]
    lines += ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for key in keys:
        schema = model["properties"][key]
        default = "required" if key in model.get("required", ()) else _default(schema)
        meaning = schema.get("description", "")
        lines.append(f"| `{key}` | {_type(schema)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _type(schema: dict[str, Any]) -> str:
    """Return the type in words; a mapping that has its own table is a mapping."""
    choices = [
        choice for choice in schema.get("anyOf", schema.get("oneOf", ())) if choice != {"type": "null"}
    ]
    if "$comment" in schema:
        return str(schema["$comment"])
    if choices:
        return ", or ".join(_type(choice) for choice in choices)
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const']).strip(chr(34))}`"
    match schema.get("type"):
        case "integer":
            return _integer(schema)
        case "string":
            return "text"
        case "boolean":
            return "`true`, `false`"
        case "array":
            return f"list of {_type(schema['items'])}"
        case _:
            return "mapping"


def _integer(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or low <= -(2**31):
        return "integer"
    return f"integer from {low}" if high is None or high >= 2**31 - 1 else f"integer {low} to {high}"


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return ""
    if schema.get("$comment") == "size":
        return next(
            f"`{default // unit}{name}`"
            for unit, name in ((1024**2, "m"), (1024, "k"), (1, ""))
            if default % unit == 0 and (default or unit == 1)
        )
    if schema.get("$comment", "").startswith("duration"):
        return f"`{default:g}s`" if default >= 1 or default == 0 else f"`{default * 1000:g}ms`"
    return f"`{json.dumps(default).strip(chr(34))}`"


def main() -> int:
    """Write the two files, or compare them with what they should be."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = {PAGE: before + BEGIN + "\n" + reference() + "\n" + END + after, SCHEMA: render()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path} is not what the schema says: run scripts/config_reference.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())

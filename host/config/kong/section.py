"""The section `kong` as it counts: variables of the environment take the place of its keys, as with Kong itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from host.config.document import Document, Node, escape
from host.config.schema.kong import SERVER_PROPERTY, Kong
from host.config.validate import unknown_key
from host.errors import Problem

_PREFIX: Final = "KONG_"


def with_environment(document: Document, environment: Mapping[str, str] = os.environ) -> None:
    """Put variables into the section `kong` of a document, if it has one. They have its line."""
    root = document.root
    section = root.children.get("kong") if isinstance(root.value, dict) else None
    if section is None or not isinstance(section.value, dict | None):
        return
    if section.value is None:
        section.value = root.value["kong"] = {}
    for variable, text in environment.items():
        key = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and (key in Kong.model_fields or SERVER_PROPERTY.fullmatch(key)):
            value = _plain(text)
            section.value[key] = value
            section.children[key] = Node(value, section.line)
            section.key_lines.setdefault(key, section.line)


def _plain(text: str) -> Any:
    """A variable's text as YAML would have it, where a number or a boolean is meant."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    return text


def names_of(value: Any) -> list[str]:
    """Return the texts of a list or of a text with commas, as far as it is one."""
    if isinstance(value, str):
        value = value.split(",")
    return (
        [each.strip() for each in value if isinstance(each, str) and each.strip()]
        if isinstance(value, list)
        else []
    )


def section_of(document: Document) -> dict[str, Any]:
    """Return the section, empty where there is none."""
    root = document.root.value
    section = root.get("kong") if isinstance(root, dict) else None
    return section if isinstance(section, dict) else {}


def plugin_names(document: Document) -> list[str]:
    """Return the plugins that the section names."""
    return [name for name in names_of(section_of(document).get("plugins")) if name != "bundled"]


def check_section(document: Document) -> Iterator[Problem]:
    """Yield keys that are of no server, and servers that cannot be asked what they have."""
    section = section_of(document)
    servers = {name.lower().replace("-", "_"): name for name in names_of(section.get("pluginserver_names"))}
    for key in section:
        if key in Kong.model_fields:
            continue
        match = SERVER_PROPERTY.fullmatch(key)
        if match is None:
            yield document.problem(("kong", key), unknown_key(key, Kong.model_fields))
        elif match[1] not in servers:
            names = ", ".join(map(repr, servers.values())) or "none"
            message = f"is of server {match[1]!r}, which pluginserver_names does not have: {names}"
            yield document.problem(("kong", key), message)
    plugins = plugin_names(document)
    for index, name in enumerate(plugins):
        if name in plugins[:index]:
            yield document.problem(("kong", "plugins"), f"has {escape(name, 60)!r} twice")

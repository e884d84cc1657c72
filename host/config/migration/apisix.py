"""The files of a standalone APISIX: the keys are Sluiceway's own, so what is not served is taken out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from host.config.document import Document, Node
from host.config.files import Documents, find_problems, parse_resources
from host.config.migration.guards import guarded_entries
from host.config.migration.pruning import LeftOut, prune
from host.config.migration.result import Migration
from host.config.parse import parse
from host.config.schema import Resources
from host.config.text import read_text
from host.errors import ConfigError, Problem

_GATEWAY, _RESOURCES = "config.yaml", "apisix.yaml"
_OUT_OF_SERVICE: Final = "out of service (status: 0): what was left out may have kept requests out"


def migrate_apisix(path: Path) -> Migration:
    """Return the configuration of `config.yaml` and `apisix.yaml`, of which `path` is one, or of one file that has all.

    The other one is taken where it lies beside `path`. Raises ConfigError for files that are of no use.
    """
    gateway, resources = _documents(path)
    root = resources.root.value
    for key in ("services", "upstreams", "plugin_configs"):
        _write_ids(resources.root.children.get(key))
    documents = [gateway] if gateway is resources else [gateway, resources]
    left_out = prune(documents, lambda: find_problems(Documents(gateway, resources)))
    comments: dict[int, str] = {}
    for key, node in guarded_entries(resources, left_out):
        if key == "routes":
            node.value["status"] = 0
            comments[id(node)] = _OUT_OF_SERVICE
        else:
            left_out.append(_take_out(resources, key, node))
    values = {**gateway.root.value, **root} if gateway.root.value else dict(root)
    if not values.keys() & Resources.model_fields.keys():
        values["routes"] = []
    nodes = {**gateway.root.children, **resources.root.children}
    sources = [each.file for each in documents if Path(each.file).exists()]
    return Migration(values, nodes, sources, left_out, comments)


def _documents(path: Path) -> tuple[Document, Document]:
    """Return what the gateway is and what the resources are: one document twice where a file has both."""
    if path.name == _RESOURCES:
        resources = parse_resources(_text(path), str(path))
        beside = next(
            (each / _GATEWAY for each in (path.parent, path.parent.parent) if (each / _GATEWAY).is_file()),
            None,
        )
        gateway = parse(_text(beside), str(beside)) if beside is not None else _empty(path.parent / _GATEWAY)
    else:
        gateway = resources = parse(_text(path), str(path))
        beside = path.parent / _RESOURCES
        beside = beside if beside.is_file() else path.parent / "conf" / _RESOURCES
        if path.name == _GATEWAY and beside.is_file():
            resources = parse_resources(_text(beside), str(beside))
    for document in (gateway, resources):
        if not document.problems and not isinstance(document.root.value, dict | None):
            raise ConfigError([document.problem((), "is no mapping")])
        if document.root.value is None:
            document.root = Node({}, 1)
    return gateway, resources


def _text(path: Path) -> str:
    text = read_text(path, str(path))
    if isinstance(text, Problem):
        raise ConfigError([text])
    return text


def _empty(path: Path) -> Document:
    return Document(str(path), Node({}, 1), [])


def _write_ids(entries: Node | None) -> None:
    """Write down the ids that entries have by their position: it may change."""
    values: Any = entries.value if entries is not None else None
    for index, entry in enumerate(values if isinstance(values, list) else ()):
        if isinstance(entry, dict) and entry.get("id") is None:
            entry["id"] = f"arr_{index + 1}"


def _take_out(resources: Document, key: str, node: Node) -> LeftOut:
    entries = resources.root.children[key]
    index = next(int(index) for index, each in entries.children.items() if each is node)
    problem = resources.problem((key, index), "what was left out of it may have kept others out")
    entries.value.remove(node.value)
    entries.children = dict(enumerate(each for each in entries.children.values() if each is not node))
    return LeftOut(problem)

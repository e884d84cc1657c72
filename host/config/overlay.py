"""Resources that were not written in a file, laid over those of the files.

The result is validated as files are, and each entry still knows where it was written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from host.config.document import Document, Node
from host.config.files import Documents
from host.config.parse import MAX_DEPTH
from host.config.references import entry_id

KINDS: Final = ("routes", "services", "upstreams", "plugin_configs", "global_rules", "stream_routes")
"""The lists that can be laid over. Not `ssls`: their keys would have to be kept from those who read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """What takes an entry's place; None removes it. `place` says where it comes from, in what is said about it."""

    value: dict[str, Any] | None
    place: str


Layers = Mapping[str, Mapping[str, Layer]]
"""By kind and id."""


def laid_over(documents: Documents, layers: Layers) -> Documents:
    """Return the documents with the layers: in place of the entries with their ids, else behind all others.

    Entries without an id get the one that APISIX gives them, as their places in the list are no longer the same.
    """
    gateway, resources = documents.gateway, documents.resources
    root = resources.root
    if not isinstance(root.value, dict | None):
        return documents  # what is said of the document says all
    merged = dataclasses.replace(
        root, value=dict(root.value or {}), children=dict(root.children), key_lines=dict(root.key_lines)
    )
    for kind in KINDS:
        if isinstance(merged.value.get(kind, []), list) and (kind in merged.value or layers.get(kind)):
            listed = Node([], root.key_lines.get(kind, root.line))
            for node in _entries(resources, kind, layers.get(kind, {})):
                listed.children[len(listed.value)] = node
                listed.value.append(node.value)
            merged.children[kind], merged.value[kind] = listed, listed.value
    made = Document(resources.file, merged, resources.problems)
    return Documents(made if gateway is resources else gateway, made, documents.missing)


def entries(documents: Documents, kind: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a kind by their ids. Those of `laid_over` have one, of other documents those that do."""
    root = documents.resources.root.value
    listed = root.get(kind) if isinstance(root, dict) else None
    return {
        str(entry["id"]): entry
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and "id" in entry
    }


def _entries(resources: Document, kind: str, layers: Mapping[str, Layer]) -> Iterator[Node]:
    left = dict(layers)
    before = resources.root.children.get(kind)
    for index, node in before.children.items() if before is not None else ():
        origin = (resources.file, f"{kind}[{index}]")
        if not isinstance(node.value, dict):
            yield dataclasses.replace(node, origin=origin)
            continue
        own = entry_id(node.value, index)
        if own in left:
            layer = left.pop(own)
            if layer.value is not None:
                yield node_of(layer.value, layer.place)
        elif own is None or node.value.get("id") is not None:
            yield dataclasses.replace(node, origin=origin)
        else:
            yield dataclasses.replace(node, value={**node.value, "id": own}, origin=origin)
    for layer in left.values():
        if layer.value is not None:
            yield node_of(layer.value, layer.place)


def node_of(value: dict[str, Any], place: str) -> Node:
    """Return a value that stands in no file. Raises ValueError when it is nested too deep."""
    made = _node(value, 2)  # it becomes an entry of a list of the whole
    made.origin = (place, "")
    return made


def _node(value: Any, depth: int) -> Node:
    if depth >= MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    made = Node(value, 0)
    if isinstance(value, dict):
        made.children = {key: _node(child, depth + 1) for key, child in value.items()}
        made.key_lines = dict.fromkeys(value, 0)
    elif isinstance(value, list):
        made.children = {index: _node(child, depth + 1) for index, child in enumerate(value)}
    return made

"""What a list may be asked for: the arguments that APISIX has, to select resources and to take a page of them."""

from __future__ import annotations

from typing import Any, Final

_PAGE_SIZES: Final = range(10, 501)

Found = dict[str, dict[str, Any]]
Query = dict[str, list[str]]


class BadQuery(ValueError):
    """An argument that has no meaning."""


def selected(resources: Found, query: Query) -> Found:
    """Return those that `name` (a part of it), `uri` (a part of one) and `label` (a key) all select."""
    name, uri, label = (query.get(key, [""])[0] for key in ("name", "uri", "label"))
    if not (name or uri or label):
        return resources
    return {
        own_id: value
        for own_id, value in resources.items()
        if name in str(value.get("name", ""))
        and any(uri in str(each) for each in (value.get("uri", ""), *(value.get("uris") or ())))
        and (not label or label in (value.get("labels") or {}))
    }


def page_of(found: Found, query: Query) -> list[tuple[str, dict[str, Any]]]:
    """Return the page of `page` and `page_size`, all where they are not both there. Raises BadQuery."""
    listed = list(found.items())
    if "page" not in query or "page_size" not in query:
        return listed
    size, page = _number(query, "page_size"), max(1, _number(query, "page"))
    if size not in _PAGE_SIZES:
        raise BadQuery(f"page_size must be between {_PAGE_SIZES[0]} and {_PAGE_SIZES[-1]}")
    return listed[(page - 1) * size : page * size]


def _number(query: Query, key: str) -> int:
    text = query[key][0]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadQuery(f"{key} must be a number")
    return int(text)

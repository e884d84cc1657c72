"""Resources laid over those of files: what takes whose place, and where problems are said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.config.document import Document
from host.config.files import Documents, make, read
from host.config.overlay import Layer, entries, laid_over
from host.config.parse import parse
from host.errors import ConfigError

UPSTREAM = {"nodes": {"h:1": 1}}
TEXT = """\
routes:
  - {id: a, uri: /a, upstream: {nodes: {"h:1": 1}}}
  - {uri: /b, upstream: {nodes: {"h:1": 1}}}
  - {id: 3, uri: /c, upstream: {nodes: {"h:1": 1}}}
"""


def documents(text: str = TEXT) -> Documents:
    """One document that holds all."""
    document = parse(text, "c.yaml")
    return Documents(document, document)


def layer(uri: str) -> Layer:
    """A route in a place of its own."""
    return Layer({"uri": uri, "upstream": UPSTREAM}, f"told{uri}")


def ids_and_uris(made: Documents) -> list[tuple[str, str]]:
    """Of the routes that are served."""
    return [(route.id, route.uris[0]) for route in make(made).routes]


def test_nothing_changes_nothing() -> None:
    """But that every entry has its id."""
    before, after = make(documents()), make(laid_over(documents(), {}))
    assert before == after
    assert list(entries(laid_over(documents(), {}), "routes")) == ["a", "arr_2", "3"]


def test_layers_replace_remove_and_add() -> None:
    """In the place of the entry with the id, else at the end; ids of the others stay what they were."""
    layers = {
        "routes": {
            "a": Layer(None, "gone"),
            "3": Layer({"id": "3", **(layer("/C").value or {})}, "told"),
            "new": Layer({"id": "new", **(layer("/n").value or {})}, "told"),
        }
    }
    made = laid_over(documents(), layers)
    assert ids_and_uris(made) == [("arr_2", "/b"), ("3", "/C"), ("new", "/n")]
    assert ids_and_uris(documents()) == [("a", "/a"), ("arr_2", "/b"), ("3", "/c")]
    assert ids_and_uris(laid_over(documents(), {"routes": {"arr_2": layer("/B")}}))[1][1] == "/B"


def test_a_kind_that_the_file_lacks_is_added(tmp_path: Path) -> None:
    """To the file of the resources, where there are two; and where there is none, it need not be."""
    gateway = tmp_path / "config.yaml"
    gateway.write_text("deployment: {admin: {}}\n")
    layers = {
        "services": {"s": Layer({"id": "s", "upstream": UPSTREAM}, "told")},
        "routes": {"r": Layer({"id": "r", "uri": "/r", "service_id": "s"}, "told")},
    }
    assert ids_and_uris(laid_over(read(gateway), layers)) == [("r", "/r")]
    (tmp_path / "apisix.yaml").write_text("routes: [{uri: /b, service_id: s}]\n#END\n")
    assert ids_and_uris(laid_over(read(gateway), layers)) == [("arr_1", "/b"), ("r", "/r")]
    (tmp_path / "apisix.yaml").write_text("#END\n")
    assert ids_and_uris(laid_over(read(gateway), layers)) == [("r", "/r")]


def test_problems_name_the_place_where_the_value_was_written() -> None:
    """A line and an index of the file, or the layer's own place; whatever the order has become."""
    text = TEXT.replace('/c, upstream: {nodes: {"h:1": 1}}', "/c, methods: [get], upstream_id: none")
    layers = {"routes": {"a": Layer(None, "gone"), "new": Layer({"uri": "x", "hots": []}, "told")}}
    with pytest.raises(ConfigError) as caught:
        make(laid_over(documents(text), layers))
    lines = [str(problem) for problem in caught.value.problems]
    assert [line for line in lines if line.startswith("c.yaml")] == [
        "c.yaml:4: routes[2].methods[0]: expected one of: GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS, CONNECT, "
        "TRACE or PURGE, got the text 'get'",
        "c.yaml:4: routes[2].upstream_id: no entry of upstreams has id 'none'",
    ]
    assert sorted(line for line in lines if not line.startswith("c.yaml")) == [
        "told: hots: unknown key; did you mean 'hosts'?",
        "told: leads nowhere: give it one of plugins, upstream, upstream_id, service_id, plugin_config_id",
        "told: uri: 'x': a URI begins with '/'",
    ]


@pytest.mark.parametrize("text", ["- a\n", "routes: {}\n", "routes: [x, {id: [1]}]\n", "just text", "x: 1"])
def test_a_document_that_is_none_is_told_as_before(text: str) -> None:
    """The layers do not hide what is wrong with the file."""
    with pytest.raises(ConfigError) as before:
        make(documents(text))
    with pytest.raises(ConfigError) as after:
        make(laid_over(documents(text), {"routes": {"n": layer("/n")}}))
    assert {str(each) for each in before.value.problems} <= {str(each) for each in after.value.problems}


def test_depth_is_bounded() -> None:
    """As it is in files."""
    deep: dict[str, object] = {}
    for _ in range(64):
        deep = {"x": deep}
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        laid_over(documents(), {"routes": {"d": Layer(deep, "told")}})


def test_entries_of_what_is_no_list() -> None:
    """None."""
    assert entries(documents("routes: 1"), "routes") == {}
    assert entries(Documents(Document("x", parse("1", "x").root, []), parse("1", "x")), "routes") == {}

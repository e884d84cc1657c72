"""Requests of the Admin API and what they are answered, as APISIX's clients know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.admin.desk import ADMIN, NODES, ROUTE, VIEWER, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """The API over a file with two routes and a service."""
    return Desk(tmp_path)


# --- who may ask ---


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/routes", ADMIN, 200),
        ("GET", "/routes", VIEWER, 200),
        ("GET", "/routes", "", 401),
        ("GET", "/routes", ADMIN[:-1], 401),
        ("GET", "/routes", ADMIN + "x", 401),
        ("GET", f"/routes?api_key={ADMIN}", "", 200),
        ("GET", "/routes?api_key=wrong", ADMIN, 401),
        ("DELETE", "/routes/7", VIEWER, 401),
        ("PUT", "/routes/7", VIEWER, 401),
        ("HEAD", "/nothing", "", 401),
        ("GET", "/nothing", "", 401),
    ],
)
def test_a_key_is_asked_for_before_anything_else(
    desk: Desk, method: str, path: str, key: str, status: int
) -> None:
    """A viewer reads; who has no key learns nothing, not even what there is."""
    code, value = desk.ask(method, path, key=key)
    assert code == status
    if status == 401:
        assert value == {"error_msg": "failed to check token"}
    assert desk.served == []


def test_a_refused_key_is_in_no_log_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It may be a slip of the right one."""
    desk.ask("GET", "/routes", key="nearly-right")
    assert [record.getMessage() for record in caplog.records] == [
        "Admin API: a request of 127.0.0.1 was refused: wrong apikey"
    ]


# --- one resource ---


def test_a_route_is_made_read_changed_and_deleted(desk: Desk) -> None:
    """Statuses, keys and times are APISIX's; each change is served before it is answered."""
    made = {**ROUTE, "id": "1", "create_time": 1000, "update_time": 1000}
    assert desk.ask("PUT", "/routes/1", ROUTE) == (201, {"key": "/apisix/routes/1", "value": made})
    assert desk.served[-1].routes[-1].uris == ("/get",)
    indexes = {"createdIndex": 1, "modifiedIndex": 1}
    assert desk.ask("GET", "/routes/1") == (200, {"key": "/apisix/routes/1", "value": made, **indexes})

    desk.now = 2000.9
    again = {**ROUTE, "uri": "/got"}
    made = {**again, "id": "1", "create_time": 1000, "update_time": 2000}
    assert desk.ask("PUT", "/routes/1", again) == (200, {"key": "/apisix/routes/1", "value": made})
    assert desk.served[-1].routes[-1].uris == ("/got",)
    assert desk.ask("GET", "/routes/1")[1]["modifiedIndex"] == 2
    assert desk.ask("GET", "/routes/1")[1]["createdIndex"] == 1

    assert desk.ask("DELETE", "/routes/1") == (200, {"deleted": "1", "key": "/apisix/routes/1"})
    assert len(desk.served[-1].routes) == 2
    for method in ("GET", "DELETE", "PATCH"):
        assert desk.ask(method, "/routes/1", {}) == (404, {"message": "Key not found"})


def test_post_makes_an_id(desk: Desk) -> None:
    """Twenty digits, and no id that is taken."""
    status, value = desk.ask("POST", "/routes", ROUTE)
    assert (status, value["value"]["id"]) == (201, "00000000000000000001")
    desk.ask("PUT", "/routes/00000000000000000003", {**ROUTE, "uri": "/c"})
    assert desk.ask("POST", "/routes", {**ROUTE, "uri": "/d"})[1]["value"]["id"] == "00000000000000000004"
    assert desk.uris() == ["/file", "/unnamed", "/get", "/c", "/d"]


def test_the_id_may_stand_in_the_body(desk: Desk) -> None:
    """As a number, too, and then it has to be that of the path."""
    assert desk.ask("PUT", "/routes", {**ROUTE, "id": 5})[1]["key"] == "/apisix/routes/5"
    assert desk.ask("PUT", "/routes/5", {**ROUTE, "id": 5})[0] == 200
    assert desk.ask("PUT", "/routes/6", {**ROUTE, "id": 5}) == (400, {"error_msg": "wrong route id"})
    assert desk.ask("PUT", "/routes", ROUTE) == (400, {"error_msg": "missing route id"})
    wanted = (400, {"error_msg": "wrong route id, do not need it"})
    assert desk.ask("POST", "/routes", {**ROUTE, "id": 5}) == wanted
    assert desk.ask("POST", "/routes/5", ROUTE) == wanted


def test_patch_merges(desk: Desk) -> None:
    """Mappings key by key, null takes a key away, lists are replaced (RFC 7396)."""
    desk.ask("PUT", "/routes/1", {**ROUTE, "desc": "old", "methods": ["GET"]})
    desk.now = 3000.0
    patch = {"desc": None, "methods": ["POST"], "upstream": {"nodes": {"127.0.0.1:1981": 1}}}
    status, made = desk.ask("PATCH", "/routes/1", patch)
    assert status == 200
    assert made["value"] == {
        "uri": "/get",
        "methods": ["POST"],
        "upstream": {"type": "roundrobin", "nodes": {**NODES, "127.0.0.1:1981": 1}},
        "id": "1",
        "create_time": 1000,
        "update_time": 3000,
    }
    assert desk.ask("GET", "/routes/1")[1]["value"] == made["value"]
    assert desk.served[-1].routes[-1].methods == ("POST",)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("/methods", ["PUT"], {"methods": ["PUT"]}),
        ("/upstream/nodes", {"h:1": 2}, {"upstream": {"type": "roundrobin", "nodes": {"h:1": 2}}}),
        ("/labels/team", "a", {"labels": {"team": "a"}}),
        ("/priority", 3, {"priority": 3}),
    ],
)
def test_patch_of_a_path_replaces_one_value(
    desk: Desk, path: str, value: Any, expected: dict[str, Any]
) -> None:
    """And makes the mappings on the way."""
    desk.ask("PUT", "/routes/1", ROUTE)
    status, made = desk.ask("PATCH", f"/routes/1{path}", value)
    assert status == 200
    assert made["value"] == {**ROUTE, "id": "1", "create_time": 1000, "update_time": 1000, **expected}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/routes/1", b"", "missing new configuration"),
        ("/routes/1", b"[]", "invalid configuration: expected an object"),
        ("/routes/1/uri/x", b"1", "invalid sub-path: /uri"),
        ("/routes/1/id", b'"2"', "wrong route id"),
        ("/routes/1/uri", b"null", "invalid configuration: lacks 'uri' (or 'uris')"),
        ("/routes/1/uri", b"7", "invalid configuration: uri: expected a text"),
        ("/routes", b"{}", "missing route id"),
    ],
)
def test_patches_that_are_none(desk: Desk, path: str, body: bytes, message: str) -> None:
    """Nothing changes."""
    desk.ask("PUT", "/routes/1", ROUTE)
    status, value = desk.ask("PATCH", path, body=body)
    assert status == 400
    assert value["error_msg"].startswith(message)
    assert len(desk.served) == 1


# --- what is refused ---


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"uri": "/x", "plugns": {}}, "plugns: unknown key; did you mean 'plugins'?"),
        ({"uri": "/x", "upstream": {"nodes": NODES, "type": "chash"}}, "upstream.type: known to APISIX, not served"),
        ({**ROUTE, "plugins": {"hdx": {"conf": "a"}}}, "plugins.hdx: no plugin of this name is declared"),
        ({**ROUTE, "plugins": {"hdr": {}}}, "plugins.hdr: lacks 'conf'"),
        ({"uri": "/x", "upstream_id": "u"}, "upstream_id: no entry of upstreams has id 'u'"),
        ({"uri": "/x"}, "leads nowhere: give it one of plugins"),
        ({**ROUTE, "uri": 7}, "uri: expected a text, got the number 7"),
        ({"upstream": {"nodes": NODES}}, "lacks 'uri' (or 'uris')"),
        ({**ROUTE, "desc": "x" * 300}, "desc: expected a text of at most 256 characters"),
    ],
)  # fmt: skip
def test_a_value_is_validated_as_the_file_is(desk: Desk, value: dict[str, Any], message: str) -> None:
    """The same words, with the path inside the resource; nothing changes."""
    status, answer = desk.ask("PUT", "/routes/1", value)
    assert status == 400
    assert answer["error_msg"].startswith(f"invalid configuration: {message}"), answer
    assert desk.served == []
    assert desk.ask("GET", "/routes/1")[0] == 404


@pytest.mark.parametrize("own_id", ["a%20b", "x" * 65, "0", "%C3%A4", ".."])
def test_ids_are_those_of_files(desk: Desk, own_id: str) -> None:
    """APISIX's form."""
    status, answer = desk.ask("PUT", f"/routes/{own_id}", ROUTE)
    assert status in (400, 404)
    assert "error_msg" in answer
    assert desk.served == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "missing configurations"),
        (b"{", "invalid request body: "),
        (b"\xff\xfe", "invalid request body: it is not UTF-8"),
        (b'{"desc": "\\ud800"}', "invalid request body: it is not UTF-8"),
        (b'{"a": NaN}', "invalid request body: NaN is no number of JSON"),
        (b"[" * 100_000, "invalid request body: nested too deep"),
        (b'{"uri": ' + b"[" * 200 + b"]" * 200 + b"}", "invalid configuration: nested deeper than 64 levels"),
        (b'{"n": ' + b"9" * 5000 + b"}", "invalid request body: "),
        (b'"text"', "invalid configuration: expected an object"),
        (b"null", "invalid configuration: expected an object"),
    ],
    ids=["none", "open", "utf-16", "surrogate", "nan", "brackets", "deep", "digits", "text", "null"],
)
def test_bodies_that_are_no_resource(desk: Desk, body: bytes, message: str) -> None:
    """400 with the reason, whatever comes."""
    status, answer = desk.ask("PUT", "/routes/1", body=body)
    assert status == 400
    assert answer["error_msg"].startswith(message)
    assert desk.served == []


def test_what_the_workers_refuse_changes_nothing(desk: Desk) -> None:
    """The reason is in the answer; the next change is made on what was before."""
    desk.ask("PUT", "/routes/1", ROUTE)
    desk.refuse = ["/apisix/routes/1@2: plugins.hdr: plugin hdr: proxy_on_configure returned false"]
    expected = {
        "error_msg": "invalid configuration: plugins.hdr: plugin hdr: proxy_on_configure returned false"
    }
    assert desk.ask("PATCH", "/routes/1", {"uri": "/new"}) == (400, expected)
    assert desk.ask("GET", "/routes/1")[1]["value"]["uri"] == "/get"
    desk.refuse = []
    assert desk.ask("PATCH", "/routes/1", {"desc": "x"})[1]["value"]["uri"] == "/get"


def test_when_nothing_can_be_changed_it_is_said(desk: Desk) -> None:
    """503: the request was not wrong, and may be repeated."""
    desk.not_now = "the gateway is stopping"
    assert desk.ask("PUT", "/routes/1", ROUTE) == (503, {"error_msg": "the gateway is stopping"})
    assert desk.ask("GET", "/routes")[1]["total"] == 2
    desk.not_now = ""
    assert desk.ask("PUT", "/routes/1", ROUTE)[0] == 201


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nothing", 404, "Unsupported resource type: nothing"),
        ("PUT", "/ssls/1", 404, "Unsupported resource type: ssls"),
        ("GET", "", 404, "not found"),
        ("GET", "/../../x", 404, "not found"),
        ("GET", "/%", 404, "not found"),
        ("OPTIONS", "/routes", 404, "not found"),
        ("DELETE", "/routes", 400, "missing route id"),
        ("DELETE", "/global_rules", 400, "missing global rule id"),
        ("PUT", "/routes/1?ttl=5", 400, "invalid argument ttl: it is not served here"),
        ("GET", "/routes?page=1&page_size=5", 400, "page_size must be between 10 and 500"),
        ("GET", "/routes?page=x&page_size=10", 400, "page must be a number"),
    ],
)
def test_other_mistakes(desk: Desk, method: str, path: str, status: int, message: str) -> None:
    """As in APISIX, whose ttl would have a route go by itself."""
    assert desk.ask(method, path) == (status, {"error_msg": message})


# --- many ---


def test_lists_have_what_the_file_has_too(desk: Desk) -> None:
    """In the order of declaration; an entry without an id has the one that APISIX gives it."""
    desk.ask("PUT", "/routes/1", ROUTE)
    status, value = desk.ask("GET", "/routes")
    assert (status, value["total"]) == (200, 3)
    assert [each["key"] for each in value["list"]] == [
        "/apisix/routes/7", "/apisix/routes/arr_2", "/apisix/routes/1",
    ]  # fmt: skip
    assert value["list"][0] == {
        "key": "/apisix/routes/7",
        "value": {"id": "7", "uri": "/file", "service_id": "s"},
        "createdIndex": 0,
        "modifiedIndex": 0,
    }
    assert desk.ask("GET", "/upstreams") == (200, {"total": 0, "list": []})


def test_lists_can_be_selected_from_and_paged(desk: Desk) -> None:
    """By `name`, `uri` and `label`, and by pages; `total` counts what was selected."""
    for number in range(1, 13):
        labels = {"even": "yes"} if number % 2 == 0 else {"odd": "yes"}
        route = {**ROUTE, "uri": f"/n/{number}", "name": f"name-{number}", "labels": labels}
        assert desk.ask("PUT", f"/routes/n{number}", route)[0] == 201
    page = desk.ask("GET", "/routes?page=2&page_size=10")[1]
    assert (page["total"], len(page["list"])) == (14, 4)
    assert desk.ask("GET", "/routes?name=name-1&label=even")[1]["total"] == 2
    assert desk.ask("GET", "/routes?uri=unna")[1]["list"][0]["value"]["id"] == "arr_2"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("services", {"upstream": {"nodes": NODES}}),
        ("upstreams", {"nodes": NODES}),
        ("plugin_configs", {"plugins": {"hdr": {"conf": "x"}}}),
        ("global_rules", {"plugins": {"hdr": {"conf": "x"}}}),
        ("stream_routes", {"server_port": 9000, "upstream": {"nodes": NODES, "scheme": "tcp"}}),
    ],
)
def test_the_other_kinds_are_the_same(desk: Desk, kind: str, value: dict[str, Any]) -> None:
    """Made, changed, listed and deleted."""
    assert desk.ask("PUT", f"/{kind}/1", value)[0] == 201
    assert desk.ask("PATCH", f"/{kind}/1", {"desc": "d"})[0] == 200
    total = 2 if kind == "services" else 1
    assert desk.ask("GET", f"/{kind}")[1]["total"] == total
    assert desk.ask("DELETE", f"/{kind}/1")[0] == 200
    assert len(desk.served) == 3


def test_a_resource_that_is_used_cannot_be_deleted(desk: Desk) -> None:
    """The place that uses it is named: here it is in the file."""
    status, answer = desk.ask("DELETE", "/services/s")
    assert status == 400
    assert answer["error_msg"] == (
        f"can not delete this service: {desk.path}:4: routes[0].service_id: no entry of services has id 's'"
    )
    desk.ask("DELETE", "/routes/7")
    assert desk.ask("DELETE", "/services/s")[0] == 200

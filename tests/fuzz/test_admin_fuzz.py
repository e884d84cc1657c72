"""The Admin API under requests of any kind: each has an answer, and what was refused has left no trace."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.admin.messages import AdminRequest
from host.admin.patch import merged
from tests.admin.desk import ADMIN, ROUTE, Desk

SEGMENTS = st.sampled_from(
    [
        "routes",
        "services",
        "1",
        "s",
        "arr_2",
        "uri",
        "plugins",
        "upstream",
        "nodes",
        "..",
        "",
        "%",
        "%2f",
        "ä",
        "\0",
    ]
)
LIKELY = [
    b"routes/1",
    b"routes/7",
    b"routes",
    b"services/s",
    b"global_rules/1",
    b"routes/1/upstream",
    b"upstreams/u",
]
TARGETS = st.one_of(
    st.sampled_from([b"/apisix/admin/" + path for path in LIKELY]),
    st.sampled_from([b"/apisix/admin/" + path for path in LIKELY]),
    st.binary(max_size=60),
    st.lists(SEGMENTS, max_size=6).map(lambda parts: ("/apisix/admin/" + "/".join(parts)).encode()),
)
ODD_QUERIES = st.binary(max_size=40) | st.sampled_from([b"page=1&page_size=10", b"api_key=%ff", b"ttl=x"])
QUERIES = st.integers(0, 5).flatmap(lambda chance: ODD_QUERIES if chance == 0 else st.just(b""))
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("s"))
KEYS = st.one_of(
    st.sampled_from(
        ["uri", "id", "plugins", "upstream", "nodes", "hdr", "conf", "service_id", "status", "labels"]
    ),
    st.text(max_size=5),
)
VALUES = st.recursive(
    LEAVES,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=4),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=80),
    VALUES.map(lambda value: json.dumps(value).encode()),
    VALUES.map(lambda value: json.dumps(merged(ROUTE, value)).encode()),
    st.just(json.dumps(ROUTE).encode()),
    st.dictionaries(KEYS, LEAVES, max_size=1).map(lambda value: json.dumps({**ROUTE, **value}).encode()),
)
METHODS = st.sampled_from([b"GET", b"PUT", b"POST", b"PATCH", b"DELETE", b"HEAD", b"x"])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One for all requests: what some have made, others change."""
    return Desk(tmp_path_factory.mktemp("desk"))


@given(method=METHODS, target=TARGETS, query=QUERIES, body=BODIES)
def test_every_request_is_answered(
    desk: Desk, method: bytes, target: bytes, query: bytes, body: bytes
) -> None:
    """By a status of the API and JSON, never by 500; and the whole can still be served."""
    before = len(desk.served)
    request = AdminRequest(method, target + b"?" + query, "127.0.0.1", ADMIN.encode(), body)
    answer = asyncio.run(desk.api.handle(request))
    assert answer.status in (200, 201, 400, 401, 404), answer
    assert isinstance(json.loads(answer.body), dict)
    has_changed = len(desk.served) > before
    assert has_changed == (answer.status in (200, 201) and method != b"GET")
    if has_changed:
        assert desk.resources.first().config == desk.served[-1]


def test_the_file_of_the_desk_is_what_it_was(desk: Desk, tmp_path: Path) -> None:
    """Files are not written to."""
    assert desk.path.read_text() == Desk(tmp_path).path.read_text()

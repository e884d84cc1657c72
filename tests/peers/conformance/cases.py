"""The cases: a guest, its configuration, the bytes of a request and of the origin's answer.

What follows from them on a host is not written here by hand but observed: see expectations/ and record.py.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from testdata import relay
from tests.peers.conformance.guest import RELAY, GuestCase

Pieces = tuple[bytes, ...]

OUT = (relay.SCRATCH, relay.SCRATCH + 4)
"""Where a relay puts an address and a size."""

ANSWER: Pieces = (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Origin: yes\r\n\r\nhello\n",)
CHUNKED_ANSWER: Pieces = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nfirst\r\n",
    b"6\r\nsecond\r\n",
    b"0\r\nx-sum: 11\r\n\r\n",
)


@dataclass(frozen=True, slots=True)
class Case(GuestCase):
    """One exchange over HTTP. `NAME.test` is the request's Host."""

    request: Pieces  # each written by itself, with a pause between
    answer: Pieces = ANSWER  # the origin's


def _request(name: str, line: str, fields: Sequence[str], *body: bytes) -> Pieces:
    # Envoy adds X-Forwarded-Proto where it is missing: so it is sent, and guests of all hosts see the same fields.
    head = "\r\n".join([line, f"Host: {name}.test", "X-Forwarded-Proto: http", *fields, "", ""]).encode()
    return (head + body[0], *body[1:]) if body else (head,)


def get(
    name: str,
    plugin: str,
    configuration: Any,
    *fields: str,
    line: str = "GET / HTTP/1.1",
    answer: Pieces = ANSWER,
) -> Case:
    return Case(name, plugin, json.dumps(configuration), _request(name, line, fields), answer)


def _post(name: str, plugin: str, configuration: Any, *body: bytes, answer: Pieces = ANSWER) -> Case:
    """A POST whose body comes in pieces, counted by Content-Length."""
    fields = [f"Content-Length: {sum(map(len, body))}"]
    return Case(
        name, plugin, json.dumps(configuration), _request(name, "POST / HTTP/1.1", fields, *body), answer
    )


def _post_chunked(name: str, plugin: str, configuration: Any, answer: Pieces = ANSWER) -> Case:
    """A POST of two chunks, `first` and `second`, with the trailer `x-sum: 11`."""
    fields = ["Transfer-Encoding: chunked", "Trailer: x-sum"]
    body = (b"5\r\nfirst\r\n", b"6\r\nsecond\r\n", b"0\r\nx-sum: 11\r\n\r\n")
    return Case(
        name, plugin, json.dumps(configuration), _request(name, "POST / HTTP/1.1", fields, *body), answer
    )


def relayed(name: str, *script: tuple[Any, ...], body: Sequence[bytes] = ()) -> Case:
    """A relay that runs its script in a GET, or in a POST whose body comes in pieces."""
    fields = [f"Content-Length: {sum(map(len, body))}"] if body else []
    request = _request(name, f"{'POST' if body else 'GET'} / HTTP/1.1", fields, *body)
    return Case(name, RELAY, "", request, script=script)


def _op(op: str, name: str, value: str = "", **more: Any) -> dict[str, Any]:
    return {"op": op, "name": name, "value": value, **more}


def _body(direction: str, *edits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {direction: {"edits": edits, **more}}


def _edit(op: str, data: str = "", **more: Any) -> dict[str, Any]:
    return {"op": op, "data": data, **more}


def _local(phase: str, code: int, **more: Any) -> dict[str, Any]:
    return {"phase": phase, "code": code, **more}


def _properties(phase: str, *paths: str) -> list[dict[str, Any]]:
    return [{"phase": phase, "path": path.split(".")} for path in paths]


HEADERS = (
    get("headers-add", "http_headers", {"request": [_op("add", "x-a", "2"), _op("get", "x-a")]}, "X-A: 1"),
    get(
        "headers-replace",
        "http_headers",
        {"request": [_op("replace", "x-a", "3")]},
        "X-A: 1",
        "X-B: b",
        "X-A: 2",
    ),
    get(
        "headers-remove",
        "http_headers",
        {"request": [_op("remove", "x-a"), _op("remove", "x-c")]},
        "X-A: 1",
        "X-A: 2",
    ),
    get(
        "headers-get",
        "http_headers",
        {"request": [_op("get", "x-a"), _op("get", "X-A"), _op("get", "x-missing"), _op("get", "x-empty")]},
        "X-A: 1",
        "X-A: 2",
        "X-Empty:",
    ),
    get(
        "headers-upper-case",
        "http_headers",
        {"request": [_op("add", "X-New", "1")], "response": [_op("add", "X-Up", "2")]},
    ),
    get(
        "headers-empty-value",
        "http_headers",
        {"request": [_op("replace", "x-a", "")], "response": [_op("add", "x-b", "")]},
        "X-A: 1",
    ),
    get(
        "headers-set",
        "http_headers",
        {
            "request": [
                {
                    "op": "set",
                    "pairs": [
                        [":method", "GET"],
                        [":path", "/set"],
                        [":authority", "set.test"],
                        [":scheme", "http"],
                        ["x-forwarded-proto", "http"],  # Envoy finds no route without it
                        ["x-only", "1"],
                    ],
                }
            ]
        },
        "X-A: 1",
    ),
    get(
        "headers-response",
        "http_headers",
        {
            "response": [
                _op("add", "set-cookie", "c=3"),
                _op("replace", "x-origin", "no"),
                _op("remove", "x-gone"),
            ]
        },
        answer=(
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nX-Gone: 1\r\nX-Origin: yes\r\n"
            b"Set-Cookie: b=2\r\n\r\n",
        ),
    ),
    get("headers-chunked-answer", "http_headers", {}, answer=CHUNKED_ANSWER),
    get(
        "headers-other-direction",
        "http_headers",
        {
            "request": [
                _op("add", "x-early", "1", phase="response_headers"),
                _op("get", "x-a", phase="response_headers"),
                _op("get", ":path", phase="log"),
            ],
            "response": [
                _op("add", "x-early", "1", phase="request_headers"),
                _op("get", "x-origin", phase="request_headers"),
                _op("get", "x-origin", phase="log"),
                _op("add", "x-late", "1", phase="response_body"),
                _op("get", "x-origin", phase="response_body"),
            ],
        },
        "X-A: 1",
    ),
    _post(
        "headers-in-body-phase",
        "http_headers",
        {
            "request": [
                _op("get", "x-a", phase="request_body"),
                _op("get", ":path", phase="request_body"),
                _op("add", "x-late", "1", phase="request_body"),
            ]
        },
        b"body",
    ),
)

PSEUDO_HEADERS = (
    get("pseudo-read", "pseudo_headers", {}, line="GET /path?q=1 HTTP/1.1"),
    get(
        "pseudo-request",
        "pseudo_headers",
        {"request": {"replace": {":path": "/new?x=1", ":method": "DELETE", ":authority": "other.test"}}},
    ),
    get("pseudo-status", "pseudo_headers", {"response": {"replace": {":status": "404"}}}),
    get("pseudo-status-not-a-number", "pseudo_headers", {"response": {"replace": {":status": "abc"}}}),
    get("pseudo-status-too-large", "pseudo_headers", {"response": {"replace": {":status": "1000"}}}),
    get("pseudo-status-removed", "pseudo_headers", {"response": {"remove": [":status"]}}),
    get("pseudo-path-removed", "pseudo_headers", {"request": {"remove": [":path"]}}),
    get("pseudo-status-added", "pseudo_headers", {"response": {"add": {":status": "404"}}}),
    get("pseudo-host-replaced", "pseudo_headers", {"request": {"replace": {"host": "by-host.test"}}}),
)

BODIES = (
    _post("body-pieces", "body", {}, b"first", b"second"),
    _post_chunked("body-chunks", "body", {}),
    get("body-none", "body", {}),
    _post(
        "body-buffered-replace",
        "body",
        _body("request", _edit("replace", "new"), mode="buffered", remove_content_length=True),
        b"first",
        b"second",
    ),
    _post_chunked("body-chunks-append", "body", _body("request", _edit("append", "+"))),
    _post_chunked("body-chunks-append-end", "body", _body("request", _edit("append", "!", at="end"))),
    _post(
        "body-pieces-prepend",
        "body",
        _body("request", _edit("prepend", ">"), remove_content_length=True),
        b"first",
        b"second",
    ),
    get(
        "body-response-replace",
        "body",
        _body("response", _edit("replace", "new\n"), remove_content_length=True),
    ),
    get("body-response-emptied", "body", _body("response", _edit("replace", ""), remove_content_length=True)),
    get("body-response-wrong-length", "body", _body("response", _edit("append", "more\n"))),
    get(
        "body-response-buffered",
        "body",
        _body("response", _edit("append", "!"), mode="buffered"),
        answer=CHUNKED_ANSWER,
    ),
    get(
        "body-splice",
        "body",
        _body(
            "response",
            _edit("splice", "<", at="first", start=0, length=0),
            _edit("splice", "", at="first", start=0, length=2),
            _edit("splice", ">", at="first", start=0x7FFFFFFF, length=0),
            _edit("splice", "X", at="first", start=1, length=1),
            _edit("read", at="first", start=0, length=64),
            remove_content_length=True,
        ),
    ),
    get(
        "body-read",
        "body",
        _body(
            "response",
            _edit("read", at="first", start=0, length=3),
            _edit("read", at="first", start=3, length=0x7FFFFFFF),
            _edit("read", at="first", start=6, length=1),
            _edit("read", at="first", start=7, length=1),
            _edit("read", at="first", start=0, length=0),
        ),
    ),
)

TRAILERS = (
    _post_chunked(
        "trailers-request",
        "trailers",
        {"request": [_op("get", "x-sum"), _op("add", "x-more", "1"), _op("replace", "x-sum", "0")]},
    ),
    _post_chunked("trailers-request-emptied", "trailers", {"request": [_op("remove", "x-sum")]}),
    get(
        "trailers-response",
        "trailers",
        {"response": [_op("get", "x-sum"), _op("get", "x-none"), _op("add", "x-sum", "12")]},
        answer=CHUNKED_ANSWER,
    ),
    get(
        "trailers-response-set",
        "trailers",
        {"response": [{"op": "set", "pairs": [["x-one", "1"], ["x-two", "2"]]}]},
        answer=CHUNKED_ANSWER,
    ),
    get(
        "trailers-created",
        "trailers",
        {"response": [_op("add", "x-made", "1", phase="response_body_end")]},
        answer=(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n",),
    ),
    get(
        "trailers-created-with-length",
        "trailers",
        {"response": [_op("add", "x-made", "1", phase="response_body_end")]},
    ),
    get(
        "trailers-too-early",
        "trailers",
        {
            "response": [
                _op("add", "x-made", "1", phase="response_headers"),
                _op("get", "x-made", phase="log"),
            ]
        },
    ),
)

LOCAL_RESPONSES = (
    get(
        "local-request-headers",
        "local_response",
        {
            "responses": [
                _local("request_headers", 403, body="no\n", headers=[["x-why", "policy"], ["X-Why", "again"]])
            ]
        },
    ),
    get("local-without-body", "local_response", {"responses": [_local("request_headers", 401)]}),
    get(
        "local-head",
        "local_response",
        {"responses": [_local("request_headers", 403, body="no\n")]},
        line="HEAD / HTTP/1.1",
    ),
    get("local-204", "local_response", {"responses": [_local("request_headers", 204, body="never seen")]}),
    get(
        "local-content-type",
        "local_response",
        {
            "responses": [
                _local("request_headers", 200, body="{}", headers=[["content-type", "application/json"]])
            ]
        },
    ),
    get(
        "local-continue",
        "local_response",
        {"responses": [_local("request_headers", 403, body="no\n", action="continue")]},
    ),
    get(
        "local-twice",
        "local_response",
        {
            "responses": [
                _local("request_headers", 403, body="first\n"),
                _local("request_headers", 404, body="second\n"),
            ]
        },
    ),
    get(
        "local-grpc-status",
        "local_response",
        {"responses": [_local("request_headers", 403, body="no", grpc_status=7)]},
    ),
    _post(
        "local-request-body",
        "local_response",
        {"responses": [_local("request_body", 403, body="no\n")]},
        b"body",
    ),
    _post_chunked(
        "local-request-trailers",
        "local_response",
        {"responses": [_local("request_trailers", 403, body="no\n")]},
    ),
    get(
        "local-response-headers",
        "local_response",
        {"responses": [_local("response_headers", 503, body="replaced\n")]},
    ),
    # Not here: a local response from on_log. Envoy 1.40 calls the guest back for it without end and dies of it.
)

PROPERTIES = (
    get(
        "properties-request",
        "properties",
        {
            "get": _properties(
                "request_headers",
                *(
                    "request.path",
                    "request.url_path",
                    "request.query",
                    "request.host",
                    "request.method",
                    "request.scheme",
                ),
                *(
                    "request.protocol",
                    "request.useragent",
                    "request.referer",
                    "request.headers.x-a",
                    "request.headers.none",
                ),
                *(
                    "request.size",
                    "request.total_size",
                    "response.code",
                    "plugin_name",
                    "plugin_root_id",
                    "nothing",
                    "request",
                ),
            )
        },
        "X-A: 1",
        "X-A: 2",
        "User-Agent: test",
        line="GET /path?q=1 HTTP/1.1",
    ),
    _post(
        "properties-response",
        "properties",
        {
            "get": _properties(
                "response_headers",
                *(
                    "response.code",
                    "response.code_details",
                    "response.headers.x-origin",
                    "response.flags",
                    "response.grpc_status",
                ),
                *("request.path", "request.method", "request.size", "request.headers.content-length"),
            )
        },
        b"body",
    ),
    _post(
        "properties-log",
        "properties",
        {
            "get": _properties(
                "log",
                "request.path",
                "request.size",
                "response.code",
                "response.size",
                "response.code_details",
                "response.flags",
            )
        },
        b"body",
    ),
    get(
        "properties-set",
        "properties",
        {
            "set": [
                {"phase": "request_headers", "path": ["mine"], "value": "v"},
                {"phase": "request_headers", "path": ["request", "path"], "value": "/set"},
            ],
            "get": _properties("request_headers", "mine", "request.path")
            + _properties("response_headers", "mine", "wasm.mine"),
        },
    ),
)

GROUPS = (
    *("metadata", "metadata.filter_metadata", "xds.cluster_metadata", "xds.route_metadata"),
    *("xds.virtual_host_metadata", "xds.listener_metadata", "xds.listener_metadata.filter_metadata"),
    *("xds.listener_direction", "xds.virtual_host_name", "xds.filter_chain_name"),
    *("response.headers", "response.trailers", "response.backend_latency", "connection.mtls"),
    *("connection.requested_server_name", "xds.upstream_host_metadata.filter_metadata"),
)
"""Properties that are there or not, whatever they are worth."""

GROUPED = tuple(
    relayed(
        f"properties-groups-{phase.replace('_', '-')}",
        *((phase, "proxy_get_property", path.replace(".", "\0").encode(), *OUT) for path in GROUPS),
    )
    for phase in ("request_headers", "response_headers", "log")
)

BUFFERS = tuple(
    relayed(
        f"buffers-{phase.replace('_', '-')}",
        *(
            step
            for kind in (0, 1, 2, 3, 4, 5)  # not 8: Envoy 1.40 dies when that is written to
            for step in (
                (phase, "proxy_get_buffer_bytes", kind, 0, 9, *OUT),
                *([(phase, "proxy_set_buffer_bytes", kind, 0, 0, b"x")] if kind != 4 else []),
            )
        ),
        body=[b"hello"],
    )
    for phase in ("request_headers", "response_headers", "log", "done")
)


def _pause(phase: str, resume: str = "tick", **more: Any) -> dict[str, Any]:
    return {"pause": [phase], "resume": resume, "tick_period_milliseconds": 20, **more}


PAUSES = (
    get("pause-request-headers", "pause_resume", _pause("request_headers", ticks=3)),
    get("pause-response-headers", "pause_resume", _pause("response_headers")),
    get("pause-at-once", "pause_resume", _pause("request_headers", "at_once")),
    _post("pause-early", "pause_resume", _pause("request_body", "early", ticks=1), b"body"),
    get("pause-answer", "pause_resume", _pause("request_headers", "answer")),
    get("pause-response-answer", "pause_resume", _pause("response_headers", "answer")),
    _post("pause-request-body", "pause_resume", _pause("request_body", "end"), b"first", b"second"),
    get("pause-response-body", "pause_resume", _pause("response_body", "end"), answer=CHUNKED_ANSWER),
    _post_chunked("pause-request-trailers", "pause_resume", _pause("request_trailers")),
    get("pause-response-trailers", "pause_resume", _pause("response_trailers"), answer=CHUNKED_ANSWER),
    _post("pause-headers-with-body", "pause_resume", _pause("request_headers"), b"first", b"second"),
    *(
        dataclasses.replace(case, allow_on_headers_stop_iteration=True)
        for case in (
            _post(
                "pause-head-alone", "pause_resume", _pause("request_headers", "never"), b"first", b"second"
            ),
            get("pause-head-alone-no-body", "pause_resume", _pause("request_headers")),
            get(
                "pause-response-head-alone",
                "pause_resume",
                _pause("response_headers", "never"),
                answer=CHUNKED_ANSWER,
            ),
            _post(
                "pause-head-and-body",
                "pause_resume",
                {"pause": ["request_headers", "request_body"], "resume": "end"},
                b"first",
                b"second",
            ),
        )
    ),
)

LIFE_CYCLE = (
    get("lifecycle-get", "lifecycle", {}),
    _post_chunked("lifecycle-all", "lifecycle", {}, answer=CHUNKED_ANSWER),
    get(
        "lifecycle-head",
        "lifecycle",
        {},
        line="HEAD / HTTP/1.1",
        answer=(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",),
    ),
    get("lifecycle-empty-length", "lifecycle", {}, "Content-Length: 0", line="POST / HTTP/1.1"),
    get("lifecycle-304", "lifecycle", {}, answer=(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n',)),
    get(
        "lifecycle-interim",
        "lifecycle",
        {},
        answer=(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *ANSWER),
    ),
    get("log-levels", "log_levels", {"phases": ["request_headers"]}),
    get("configuration-text", "fail_configure", "as it is: \u00e4"),
)

TRAPS = (
    get("trap-request-headers", "trap", {"phase": "request_headers"}),
    _post("trap-request-body", "trap", {"phase": "request_body"}, b"body"),
    get("trap-response-headers", "trap", {"phase": "response_headers"}),
    get("trap-log", "trap", {"phase": "log"}),
)

HTTP_CASES: tuple[Case, ...] = (
    *HEADERS,
    *PSEUDO_HEADERS,
    *BODIES,
    *TRAILERS,
    *LOCAL_RESPONSES,
    *PROPERTIES,
    *GROUPED,
    *BUFFERS,
    *PAUSES,
    *LIFE_CYCLE,
    *TRAPS,
)

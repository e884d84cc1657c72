"""Hooks of APIs that a dispatcher on grpcio carries out: all five kinds, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.testing import ProxyServer
from host.testing.server import Answer
from tests.e2e.echo_json import Echo, echoing
from tests.external.tyk.dispatchers import Dispatcher, dispatching


@pytest.fixture(scope="module")
def dispatcher() -> Iterator[Dispatcher]:
    """One for all tests that do not end it."""
    with dispatching() as process:
        yield process


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    """An origin."""
    with echoing() as server:
        yield server


def config(
    folder: Path, port: int, apis: dict[str, dict[str, Any]], options: dict[str, Any], **keys: Any
) -> dict[str, Any]:
    """APIs by id, each with its middleware, on paths of their names."""
    for name, middleware in apis.items():
        is_protected = "auth_check" in middleware
        api = {
            "name": name,
            "api_id": name,
            "org_id": "org",
            "use_keyless": not is_protected,
            "enable_coprocess_auth": is_protected,
            "proxy": {"listen_path": f"/{name}/", "target_url": f"http://127.0.0.1:{port}", "strip_listen_path": True},
            "custom_middleware": {"driver": "grpc", **middleware},
            "config_data": {"key": "value"},
            **keys,
        }  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(api))
    options = {"enable_coprocess": True, **options}
    return {"tyk": {"apis": [f"{name}.json" for name in apis], "coprocess_options": options}}


def names(*hooks: str) -> list[dict[str, Any]]:
    return [{"name": hook} for hook in hooks]


def at(port: int, **options: Any) -> dict[str, Any]:
    return {"coprocess_grpc_server": f"tcp://127.0.0.1:{port}", **options}


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory, dispatcher: Dispatcher, echo: Echo
) -> Iterator[ProxyServer]:
    """A gateway with an API for each hook of the dispatcher."""
    folder = tmp_path_factory.mktemp("tyk")
    apis: dict[str, dict[str, Any]] = {
        name: {"pre": names(name)}
        for name in (
            "pre",
            "refuse",
            "override",
            "without",
            "bad_header",
            "bad_url",
            "hang",
            "fail",
            "huge",
            "none",
            "add_body",
        )
    }
    apis["my_api_name"] = {"pre": names("rewrite")}
    apis["raw"] = {"pre": [{"name": "pre", "raw_body_only": True}]}
    apis["response"] = {"response": names("response")}
    apis["bad_response"] = {"response": names("without")}
    apis["nobody"] = {"auth_check": {"name": "nobody"}}
    apis["auth_fails"] = {"auth_check": {"name": "fail"}}
    apis["all"] = {
        "pre": names("pre"),
        "auth_check": {"name": "authenticate"},
        "post_key_auth": names("alias"),
        "post": names("alias"),
        "response": names("response"),
    }
    with ProxyServer(
        folder, config(folder, echo.server_port, apis, at(dispatcher.port, grpc_timeout=1))
    ) as server:
        yield server


def error(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]


def test_a_pre_hook_changes_the_request(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """Fields, parameters and body; it has seen the request as it came, with Go's spelling of names."""
    answer = proxy.request(
        "POST", "/pre/path?a=1&gone=2&a=3", {"x-sent": "yes", "Content-Type": "text/plain"}, b"body \xff"
    )
    told = json.loads(answer.body)
    assert told["args"] == {"a": "3", "added": "1"}
    assert told["url"].endswith("/path?a=1&a=3&added=1")
    assert told["data"] == "BODY \xff"
    assert told["headers"]["X-Pre"] == "yes"
    assert "X-Sent" not in told["headers"]
    sent = dispatcher.sent()
    assert (sent["hook_type"], sent["hook_name"]) == ("Pre", "pre")
    assert sent["spec"] == {"OrgID": "org", "APIID": "pre", "config_data": '{"key":"value"}'}
    request = sent["request"]
    assert request["url"] == request["request_uri"] == "/pre/path?a=1&gone=2&a=3"
    assert (request["method"], request["scheme"]) == ("POST", "http")
    assert request["params"] == {"a": "1", "gone": "2"}
    assert request["headers"]["X-Sent"] == "yes"
    assert request["headers"]["Host"] == "{}:{}".format(*proxy.address)
    assert request["return_overrides"] == {"response_code": -1}
    assert "body" not in request  # it is no UTF-8
    assert request["raw_body"] == "Ym9keSD/"


@pytest.mark.parametrize(("path", "expected"), [("pre", "text"), ("raw", None)])
def test_a_body_of_text_is_told_as_such(
    proxy: ProxyServer, dispatcher: Dispatcher, path: str, expected: str | None
) -> None:
    """Unless the hook wants it raw alone."""
    told = json.loads(proxy.request("POST", f"/{path}/", body=b"text").body)
    assert told["data"] == "TEXT"
    assert dispatcher.sent()["request"].get("body") == expected


def test_path_and_method(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """They are the returned object's; the query is the request's, as in Tyk."""
    told = json.loads(proxy.request("GET", "/my_api_name/get?q=1").body)
    assert (told["method"], told["args"]) == ("PUT", {"q": "1"})
    assert "/other?q=1" in told["url"]
    dispatcher.sent()


def test_content_where_there_was_none(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """A hook may make a POST of a GET."""
    told = json.loads(proxy.request("GET", "/add_body/").body)
    assert (told["method"], told["data"], told["headers"]["Content-Length"]) == ("POST", "added", "5")
    dispatcher.sent()


def test_a_response_without_content(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """That to a HEAD has fields alone."""
    answer = proxy.request("HEAD", "/response/")
    assert (answer.status, answer.body, answer.header("X-Response")) == (203, b"", "nobody")
    dispatcher.sent()


def test_a_client_that_leaves_while_a_hook_hangs(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """Its call is given up, and the next request is right."""
    with socket.create_connection(proxy.address) as client:
        client.sendall(b"GET /hang/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert dispatcher.sent()["hook_name"] == "hang"
    assert proxy.request("GET", "/pre/").status == 200
    assert dispatcher.sent()["hook_name"] == "pre"


def test_an_error_of_a_hook(proxy: ProxyServer, dispatcher: Dispatcher, echo: Echo) -> None:
    """In Tyk's JSON, with the fields that it wants; the upstream is not asked."""
    count = echo.requests
    answer = proxy.request("GET", "/refuse/")
    assert error(answer) == (401, "not you")
    assert answer.header("X-Why") == "because"
    assert answer.header("Content-Type") == "application/json"
    assert echo.requests == count
    dispatcher.sent()


def test_an_answer_of_a_hook(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """override_error: as it is."""
    answer = proxy.request("GET", "/override/")
    assert (answer.status, answer.body) == (418, b"<tea/>")
    assert answer.header("Content-Type") == "text/xml"
    dispatcher.sent()


def test_all_five_hooks_and_the_session(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """auth_check sets it, and those behind have it."""
    answer = proxy.request("GET", "/all/get", {"Authorization": "abc"})
    assert answer.status == 203
    told = json.loads(answer.body)
    assert told["headers"]["X-Alias"] == "abc-session"
    assert told["headers"]["X-Token"] == "abc"
    assert told["url"].startswith("HTTP://")
    assert answer.header("X-Response") == "abc-session"
    assert [value for name, value in answer.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert answer.header("Access-Control-Allow-Origin") is None
    assert answer.header("X-Ratelimit-Limit") == "7"
    objects = [dispatcher.sent() for _ in range(5)]
    assert [sent["hook_type"] for sent in objects] == [
        "Pre",
        "CustomKeyCheck",
        "PostKeyAuth",
        "Post",
        "Response",
    ]
    assert ["session" in sent for sent in objects] == [False, False, True, True, True]
    session = objects[2]["session"]
    assert session["org_id"] == "org"
    assert session["key_id"] == session["metadata"]["token"] == objects[2]["metadata"]["token"] == "abc"
    assert (session["rate"], session["quota_max"], session["tags"]) == (1.5, "7", ["one"])
    assert session["access_rights"] == {"my_api": {"versions": ["Default"]}}
    assert objects[4]["response"]["status_code"] == 200
    assert objects[4]["response"]["headers"]["Content-Type"] == "application/json"


def test_a_response_hook_without_a_session(proxy: ProxyServer, dispatcher: Dispatcher) -> None:
    """Of a keyless API."""
    answer = proxy.request("GET", "/response/")
    assert (answer.status, answer.header("X-Response")) == (203, "nobody")
    assert int(answer.header("Content-Length") or 0) == len(answer.body)
    dispatcher.sent()


WRONG = [
    ("without", 500, "Middleware error", "has no request"),
    ("bad_header", 500, "Middleware error", "set_headers has what is no field"),
    ("bad_url", 500, "Middleware error", "url is none"),
    ("hang", 500, "Middleware error", "DEADLINE_EXCEEDED"),
    ("fail", 500, "Middleware error", "broken hook"),
    ("huge", 500, "Middleware error", "RESOURCE_EXHAUSTED"),
    ("none", 500, "Middleware error", "UNKNOWN"),
    ("bad_response", 500, "Middleware error", "has no response"),
    ("nobody", 403, "Forbidden", None),
    ("auth_fails", 403, "Key not authorised", "broken hook"),
]


@pytest.mark.parametrize(("path", "status", "message", "line"), WRONG)
def test_what_goes_wrong_lets_nobody_pass(
    proxy: ProxyServer, dispatcher: Dispatcher, path: str, status: int, message: str, line: str | None
) -> None:
    """Each with a line in the log that says why; the next request of others is right."""
    assert error(proxy.request("GET", f"/{path}/")) == (status, message)
    if line is not None:
        proxy.wait_for(line)
    assert proxy.request("GET", "/pre/").status == 200
    dispatcher.sent(), dispatcher.sent()


def test_a_dispatcher_that_is_not_there_yet(tmp_path: Path, echo: Echo) -> None:
    """Until it is, requests fail; then they do not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    apis = {"pre": {"pre": names("pre")}}
    with ProxyServer(tmp_path, config(tmp_path, echo.server_port, apis, at(port))) as proxy:
        assert error(proxy.request("GET", "/pre/")) == (500, "Middleware error")
        proxy.wait_for("UNAVAILABLE: 127.0.0.1")
        with dispatching(f"127.0.0.1:{port}"):
            assert proxy.request("GET", "/pre/").status == 200
        assert error(proxy.request("GET", "/pre/")) == (500, "Middleware error")


def test_a_dispatcher_on_a_unix_socket(tmp_path: Path, echo: Echo) -> None:
    """`unix://`, as well as `tcp://`."""
    path = tmp_path / "d.sock"
    apis = {"pre": {"pre": names("pre")}}
    options = {"coprocess_grpc_server": f"unix://{path}"}
    with (
        dispatching(f"unix:{path}"),
        ProxyServer(tmp_path, config(tmp_path, echo.server_port, apis, options)) as proxy,
    ):
        assert proxy.request("GET", "/pre/").status == 200


GARBAGE = [b"HTTP/1.1 200 OK\r\n\r\n", b"\0" * 100, b"", bytes(range(256)) * 10]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_dispatcher_that_answers_garbage(tmp_path: Path, echo: Echo, garbage: bytes) -> None:
    """It costs its requests, and no other."""

    async def run() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(garbage)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        apis: dict[str, dict[str, Any]] = {"pre": {"pre": names("pre")}, "good": {}}
        proxy = await asyncio.to_thread(
            ProxyServer, tmp_path, config(tmp_path, echo.server_port, apis, at(port))
        )
        with proxy:
            failed = await asyncio.to_thread(proxy.request, "GET", "/pre/")
            assert error(failed) == (500, "Middleware error")
            assert (await asyncio.to_thread(proxy.request, "GET", "/good/")).status == 200
        server.close()

    asyncio.run(run())

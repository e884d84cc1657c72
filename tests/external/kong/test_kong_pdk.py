"""The PDK's methods on an exchange made by hand."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from typing import Any

import pytest

from host.external.kong.methods import METHODS as WIRE
from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import METHODS
from host.external.kong.pdk.state import Gateway, Snapshot, State
from host.reach import UpstreamChange
from tests.external.kong.doubles import Message, View, event

TRUSTING = Gateway(trusted_ips=(ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("10.0.0.0/8")))


def test_every_method_of_the_protocol_file_is_served() -> None:
    """And those of the Lua PDK that callers by MessagePack name, but for what is told to be absent."""
    assert set(WIRE) <= set(METHODS)
    for name in ("request.get_body", "response.error", "service.set_retries", "service.set_timeouts", "log",
                 "service.request.set_body", "service.request.clear_query_arg", "service.request.enable_buffering",
                 "service.response.get_body", "response.set_raw_body", "response.get_raw_body", "vault.get", "log.inspect",
                 "client.set_authenticated_consumer_groups", "nginx.shared.get", "nginx.shared.set", "nginx.get_statistics", "node.get_hostname",
                 "plugin.get_id", "cluster.get_id", "telemetry.log", "log.deprecation", "request.get_start_time"):  # fmt: skip
        assert f"kong.{name}" in METHODS


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("kong.request.get_scheme", [], "http"),
        ("kong.request.get_host", [], "example.com"),
        ("kong.request.get_port", [], 9080),
        ("kong.request.get_http_version", [], 1.1),
        ("kong.request.get_method", [], "GET"),
        ("kong.request.get_path", [], "/c"),
        ("kong.request.get_raw_path", [], "/a%20b/../c"),
        ("kong.request.get_path_with_query", [], "/a%20b/../c?x=1&y&x=2"),
        ("kong.request.get_raw_query", [], "x=1&y&x=2"),
        ("kong.request.get_query_arg", ["x"], "1"),
        ("kong.request.get_query_arg", ["y"], True),
        ("kong.request.get_query_arg", ["z"], None),
        ("kong.request.get_query", [], {"x": ["1", "2"], "y": True}),
        ("kong.request.get_query", [1], {"x": "1"}),
        ("kong.request.get_header", ["HOST"], "Example.com:8080"),
        ("kong.request.get_header", ["x_custom"], "v"),
        ("kong.request.get_header", [":path"], None),
        ("kong.request.get_headers", [], {"host": "Example.com:8080", "x-custom": "v", "b": ["1", "2"]}),
        ("kong.request.get_start_time", [], 1700000001000),
        ("kong.request.get_uri_captures", [], {"unnamed": [], "named": {}}),
        ("kong.request.get_forwarded_host", [], "example.com"),
        ("kong.client.get_ip", [], "192.0.2.7"),
        ("kong.client.get_forwarded_ip", [], "192.0.2.7"),
        ("kong.client.get_port", [], 40000),
        ("kong.client.get_protocol", [], "http"),
        ("kong.client.get_consumer", [], None),
        ("kong.nginx.get_var", ["request_id"], "id-1"),
        ("kong.nginx.get_var", ["nothing"], None),
        ("kong.nginx.req_start_time", [], 1700000001.0),
        ("kong.nginx.get_subsystem", [], "http"),
        ("kong.nginx.get_tls1_version_str", [], None),
        ("kong.node.get_id", [], "node"),
        ("kong.plugin.get_id", [], "plugin-id"),
        ("kong.ip.is_trusted", ["192.0.2.7"], False),
        ("kong.vault.is_reference", ["{vault://env/x}"], True),
    ],
)
def test_what_is_told_of_a_request(name: str, arguments: list[Any], result: Any) -> None:
    """The same state that headers of plugins are in."""
    view = View(fields=[(b"x-custom", b"v"), (b"b", b"1"), (b"b", b"2")])
    assert event(view=view).call(name, arguments) == result


def test_a_trusted_proxy_is_believed() -> None:
    """And nobody else."""
    fields = [(b"x-forwarded-proto", b"HTTPS"), (b"x-forwarded-host", b"Shop.example:8443"), (b"x-forwarded-path", b"/p"),
              (b"x-forwarded-prefix", b"/v1"), (b"x-real-ip", b"203.0.113.5")]  # fmt: skip
    asked = ("scheme", "host", "port", "path", "prefix")
    believing, doubting = event(view=View(fields=fields), gateway=TRUSTING), event(view=View(fields=fields))
    assert [believing.call(f"kong.request.get_forwarded_{what}", []) for what in asked] == [
        "https", "shop.example", 8443, "/p", "/v1",
    ]  # fmt: skip
    assert [doubting.call(f"kong.request.get_forwarded_{what}", []) for what in asked] == [
        "http", "example.com", 9080, "/a%20b/../c", None,
    ]  # fmt: skip
    assert believing.call("kong.client.get_forwarded_ip", []) == "203.0.113.5"
    assert believing.call("kong.client.get_protocol", [True]) == "https"
    assert doubting.call("kong.client.get_protocol", [True]) == "http"


@pytest.mark.parametrize(
    ("recursive", "field", "address"),
    [
        (False, b"203.0.113.5, 10.1.1.1", "10.1.1.1"),
        (True, b"203.0.113.5, 10.1.1.1", "203.0.113.5"),
        (True, b"198.51.100.1, 203.0.113.5, 10.1.1.1", "203.0.113.5"),
        (True, b"10.1.1.2, 10.1.1.1", "10.1.1.2"),
        (True, b"no address", "192.0.2.7"),
    ],
)
def test_addresses_are_told_as_by_realip(recursive: bool, field: bytes, address: str) -> None:
    """`real_ip_recursive` passes over trusted addresses from the end."""
    import dataclasses

    gateway = dataclasses.replace(TRUSTING, real_ip_header="X-Forwarded-For", real_ip_recursive=recursive)
    view = View(fields=[(b"x-forwarded-for", field)])
    assert event(view=view, gateway=gateway).call("kong.client.get_forwarded_ip", []) == address


def test_a_service_is_asked_what_plugins_say() -> None:
    """Path, query, method, fields and host; what the client asked for is still told."""
    view = View(fields=[(b"x-a", b"1"), (b"x-a", b"2")])
    own = event(view=view)
    for name, arguments in (
        ("set_path", ["/new path?"]),
        ("set_method", ["PATCH"]),
        ("set_query", [{"b": [1, "z w"], "a": True, "c": False}]),
        ("set_header", ["X-A", 3]),
        ("add_header", ["x-a", True]),
        ("set_headers", [{"X-B": ["1", "2"], "Host": "inner"}]),
        ("clear_header", ["nothing"]),
        ("set_header", ["Content-Length", "9"]),
        ("set_header", ["Transfer-Encoding", "chunked"]),
    ):
        assert own.call(f"kong.service.request.{name}", arguments) is None
    assert view.request_headers.items() == [
        (b":method", b"PATCH"), (b":path", b"/new%20path%3F?a&b=1&b=z%20w"), (b":authority", b"inner"),
        (b"x-a", b"3"), (b"x-a", b"true"), (b"x-b", b"1"), (b"x-b", b"2"),
    ]  # fmt: skip
    assert own.call("kong.request.get_raw_path", []) == "/a%20b/../c"
    assert own.call("kong.request.get_host", []) == "example.com"
    assert own.call("kong.request.get_method", []) == "PATCH"
    own.call("kong.service.request.clear_query_arg", ["b"])
    assert view.request_headers.get(b":path") == b"/new%20path%3F?a"


def test_where_a_request_goes() -> None:
    """Upstream, target, scheme, retries and timeouts go through the exchange."""
    view = View()
    own = event(view=view)
    assert own.call("kong.service.set_upstream", ["blue"]) is True
    assert own.call("kong.service.set_upstream", ["nowhere"]) is False
    own.call("kong.service.set_target", ["10.0.0.9", 8080])
    own.call("kong.service.request.set_scheme", ["https"])
    own.call("kong.service.set_retries", [3])
    own.call("kong.service.set_timeouts", [100, 2000, 3000])
    assert view.changes[2:] == [
        UpstreamChange(host="10.0.0.9", port=8080),
        UpstreamChange(scheme="https"),
        UpstreamChange(retries=3),
        UpstreamChange(connect_timeout=0.1, send_timeout=2.0, read_timeout=3.0),
    ]


@pytest.mark.parametrize(
    ("phase", "name", "arguments", "reason"),
    [
        ("access", "kong.nothing", [], "not supported by this host: kong.nothing"),
        ("access", "kong.response.get_status", [], "cannot be called in access phase"),
        ("log", "kong.response.exit", [200], "cannot be called in log phase"),
        ("rewrite", "kong.service.set_target", ["a", 1], "cannot be called in rewrite phase"),
        ("access", "kong.request.get_header", [1], "header name must be a string"),
        ("access", "kong.request.get_headers", [0], "between 1 and 1000"),
        ("access", "kong.request.get_headers", ["x"], "must be a number"),
        ("access", "kong.response.exit", ["x"], "code must be a number"),
        ("access", "kong.response.exit", [99], "between 100 and 599"),
        ("access", "kong.response.exit", [150], "200 to 599"),
        ("access", "kong.response.exit", [200, 5], "body must be"),
        ("access", "kong.response.error", [399], "between 400 and 599"),
        ("access", "kong.response.set_header", ["a b", "1"], "invalid header name"),
        ("access", "kong.response.set_header", [":status", "500"], "invalid header name"),
        ("access", "kong.service.request.set_header", [":path", "/x"], "invalid header name"),
        ("access", "kong.response.set_header", ["a", "1\r\nb: 2"], "invalid header value"),
        ("access", "kong.response.set_header", ["a", {}], "expected a string, number or boolean"),
        ("access", "kong.response.set_headers", [{"a": "1", "b": "\n"}], "invalid header value"),
        ("access", "kong.service.request.set_path", ["x"], "path must start with /"),
        ("access", "kong.service.request.set_raw_query", ["a b"], "must not hold spaces"),
        ("access", "kong.service.request.set_method", ["G ET"], "invalid method"),
        ("access", "kong.service.request.set_method", ["CONNECT"], "invalid method"),
        ("access", "kong.service.request.set_scheme", ["ftp"], "expected http or https"),
        ("access", "kong.service.request.set_header", ["host", "a b"], "invalid host"),
        ("access", "kong.service.set_target", ["a", 70000], "between 1 and 65535"),
        ("access", "kong.client.authenticate", [], "either credential or consumer"),
        ("access", "kong.ctx.shared.set", ["\0kong", 1], "reserved"),
        ("response", "kong.request.get_raw_body", [], "has gone to the service"),
        ("access", "kong.vault.get", ["{vault://aws/x}"], "not supported by this host"),
    ],
)
def test_what_a_plugin_must_not_ask(phase: str, name: str, arguments: list[Any], reason: str) -> None:
    """The plugin is told why, and nothing has changed."""
    view = View()
    before = view.request_headers.items(), view.response_headers.items()
    own = event(phase, view)
    with pytest.raises(PdkError, match=reason):
        own.call(name, arguments)
    assert (view.request_headers.items(), view.response_headers.items()) == before
    assert not own.state.response
    assert not own.is_over


HOSTILE = (None, 0, -1, 1e308, True, "x" * 70000, b"\xff", [], {}, [[]], {"a": {"b": [None]}})


@pytest.mark.parametrize("name", sorted(METHODS))
def test_nothing_that_a_plugin_gives_is_too_much(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A result or PdkError, whatever it is, in every phase, and never by an exception that nobody foresaw."""
    for argument in HOSTILE:
        for phase in ("rewrite", "access", "response", "log"):
            try:
                result = event(phase).call(name, [argument, argument, argument])
                if asyncio.iscoroutine(result):
                    asyncio.run(result)
            except PdkError:
                pass
    assert [record for record in caplog.records if record.exc_info] == []


def test_what_is_set_before_there_is_a_response_waits_for_it() -> None:
    """Set replaces what the service sends, add goes beside it, clear takes back."""
    view = View()
    own = event("access", view)
    own.call("kong.response.set_header", ["X-A", "set"])
    own.call("kong.response.add_header", ["X-B", "1"])
    own.call("kong.response.add_header", ["x-b", "2"])
    own.call("kong.response.set_header", ["X-C", "gone"])
    own.call("kong.response.clear_header", ["x-c"])
    own.call("kong.response.set_status", [500])
    State.of(view).apply(view.response_headers)
    assert view.response_headers.items() == [
        (b":status", b"200"), (b"x-a", b"set"), (b"x-b", b"1"), (b"x-b", b"2"),
    ]  # fmt: skip


def test_a_response_is_changed_where_it_is() -> None:
    """In the response phase."""
    view, message = View(), Message(b"text")
    own = event("response", view, message)
    assert own.call("kong.response.get_status", []) == 200
    assert own.call("kong.response.get_headers", []) == {"x-a": ["1", "2"]}
    assert own.call("kong.response.get_source", []) == "service"
    own.call("kong.response.set_status", [404])
    own.call("kong.response.set_header", ["x-a", "3"])
    assert asyncio.run(own.call("kong.response.get_raw_body", [])) == b"text"
    own.call("kong.response.set_raw_body", ["other"])
    assert view.response_headers.items() == [(b":status", b"404"), (b"x-a", b"3")]
    assert message.replaced == b"other"


def test_exit_answers_once_and_ends_the_event() -> None:
    """A table is JSON; the length of the content is not the plugin's."""
    message = Message()
    own = event(message=message)
    own.call("kong.response.exit", [418, {"tea": True}, {"X-E": [1, 2], "Content-Length": 3}])
    assert own.is_over
    assert message.answers == [
        (
            418,
            [(b"X-E", b"1"), (b"X-E", b"2"), (b"Content-Type", b"application/json; charset=utf-8")],
            b'{"tea":true}',
        )
    ]
    assert event("log", own.view).call("kong.response.get_source", []) == "exit"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("", b'{"message":"<no>"}'),
        ("application/json", b'{"message":"<no>"}'),
        ("text/html", b"<!doctype html>\n<title>Error</title>\n<p>&lt;no&gt;</p>\n"),
        ("text/plain", b"<no>\n"),
        (
            "application/xml",
            b'<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>&lt;no&gt;</message>\n</error>\n',
        ),
        ("image/png", b'{"message":"<no>"}'),
    ],
)
def test_error_answers_in_the_clients_form(accept: str, body: bytes) -> None:
    """What a plugin says is escaped where it would be markup."""
    message = Message()
    view = View(fields=[(b"accept", accept.encode())] if accept else [])
    event(view=view, message=message).call("kong.response.error", [403, "<no>"])
    assert message.answers[0][0] == 403
    assert message.answers[0][2] == body


@pytest.mark.parametrize(
    ("content_type", "body", "result"),
    [
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=%20", {"a": ["1", "2"], "b": " "}),
        ("application/json; charset=utf-8", b'{"a":[1]}', {"a": [1]}),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
            {"a": "1"},
        ),
    ],
)
def test_bodies_are_tables_by_their_type(content_type: str, body: bytes, result: Any) -> None:
    """As of requests and of responses."""
    view = View(fields=[(b"content-type", content_type.encode())])
    own = event(view=view, message=Message(body))
    assert asyncio.run(own.call("kong.request.get_body", [])) == result
    assert asyncio.run(_raw(own)) == body


async def _raw(own: Any) -> bytes:
    value = own.call("kong.request.get_raw_body", [])
    return await value if asyncio.iscoroutine(value) else value


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[" * 100000),
        ("text/plain", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"x"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'),
    ],
)
def test_bodies_that_are_no_tables(content_type: str, body: bytes) -> None:
    """The plugin is told."""
    own = event(message=Message(body))
    with pytest.raises(PdkError):
        asyncio.run(own.call("kong.request.get_body", [content_type]))


@pytest.mark.parametrize(
    ("mimetype", "body"),
    [
        ("application/json", b'{"a":1,"b":["x"]}'),
        ("application/x-www-form-urlencoded", b"a=1&b=x"),
    ],
)
def test_a_body_is_made_of_a_table(mimetype: str, body: bytes) -> None:
    """And the request says of which type it is."""
    view, message = View(), Message()
    event(view=view, message=message).call("kong.service.request.set_body", [{"a": 1, "b": ["x"]}, mimetype])
    assert message.replaced == body
    assert view.request_headers.get(b"content-type") == mimetype.encode()


def test_plugins_share_what_they_set() -> None:
    """With every kind of filter in Python; other kinds' objects are not for other processes."""
    view = View()
    view.shared["object"] = object()
    own = event(view=view)
    own.call("kong.ctx.shared.set", ["a", {"b": 1}])
    own.call("kong.nginx.set_ctx", ["n", 2])
    assert view.shared["a"] == {"b": 1}
    later = event("response", view)
    assert later.call("kong.ctx.shared.get", ["a"]) == {"b": 1}
    assert later.call("kong.nginx.get_ctx", ["n"]) == 2
    assert later.call("kong.ctx.shared.get", ["object"]) is None
    assert later.call("kong.ctx.shared.get", ["\0kong"]) is None
    later.call("kong.ctx.shared.set", ["a", None])
    assert "a" not in view.shared
    for number in range(2000):
        try:
            later.call("kong.ctx.shared.set", [str(number), 1])
        except PdkError:
            break
    assert number < 1001


def test_whom_a_client_is() -> None:
    """Consumers are the configuration's; Go's names of fields are understood."""
    consumer = {"id": "c1", "username": "ann", "groups": ["g"]}
    gateway = Gateway(consumers={"c1": consumer}, usernames={"ann": consumer})
    view = View()
    own = event(view=view, gateway=gateway)
    assert own.call("kong.client.load_consumer", ["c1"]) == consumer
    assert own.call("kong.client.load_consumer", ["ann"]) is None
    assert own.call("kong.client.load_consumer", ["ann", True]) == consumer
    own.call("kong.client.authenticate", [{"Id": "c1", "CreatedAt": 0}, {"Id": "k", "ConsumerId": "c1"}])
    assert own.call("kong.client.get_consumer", []) == {"id": "c1"}
    assert own.call("kong.client.get_credential", []) == {"id": "k", "consumer_id": "c1"}
    own.call("kong.client.authenticate_consumer_group_by_consumer_id", ["c1"])
    assert own.call("kong.client.get_consumer_groups", []) == ["g"]


def test_a_request_is_serialized_for_logging_plugins() -> None:
    """Credentials are not in it; values can be set, and are found in their tables."""
    view = View(fields=[(b"authorization", b"Basic c2VjcmV0"), (b"x-a", b"1")])
    gateway = Gateway(routes={"r1": ({"id": "R"}, {"id": "S"})})
    access = event(view=view, gateway=gateway)
    access.call("kong.log.set_serialize_value", ["my.value", 1])
    access.call("kong.log.set_serialize_value", ["request.size", 9, {"mode": "add"}])
    access.call("kong.log.set_serialize_value", ["absent.deep", 9, {"mode": "replace"}])
    access.call("kong.log.set_serialize_value", ["tries", None])
    log = event("log", Snapshot(view, tuple(view.variables)), gateway=gateway)  # type: ignore[arg-type]
    found = json.loads(log.call("kong.log.serialize", []))
    assert found["request"]["headers"]["authorization"] == "REDACTED"
    assert found["request"]["url"] == "http://example.com:9080/a%20b/../c?x=1&y&x=2"
    assert found["request"]["size"] == 123
    assert found["my"] == {"value": 1}
    assert "absent" not in found
    assert "tries" not in found
    assert found["response"] == {"status": 200, "headers": {"x-a": ["1", "2"]}, "size": 321}
    assert found["latencies"] == {"request": 500, "proxy": 200, "kong": 300}
    assert (found["route"], found["service"]) == ({"id": "R"}, {"id": "S"})
    assert found["started_at"] == 1700000001000
    assert found["client_ip"] == "192.0.2.7"


def test_tries_are_told_each() -> None:
    """A server that did not answer, too."""
    found = json.loads(event("log").call("kong.log.serialize", []))
    assert found["tries"] == [
        {"ip": "10.0.0.1", "port": 80, "state": "failed"},
        {"ip": "10.0.0.2", "port": 80, "code": 200},
    ]


def test_plugins_write_lines(caplog: pytest.LogCaptureFixture) -> None:
    """At their levels, with their names, and no longer than is bearable."""
    caplog.set_level(logging.DEBUG)
    own = event()
    own.call("kong.log.err", ["a", 1, {"b": 2}])
    own.call("kong.log.debug", ["x" * 10000])
    own.call("kong.log", ["plain"])
    lines = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "sluiceway.kong"]
    assert lines[0] == ("ERROR", 'a1{"b": 2}')
    assert (lines[1][0], len(lines[1][1])) == ("DEBUG", 3800)
    assert lines[2] == ("INFO", "plain")


def test_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, by prefix, and by a key of the JSON in it."""
    monkeypatch.setenv("MY_SECRET", '{"user": "u", "n": 1}')
    own = event()
    assert own.call("kong.vault.get", ["{vault://env/my-secret}"]) == '{"user": "u", "n": 1}'
    assert own.call("kong.vault.get", ["{vault://env/secret/user?prefix=my_}"]) == "u"
    with pytest.raises(PdkError, match="no variable"):
        own.call("kong.vault.get", ["{vault://env/absent}"])


def test_memory_is_this_workers() -> None:
    """There is no Lua: its place is taken by what this process holds."""
    found = event().call("kong.node.get_memory_stats", [])
    assert found["workers_lua_vms"][0]["http_allocated_gc"] > 1_000_000


def test_a_call_that_comes_behind_the_end_of_its_exchange_changes_nothing() -> None:
    """The stream may carry the connection's next request by then: what the plugin sets would be set in that one."""
    message, view = Message(), View()
    call = event(view=view, message=message).call
    message.done = True
    with pytest.raises(PdkError, match="exchange is over"):
        call("kong.service.request.set_header", ["x-a", "1"])
    assert view.request_headers.get(b"x-a") is None


def test_statistics_are_those_of_the_worker_at_the_time() -> None:
    """As plugins that watch their gateway read them; nothing before there are any."""
    numbers = {"connections_active": 3, "total_requests": 7}
    gateway = Gateway(node_id="node", statistics=lambda: numbers)
    function = METHODS["kong.nginx.get_statistics"].function
    assert function(event(gateway=gateway)) == numbers
    numbers["total_requests"] = 8
    assert function(event(gateway=gateway))["total_requests"] == 8
    assert function(event()) == {}

"""A plugin as an access logger on the wire: every request, whatever answers it."""

from __future__ import annotations

from host.proxy import Proxy
from tests.e2e.embedded import RecordingLog, ask, echo, load, plugin, serve_origin
from tests.e2e.gateway import run


def test_an_access_logger_of_a_global_rule_logs_all_requests() -> None:
    """Those of a route, of one whose upstream is down, and those that no route matches."""

    async def test() -> None:
        log = RecordingLog()
        async with serve_origin(echo) as port:
            text = (
                f"wasm: {{plugins: [{{name: p, priority: 1, file: {plugin('lifecycle')}, log_level: trace}}]}}\n"
                "global_rules: [{id: g, plugins: {p: {conf: x, access_logger: true}}}]\n"
                f"routes: [{{uri: /up, upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}}},"
                " {uri: /down, upstream: {nodes: {'127.0.0.1:1': 1}}}]"
            )
            async with Proxy(load(text), log=log) as proxy:
                assert [(await ask(proxy, path)).status for path in ("/up", "/down", "/else")] == [
                    200,
                    502,
                    404,
                ]
        lines = [
            message
            for message in log.messages
            if message.partition("(")[0] in ("proxy_on_log", "proxy_on_delete")
        ]
        assert lines[:6] == [
            f"proxy_on_{what}({number})" for number in (2, 3, 4) for what in ("log", "delete")
        ]
        assert not any("request_headers" in message for message in log.messages)

    run(test())

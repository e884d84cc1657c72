"""Where a plugin of Kong's sends a request, whatever it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.proxy import Proxy
from tests.e2e.embedded import ask, echo, load, serve_origin
from tests.e2e.gateway import run
from tests.e2e.kong_peer import MessagePackConnection, server

HOSTS = ["a\r\nX-In: y", "a b", "a\0b", "x" * 300, "\u00e9" * 70, "[::1", "127.0.0.1:1/"]


@pytest.mark.parametrize("passed", ["pass", "node"])
def test_a_target_that_is_none_fails_its_own_request(tmp_path: Path, passed: str) -> None:
    """502, nothing on the wire that was not meant, and the next request is right."""

    async def test() -> None:
        async with server(tmp_path, "MsgPack:1") as peer, serve_origin(echo) as port:
            upstream = {"nodes": {f"127.0.0.1:{port}": 1}, "pass_host": passed}
            routes = [{"uri": "/*", "upstream": upstream, "plugins": {"p": {"config": {"message": "a"}}}}]
            section = peer.section(event_timeout="5s")
            async with Proxy(load(json.dumps({"kong": section, "routes": routes}))) as proxy:
                say = peer.on_event
                for host in HOSTS:

                    async def target(
                        connection: MessagePackConnection, number: int, instance: int, host: str = host
                    ) -> None:
                        text = host.encode("utf-8", "surrogateescape")
                        number, _ = await connection.ask(number, "kong.service.set_target", text, port)
                        await connection.finish(number)

                    peer.on_event = target
                    answer = await ask(proxy, "/x")
                    assert answer.status == 502
                    peer.on_event = say
                    assert (await ask(proxy, "/x")).status == 200

    run(test())

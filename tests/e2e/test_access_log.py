"""The access log of a whole gateway: written by its workers, opened anew when told."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from host.proxy import Proxy, check
from tests.e2e.embedded import ask, echo, load, messages_of, plugin, serve_origin
from tests.e2e.gateway import run
from tests.e2e.process import get, origin, running


def lines(path: Path, count: int) -> list[str]:
    """The lines of the file, once there are so many, or after five seconds."""
    until = time.monotonic() + 5
    found: list[str] = []
    while len(found) < count and time.monotonic() < until:
        found = path.read_text().splitlines() if path.exists() else []
        time.sleep(0.01)
    return found


def test_workers_write_one_file_and_open_it_anew(tmp_path: Path) -> None:
    """logrotate: rename, then SIGUSR1. Nothing is lost and nothing is written twice."""
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    with origin() as server:
        (tmp_path / "c.yaml").write_text(
            "nginx_config: {http: {access_log: access.log, access_log_format: '$request_uri $status'}}\n"
            f"workers: 2\nroutes: [{{uri: /*, upstream: {{nodes: {{'127.0.0.1:{server.server_port}': 1}}}}}}]\n"
        )
        with running(tmp_path / "c.yaml", "--listen", "127.0.0.1:0") as gateway:
            address = gateway.serving()
            for number in range(20):
                assert get(address, f"/{number}")[0] == 200
            assert sorted(lines(log, 20)) == sorted(f"/{number} 200" for number in range(20))
            log.rename(old)
            gateway.signal(signal.SIGUSR1)
            until = time.monotonic() + 5
            while not log.exists() and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.2)  # the other worker
            for number in range(10):
                get(address, f"/new/{number}")
            assert len(lines(log, 10)) == 10
            assert len(lines(old, 20)) == 20


FORMAT = '{"uri": "$uri", "status": $status, "rule": "${property.waf.rule}"}'


def test_what_plugins_answer_and_set_is_told(tmp_path: Path) -> None:
    """In JSON; closing the gateway writes what was gathered."""
    log = tmp_path / "access.log"
    answers = {"responses": [{"phase": "request_headers", "code": 403, "body": "no"}]}
    sets = {"set": [{"phase": "request_headers", "path": ["waf", "rule"], "value": "942100"}]}

    async def test() -> None:
        async with serve_origin(echo) as port:
            upstream = f"upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}"
            text = f"""
nginx_config: {{http: {{access_log: {log}, access_log_format_escape: json, access_log_format: '{FORMAT}'}}}}
wasm:
  plugins:
    - {{name: answers, priority: 1, file: {plugin("local_response")}}}
    - {{name: sets, priority: 1, file: {plugin("properties")}}}
routes:
  - {{uri: /open, {upstream}, plugins: {{sets: {{conf: {json.dumps(sets)}}}}}}}
  - {{uri: /closed, {upstream}, plugins: {{answers: {{conf: {json.dumps(answers)}}}}}}}
"""
            async with Proxy(load(text)) as proxy:
                for path in ("/open", "/closed", '/else"'):
                    await ask(proxy, path)
        assert [json.loads(line) for line in lines(log, 3)] == [
            {"uri": "/open", "status": 200, "rule": "942100"},
            {"uri": "/closed", "status": 403, "rule": ""},
            {"uri": '/else"', "status": 404, "rule": ""},
        ]

    run(test())


def test_a_file_that_cannot_be_opened_costs_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is an error in the log; the next order to open it is another try."""

    async def test() -> None:
        log = tmp_path / "later" / "access.log"
        async with Proxy(
            load(f"nginx_config: {{http: {{access_log: {log}, access_log_format: $status}}}}\nroutes: []")
        ) as proxy:
            assert (await ask(proxy, "/")).status == 404
            assert messages_of(caplog, "sluiceway") == [
                f"the access log {log} cannot be opened: No such file or directory"
            ]
            log.parent.mkdir()
            proxy.reopen_access_log()
            assert (await ask(proxy, "/")).status == 404
        assert lines(log, 1) == ["404"]

    run(test())


def test_a_check_writes_no_access_log(tmp_path: Path) -> None:
    """It serves nobody, and may run as somebody else."""
    log = tmp_path / "access.log"
    assert check(load(f"nginx_config: {{http: {{access_log: {log}}}}}\nroutes: []")) == []
    assert not log.exists()
